"""What is planted on a world's population and history, as tables.

Belongs here: columns of the truth for accounts, memberships, identities, repositories, themes and
messages; estimators are compared with them and never read them. Does not belong here: the truth
of the flow and of the files (`generate`), and reading the truth back (`truth`).

Each function returns one table as a dictionary of equally long numpy columns. Times are instants
in microseconds (NaT: never). `truth_tables` gives all of them by name:

- `accounts`: one account of either platform with its class.
- `memberships`: one membership of either platform.
- `identities`: one person or organisation on both platforms; `homonym` rows are different people
  of one login.
- `repository_plans`: one GitHub repository with its fates, planted shares and exact counts before
  day 0.
- `thread_themes`: one thread of the history with its themes and facts, for repositories in order
  until a limit of rows.
- `message_shares`: platform x kind of commit message, exact over the whole history.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin import words
from twin.accounts import CLASSES, RELATIONS, VISIBILITIES, Memberships
from twin.draws import Ints
from twin.history import History
from twin.texts import Texts
from twin.world import World

Table = dict[str, NDArray[Any]]
THREAD_LIMIT = 50_000


def truth_tables(
    world: World,
    history: History | None = None,
    texts: Texts | None = None,
    *,
    thread_limit: int = THREAD_LIMIT,
) -> dict[str, Table]:
    """All tables of this module for one world; `history` and `texts` save making them again."""
    past = history or History(world)
    known = texts or Texts(world, past)
    return {
        "accounts": account_table(world),
        "memberships": membership_table(world),
        "identities": identity_table(world),
        "repository_plans": repository_table(world, past, known),
        "thread_themes": thread_table(world, past, known, thread_limit),
        "message_shares": message_table(world, known),
    }


def instants(seconds: Ints) -> NDArray[np.datetime64]:
    """Epoch seconds as instants, 0 as NaT."""
    found = seconds.astype("datetime64[s]").astype("datetime64[us]")
    found[seconds == 0] = np.datetime64("NaT")
    return found


def named(names: tuple[str, ...] | list[str], index: Ints) -> NDArray[Any]:
    """Texts by index; an index of -1 is null."""
    column: NDArray[Any] = np.array([*names, None], object)[index]
    return column


def account_table(world: World) -> Table:
    """Accounts of both platforms; what is planted on GitHub only is null on the Hub."""
    ours, hub = world.accounts, world.hub_accounts
    n, kinds = len(hub.login), ("user", "org")
    both: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {
        "platform": (np.full(len(ours.login), "github", object),
                     np.full(n, "huggingface", object)),
        "native_id": (np.array([str(k) for k in ours.id.tolist()], object),
                      np.array(hub.native_id, object)),
        "login": (np.array(ours.login, object), np.array(hub.login, object)),
        "kind": (np.array(ours.kind, object),
                 named(kinds, (np.arange(n) >= hub.person_count).astype(np.int64))),
        "account_class": (named(CLASSES, ours.account_class), named(CLASSES, hub.account_class)),
        "created_at": (instants(ours.created_at), instants(np.zeros(n, np.int64))),
        "email_domain": (np.array(ours.email_domain, object), np.full(n, None, object)),
        "community": (ours.community, np.full(n, -1)),
        "is_loner": (ours.is_loner, np.zeros(n, bool)),
    }  # fmt: skip
    return {name: np.concatenate(parts) for name, parts in both.items()}


def membership_table(world: World) -> Table:
    """Memberships of both platforms, with what a stranger can see of them."""
    parts = [
        _memberships("github", world.memberships, world.accounts.login),
        _memberships("huggingface", world.hub_memberships, world.hub_accounts.login),
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _memberships(platform: str, memberships: Memberships, login: list[str]) -> Table:
    shown = memberships.list_visibility[memberships.organisation - memberships.first_organisation]
    core = memberships.core[memberships.organisation - memberships.first_organisation]
    return {
        "platform": np.full(len(memberships), platform, object),
        "login": named(login, memberships.account),
        "organisation_login": named(login, memberships.organisation),
        "since": instants(memberships.since),
        "until": instants(memberships.until),
        "is_public": memberships.is_public,
        "list_visibility": named(VISIBILITIES, shown),
        "is_core": memberships.account == core,
    }


def identity_table(world: World) -> Table:
    found = world.identities
    github = np.concatenate([found.github_account, found.homonym_github])
    hub = np.concatenate([found.hub_account, found.homonym_hub])
    is_same = np.arange(len(github)) < len(found)
    relation = np.concatenate([found.relation, np.full(len(found.homonym_hub), 0)])
    return {
        "github_login": named(world.accounts.login, github),
        "hub_login": named(world.hub_accounts.login, hub),
        "is_organisation": hub >= world.hub_accounts.person_count,
        "is_same": is_same,
        "login_relation": named(RELATIONS, relation),
    }


def repository_table(world: World, history: History, texts: Texts) -> Table:
    """Fates, planted shares and exact counts of every repository."""
    r, logins = world.repositories, world.accounts.login
    every = np.arange(len(r))
    counts = history.counts(every)
    ids = np.append(r.id, -1)
    spell = np.where(r.private_from == 1, r.created_at, r.private_from)
    return {
        "repository_id": r.id,
        "name": np.array(r.name, object),
        "moved_name": np.array(r.new_name, object),
        "owner_login": named(logins, r.owner),
        "new_owner_login": named(logins, r.new_owner),
        "is_organisation_owned": r.owner >= world.accounts.first_organisation,
        "fork_of_id": ids[r.fork_of],
        "created_at": instants(r.created_at),
        "pushed_at": instants(r.pushed_at),
        "renamed_at": instants(r.renamed_at),
        "transferred_at": instants(r.transferred_at),
        "deleted_at": instants(r.deleted_at),
        "private_from": instants(spell),
        "private_until": instants(r.private_until),
        "dmca_at": instants(r.dmca_at),
        "archived_at": instants(r.archived_at),
        "star_burst_at": instants(r.star_burst_at),
        "star_burst_size": r.star_burst_size,
        "has_issues": r.has_issues,
        "external_direct_share": r.external_direct_share,
        "external_opened_share": r.external_opened_share,
        "external_merged_share": r.external_merged_share,
        "substantive_share": r.substantive_share,
        "unlinked_share": r.plan.unlinked_share,
        **vars(counts),
        "substantive_commit_count": texts.substantive_before(every, r.plan.own_commit_count),
        "star_count": r.star_stock,
    }


def thread_table(world: World, history: History, texts: Texts, limit: int = THREAD_LIMIT) -> Table:
    """Threads of the history with their themes, whole repositories until the limit is passed."""
    last = world.repositories.last_number
    stop = int(np.searchsorted(np.cumsum(last), limit, side="right"))
    repository = np.repeat(np.arange(stop), last[:stop])
    first = np.concatenate([[0], np.cumsum(last[:stop])])
    number = np.arange(len(repository)) - first[repository] + 1
    facts = history.threads_at(repository, number)
    return {
        **theme_columns(world, texts, repository, number),
        "is_pull_request": facts.is_pull,
        "created_at": instants(facts.created_at),
        "closed_at": instants(facts.closed_at),
        "merged_at": instants(facts.merged_at),
        "comment_count": facts.comment_count,
        "author_login": named(world.accounts.login, facts.author),
        "is_external": facts.is_external,
        "is_machine": facts.is_machine,
    }


def theme_columns(world: World, texts: Texts, repository: Ints, number: Ints) -> Table:
    """What is planted on the texts of threads of GitHub, of the history or of the flow."""
    themes = texts.theme(repository, number)
    return {
        "repository_id": world.repositories.id[repository],
        "number": number,
        "theme": named(words.THEMES, themes.primary),
        "worded_theme": named(words.THEMES, themes.worded),
        "second_theme": named(words.THEMES, themes.second),
        "language": named(words.LANGUAGE_CODES, themes.language),
        "is_template": themes.is_template,
        "label": named(words.LABELS, themes.label),
        "is_hostile_title": themes.is_hostile,
    }


def message_table(world: World, texts: Texts, hub_commit_counts: Ints | None = None) -> Table:
    """Commits by people and machines, and the substantive messages among them.

    Args:
        world: for GitHub's own commits (without those a fork inherited).
        texts: of the world.
        hub_commit_counts: commits of each model without the `system` one, where known.
    """
    own = world.repositories.plan.own_commit_count
    rows = [("github", own, texts.substantive_before(np.arange(len(own)), own))]
    if hub_commit_counts is not None:
        models = np.arange(len(hub_commit_counts))
        found = texts.hub_substantive_before(models, hub_commit_counts)
        rows.append(("huggingface", hub_commit_counts, found))
    commits = np.array([int(counts.sum()) for _, counts, _ in rows])
    substantive = np.array([int(found.sum()) for _, _, found in rows])
    return {
        "platform": np.array([platform for platform, _, _ in rows], object),
        "commit_count": commits,
        "substantive_count": substantive,
        "substantive_share": substantive / np.maximum(commits, 1),
    }
