"""Where the hours of GH Archive come from: base URLs and local folders, in order.

Belongs here: file names, fetching one hour to a local file, which source answered. Does not
belong here: what is in the file.

Source: https://www.gharchive.org (one file per hour, `YYYY-MM-DD-H.json.gz`, hour not padded).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from orchestration.lake import Lake

CHUNK_BYTES = 1024 * 1024
BACKOFF_SECONDS = 0.5
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
    """

    path: Path | None
    source: str
    is_mirrored: bool
    digest: str = ""
    reason: str = ""
    is_absent: bool = False


@dataclass
class ArchiveSource:
    """An ordered list of base URLs and local folders that hold archive hours."""

    sources: list[str]
    timeout_seconds: float = 60.0
    attempts: int = 4
    max_bytes: int = 8 * 1024**3
    sleep: Callable[[float], None] = time.sleep
    _session: requests.Session = field(default_factory=requests.Session, init=False)

    def __post_init__(self) -> None:
        retry = Retry(
            total=self.attempts - 1,
            backoff_factor=BACKOFF_SECONDS,
            status_forcelist=RETRIED_STATUS,
            respect_retry_after_header=True,
            raise_on_status=False,
        )
        adapter = HTTPAdapter(max_retries=retry, pool_maxsize=32)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def fetch(
        self, day: date, hour: int, lake: Lake
    ) -> Iterator[AbstractContextManager[Fetched]]:
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
            problem = ""
            for attempt in range(self.attempts):
                if attempt:
                    self.sleep(BACKOFF_SECONDS * 2**attempt)
                try:
                    status = self._stream(url, target)
                except (requests.RequestException, HTTPError, OSError) as error:
                    problem = f"{type(error).__name__} from {url}"
                    continue
                if status == 200:
                    yield Fetched(target, url, is_mirrored)
                elif status in ABSENT_STATUS:
                    reason = f"HTTP {status} from {url}"
                    yield Fetched(None, url, is_mirrored, reason=reason, is_absent=True)
                else:
                    yield Fetched(None, url, is_mirrored, reason=f"HTTP {status} from {url}")
                return
            yield Fetched(None, url, is_mirrored, reason=problem)

    def _stream(self, url: str, target: Path) -> int:
        """Write a URL's bytes as they are to a file; returns the HTTP status.

        Raises:
            requests.RequestException, HTTPError: no answer, or an answer that was cut short.
            OSError: more bytes than allowed, or the disk is full.
        """
        timeout = self.timeout_seconds
        with self._session.get(url, stream=True, timeout=timeout) as response:
            if response.status_code != 200:
                return response.status_code
            size = 0
            with target.open("wb") as out:
                # Not decoded: the gzip trailer is verified when the file is unpacked.
                for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
                    size += len(chunk)
                    if size > self.max_bytes:
                        raise OSError(f"more than {self.max_bytes} bytes")
                    out.write(chunk)
            return 200


def _local(path: Path, is_mirrored: bool) -> Fetched:
    if path.is_file():
        return Fetched(path, str(path), is_mirrored)
    reason = f"{path.name} is not in {path.parent}"
    return Fetched(None, str(path), is_mirrored, reason=reason, is_absent=True)
