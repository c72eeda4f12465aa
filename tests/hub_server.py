"""A Hub on the loopback interface for tests: cursor pages, limits, faults.

Belongs here: what the listing's HTTP looks like. Does not belong here: checks.
"""

import base64
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

HISTORY_PAGE = 5
_LISTINGS = ("models", "datasets", "spaces")


def model(number: int, **more: Any) -> dict[str, Any]:
    """A model as the listing shows it."""
    return {
        "_id": f"{number:024x}",
        "id": f"owner-{number % 7}/model-{number}",
        "author": f"owner-{number % 7}",
        "createdAt": f"2024-01-{number % 28 + 1:02d}T06:04:45.000Z",
        "lastModified": f"2025-01-{number % 28 + 1:02d}T06:04:45.000Z",
        "likes": number % 11,
        "downloads": number * 3,
        "downloadsAllTime": number * 30,
        "private": False,
        "gated": (False, "auto", "manual")[number % 3],
        "tags": ["transformers", "license:mit", "mail:someone@example.org"],
        **more,
    }


@dataclass
class Fault:
    """One answer that is given instead of the page."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


@dataclass
class Hub:
    """What the server has, does wrong, and was asked."""

    models: list[dict[str, Any]]
    datasets: list[dict[str, Any]] = field(default_factory=list)
    spaces: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    # Headers on every good page, and another text for the Link header.
    headers: dict[str, str] = field(default_factory=dict)
    link: str | None = None
    known_cursors: set[str] | None = None
    # Histories by name, newest first; a number instead is the status that is answered.
    commits: dict[str, list[dict[str, Any]] | int] = field(default_factory=dict)
    discussions: dict[str, list[dict[str, Any]] | int] = field(default_factory=dict)
    # Events by name and number; whole answers by path, instead of what the server knows.
    events: dict[tuple[str, int], list[Any]] = field(default_factory=dict)
    answers: dict[str, Fault] = field(default_factory=dict)
    # Called before each page of discussions, and of commits, with name and page.
    on_page: Callable[[str, int], None] | None = None
    on_commits: Callable[[str, int], None] | None = None
    requests: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    url: str = ""

    @property
    def starts(self) -> list[int]:
        """The position that each request asked for."""
        return [_start(parse_qs(urlsplit(path).query)) for path in self.requests]


def _start(query: dict[str, list[str]]) -> int:
    cursor = query.get("cursor")
    return int(base64.b64decode(cursor[0])) if cursor else 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write for head and body, or each answer waits for a delayed acknowledgement.
    wbufsize = -1
    hub: Hub

    def do_GET(self) -> None:
        hub = self.hub
        hub.requests.append(self.path)
        hub.tokens.append(self.headers.get("authorization"))
        if hub.faults:
            fault = hub.faults.popleft()
            self._answer(fault.status, fault.headers, fault.body)
            return
        query = parse_qs(urlsplit(self.path).query)
        path = unquote(urlsplit(self.path).path)
        if path in hub.answers:
            told = hub.answers[path]
            self._answer(told.status, told.headers, told.body)
            return
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(commits/[^/]+|discussions|likers)", path)
        details = re.fullmatch(r"/api/models/([^/]+/[^/]+)/discussions/([0-9]+)", path)
        if path.removeprefix("/api/") in _LISTINGS:
            self._listing(path.removeprefix("/api/"), query)
        elif details:
            events = hub.events.get((details[1], int(details[2])), [])
            self._answer(200, {}, json.dumps({"num": int(details[2]), "events": events}).encode())
        elif found is None:
            self._answer(404, {}, b'{"error":"nothing here"}')
        elif found[2] == "discussions":
            self._discussions(found[1], int(query.get("p", ["0"])[0]))
        elif found[2] == "likers":
            self._answer(200, {}, b"[]")
        else:
            self._commits(found[1], found[2].removeprefix("commits/"), query)

    def do_POST(self) -> None:
        self.do_GET()

    def _listing(self, listing: str, query: dict[str, list[str]]) -> None:
        hub = self.hub
        items = getattr(hub, listing)
        start, size = _start(query), int(query["limit"][0])
        if hub.known_cursors is not None and start and query["cursor"][0] not in hub.known_cursors:
            self._answer(400, {}, b'{"error":"Invalid cursor"}')
            return
        headers = {"content-type": "application/json", **hub.headers}
        if start + size < len(items):
            cursor = base64.b64encode(str(start + size).encode()).decode()
            following = urlencode({**query, "cursor": [cursor]}, doseq=True)
            link = hub.link or f'<{hub.url}/api/{listing}?{following}>; rel="next"'
            headers["link"] = link
        self._answer(200, headers, json.dumps(items[start : start + size]).encode())

    def _commits(self, name: str, revision: str, query: dict[str, list[str]]) -> None:
        page, size = int(query.get("p", ["0"])[0]), int(query.get("limit", ["50"])[0])
        if self.hub.on_commits:
            self.hub.on_commits(name, page)
        found = self.hub.commits.get(name, [])
        if isinstance(found, int):
            self._answer(found, {}, b'{"error":"told so"}')
            return
        ids = [item.get("id") for item in found]
        if revision != "main" and revision not in ids:
            self._answer(404, {"x-error-code": "RevisionNotFound"}, b'{"error":"no revision"}')
            return
        found = found if revision == "main" else found[ids.index(revision) :]
        headers = {"x-total-count": str(len(found))}
        if len(found) > (page + 1) * size:
            url = f"{self.hub.url}/api/models/{name}/commits/{revision}?p={page + 1}"
            headers["link"] = f'<{url}>; rel="next"'
        items = found[page * size : (page + 1) * size]
        self._answer(200, headers, json.dumps(items).encode())

    def _discussions(self, name: str, page: int) -> None:
        if self.hub.on_page:
            self.hub.on_page(name, page)
        found = self.hub.discussions.get(name, [])
        if isinstance(found, int):
            self._answer(found, {}, b'{"error":"told so"}')
            return
        start = page * HISTORY_PAGE
        items = found[start : start + HISTORY_PAGE]
        body = {"discussions": items, "count": len(found), "start": start}
        self._answer(200, {}, json.dumps(body).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        # Without the server's own Date, which a test may give.
        self.send_response_only(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def serving(models: list[dict[str, Any]]) -> Iterator[Hub]:
    """A server of these models; its address is `url`."""
    hub = Hub(models)
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
