"""Writes a twin world to a folder, with its truth.

Belongs here: files and the accounting of what they hold. Does not belong here: the population
(`world`), GitHub's flow (`archive`), line shapes (`shapes`), defects (`defects`), the Hub
(`hub`).

Layout: `archive/YYYY-MM-DD-H.json.gz` (hour not padded), `hub/{models,commits,
discussions}.jsonl.gz`, `truth/*.parquet`. The truth is for tests and for the "planted" column of
the report; the pipeline never reads it. Same scale, seed and days give the same bytes (with the
same zlib and DuckDB); files of an earlier world in the folder are removed.

Truth tables:
- `hours`: one archive hour. `state`; `lines` and `events` that a reader of a readable hour finds
  (copies included); `duplicates` of an event earlier in the same file; `earlier_duplicates` of an
  event in an earlier file of the same or the previous file day; `malformed` lines; `lost_events`
  that happened and cannot be read from this file; `recoverable_lines` of a truncated file; one
  column for each event type with its lines (copies included).
- `interactions`: platform, event day, type, action, thread kind and kind, with `count` after
  deduplication over readable hours, and `world_count` of what happened. An event is a duplicate
  iff it stands earlier in its file day or in the file day before. `commit_count` sums the sizes
  of E2 pushes.
- `repositories`, `github_accounts`, `hub_accounts`, and the tables of `hub_truth`.
- `repository_flow`: who pushed, opened and merged in each repository on the written days.
- `flow_threads`: the threads opened on the written days, with their themes.
- those of `truth_tables`: the population and what was before the first day.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from twin import defects, hub
from twin import events as ev
from twin.accounts import PERSON
from twin.archive import Flow, FlowDay, HourFile
from twin.draws import DAY, Bools, Ints
from twin.events import Events
from twin.github import GitHub, GitHubView
from twin.texts import Texts
from twin.timeline import MACHINE, OUTSIDER
from twin.truth_tables import instants, named, theme_columns, truth_tables
from twin.world import ERA_SWITCH, Accounts, HubAccounts, Scale, World, build_world

__all__ = ["ERA_SWITCH", "WorldSummary", "write_world"]

LEVEL = 1
_FOLDERS = ("archive", "hub", "truth")
_PACKERS = 2
_THREADS = (None, "issue", "pull_request")
_KINDS = {
    "PushEvent": "push", "CreateEvent": "create", "DeleteEvent": "delete", "WatchEvent": "star",
    "ForkEvent": "fork", "IssueCommentEvent": "issue_comment",
    "PullRequestReviewEvent": "pull_request_review",
    "PullRequestReviewCommentEvent": "pull_request_review_comment", "ReleaseEvent": "release",
    "GollumEvent": "wiki", "MemberEvent": "member", "PublicEvent": "public",
    "CommitCommentEvent": "commit_comment",
}  # fmt: skip
_OPENED = {"IssuesEvent": "issue", "PullRequestEvent": "pull_request"}


@dataclass(frozen=True)
class WorldSummary:
    """What was written: counts over the whole world and the planted hour states."""

    folder: Path
    scale: str
    seed: int
    days: tuple[date, ...]
    archive_file_count: int
    archive_bytes: int
    line_count: int
    interaction_count: int
    hour_states: dict[str, int]
    repository_count: int
    model_count: int
    hub_commit_count: int
    hub_discussion_count: int


@dataclass(frozen=True)
class Told:
    """The written days of the flow, as far as the accounting needs them.

    `events` happened on these days, and index `occurrences` as their serial numbers do; `states`,
    `lost`, `malformed` and `recoverable` are aligned with the hours.
    """

    world: World
    events: Events
    occurrences: defects.Occurrences
    states: Ints
    lost: Ints
    malformed: Ints
    recoverable: Ints
    first_new_hour: int


def write_world(
    folder: Path,
    scale: Scale | str,
    seed: int,
    days: list[date],
    *,
    era_switch: datetime = ERA_SWITCH,
    with_defects: bool = True,
) -> WorldSummary:
    """Write one world under `folder`.

    Args:
        folder: is made if needed; its subfolders archive, hub and truth are replaced.
        scale: a `Scale` or the name of a preset ("tiny", "demo").
        seed: not negative; another seed gives another world.
        days: consecutive days of the archive, UTC, in order.
        era_switch: hour files from this time on have the payload shapes of October 2025.
        with_defects: whether hours are damaged; copies and late events are planted anyway.

    Raises:
        ValueError: for an unknown preset, or days that are none or not consecutive.
    """
    first = _first_day(days)
    world = build_world(scale, seed, first, era_switch=era_switch, with_defects=with_defects)
    for name in _FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    flow = Flow(world)
    told = _write_archive(folder / "archive", flow, len(days))
    texts = Texts(world, flow.history)
    ends_at = world.starts_at + len(days) * DAY
    view = hub.Hub(world, texts).at(ends_at)
    _write_hub(folder / "hub", view)
    tables = _tables(told, flow, texts, GitHub(world, flow.history, flow).at(ends_at), view)
    _write_truth(folder / "truth", tables)
    hours, interactions = tables["hours"], tables["interactions"]
    hub_count: dict[str, int] = dict(zip(*tables["hub_totals"].values(), strict=True))
    files = list((folder / "archive").iterdir())
    return WorldSummary(
        folder=folder, scale=world.scale.name, seed=seed, days=tuple(days),
        archive_file_count=len(files), archive_bytes=sum(f.stat().st_size for f in files),
        line_count=int(hours["lines"].sum()),
        interaction_count=int(interactions["count"].sum()),
        hour_states={s: int((told.states == i).sum()) for i, s in enumerate(defects.STATES)},
        repository_count=len(world.repositories), model_count=int(hub_count["model"]),
        hub_commit_count=int(hub_count["commit"] + hub_count["system_commit"]),
        hub_discussion_count=int(hub_count["discussion"] + hub_count["pull_request"]),
    )  # fmt: skip


def write_truth(
    folder: Path, flow: Flow, texts: Texts, github: GitHubView, view: hub.HubView, days: int
) -> None:
    """Write only the truth, of the first days of a world that is shown otherwise.

    Args:
        folder: is made if needed; tables that are there are replaced.
        flow: the world's.
        texts: the world's.
        github, view: GitHub and the Hub when the days are over.
        days: how many, at least one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    told_days = [flow.day(k) for k in range(days)]
    malformed, recoverable = (np.zeros(24 * days, np.int64) for _ in range(2))
    states = np.concatenate([day.states for day in told_days])
    # What can be read of these is known only from their bytes.
    damaged = np.isin(states, [defects.MALFORMED, defects.TRUNCATED])
    for place in np.flatnonzero(damaged).tolist():
        file = flow.hour_file(place // 24, place % 24)
        if file is not None:
            malformed[place], recoverable[place] = file.malformed, file.recoverable
    told = _told(flow, told_days, malformed, recoverable)
    _write_truth(folder, _tables(told, flow, texts, github, view))


def _tables(
    told: Told, flow: Flow, texts: Texts, github: GitHubView, view: hub.HubView
) -> dict[str, dict[str, NDArray[Any]]]:
    """All tables of the truth."""
    world = told.world
    return {
        "hours": _hour_truth(told),
        "interactions": _interactions(told),
        "repositories": _repository_truth(told),
        "repository_flow": _repository_flow(told),
        "github_stocks": _github_stocks(github),
        "flow_threads": _flow_threads(told, texts),
        "github_accounts": _account_truth(world.accounts),
        "hub_accounts": _hub_account_truth(world.hub_accounts),
        **hub.truth_tables(view),
        **truth_tables(world, flow.history, texts),
    }


def _first_day(days: list[date]) -> date:
    if not days or days != [days[0] + timedelta(days=k) for k in range(len(days))]:
        raise ValueError("the days of a world are consecutive and at least one")
    return days[0]


def _write_archive(folder: Path, flow: Flow, day_count: int) -> Told:
    """Write the hour files; files are packed in threads while the next lines are made."""
    first = flow.world.first_day
    malformed, recoverable = (np.zeros(24 * day_count, np.int64) for _ in range(2))
    parts: list[FlowDay] = []

    def write(day: FlowDay, hour: int, lines: list[bytes]) -> HourFile:
        file = flow.packed(day, hour, lines)
        name = f"{(first + timedelta(days=day.number)).isoformat()}-{hour}.json.gz"
        (folder / name).write_bytes(file.data)
        return file

    with ThreadPoolExecutor(_PACKERS) as pool:
        waiting: list[tuple[int, Future[HourFile]]] = []

        def settle(count: int) -> None:
            while len(waiting) > count:
                place, future = waiting.pop(0)
                file = future.result()
                malformed[place], recoverable[place] = file.malformed, file.recoverable

        for k in range(day_count):
            day = flow.day(k)
            parts.append(day)
            for hour in np.flatnonzero(day.states != defects.MISSING).tolist():
                lines = flow.hour_lines(day, hour)
                waiting.append((24 * k + hour, pool.submit(write, day, hour, lines)))
                settle(2 * _PACKERS)
        settle(0)
    return _told(flow, parts, malformed, recoverable)


def _told(flow: Flow, days: list[FlowDay], malformed: Ints, recoverable: Ints) -> Told:
    occurrences = [
        replace(day.occurrences, event=day.recorded.serial[day.occurrences.event]) for day in days
    ]
    every = occurrences[0]
    for part in occurrences[1:]:
        every = every.and_also(part)
    return Told(
        world=flow.world, events=ev.joined([day.events for day in days]), occurrences=every,
        states=np.concatenate([day.states for day in days]),
        lost=np.concatenate([day.lost for day in days]), malformed=malformed,
        recoverable=recoverable, first_new_hour=flow.first_new_hour,
    )  # fmt: skip


def _duplicates(told: Told) -> tuple[Bools, Bools, Bools]:
    """For each occurrence: is it readable, a duplicate in its file, a duplicate of an earlier file.

    An event is a duplicate iff it stands earlier in its file day or in the file day before.
    """
    occurrences = told.occurrences
    readable = np.isin(told.states[occurrences.hour], defects.READABLE)
    index = np.flatnonzero(readable)
    # Occurrences are in file order, so a stable sort by event keeps each event's in that order.
    order = index[np.argsort(occurrences.event[index], kind="stable")]
    same = np.concatenate([[False], occurrences.event[order][1:] == occurrences.event[order][:-1]])
    hour = occurrences.hour[order]
    previous = np.concatenate([[-1], hour[:-1]])
    in_file, across = np.zeros(len(occurrences), bool), np.zeros(len(occurrences), bool)
    in_file[order] = same & (previous == hour)
    across[order] = same & (previous != hour) & (previous // 24 >= hour // 24 - 1)
    return readable, in_file, across


def _hour_truth(told: Told) -> dict[str, NDArray[Any]]:
    occurrences, states = told.occurrences, told.states
    count = len(states)
    readable, in_file, across = _duplicates(told)

    def per_hour(mask: Bools) -> Ints:
        return np.bincount(occurrences.hour[mask], minlength=count)

    events = per_hour(readable)
    originals = per_hour(~readable & (occurrences.copy == defects.ORIGINAL))
    types = told.events.type[occurrences.event]
    days = np.datetime64(told.world.first_day.isoformat(), "D") + np.arange(count) // 24
    return {
        "day": days.astype("datetime64[us]"),
        "hour": np.arange(count) % 24,
        "state": np.array(defects.STATES, object)[states],
        "era": np.where(np.arange(count) >= told.first_new_hour, "E3", "E2").astype(object),
        "lines": events + told.malformed,
        "events": events,
        "duplicates": per_hour(in_file),
        "earlier_duplicates": per_hour(across),
        "malformed": told.malformed,
        "lost_events": originals + told.lost,
        "recoverable_lines": told.recoverable,
        **{name: per_hour(readable & (types == code)) for code, name in enumerate(ev.TYPES)},
    }


def _interactions(told: Told) -> dict[str, NDArray[Any]]:
    """Totals by event day, type, action and thread kind, deduplicated and as they happened."""
    events, occurrences = told.events, told.occurrences
    readable, in_file, across = _duplicates(told)
    kept = occurrences.event[readable & ~in_file & ~across]
    seen = np.bincount(kept, minlength=len(events))
    old_shape = _has_old_shape(told, readable & ~in_file & ~across)
    day = (events.created_at - told.world.starts_at) // DAY
    keys = ((day + 1) * 1_000 + events.type * 20 + events.action) * 3 + events.thread_kind
    unique, first, group = np.unique(keys, return_index=True, return_inverse=True)

    def total(weights: NDArray[Any]) -> Ints:
        return np.bincount(group, weights, minlength=len(unique)).astype(np.int64)

    types = [ev.TYPES[k] for k in events.type[first].tolist()]
    actions = [ev.ACTIONS[k] for k in events.action[first].tolist()]
    start = np.datetime64(told.world.first_day.isoformat(), "D")
    return {
        "platform": np.full(len(unique), "github", object),
        "day": (start + day[first]).astype("datetime64[us]"),
        "event_type": np.array(types, object),
        "action": np.array(actions, object),
        "thread_kind": np.array([_THREADS[k] for k in events.thread_kind[first].tolist()], object),
        "kind": np.array([_kind(t, a) for t, a in zip(types, actions, strict=True)], object),
        "count": total(seen),
        "world_count": total(np.ones(len(events))),
        "commit_count": total(np.where(old_shape, events.push_size, 0)),
    }


def _has_old_shape(told: Told, kept: Bools) -> Bools:
    """Events whose kept occurrence (a mask) has the older payload, with the sizes of pushes."""
    in_old_era = kept & (told.occurrences.hour < told.first_new_hour)
    count = np.bincount(told.occurrences.event[in_old_era], minlength=len(told.events))
    return count > 0


def _kind(event_type: str, action: str) -> str:
    """The interaction kind of the warehouse; closings and reopenings are `other`."""
    if event_type in _OPENED:
        if action == "merged":
            return "pull_request_merged"
        return _OPENED[event_type] if action == "opened" else "other"
    return _KINDS[event_type]


def _write_hub(folder: Path, view: hub.HubView) -> None:
    tables: tuple[tuple[str, Iterator[bytes]], ...] = (
        ("models", hub.model_lines(view)),
        ("commits", hub.commit_lines(view)),
        ("discussions", hub.discussion_lines(view)),
    )
    for name, lines in tables:
        text = b"".join(line + b"\n" for line in lines)
        (folder / f"{name}.jsonl.gz").write_bytes(defects.packed(text, LEVEL))


def _repository_truth(told: Told) -> dict[str, NDArray[Any]]:
    """Planted properties, and the readable flow after deduplication over all days."""
    repositories, events = told.world.repositories, told.events
    readable, in_file, across = _duplicates(told)
    is_kept = readable & ~in_file & ~across
    kept = told.occurrences.event[is_kept]
    n = len(repositories)

    def flow(mask: Bools) -> Ints:
        return np.bincount(events.repository[kept][mask[kept]], minlength=n)

    def commits(mask: Bools) -> Ints:
        sizes = (mask * events.push_size)[kept]
        return np.bincount(events.repository[kept], sizes, minlength=n).astype(np.int64)

    pushed = events.type == ev.PUSH
    sized = pushed & _has_old_shape(told, is_kept)
    by_people = told.world.accounts.account_class[events.actor] == PERSON

    renamed = repositories.renamed_at
    opened, merged = events.action == ev.OPENED, events.action == ev.MERGED
    is_issue = (events.thread_kind == ev.ISSUE_THREAD) & (
        opened | (events.type == ev.ISSUE_COMMENT)
    )
    return {
        "repository_id": repositories.id,
        "name": np.array(repositories.name, object),
        "final_name": np.array(repositories.new_name, object),
        "renamed_at": instants(renamed),
        "created_at": instants(repositories.created_at),
        "is_organisation_owned": repositories.owner >= told.world.accounts.first_organisation,
        "community": repositories.community,
        "is_fork": repositories.is_fork,
        "commit_stock": repositories.commit_stock,
        "issue_stock": repositories.issue_stock,
        "star_stock": repositories.star_stock,
        "event_flow": flow(np.ones(len(events), bool)),
        "push_flow": flow(pushed),
        # Only the older payload tells how many commits a push has.
        "sized_push_flow": flow(sized),
        "commit_flow": commits(sized),
        "star_flow": flow(events.type == ev.WATCH),
        "issue_flow": flow(is_issue),
        "pull_request_flow": flow(opened & (events.type == ev.PULL)),
        "pull_request_merged_flow": flow(merged),
        "people_push_flow": flow(pushed & by_people),
        "people_sized_push_flow": flow(sized & by_people),
        "people_commit_flow": commits(sized & by_people),
        "people_star_flow": flow((events.type == ev.WATCH) & by_people),
        "people_issue_flow": flow(is_issue & by_people),
    }


def _github_stocks(view: GitHubView) -> dict[str, NDArray[Any]]:
    """What GitHub's interfaces say of each repository when the days are over."""
    repositories = view.world.repositories
    return {
        "repository_id": repositories.id,
        "status": np.array([view.status(i) for i in range(len(repositories))], object),
        "commit_count": view.commit_counts,
        "issue_count": view.issue_counts,
        "pull_request_count": view.pull_counts,
        "star_count": view.star_counts,
        "has_issues": repositories.has_issues,
    }


def _repository_flow(told: Told) -> dict[str, NDArray[Any]]:
    """What happened in each repository on the written days, readable or not.

    Pull requests are by who opened them, also when they are merged; `external` excludes machines.
    """
    events, n = told.events, len(told.world.repositories)

    def count(mask: Bools) -> Ints:
        return np.bincount(events.repository[mask], minlength=n)

    columns = {"repository_id": told.world.repositories.id}
    acts = {
        "direct_push": ((events.type == ev.PUSH) & (events.merges == 0), events.role),
        "opened_pull": ((events.type == ev.PULL) & (events.action == ev.OPENED), events.role),
        "merged_pull": (events.action == ev.MERGED, events.thread_role),
        "opened_issue": ((events.type == ev.ISSUES) & (events.action == ev.OPENED), events.role),
    }
    for name, (mask, role) in acts.items():
        columns[f"{name}_count"] = count(mask)
        columns[f"machine_{name}_count"] = count(mask & (role == MACHINE))
        columns[f"external_{name}_count"] = count(mask & (role == OUTSIDER))
    columns["commit_count"] = np.bincount(
        events.repository, events.push_distinct_size, minlength=n
    ).astype(np.int64)
    columns["star_count"] = count(events.type == ev.WATCH)
    columns["fork_count"] = count(events.type == ev.FORK)
    return columns


def _flow_threads(told: Told, texts: Texts) -> dict[str, NDArray[Any]]:
    opened = told.events.taken(told.events.action == ev.OPENED)
    merged = told.events.taken(told.events.action == ev.MERGED)
    place = {
        (i, number): at
        for i, number, at in zip(
            merged.repository.tolist(), merged.number.tolist(), merged.created_at.tolist(),
            strict=True,
        )
    }  # fmt: skip
    merged_at = [
        place.get(key, 0)
        for key in zip(opened.repository.tolist(), opened.number.tolist(), strict=True)
    ]
    return {
        **theme_columns(told.world, texts, opened.repository, opened.number),
        "is_pull_request": opened.thread_kind == ev.PULL_THREAD,
        "created_at": instants(opened.created_at),
        "merged_at": instants(np.array(merged_at, np.int64)),
        "author_login": named(told.world.accounts.login, opened.actor),
        "is_external": opened.role == OUTSIDER,
        "is_machine": opened.role == MACHINE,
    }


def _account_truth(accounts: Accounts) -> dict[str, NDArray[Any]]:
    return {
        "account_id": accounts.id,
        "login": np.array(accounts.login, object),
        "kind": np.array(accounts.kind, object),
        "is_bot": accounts.is_bot,
        "community": accounts.community,
    }


def _hub_account_truth(accounts: HubAccounts) -> dict[str, NDArray[Any]]:
    logins = np.array([*accounts.login, None], object)
    return {
        "login": logins[:-1],
        "is_organisation": np.arange(len(accounts.login)) >= accounts.person_count,
        "organisation": logins[accounts.organisation],
        "is_staff": accounts.is_staff,
        "is_bot": accounts.is_bot,
    }


def _write_truth(folder: Path, tables: dict[str, dict[str, NDArray[Any]]]) -> None:
    connection = duckdb.connect(config={"threads": 1})
    try:
        for name, columns in tables.items():
            connection.register("columns_of_truth", columns)
            # DuckDB takes no numpy days, so they come as instants.
            days = "REPLACE (day::DATE AS day)" if "day" in columns else ""
            target = str(folder / f"{name}.parquet").replace("'", "''")
            connection.execute(
                f"COPY (SELECT * {days} FROM columns_of_truth) TO '{target}' (FORMAT parquet)"
            )
            connection.unregister("columns_of_truth")
    finally:
        connection.close()
