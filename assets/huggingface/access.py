"""Asking for access to gated repositories: never by itself, never without a written confirmation.

Belongs here: who may ask, for which repositories, how many on a day, and the record of it. Does not
belong here: HTTP (orchestration.clients.huggingface) and reading what was granted (readers).

The Hub documents a request for access as something that a person does in a browser: it shows user
name and e-mail address to the authors of the repository. So by default gated repositories are
counted and nothing is asked. Who sets `huggingface.gated_access = 'request'` and writes
`CONFIRMATION` into `huggingface.gated_confirmation` asks in their own name, by a command and never
by a schedule, at most so many times a day, and once for each repository. Every request has a row in
`access_requests`, which is kept before the next one is sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from assets.huggingface.gated import never_asked
from assets.huggingface.histories import ACCESS
from assets.huggingface.normalise import ACCESS_REQUESTS, LISTINGS
from assets.huggingface.observation import Session, session
from assets.huggingface.snapshot import SOURCE, Progress
from assets.mining.engine import Told
from assets.mining.questions import ALWAYS, OK, REFUSED, Question, Step
from orchestration.clients.huggingface import HubClient
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import Lake
from orchestration.settings import HuggingFaceSettings, Settings

CONFIRMATION = (
    "I ask for access in my own name, and agree that my user name and e-mail address on the Hub "
    "are shown to the authors of every repository that is asked for."
)
GRANTED, PENDING, REJECTED, UNAVAILABLE = "granted", "pending", "rejected", "unavailable"


def check_confirmed(hub: HuggingFaceSettings) -> None:
    """Refuse to ask for access unless the operator has agreed to it in writing.

    Raises:
        PermanentFailure: naming the setting and, in the remedy, the text to write.
    """
    if hub.gated_access != "request":
        raise PermanentFailure(
            "Access to gated repositories is not asked for (huggingface.gated_access is "
            f"{hub.gated_access!r}).",
            "If you want that: set huggingface.gated_access = 'request' and "
            f'huggingface.gated_confirmation = "{CONFIRMATION}"',
        )
    if (hub.gated_confirmation or "").strip() != CONFIRMATION:
        raise PermanentFailure(
            "Access to gated repositories is not asked for without a confirmation.",
            f'If you agree, set huggingface.gated_confirmation = "{CONFIRMATION}"',
        )


def request_access(
    lake: Lake,
    settings: Settings,
    salt: bytes,
    *,
    today: date | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
) -> list[dict[str, Any]]:
    """Ask for access to gated repositories of the newest listing, the most liked first.

    Args:
        today: the day, UTC; by default the Hub's.
        progress: told of each request.
        told: told where the questions stand.

    Returns:
        The rows of `access_requests` that this call brought.

    Raises:
        PermanentFailure: it is not confirmed, there is no token or no listing, or the Hub
            refuses the token.
        TransientFailure: the Hub cannot be reached; the next call goes on where this stopped.
    """
    hub = settings.huggingface
    check_confirmed(hub)
    if not settings.hub_tokens():
        raise PermanentFailure(
            "Access is asked for in somebody's name, and there is no token.", "Set HF_TOKEN."
        )
    with session(lake, settings, salt, today, progress, told) as now:
        asker = _Asker(now)
        # What a killed run may have asked: asking again changes nothing on the Hub.
        asker.ask([])
        for question in asker.candidates(list(hub.repository_types)):
            if asker.asked_today() >= hub.gated_daily_limit:
                now.snapshotter.tell(f"{hub.gated_daily_limit} requests today: that is the limit")
                break
            asker.ask([question])
            now.snapshotter.tell(f"asked for {question.subject}")
        brought = list(now.tonight.rows(ACCESS_REQUESTS))
        now.tonight.land()
    return brought


@dataclass
class _Asker:
    """One call's requests."""

    now: Session

    def ask(self, questions: list[Question]) -> None:
        """Ask, one after the other; each answer is kept at once.

        Raises:
            TransientFailure: there is no answer; what was asked before it is kept.
        """
        tonight = self.now.tonight
        tonight.run(questions, {ACCESS: _reader(self.now.client)}, workers=1)
        for _, subject, *_ in tonight.journal.pending([ACCESS]):
            raise TransientFailure(
                f"The Hub gave no answer about access to {subject}.",
                "Run it again later; it goes on where it stopped.",
            )

    def asked_today(self) -> int:
        """Requests of the day, those of earlier calls too."""
        tonight = self.now.tonight
        recorded = tonight.lake.partition(SOURCE, ACCESS_REQUESTS, tonight.day).entries()
        landed = sum(entry["row_count"] or 0 for entry in recorded)
        return landed + len(tonight.answers(ACCESS))

    def candidates(self, kinds: list[str]) -> list[Question]:
        """Gated repositories that were never asked for.

        Raises:
            PermanentFailure: the Hub was never listed.
        """
        lake = self.now.snapshotter.lake
        if not any(lake.days(SOURCE, LISTINGS[kind]) for kind in kinds):
            raise PermanentFailure("The Hub was never listed.", "Observe the Hub first.")
        answered = self.now.tonight.answers(ACCESS)
        questions = [_question(row) for row in never_asked(lake, kinds)]
        return [question for question in questions if question.subject not in answered]


def _question(row: dict[str, Any]) -> Question:
    names = ("repository_type", "repository_name", "gated")
    subject = f"{row['repository_type']}/{row['repository_name']}"
    return Question(ACCESS, subject, ALWAYS, {name: row[name] for name in names})


def _reader(client: HubClient) -> Callable[[Question, Any], Step]:
    """Ask for access; then, as the next page, whether it was granted."""

    def read(question: Question, cursor: Any) -> Step:
        kind, name = question.context["repository_type"], question.context["repository_name"]
        if cursor is None:
            part = client.ask_access(kind, name)
            at = part.told_at.isoformat() if part.told_at else None
            if part.outcome == OK:
                return Step(cursor={"asked_at": at})
            return _recorded(question, at, UNAVAILABLE, part.reason)
        found = client.may_read(kind, name)
        is_known = found.outcome in (GRANTED, PENDING, REJECTED)
        # A repository that asks for a form takes the request and shows no sign of it.
        outcome = found.outcome if is_known else UNAVAILABLE
        return _recorded(question, cursor["asked_at"], outcome, None if is_known else found.reason)

    return read


def _recorded(question: Question, asked_at: str | None, outcome: str, reason: str | None) -> Step:
    context = question.context
    row = {
        "repository_type": context["repository_type"],
        "repository_name": context["repository_name"],
        "gated": context["gated"],
        "requested_at": asked_at,
        "outcome": outcome,
        "reason": reason,
    }
    seen = {"access": outcome}
    answer = OK if outcome != UNAVAILABLE else REFUSED
    return Step({ACCESS_REQUESTS: [row]}, outcome=answer, reason=reason, seen=seen)
