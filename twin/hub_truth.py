"""What is planted on the Hub, as tables.

Belongs here: columns of the truth for models, lineage, fates, acts and roles; estimators are
compared with them and never read them. Does not belong here: accounts, memberships and message
kinds (`truth_tables`), and writing files (`generate`).

Each function takes a view of the Hub (the truth of what happened before its time) and returns one
table as a dictionary of equally long numpy columns. Times are instants (NaT: never). By name:

- `hub_models`: one listed model with its stocks, lineage (`base_model_name`, `relation`, `depth`,
  `family_name`: the truth; `telling`, `told_relation`: what is shown) and flags.
- `hub_fates`: one repository of any kind that existed before the time, listed or not.
- `hub_committers`: one (model, account) with its commits by role, and whether the account is a
  member of the owner now.
- `hub_roles`: activity (commits, comments) x owner type x role with acts and distinct
  participants; an opening comment is a comment.
- `hub_threads`: one discussion or pull request of a listed model with its theme.
- `hub_messages`: kinds of commit messages on listed models; a merged pull request's is its title.
- `hub_likes`: one like of a listed model.
- `hub_organisations`: how each organisation shows its members.
- `hub_communities`: the planted group of each account.
- `hub_totals`: totals over listed models.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twin import words
from twin.draws import Ints
from twin.hub_acts import AUTOMATION, ROLES, STATUSES
from twin.hub_plan import GATED, KINDS, RELATIONS, TELLINGS, hub_communities
from twin.texts import MESSAGE_KINDS
from twin.truth_tables import instants, named

if TYPE_CHECKING:
    from twin.hub import HubView

Table = dict[str, NDArray[Any]]


def truth_tables(view: "HubView") -> dict[str, Table]:
    """All tables of this module by name."""
    return {
        "hub_models": model_truth(view),
        "hub_fates": fate_truth(view),
        "hub_committers": committer_truth(view),
        "hub_roles": role_truth(view),
        "hub_threads": thread_truth(view),
        "hub_messages": message_truth(view),
        "hub_likes": like_truth(view),
        "hub_organisations": organisation_truth(view),
        "hub_communities": community_truth(view),
        "hub_totals": totals_truth(view),
    }


def _names_now(view: "HubView") -> NDArray[Any]:
    """Names of all repositories now, and None at the end."""
    r = view.repositories
    names = np.array([*r.name, None], object)
    for i, name in r.new_name.items():
        if r.renamed_at[i] <= view.now:
            names[i] = name
    return names


def model_truth(view: "HubView") -> Table:
    """Listed models; `hidden_discussions` says that the API does not show them."""
    r, rows = view.repositories, view.models
    names = _names_now(view)
    recent, ever = view.downloads
    return {
        "repository_id": np.array(r.id, object)[rows],
        "repository_name": names[rows],
        "owner_name": np.array(view.accounts.login, object)[view.owner[rows]],
        "is_organisation_owned": view.owner[rows] >= view.accounts.person_count,
        "community": r.community[rows],
        "created_at": instants(view.created_at[rows]),
        "first_commit_at": instants(r.created_at[rows]),
        "last_modified_at": instants(view.last_modified_at[rows]),
        "like_count": view.like_count[rows],
        "download_30d_count": recent[rows],
        "download_all_count": ever[rows],
        "commit_count": view.commit_count[rows],
        "commit_count_with_system": view.commit_count[rows] + 1,
        "discussion_count": view.discussion_count[rows],
        "pull_request_count": view.pull_count[rows],
        "merged_pull_request_count": view.merged_pull_count[rows],
        "hidden_discussions": view.talk_is_off[rows],
        "gated": named(GATED, view.gated[rows]),
        "is_disabled": view.is_disabled[rows],
        "is_spam": r.is_spam[rows],
        "base_model_name": names[r.base[rows]],
        "second_base_model_name": names[r.second_base[rows]],
        "relation": named(RELATIONS, r.relation[rows]),
        "depth": r.depth[rows],
        "family_name": names[r.family[rows]],
        "telling": named(TELLINGS, r.telling[rows]),
        "told_relation": named(RELATIONS, np.where(
            (r.telling[rows] >= 0) & (r.telling[rows] <= 2), r.told_relation[rows], -1)),
    }  # fmt: skip


def fate_truth(view: "HubView") -> Table:
    """Repositories that existed before the time; fates after it are not told."""
    r = view.repositories
    rows = np.flatnonzero(r.created_at < view.now)

    def until_now(times: Ints) -> NDArray[np.datetime64]:
        return instants(np.where(times[rows] <= view.now, times[rows], 0))

    status = np.array(["listed", "absent", "deleted", "private"], object)
    return {
        "repository_id": np.array(r.id, object)[rows],
        "repository_type": named(KINDS, r.kind[rows]),
        "first_name": np.array(r.name, object)[rows],
        "name": _names_now(view)[rows],
        "status": status[view.status[rows]],
        "renamed_at": until_now(r.renamed_at),
        "deleted_at": until_now(r.deleted_at),
        "private_from": until_now(r.private_from),
        "private_until": until_now(r.private_until),
        "disabled_from": until_now(r.disabled_from),
        "first_gated": named(GATED, r.gated[rows]),
        "gated": named(GATED, view.gated[rows]),
        "gate_changed_at": until_now(r.gate_changed_at),
        "discussions_off_from": until_now(r.talk_off_from),
        "discussions_off_until": until_now(r.talk_off_until),
    }


def _commits(view: "HubView") -> Iterator[tuple[Ints, Ints]]:
    """Repository and position of every commit by people on listed models, in blocks."""
    rows, total = view.models, view.commit_count
    for part in np.array_split(rows, max(1, int(total[rows].sum()) >> 18)):
        counts = total[part]
        i = np.repeat(part, counts)
        yield i, np.arange(len(i)) - np.repeat(np.cumsum(counts) - counts, counts)


def _commit_acts(view: "HubView") -> tuple[Ints, Ints, Ints]:
    """Repository, author and role of every commit by people on listed models."""
    parts = [(i, *view.acts.commit_authors(i, j)[:2]) for i, j in _commits(view)]
    i, author, role = (np.concatenate(column) for column in zip(*parts, strict=True))
    return i, author, role


def message_truth(view: "HubView") -> Table:
    """Number of messages of each kind."""
    kinds = (*MESSAGE_KINDS, "merged_pull_request")
    total = np.zeros(len(kinds), np.int64)
    for i, j in _commits(view):
        kind = view.hub.texts.hub_message_kinds(i, j)
        kind = np.where(view.acts.merged_number(i, j) > 0, len(kinds) - 1, kind)
        total += np.bincount(kind, minlength=len(kinds))
    return {"kind": np.array(kinds, object), "commit_count": total}


def _talk_acts(view: "HubView") -> tuple[Ints, Ints, Ints]:
    """Repository, author and role of every comment on listed models, opening ones included."""
    threads, comments = view.acts.threads, view.acts.comments
    opened = np.flatnonzero(threads.created_at < view.now)
    answered = np.flatnonzero(comments.created_at < view.now)
    i = np.concatenate([threads.repository[opened], threads.repository[comments.thread[answered]]])
    author = np.concatenate([threads.author[opened], comments.author[answered]])
    role = np.concatenate([threads.role[opened], comments.role[answered]])
    shown = view.listed[i] & (view.repositories.kind[i] == 0)
    return i[shown], author[shown], role[shown]


def committer_truth(view: "HubView") -> Table:
    """Who committed to which listed model, in which role."""
    i, author, role = _commit_acts(view)
    keys, place = np.unique((i << 32) + author, return_inverse=True)
    counts = [np.bincount(place[role == code], minlength=len(keys)) for code in range(AUTOMATION)]
    repository, account = keys >> 32, keys & 0xFFFF_FFFF
    return {
        "repository_name": _names_now(view)[repository],
        "login": np.array(view.accounts.login, object)[account],
        "is_organisation_owned": view.owner[repository] >= view.accounts.person_count,
        **{f"{ROLES[code]}_commit_count": column for code, column in enumerate(counts)},
        "is_member_now": view.acts.is_inside(account, view.owner[repository], view.now),
    }


def role_truth(view: "HubView") -> Table:
    """Acts and distinct participants (accounts per model) by role; deleted accounts are one."""
    rows: list[tuple[str, str, str, int, int]] = []
    for activity, acts in (("commit", _commit_acts(view)), ("comment", _talk_acts(view))):
        i, author, role = acts
        of_group = view.owner[i] >= view.accounts.person_count
        for owner, mine in (("organisation", of_group), ("user", ~of_group)):
            for code, name in enumerate(ROLES):
                some = mine & (role == code)
                participants = np.unique((i[some] << 32) + author[some])
                rows.append((activity, owner, name, int(some.sum()), len(participants)))
    activities, owners, roles, act_counts, participant_counts = zip(*rows, strict=True)
    return {
        "activity": np.array(activities, object),
        "owner_type": np.array(owners, object),
        "role": np.array(roles, object),
        "act_count": np.array(act_counts),
        "participant_count": np.array(participant_counts),
    }


def _shown_threads(view: "HubView") -> Ints:
    threads = view.acts.threads
    shown = (threads.created_at < view.now) & view.listed[threads.repository]
    return np.flatnonzero(shown & (view.repositories.kind[threads.repository] == 0))


def thread_truth(view: "HubView") -> Table:
    """Discussions and pull requests of listed models; a bot's have no theme."""
    threads, rows = view.acts.threads, _shown_threads(view)
    repository, number = threads.repository[rows], threads.number[rows]
    themes = view.hub.texts.hub_theme(repository, number)
    by_bot = threads.role[rows] == AUTOMATION
    languages = np.array([*words.LANGUAGE_CODES, None], object)
    return {
        "repository_name": _names_now(view)[repository],
        "discussion_number": number,
        "is_pull_request": threads.is_pull[rows],
        "author": named(view.accounts.login, threads.author[rows]),
        "role": named(ROLES, threads.role[rows]),
        "created_at": instants(threads.created_at[rows]),
        "status": named(STATUSES, view.thread_status[rows]),
        "comment_count": view.comment_count[rows],
        "theme": named(words.THEMES, np.where(by_bot, -1, themes.primary)),
        "worded_theme": named(words.THEMES, np.where(by_bot, -1, themes.worded)),
        "second_theme": named(words.THEMES, np.where(by_bot, -1, themes.second)),
        "language": languages[np.where(by_bot, -1, themes.language)],
        "is_template": themes.is_template & ~by_bot,
        "is_hostile": themes.is_hostile & ~by_bot,
    }


def like_truth(view: "HubView") -> Table:
    """Likes of listed models."""
    likes = view.acts.likes
    shown = (likes.liked_at < view.now) & view.listed[likes.repository]
    rows = np.flatnonzero(shown & (view.repositories.kind[likes.repository] == 0))
    logins = [view.acts.login_of(account) for account in likes.account[rows].tolist()]
    return {
        "repository_name": _names_now(view)[likes.repository[rows]],
        "login": np.array(logins, object),
        "liked_at": instants(likes.liked_at[rows]),
    }


def organisation_truth(view: "HubView") -> Table:
    """Members now, and how many of them a stranger sees."""
    first = view.accounts.person_count
    groups = range(first, len(view.accounts.login))
    members = view.memberships
    held = (members.since <= view.now) & ((members.until == 0) | (view.now < members.until))
    count = len(view.accounts.login)

    def per_group(rows: NDArray[np.bool_]) -> Ints:
        return np.bincount(members.organisation[rows], minlength=count)[first:]

    return {
        "login": np.array(view.accounts.login[first:], object),
        "list_visibility": np.array([members.visibility(group) for group in groups], object),
        "member_count": per_group(held),
        "shown_member_count": per_group(held & members.is_public),
        "former_member_count": per_group((members.until > 0) & (members.until <= view.now)),
    }


def community_truth(view: "HubView") -> Table:
    """The planted group of each account."""
    return {
        "login": np.array(view.accounts.login, object),
        "community": hub_communities(view.hub.world),
    }


def totals_truth(view: "HubView") -> Table:
    """Totals over listed models; comments include opening ones, themes only discussions."""
    rows, threads, shown = view.models, view.acts.threads, _shown_threads(view)
    talks = shown[~threads.is_pull[shown]]
    themes = view.hub.texts.hub_theme(threads.repository[talks], threads.number[talks]).primary
    counts = {
        "model": len(rows),
        "commit": int(view.commit_count[rows].sum()),
        "system_commit": len(rows),
        "discussion": len(talks),
        "pull_request": len(shown) - len(talks),
        "discussion_comment": int(view.comment_count[shown].sum()),
        "like": int(view.like_count[rows].sum()),
        **{f"discussion_{name}": int((themes == k).sum()) for k, name in enumerate(words.THEMES)},
    }
    return {
        "quantity": np.array(list(counts), object),
        "count": np.array(list(counts.values()), np.int64),
    }
