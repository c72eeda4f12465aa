"""The hours of the archive as files over HTTP.

Belongs here: names, conditions and ranges, a small cache of hours. Does not belong here: what is
in an hour (`twin.archive`).

As the object store behind the archive answers: a file name with the hour not padded, strong
ETags, single byte ranges, an XML page with 404 for an hour that is missing or not over.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from email.utils import formatdate

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twin.server.clock import Calendar
from twin.server.conditional import is_unmodified, matches
from twin.world import DAY

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})-(\d|1\d|2[0-3])\.json\.gz")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CACHE_BYTES = 64 * 1024**2
_STRIPES = 8
# Seconds after the end of an hour at which its file is there.
_WRITTEN_AFTER = 120
_ABSENT = (
    b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code>"
    b"<Message>The specified key does not exist.</Message></Error>"
)

HourBytes = Callable[[int, int], bytes | None]


@dataclass(frozen=True)
class HourFile:
    """One hour: its bytes, their digest and when the file was written (epoch seconds)."""

    data: bytes
    etag: str
    written_at: int


class HourFiles:
    """Hours on demand; those asked for last are kept."""

    def __init__(self, hour_bytes: HourBytes, cache_bytes: int = _CACHE_BYTES) -> None:
        self._hour_bytes = hour_bytes
        self._cache_bytes = cache_bytes
        self._kept_bytes = 0
        self._kept: OrderedDict[tuple[int, int], HourFile | None] = OrderedDict()
        self._lock = threading.Lock()
        # Two requests for one hour must not make it twice; two hours can be made side by side.
        self._filling = [threading.Lock() for _ in range(_STRIPES)]

    def find(self, name: str, calendar: Calendar) -> HourFile | None:
        """The file of a name, or None where the hour is missing, not over or no hour."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        try:
            index = calendar.day_index(date.fromisoformat(match[1]))
        except ValueError:
            return None
        if index is None:
            return None
        hour = int(match[2])
        written_at = calendar.starts_at + index * DAY + (hour + 1) * 3_600 + _WRITTEN_AFTER
        key = (index, hour)
        with self._filling[(24 * index + hour) % _STRIPES]:
            is_kept, file = self._recall(key)
            if not is_kept:
                data = self._hour_bytes(index, hour)
                file = None if data is None else _file(data, written_at)
                self._keep(key, file)
        return file

    def _recall(self, key: tuple[int, int]) -> tuple[bool, HourFile | None]:
        with self._lock:
            if key not in self._kept:
                return False, None
            self._kept.move_to_end(key)
            return True, self._kept[key]

    def _keep(self, key: tuple[int, int], file: HourFile | None) -> None:
        with self._lock:
            self._kept[key] = file
            self._kept_bytes += len(file.data) if file else 0
            while self._kept_bytes > self._cache_bytes and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._kept_bytes -= len(oldest.data) if oldest else 0


def _file(data: bytes, written_at: int) -> HourFile:
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return HourFile(data, f'"{digest}"', written_at)


def routes(files: HourFiles, calendar: Callable[[], Calendar]) -> list[Route]:
    """The archive at the root and below /archive/."""

    def hour(request: Request) -> Response:
        file = files.find(request.path_params["name"], calendar())
        if file is None:
            return Response(_ABSENT, 404, media_type="application/xml; charset=UTF-8")
        return _answer(request, file)

    return [Route(path, hour, methods=["GET"]) for path in ("/archive/{name}", "/{name}")]


def _answer(request: Request, file: HourFile) -> Response:
    modified = formatdate(file.written_at, usegmt=True)
    headers = {"etag": file.etag, "last-modified": modified, "accept-ranges": "bytes"}
    media_type = "application/gzip"
    if _is_known(request, file, modified):
        return Response(None, 304, headers)
    part = _part(request, file, modified)
    if part is None:
        return Response(file.data, 200, headers, media_type)
    size = len(file.data)
    if not part:
        return Response(None, 416, {**headers, "content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return Response(file.data[part.start : part.stop], 206, headers, media_type)


def _is_known(request: Request, file: HourFile, modified: str) -> bool:
    wanted = request.headers.get("if-none-match")
    if wanted is not None:
        return matches(wanted.encode("latin-1"), file.etag.encode())
    since = request.headers.get("if-modified-since")
    return since is not None and is_unmodified(since.encode("latin-1"), modified.encode())


def _part(request: Request, file: HourFile, modified: str) -> range | None:
    """The bytes that a single range asks for; empty where there are none, None for the whole."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or not (match[1] or match[2]):
        return None
    if request.headers.get("if-range", file.etag) not in (file.etag, modified):
        return None
    size = len(file.data)
    if not match[1]:
        return range(max(0, size - int(match[2])), size)
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if last < first and match[2]:
        return None
    return range(first, min(last + 1, size))
