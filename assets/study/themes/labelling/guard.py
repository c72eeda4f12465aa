"""Who may talk to the page: only the browser that was given its address.

Belongs here: the checks of each request before anything else sees it, the headers of each answer,
when somebody was last there. Does not belong here: what is answered (`app`).

The address holds a secret. A cookie would not do: other users' servers on this machine get those
too, whatever their port. Against pages of the web, which may send requests here and point names
of their own at 127.0.0.1, the host has to be ours, and what changes anything has to come from a
page of ours.
"""

import hmac
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = "127.0.0.1"
READING = ("GET", "HEAD")
# Scripts, styles and answers of forms are this server's own; nothing is loaded from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_REFUSED = (
    "This address is not valid. It may belong to an earlier start: use the one that the running "
    "command printed.\n"
)


class Guard:
    """Lets pass what knows the secret and comes from our own page.

    Attributes:
        last_seen: when somebody who may was last there, seconds of the monotonic clock.
    """

    def __init__(self, app: App, secret: str, port: int) -> None:
        self._app = app
        self._secret = secret.encode()
        self._hosts = {f"{name}:{port}".encode() for name in (LOOPBACK, "localhost")}
        self.last_seen = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        problem = self._problem(scope)
        if problem is not None:
            await _refuse(send, *problem)
            return
        self.last_seen = time.monotonic()
        await self._app(scope, receive, _with_headers(send))

    def _problem(self, scope: Scope) -> tuple[int, str] | None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 421, "This server has another name.\n"
        first = scope["path"].split("/")[1] if scope["path"].startswith("/") else ""
        if not hmac.compare_digest(first.encode("utf-8", "replace"), self._secret):
            return 403, _REFUSED
        if scope["method"] in READING:
            return None
        if headers.get(b"origin") != [b"http://" + hosts[0]]:
            return 403, "Only the page itself may send labels.\n"
        if headers.get(b"sec-fetch-site", [b"same-origin"]) != [b"same-origin"]:
            return 403, "Only the page itself may send labels.\n"
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = {name for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *((k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in given),
            ]
        await send(message)

    return sending


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = {**HEADERS, "content-type": "text/plain; charset=utf-8"}
    told = _with_headers(send)
    await told({
        "type": "http.response.start", "status": status,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    })  # fmt: skip
    await told({"type": "http.response.body", "body": text.encode()})
