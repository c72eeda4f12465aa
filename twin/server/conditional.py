"""Conditional requests to GitHub's REST interface.

Belongs here: ETags, `If-None-Match`, `If-Modified-Since` and 304. Does not belong here: what a
304 costs (`limits`), and conditions on archive files (`archive_files`).

As observed of GitHub: the ETag is weak and depends on the token as well as on the body, so that
another token gets another ETag and no 304 (https://github.com/github/docs/issues/34689).
`If-None-Match` takes precedence over `If-Modified-Since`, which holds where an answer says when
it was last modified.
"""

import hashlib
from email.utils import parsedate_to_datetime

from twin.server.limits import Caller
from twin.server.traffic import (
    REST,
    SEARCH,
    Answer,
    App,
    Receive,
    Scope,
    Send,
    answer_of,
    header_of,
)

_VARY = b"Accept, Authorization, Cookie, X-GitHub-OTP, Accept-Encoding, X-Requested-With"
# What a 304 keeps of the answer that the client has already.
_KEPT = (b"etag", b"last-modified", b"cache-control", b"vary")


class ConditionalLayer:
    """The ASGI layer that gives answers an ETag and saves bodies that the client has."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_read = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if not is_read or scope["state"]["kind"] not in (REST, SEARCH):
            await self._app(scope, receive, send)
            return
        answer = await answer_of(self._app, scope, receive)
        if answer.status == 200 and scope["path"] != "/github/rate_limit":
            caller: Caller = scope["state"]["caller"]
            answer = _conditional(answer, scope, caller)
        await answer.send(send)


def _conditional(answer: Answer, scope: Scope, caller: Caller) -> Answer:
    etag = etag_of(answer.body, caller.key)
    visibility = b"private" if caller.is_authenticated else b"public"
    answer.replace_header(b"etag", etag)
    answer.replace_header(b"cache-control", visibility + b", max-age=60, s-maxage=60")
    answer.replace_header(b"vary", _VARY)
    if not _is_known(answer, etag, scope):
        return answer
    return Answer(304, [pair for pair in answer.headers if pair[0] in _KEPT], b"")


def etag_of(body: bytes, key: str) -> bytes:
    """The weak ETag of a body for a caller's key."""
    return f'W/"{hashlib.sha256(key.encode() + b":" + body).hexdigest()}"'.encode()


def _is_known(answer: Answer, etag: bytes, scope: Scope) -> bool:
    wanted = header_of(scope, b"if-none-match")
    if wanted is not None:
        return matches(wanted, etag)
    return is_unmodified(header_of(scope, b"if-modified-since"), answer.header(b"last-modified"))


def matches(wanted: bytes, etag: bytes) -> bool:
    """Whether an If-None-Match header names an ETag; the comparison is the weak one."""
    names = [name.strip().removeprefix(b"W/") for name in wanted.split(b",")]
    return b"*" in names or etag.removeprefix(b"W/") in names


def is_unmodified(since: bytes | None, modified: bytes | None) -> bool:
    """Whether a time of modification is not after the one that the client knows."""
    if since is None or modified is None:
        return False
    try:
        known, changed = (parsedate_to_datetime(d.decode("latin-1")) for d in (since, modified))
        return changed <= known
    except (ValueError, TypeError):
        return False
