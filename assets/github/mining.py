"""A night at GitHub: who is asked about what, stage after stage.

Belongs here: the plan of a night, from what the archive and earlier nights know. Does not belong
here: how questions are read (`readers`), asked in threads, kept and landed (`assets.mining`).

Stages: the stocks of the archive's most active repositories, as the tiers choose; then, of the
most starred of them, the commits, issues, comments and pull requests that their stocks show to
have moved; and the public members of the organisations that own the most starred. What moved is
told by markers: a question's `seen` holds the part of the stocks that it was answered at.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from assets.github import api_rows
from assets.github.api_rows import Normaliser, Row
from assets.github.landing import connect, literal
from assets.github.lines import AddressHasher
from assets.github.population import Seen, most_active
from assets.github.readers import STOCKS, Readers
from assets.mining import tiers
from assets.mining.engine import Night, Table, Told, night
from assets.mining.questions import (
    ABSENT,
    ALWAYS,
    CHANGED,
    NEW,
    PERMANENT,
    RECHECK,
    Known,
    Question,
    Reader,
)
from orchestration.clients.github import GitHub
from orchestration.clients.http import GITHUB, Http, Sent, accounts_of
from orchestration.lake import Entry, Lake
from orchestration.privacy.masking import OWNER
from orchestration.settings import Settings

SOURCE = "github"
SCHEMA_VERSION = 1
# What is asked by GraphQL, and what by REST: two budgets.
LANES = {
    **dict.fromkeys((api_rows.COMMITS, api_rows.PULL_REQUESTS), "graphql"),
    **dict.fromkeys((api_rows.ISSUES, api_rows.ISSUE_COMMENTS, api_rows.MEMBERS), "rest"),
}

Marker = dict[str, Any]


def tables() -> list[Table]:
    """The tables that a night lands, beside answers and requests."""
    return [
        Table(name, columns, api_rows.KEYS[name], api_rows.NEWEST[name])
        for name, columns in api_rows.COLUMNS.items()
    ]


def observe_github(
    lake: Lake,
    settings: Settings,
    salt: bytes,
    today: date | None = None,
    progress: Told | None = None,
) -> list[Entry]:
    """Ask GitHub what a night asks, and land it; goes on with a night that was cut off.

    Args:
        lake: where the archive's events are and the answers go.
        settings: `github` says how much is asked.
        salt: for hashing addresses.
        today: the day of observation, UTC; by default GitHub's.
        progress: is told where the night stands.

    Returns:
        The manifests' rows of the day; none where GitHub is not to be asked, or without a token.

    Raises:
        TransientFailure: GitHub does not answer for now; the next call goes on.
        PermanentFailure: a token is refused, or GitHub's form is another one.
    """
    wanted = settings.github
    tokens = settings.github_tokens()
    if wanted.source == "off" or not tokens:
        return []
    hasher = AddressHasher(salt, settings.archive.keep_email_domain)
    folder = settings.state_dir / "mining"
    digest = _digest(settings, salt)
    # The day is asked for before there is a journal of it.
    early: list[Sent] = []
    sink = [early.append]
    http = Http(
        wanted.endpoint, GITHUB, accounts_of(tokens, salt, GITHUB.variable),
        attempts=wanted.attempts, timeout_seconds=wanted.timeout_seconds,
        told=lambda sent: sink[-1](sent),
    )  # fmt: skip
    try:
        client = GitHub(http, wanted.endpoint)
        day = today or client.today()
        with night(lake, SOURCE, day, digest, folder, tables(), progress) as tonight:
            for sent in early:
                tonight.told(sent)
            sink.append(tonight.told)
            tonight.attach(http)
            _ask(tonight, settings, client, Normaliser(hasher))
            return tonight.land()
    finally:
        http.close()


def _digest(settings: Settings, salt: bytes) -> str:
    """Of what kept pages depend on."""
    parts = [SCHEMA_VERSION, settings.github.endpoint, settings.archive.keep_email_domain]
    text = repr([*parts, api_rows.COLUMNS]).encode()
    return hashlib.blake2b(text, key=salt[:64], digest_size=16).hexdigest()


def _ask(tonight: Night, settings: Settings, client: GitHub, normaliser: Normaliser) -> None:
    """All stages of a night."""
    wanted = settings.github
    known = tonight.known(STOCKS)
    seen = _population(tonight, settings, known)
    stocks = Readers(client, normaliser, tonight.etag, {})
    tonight.run(
        stock_questions(seen, known, tonight.day, settings), {}, wanted.workers,
        (STOCKS, stocks.stocks), wanted.batch_size,
    )  # fmt: skip
    markers = _markers(known, tonight.answers(STOCKS))
    owned = most_starred(markers, wanted.member_limit).values()
    organisations = list(member_questions(
        owned, tonight.known(api_rows.MEMBERS), tonight.day, wanted.member_nights
    ))  # fmt: skip
    readers = Readers(client, normaliser, tonight.etag, _listed(tonight, organisations))
    by_kind: dict[str, Reader] = {
        api_rows.COMMITS: readers.commits,
        api_rows.ISSUES: readers.issues,
        api_rows.ISSUE_COMMENTS: readers.issue_comments,
        api_rows.PULL_REQUESTS: readers.pull_requests,
        api_rows.MEMBERS: readers.members,
    }
    histories = {kind: tonight.known(kind) for kind in by_kind}
    starred = most_starred(markers, wanted.history_limit)
    questions = history_questions(starred, histories, wanted.commit_limit)
    tonight.run([*questions, *organisations], by_kind, wanted.workers, lanes=LANES)


# ---------------------------------------------------------------- stocks


def _population(tonight: Night, settings: Settings, known: Mapping[str, Known]) -> list[Seen]:
    """The repositories that are polled; see `has_moved` for the night they are marked with."""
    was_asked = any(one.asked_on == tonight.day for one in known.values())
    folded_on = date.fromordinal(tonight.day.toordinal() + was_asked)
    limit = settings.github.repository_limit
    return most_active(tonight.lake, settings.state_dir / "mining", folded_on, limit)


def has_moved(seen: Seen, before: Known | None) -> bool:
    """Whether the archive has an event of a repository since it was asked about.

    The archive tells of an event late: one that a night learns of after it has asked counts as
    the next night's.
    """
    if before is None:
        return False
    return seen.last_event_at.date() >= before.asked_on or seen.folded_on > before.asked_on


def stock_questions(
    population: Iterable[Seen], known: Mapping[str, Known], day: date, settings: Settings
) -> list[Question]:
    """Whose stocks are asked for, and why; the most starred are the top."""
    wanted = settings.github
    by_subject = {str(one.repository_id): one for one in population}

    def stars(subject: str) -> int:
        before = known.get(subject)
        return (before.seen or {}).get("stars") or 0 if before else 0

    # Stable: the more active first, where there are as many stars.
    ranked = sorted(by_subject, key=stars, reverse=True)
    candidates = [
        tiers.Candidate(subject, rank, has_moved(by_subject[subject], known.get(subject)))
        for rank, subject in enumerate(ranked)
    ]
    chosen = tiers.choose(
        candidates, known, day, top=wanted.nightly_limit,
        rotation_nights=wanted.rotation_nights, seed=settings.study.seed,
    )  # fmt: skip
    return [
        Question(STOCKS, subject, tier, _stock_context(by_subject[subject], known.get(subject)))
        for subject, tier in chosen
    ]


def _stock_context(seen: Seen, before: Known | None) -> dict[str, Any]:
    marker = (before.seen if before else None) or {}
    return {
        "repository_id": seen.repository_id,
        "repository_name": seen.name,
        "node_id": marker.get("node_id"),
        "is_confirmed": before is not None and before.outcome != ABSENT,
    }


def _markers(known: Mapping[str, Known], tonight: Mapping[str, Known]) -> dict[str, Marker]:
    """What the newest answers say of each repository that is there."""
    found = {}
    for subject, answer in {**known, **tonight}.items():
        before = known.get(subject)
        marker = answer.seen or (before.seen if before else None)
        if not marker or answer.outcome in PERMANENT:
            continue
        # Repositories of opted-out owners have no name under which they could be asked about.
        if not str(marker["name"]).startswith(OWNER):
            found[subject] = marker
    return found


def most_starred(markers: Mapping[str, Marker], limit: int) -> dict[str, Marker]:
    """The repositories with the most stars, the most starred first."""
    ranked = sorted(markers, key=lambda subject: (-(markers[subject]["stars"] or 0), int(subject)))
    return {subject: markers[subject] for subject in ranked[:limit]}


# ---------------------------------------------------------------- histories


def history_questions(
    markers: Mapping[str, Marker],
    known: Mapping[str, Mapping[str, Known]],
    commit_limit: int | None = None,
) -> Iterator[Question]:
    """What is read of repositories, where it moved since it was read.

    Args:
        markers: of the repositories, by subject.
        known: the newest answers by kind and subject.
        commit_limit: how many of the newest commits are read of a repository; None: all.
    """
    for subject, marker in markers.items():
        context = {
            "repository_id": int(subject),
            "repository_name": marker["name"],
            "node_id": marker["node_id"],
            "commit_limit": commit_limit,
        }
        for kind, special in (
            (api_rows.COMMITS, _commits_asked),
            (api_rows.ISSUES, _issues_asked),
            (api_rows.ISSUE_COMMENTS, _comments_asked),
            (api_rows.PULL_REQUESTS, _pull_requests_asked),
        ):
            before = known[kind].get(subject)
            asked = special(marker, (before.seen if before else None) or {})
            if asked is not None:
                tier = NEW if before is None else CHANGED
                yield Question(kind, subject, tier, {**context, **asked})


def _commits_asked(marker: Marker, seen: Marker) -> dict[str, Any] | None:
    """What the reader of commits has to know; None where there is nothing new; so do the others."""
    if marker["head"] is None or marker["head"] == seen.get("head"):
        return None
    return {
        "head": marker["head"],
        "commit_count": marker["commits"],
        "old_head": seen.get("head"),
        "old_made_at": seen.get("made_at"),
    }


def _issues_asked(marker: Marker, seen: Marker) -> dict[str, Any] | None:
    now = [marker["issues_at"], marker["has_issues"]]
    is_empty = marker["issues_at"] is None and marker["has_issues"]
    if now == seen.get("marker") or (is_empty and not seen):
        return None
    return {**_since(now, seen), "has_issues": marker["has_issues"], "item_count": marker["issues"]}


def _comments_asked(marker: Marker, seen: Marker) -> dict[str, Any] | None:
    now = [marker["issues_at"], marker["pulls_at"]]
    return None if now in ([None, None], seen.get("marker")) else _since(now, seen)


def _pull_requests_asked(marker: Marker, seen: Marker) -> dict[str, Any] | None:
    now = [marker["pulls_at"]]
    return None if now in ([None], seen.get("marker")) else _since(now, seen)


def _since(now: list[Any], seen: Marker) -> dict[str, Any]:
    return {"marker": now, "watermark": seen.get("watermark")}


# ---------------------------------------------------------------- members


def member_questions(
    markers: Iterable[Marker], known: Mapping[str, Known], day: date, nights: int
) -> Iterator[Question]:
    """The organisations whose members are asked for: new ones, and after some nights again."""
    logins = {
        str(number): login
        for number, login, kind in sorted(
            marker["owner"] for marker in markers if None not in marker["owner"]
        )
        if kind == "Organization"
    }
    for subject, login in logins.items():
        before = known.get(subject)
        tier = _member_tier(before, day, nights)
        if tier is not None:
            context = {"organisation_id": int(subject), "organisation_login": login}
            context["seen"] = before.seen if before else None
            yield Question(api_rows.MEMBERS, subject, tier, context)


def _member_tier(before: Known | None, day: date, nights: int) -> str | None:
    if before is None:
        return NEW
    if before.outcome in PERMANENT and before.recheck_on is not None:
        return RECHECK if day >= before.recheck_on else None
    return ALWAYS if (day - before.asked_on).days >= nights else None


def _listed(tonight: Night, questions: Iterable[Question]) -> dict[int, list[Row]]:
    """The members of organisations as the lake has them of the day they were last asked."""
    known = tonight.known(api_rows.MEMBERS)
    days: dict[date, list[int]] = {}
    for question in questions:
        before = known.get(question.subject)
        if before is not None and before.seen:
            days.setdefault(before.asked_on, []).append(question.context["organisation_id"])
    found: dict[int, list[Row]] = {}
    for day, numbers in days.items():
        files = tonight.lake.partition(SOURCE, api_rows.MEMBERS, day).current_files()
        if files:
            found.update({number: [] for number in numbers})
            for row in _member_rows([literal(file) for file in files], numbers):
                found[row["organisation_id"]].append(row)
    return found


def _member_rows(files: list[str], numbers: list[int]) -> Iterator[Row]:
    columns = [name for name in api_rows.COLUMNS[api_rows.MEMBERS] if name != "observed_at"]
    connection = connect()
    try:
        rows = connection.execute(
            f"select {', '.join(columns)} from read_parquet([{', '.join(files)}]) "
            "where list_contains($numbers, organisation_id) "
            "qualify row_number() over (partition by organisation_id, member_id) = 1 "
            "order by organisation_id, member_id",
            {"numbers": numbers},
        ).fetchall()
    finally:
        connection.close()
    return (dict(zip(columns, row, strict=True)) for row in rows)
