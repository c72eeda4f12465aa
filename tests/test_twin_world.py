"""The population of the twin: determinism, planted statistics, memberships, fates and names."""

import time
from dataclasses import fields, is_dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from twin import events as ev
from twin.accounts import (
    AI_AGENT,
    AUTOMATION,
    BOT,
    GHOST,
    HIDDEN,
    ORGANISATION,
    PARTIAL,
    PERSON,
    PUBLIC,
    STAFF,
)
from twin.draws import (
    DAY,
    Tail,
    exact_share,
    is_marked,
    marks_before,
    mixed,
    phase_of,
    spread_before,
    spread_place,
)
from twin.truth_tables import truth_tables
from twin.world import SCALES, YEAR_2016, World, build_world

FIRST = date(2025, 10, 6)


@pytest.fixture(scope="module")
def tiny() -> World:
    return build_world("tiny", 1, FIRST)


@pytest.fixture(scope="module")
def demo() -> World:
    return build_world("demo", 7, FIRST)


def differences(a: Any, b: Any, path: str = "world") -> list[str]:
    """Paths at which two worlds differ."""
    if is_dataclass(a):
        parts = (differences(getattr(a, f.name), getattr(b, f.name), f"{path}.{f.name}")
                 for f in fields(a))  # fmt: skip
        return [found for part in parts for found in part]
    same = np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
    return [] if same else [path]


# ---------------------------------------------------------------- arithmetic of hashes and marks


def test_a_hash_is_splitmix64_and_equal_for_single_numbers_and_arrays() -> None:
    # The first outputs for the seeds 0 and 1234567, as published with the generator.
    assert mixed(0)[0] == 0xE220A8397B1DCDAF
    assert mixed(1_234_567)[0] == 6_457_827_717_110_365_317
    rng = np.random.default_rng(5)
    for _ in range(200):
        columns = rng.integers(-(2**62), 2**62, (3, 4))
        whole = mixed(columns[0], 7, columns[1], columns[2], -2)
        for place, (one, other, last) in enumerate(columns.T):
            assert mixed(int(one), 7, other, np.array([last]), -2) == whole[place]
        of_rest = mixed(int(columns[0, 0]), columns[1], 3)
        assert of_rest[2] == mixed(columns[0, :1], columns[1, 2], 3)[0]


def test_marks_are_as_many_as_the_closed_form_says() -> None:
    index = np.arange(500)
    for k in range(60):
        share = exact_share(np.array([(k % 21) / 20 if k < 21 else float(mixed(k)[0] % 997) / 997]))
        phase = phase_of(mixed(k, 5))
        marked = is_marked(index, share, phase)
        before = marks_before(np.arange(501), share, phase)
        assert np.array_equal(np.concatenate([[0], np.cumsum(marked)]), before - before[0])
        assert before[0] == 0
        assert abs(marked.sum() - 500 * share[0]) < 1
    # Far out, where a product that is not exact would lose or double a mark.
    far = np.arange(71_000_000, 71_000_500)
    share, phase = exact_share(np.array([0.3])), np.array([511 / 1024])
    found = marks_before(far[-1:] + 1, share, phase) - marks_before(far[:1], share, phase)
    assert is_marked(far, share, phase).sum() == found[0]


def test_spread_marks_have_places_and_ranks() -> None:
    for total, count, offset in ((1, 1, 0), (7, 3, 6), (10, 10, 9), (50, 1, 13), (999, 998, 5)):
        c, n, o = np.array(count), np.array(total), np.array(offset)
        before = spread_before(np.arange(total + 1), c, n, o)
        assert before[0] == 0
        assert before[-1] == count
        places = spread_place(np.arange(count), c, n, o)
        assert np.array_equal(places, np.flatnonzero(np.diff(before)))


# ---------------------------------------------------------------- determinism and statistics


def test_same_seed_gives_the_same_world_and_another_seed_another(tiny: World) -> None:
    assert differences(tiny, build_world("tiny", 1, FIRST)) == []
    other = differences(tiny, build_world("tiny", 2, FIRST))
    for part in (
        "accounts.login", "accounts.id", "repositories.name", "repositories.commit_stock",
        "memberships.account", "hub_accounts.login", "identities.github_account",
    ):  # fmt: skip
        assert f"world.{part}" in other


def test_another_first_day_moves_the_times_but_not_the_people(tiny: World) -> None:
    later = build_world("tiny", 1, date(2025, 11, 6))
    assert later.accounts.login == tiny.accounts.login
    assert np.array_equal(later.repositories.star_stock, tiny.repositories.star_stock)
    assert (later.accounts.created_at < later.starts_at).all()
    moved = later.repositories.renamed_at, tiny.repositories.renamed_at
    assert np.array_equal(moved[0] > later.starts_at, moved[1] > tiny.starts_at)


@pytest.mark.parametrize("seed", [3, 4])
def test_statistics_are_the_published_ones_for_every_seed(seed: int) -> None:
    r = build_world("demo", seed, FIRST).repositories
    for column, median, zero_share in (
        (r.commit_stock, 24, 0.0), (r.issue_stock, 0, 0.55), (r.star_stock, 16, 0.09)
    ):  # fmt: skip
        assert np.median(column) == median
        assert abs((column == 0).mean() - zero_share) < 0.002
        assert column.max() > 50 * column.mean()
    old = (r.created_at < YEAR_2016).mean()
    assert 0.12 < old < 0.18
    assert 0.06 < r.is_fork.mean() < 0.09
    own = r.plan.own_commit_count
    assert abs((r.substantive_share * own).sum() / own.sum() - 0.0346) < 0.003


def test_targets_can_be_set() -> None:
    targets = dict(SCALES["tiny"].targets) | {"github_stars": Tail(0.5, 1.0, 50, median=3.0)}
    world = build_world(replace(SCALES["tiny"], targets=targets), 1, FIRST)
    stars = world.repositories.star_stock
    assert abs((stars == 0).mean() - 0.5) < 0.02
    assert stars.max() <= 50


def test_unknown_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="scale"):
        build_world("huge", 1, FIRST)


def test_a_large_world_is_built_quickly() -> None:
    started = time.process_time()
    world = build_world("large", 1, FIRST)
    assert len(world.repositories) == 100_000
    assert time.process_time() - started < 15


# ---------------------------------------------------------------- accounts


def test_accounts_have_the_classes_and_the_names_that_mislead(demo: World) -> None:
    accounts = demo.accounts
    of_class = {k: np.flatnonzero(accounts.account_class == k).tolist() for k in range(7)}
    assert of_class[STAFF] == []
    assert of_class[GHOST] == [accounts.ghost]
    assert accounts.login[accounts.ghost] == "ghost"
    assert accounts.login[accounts.web_flow] == "web-flow"
    assert accounts.web_flow in of_class[AUTOMATION]
    assert "copilot-swe-agent[bot]" in {accounts.login[i] for i in of_class[AI_AGENT]}
    named = ["bot" in accounts.login[i].lower() for i in of_class[BOT]]
    assert 0.2 < np.mean(named) < 0.9
    assert sum("bot" in accounts.login[i] for i in of_class[PERSON]) >= 5
    assert any("bot" not in accounts.login[i].lower() for i in of_class[AI_AGENT])
    assert of_class[PERSON] == list(range(accounts.person_count))
    assert of_class[ORGANISATION] == list(range(accounts.first_organisation, len(accounts.login)))
    machines = set(of_class[BOT] + of_class[AI_AGENT] + of_class[AUTOMATION])
    assert set(np.flatnonzero(accounts.is_bot).tolist()) == machines
    assert len({login.lower() for login in accounts.login}) == len(accounts.login)
    suffixed = [i for i in range(len(accounts.login)) if accounts.login[i].endswith("[bot]")]
    assert min(accounts.created_at[suffixed]) > YEAR_2016


def test_numeric_ids_grow_with_age_and_passers_by_have_their_own(demo: World) -> None:
    accounts = demo.accounts
    order = np.argsort(accounts.created_at, kind="stable")
    assert (np.diff(accounts.id[order]) > 0).all()
    someone = len(accounts.login) + 12_345
    assert accounts.is_passer_by(someone)
    assert accounts.id_at(someone) > accounts.id.max()
    assert accounts.login_at(someone) not in accounts.login
    assert accounts.login_at(3) == accounts.login[3]


def test_owners_are_older_than_what_they_own(demo: World) -> None:
    r, accounts = demo.repositories, demo.accounts
    assert (accounts.created_at[r.owner] < r.created_at).all()
    assert len(accounts.young(demo.starts_at)) > 0.03 * accounts.person_count
    assert not np.isin(r.owner, accounts.young(demo.starts_at)).any()


def test_addresses_hint_at_affiliation(demo: World) -> None:
    accounts, memberships = demo.accounts, demo.memberships
    row = np.arange(len(memberships))
    own = [accounts.email_domain[o] for o in memberships.organisation[row].tolist()]
    used = [accounts.email_domain[a] for a in memberships.account[row].tolist()]
    assert 0.3 < np.mean([a == b for a, b in zip(own, used, strict=True)]) < 0.7
    assert all(
        e.endswith(f"@{d}") for e, d in zip(accounts.email, accounts.email_domain, strict=True)
    )


# ---------------------------------------------------------------- memberships


@pytest.mark.parametrize("platform", ["github", "hub"])
def test_memberships_are_dated_unique_and_have_a_core(demo: World, platform: str) -> None:
    m = demo.memberships if platform == "github" else demo.hub_memberships
    accounts = demo.accounts if platform == "github" else demo.hub_accounts
    pairs = set(zip(m.organisation.tolist(), m.account.tolist(), strict=True))
    assert len(pairs) == len(m)
    assert ((m.until == 0) | (m.until > m.since)).all()
    organisations = np.arange(m.first_organisation, len(accounts.login))
    for at in (int(m.since.max()), demo.starts_at, demo.starts_at + 50 * DAY):
        assert m.is_member(m.core, organisations, at).all()
    soon = demo.starts_at + 10 * DAY
    assert ((m.since > demo.starts_at) & (m.since < soon)).sum() >= 2
    assert ((m.until > demo.starts_at) & (m.until < soon)).sum() >= 2
    shown = m.list_visibility[m.organisation - m.first_organisation]
    assert m.is_public[shown == PUBLIC].all()
    assert not m.is_public[shown == HIDDEN].any()
    assert 0.2 < m.is_public[shown == PARTIAL].mean() < 0.7
    assert set(m.list_visibility.tolist()) == {PUBLIC, PARTIAL, HIDDEN}


def test_membership_questions_agree_with_a_plain_search(tiny: World) -> None:
    m = tiny.memberships
    at = tiny.starts_at + 2 * DAY
    rows = list(zip(m.account.tolist(), m.organisation.tolist(), m.since.tolist(),
                    m.until.tolist(), strict=True))  # fmt: skip
    held = {(a, o) for a, o, since, until in rows if since <= at and (until == 0 or at < until)}
    people = np.arange(tiny.accounts.person_count)
    for organisation in range(m.first_organisation, len(tiny.accounts.login)):
        expected = sorted(a for a, o in held if o == organisation)
        assert m.members_at(organisation, at).tolist() == expected
        asked = m.is_member(people, np.full(len(people), organisation), at)
        assert np.flatnonzero(asked).tolist() == expected
        seen = m.members_at(organisation, at, public_only=True)
        assert set(seen.tolist()) <= set(expected)
        if m.visibility(organisation) == "hidden":
            assert len(seen) == 0
    for account in {a for a, _ in held}:
        found = m.organisations_at(account, at).tolist()
        assert found == sorted(o for a, o in held if a == account)
    assert not m.is_member(np.array([0]), np.array([m.first_organisation]), at)[0]


def test_small_worlds_have_someone_who_joins_and_someone_who_leaves(tiny: World) -> None:
    m = tiny.memberships
    assert ((m.since > tiny.starts_at) & (m.since < tiny.starts_at + DAY)).any()
    assert ((m.until > tiny.starts_at) & (m.until < tiny.starts_at + DAY)).any()


def test_insiders_are_inside_and_outsiders_outside_at_the_time(demo: World) -> None:
    rng = np.random.default_rng(5)
    r, n = demo.repositories, 40_000
    repository = rng.integers(0, len(r), n)
    at = rng.integers(r.created_at[repository], demo.starts_at + 20 * DAY)
    key = mixed(np.arange(n), 99)
    inside, outside = demo.insider(repository, at, key), demo.outsider(repository, at, key)
    assert demo.is_insider(inside, repository, at).all()
    assert not demo.is_insider(outside, repository, at).any()
    for who in (inside, outside):
        assert (who < demo.accounts.person_count).all()
        assert (demo.accounts.created_at[who] <= at).all()
    act = rng.choice((ev.PUSH, ev.PULL, ev.ISSUES, ev.ISSUE_COMMENT, ev.REVIEW, ev.RELEASE), n)
    machine = demo.machine(repository, at, key, act)
    assert np.isin(machine, demo.accounts.acting_machines).all()
    assert (demo.accounts.created_at[machine] <= at).all()
    assert np.array_equal(inside, demo.insider(repository, at, key))
    # The trap of today's membership: some outsiders of then are members now, and conversely.
    owner = r.owner[repository]
    today = demo.memberships.is_member(outside, owner, demo.starts_at)
    assert today.sum() > 20
    group = owner >= demo.accounts.first_organisation
    left = ~demo.memberships.is_member(inside, owner, demo.starts_at) & group
    assert left.sum() > 20
    assert not demo.accounts.is_loner[inside].any()


def test_outsiders_mostly_come_from_the_community(demo: World) -> None:
    repository = np.arange(len(demo.repositories))
    at = np.full(len(repository), demo.starts_at)
    found = demo.outsider(repository, at, mixed(repository, 1))
    near = demo.accounts.community[found] == demo.repositories.community
    assert 0.5 < near.mean() < 0.95


# ---------------------------------------------------------------- fates and names


FATES = ("renamed_at", "transferred_at", "deleted_at", "private_from", "private_until", "dmca_at",
         "archived_at", "star_burst_at")  # fmt: skip


@pytest.mark.parametrize("scale", ["tiny", "demo"])
def test_every_fate_happens_in_the_first_two_days_to_something_active(scale: str) -> None:
    for seed in (1, 2):
        world = build_world(scale, seed, FIRST)
        r = world.repositories
        for name in FATES:
            at = getattr(r, name)
            early = (at > world.starts_at) & (at < world.starts_at + 2 * DAY)
            assert early.any(), (name, seed)
            assert r.activity[early].max() > np.median(r.activity)
        assert not ((r.renamed_at > 0) & (r.transferred_at > 0)).any()
        busy = r.star_burst_at > 0
        assert (r.star_burst_size[busy] >= 5).all()
        assert not r.star_burst_size[~busy].any()


def test_status_follows_the_fates(demo: World) -> None:
    r = demo.repositories
    for name, status in (
        ("deleted_at", "deleted"),
        ("dmca_at", "dmca"),
        ("private_from", "private"),
    ):
        for i in np.flatnonzero(getattr(r, name) > demo.starts_at).tolist():
            at = int(getattr(r, name)[i])
            assert r.status_at(i, at - 1) == "ok"
            assert r.status_at(i, at) == status
    back = np.flatnonzero((r.private_from > demo.starts_at) & (r.private_until > 0)).tolist()
    assert back
    assert all(r.status_at(i, int(r.private_until[i])) == "ok" for i in back)
    published = np.flatnonzero((r.private_until > 0) & (r.private_from <= demo.starts_at)).tolist()
    assert published
    assert all(r.status_at(i, int(r.private_until[i]) - 1) == "private" for i in published)
    every = np.arange(len(r))
    for at in (demo.starts_at, demo.starts_at + 3 * DAY):
        visible = r.is_visible(every, at).tolist()
        assert visible == [r.status_at(i, at) == "ok" for i in range(len(r))]
        assert 0.9 < np.mean(visible) < 1


def test_old_names_lead_on_until_another_takes_them(demo: World) -> None:
    r = demo.repositories
    (taker,) = np.flatnonzero(r.first_event_at > 0).tolist()
    (giver,) = (i for i in range(len(r)) if r.name[i] == r.name[taker] and i != taker)
    old, made = r.name[giver], int(r.created_at[taker])
    moved = int(r.moved_at[giver])
    assert demo.starts_at < moved < made < r.first_event_at[taker]
    assert r.find(old, moved - 1) == (giver, False)
    assert r.find(old, moved) == (giver, True)
    assert r.find(old.upper(), made) == (taker, False)
    assert r.find(r.new_name[giver], made) == (giver, False)
    assert r.find(r.new_name[giver], moved - 1) is None
    assert r.status_at(taker, made - 1) == "absent"
    assert r.find("nobody/nothing", made) is None


def test_moved_repositories_are_found_under_both_names(demo: World) -> None:
    r = demo.repositories
    for i in np.flatnonzero(r.transferred_at > 0).tolist():
        at = int(r.transferred_at[i])
        assert r.owner_at(i, at - 1) == r.owner[i]
        assert r.owner_at(i, at) == r.new_owner[i] != r.owner[i]
        assert r.name_at(i, at).startswith(f"{demo.accounts.login[r.new_owner[i]]}/")
        assert r.find(r.name[i], at) == (i, True)
        assert r.find(r.new_name[i], at) == (i, False)
        assert i in r.owned_at(int(r.new_owner[i]), at)
        assert i not in r.owned_at(int(r.owner[i]), at)
    for i in range(0, len(r), 37):
        assert r.find_id(int(r.id[i])) == i
    assert r.find_id(1) is None
    names = [r.name_at(i, demo.starts_at + 60 * DAY).lower() for i in range(len(r))]
    assert len(set(names)) == len(names)


def test_forks_are_younger_than_what_they_inherit(demo: World) -> None:
    r = demo.repositories
    forks = np.flatnonzero(r.fork_of >= 0)
    parent = r.fork_of[forks]
    assert np.array_equal(r.is_fork, r.fork_of >= 0)
    assert not r.is_fork[parent].any()
    assert (r.owner[parent] != r.owner[forks]).all()
    assert (r.created_at[forks] > r.created_at[parent]).all()
    assert (r.inherited_count[forks] > 0).all()
    assert (r.inherited_count[forks] <= r.commit_stock[parent]).all()
    assert not r.inherited_count[~r.is_fork].any()


# ---------------------------------------------------------------- both platforms


def test_identities_join_accounts_of_one_kind_once(demo: World) -> None:
    found, hub = demo.identities, demo.hub_accounts
    assert len(set(found.github_account.tolist())) == len(found)
    assert len(set(found.hub_account.tolist())) == len(found)
    groups = found.github_account >= demo.accounts.first_organisation
    assert np.array_equal(groups, found.is_organisation)
    assert (groups | (found.github_account < demo.accounts.person_count)).all()
    same = [
        demo.accounts.login[g] == hub.login[h]
        for g, h in zip(found.github_account.tolist(), found.hub_account.tolist(), strict=True)
    ]
    assert np.array_equal(np.array(same), found.relation == 0)
    assert 0.3 < np.mean(same) < 0.6
    assert len(found.homonym_hub) >= 2
    for g, h in zip(found.homonym_github.tolist(), found.homonym_hub.tolist(), strict=True):
        assert demo.accounts.login[g] == hub.login[h]
        assert g not in found.github_account
        assert h not in found.hub_account
    assert len({login.lower() for login in hub.login}) == len(hub.login)


def test_truth_tables_have_equally_long_columns(tiny: World) -> None:
    tables = truth_tables(tiny, thread_limit=500)
    assert set(tables) == {"accounts", "memberships", "identities", "repository_plans",
                           "thread_themes", "message_shares"}  # fmt: skip
    for name, columns in tables.items():
        assert len({len(column) for column in columns.values()}) == 1, name
    plans = tables["repository_plans"]
    assert len(plans["repository_id"]) == 200
    assert np.isnat(plans["deleted_at"]).sum() == (tiny.repositories.deleted_at == 0).sum()
    assert 0 < len(tables["thread_themes"]["number"]) <= 500
    on_github = tables["accounts"]["platform"] == "github"
    classes = tables["accounts"]["account_class"]
    assert (classes[on_github] == "ghost").sum() == 1
    assert (classes[~on_github] == "platform_staff").sum() == tiny.hub_accounts.is_staff.sum()
