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
- `repositories`, `github_accounts`, `hub_models`, `hub_accounts`, `hub_totals`.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from twin import archive, defects, hub, words
from twin.shapes import Renderer
from twin.world import (
    DAY,
    SCALES,
    Accounts,
    Bools,
    HubAccounts,
    Ints,
    Repositories,
    Scale,
    build_accounts,
    build_hub_accounts,
    build_repositories,
    stream,
)

ERA_SWITCH = datetime(2025, 10, 7, tzinfo=UTC)
LEVEL = 1
_FOLDERS = ("archive", "hub", "truth")
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
class GitHubWorld:
    """The GitHub side in memory, before and behind the files."""

    accounts: Accounts
    repositories: Repositories
    events: archive.Events
    states: Ints
    occurrences: defects.Occurrences
    lost: Ints
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
    size = _preset(scale)
    first = _first_day(days)
    for name in _FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    starts_at = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp())
    github = build_github(size, seed, starts_at, len(days), era_switch, with_defects)
    hours = _write_archive(folder / "archive", github, size, seed, first)
    observed_at = starts_at + len(days) * DAY
    accounts = build_hub_accounts(size, seed)
    models = hub.build_models(size, seed, accounts, observed_at)
    discussions = hub.build_discussions(models, accounts, seed, observed_at)
    commits = _write_hub(folder / "hub", models, accounts, discussions, seed)
    interactions = _interactions(github, starts_at)
    _write_truth(folder / "truth", {
        "hours": hours,
        "interactions": interactions,
        "repositories": _repository_truth(github),
        "github_accounts": _account_truth(github.accounts),
        "hub_models": _model_truth(models, accounts),
        "hub_accounts": _hub_account_truth(accounts),
        "hub_totals": _hub_totals(models, discussions),
    })  # fmt: skip
    files = list((folder / "archive").iterdir())
    return WorldSummary(
        folder=folder, scale=size.name, seed=seed, days=tuple(days),
        archive_file_count=len(files), archive_bytes=sum(f.stat().st_size for f in files),
        line_count=int(hours["lines"].sum()),
        interaction_count=int(interactions["count"].sum()),
        hour_states={s: int((github.states == i).sum()) for i, s in enumerate(defects.STATES)},
        repository_count=len(github.repositories), model_count=len(models),
        hub_commit_count=commits, hub_discussion_count=len(discussions.model),
    )  # fmt: skip


def _preset(scale: Scale | str) -> Scale:
    if isinstance(scale, Scale):
        return scale
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}; known: {', '.join(SCALES)}")
    return SCALES[scale]


def _first_day(days: list[date]) -> date:
    if not days or days != [days[0] + timedelta(days=k) for k in range(len(days))]:
        raise ValueError("the days of a world are consecutive and at least one")
    return days[0]


def build_github(
    scale: Scale,
    seed: int,
    starts_at: int,
    day_count: int,
    era_switch: datetime,
    with_defects: bool,
) -> GitHubWorld:
    """The GitHub side of a world; nothing is written."""
    hour_count = 24 * day_count
    switch = int(np.ceil((era_switch.timestamp() - starts_at) / 3_600))
    first_new_hour = min(max(switch, 0), hour_count)
    accounts = build_accounts(scale, seed)
    repositories = build_repositories(scale, seed, accounts, starts_at, starts_at + day_count * DAY)
    events = archive.draw_events(
        scale, seed, accounts, repositories, starts_at, day_count, first_new_hour
    )
    states = defects.plan_states(seed, hour_count, with_defects)
    occurrences, lost = defects.plan_occurrences(
        events, states, seed, scale.duplicate_count, first_new_hour
    )
    return GitHubWorld(accounts, repositories, events, states, occurrences, lost, first_new_hour)


def _write_archive(
    folder: Path, github: GitHubWorld, scale: Scale, seed: int, first: date
) -> dict[str, NDArray[Any]]:
    """Write the hour files; returns the table `hours` of the truth."""
    renderer = Renderer(github.accounts, github.repositories, github.events, seed)
    occurrences, states = github.occurrences, github.states
    rng = stream(seed, "malformed")
    edges = np.searchsorted(occurrences.hour, np.arange(len(states) + 1))
    malformed, recoverable = np.zeros(len(states), np.int64), np.zeros(len(states), np.int64)
    for hour, state in enumerate(states.tolist()):
        if state == defects.MISSING:
            continue
        lines = _hour_lines(renderer, github, slice(int(edges[hour]), int(edges[hour + 1])), hour)
        if state == defects.MALFORMED:
            malformed[hour] = scale.malformed_count
            for line in defects.malformed_lines(lines, scale.malformed_count, rng):
                lines.insert(int(rng.integers(0, len(lines) + 1)), line)
        text = b"".join(line + b"\n" for line in lines)
        if state == defects.TRUNCATED:
            data, recoverable[hour] = defects.truncated(text, LEVEL)
        elif state == defects.CORRUPT:
            data = defects.corrupt(text, LEVEL)
        else:
            data = defects.packed(text, LEVEL)
        day = first + timedelta(days=hour // 24)
        (folder / f"{day.isoformat()}-{hour % 24}.json.gz").write_bytes(data)
    return _hour_truth(github, first, malformed, recoverable)


def _hour_lines(renderer: Renderer, github: GitHubWorld, part: slice, hour: int) -> list[bytes]:
    """The lines of an hour; a copy is the very line that was written for the original."""
    occurrences = github.occurrences
    event, copy = occurrences.event[part], occurrences.copy[part]
    is_new = hour >= github.first_new_hour
    lines = renderer.lines(event, is_new, occurrences.event_id[part])
    # A copy from before the switch keeps the shape in which it was first recorded.
    step = np.array([0, 0, 1, 24, 0])[copy]
    older = np.flatnonzero((step > 0) & (hour - step < github.first_new_hour) & is_new)
    for place, line in zip(
        older.tolist(),
        renderer.lines(event[older], False, occurrences.event_id[part][older]),
        strict=True,
    ):
        lines[place] = line
    return lines


def _duplicates(github: GitHubWorld) -> tuple[Bools, Bools, Bools]:
    """For each occurrence: is it readable, a duplicate in its file, a duplicate of an earlier file.

    An event is a duplicate iff it stands earlier in its file day or in the file day before.
    """
    occurrences = github.occurrences
    readable = np.isin(github.states[occurrences.hour], defects.READABLE)
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


def _hour_truth(
    github: GitHubWorld, first: date, malformed: Ints, recoverable: Ints
) -> dict[str, NDArray[Any]]:
    occurrences, states = github.occurrences, github.states
    count = len(states)
    readable, in_file, across = _duplicates(github)

    def per_hour(mask: Bools) -> Ints:
        return np.bincount(occurrences.hour[mask], minlength=count)

    events = per_hour(readable)
    originals = per_hour(~readable & (occurrences.copy == defects.ORIGINAL))
    types = github.events.type[occurrences.event]
    days = np.datetime64(first.isoformat(), "D") + np.arange(count) // 24
    return {
        "day": days.astype("datetime64[us]"),
        "hour": np.arange(count) % 24,
        "state": np.array(defects.STATES, object)[states],
        "era": np.where(np.arange(count) >= github.first_new_hour, "E3", "E2").astype(object),
        "lines": events + malformed,
        "events": events,
        "duplicates": per_hour(in_file),
        "earlier_duplicates": per_hour(across),
        "malformed": malformed,
        "lost_events": originals + github.lost,
        "recoverable_lines": recoverable,
        **{name: per_hour(readable & (types == code)) for code, name in enumerate(archive.TYPES)},
    }


def _interactions(github: GitHubWorld, starts_at: int) -> dict[str, NDArray[Any]]:
    """Totals by event day, type, action and thread kind, deduplicated and as they happened."""
    events, occurrences = github.events, github.occurrences
    readable, in_file, across = _duplicates(github)
    kept = occurrences.event[readable & ~in_file & ~across]
    seen = np.bincount(kept, minlength=len(events))
    in_old_era = (occurrences.hour < github.first_new_hour) & readable & ~in_file & ~across
    old_shape = np.bincount(occurrences.event[in_old_era], minlength=len(events)) > 0
    day = (events.created_at - starts_at) // DAY
    keys = ((day + 1) * 1_000 + events.type * 20 + events.action) * 3 + events.thread_kind
    unique, first, group = np.unique(keys, return_index=True, return_inverse=True)

    def total(weights: NDArray[Any]) -> Ints:
        return np.bincount(group, weights, minlength=len(unique)).astype(np.int64)

    types = [archive.TYPES[k] for k in events.type[first].tolist()]
    actions = [archive.ACTIONS[k] for k in events.action[first].tolist()]
    start = np.datetime64(datetime.fromtimestamp(starts_at, UTC).date().isoformat(), "D")
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


def _kind(event_type: str, action: str) -> str:
    """The interaction kind of the warehouse; closings and reopenings are `other`."""
    if event_type in _OPENED:
        if action == "merged":
            return "pull_request_merged"
        return _OPENED[event_type] if action == "opened" else "other"
    return _KINDS[event_type]


def _write_hub(
    folder: Path,
    models: hub.Models,
    accounts: HubAccounts,
    discussions: hub.Discussions,
    seed: int,
) -> int:
    """Write the three files; returns the number of commits with the `system` ones."""
    tables: tuple[tuple[str, Iterator[bytes]], ...] = (
        ("models", hub.model_lines(models, accounts, seed)),
        ("commits", hub.commit_lines(models, accounts, seed)),
        ("discussions", hub.discussion_lines(models, accounts, discussions, seed)),
    )
    for name, lines in tables:
        text = b"".join(line + b"\n" for line in lines)
        (folder / f"{name}.jsonl.gz").write_bytes(defects.packed(text, LEVEL))
    return int(models.commit_count.sum()) + len(models)


def _instants(seconds: Ints) -> NDArray[np.datetime64]:
    return seconds.astype("datetime64[s]").astype("datetime64[us]")


def _repository_truth(github: GitHubWorld) -> dict[str, NDArray[Any]]:
    """Planted properties, and the readable flow after deduplication over all days."""
    repositories, events = github.repositories, github.events
    readable, in_file, across = _duplicates(github)
    kept = github.occurrences.event[readable & ~in_file & ~across]
    n = len(repositories)

    def flow(mask: Bools) -> Ints:
        return np.bincount(events.repository[kept][mask[kept]], minlength=n)

    renamed = repositories.renamed_at
    opened, merged = events.action == archive.OPENED, events.action == archive.MERGED
    is_issue = (events.thread_kind == archive.ISSUE_THREAD) & (
        opened | (events.type == archive.ISSUE_COMMENT)
    )
    renamed_at = _instants(renamed)
    renamed_at[renamed == 0] = np.datetime64("NaT")
    return {
        "repository_id": repositories.id,
        "name": np.array(repositories.name, object),
        "final_name": np.array(repositories.new_name, object),
        "renamed_at": renamed_at,
        "created_at": _instants(repositories.created_at),
        "is_organisation_owned": repositories.owner >= github.accounts.first_organisation,
        "community": repositories.community,
        "is_fork": repositories.is_fork,
        "commit_stock": repositories.commit_stock,
        "issue_stock": repositories.issue_stock,
        "star_stock": repositories.star_stock,
        "event_flow": flow(np.ones(len(events), bool)),
        "push_flow": flow(events.type == archive.PUSH),
        "star_flow": flow(events.type == archive.WATCH),
        "issue_flow": flow(is_issue),
        "pull_request_flow": flow(opened & (events.type == archive.PULL)),
        "pull_request_merged_flow": flow(merged),
    }


def _account_truth(accounts: Accounts) -> dict[str, NDArray[Any]]:
    return {
        "account_id": accounts.id,
        "login": np.array(accounts.login, object),
        "kind": np.array(accounts.kind, object),
        "is_bot": accounts.is_bot,
        "community": accounts.community,
    }


def _model_truth(models: hub.Models, accounts: HubAccounts) -> dict[str, NDArray[Any]]:
    names = np.array([*models.name, None], object)
    created = np.maximum(models.created_at, hub.CREATED_FLOOR)
    return {
        "repository_id": np.array(models.id, object),
        "repository_name": names[:-1],
        "owner_name": np.array(accounts.login, object)[models.owner],
        "is_organisation_owned": models.owner >= accounts.person_count,
        "created_at": _instants(created),
        "first_commit_at": _instants(models.created_at),
        "last_modified_at": _instants(models.last_modified_at),
        "like_count": models.like_count,
        "download_30d_count": models.download_count,
        "download_all_count": models.download_all_count,
        "commit_count": models.commit_count,
        "commit_count_with_system": models.commit_count + 1,
        "discussion_count": models.discussion_count,
        "pull_request_count": models.pull_request_count,
        "gated": np.array(hub.GATED, object)[models.gated],
        "base_model_name": names[models.base],
        "relation": np.array([*hub.RELATIONS, None], object)[models.relation],
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


def _hub_totals(models: hub.Models, discussions: hub.Discussions) -> dict[str, NDArray[Any]]:
    pulls = discussions.is_pull_request
    theme = np.array(words.THEMES, object)
    counts = {
        "model": len(models),
        "commit": int(models.commit_count.sum()),
        "system_commit": len(models),
        "discussion": int((~pulls).sum()),
        "pull_request": int(pulls.sum()),
        "discussion_comment": int(discussions.comment_count.sum()),
        "like": int(models.like_count.sum()),
        **{
            f"discussion_{name}": int(((discussions.theme == k) & ~pulls).sum())
            for k, name in enumerate(theme)
        },
    }
    return {
        "quantity": np.array(list(counts), object),
        "count": np.array(list(counts.values()), np.int64),
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
