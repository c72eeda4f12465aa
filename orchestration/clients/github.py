"""What is asked of GitHub's API: stocks, commits, pull requests, issues, comments, members.

Belongs here: addresses, pages, what an answer says about a repository, and how much is asked at
once. Does not belong here: limits and repeating (`http`), the texts of queries (`github_queries`),
rows (`assets.github.api_rows`) and what is asked when (`assets.github.mining`).

Stocks, commits and pull requests come from GraphQL, by global id where that is known, as it stays
through renames; issues, their comments and public members from REST, by name. A query that was too
much is asked again in halves, and what is wrong with one repository of a batch is that
repository's outcome.

Sources: https://docs.github.com/en/graphql, https://docs.github.com/en/rest, and for what comes
instead of a repository https://docs.github.com/en/rest/using-the-rest-api/
troubleshooting-the-rest-api.
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import orjson

from orchestration.clients import github_queries as queries
from orchestration.clients.github_queries import Object
from orchestration.clients.http import Answer, Http, Request, Stopped, Unusable
from orchestration.failures import TransientFailure

REST, GRAPHQL = "github.rest", "github.graphql"
OK, RENAMED, TRUNCATED = "ok", "renamed", "truncated"
ABSENT, DMCA, DISABLED, GONE = "absent", "dmca", "disabled", "gone"
REFUSED, TAKEN_OVER = "refused", "taken_over"

MOST_AT_ONCE = 100
# A page of a list shrinks to no fewer items; a batch of repositories shrinks to one.
LEAST_PAGE = 5
# Successes at a size before a larger one is tried; twice as many whenever that was too much.
PATIENCE, MOST_PATIENCE = 2, 64
# How often a repository that got half an answer is asked for again before REST is asked.
MOST_TRIES = 3
# Requests behind a query that are a point, as documented.
REQUESTS_A_POINT = 100

_BUSY = frozenset({502, 504})
_MOVED = frozenset({301, 302, 307, 308})
_MISSING = frozenset({403, 404, 410, 451})
_NO_FURTHER = 422
_OUTCOMES = {404: ABSENT, 410: GONE, 451: DMCA}
_WORD = re.compile(r"[a-z_]{1,40}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T[\d:]{8}Z", re.ASCII)
_NO_COUNTS = "GraphQL has no answer: what only it counts is missing"


@dataclass(frozen=True)
class Wanted:
    """A repository to ask about.

    Attributes:
        repository_id: its number, which stays.
        name: owner/name as it was last seen.
        node_id: GitHub's global id, where it is known.
        is_confirmed: where it is not found, REST is asked why; not worth a request for one that
            was missing before, or that the API never showed.
    """

    repository_id: int
    name: str
    node_id: str | None = None
    is_confirmed: bool = False


@dataclass(frozen=True)
class Stock:
    """What a repository answered.

    Attributes:
        item: GraphQL's object, or REST's where GraphQL has no answer; None without stocks.
        reason: what the platform said, or what is missing.
        name_now: its name, where that is another one.
    """

    wanted: Wanted
    outcome: str
    item: Object | None = None
    reason: str | None = None
    name_now: str | None = None


@dataclass(frozen=True)
class Page:
    """A page of a list.

    Attributes:
        items: as the API shows them; empty unless `outcome` is ok.
        following: where the next page is (a cursor, or a URL), None after the last.
        total: how many items the list has, where that is told.
        account, etag, url: for asking again whether the page changed (REST).
        is_unchanged: the page is what the ETag stands for.
    """

    items: list[Any] = field(default_factory=list)
    following: str | None = None
    outcome: str = OK
    reason: str | None = None
    total: int | None = None
    account: str = ""
    etag: str | None = None
    url: str = ""
    is_unchanged: bool = False


class LostPlace(Exception):
    """A cursor is none any more: the list is to be read from its beginning."""


class _TooMuch(Exception):
    """A query did not get through because of how much it asks for."""


@dataclass(frozen=True)
class _Asked:
    """A repository that is asked for; `known` is REST's answer, which confirmed that it is."""

    wanted: Wanted
    node_id: str | None
    tries: int = 0
    known: Object | None = None


class Size:
    """How much is asked at once: halved by what is too much, then slowly doubled again."""

    def __init__(self, most: int, least: int) -> None:
        self._most, self._least, self.value = most, least, most
        self._patience, self._successes, self._is_tried = PATIENCE, 0, True
        self._lock = threading.Lock()

    def can_shrink(self, count: int) -> bool:
        """Whether fewer than `count` may be asked for."""
        return count > self._least

    def was_too_much(self, count: int) -> None:
        """Not so many."""
        with self._lock:
            if count > self.value:
                return
            if not self._is_tried:
                # It had just been made larger: wait longer before that is done again.
                self._patience = min(2 * self._patience, MOST_PATIENCE)
            self.value = max(self._least, count // 2)
            self._successes, self._is_tried = 0, True

    def was_answered(self, count: int) -> None:
        """So many get through."""
        with self._lock:
            if count > self.value:
                self.value, self._successes, self._is_tried = count, 0, True
            elif count == self.value:
                self._successes, self._is_tried = self._successes + 1, True
                if self._successes >= self._patience:
                    self._successes = 0
                    if self.value == self._most:
                        self._patience = PATIENCE
                    else:
                        self.value, self._is_tried = min(2 * self.value, self._most), False


def _told_at(answer: Answer) -> date | None:
    """The day on the clock of who answered, UTC."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC).date()
    except ValueError:
        return None


class GitHub:
    """Asks one endpoint; safe among threads as its `Http` is.

    Everything raises TransientFailure and PermanentFailure as `Http.ask` does, and
    PermanentFailure where GitHub refuses a query as such.

    Attributes:
        page_size: items on a page of REST's lists.
    """

    def __init__(self, http: Http, endpoint: str, most_at_once: int = MOST_AT_ONCE) -> None:
        self._http, self._endpoint = http, endpoint.rstrip("/")
        self.page_size = most_at_once
        self._batch = Size(most_at_once, 1)
        self._page = {
            query: Size(most_at_once, min(LEAST_PAGE, most_at_once))
            for query in (queries.COMMITS, queries.PULL_REQUESTS)
        }
        # Points that a repository's stocks cost: by documented arithmetic, then as it was told.
        self._stock_points = queries.STOCK_CONNECTIONS / REQUESTS_A_POINT

    def today(self) -> date:
        """The day it is on GitHub's clock, UTC; on ours where it does not tell.

        Asking for one's limits is the one request that does not count against them.
        """
        asked = Request(f"{self._endpoint}/rate_limit", "github.rest", accepted=frozenset({404}))
        return self._http.ask(asked, _told_at) or datetime.now(UTC).date()

    # ------------------------------------------------------------ stocks

    def stocks(self, wanted: Sequence[Wanted]) -> list[Stock]:
        """What repositories have, in their order: one query for up to a hundred.

        Outcomes: ok; renamed (with stocks); truncated (REST's row, as GraphQL has no answer);
        disabled (with stocks where they are shown); absent, dmca, refused; taken_over (the name
        is another repository's, and the one that had it is gone).
        """
        found: dict[int, Stock] = {}
        work = self._parts([_Asked(one, one.node_id) for one in wanted])
        while work:
            part = work.pop(0)
            again = []
            try:
                for asked, answer in self._ask_stocks(part):
                    if isinstance(answer, Stock):
                        found[asked.wanted.repository_id] = answer
                    else:
                        again.append(answer)
            except _TooMuch:
                middle = -(-len(part) // 2)
                work[:0] = [part[:middle], part[middle:]]
            work += self._parts(again)
        return [found[one.repository_id] for one in wanted]

    def _parts(self, asked: Sequence[_Asked]) -> list[Sequence[_Asked]]:
        """Even parts of what may be asked at once: 40 and 40, not 64 and 16."""
        if not asked:
            return []
        size = -(-len(asked) // -(-len(asked) // self._batch.value))
        return [asked[k : k + size] for k in range(0, len(asked), size)]

    def _ask_stocks(self, part: Sequence[_Asked]) -> Iterator[tuple[_Asked, Stock | _Asked]]:
        """Each repository of a query with its answer, or with how it is asked for again.

        Raises:
            _TooMuch: a part of more than one repository is.
        """
        text, variables = queries.stock_query([(a.node_id, a.wanted.name) for a in part])
        points = max(1, round(len(part) * self._stock_points))
        is_divisible = self._batch.can_shrink(len(part))
        try:
            data, errors = self._query(text, variables, points, is_divisible=is_divisible)
        except _TooMuch:
            self._batch.was_too_much(len(part))
            raise
        except Stopped:
            raise
        except TransientFailure:
            if is_divisible:
                raise
            # GraphQL cannot answer for this one, or the platform is down and REST will say so.
            yield part[0], self._without_counts(part[0])
            return
        self._learn_cost(data, len(part))
        troubled = 0
        asked_ids = [(asked, asked.node_id) for asked in part]
        for asked, value, problem in queries.stock_values(asked_ids, data, errors):
            answer = self._stock(asked, value, problem)
            troubled += answer is None
            yield asked, answer or self._again(asked)
        if troubled * 10 > len(part):
            self._batch.was_too_much(len(part))
        else:
            self._batch.was_answered(len(part))

    def _learn_cost(self, data: Object, count: int) -> None:
        limit = data.get("rateLimit")
        cost = limit.get("cost") if isinstance(limit, Mapping) else None
        # One point is the least, whatever was asked for.
        if isinstance(cost, int) and cost > 1:
            self._stock_points = cost / count

    def _again(self, asked: _Asked) -> Stock | _Asked:
        """A repository with half an answer: it is asked for again, some times."""
        if asked.tries + 1 < MOST_TRIES:
            return replace(asked, tries=asked.tries + 1)
        return self._without_counts(asked)

    def _without_counts(self, asked: _Asked) -> Stock:
        if asked.known is not None:
            return _present(asked.wanted, asked.known, _NO_COUNTS)
        return self._by_number(asked.wanted, _NO_COUNTS)

    def _stock(self, asked: _Asked, value: Any, problem: Object | None) -> Stock | _Asked | None:
        """The answer of one repository; None where it got none this time."""
        wanted = asked.wanted
        if problem is not None:
            kind = problem.get("type")
            if kind == "NOT_FOUND":
                return self._not_found(asked)
            if kind == "FORBIDDEN" or "access blocked" in str(problem.get("message")):
                return self._without_counts(asked)
            return None
        if not isinstance(value, Mapping) or not isinstance(value.get("nameWithOwner"), str):
            return None
        number = value.get("databaseId")
        if number is None and asked.node_id is not None:
            # Ids beyond 32 bits are not told; the global id says the same.
            return _present(wanted, {**value, "databaseId": wanted.repository_id})
        if number == wanted.repository_id:
            return _present(wanted, value)
        if asked.known is not None:
            return self._without_counts(asked)
        return self._confirmed(asked, number if isinstance(number, int) else None)

    def _not_found(self, asked: _Asked) -> Stock | _Asked:
        if asked.known is not None:
            return self._without_counts(asked)
        if asked.wanted.is_confirmed:
            return self._confirmed(asked, None)
        return Stock(asked.wanted, ABSENT)

    def _confirmed(self, asked: _Asked, other: int | None) -> Stock | _Asked:
        """A repository by its number: what it is, or how it is asked for again.

        Args:
            other: the repository that has its name now, if one has.
        """
        found = self._by_number(asked.wanted, _NO_COUNTS)
        node_id = found.item.get("node_id") if found.item is not None else None
        if isinstance(node_id, str) and node_id:
            return _Asked(asked.wanted, node_id, asked.tries, found.item)
        if found.outcome == ABSENT and other is not None:
            reason = f"the name is that of repository {other} now"
            return Stock(asked.wanted, TAKEN_OVER, reason=reason)
        return found

    def _by_number(self, wanted: Wanted, reason: str) -> Stock:
        """REST's word on a repository: its row without some counts, or why there is none."""
        url = f"{self._endpoint}/repositories/{wanted.repository_id}"
        answer = self._get(url, _MISSING, _checked_repository)
        if answer.status == 200:
            return _present(wanted, answer.json(), reason)
        outcome, told = _missing(answer)
        return Stock(wanted, outcome, reason=told)

    # ------------------------------------------------------------ commits and pull requests

    def commits(
        self, node_id: str, head: str, after: str | None = None, since: str | None = None
    ) -> Page:
        """A page of the commits that a commit continues, itself first.

        Args:
            node_id: the repository's global id.
            head: sha of the commit; what is pushed meanwhile moves no page.
            after: `following` of the page before.
            since: leaves out commits that were made before (ISO 8601).

        Raises:
            LostPlace: `after` leads nowhere.
        """
        variables = {"id": node_id, "head": head, "after": after, "since": since}
        return self._connection(queries.COMMITS, variables, ("object", "history"), 1)

    def pull_requests(self, node_id: str, after: str | None = None) -> Page:
        """A page of the pull requests, those that changed last first.

        Raises:
            LostPlace: `after` leads nowhere.
        """
        variables = {"id": node_id, "after": after}
        return self._connection(queries.PULL_REQUESTS, variables, ("pullRequests",), 2)

    def _connection(
        self, query: str, variables: dict[str, Any], path: Sequence[str], lists: int
    ) -> Page:
        """A page of a list of a repository.

        Args:
            path: where the connection is below the repository.
            lists: connections of each item, for what the query will cost.
        """
        size = self._page[query]
        while True:
            count = size.value
            points = max(1, round((1 + count * lists) / REQUESTS_A_POINT))
            given = {**variables, "first": count}
            try:
                data, errors = self._query(
                    query, given, points, is_divisible=size.can_shrink(count),
                    subject=str(variables["id"]),
                )  # fmt: skip
            except _TooMuch:
                size.was_too_much(count)
                continue
            value = data.get("node")
            for key in path:
                value = value.get(key) if isinstance(value, Mapping) else None
            if not errors and isinstance(value, Mapping):
                size.was_answered(count)
                return _page_of(value)
            if not any(map(queries.is_trouble, errors)):
                return _no_page(data, errors)
            if not size.can_shrink(count):
                raise TransientFailure("GitHub answers a list by half.", "Run it again later.")
            size.was_too_much(count)

    def commit_counts(
        self, node_id: str, old: str, new: str, since: Sequence[str]
    ) -> tuple[list[int], list[int]] | None:
        """How many commits two commits continue, themselves included.

        Returns:
            Counts for `old` and for `new`: of all first, then of those made since each time. None
            where GitHub does not know one of the two, or does not count that far.
        """
        query = queries.window_query(len(since))
        times = {f"w{k}": time for k, time in enumerate(since)}
        variables = {"id": node_id, "old": old, "new": new, **times}
        try:
            data, _ = self._query(query, variables, 1, is_divisible=True, subject=node_id)
        except _TooMuch:
            return None
        node = data.get("node")
        sides = [node.get(side) if isinstance(node, Mapping) else None for side in ("old", "new")]
        before, now = (queries.totals(side, len(since)) for side in sides)
        return None if before is None or now is None else (before, now)

    # ------------------------------------------------------------ lists of REST

    def issues(self, number: int, since: str | None = None, url: str | None = None) -> Page:
        """A page of issues and pull requests, those that changed first at the beginning.

        Args:
            number: of the repository: its name may be another one's by now. GitHub leads to this
                form of address after a rename, and its own links between pages have it.
            since: leaves out what was changed before (ISO 8601).
            url: `following` of a page, instead of `since`.
        """
        return self._changes(number, "issues", {"state": "all"}, since, url)

    def issue_comments(self, number: int, since: str | None = None, url: str | None = None) -> Page:
        """A page of the comments of all issues and pull requests, as of `issues`."""
        return self._changes(number, "issues/comments", {}, since, url)

    def _changes(
        self, number: int, path: str, options: Mapping[str, str], since: str | None, url: str | None
    ) -> Page:
        wanted: dict[str, Any] = {**options, "sort": "updated", "direction": "asc"}
        wanted["per_page"] = self.page_size
        if since is not None:
            wanted["since"] = since
        first = f"{self._endpoint}/repositories/{number}/{path}?{urlencode(wanted)}"
        return self._list(url or first, str(number))

    def members_url(self, login: str) -> str:
        """Where the first page of an organisation's public members is."""
        path = f"orgs/{quote(login, safe='')}/public_members"
        return f"{self._endpoint}/{path}?per_page={self.page_size}"

    def members(self, login: str, url: str, etag: tuple[str, str] | None = None) -> Page:
        """A page of an organisation's public members.

        Args:
            url: `members_url`, or `following` of a page.
            etag: account and ETag of the page as it was.
        """
        return self._list(url, login, etag)

    def _list(self, url: str, subject: str, etag: tuple[str, str] | None = None) -> Page:
        answer = self._get(url, _MISSING | {_NO_FURTHER}, _checked_list, subject, etag)
        # The address that was asked: one that leads on does so every time.
        page = Page(account=answer.account, etag=answer.etag, url=url)
        if answer.status == 304:
            return replace(page, is_unchanged=True, etag=etag[1] if etag else None)
        if answer.status == _NO_FURTHER:
            return replace(page, outcome=TRUNCATED, reason="GitHub lists no further pages")
        if answer.status != 200:
            outcome, reason = _missing(answer)
            return replace(page, outcome=outcome, reason=reason)
        following = answer.links.get("next")
        # A page that leads back to itself would be read for ever.
        following = None if following == url else following
        return replace(page, items=answer.json(), following=following)

    # ------------------------------------------------------------ requests

    def _get(
        self,
        url: str,
        accepted: frozenset[int],
        parse: Any,
        subject: str = "",
        etag: tuple[str, str] | None = None,
    ) -> Answer:
        """The answer to a GET; one redirect within the origin is followed."""
        request = Request(url, REST, subject, accepted=accepted | _MOVED, etag=etag)
        answer: Answer = self._http.ask(request, parse)
        if answer.status in _MOVED:
            target = urljoin(url, answer.headers.get("location", ""))
            answer = self._http.ask(Request(target, REST, subject, accepted=accepted), parse)
        return answer

    def _query(
        self,
        text: str,
        variables: Mapping[str, Any],
        points: int,
        *,
        is_divisible: bool,
        subject: str = "",
    ) -> tuple[Object, list[Object]]:
        """Data and errors of a query.

        Args:
            is_divisible: where the query is too much, it is not repeated as it is.

        Raises:
            _TooMuch: it is, and `is_divisible`.
            PermanentFailure: GitHub does not understand the query.
        """
        request = Request(
            f"{self._endpoint}/graphql", GRAPHQL, subject, method="POST",
            body=orjson.dumps({"query": text, "variables": variables}), points=points,
            headers={"Content-Type": "application/json"},
            accepted=_BUSY if is_divisible else frozenset(),
        )  # fmt: skip

        def parsed(answer: Answer) -> tuple[Object, list[Object]] | None:
            found = None if answer.status in _BUSY else queries.data_of(answer)
            if found is None and not is_divisible:
                raise Unusable("the query took too long")
            return found

        found = self._http.ask(request, parsed)
        if found is None:
            raise _TooMuch
        return found


# ---------------------------------------------------------------- answers


def _checked_list(answer: Answer) -> Answer:
    """The answer, where it is a list or an error: one that was cut off is asked for again."""
    if answer.status == 200 and not isinstance(answer.json(), list):
        raise Unusable("the body is no list")
    return answer


def _checked_repository(answer: Answer) -> Answer:
    if answer.status == 200:
        item = answer.json()
        if not isinstance(item, Mapping) or not isinstance(item.get("full_name"), str):
            raise Unusable("the body is no repository")
    return answer


def _missing(answer: Answer) -> tuple[str, str | None]:
    """Outcome, and the platform's reason, of a repository or list that is not shown."""
    try:
        body = answer.json()
    except Unusable:
        body = None
    block = body.get("block") if isinstance(body, Mapping) else None
    if not isinstance(block, Mapping):
        return _OUTCOMES.get(answer.status, REFUSED), None
    reason, since = str(block.get("reason")), str(block.get("created_at"))
    told = reason if _WORD.fullmatch(reason) else None
    if told and _INSTANT.fullmatch(since):
        told = f"{told} since {since}"
    return _OUTCOMES.get(answer.status, DISABLED), told


def _present(wanted: Wanted, item: Object, missing: str | None = None) -> Stock:
    """A repository that is shown, under its name or another one.

    Args:
        missing: what of its stocks is, if something is.
    """
    name = item.get("nameWithOwner", item.get("full_name"))
    name_now = name if isinstance(name, str) and name != wanted.name else None
    outcome = TRUNCATED if missing else RENAMED if name_now else OK
    if item.get("isDisabled", item.get("disabled")) is True:
        outcome = DISABLED
    return Stock(wanted, outcome, item, missing, name_now)


def _page_of(connection: Object) -> Page:
    nodes, place = connection.get("nodes"), connection.get("pageInfo")
    items = [node for node in nodes if node is not None] if isinstance(nodes, list) else []
    following = None
    if isinstance(place, Mapping) and place.get("hasNextPage") is True:
        cursor = place.get("endCursor")
        following = cursor if isinstance(cursor, str) else None
    total = connection.get("totalCount")
    return Page(items, following, total=total if isinstance(total, int) else None)


def _no_page(data: Object, errors: Sequence[Object]) -> Page:
    """Why a repository shows no list.

    Raises:
        LostPlace: the cursor is none.
    """
    if any(map(queries.is_lost_place, errors)):
        raise LostPlace
    if any(problem.get("type") == "FORBIDDEN" for problem in errors):
        return Page(outcome=REFUSED)
    if data.get("node") is None:
        return Page(outcome=ABSENT)
    return Page(outcome=TRUNCATED, reason="what was asked for was moved away meanwhile")
