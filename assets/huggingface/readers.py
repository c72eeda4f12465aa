"""How each question to the Hub is asked, page by page.

Belongs here: from a question and a cursor to the next page's rows, outcome and marker. Does not
belong here: which questions there are (plan), HTTP (orchestration.clients.huggingface), rows
(rows, normalise) and threads (assets.mining.engine).

Contexts, beside `repository_id`, `repository_type` and `repository_name`: `marker` is what the
listing says now and the next listing is compared with; what else a reader needs is at its head.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from assets.github.lines import AddressHasher
from assets.huggingface import numbered, rows
from assets.huggingface.normalise import (
    ACCOUNTS,
    COMMITS,
    DISCUSSION_EVENTS,
    DISCUSSIONS,
    LIKERS,
    MEMBERS,
)
from assets.mining.questions import (
    ABSENT,
    OK,
    RENAMED,
    TAKEN_OVER,
    TRUNCATED,
    Question,
    Reader,
    Step,
)
from orchestration.clients.huggingface import HubClient, Part

# What is asked; the ledger's word for it.
PRESENCE, ACCOUNT = "presence", "account"
DISCUSSION = "discussion"
# The maintainers of huggingface_hub name about 5,000 as the most likers that are shown; fewer than
# were liked can also be accounts that are gone.
SHOWN_LIKERS = 4_500
MOST_LINKED_PAGES = 10_000
MOVED = "the list moved while it was read"


@dataclass(frozen=True)
class Readers:
    """The readers of one night.

    Attributes:
        client: the Hub.
        hasher: makes text free of e-mail addresses.
    """

    client: HubClient
    hasher: AddressHasher

    def by_kind(self) -> dict[str, Reader]:
        """Kind of question to its reader."""
        return {
            PRESENCE: self.presence,
            COMMITS: self.commits,
            DISCUSSIONS: self.discussions,
            DISCUSSION: self.discussion,
            LIKERS: self.likers,
            ACCOUNT: self.account,
            MEMBERS: self.members,
        }

    def presence(self, question: Question, cursor: Any) -> Step:  # noqa: ARG002
        """Why a repository is not listed any more.

        The listing itself may tell: `name_now` where its id has another name, `is_taken` where
        its name has another id.
        """
        context = question.context
        if context.get("name_now"):
            return Step(outcome=RENAMED, reason="listed", name_now=context["name_now"])
        if context.get("is_taken"):
            return Step(outcome=TAKEN_OVER, reason="listed")
        part = self.client.repository(context["repository_type"], context["repository_name"])
        if part.outcome != OK:
            return _refusal(part)
        (item,) = part.items
        known, shown = context.get("repository_id"), rows.name(item.get("_id"))
        if known and shown and known != shown:
            return Step(outcome=TAKEN_OVER)
        if item.get("disabled") is True:
            return Step(outcome="disabled")
        return Step()

    def commits(self, question: Question, cursor: Any) -> Step:
        """All commits of the main branch; context: `marker` with `gated`.

        After the first page its newest commit is what pages are counted from, which pushes do not
        move.
        """
        context, place = question.context, numbered.Place.of(cursor)
        part = self.client.commits(
            context["repository_type"], context["repository_name"], place.page,
            place.pinned or "main", (context["marker"].get("gated") or "no") != "no",
        )  # fmt: skip
        if part.outcome != OK:
            if place.pinned:
                # The history was rewritten; the branch itself is still there.
                return _begun_anew(place) or _refusal(part, context["marker"])
            return _refusal(part, context["marker"])
        names = [rows.name(item.get("id")) or _whole(item) for item in part.items]
        verdict = numbered.after(
            place, names, names, part.total, part.next_url is not None, names[0] if names else None
        )
        step = self._numbered(question, COMMITS, "commit", part, verdict)
        step.seen = context["marker"]
        return step

    def discussions(self, question: Question, cursor: Any) -> Step:
        """All discussions and pull requests as the listing shows them."""
        context, place = question.context, numbered.Place.of(cursor)
        kind, name = context["repository_type"], context["repository_name"]
        part = self.client.discussions(kind, name, place.page)
        if part.outcome != OK:
            return _refusal(part)
        names = [str(item.get("num")) for item in part.items]
        marks = [_whole(marker_of(item)) for item in part.items]
        verdict = numbered.after(place, names, marks, part.total, bool(part.items))
        step = self._numbered(question, DISCUSSIONS, "discussion", part, verdict)
        if step.cursor is None:
            step.seen = {"count": verdict.count, "digest": verdict.digest}
        return step

    def _numbered(
        self, question: Question, table: str, key: str, part: Part, verdict: numbered.Verdict
    ) -> Step:
        context = question.context
        head = {"repo_id": context["repository_name"], "repo_type": context["repository_type"]}
        kept = rows.hashed(part.items, self.hasher) if verdict.is_kept else []
        step = Step({table: [{**head, key: item} for item in kept]})
        if verdict.place is not None:
            step.cursor = verdict.place.as_cursor()
        elif verdict.is_complete:
            step.item_count = verdict.count
        else:
            step.outcome, step.reason, step.item_count = TRUNCATED, MOVED, part.total
        return step

    def discussion(self, question: Question, cursor: Any) -> Step:  # noqa: ARG002
        """The events of one discussion; context: `number`, `marker`."""
        context = question.context
        kind, name = context["repository_type"], context["repository_name"]
        number = context["number"]
        part = self.client.discussion(kind, name, number)
        if part.outcome != OK:
            return _refusal(part, context["marker"])
        events = part.items[0].get("events")
        items = rows.hashed(events if isinstance(events, list) else [], self.hasher)
        repository = {"repository_type": kind, "repository_name": name}
        found, bad = rows.read(
            items, lambda item: rows.event(repository, number, item), question.subject
        )
        return Step(
            {DISCUSSION_EVENTS: found}, item_count=len(found), seen=context["marker"], bad=bad
        )

    def likers(self, question: Question, cursor: Any) -> Step:
        """Who likes a repository; context: `marker` with `likes`."""
        context = question.context
        kind, name = context["repository_type"], context["repository_name"]
        repository = {"repository_type": kind, "repository_name": name}

        def ask(url: str | None) -> Part:
            return self.client.likers(kind, name, url)

        step = self._linked(
            question, cursor, ask, LIKERS, lambda item: rows.liker(repository, item)
        )
        if step.cursor is None:
            step.seen = context["marker"]
            shown, likes = step.item_count or 0, context["marker"]["likes"] or 0
            if step.outcome == OK and SHOWN_LIKERS <= shown < likes:
                step.outcome, step.reason = TRUNCATED, f"{shown} of {likes} likers are shown"
        return step

    def members(self, question: Question, cursor: Any) -> Step:
        """Who is a member of an organisation, as it shows; context: `login`."""
        login = question.context["login"]

        def ask(url: str | None) -> Part:
            return self.client.members(login, url)

        return self._linked(question, cursor, ask, MEMBERS, lambda item: rows.member(login, item))

    def _linked(
        self,
        question: Question,
        cursor: Any,
        ask: Callable[[str | None], Part],
        table: str,
        made: Callable[[Any], rows.Row | None],
    ) -> Step:
        """A page of a list whose pages are linked; the cursor counts what was read."""
        state = cursor or {"url": None, "pages": 0, "count": 0, "digest": 0}
        part = ask(state["url"])
        if part.outcome != OK:
            return _refusal(part)
        found, bad = rows.read(rows.hashed(part.items, self.hasher), made, question.subject)
        digest = sum(numbered.hash_of(_whole(row)) for row in found) + state["digest"]
        seen = {"count": state["count"] + len(found), "digest": digest % numbered.SUM}
        step = Step({table: found}, bad=bad, item_count=seen["count"], seen=seen)
        pages = state["pages"] + 1
        if part.next_url is None or part.next_url == state["url"]:
            return step
        if pages >= MOST_LINKED_PAGES:
            return replace(step, outcome=TRUNCATED, reason=f"more than {pages} pages")
        return replace(step, cursor={**seen, "url": part.next_url, "pages": pages})

    def account(self, question: Question, cursor: Any) -> Step:
        """The overview of an account; context: `login`, and `as` where its type is known.

        The listing does not say whether an owner is a user or an organisation: one is asked for
        first, then the other.
        """
        login = question.context["login"]
        first = question.context.get("as") or rows.USER
        kind = cursor or first
        part = self.client.user(login) if kind == rows.USER else self.client.organisation(login)
        if part.outcome == ABSENT and cursor is None:
            return Step(cursor=rows.ORGANISATION if kind == rows.USER else rows.USER)
        if part.outcome != OK:
            return _refusal(part)
        items = rows.hashed(part.items, self.hasher)
        found, bad = rows.read(items, lambda item: rows.account(kind, item), question.subject)
        digest = sum(numbered.hash_of(_whole(row)) for row in found)
        return Step({ACCOUNTS: found}, seen={"type": kind, "digest": digest}, bad=bad)


def marker_of(item: dict[str, Any]) -> dict[str, Any]:
    """What a listing shows of a discussion that moves when something happens in it."""
    return {
        "status": rows.name(item.get("status")),
        "comments": rows.count(item.get("numComments")),
        "title": numbered.hash_of(rows.text(item.get("title")) or ""),
    }


def _refusal(part: Part, marker: dict[str, Any] | None = None) -> Step:
    return Step(outcome=part.outcome, reason=part.reason, name_now=part.name_now, seen=marker)


def _begun_anew(place: numbered.Place) -> Step | None:
    """A step that begins the list again; None where that was done too often."""
    if place.begun >= numbered.MOST_BEGUN:
        return None
    return Step(cursor=numbered.Place(begun=place.begun + 1, asked=place.asked).as_cursor())


def _whole(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
