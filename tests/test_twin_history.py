"""GitHub before day 0: pages of the closed form against the planted counts, by enumeration.

A world small enough to enumerate every commit, thread, comment, review and star of it.
"""

import json
from collections import Counter
from dataclasses import fields, replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from twin import words
from twin.draws import YEAR, Tail
from twin.history import REVIEW_STATES, Commits, History, Threads
from twin.scales import PLANTED, Scale
from twin.texts import MESSAGE_KINDS, MISWORDED, SUBSTANTIVE, TEMPLATE, TRIVIAL, Texts
from twin.truth_tables import message_table, thread_table
from twin.world import World, build_world

FIRST = date(2025, 10, 6)
# Stocks with the usual medians and shorter tails, so that everything can be enumerated.
SMALL = Scale(
    "small", 1_000, 300, 500, 30, 5, 50, 60, 6, 4, 4, 3,
    targets=PLANTED | {
        "github_commits": Tail(0.0, 1.3, 800, median=24.5),
        "github_issues": Tail(0.55, 1.4, 300, median=8.0),
        "github_stars": Tail(0.09, 1.6, 900, median=21.2),
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(SMALL, 11, FIRST)


@pytest.fixture(scope="module")
def history(world: World) -> History:
    return History(world)


@pytest.fixture(scope="module")
def texts(world: World, history: History) -> Texts:
    return Texts(world, history)


@pytest.fixture(scope="module")
def commits(world: World, history: History) -> list[Commits]:
    """All commits of every repository, in pages of 100, as a client would read them."""
    found = []
    for i in range(len(world.repositories)):
        pages = [history.commits(i, k, k + 100) for k in range(0, history.commit_count(i), 100)]
        found.append(joined(pages or [history.commits(i, 0, 0)]))
    return found


@pytest.fixture(scope="module")
def threads(world: World, history: History) -> list[Threads]:
    return [history.threads(i, 0, 10_000) for i in range(len(world.repositories))]


def joined(pages: list[Any]) -> Any:
    names = [f.name for f in fields(pages[0])]
    return type(pages[0])(**{n: np.concatenate([getattr(p, n) for p in pages]) for n in names})


def own(world: World, i: int, found: Commits) -> Commits:
    """Without what a fork inherited."""
    return found.taken(found.position >= world.repositories.inherited_count[i])


# ---------------------------------------------------------------- counts


def recounted(world: World, i: int, found: Commits, of: Threads) -> dict[str, int]:
    """The planted counts of a repository, taken again from its pages."""
    mine = own(world, i, found)
    merged = of.taken(of.merged_at > 0)
    pulls, issues = of.taken(of.is_pull), of.taken(~of.is_pull)
    direct = mine.taken(mine.pull_number == 0)
    return {
        "commit_count": len(found),
        "inherited_commit_count": len(found) - len(mine),
        "direct_commit_count": len(direct),
        "merge_commit_count": int((mine.pull_number > 0).sum()),
        "machine_commit_count": int(mine.is_machine.sum()),
        "external_commit_count": int(mine.is_external.sum()),
        "external_direct_commit_count": int(direct.is_external.sum()),
        "unlinked_commit_count": int((mine.author == -1).sum()),
        "issue_count": len(issues),
        "external_issue_count": int(issues.is_external.sum()),
        "issue_comment_count": int(issues.comment_count.sum()),
        "pull_count": len(pulls),
        "machine_pull_count": int(pulls.is_machine.sum()),
        "external_pull_count": int(pulls.is_external.sum()),
        "merged_pull_count": len(merged),
        "external_merged_pull_count": int(merged.is_external.sum()),
        "pull_comment_count": int(pulls.comment_count.sum()),
        "review_count": int(of.review_count.sum()),
    }


def test_planted_counts_equal_an_enumeration_of_every_page(
    world: World, history: History, commits: list[Commits], threads: list[Threads]
) -> None:
    planted = history.counts(np.arange(len(world.repositories)))
    for i in range(len(world.repositories)):
        told = {f.name: int(getattr(planted, f.name)[i]) for f in fields(planted)}
        assert recounted(world, i, commits[i], threads[i]) == told, i
    for name in (
        "external_direct_commit_count", "machine_commit_count", "unlinked_commit_count",
        "external_merged_pull_count", "inherited_commit_count", "review_count",
    ):  # fmt: skip
        assert getattr(planted, name).sum() > 20, name


def test_the_recount_notices_a_lost_commit_and_a_changed_author(
    world: World, history: History, commits: list[Commits], threads: list[Threads]
) -> None:
    i = int(np.argmax(history.counts(np.arange(300)).unlinked_commit_count))
    told = recounted(world, i, commits[i], threads[i])
    lost = commits[i].taken(slice(1, None))
    assert recounted(world, i, lost, threads[i]) != told
    linked = replace(commits[i], author=commits[i].person)
    assert recounted(world, i, linked, threads[i]) != told


def test_stocks_are_what_the_repositories_say(world: World, history: History) -> None:
    r = world.repositories
    for i in range(len(r)):
        assert history.issue_total(i) + history.issue_comment_total(i) == r.issue_stock[i]
        assert history.issue_total(i) + history.pull_total(i) == history.thread_count(i)
        assert (history.issue_total(i) > 0) == (r.issue_stock[i] > 0)
        assert r.has_issues[i] or not r.issue_stock[i]
    assert not r.has_issues.all()


def test_planted_shares_are_met_within_one(
    world: World, commits: list[Commits], threads: list[Threads]
) -> None:
    r = world.repositories
    for i in range(len(r)):
        mine = own(world, i, commits[i])
        direct = mine.taken((mine.pull_number == 0) & ~mine.is_machine)
        assert abs(direct.is_external.sum() - len(direct) * r.external_direct_share[i]) <= 1
        assert abs((mine.author < 0).sum() - len(mine) * r.plan.unlinked_share[i]) <= 1
        pulls = threads[i].taken(threads[i].is_pull & ~threads[i].is_machine)
        assert abs(pulls.is_external.sum() - len(pulls) * r.external_opened_share[i]) <= 1


# ---------------------------------------------------------------- commits


def test_commits_are_in_order_between_creation_and_the_last_push(
    world: World, commits: list[Commits]
) -> None:
    r = world.repositories
    for i, found in enumerate(commits):
        assert np.array_equal(found.position, np.arange(r.commit_stock[i]))
        assert (np.diff(found.committed_at) >= 0).all()
        assert (found.authored_at <= found.committed_at).all()
        assert (found.committed_at < world.starts_at).all()
        mine = own(world, i, found)
        assert (mine.committed_at >= r.created_at[i]).all()
        if len(mine):
            assert mine.committed_at[-1] == r.pushed_at[i]
        if len(found) > len(mine):
            assert found.committed_at[len(found) - len(mine) - 1] <= r.created_at[i]


def test_shas_are_unique_but_for_what_forks_inherit(world: World, history: History) -> None:
    r = world.repositories
    repository = np.repeat(np.arange(len(r)), r.commit_stock)
    first = np.concatenate([[0], np.cumsum(r.commit_stock)])
    position = np.arange(len(repository)) - first[repository]
    shas = history.shas(repository, position)
    assert len(set(shas)) == len(shas) - r.inherited_count.sum()
    assert all(len(sha) == 40 for sha in shas)
    fork = int(np.argmax(r.inherited_count))
    parent = int(r.fork_of[fork])
    last = int(r.inherited_count[fork])
    assert history.sha(fork, last - 1) == history.sha(parent, last - 1)
    assert history.sha(fork, last) != history.sha(parent, last)
    assert history.sha(3, -1) == "0" * 40
    assert history.sha(3, int(r.commit_stock[3]) + 5) not in shas


def test_forks_list_their_parents_first_commits(
    world: World, history: History, commits: list[Commits]
) -> None:
    r = world.repositories
    for i in np.flatnonzero(r.is_fork).tolist():
        count = int(r.inherited_count[i])
        parent = commits[int(r.fork_of[i])].taken(slice(0, count))
        listed = commits[i].taken(slice(0, count))
        for name in ("author", "person", "committed_at", "pull_number", "is_external"):
            assert np.array_equal(getattr(listed, name), getattr(parent, name))
        assert (listed.origin == r.fork_of[i]).all()
        assert (commits[i].origin[count:] == i).all()


def test_people_act_in_their_role_at_their_time(
    world: World, commits: list[Commits], threads: list[Threads]
) -> None:
    accounts = world.accounts
    for i, found in enumerate(commits):
        mine = own(world, i, found)
        direct = mine.taken(mine.pull_number == 0)
        where = np.full(len(direct), i)
        inside = world.is_insider(direct.person, where, direct.committed_at)
        people = ~direct.is_machine
        assert np.array_equal(inside[people], ~direct.is_external[people])
        assert np.isin(direct.person[~people], accounts.acting_machines).all()
        assert (accounts.created_at[direct.person] <= direct.committed_at).all()
        of = threads[i].taken(~threads[i].is_machine)
        inside = world.is_insider(of.person, np.full(len(of), i), of.created_at)
        assert np.array_equal(inside, ~of.is_external)
        assert (accounts.created_at[of.person] <= of.created_at).all()


def test_contributors_change_over_the_years(world: World, history: History) -> None:
    """Who committed lately is not who did at first: a window of a year changes a network."""
    both, early_only = 0, 0
    r = world.repositories
    old = np.flatnonzero((r.created_at < world.starts_at - 5 * YEAR) & (r.commit_stock > 100))
    for i in old.tolist():
        found = own(world, i, history.commits(i, 0, 800))
        people = found.taken(~found.is_machine)
        middle = r.created_at[i] + (r.pushed_at[i] - r.created_at[i]) // 2
        early = set(people.person[people.committed_at < middle - YEAR].tolist())
        late = set(people.person[people.committed_at > middle + YEAR].tolist())
        both += len(early & late)
        early_only += len(early - late)
    assert early_only > 0.25 * both > 0


# ---------------------------------------------------------------- threads, comments, reviews


def test_threads_share_one_sequence_in_order_of_time(
    world: World, history: History, threads: list[Threads]
) -> None:
    r = world.repositories
    mixed_sequences = 0
    for i, of in enumerate(threads):
        assert np.array_equal(of.number, np.arange(1, r.last_number[i] + 1))
        assert (np.diff(of.created_at) >= 0).all()
        assert (of.created_at >= r.created_at[i]).all()
        assert (of.created_at < world.starts_at).all()
        ended = of.closed_at > 0
        assert (of.closed_at[ended] >= of.created_at[ended]).all()
        assert (of.closed_at < world.starts_at).all()
        assert not (of.merged_at[~of.is_pull]).any()
        merged = of.merged_at > 0
        assert np.array_equal(of.merged_at[merged], of.closed_at[merged])
        assert (of.head_repository[of.is_pull & of.is_external] == -1).all()
        assert (of.head_repository[of.is_pull & ~of.is_external] == i).all()
        assert not of.review_count[~of.is_pull].any()
        mixed_sequences += len(set(of.is_pull.tolist())) == 2
        ranks = np.arange(r.issue_count[i])
        issues = history.issue_numbers(np.full(len(ranks), i), ranks)
        assert np.array_equal(issues, of.number[~of.is_pull])
        ranks = np.arange(r.pull_count[i])
        assert np.array_equal(
            history.pull_numbers(np.full(len(ranks), i), ranks), of.number[of.is_pull]
        )
    assert mixed_sequences > 50
    assert any((of.author == world.accounts.ghost).any() for of in threads)
    still_open = [(of.closed_at == 0).mean() for of in threads if len(of) > 20]
    assert 0.02 < np.mean(still_open) < 0.5


def test_a_merge_is_one_commit_at_its_time_by_its_author(
    world: World, commits: list[Commits], threads: list[Threads]
) -> None:
    seen: Counter[bool] = Counter()
    for i, found in enumerate(commits):
        merges = own(world, i, found)
        merges = merges.taken(merges.pull_number > 0)
        of = threads[i].taken(merges.pull_number - 1)
        assert np.array_equal(of.merged_at, merges.committed_at)
        assert np.array_equal(of.person, merges.person)
        assert np.array_equal(of.is_external, merges.is_external)
        assert (merges.committer == world.accounts.web_flow).all()
        merged = threads[i].number[threads[i].merged_at > 0]
        assert sorted(merges.pull_number.tolist()) == merged.tolist()
        seen.update(merges.is_merge.tolist())
    assert min(seen.values()) > 50


def test_comments_and_reviews_are_as_many_as_counted_and_in_order(
    world: World, history: History, threads: list[Threads]
) -> None:
    roles: Counter[str] = Counter()
    states: Counter[str] = Counter()
    for i in range(0, len(world.repositories), 3):
        of = threads[i]
        for k, number in enumerate(of.number.tolist()):
            found = history.comments(i, number, 0, 10_000)
            assert len(found) == of.comment_count[k]
            limit = of.closed_at[k] or world.starts_at
            reviews = history.reviews(i, number)
            assert len(reviews) == of.review_count[k]
            states.update(REVIEW_STATES[s] for s in reviews.state.tolist())
            for page in (found, reviews):
                assert (np.diff(page.created_at) >= 0).all()
                assert (page.created_at >= of.created_at[k]).all()
                assert (page.created_at <= limit).all()
            roles["opener"] += int((found.author == of.author[k]).sum())
            roles["all"] += len(found)
            tail = history.comments(i, number, 2, 5)
            assert np.array_equal(tail.author, found.author[2:5])
    assert 0.2 < roles["opener"] / roles["all"] < 0.8
    assert set(states) == set(REVIEW_STATES)


# ---------------------------------------------------------------- stars


def test_stars_are_different_accounts_in_order_of_time(world: World, history: History) -> None:
    r, accounts = world.repositories, world.accounts
    people, passers_by, together = 0, 0, Counter[int]()
    for i in range(len(r)):
        who, at = history.stars(i, 0, 10_000)
        assert len(who) == r.star_stock[i] == len(set(who.tolist()))
        assert (np.diff(at) >= 0).all()
        assert ((at >= r.created_at[i]) & (at < world.starts_at)).all()
        known = who < len(accounts.login)
        assert (who[known] < accounts.person_count).all()
        assert (accounts.created_at[who[known]] <= at[known]).all()
        assert all(accounts.created_at_of(int(k)) <= t
                   for k, t in zip(who[~known], at[~known], strict=True))  # fmt: skip
        people, passers_by = people + known.sum(), passers_by + (~known).sum()
        everyone = np.arange(accounts.person_count)
        starred = history.has_starred(np.full(len(everyone), i), everyone)
        assert set(np.flatnonzero(starred).tolist()) == set(who[known].tolist())
        together.update(who[known].tolist())
        assert np.array_equal(history.stars(i, 5, 9)[0], who[5:9])
    assert people > 5_000
    assert passers_by > 500
    assert len(together) > 0.9 * accounts.person_count


# ---------------------------------------------------------------- texts


def test_substantive_messages_are_exactly_those_counted(
    world: World, texts: Texts, commits: list[Commits]
) -> None:
    r = world.repositories
    kinds: Counter[int] = Counter()
    for i, found in enumerate(commits):
        mine = own(world, i, found).position
        of_kind = texts.message_kinds(np.full(len(mine), i), mine)
        counted = int((of_kind == SUBSTANTIVE).sum())
        expected = texts.substantive_before(np.array([i]), np.array([len(mine)]))[0]
        assert counted == expected
        assert abs(counted - len(mine) * r.substantive_share[i]) < 1
        kinds.update(of_kind.tolist())
    table = message_table(world, texts)
    assert kinds[SUBSTANTIVE] == table["substantive_count"][0]
    assert sum(kinds.values()) == table["commit_count"][0]
    assert abs(table["substantive_share"][0] - 817_679 / 23_632_337) < 0.004
    assert min(kinds[TEMPLATE], kinds[TRIVIAL]) > 1_000
    assert len(MESSAGE_KINDS) == 3


def test_messages_read_as_their_kind_and_merges_name_their_pull(
    world: World, texts: Texts, commits: list[Commits]
) -> None:
    r = world.repositories
    seen: Counter[str] = Counter()
    for i in range(0, len(r), 5):
        found = own(world, i, commits[i])
        where = np.full(len(found), i)
        kinds = texts.message_kinds(where, found.position)
        messages = texts.messages_of(where, found.position)
        assert texts.message(i, int(found.position[-1]) if len(found) else 0) == (
            messages[-1] if messages else texts.message(i, 0)
        )
        for kind, pull, is_merge, text in zip(
            kinds.tolist(), found.pull_number.tolist(), found.is_merge.tolist(), messages,
            strict=True,
        ):  # fmt: skip
            if kind == SUBSTANTIVE:
                assert len(text.split()) > 25
            elif not pull and kind == TRIVIAL and text not in words.HOSTILE:
                assert len(text.split("\n\nCo-authored-by")[0].split()) < 8
            if pull and is_merge:
                assert text.startswith(f"Merge pull request #{pull} from ")
                assert kind == SUBSTANTIVE or texts.title(i, pull) in text
            elif pull:
                assert f"(#{pull})" in text
            seen["merge" if pull else "direct"] += 1
    assert min(seen.values()) > 50
    firsts = [texts.message(i, 0) for i in np.flatnonzero(~r.is_fork & (r.commit_stock > 0))[:40]]
    assert firsts.count("Initial commit") > 25


def test_the_flow_continues_positions_with_messages_of_its_own(world: World, texts: Texts) -> None:
    r = world.repositories
    repository = np.arange(len(r))
    after = r.commit_stock + 7
    places = texts.messages_at(repository, after)
    assert texts.messages_of(repository, after) == [texts.messages.texts[k] for k in places]
    # The marks go on: among any stretch that crosses day 0 the share holds.
    kinds = texts.message_kinds(np.full(4_000, 8), np.arange(4_000) + int(r.inherited_count[8]))
    assert abs((kinds == SUBSTANTIVE).sum() - 4_000 * r.substantive_share[8]) <= 1


def test_themes_of_many_threads_have_the_published_shares(texts: Texts) -> None:
    n = 60_000
    repository, number = np.arange(n) % 300, np.arange(n) // 300 + 1
    for themes, shares in (
        (texts.theme(repository, number), {"bug": 0.427, "suggestion": 0.282}),
        (texts.hub_theme(repository, number), {"usage": 0.400, "performance": 0.223}),
    ):
        for theme, share in shares.items():
            assert abs((themes.primary == words.THEMES.index(theme)).mean() - share) < 0.008
        assert (themes.primary != themes.second).all()
        assert abs((themes.language == 0).mean() - 0.8) < 0.01
        labelled = themes.label >= 0
        assert abs(labelled.mean() - 0.5) < 0.01
        wrong = themes.label[labelled] != themes.primary[labelled]
        assert abs(wrong.mean() - 0.08) < 0.01
        assert len(set(themes.language.tolist())) == 5


def test_some_posts_are_worded_as_what_they_are_not(texts: Texts) -> None:
    n = 60_000
    repository, number = np.arange(n) % 300, np.arange(n) // 300 + 1
    for platform, themes in (
        ("github", texts.theme(repository, number)),
        ("hub", texts.hub_theme(repository, number)),
    ):
        planted = dict.fromkeys(range(len(words.THEMES)), 0.0)
        for theme, told, share in MISWORDED[platform]:
            is_theme = themes.primary == words.THEMES.index(theme)
            as_told = themes.worded[is_theme] == words.THEMES.index(told)
            assert abs(as_told.mean() - share) < 0.02
            planted[words.THEMES.index(theme)] = share
        for theme, share in planted.items():
            is_theme = themes.primary == theme
            assert abs((themes.worded[is_theme] != theme).mean() - share) < 0.02


def test_texts_follow_their_theme_and_language(world: World, texts: Texts) -> None:
    n = 3_000
    repository, number = np.arange(n) % 300, np.arange(n) // 300 + 1
    themes = texts.theme(repository, number)
    titles, bodies = texts.titles_at(repository, number), texts.bodies_at(repository, number)
    hostile = 0
    for k in range(n):
        title, body = texts.titles.texts[titles[k]], texts.bodies.texts[bodies[k]]
        code = words.LANGUAGE_CODES[themes.language[k]]
        theme = words.THEMES[themes.worded[k]]
        fixed = [p.split("{")[0] for p in words.THEME_TITLES[code][theme]]
        if themes.is_hostile[k]:
            hostile += 1
            assert title in words.HOSTILE
        elif all(fixed):
            assert title.startswith(tuple(fixed))
        assert ("### " in body) == bool(themes.is_template[k])
        if code in ("zh", "ja"):
            assert any(ord(c) > 0x2E80 for c in body)
    assert 0.01 * n < hostile < 0.06 * n
    assert texts.title(7, 3) == texts.titles.texts[texts.titles_at(np.array([7]), np.array([3]))[0]]


def test_json_variants_are_the_same_texts(texts: Texts) -> None:
    for pool in (texts.titles, texts.bodies, texts.comments, texts.messages, texts.hub_messages):
        assert [json.loads(text) for text in pool.json] == pool.texts
        assert all(text for text in pool.texts)
    assert json.loads(texts.title_json(4, 2)) == texts.title(4, 2)
    assert json.loads(texts.body_json(4, 2)) == texts.body(4, 2)
    assert json.loads(texts.comment_json(4, 2, 1)) == texts.comment(4, 2, 1)
    assert json.loads(texts.message_json(4, 2)) == texts.message(4, 2)


def test_plain_addresses_are_of_reserved_domains_only(texts: Texts) -> None:
    pools = (texts.titles, texts.bodies, texts.comments, texts.messages, texts.hub_messages)
    text = "\n".join(text for pool in pools for text in pool.texts)
    domains = {part.split(">")[0] for part in text.split("@")[1:] if ">" in part[:14]}
    assert domains == {"example.org", "example.com", "example.net"}


def test_messages_of_the_hub_have_their_share(texts: Texts) -> None:
    models, positions = np.repeat(np.arange(200), 40), np.tile(np.arange(40), 200)
    kinds = texts.hub_message_kinds(models, positions)
    counted = int((kinds == SUBSTANTIVE).sum())
    counts = texts.hub_substantive_before(np.arange(200), np.full(200, 40))
    assert counted == counts.sum()
    assert abs(counted / len(kinds) - 11_706 / 212_085) < 0.004
    assert (
        texts.hub_message(3, 1)
        == texts.hub_messages.texts[texts.hub_messages_at(np.array([3]), np.array([1]))[0]]
    )


# ---------------------------------------------------------------- determinism, truth, large numbers


def test_pages_are_pure_functions_of_the_world(world: World, history: History) -> None:
    again = History(build_world(SMALL, 11, FIRST))
    other = History(build_world(SMALL, 12, FIRST))
    differ = 0
    for i in range(0, 300, 29):
        one, two = history.commits(i, 3, 40), again.commits(i, 3, 40)
        for f in fields(one):
            assert np.array_equal(getattr(one, f.name), getattr(two, f.name)), f.name
        three = other.commits(i, 3, 40)
        differ += len(one) != len(three) or not np.array_equal(one.person, three.person)
        assert again.stars(i, 0, 9)[0].tolist() == history.stars(i, 0, 9)[0].tolist()
    assert differ > 5


def test_thread_truth_repeats_what_the_pages_say(
    world: World, history: History, texts: Texts, threads: list[Threads]
) -> None:
    table = thread_table(world, history, texts, 800)
    i = int(np.flatnonzero(world.repositories.last_number)[0])
    rows = table["repository_id"] == world.repositories.id[i]
    assert table["number"][rows].tolist() == threads[i].number.tolist()
    assert table["comment_count"][rows].tolist() == threads[i].comment_count.tolist()
    theme = texts.theme(np.array([i]), np.array([1])).primary[0]
    assert table["theme"][rows][0] == words.THEMES[theme]


def test_pages_far_into_a_giant_are_exact_and_quick() -> None:
    targets = PLANTED | {
        "github_commits": Tail(0.0, 0.02, 71_860_646, median=71_000_000.0),
        "github_issues": Tail(0.0, 0.02, 1_607_850, median=1_600_000.0),
    }
    world = build_world(replace(SMALL, targets=targets), 2, FIRST)
    history, r = History(world), world.repositories
    i = int(np.argmax(r.commit_stock * (r.inherited_count == 0)))
    assert history.commit_count(i) > 70_000_000
    page = history.commits(i, 60_000_000, 60_000_500)
    assert (np.diff(page.committed_at) >= 0).all()
    line = history.timeline
    place = np.full(2, i)
    edges = line.unlinked_before(place, np.array([60_000_000, 60_000_500]))
    assert (page.author < 0).sum() == edges[1] - edges[0]
    of = history.threads(i, 300_000, 300_500)
    assert (np.diff(of.created_at) >= 0).all()
    before = line.issues_before(place, np.array([300_000, 300_500]))
    assert (~of.is_pull).sum() == before[1] - before[0]
    last = history.commits(i, history.commit_count(i) - 1, history.commit_count(i) + 10)
    assert last.committed_at.tolist() == [r.pushed_at[i]]
    assert (world.starts_at - last.committed_at[0]) >= 0
