"""Where the hours of GH Archive come from: base URLs and local folders, in order.

Belongs here: file names, fetching one hour to a local file, which source answered. Does not
belong here: what is in the file.

Source: https://www.gharchive.org (one file per hour, `YYYY-MM-DD-H.json.gz`, hour not padded).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.lake import Lake, told_when_full

if TYPE_CHECKING:
    # Imported where an URL is asked: files at hand need none of it, and it takes its time.
    from requests import Session

CHUNK_BYTES = 1024 * 1024
BACKOFF_SECONDS = 0.5
# Longest wait between two tries, whatever a source asks for: a worker must not sleep for hours.
MOST_WAIT_SECONDS = 120.0
RETRIED_STATUS = (429, 500, 502, 503, 504)
# GH Archive answers 404 for an hour that it does not have; 403 is S3's word for the same.
ABSENT_STATUS = (403, 404, 410)


def hour_name(day: date, hour: int) -> str:
    """The archive's name of an hour, without suffix: `2015-01-01-0`."""
    if not 0 <= hour <= 23:
        raise ValueError(f"hour {hour} is not in 0..23")
    return f"{day.isoformat()}-{hour}"


@dataclass(frozen=True)
class Fetched:
    """One source's answer for one hour.

    Attributes:
        path: the file, or None where the source has none.
        source: URL or path it came from, without credentials.
        is_mirrored: whether a source other than the first gave it.
        digest: SHA-256 of the file where it is already known.
        reason: why there is no file.
        is_absent: the source was reached and does not have the hour.
        is_refused: the source has it, and it is above the bounds.
    """

    path: Path | None
    source: str
    is_mirrored: bool
    digest: str = ""
    reason: str = ""
    is_absent: bool = False
    is_refused: bool = False


class _TooLarge(Exception):
    """A source sends more bytes than are accepted."""


@dataclass
class ArchiveSource:
    """An ordered list of base URLs and local folders that hold archive hours.

    Attributes:
        attempts: requests for one file at one source, the first included; there is no other
            retry below or above it within a run.
        max_bytes: largest packed file that is accepted from a URL.
    """

    sources: list[str]
    timeout_seconds: float = 60.0
    attempts: int = 4
    max_bytes: int = 8 * 1024**3
    sleep: Callable[[float], None] = time.sleep

    @cached_property
    def _session(self) -> "Session":
        from requests import Session
        from requests.adapters import HTTPAdapter

        session = Session()
        adapter = HTTPAdapter(pool_maxsize=32)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session

    def fetch(self, day: date, hour: int, lake: Lake) -> Iterator[AbstractContextManager[Fetched]]:
        """One answer per source, in order; the caller stops at the first that can be loaded.

        A downloaded file exists only inside its context.
        """
        name = f"{hour_name(day, hour)}.json.gz"
        for position, base in enumerate(self.sources):
            if "://" in base:
                yield self._download(f"{base.rstrip('/')}/{name}", position > 0, lake)
            else:
                yield nullcontext(_local(Path(base) / name, position > 0))

    @contextmanager
    def _download(self, url: str, is_mirrored: bool, lake: Lake) -> Iterator[Fetched]:
        with lake.temporary(".json.gz") as target:
            yield replace(self._ask(url, target), is_mirrored=is_mirrored)

    def _ask(self, url: str, target: Path) -> Fetched:
        """The answer of one URL, asked again while that may help.

        Raises:
            PermanentFailure: the disk is full.
        """
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        nothing = Fetched(None, url, is_mirrored=False)
        problem, asked_wait = "", 0.0
        for attempt in range(self.attempts):
            if attempt:
                self.sleep(min(max(BACKOFF_SECONDS * 2**attempt, asked_wait), MOST_WAIT_SECONDS))
            try:
                with told_when_full(target.parent):
                    status, asked_wait = self._stream(url, target)
            except _TooLarge:
                reason = f"more than {self.max_bytes} bytes at {url}"
                return replace(nothing, reason=reason, is_refused=True)
            except (RequestException, HTTPError, OSError) as error:
                problem, asked_wait = f"{type(error).__name__} from {url}", 0.0
                continue
            if status == 200:
                return replace(nothing, path=target)
            problem = f"HTTP {status} from {url}"
            if status not in RETRIED_STATUS:
                return replace(nothing, reason=problem, is_absent=status in ABSENT_STATUS)
        return replace(nothing, reason=problem)

    def _stream(self, url: str, target: Path) -> tuple[int, float]:
        """Write a URL's bytes as they are to a file.

        Returns:
            The HTTP status and the seconds that the source asks to be left alone.

        Raises:
            requests.RequestException, HTTPError: no answer, or an answer that was cut short.
            _TooLarge: more bytes than allowed.
            OSError: no answer, or the disk is full.
        """
        timeout = self.timeout_seconds
        with self._session.get(url, stream=True, timeout=timeout) as response:
            if response.status_code != 200:
                return response.status_code, _retry_after(response.headers)
            size = 0
            with target.open("wb") as out:
                # Not decoded: the gzip trailer is verified when the file is unpacked.
                for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
                    size += len(chunk)
                    if size > self.max_bytes:
                        raise _TooLarge
                    out.write(chunk)
            return 200, 0.0


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that an answer asks to wait; 0 where it does not, or not intelligibly."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util.retry import Retry

    try:
        return Retry().parse_retry_after(headers.get("Retry-After", "0"))
    except (InvalidHeader, ValueError, OverflowError):
        return 0.0


def _local(path: Path, is_mirrored: bool) -> Fetched:
    if path.is_file():
        return Fetched(path, str(path), is_mirrored)
    reason = f"{path.name} is not in {path.parent}"
    return Fetched(None, str(path), is_mirrored, reason=reason, is_absent=True)
