"""The labelling page over HTTP: who may ask, what is shown to whom, what becomes of an answer."""

import csv
import errno
import html
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import one_line, run
from starlette.testclient import TestClient

from assets.study.themes import labels as label_files
from assets.study.themes.codebook import THEMES, load_codebook
from assets.study.themes.labelling import posts as posts_module
from assets.study.themes.labelling.app import app_of
from assets.study.themes.labelling.desk import Desk, blind_desk, resolution_desk
from assets.study.themes.labelling.posts import BLOCK, order_of, read_posts
from assets.study.themes.labelling.server import open_browser
from assets.study.themes.labels import append_label, labels_of, read_coder
from orchestration.failures import PermanentFailure, SettingsError

CODEBOOK = load_codebook()
SECRET, PORT = "kept-to-ourselves", 8123
BASE = f"http://127.0.0.1:{PORT}"
ROOT = f"/{SECRET}"
CANARY = "canary-bird"
HOSTILE = [
    ("<script>alert(1)</script>", "</div><img src=x onerror=alert(2)>\n[code]\n\"'&"),
    ("\u202eright to left\u2066 and \x00 NUL", "a\x1b[31mb\u2028c\rd\r\ne\u200bf\ttab"),
    ("{{ 7*7 }} {% raw %}", "<!--\n--><style>*{display:none}</style>"),
    ("", ""),
    ("x" * 100_000, "long " * 2_000_000),
]


def rows_of(texts: Sequence[tuple[str | None, str | None]]) -> list[dict[str, Any]]:
    return [
        {
            "message_key": f"github:repository:7:{number}", "platform": "github", "stratum": "s",
            "weight": 1.5, "repository_key": "github:repository:7", "language": "en",
            "title": title, "body": body, "place": number,
        }
        for number, (title, body) in enumerate(texts)
    ]  # fmt: skip


def write(folder: Path, rows: list[dict[str, Any]], sample: str = "s1") -> Path:
    (folder / sample).mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / sample / "sample.parquet")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five posts, with what machines said beside them."""
    rows = rows_of([(f"Title {n}", f"Body {n}") for n in range(5)])
    for row in rows:
        row |= {"machine_theme": CANARY, "stratum": CANARY, "repository_key": CANARY}
    write(tmp_path, rows)
    machine = [{"message_key": row["message_key"], "theme": CANARY} for row in rows]
    pq.write_table(pa.Table.from_pylist(machine), tmp_path / "s1" / "machine.parquet")
    (tmp_path / "s1" / "sample.json").write_text(json.dumps({"note": CANARY}))
    return tmp_path


def client_of(desk: Desk, **headers: str) -> TestClient:
    app = app_of(desk, CODEBOOK, SECRET, PORT)
    return TestClient(app, BASE, headers={"origin": BASE, **headers}, follow_redirects=False)


def coder(folder: Path, name: str = "ada") -> TestClient:
    return client_of(blind_desk(folder, "s1", name, CODEBOOK.version))


def key_in(text: str) -> str:
    found = re.search(r'name="message_key" value="([^"]*)"', text)
    assert found
    return html.unescape(found[1])


def seen_in(text: str) -> str:
    found = re.search(r'name="seen" value="([^"]*)"', text)
    assert found
    return found[1]


def sent(client: TestClient, number: int, headers: dict[str, str] | None = None, **fields: Any):
    """Fill in the form of a post as the page has it, and send it."""
    page = client.get(f"{ROOT}/post/{number}").text
    data = {"message_key": key_in(page), "seen": seen_in(page), "seconds": "2.5", **fields}
    return client.post(f"{ROOT}/post/{number}", data=data, headers=headers)


def all_labelled(folder: Path, name: str, themes: Sequence[str], **more: Any) -> None:
    """Labels of a coder by the posts' place."""
    desk = blind_desk(folder, "s1", name, CODEBOOK.version)
    client = client_of(desk)
    for number, post in enumerate(desk.posts, 1):
        assert sent(client, number, primary=themes[post.place], **more).status_code == 303


# ---------------------------------------------------------------- labelling


def test_labelling_goes_on_where_it_was(folder: Path) -> None:
    client = coder(folder)
    assert client.get(f"{ROOT}/").headers["location"] == f"{ROOT}/post/1"
    first = sent(client, 1, primary="bug_report", secondary=["others", "suggestion"])
    assert first.headers["location"] == f"{ROOT}/post/2?kept=1"
    page = client.get(first.headers["location"]).text
    assert "Post 1 is kept as Bug report." in page
    # A post was passed over: the next one that is open comes after the one labelled.
    assert (
        sent(client, 3, is_unclear="1", note="  which\r\nfile? ")
        .headers["location"]
        .startswith(f"{ROOT}/post/4")
    )
    again = coder(folder)
    assert again.get(f"{ROOT}/").headers["location"] == f"{ROOT}/post/2"
    sent(again, 4, primary="others")
    # After the last post comes the first that is open.
    assert sent(again, 5, primary="others").headers["location"] == f"{ROOT}/post/2?kept=5"
    assert sent(again, 2, primary="others").headers["location"] == f"{ROOT}/done?kept=2"
    done = again.get(f"{ROOT}/done").text
    assert "All 5 posts are labelled" in done and "--reconcile" in done
    kept = labels_of(folder, "s1")
    assert len(kept) == 5 and {one.codebook_version for one in kept} == {CODEBOOK.version}
    told = {(one.primary, one.secondary, one.is_unclear, one.note, one.seconds) for one in kept}
    assert ("bug_report", ("suggestion", "others"), False, "", 2.5) in told
    assert (None, (), True, "which file?", 2.5) in told


def test_a_label_can_be_changed_and_its_history_stays(folder: Path) -> None:
    client = coder(folder)
    sent(client, 1, primary="bug_report", note="first")
    page = client.get(f"{ROOT}/post/1").text
    assert re.search(r'value="bug_report"[^>]* checked', page) and ">first</textarea>" in page
    sent(client, 1, primary="suggestion", secondary=["suggestion", "others"])
    # The same once more is nothing new, and no sign of another tab.
    same = sent(client, 1, primary="suggestion", secondary=["others"], seen="")
    assert same.headers["location"] == f"{ROOT}/post/2?kept=1"
    assert [one.secondary for one in labels_of(folder, "s1")] == [("others",)]
    lines = (folder / "s1" / "labels" / "ada.jsonl").read_text().splitlines()
    assert [json.loads(line)["primary"] for line in lines] == ["bug_report", "suggestion"]


def test_a_long_list_is_cut_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.study.themes.labelling.app.MOST_LISTED", 2)
    client = coder(folder)
    for number in (1, 2, 3):
        sent(client, number, primary="others")
    page = client.get(f"{ROOT}/done").text
    assert page.count('class="row-title"') == 2 and f'{ROOT}/post/1"' not in page
    assert "The first 1 of them are not listed" in page


def test_two_tabs_lose_no_label(folder: Path) -> None:
    one, other = coder(folder), coder(folder)
    stale = one.get(f"{ROOT}/post/1").text
    sent(other, 1, primary="bug_report")
    sent(other, 2, primary="others")
    data = {"message_key": key_in(stale), "seen": seen_in(stale), "primary": "suggestion"}
    answer = one.post(f"{ROOT}/post/1", data=data)
    assert answer.headers["location"] == f"{ROOT}/post/3?kept=1&other=1"
    assert "in another tab" in one.get(answer.headers["location"]).text
    kept = read_coder(folder, "s1", "ada")
    assert sorted(label.primary or "" for label in kept.labels.values()) == ["others", "suggestion"]
    assert kept.line_count == 3


def test_what_says_too_little_comes_back_as_filled_in(folder: Path) -> None:
    client = coder(folder)
    answer = sent(client, 1, secondary=["others"], note='my "note" <b>')
    assert answer.status_code == 422
    assert "Choose a primary theme" in answer.text
    assert "my &#34;note&#34; &lt;b&gt;</textarea>" in answer.text
    assert re.search(r'name="secondary" value="others"[^>]* checked', answer.text)
    assert sent(client, 1, primary="joke").status_code == 422
    assert labels_of(folder, "s1") == []


def test_the_script_is_answered_in_json(folder: Path) -> None:
    client, asked = coder(folder), {"accept": "application/json"}
    assert sent(client, 1, asked, primary="others").json() == {"next": f"{ROOT}/post/2?kept=1"}
    wrong = sent(client, 2, asked)
    assert (wrong.status_code, list(wrong.json())) == (422, ["error"])
    missing = client.post(f"{ROOT}/post/99", headers=asked)
    assert (missing.status_code, missing.json()["error"]) == (404, "There is no such post.")


def test_a_form_of_another_post_is_refused(folder: Path) -> None:
    client = coder(folder)
    other = key_in(client.get(f"{ROOT}/post/2").text)
    answer = client.post(f"{ROOT}/post/1", data={"message_key": other, "primary": "others"})
    assert answer.status_code == 409
    assert labels_of(folder, "s1") == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"note=" + b"x" * 70_000, 413),
        (b"&".join(b"a=1" for _ in range(100)), 400),
        (b"\xff\xfe", 400),
        (b"", 409),
        (b"message_key=%00%ff", 409),
    ],
)
def test_a_form_that_is_none_is_refused(folder: Path, content: bytes, status: int) -> None:
    answer = coder(folder).post(f"{ROOT}/post/1", content=content)
    assert answer.status_code == status
    assert labels_of(folder, "s1") == []


@pytest.mark.parametrize("seconds", ["", "nan", "inf", "-1", "1e99", "x"])
def test_a_duration_that_is_none_is_unknown(folder: Path, seconds: str) -> None:
    sent(coder(folder), 1, primary="others", seconds=seconds)
    assert [one.seconds for one in labels_of(folder, "s1")] == [None]


def test_a_full_disk_keeps_the_form(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = coder(folder)

    def full(handle: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    page = client.get(f"{ROOT}/post/1").text
    data = {"message_key": key_in(page), "primary": "others", "note": "long thought"}
    with monkeypatch.context() as patch:
        patch.setattr(label_files, "_write_all", full)
        answer = client.post(f"{ROOT}/post/1", data=data)
    assert answer.status_code == 503
    assert "Nothing was kept." in answer.text and "no space left" in answer.text
    assert "long thought</textarea>" in answer.text
    assert client.post(f"{ROOT}/post/1", data=data).status_code == 303


def test_an_interrupted_write_is_told(folder: Path) -> None:
    sent(coder(folder), 1, primary="others")
    with (folder / "s1" / "labels" / "ada.jsonl").open("a") as stream:
        stream.write('{"sample": "s1", "mess')
    client = coder(folder)
    answer = sent(client, 2, primary="others")
    assert "interrupted write was put aside" in client.get(answer.headers["location"]).text
    assert read_coder(folder, "s1", "ada").torn_bytes == 0


def test_a_damaged_file_is_told_on_the_page(folder: Path) -> None:
    client = coder(folder)
    sent(client, 1, primary="others")
    with (folder / "s1" / "labels" / "ada.jsonl").open("a") as stream:
        stream.write("nonsense\n")
    answer = client.get(f"{ROOT}/post/1")
    assert answer.status_code == 503 and "line 2" in answer.text
    with pytest.raises(PermanentFailure, match="line 2"):
        blind_desk(folder, "s1", "ada", CODEBOOK.version)


# ---------------------------------------------------------------- blind


def everything(client: TestClient, count: int) -> list[str]:
    """All that the page can be made to answer."""
    paths = ["/", "/done", "/labels.csv", "/static/label.css", "/static/label.js", "/none",
             "/static/..%2Fapp.py", "/labels.exe", "/post/0", "/post/-1", "/post/999",
             "/post/x"]  # fmt: skip
    paths += [f"/post/{number + 1}{query}" for number in range(count)
              for query in ("", "?kept=1&other=1&repaired=1", "?kept=9999")]  # fmt: skip
    answers = [client.get(f"{ROOT}{path}", follow_redirects=True) for path in paths]
    answers += [sent(client, 1), sent(client, 1, primary="others", note="mine")]
    answers += [client.post(f"{ROOT}/post/2", content=b"x")]
    table = pq.read_table(io.BytesIO(client.get(f"{ROOT}/labels.parquet").content))
    return [f"{answer.headers}\n{answer.text}" for answer in answers] + [str(table.to_pylist())]


def test_blind_pages_tell_nothing_of_machines_and_others(folder: Path) -> None:
    for name in ("bob", "consensus"):
        for post in read_posts(folder, "s1"):
            label = label_files.Label(
                "s1", post.message_key, name, "performance_evaluation", (), False,
                label_files.datetime.now(label_files.UTC), CANARY, note=f"{CANARY} note",
            )  # fmt: skip
            append_label(folder, label)
    client = coder(folder)
    texts = everything(client, 5)
    sent(client, 2, primary="bug_report")
    texts += everything(client, 5)
    assert len(texts) > 50
    assert [text for text in texts if CANARY in text or "bob" in text] == []
    page = client.get(f"{ROOT}/post/3").text
    # Nothing is chosen beforehand.
    assert not re.search(r"<input[^>]* checked", page)
    # The canaries are where they could have been read.
    with pq.ParquetFile(folder / "s1" / "sample.parquet") as file:
        assert CANARY in str(file.read().to_pylist())
    everywhere = client_of(resolution_desk(folder, "s1", CODEBOOK.version, ("ada", "bob"), True))
    assert CANARY in "".join(everything(everywhere, 2))


def test_others_labels_are_not_even_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent(coder(folder, "bob"), 1, primary="others")
    (folder / "s1" / "labels" / "bob.jsonl").write_text("damaged\n")
    (folder / "s1" / "machine.parquet").write_text("damaged")
    client = coder(folder)
    sent(client, 1, primary="others")
    assert client.get(f"{ROOT}/done").status_code == 200


# ---------------------------------------------------------------- disagreements


def test_disagreements_are_shown_and_settled(folder: Path) -> None:
    themes = ["bug_report", "suggestion", "usage_problem", "others", "others"]
    all_labelled(folder, "ada", themes, note="ada thinks")
    all_labelled(folder, "bob", ["bug_report", "others", "usage_problem", "suggestion", "others"])
    desk = resolution_desk(folder, "s1", CODEBOOK.version)
    assert [post.place for post in desk.posts] == [1, 3]
    client = client_of(desk)
    page = client.get(f"{ROOT}/post/1").text
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert re.search(r"Coder 1 Suggestion .*ada thinks.* Coder 2 Others", words)
    assert not re.search(r"<input[^>]* checked", page)
    sent(client, 1, primary="suggestion", note="settled")
    last = sent(client, 2, is_unclear="1")
    assert last.headers["location"] == f"{ROOT}/done?kept=2"
    settled = read_coder(folder, "s1", "consensus").labels
    assert [(one.primary, one.is_unclear) for one in settled.values()] == [
        ("suggestion", False), (None, True),
    ]  # fmt: skip
    names = {
        row["coder"] for row in csv.DictReader(io.StringIO(client.get(f"{ROOT}/labels.csv").text))
    }
    assert names == {"ada", "bob", "consensus"}
    assert client.get(f"{ROOT}/").headers["location"] == f"{ROOT}/done"


def test_nothing_to_settle(folder: Path) -> None:
    for name in ("ada", "bob"):
        all_labelled(folder, name, ["others"] * 5)
    client = client_of(resolution_desk(folder, "s1", CODEBOOK.version))
    assert client.get(f"{ROOT}/").headers["location"] == f"{ROOT}/done"
    assert "nothing to resolve" in client.get(f"{ROOT}/done").text


def test_who_is_not_done_is_waited_for(folder: Path) -> None:
    with pytest.raises(PermanentFailure, match="nothing to compare"):
        resolution_desk(folder, "s1", CODEBOOK.version)
    all_labelled(folder, "ada", ["others"] * 5)
    sent(coder(folder, "bob"), 1, primary="bug_report")
    with pytest.raises(PermanentFailure, match="bob has 4 of 5 posts still to label"):
        resolution_desk(folder, "s1", CODEBOOK.version)
    with pytest.raises(SettingsError, match="eve has labelled nothing"):
        resolution_desk(folder, "s1", CODEBOOK.version, ("ada", "eve"))
    assert len(resolution_desk(folder, "s1", CODEBOOK.version, is_partial=True).posts) == 1
    all_labelled(folder, "eve", ["suggestion"] * 5)
    assert len(resolution_desk(folder, "s1", CODEBOOK.version, ("ada", "eve")).posts) == 5


# ---------------------------------------------------------------- who may ask


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": f"evil.example:{PORT}"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"host": f"127.0.0.1:{PORT + 1}"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"http://localhost:{PORT}"}, 403),
        ({"origin": f"https://127.0.0.1:{PORT}"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_other_pages_cannot_post(folder: Path, headers: dict[str, str], status: int) -> None:
    client = coder(folder)
    page = client.get(f"{ROOT}/post/1").text
    data = {"message_key": key_in(page), "primary": "others"}
    assert client.post(f"{ROOT}/post/1", data=data, headers=headers).status_code == status
    client.headers.pop("origin")
    assert client.post(f"{ROOT}/post/1", data=data).status_code == 403
    assert labels_of(folder, "s1") == []
    local = {"host": f"localhost:{PORT}", "origin": f"http://localhost:{PORT}"}
    assert client.post(f"{ROOT}/post/1", data=data, headers=local).status_code == 303


@pytest.mark.parametrize(
    "path", ["/", "", "/post/1", "/wrong/post/1", "/static/label.js", f"/{SECRET[:-1]}/",
             f"//{SECRET}/", f"/{SECRET.upper()}/", "/\u00e9/"],
)  # fmt: skip
def test_without_the_secret_there_is_nothing(folder: Path, path: str) -> None:
    client = coder(folder)
    answer = client.get(f"{BASE}{path}")
    assert answer.status_code == 403
    assert SECRET not in answer.text and "ada" not in answer.text and "Title" not in answer.text
    assert client.post(f"{BASE}{path}").status_code == 403


def test_every_answer_forbids_what_is_not_ours(folder: Path) -> None:
    client = coder(folder)
    for path in (f"{ROOT}/post/1", f"{ROOT}/done", f"{ROOT}/none", f"{ROOT}/static/label.js",
                 f"{ROOT}/labels.csv", "/nowhere"):  # fmt: skip
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert not any(name.startswith("access-control") for name in answer.headers)
        # Nothing remote, and nothing that the policy would have to allow.
        assert not re.search(r'(src|href|action)="(?!/|data:|#)', answer.text)
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=|<style", answer.text)
    for method in ("put", "delete", "options", "patch"):
        assert getattr(client, method)(f"{ROOT}/post/1").status_code == 405


# ---------------------------------------------------------------- hostile posts


def test_hostile_posts_are_only_text(tmp_path: Path) -> None:
    rows = rows_of(HOSTILE)
    rows[0] |= {"platform": "<b>forge</b>", "language": '"><script>'}
    rows[1] |= {"title": None, "language": None, "message_key": '"><b>key'}
    rows[2]["body"] = None
    write(tmp_path, rows)
    client = coder(tmp_path)
    for number in range(1, len(rows) + 1):
        page = client.get(f"{ROOT}/post/{number}").text
        assert len(page) < 150_000
        for wrong in ("<script>", "<img", "<style", "<!--\n", "<b>", "\x00", "\x1b", "\u202e",
                      "\u2066", "\u200b"):  # fmt: skip
            assert wrong not in page
        assert sent(client, number, primary="others").status_code == 303
    assert "<script>" not in client.get(f"{ROOT}/done").text
    assert len(labels_of(tmp_path, "s1")) == len(rows)


def test_whitespace_and_marks_are_shown_and_what_is_cut_is_told(tmp_path: Path) -> None:
    write(tmp_path, rows_of(HOSTILE))
    posts = {post.place: post for post in read_posts(tmp_path, "s1")}
    assert posts[1].body == "a\ufffd[31mb\nc\nd\ne\ufffdf\ttab"
    assert [part for part in posts[0].parts() if part[0]] == [(True, "[code]")]
    assert "".join(text for _, text in posts[0].parts()) == posts[0].body
    assert len(posts[4].body) == posts_module.MOST_BODY_CHARACTERS
    assert posts[4].hidden_bytes == 10_000_000 - posts_module.MOST_BODY_CHARACTERS
    assert len(posts[4].title) == posts_module.MOST_TITLE_CHARACTERS
    client = coder(tmp_path)
    pages = [client.get(f"{ROOT}/post/{n}").text for n in range(1, 6)]
    assert sum("9,980,000 bytes, is not shown" in page for page in pages) == 1
    assert sum('<span class="mark">[code]</span>' in page for page in pages) == 1


def test_scripts_of_the_world_stay_whole(tmp_path: Path) -> None:
    texts = ["\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f468\u200d\U0001f4bb",
             "\u5341\u4e8c" * 9_000, "e\u0301"]  # fmt: skip
    write(tmp_path, rows_of([("t", text) for text in texts]))
    assert [post.body for post in read_posts(tmp_path, "s1")] == texts


def test_broken_text_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    rows = rows_of([("t", "b")])
    table = pa.Table.from_pylist(rows)
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\4\0\0\0"), pa.py_buffer(b"a\xff\xfeb")]
    )
    place = table.schema.get_field_index("body")
    (tmp_path / "s1").mkdir()
    pq.write_table(table.set_column(place, "body", broken), tmp_path / "s1" / "sample.parquet")
    assert read_posts(tmp_path, "s1")[0].body == "a\ufffd\ufffdb"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda rows: [{k: v for k, v in row.items() if k != "body"} for row in rows],
            "column body",
        ),
        (lambda rows: rows + rows[:1], "message twice"),
        (lambda rows: [row | {"message_key": None} for row in rows], "without a key"),
        (lambda rows: [row | {"message_key": "x" * 600} for row in rows], "without a key"),
        (lambda rows: [row | {"message_key": "a\u202e"} for row in rows], "without a key"),
        (lambda rows: [row | {"place": None} for row in rows], "without a key or place"),
    ],
)
def test_a_sample_that_cannot_be_used_is_one_line(folder: Path, change: Any, told: str) -> None:
    write(folder, change(rows_of([("t", "b"), ("u", "c")])))
    with pytest.raises(PermanentFailure, match=told) as caught:
        coder(folder)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_sample_is_told(folder: Path) -> None:
    path = folder / "s1" / "sample.parquet"
    path.write_bytes(b"PAR1 nonsense PAR1")
    with pytest.raises(PermanentFailure, match="cannot be read"):
        coder(folder)
    path.unlink()
    with pytest.raises(PermanentFailure, match="There is no"):
        coder(folder)
    pq.write_table(
        pa.table({name: pa.array([], pa.string()) for name in posts_module.COLUMNS}), path
    )
    with pytest.raises(PermanentFailure, match="has no posts"):
        coder(folder)


# ---------------------------------------------------------------- order


def test_coders_have_orders_of_their_own_within_blocks(tmp_path: Path) -> None:
    write(tmp_path, rows_of([(str(n), "") for n in range(3 * BLOCK + 5)]))
    posts = read_posts(tmp_path, "s1")
    ada, bob = ([post.place for post in order_of(posts, "s1", name)] for name in ("ada", "bob"))
    assert ada == [post.place for post in order_of(posts[::-1], "s1", "ada")]
    assert ada != bob
    for first in range(0, len(posts), BLOCK):
        expected = list(range(first, min(first + BLOCK, len(posts))))
        for order in (ada, bob):
            assert sorted(order[first : first + BLOCK]) == expected
            assert len(expected) < 10 or order[first : first + BLOCK] != expected


def test_a_theme_cannot_have_a_key_of_the_page(folder: Path) -> None:
    from dataclasses import replace

    themes = (replace(CODEBOOK.themes[0], key="u"), *CODEBOOK.themes[1:])
    desk = blind_desk(folder, "s1", "ada", CODEBOOK.version)
    with pytest.raises(PermanentFailure, match="bug_report the key u"):
        app_of(desk, replace(CODEBOOK, themes=themes), SECRET, PORT)
    assert [theme.key for theme in CODEBOOK.themes] == ["1", "2", "3", "4", "5"]
    assert tuple(theme.name for theme in CODEBOOK.themes) == THEMES


def test_the_browser_is_led_by_a_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    path = open_browser("http://127.0.0.1:1/secret/", tmp_path / "state")
    assert path and path.stat().st_mode & 0o077 == 0
    assert "secret" in path.read_text() and "secret" not in opened[0]
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    assert open_browser("http://127.0.0.1:1/secret/", tmp_path / "none") is None
    assert list((tmp_path / "none").iterdir()) == []


# ---------------------------------------------------------------- commands


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    (tmp_path / "osmoscope.toml").write_text('data_dir = "data"\n')
    write(tmp_path / "data" / "themes" / "samples", rows_of([(f"T{n}", "b") for n in range(3)]))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (("label", "s1"), "either --coder NAME or --reconcile", 2),
        (("label", "s1", "--coder", "ada", "--reconcile"), "either", 2),
        (("label", "s1", "--coder", "ada", "--partial"), "Give --reconcile too", 2),
        (("label", "s1", "--coder", "../../ada"), "no name of a coder", 2),
        (("label", "s1", "--coder", "consensus"), "reserved", 2),
        (("label", "../s1", "--coder", "ada"), "no name of a sample", 2),
        (("label", "s2", "--coder", "ada"), "Give one of s1", 3),
        (("label", "s1", "--reconcile"), "nothing to compare", 3),
        (("label", "s1", "--coder", "ada", "--port", "1"), "cannot be had", 4),
        (("export", "s1", "--out", "l.csv", "--coder", "eve"), "no label of 'eve'", 2),
        (("export", "s1", "--out", "l.txt"), "neither CSV nor Parquet", 2),
        (("status", "s2"), "Give one of s1", 3),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: tuple[str, ...], told: str, code: int, installation: Path
) -> None:
    if "--port" in arguments:
        import socket

        taken = socket.create_server(("127.0.0.1", 0))
        arguments = (*arguments[:-1], str(taken.getsockname()[1]))
    done = run("themes", *arguments, "--json", folder=installation)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in one_line(done.stderr)


def test_it_ends_by_itself_when_nobody_is_there(installation: Path) -> None:
    done = run("themes", "label", "s1", "--coder", "ada", "--no-open", "--idle-minutes", "0.01",
               folder=installation)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", done.stdout)
    assert "Nobody was there any more. 0 of 3 posts are labelled" in done.stdout


def test_status_and_exports(installation: Path) -> None:
    folder = installation / "data" / "themes" / "samples"
    assert "Nobody has labelled" in run("themes", "status", "s1", folder=installation).stdout
    all_labelled(folder, "ada", ["others", "others", "suggestion"])
    sent(coder(folder, "bob"), 1, primary="others")
    told = json.loads(run("themes", "status", "s1", "--json", folder=installation).stdout)
    assert [(one["coder"], one["labelled_count"]) for one in told["coders"]] == [
        ("ada", 3), ("bob", 1),
    ]  # fmt: skip
    # On what coders differ is told when both are done.
    assert told["disagreement_count"] is None
    all_labelled(folder, "bob", ["others", "bug_report", "suggestion"])
    told = json.loads(run("themes", "status", "s1", "--json", folder=installation).stdout)
    assert told["disagreement_count"] == 1
    for more, count in (((), 6), (("--coder", "ada"), 3), (("--consensus",), 2)):
        done = run("themes", "export", "s1", "--out", "l.csv", *more, folder=installation)
        assert f"{count} labels in l.csv" in done.stdout, done.stderr
        assert len(list(csv.DictReader((installation / "l.csv").open()))) == count
