"""A night's histories: what each question brings, in which order questions are asked.

Belongs here: the stages of a night, its tables, from which listings it is planned. Does not belong
here: who is asked about (plan), how (readers), and how pages are kept (assets.mining.engine).

Stages: why repositories vanished, commits, discussions and likers together, so that all of them are
planned before the first is asked; then the events of discussions that moved; then owners; then
members of owning organisations.
"""

import json
from collections.abc import Callable, Iterator
from datetime import date
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Any

import duckdb

from assets.github.landing import literal
from assets.github.lines import AddressHasher, Unreadable
from assets.huggingface import normalise, plan, rows
from assets.huggingface.normalise import (
    ACCESS_REQUESTS,
    ACCOUNTS,
    COMMITS,
    DISCUSSION_EVENTS,
    DISCUSSIONS,
    LIKERS,
    LISTINGS,
    MEMBERS,
    SCHEMAS,
)
from assets.huggingface.readers import ACCOUNT, DISCUSSION, PRESENCE, Readers
from assets.huggingface.snapshot import (
    LIMIT_SETTING,
    SOURCE,
    Batch,
    Snapshotter,
    new_row,
)
from assets.mining.engine import ANSWERS, Night, Table
from assets.mining.questions import Known, Question
from orchestration.clients.huggingface import HubClient
from orchestration.failures import PermanentFailure
from orchestration.lake import Entry, Partition
from orchestration.settings import HuggingFaceSettings

# Kinds that are asked by a night; access to gated repositories never is.
ACCESS = "access"
LINES_AT_ONCE = 5_000
_KEYS = {
    DISCUSSION_EVENTS: (
        "repository_type", "repository_name", "discussion_number", "created_at", "event_id",
    ),
    ACCOUNTS: ("account_login",),
    MEMBERS: ("organisation_login", "member_login"),
    LIKERS: ("repository_type", "repository_name", "actor_login"),
    ACCESS_REQUESTS: ("repository_type", "repository_name"),
}  # fmt: skip


def tables(owner: Snapshotter) -> list[Table]:
    """What questions to the Hub bring."""
    typed = [Table(name, SCHEMAS[name], key) for name, key in _KEYS.items()]
    acts = [
        Table(name, SCHEMAS[name], (), write=_writer(owner, name))
        for name in (COMMITS, DISCUSSIONS)
    ]
    return [*acts, *typed]


def _writer(
    owner: Snapshotter, table: str
) -> Callable[[Iterator[str], date, Path], tuple[int, int, int]]:
    """How commits and discussions are typed: as those of dumps."""

    def write(lines: Iterator[str], day: date, parquet: Path) -> tuple[int, int, int]:
        first = next(lines, None)
        if first is None:
            normalise.combine(owner.connection, table, [], parquet)
            return 0, 0, 0
        row = new_row(f"night-{table}-{day}", "api", day) | {"source_sha256": _digest(table, day)}
        batches = (Batch(numbered, []) for numbered in normalise.batches(_blocks(first, lines)))
        try:
            bad = owner.convert(table, normalise.API_DUMP, batches, row, parquet)
        except Unreadable as error:
            raise PermanentFailure(
                f"The Hub's {table} cannot be used: {error.reason}.",
                "Check huggingface.endpoint; if the Hub changed its form, update Osmoscope.",
            ) from error
        owner.quarantine(row, table, bad)
        return row["row_count"], row["duplicate_count"], row["malformed_count"]

    return write


def _digest(table: str, day: date) -> str:
    return sha256(f"{table} {day}".encode()).hexdigest()


def _blocks(first: str, lines: Iterator[str]) -> Iterator[bytes]:
    rest = chain([first], lines)
    while chunk := list(islice(rest, LINES_AT_ONCE)):
        yield "".join(f"{line}\n" for line in chunk).encode()


def digest_of(endpoint: str, owner: Snapshotter) -> str:
    """Digest of what has to be equal for kept pages to be of use."""
    parts = (normalise.SCHEMA_VERSION, endpoint, owner.keep_email_domain)
    return sha256(b"histories" + owner.salt + json.dumps(parts).encode()).hexdigest()


def listings(owner: Snapshotter, day: date, kinds: list[str]) -> plan.Listings:
    """The day's listings, and of each type the last one whose night was asked about."""
    lake = owner.lake
    nights = {one for one in lake.days(SOURCE, ANSWERS) if one < day}
    now: dict[str, list[Path]] = {}
    before: dict[str, list[Path]] = {}
    whole: set[str] = set()
    for kind in kinds:
        table = LISTINGS[kind]
        today = owner.partition(table, day)
        now[kind] = today.current_files()
        before[kind] = []
        for one in [one for one in lake.days(SOURCE, table) if one in nights][-1:]:
            earlier = owner.partition(table, one)
            before[kind] = earlier.current_files()
            if not _is_limited(today) and not _is_limited(earlier):
                whole.add(kind)
    return plan.Listings(owner.connection, now, before, frozenset(whole))


def _is_limited(partition: Partition) -> bool:
    """Whether a listing was stopped before its end."""
    return any(LIMIT_SETTING in (entry["reason"] or "") for entry in partition.entries())


def read(
    tonight: Night,
    client: HubClient,
    listed: plan.Listings,
    hub: HuggingFaceSettings,
    hasher: AddressHasher,
    tell: Callable[[str], None],
) -> list[Entry]:
    """Ask what there is to ask and land it; goes on where a killed run stopped.

    Returns:
        The ledger rows of the night's tables.

    Raises:
        TransientFailure: some questions have no answer; the next call goes on with them.
        PermanentFailure: the Hub refuses.
    """
    by_kind = Readers(client, hasher).by_kind()

    def ask(questions: list[Question], *kinds: str) -> None:
        chosen = {kind: by_kind[kind] for kind in kinds}
        tonight.run(questions, chosen, hub.workers)

    night = plan.Nightly(
        tonight.day, hub.nightly_limit, hub.rotation_nights, hub.liker_limit, hub.account_nights
    )
    population = listed.population(hub.history_limit)
    questions = [
        *listed.vanished(tell),
        *night.commits(population, tonight.known(COMMITS), _granted(tonight)),
        *night.discussions(population, tonight.known(DISCUSSIONS)),
        *night.likers(population, tonight.known(LIKERS)),
    ]
    ask(questions, PRESENCE, COMMITS, DISCUSSIONS, LIKERS)
    shown = chain(_shown_before(listed.connection, tonight), tonight.rows(DISCUSSIONS))
    ask(night.details(shown, tonight.known(DISCUSSION)), DISCUSSION)
    owners = tonight.known(ACCOUNT)
    types = plan.owner_types(tonight.rows(DISCUSSIONS), owners)
    ask(night.accounts(population, owners, types), ACCOUNT)
    seen = {**owners, **tonight.answers(ACCOUNT)}
    ask(night.members(_organisations(population, seen), tonight.known(MEMBERS)), MEMBERS)
    return tonight.land()


def _shown_before(
    connection: duckdb.DuckDBPyConnection, tonight: Night
) -> Iterator[dict[str, Any]]:
    """Discussions as the night before landed them, in the journal's form.

    It may have ended before it asked for their events.
    """
    days = [day for day in tonight.lake.days(SOURCE, DISCUSSIONS) if day < tonight.day][-1:]
    for day in days:
        partition = tonight.lake.partition(SOURCE, DISCUSSIONS, day)
        files = [
            literal(partition.folder / entry["file"])
            for entry in partition.entries()
            if entry.get("file") and entry["source_form"] == normalise.API
        ]
        if files:
            rows = connection.execute(
                "select repository_type, repository_name, discussion_number, status, "
                f"comment_count, discussion_title from read_parquet([{', '.join(files)}])"
            ).fetchall()
            for kind, name, number, status, comments, title in rows:
                about = {"num": number, "status": status, "numComments": comments, "title": title}
                yield {"repo_type": kind, "repo_id": name, "discussion": about}


def _organisations(population: list[plan.Listed], seen: dict[str, Known]) -> list[str]:
    owners = {one.owner for one in population if one.owner}
    return [
        login
        for login in owners
        if login in seen and (seen[login].seen or {}).get("type") == rows.ORGANISATION
    ]


def _granted(tonight: Night) -> frozenset[str]:
    """Repositories to which access was given."""
    return frozenset(
        subject
        for subject, known in tonight.known(ACCESS).items()
        if (known.seen or {}).get("access") == "granted"
    )
