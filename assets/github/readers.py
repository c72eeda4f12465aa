"""From a question to GitHub to one page of its answer.

Belongs here: how each kind of question is read, where its next page begins, what a later night
compares with. Does not belong here: which questions there are (`mining`), requests
(`orchestration.clients.github`) and what a row is (`api_rows`).

Readers keep nothing: a page's cursor says all that the next one needs, so that a killed night goes
on where it was. What makes that safe against a world that moves meanwhile:

- Commits are read from one head, which moves for nobody. An increment is a window of time in which
  the old and the new head differ by as many commits as they differ in all; a history that was
  rewritten is read anew.
- Pull requests come in the order of their last change, newest first: what changes meanwhile goes
  to the front and is found there in the next night, as that begins with what this one saw first.
- Issues and comments come in that order, oldest first, each page asked for by the last time of
  the page before: what changes meanwhile goes to the end and is read again. Where more of one
  second come than a page has, their pages are read until two readings agree.
- Lists of members are read until two readings agree, where they have more than one page.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson

from assets.github import api_rows
from assets.github.api_rows import BadItem, Normaliser, Row
from assets.mining.questions import GONE, OK, TRUNCATED, Question, Step
from orchestration.clients.github import GitHub, LostPlace, Page, Stock, Wanted
from orchestration.failures import TransientFailure

STOCKS = "stocks"
# Lists may be behind what they list: an increment begins so much before the last one ended.
OVERLAP = timedelta(minutes=5)
SECOND = timedelta(seconds=1)
# Windows of time, before the old head, in which new commits are looked for: a branch that was
# merged brings commits that are older than it.
WINDOWS = (timedelta(0), timedelta(days=7), timedelta(days=60), timedelta(days=500))
# How often a list is read until two readings agree.
MOST_READINGS = 4
MOST_RESTARTS = 2
_MASK = (1 << 64) - 1
_UNSTEADY = "it changed while it was read"

Place = dict[str, Any]
Normalised = Callable[[Iterable[Any], int], tuple[list[Row], list[str]]]


def digest(value: Any) -> str:
    """A short text that is equal for equal JSON values."""
    return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def stock_marker(row: Row) -> dict[str, Any]:
    """What a later night needs of a repository, and what tells whether anything changed."""
    owner = [row["owner_id"], row["owner_login"], row["owner_type"]]
    return {
        "node_id": row["node_id"],
        "name": row["repository_name"],
        "owner": owner,
        "stars": row["star_count"],
        "commits": row["commit_count"],
        "issues": row["issue_count"],
        "head": row["head_sha"],
        "issues_at": row["issues_updated_at"],
        "pulls_at": row["pull_requests_updated_at"],
        "has_issues": row["has_issues"],
        "row": digest(row),
    }


class Readers:
    """Reads the answers of one night.

    Args:
        client: asks GitHub.
        normaliser: makes rows.
        etag: account and ETag that a URL was last read with, where they are known.
        listed: the members of an organisation as its last whole list had them, by its number.
    """

    def __init__(
        self,
        client: GitHub,
        normaliser: Normaliser,
        etag: Callable[[str], tuple[str, str] | None],
        listed: Mapping[int, Sequence[Row]],
    ) -> None:
        self._client, self._rows, self._etag, self._listed = client, normaliser, etag, listed

    # ------------------------------------------------------------ stocks

    def stocks(self, questions: Sequence[Question]) -> list[tuple[Question, Step]]:
        """The stocks of some repositories, all of them answered."""
        wanted = [
            Wanted(
                one.context["repository_id"], one.context["repository_name"],
                one.context.get("node_id"), bool(one.context.get("is_confirmed")),
            )
            for one in questions
        ]  # fmt: skip
        steps = [self._stock_step(stock) for stock in self._client.stocks(wanted)]
        return list(zip(questions, steps, strict=True))

    def _stock_step(self, stock: Stock) -> Step:
        step = Step(outcome=stock.outcome, reason=stock.reason, name_now=stock.name_now)
        if stock.item is None:
            return step
        try:
            row = self._rows.repository(stock.item)
        except BadItem as problem:
            line = self._rows.bad_line(api_rows.REPOSITORIES, stock.item, problem.reason)
            return Step(outcome=TRUNCATED, reason=f"unusable: {problem.reason}", bad=[line])
        step.rows = {api_rows.REPOSITORIES: [row]}
        if stock.outcome != TRUNCATED:
            # Without the counts it would seem as if all of them had changed.
            step.seen = stock_marker(row)
        return step

    # ------------------------------------------------------------ commits

    def commits(self, question: Question, cursor: Any) -> Step:
        """Commits of the default branch: all, or those since the head of an earlier night."""
        context = question.context
        place: Place = dict(cursor) if cursor else self._commits_begin(context)
        number, head = context["repository_id"], context["head"]
        try:
            page = self._client.commits(context["node_id"], head, place["after"], place["since"])
        except LostPlace:
            return _restarted(place, {"after": None, "met": False, "count": 0})
        if page.outcome != OK:
            return Step(outcome=page.outcome, reason=page.reason)
        most = context.get("commit_limit")
        left = len(page.items) if most is None else most - place["count"]
        rows, bad = self._rows.commits(page.items[:left], number)
        place["count"] += min(left, len(page.items))
        step = Step({api_rows.COMMITS: rows}, bad=bad, item_count=context.get("commit_count"))
        for row in rows:
            place["met"] = place["met"] or row["commit_sha"] == context.get("old_head")
            if row["commit_sha"] == head:
                place["made_at"] = row["committed_at"]
        if place["since"] is not None:
            known = context.get("old_head")
            step.rows = {api_rows.COMMITS: [row for row in rows if row["commit_sha"] != known]}
        is_more = len(page.items) > left or page.following is not None
        if is_more and place["count"] == most:
            # Wherever pages end: what is landed does not depend on how large they were.
            step.outcome, step.reason = TRUNCATED, f"the newest {most}, as github.commit_limit says"
            step.seen = {"head": head, "made_at": place.get("made_at")}
        elif page.following is not None:
            step.cursor = {**place, "after": page.following}
        elif place["since"] is not None and not place["met"]:
            # The old head is not among them: the history is another one.
            step.cursor = {**place, "after": None, "since": None, "count": 0}
        else:
            step.seen = {"head": head, "made_at": place.get("made_at")}
        return step

    def _commits_begin(self, context: Mapping[str, Any]) -> Place:
        """Where reading begins, with the time that the new commits are not older than."""
        place: Place = {"after": None, "since": None, "met": False, "count": 0}
        old, made_at = context.get("old_head"), context.get("old_made_at")
        if not old or not made_at:
            return place
        times = [text for window in WINDOWS if (text := _before(made_at, window))]
        counts = self._client.commit_counts(context["node_id"], old, context["head"], times)
        if counts is None:
            return place
        (before, *old_counts), (now, *new_counts) = counts
        for text, older, newer in zip(times, old_counts, new_counts, strict=True):
            if newer - older == now - before >= 0:
                return {**place, "since": text}
        return place

    # ------------------------------------------------------------ pull requests

    def pull_requests(self, question: Question, cursor: Any) -> Step:
        """Pull requests: all, or those that changed since an earlier night."""
        context = question.context
        place: Place = dict(cursor or {"after": None, "newest": None})
        try:
            page = self._client.pull_requests(context["node_id"], place["after"])
        except LostPlace:
            return _restarted(place, {"after": None})
        if page.outcome != OK:
            return Step(outcome=page.outcome, reason=page.reason)
        rows, bad = self._rows.pull_requests(page.items, context["repository_id"])
        times = [row["updated_at"] for row in rows]
        if place["newest"] is None and times:
            # Of the first page: what changes from now on is the next night's.
            place["newest"] = max(times)
        watermark = context.get("watermark")
        first = None if watermark is None else _minus(watermark, OVERLAP)
        kept = [row for row in rows if first is None or row["updated_at"] >= first]
        step = Step({api_rows.PULL_REQUESTS: kept}, bad=bad, item_count=page.total)
        if page.following is not None and len(kept) == len(rows):
            step.cursor = {**place, "after": page.following}
        else:
            step.seen = {"marker": context["marker"], "watermark": place["newest"] or watermark}
        return step

    # ------------------------------------------------------------ issues and comments

    def issues(self, question: Question, cursor: Any) -> Step:
        """Issues: all, or those that changed since an earlier night."""
        if not question.context["has_issues"]:
            kept = {name: question.context[name] for name in ("marker", "watermark")}
            return Step(outcome=GONE, seen=kept)
        return self._changes(
            question, cursor, self._client.issues, self._rows.issues,
            api_rows.ISSUES, "issue_number",
        )  # fmt: skip

    def issue_comments(self, question: Question, cursor: Any) -> Step:
        """Comments of issues and pull requests, as of `issues`."""
        return self._changes(
            question, cursor, self._client.issue_comments, self._rows.comments,
            api_rows.ISSUE_COMMENTS, "comment_id",
        )  # fmt: skip

    def _changes(
        self,
        question: Question,
        cursor: Any,
        asked: Callable[[int, str | None, str | None], Page],
        normalised: Normalised,
        table: str,
        key: str,
    ) -> Step:
        """A page of a list in the order of its last changes."""
        context = question.context
        place: Place = dict(cursor or _changes_begin(context.get("watermark")))
        since = place["since"]
        page = asked(context["repository_id"], _asked_since(since), place["url"])
        if page.outcome == TRUNCATED and place["url"] and since is not None:
            return Step(cursor=_past(place))
        if page.outcome != OK:
            return Step(outcome=page.outcome, reason=page.reason)
        rows, bad = normalised(page.items, context["repository_id"])
        kept = [row for row in rows if _edge(row, key) not in place["edge"]]
        step = Step({table: kept}, bad=bad, item_count=context.get("item_count"))
        place["count"] += len(kept)
        # What is read of the second that reading is at, however it is ordered.
        place["sum"] = place["sum"] + _sum(page.items, since) & _MASK
        step.cursor = _changes_next(place, page, [_edge(row, key) for row in rows])
        if step.cursor is None:
            if _is_unsteady(place):
                step.outcome, step.reason = TRUNCATED, _UNSTEADY
            if step.item_count is None and context.get("watermark") is None:
                step.item_count = place["count"]
            watermark = place["newest"] or context.get("watermark")
            step.seen = {"marker": context["marker"], "watermark": watermark}
        return step

    # ------------------------------------------------------------ members

    def members(self, question: Question, cursor: Any) -> Step:  # noqa: ARG002 - read at once
        """The whole list of an organisation's public members."""
        context = question.context
        number, login = context["organisation_id"], context["organisation_login"]
        known = self._unchanged_members(context)
        if known is not None:
            return known
        before: list[Any] | None = None
        for _ in range(MOST_READINGS):
            pages = list(self._member_pages(login))
            last = pages[-1]
            if last.outcome not in (OK, TRUNCATED):
                return Step(outcome=last.outcome, reason=last.reason)
            rows, bad = self._rows.members([i for p in pages for i in p.items], number, login)
            ids = sorted({row["member_id"] for row in rows})
            if last.outcome == TRUNCATED:
                return Step({api_rows.MEMBERS: rows}, None, TRUNCATED, last.reason, bad=bad)
            if len(pages) == 1 or ids == before:
                urls = [page.url for page in pages]
                etags = [(page.account, page.url, page.etag) for page in pages if page.etag]
                return Step(
                    {api_rows.MEMBERS: rows}, item_count=len(ids), etags=etags, bad=bad,
                    seen={
                        "urls": urls, "members": digest(ids),
                        "is_full": len(last.items) >= self._client.page_size,
                    },
                )  # fmt: skip
            before = ids
        raise TransientFailure(
            f"The members of {login} changed while they were read, {MOST_READINGS} times.",
            "Run it again later; it goes on where it stopped.",
        )

    def _member_pages(self, login: str) -> Iterable[Page]:
        url: str | None = self._client.members_url(login)
        while url is not None:
            page = self._client.members(login, url)
            yield page
            url = page.following

    def _unchanged_members(self, context: Mapping[str, Any]) -> Step | None:
        """The list as it was, where every page of it is; None where it has to be read."""
        number, login = context["organisation_id"], context["organisation_login"]
        seen, listed = context.get("seen") or {}, self._listed.get(number)
        urls = seen.get("urls") or []
        # A list that was read under another name, or is not in the lake as it was, is read anew. So
        # is one of full pages: a page says nothing of one that came behind it.
        is_other = not urls or urls[0] != self._client.members_url(login)
        if listed is None or is_other or seen.get("is_full"):
            return None
        if digest(sorted({row["member_id"] for row in listed})) != seen.get("members"):
            return None
        etags = []
        for url in urls:
            etag = self._etag(url)
            page = self._client.members(login, url, etag) if etag else None
            if page is None or etag is None or not page.is_unchanged:
                return None
            etags.append((page.account, url, etag[1]))
        rows = [{**row, "organisation_login": login} for row in listed]
        step = Step({api_rows.MEMBERS: rows}, item_count=len(rows), etags=etags)
        step.seen = dict(seen)
        return step


# ---------------------------------------------------------------- places


def _restarted(place: Place, begin: Place) -> Step:
    """Reading begins anew, as GitHub does not know the cursor any more."""
    restarts = place.get("restarts", 0) + 1
    if restarts > MOST_RESTARTS:
        raise TransientFailure("GitHub forgets its cursors.", "Run it again later.")
    return Step(cursor={**place, **begin, "restarts": restarts})


def _changes_begin(watermark: str | None) -> Place:
    """Where a list in the order of changes is begun.

    `since`: the time that reading is at; `url`: a further page of it; `sum`, `before`: of what it
    showed in this reading and in the one before; `edge`: what the page before had of its end;
    `newest`, `count`: of everything that was read.
    """
    return {
        "since": None if watermark is None else _minus(watermark, OVERLAP),
        "url": None,
        "sum": 0,
        "before": None,
        "readings": 1,
        "unsteady": False,
        "edge": [],
        "newest": None,
        "count": 0,
    }


def _changes_next(place: Place, page: Page, edge: Sequence[str]) -> Place | None:
    """Where a list in the order of changes is read on; None at its end.

    Notes the newest time of the page in `place`.

    Args:
        edge: the page's rows, see `_edge`.
    """
    since = place["since"]
    times = [time for item in page.items if (time := api_rows.updated_at(item))]
    if times:
        place["newest"] = max(times) if place["newest"] is None else max(*times, place["newest"])
    has_moved = bool(times) and (since is None or max(times) > since)
    if page.following is not None and not has_moved:
        return {**place, "url": page.following}
    if _differs(place) and place["readings"] < MOST_READINGS:
        again = {"url": None, "sum": 0, "before": place["sum"], "readings": place["readings"] + 1}
        return {**place, **again}
    if page.following is None:
        return None
    newest = max(times)
    kept = [text for text in edge if text.partition(" ")[2] >= _minus(newest, SECOND)]
    return {**_moved_on(place, newest), "unsteady": _is_unsteady(place), "edge": kept}


def _moved_on(place: Place, since: str) -> Place:
    kept = {name: place[name] for name in ("newest", "count")}
    return {**_changes_begin(None), "since": since, **kept}


def _edge(row: Row, key: str) -> str:
    return f"{row[key]} {row['updated_at']}"


def _differs(place: Place) -> bool:
    """Whether several pages of one second were not read alike twice."""
    return bool(place["url"]) and place["sum"] != place["before"]


def _is_unsteady(place: Place) -> bool:
    return bool(place["unsteady"]) or _differs(place)


def _past(place: Place) -> Place:
    """Beyond a second of which GitHub does not list everything."""
    since = _plus(place["since"], 2 * SECOND)
    return {**_moved_on(place, since), "unsteady": True}


def _sum(items: Iterable[Any], since: str | None) -> int:
    """A number that is equal for equal items of the second that reading is at, in any order."""
    total = 0
    for item in items:
        at = api_rows.updated_at(item)
        if at is not None and since is not None and at <= since:
            text = f"{item.get('id')} {at}".encode()
            total += int.from_bytes(blake2b(text, digest_size=8).digest())
    return total & _MASK


def _asked_since(since: str | None) -> str | None:
    """What is asked for: one second earlier, as it is not told whether `since` is included."""
    return None if since is None else f"{_minus(since, SECOND)}Z"


def _minus(text: str, length: timedelta) -> str:
    try:
        return (datetime.fromisoformat(text).replace(microsecond=0) - length).isoformat()
    except OverflowError:
        return text


def _plus(text: str, length: timedelta) -> str:
    return _minus(text, -length)


def _before(text: str, length: timedelta) -> str | None:
    """A time before another one, as GraphQL reads it; None where the calendar does not go back."""
    try:
        return f"{(datetime.fromisoformat(text).replace(microsecond=0) - length).isoformat()}Z"
    except OverflowError:
        return None
