"""The public table of all models as a day's listing: from a file, and from the endpoint."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import model, serving
from test_hub_normalise import HUB_STATS_SCHEMA, hub_stats_rows

from assets.huggingface.observation import bootstrap, observe
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import Lake
from orchestration.settings import HuggingFaceSettings, Settings

SALT = b"0123456789abcdef-salt"
DAY = date(2026, 8, 22)
PLACE = "/datasets/cfahlgren1/hub-stats/resolve/main/models.parquet"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "models.parquet"
    pq.write_table(pa.Table.from_pylist(hub_stats_rows(), HUB_STATS_SCHEMA), path)
    return path


def chosen(folder: Path, endpoint: str, **more: Any) -> Settings:
    hub = HuggingFaceSettings(endpoint=endpoint, attempts=1, **more)
    return Settings(data_dir=folder / "data", huggingface=hub)


def names(folder: Path) -> list[str]:
    files = Lake(folder / "data" / "lake").partition("huggingface", "models", DAY).current_files()
    return [row["repository_name"] for file in files for row in pq.read_table(file).to_pylist()]


def test_a_file_is_the_listing_of_the_day(tmp_path: Path, table: Path) -> None:
    with serving([model(1)]) as hub:
        settings = chosen(tmp_path, hub.url)
        lake = Lake(settings.lake_root)
        entry = bootstrap(lake, settings, SALT, table, DAY)
        assert (entry["state"], entry["source_form"], entry["row_count"]) == ("ok", "hub_stats", 2)
        assert hub.requests == []
        assert table.is_file()
        first, *_ = observe(lake, settings, SALT, DAY)
        # The models are not listed again, and their histories are asked for.
        assert first == entry
        assert names(tmp_path) == ["Org/Model", "gpt2"]
        assert not any(request.startswith("/api/models?") for request in hub.requests)
        asked = {request.split("?")[0] for request in hub.requests}
        assert {"/api/models/Org/Model/commits/main", "/api/models/gpt2/commits/main"} <= asked


def test_a_listed_day_is_not_told_twice(tmp_path: Path, table: Path) -> None:
    with serving([model(1)]) as hub:
        settings = chosen(tmp_path, hub.url, history_limit=0)
        lake = Lake(settings.lake_root)
        observe(lake, settings, SALT, DAY)
        with pytest.raises(PermanentFailure, match="listed already"):
            bootstrap(lake, settings, SALT, table, DAY)
        assert len(names(tmp_path)) == 1


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "datasets.parquet"
    pq.write_table(pa.table({"id": ["a/b"], "likes": [3]}), path)
    settings = chosen(tmp_path, "http://127.0.0.1:9")
    with pytest.raises(PermanentFailure, match="no table of models") as caught:
        bootstrap(Lake(settings.lake_root), settings, SALT, path, DAY)
    assert "hub-stats" in caught.value.remedy
    with pytest.raises(PermanentFailure, match="missing"):
        bootstrap(Lake(settings.lake_root), settings, SALT, tmp_path / "none.parquet", DAY)


@dataclass
class Files:
    """A Hub that has one file; cuts answers off after `cut` bytes, and is down after `most`."""

    content: bytes
    cut: int | None = None
    most: int = 1_000
    status: int = 200
    # Where the file lies, if not here.
    storage: str | None = None
    url: str = ""
    requests: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Files

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        files = self.files
        span = self.headers.get("range")
        token = self.headers.get("authorization")
        files.requests.append((self.command, self.path, span, token))
        if len([request for request in files.requests if request[0] == "GET"]) > files.most:
            files.status = 503
        if files.status != 200 or self.path != PLACE:
            self.send_response(files.status if files.status != 200 else 404)
            self.send_header("content-length", "0")
            if files.status in (200, 404):
                self.send_header("x-error-code", "EntryNotFound")
            self.end_headers()
            return
        if files.storage is not None:
            self.send_response(302)
            for name, value in {
                "location": files.storage, "content-length": "0", "x-repo-commit": "7" * 40,
                "x-linked-size": str(len(files.content)), "x-linked-etag": '"fedcba"',
            }.items():  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            return
        start = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
        rest = files.content[start:]
        self.send_response(206 if span else 200)
        self.send_header("content-length", str(len(rest)))
        self.send_header("etag", '"0123456789abcdef"')
        self.send_header("x-repo-commit", "7" * 40)
        self.send_header("accept-ranges", "bytes")
        if span:
            whole = len(files.content)
            self.send_header("content-range", f"bytes {start}-{whole - 1}/{whole}")
        self.end_headers()
        if with_body:
            self.wfile.write(rest if files.cut is None else rest[: files.cut])
            if files.cut is not None:
                self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def sharing(content: bytes) -> Iterator[Files]:
    files = Files(content)
    handler = type("Handler", (_Handler,), {"files": files})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    files.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_table_is_fetched_from_the_endpoint_and_nowhere_else(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_operator")
    with sharing(table.read_bytes()) as files:
        settings = chosen(tmp_path, files.url)
        entry = bootstrap(Lake(settings.lake_root), settings, SALT, today=DAY)
        assert entry["row_count"] == 2
        assert {path for _, path, *_ in files.requests} == {PLACE}
        assert {token for *_, token in files.requests} == {"Bearer hf_of_the_operator"}
    assert names(tmp_path) == ["Org/Model", "gpt2"]
    # What was loaded is not kept twice.
    assert list((tmp_path / "data" / "state").rglob("*.parquet")) == []


def test_the_storage_that_the_endpoint_names_gets_no_token(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_operator")
    with sharing(table.read_bytes()) as files, sharing(table.read_bytes()) as storage:
        files.storage = f"{storage.url}{PLACE}"
        settings = chosen(tmp_path, files.url)
        assert bootstrap(Lake(settings.lake_root), settings, SALT, today=DAY)["row_count"] == 2
        assert {token for *_, token in files.requests} == {"Bearer hf_of_the_operator"}
        assert {token for *_, token in storage.requests} == {None}


def test_a_part_that_is_too_long_is_fetched_anew(tmp_path: Path, table: Path) -> None:
    with sharing(table.read_bytes()[:-100]) as files:
        settings = chosen(tmp_path, files.url)
        folder = settings.state_dir / "mining" / "hub-stats"
        lake = Lake(settings.lake_root)
        with pytest.raises(PermanentFailure, match="no table of models"):
            bootstrap(lake, settings, SALT, today=DAY)
        (kept,) = folder.glob("models.parquet*")
        assert kept.name == "models.parquet"
        files.most = 1
        with pytest.raises(TransientFailure, match="503"):
            bootstrap(lake, settings, SALT, today=DAY)
        (part,) = folder.glob("*.part")
        part.write_bytes(bytes(100_000))
        files.content, files.most, files.status = table.read_bytes(), 1_000, 200
        assert bootstrap(lake, settings, SALT, today=DAY)["row_count"] == 2
        assert list(folder.iterdir()) == []


def test_a_cached_token_is_not_taken(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.utils._headers.get_token", lambda: "hf_cached")
    with sharing(table.read_bytes()) as files:
        settings = chosen(tmp_path, files.url)
        bootstrap(Lake(settings.lake_root), settings, SALT, today=DAY)
        assert {token for *_, token in files.requests} == {None}


def test_a_fetch_that_was_cut_off_goes_on(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The library writes what it has by chunks of ten megabytes.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 500)
    content = table.read_bytes()
    with sharing(content) as files:
        settings = chosen(tmp_path, files.url)
        lake = Lake(settings.lake_root)
        files.cut, files.most = 600, 2
        with pytest.raises(TransientFailure, match="503") as caught:
            bootstrap(lake, settings, SALT, today=DAY)
        assert "goes on" in caught.value.remedy
        assert names(tmp_path) == []
        files.requests.clear()
        files.cut, files.most, files.status = None, 1_000, 200
        assert bootstrap(lake, settings, SALT, today=DAY)["row_count"] == 2
        (span,) = {span for command, _, span, _ in files.requests if command == "GET"}
        assert span is not None
        assert int(span.removeprefix("bytes=").split("-")[0]) >= 500


@pytest.mark.parametrize(("status", "failure"), [(404, PermanentFailure), (403, PermanentFailure)])
def test_a_table_that_the_endpoint_does_not_give(
    tmp_path: Path, status: int, failure: type[Exception]
) -> None:
    with sharing(b"") as files:
        files.status = status
        settings = chosen(tmp_path, files.url)
        with pytest.raises(failure, match=str(status)):
            bootstrap(Lake(settings.lake_root), settings, SALT, today=DAY)


def test_an_endpoint_that_is_not_there(tmp_path: Path) -> None:
    with sharing(b"") as files:
        pass
    settings = chosen(tmp_path, files.url)
    with pytest.raises(TransientFailure):
        bootstrap(Lake(settings.lake_root), settings, SALT, today=DAY)
