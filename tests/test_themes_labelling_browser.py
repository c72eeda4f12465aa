"""Two people label with the keyboard in a real browser, one is interrupted, and they settle."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import COMMAND, environment_of

from assets.study.themes.codebook import load_codebook
from assets.study.themes.labelling.desk import Desk, blind_desk, resolution_desk
from assets.study.themes.labelling.posts import order_of, read_posts
from assets.study.themes.labelling.server import LabelServer, listening
from assets.study.themes.labels import labels_of

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
CODEBOOK = load_codebook()
POSTS = 6
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    (tmp_path / "osmoscope.toml").write_text('data_dir = "data"\n')
    rows = [
        {
            "message_key": f"huggingface:model:a/b:{n}", "platform": "huggingface",
            "language": "zh", "title": f"Title {n} {HOSTILE}",
            "body": f"{HOSTILE}\n\n    indented {n}\n[code]\n" + "\u6d4b\u8bd5 " * 400, "place": n,
        }
        for n in range(POSTS)
    ]  # fmt: skip
    folder = tmp_path / "data" / "themes" / "samples" / "s1"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "sample.parquet")
    return tmp_path


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """A page of a new browser; the test fails where a script or a policy complains."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"no {CHROMIUM}: .ci/debian-packages installs it")
    from playwright.sync_api import sync_playwright

    problems: list[str] = []
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path / "browser"), executable_path=CHROMIUM, args=ARGUMENTS,
            viewport={"width": 1280, "height": 800}, accept_downloads=True,
        )  # fmt: skip
        opened = context.pages[0]
        opened.set_default_timeout(30_000)
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda said: problems.append(said.text))
        opened.on("request", lambda asked: asked.url.startswith(("http://127.0.0.1:", "data:"))
                  or problems.append(asked.url))  # fmt: skip
        yield opened
        context.close()
    # The server that was killed is the one thing that may not have answered.
    assert [text for text in problems if "ERR_CONNECTION_REFUSED" not in text] == []


@contextmanager
def commanded(installation: Path, coder: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The command in a process of its own, and where its page is."""
    server = subprocess.Popen(
        [str(COMMAND), "themes", "label", "s1", "--coder", coder, "--json"],
        cwd=installation, env=environment_of(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout
        yield server, json.loads(server.stdout.readline())["url"]
    finally:
        server.kill()
        server.communicate()


@contextmanager
def served(desk: Desk) -> Iterator[str]:
    """The same in a thread of this process."""
    ready = threading.Event()
    server = LabelServer(desk, CODEBOOK, listening(), idle_seconds=600, ready=lambda _: ready.set())
    thread = threading.Thread(target=server.serve_until_told, daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield server.url
    finally:
        server.should_exit = True
        thread.join()


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def shows(page: Any, number: int, labelled: int) -> None:
    """The page of a post has come, with the count of what is kept; its script listens."""
    listens = "n => document.title.startsWith(`Post ${n} of`) && document.activeElement.id"
    page.wait_for_function(f"{listens} === 'post-title'", arg=number)
    assert page.inner_text("#labelled-count") == str(labelled)


def chosen(page: Any) -> list[str]:
    """Names and values of what is filled in."""
    script = "all => all.map(one => `${one.name}=${one.value}`)"
    found: list[str] = page.eval_on_selector_all("form.panel input:checked", script)
    return found


def labels_in(installation: Path, coder: str) -> list[tuple[int, Any, list[str], bool, str]]:
    """Lines of a file: place of the post, and what was said of it."""
    path = installation / "data" / "themes" / "samples" / "s1" / "labels" / f"{coder}.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        (int(one["message_key"].rpartition(":")[2]), one["primary"], one["secondary"],
         one["is_unclear"], one["note"]) for one in records
    ]  # fmt: skip


def places(installation: Path, coder: str) -> list[int]:
    posts = read_posts(installation / "data" / "themes" / "samples", "s1")
    return [post.place for post in order_of(posts, "s1", coder)]


def until_killed(page: Any, server: "subprocess.Popen[str]", url: str) -> None:
    """Ada labels three posts with all that the keyboard can say; the server dies at the fourth."""
    page.goto(url)
    shows(page, 1, 0)
    assert "owned" not in page.title() and page.locator("article img, article script").count() == 0
    assert "    indented" in page.inner_text(".body") and HOSTILE in page.inner_text(".body")
    # Nothing chosen is nothing kept.
    press(page, "Enter")
    page.wait_for_function("() => document.getElementById('problem').textContent.includes('1–5')")
    press(page, "1", "Enter")
    shows(page, 2, 1)
    assert "Post 1 is kept as Bug report." in page.inner_text("#told")
    # Shift and the primary theme's own digit says nothing; a second press takes back.
    press(page, "2", "Shift+Digit2", "Shift+Digit3", "Shift+Digit5", "Shift+Digit5", "n")
    page.keyboard.type("12 nur?")
    press(page, "Escape", "Enter")
    shows(page, 3, 2)
    press(page, "u", "Enter")
    shows(page, 4, 3)
    server.send_signal(signal.SIGKILL)
    server.wait()
    press(page, "4", "Enter")
    page.wait_for_function(
        "() => document.getElementById('problem').textContent.includes('answer')"
    )
    assert chosen(page) == ["primary=performance_evaluation"]


def to_the_end(page: Any, url: str) -> None:
    """Ada goes on where she was, changes her mind on the third post, and finishes."""
    # What was filled in last was not kept, and the browser asks before it is lost.
    page.once("dialog", lambda dialog: dialog.accept())
    page.goto(url)
    shows(page, 4, 3)
    assert chosen(page) == []
    press(page, "ArrowLeft")
    shows(page, 3, 3)
    assert chosen(page) == ["is_unclear=1"]
    press(page, "u", "5", "Enter")
    shows(page, 4, 3)
    press(page, "?", "1")
    assert page.locator("#help").is_visible()
    assert CODEBOOK.version in page.inner_text("#help")
    press(page, "Escape", "3", "ArrowRight")
    # The post is left only when that is said twice.
    page.wait_for_function(
        "() => document.getElementById('told').textContent.includes('not kept yet')"
    )
    shows(page, 4, 3)
    assert chosen(page) == ["primary=usage_problem"]
    for number in (4, 5, 6):
        shows(page, number, number - 1)
        press(page, "3", "Enter")
    page.wait_for_function("() => document.title.startsWith('Done')")
    assert "All 6 posts are labelled" in page.inner_text("h1")
    press(page, "?", "Escape")


def is_narrow_and_named(page: Any) -> None:
    """At the width of a telephone nothing lies beside the page; every field has a name."""
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    nameless = (
        "all => all.filter(one => !(one.labels && one.labels.length) && !one.ariaLabel).length"
    )
    fields = "input:not([type=hidden]), textarea"
    assert page.eval_on_selector_all(fields, nameless) == 0
    page.set_viewport_size({"width": 1280, "height": 800})


def test_two_people_label_and_settle(installation: Path, page: Any) -> None:
    folder = installation / "data" / "themes" / "samples"
    with commanded(installation, "ada") as (server, url):
        until_killed(page, server, url)
    order = places(installation, "ada")
    said = [
        (order[0], "bug_report", [], False, ""),
        (order[1], "suggestion", ["usage_problem"], False, "12 nur?"),
        (order[2], None, [], True, ""),
    ]  # fmt: skip
    assert labels_in(installation, "ada") == said
    with commanded(installation, "ada") as (server, url):
        to_the_end(page, url)
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
    said += [(order[2], "others", [], False, "")]
    said += [(place, "usage_problem", [], False, "") for place in order[3:]]
    assert labels_in(installation, "ada") == said

    # Bob has not seen anything of it, and lets a digit do all.
    with served(blind_desk(folder, "s1", "bob", CODEBOOK.version)) as url:
        page.goto(url)
        shows(page, 1, 0)
        is_narrow_and_named(page)
        press(page, "?")
        page.check("#at-once")
        press(page, "Escape")
        for number in range(1, POSTS + 1):
            shows(page, number, number - 1)
            assert chosen(page) == [] and "ada" not in page.content()
            press(page, "3")
        page.wait_for_function("() => document.title.startsWith('Done')")
    assert [one[:2] for one in labels_in(installation, "bob")] == [
        (place, "usage_problem") for place in places(installation, "bob")
    ]

    with ExitStack() as stack:
        url = stack.enter_context(served(resolution_desk(folder, "s1", CODEBOOK.version)))
        settle(page, url)
        with page.expect_download() as download:
            page.click("text=Export CSV")
        path = installation / "labels.csv"
        download.value.save_as(path)
    settled = sorted(order[:3])
    assert [one[:2] for one in labels_in(installation, "consensus")] == [
        (place, "bug_report") for place in settled
    ]
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert len(rows) == len(labels_of(folder, "s1")) == 2 * POSTS + 3
    assert {row["coder"] for row in rows} == {"ada", "bob", "consensus"}


def settle(page: Any, url: str) -> None:
    """Both look at the three posts on which they differ; a digit does all still."""
    page.goto(url)
    for number in (1, 2, 3):
        shows(page, number, number - 1)
        both = re.sub(r"\s+", " ", page.inner_text(".others"))
        assert re.search(r"Coder 1 (Bug report|Suggestion|Others).*Coder 2 Usage problem", both)
        assert chosen(page) == []
        press(page, "1")
    page.wait_for_function("() => document.title.startsWith('Done')")
