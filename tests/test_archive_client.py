"""Fetching an hour: sources in order, answers of all kinds, bounds. Loopback only."""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from archive_support import DAY, event_ids, ingester, leftovers, lines, packed, text, write_hour

from orchestration.clients.archive import MOST_WAIT_SECONDS, ArchiveSource, Fetched, hour_name
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import Lake

BODY = packed(text(lines(range(200))))
NAME = "2024-05-06-0.json.gz"
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Gives the server's answers one after the other, the last one for ever."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        position = min(len(self.server.paths), len(self.server.answers)) - 1
        self.server.answers[position](self)

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers: tuple[Answer, ...]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(*answers: Answer) -> Iterator[Server]:
    server = Server(answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def status(code: int, **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for key, value in headers.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def body(data: bytes = BODY, sent: int | None = None, with_length: bool = True) -> Answer:
    """A 200 whose connection ends after `sent` bytes."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        if with_length:
            handler.send_header("Content-Length", str(len(data)))
        handler.send_header("Content-Type", "application/gzip")
        handler.end_headers()
        handler.wfile.write(data[:sent])
        handler.close_connection = True

    return answer


def stalled(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.flush()
    time.sleep(1.5)


def source(*urls: str, **how: object) -> ArchiveSource:
    how = {"timeout_seconds": 3.0, "attempts": 2, "sleep": lambda _: None, **how}
    return ArchiveSource(list(urls), **how)


def fetched(archive: ArchiveSource, root: Path, hour: int = 0) -> list[tuple[Fetched, bytes]]:
    """Every answer with the bytes that its file had."""
    lake = Lake(root)
    got = []
    for attempt in archive.fetch(DAY, hour, lake):
        with attempt as answer:
            got.append((answer, answer.path.read_bytes() if answer.path else b""))
    assert leftovers(lake) == []
    return got


def test_names_are_not_padded() -> None:
    assert hour_name(date(2015, 1, 2), 0) == "2015-01-02-0"
    assert hour_name(date(2015, 11, 12), 23) == "2015-11-12-23"
    for hour in (-1, 24):
        with pytest.raises(ValueError, match=r"not in 0\.\.23"):
            hour_name(DAY, hour)


@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_primary_answers(tmp_path: Path, slash: str) -> None:
    with serving(body()) as server:
        ((answer, data),) = fetched(source(server.url + slash), tmp_path, 7)
    assert server.paths == ["/2024-05-06-7.json.gz"]
    assert data == BODY
    assert (answer.source, answer.is_mirrored) == (f"{server.url}/2024-05-06-7.json.gz", False)


def test_folder_and_url_in_order(tmp_path: Path) -> None:
    write_hour(tmp_path / "folder", "2024-05-06-0", b"local")
    with serving(body()) as server:
        got = fetched(source(str(tmp_path / "folder"), server.url), tmp_path / "lake")
        assert [answer.is_mirrored for answer, _ in got] == [False, True]
        assert [data for _, data in got] == [packed(b"local"), BODY]
        got = fetched(source(str(tmp_path / "none"), server.url), tmp_path / "lake")
    assert (got[0][0].path, got[0][0].is_absent) == (None, True)
    assert "none" in got[0][0].reason
    assert got[1][1] == BODY


@pytest.mark.parametrize("code", [403, 404, 410])
def test_absent_is_asked_once(tmp_path: Path, code: int) -> None:
    with serving(status(code)) as server:
        ((answer, _),) = fetched(source(server.url), tmp_path)
    assert (answer.path, answer.is_absent, len(server.paths)) == (None, True, 1)
    assert answer.reason == f"HTTP {code} from {server.url}/{NAME}"


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_temporary_trouble_is_tried_again(tmp_path: Path, code: int) -> None:
    with serving(status(code), body()) as server:
        ((answer, data),) = fetched(source(server.url), tmp_path)
    assert (data, answer.is_mirrored, len(server.paths)) == (BODY, False, 2)


def test_lasting_trouble_is_not_absence(tmp_path: Path) -> None:
    with serving(status(503)) as server:
        ((answer, _),) = fetched(source(server.url), tmp_path)
    assert (answer.path, answer.is_absent, len(server.paths)) == (None, False, 2)
    assert answer.reason == f"HTTP 503 from {server.url}/{NAME}"


def test_unexpected_status_is_not_absence(tmp_path: Path) -> None:
    with serving(status(401)) as server:
        ((answer, _),) = fetched(source(server.url), tmp_path)
    assert (answer.path, answer.is_absent, len(server.paths)) == (None, False, 1)


def test_retry_after_is_kept(tmp_path: Path) -> None:
    waits: list[float] = []
    with serving(status(429, Retry_After="7"), body()) as server:
        ((_, data),) = fetched(source(server.url, sleep=waits.append), tmp_path)
    assert (data, len(server.paths), waits) == (BODY, 2, [7.0])


@pytest.mark.parametrize(
    "asked", ["86400", "9" * 5000, "Fri, 31 Dec 2199 23:59:59 GMT", "-5", "soon", ""]
)
def test_no_wait_is_longer_than_the_bound(tmp_path: Path, asked: str) -> None:
    waits: list[float] = []
    with serving(status(503, Retry_After=asked)) as server:
        fetched(source(server.url, attempts=12, sleep=waits.append), tmp_path)
    assert len(server.paths) == 12
    assert min(waits) > 0
    assert max(waits) == MOST_WAIT_SECONDS == 120


def test_answers_of_all_kinds_share_one_count_of_tries(tmp_path: Path) -> None:
    with serving(status(503), body(sent=700), status(503), body(sent=700), body()) as server:
        ((answer, _),) = fetched(source(server.url, attempts=4), tmp_path)
    assert (answer.path, len(server.paths)) == (None, 4)


def test_cut_connection_is_tried_again_from_the_start(tmp_path: Path) -> None:
    with serving(body(sent=700), body()) as server:
        ((answer, data),) = fetched(source(server.url), tmp_path)
    assert (data, len(server.paths)) == (BODY, 2)
    assert answer.path is not None


def test_connection_that_is_always_cut(tmp_path: Path) -> None:
    with serving(body(sent=700)) as server:
        ((answer, _),) = fetched(source(server.url, attempts=3), tmp_path)
    assert (answer.path, answer.is_absent, len(server.paths)) == (None, False, 3)
    assert answer.reason.endswith(f"from {server.url}/{NAME}")


def test_second_answer_may_be_shorter(tmp_path: Path) -> None:
    short = packed(b"short")
    with serving(body(sent=len(BODY) - 1), body(short)) as server:
        ((_, data),) = fetched(source(server.url), tmp_path)
    assert data == short


def test_waits_grow_between_attempts(tmp_path: Path) -> None:
    waits: list[float] = []
    with serving(body(sent=7)) as server:
        fetched(source(server.url, attempts=4, sleep=waits.append), tmp_path)
    assert len(waits) == 3
    assert waits == sorted(waits) and waits[0] < waits[-1]


def test_stalled_connection_ends_with_the_timeout(tmp_path: Path) -> None:
    with serving(stalled) as server:
        started = time.monotonic()
        ((answer, _),) = fetched(source(server.url, attempts=1, timeout_seconds=0.3), tmp_path)
        assert time.monotonic() - started < 1.4
    assert (answer.path, answer.is_absent) == (None, False)


def test_nobody_listens(tmp_path: Path) -> None:
    with serving(body()) as server:
        url = server.url
    ((answer, _),) = fetched(source(url, attempts=1), tmp_path)
    assert (answer.path, answer.is_absent) == (None, False)


@pytest.mark.parametrize("with_length", [True, False])
def test_size_bound(tmp_path: Path, with_length: bool) -> None:
    megabyte = 1024 * 1024
    written: list[int] = []

    class Watched(Lake):
        def watch(self) -> None:
            written.extend(path.stat().st_size for path in (self.root / "tmp").iterdir())

    lake = Watched(tmp_path)
    with serving(body(bytes(6 * megabyte), with_length=with_length)) as server:
        archive = source(server.url, attempts=1, max_bytes=2 * megabyte)
        for attempt in archive.fetch(DAY, 0, lake):
            with attempt as answer:
                lake.watch()
                assert answer.path is None
                assert not answer.is_absent
    assert max(written) <= 2 * megabyte
    with serving(body(bytes(2 * megabyte))) as server:
        ((_, data),) = fetched(source(server.url, max_bytes=2 * megabyte), tmp_path)
    assert len(data) == 2 * megabyte


def test_bytes_are_stored_as_sent(tmp_path: Path) -> None:
    """A Content-Encoding of a helpful proxy does not unpack the file."""

    def encoded(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        handler.wfile.write(BODY)

    with serving(encoded) as server:
        ((_, data),) = fetched(source(server.url), tmp_path)
    assert data == BODY


# --- through the ingest ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "primary",
    [status(404), status(503), body(sent=300), body(b"rubbish"), body(BODY[:-9])],
    ids=["404", "503", "cut", "rubbish", "truncated"],
)
def test_mirror_rescues_the_hour(tmp_path: Path, primary: Answer) -> None:
    work = ingester(tmp_path / "lake")
    with serving(primary) as first, serving(body()) as second:
        entry = work.hour(source(first.url, second.url), DAY, 0)
    assert (entry["state"], entry["is_mirrored"]) == ("mirrored", True)
    assert entry["source"] == f"{second.url}/{NAME}"
    assert len(event_ids(work.lake)) == 200


def test_primary_is_preferred_and_the_mirror_not_asked(tmp_path: Path) -> None:
    work = ingester(tmp_path / "lake")
    with serving(body()) as first, serving(body()) as second:
        entry = work.hour(source(first.url, second.url), DAY, 0)
    assert (entry["state"], second.paths) == ("ok", [])


def test_absent_everywhere_is_missing(tmp_path: Path) -> None:
    work = ingester(tmp_path / "lake")
    with serving(status(404)) as first, serving(status(404)) as second:
        entry = work.hour(source(first.url, second.url), DAY, 0)
    assert entry["state"] == "missing"
    assert "HTTP 404" in entry["reason"]
    assert work.lake.partition("gharchive", "events", DAY).entries() == [entry]


def test_damage_is_graver_than_absence(tmp_path: Path) -> None:
    work = ingester(tmp_path / "lake")
    with serving(body(b"rubbish")) as first, serving(status(404)) as second:
        entry = work.hour(source(first.url, second.url), DAY, 0)
    assert (entry["state"], entry["hour"]) == ("corrupt", 0)


def test_unreached_is_never_called_missing(tmp_path: Path) -> None:
    work = ingester(tmp_path / "lake")
    with (
        serving(status(404)) as first,
        serving(status(503)) as second,
        pytest.raises(TransientFailure, match="HTTP 503") as error,
    ):
        work.hour(source(first.url, second.url), DAY, 0)
    assert error.value.remedy
    assert work.lake.partition("gharchive", "events", DAY).entries() == []


def test_file_above_the_bound_is_refused_for_good(tmp_path: Path) -> None:
    work = ingester(tmp_path / "lake")
    with serving(body()) as server:
        entry = work.hour(source(server.url, max_bytes=100), DAY, 0)
        assert len(server.paths) == 1
    assert entry["state"] == "refused"
    assert "100 bytes" in entry["reason"]


def test_full_disk_is_said_and_not_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = ingester(tmp_path / "lake")
    opened = Path.open

    def full(self: Path, mode: str = "r", *more: object, **how: object) -> object:
        if mode == "wb":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(self, mode, *more, **how)

    monkeypatch.setattr(Path, "open", full)
    with serving(body()) as server, pytest.raises(PermanentFailure, match="no space") as error:
        work.hour(source(server.url), DAY, 0)
    assert len(server.paths) == 1
    assert "Free space" in error.value.remedy
