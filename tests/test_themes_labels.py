"""People's labels: what a file keeps whatever happens, names, consensus, exports."""

import csv
import errno
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.study.themes import labels as labelling
from assets.study.themes.codebook import THEMES
from assets.study.themes.labels import (
    CONSENSUS,
    Label,
    append_label,
    by_message,
    checked_coder,
    checked_sample,
    cleaned_note,
    coders_of,
    consensus_of,
    csv_of,
    export_labels,
    is_disagreement,
    labels_of,
    labels_table,
    ordered,
    progress_of,
    read_coder,
)
from assets.study.themes.verification import decisions_of
from orchestration.failures import PermanentFailure, SettingsError, TransientFailure

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def made(key: str = "m1", coder: str = "ada", primary: str | None = "bug_report", **more) -> Label:
    given = {"secondary": (), "is_unclear": primary is None, "labelled_at": NOW, **more}
    return Label("s1", key, coder, primary, codebook_version="1.0-0a1b2c3d", **given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "s1").mkdir()
    return tmp_path


def file_of(folder: Path, coder: str = "ada") -> Path:
    return folder / "s1" / "labels" / f"{coder}.jsonl"


# ---------------------------------------------------------------- keeping

texts = st.text(max_size=60).map(cleaned_note)
labels = st.builds(
    lambda key, primary, more, unclear, note, seconds, minutes: made(
        key, primary=primary, note=note, seconds=seconds,
        secondary=ordered(more - {primary}) if primary else (),
        is_unclear=unclear or primary is None, labelled_at=NOW + timedelta(minutes=minutes),
    ),
    st.sampled_from(["m1", "m2", "m3"]), st.sampled_from([*THEMES, None]),
    st.frozensets(st.sampled_from(THEMES)), st.booleans(), texts,
    st.none() | st.floats(0, 86_400), st.integers(0, 10_000),
)  # fmt: skip


@settings(max_examples=20, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.lists(labels, max_size=8))
def test_the_last_label_of_a_message_holds(folder: Path, given_: list[Label]) -> None:
    file_of(folder).unlink(missing_ok=True)
    for label in given_:
        assert append_label(folder, label) == 0
    expected = {label.message_key: label for label in given_}
    kept = read_coder(folder, "s1", "ada")
    assert kept.labels == expected
    assert kept.line_count == len(given_)
    assert labels_of(folder, "s1") == [expected[key] for key in sorted(expected)]


def test_lines_have_the_promised_names(folder: Path) -> None:
    append_label(folder, made(secondary=("suggestion",), note="why", seconds=2.5))
    assert json.loads(file_of(folder).read_text()) == {
        "sample": "s1", "message_key": "m1", "coder": "ada", "primary": "bug_report",
        "secondary": ["suggestion"], "is_unclear": False, "note": "why",
        "labelled_at": "2026-03-01T09:30:00+00:00", "seconds": 2.5,
        "codebook_version": "1.0-0a1b2c3d",
    }  # fmt: skip


def test_a_write_that_ended_anywhere_loses_no_kept_label(folder: Path) -> None:
    path, aside = file_of(folder), file_of(folder).with_suffix(".torn")
    append_label(folder, made("m1", note="erste"))
    first = path.stat().st_size
    append_label(folder, made("m2", note="zw\u00f6lf \u5341\u4e8c"))
    whole = path.read_bytes()
    # All ends would be as many flushes to disk.
    for end in (*range(first, len(whole), 9), *range(len(whole) - 4, len(whole))):
        path.write_bytes(whole[:end])
        aside.unlink(missing_ok=True)
        kept = read_coder(folder, "s1", "ada")
        # Without its end the line is whole all the same.
        is_whole = end == len(whole) - 1
        assert list(kept.labels) == (["m1", "m2"] if is_whole else ["m1"])
        assert kept.torn_bytes == (0 if is_whole else end - first)
        assert append_label(folder, made("m3")) == kept.torn_bytes
        after = read_coder(folder, "s1", "ada")
        assert list(after.labels) == [*kept.labels, "m3"]
        assert after.torn_bytes == 0
        put_aside = aside.read_bytes() if aside.exists() else b""
        assert put_aside == (whole[first:end] + b"\n" if kept.torn_bytes else b"")


def test_zeros_at_the_end_are_an_unfinished_line(folder: Path) -> None:
    append_label(folder, made())
    with file_of(folder).open("ab") as stream:
        stream.write(bytes(300))
    assert read_coder(folder, "s1", "ada").torn_bytes == 300
    assert append_label(folder, made("m2")) == 300
    assert list(read_coder(folder, "s1", "ada").labels) == ["m1", "m2"]


CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from assets.study.themes.labels import Label, append_label
for number in range(100_000):
    append_label(Path(sys.argv[1]), Label("s1", f"m{number}", "ada", "others", (), False,
                                          datetime.now(UTC), "1.0", note="x" * 1500))
    print(number, flush=True)
"""


def test_a_killed_process_has_kept_all_that_it_said(folder: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    said = [int(child.stdout.readline()) for _ in range(25)]
    child.send_signal(signal.SIGKILL)
    said += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    kept = read_coder(folder, "s1", "ada").labels
    assert {f"m{number}" for number in said} <= set(kept)
    assert len(kept) <= len(said) + 1
    append_label(folder, made("after"))
    assert "after" in read_coder(folder, "s1", "ada").labels


def many(folder: Path, name: str, count: int) -> None:
    for number in range(count):
        append_label(folder, made(f"{name}-{number}", note=name * 200))


def test_writers_at_the_same_time_lose_nothing(folder: Path) -> None:
    forking = multiprocessing.get_context("fork")
    children = [forking.Process(target=many, args=(folder, name, 10)) for name in "ab"]
    for child in children:
        child.start()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: many(folder, name, 10), "cde"))
    for child in children:
        child.join()
    kept = read_coder(folder, "s1", "ada")
    assert set(kept.labels) == {f"{name}-{n}" for name in "abcde" for n in range(10)}
    assert (kept.line_count, kept.torn_bytes) == (50, 0)


def test_a_full_disk_leaves_the_file_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_label(folder, made())
    before = file_of(folder).read_bytes()
    real = os.write

    def part(handle: int, content: bytes) -> int:
        if len(content) > 40:
            return real(handle, content[:40])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(labelling.os, "write", part)
    with pytest.raises(PermanentFailure, match="no space left"):
        append_label(folder, made("m2"))
    assert file_of(folder).read_bytes() == before
    monkeypatch.undo()
    append_label(folder, made("m2"))
    assert list(read_coder(folder, "s1", "ada").labels) == ["m1", "m2"]


def test_a_file_that_is_held_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    append_label(folder, made())
    monkeypatch.setattr(labelling, "LOCK_SECONDS", 0.05)
    with (
        FileLock(file_of(folder).with_name(".ada.jsonl.lock")),
        pytest.raises(TransientFailure, match="Another process"),
    ):
        append_label(folder, made("m2"))
    assert list(read_coder(folder, "s1", "ada").labels) == ["m1"]


def test_a_folder_that_is_none_is_told(folder: Path) -> None:
    (folder / "s1" / "labels").write_text("not a folder")
    with pytest.raises(PermanentFailure, match="cannot be written"):
        append_label(folder, made())


@pytest.mark.parametrize(
    ("label", "told"),
    [
        (made(primary="joke"), "theme 'joke' is unknown"),
        (made(primary=None, is_unclear=False), "no primary theme"),
        (made(primary=None, secondary=("others",)), "without a primary"),
        (made(secondary=("bug_report",)), "also given as a secondary"),
        (made(secondary=("others", "suggestion")), "order"),
        (made(""), "key"),
        (made("a\x00b"), "key"),
        (made("x" * 501), "key"),
        (made(labelled_at=datetime(2026, 3, 1)), "time zone"),
        (made(seconds=-1.0), "duration"),
        (made(seconds=float("nan")), "duration"),
        (made(note="a\u202eb"), "note"),
        (made(note="x" * 2001), "note"),
    ],
)
def test_what_cannot_be_is_not_kept(folder: Path, label: Label, told: str) -> None:
    with pytest.raises(PermanentFailure, match=told):
        append_label(folder, label)
    assert not file_of(folder).exists()


# ---------------------------------------------------------------- reading


def record(**more: object) -> str:
    return json.dumps({
        "sample": "s1", "message_key": "m1", "coder": "ada", "primary": "others", "secondary": [],
        "is_unclear": False, "note": "", "labelled_at": "2026-03-01T09:30:00+00:00",
        "seconds": None, "codebook_version": "1.0", **more,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "no JSON object"),
        ("[1]", "no JSON object"),
        ('{"a": ', "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ("{}", "it has no sample"),
        (record(sample="s2"), "of the sample 's2'"),
        (record(coder="bob"), "coder 'bob'"),
        (record(primary="joke"), "unknown"),
        (record(primary=3), "another type"),
        (record(secondary="others"), "another type"),
        (record(secondary=[1]), "another type"),
        (record(message_key=5), "another type"),
        (record(message_key="\ud800"), "key"),
        (record(is_unclear=1), "another type"),
        (record(seconds="3"), "another type"),
        (record(seconds=10**400), "duration"),
        (record(seconds=float("nan")), "duration"),
        (record(labelled_at=5), "no text"),
        (record(labelled_at="yesterday"), "isoformat"),
        (record(labelled_at="2026-03-01T09:30:00"), "time zone"),
        (record(note="\u202e"), "note"),
    ],
)
def test_a_whole_line_that_is_no_label_is_named(folder: Path, line: str, told: str) -> None:
    append_label(folder, made())
    with file_of(folder).open("a") as stream:
        stream.write(line + "\n" + record() + "\n")
    before = file_of(folder).read_bytes()
    with pytest.raises(PermanentFailure, match="line 2") as caught:
        labels_of(folder, "s1")
    assert told in caught.value.message
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert file_of(folder).read_bytes() == before


def test_nobody_has_labelled(folder: Path) -> None:
    assert labels_of(folder, "s1") == []
    assert read_coder(folder, "s1", "ada").labels == {}
    assert labels_table([]).num_rows == 0
    assert csv_of([]).decode().count("\n") == 1


def test_a_file_of_nobody_is_named(folder: Path) -> None:
    append_label(folder, made())
    file_of(folder).rename(file_of(folder).with_name("ada (copy).jsonl"))
    with pytest.raises(PermanentFailure, match="no file of a coder"):
        coders_of(folder, "s1")


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x", "a/b", "a\\b", "Ada", ".ada", "a.b", "a\x00", "a\n", "ada ", "\u00e4da",
     "-ada", "1ada", "x" * 41, "ada.jsonl"],
)  # fmt: skip
def test_a_coder_has_a_harmless_name(name: str, folder: Path) -> None:
    with pytest.raises(SettingsError, match="no name of a coder"):
        checked_coder(name)
    with pytest.raises(SettingsError):
        append_label(folder, made(coder=name))
    assert sorted(path.name for path in folder.rglob("*")) == ["s1"]


@pytest.mark.parametrize("name", [CONSENSUS, "llm", "linear", "encoder"])
def test_some_names_are_reserved(name: str) -> None:
    with pytest.raises(SettingsError, match="reserved"):
        checked_coder(name)


@pytest.mark.parametrize("name", ["", "..", "../s1", "s1/..", "a/b", "/etc", "s1\x00", ".s1"])
def test_a_sample_has_a_harmless_name(name: str, folder: Path) -> None:
    with pytest.raises(SettingsError, match="no name of a sample"):
        checked_sample(folder, name)


def test_an_unknown_sample_is_told_with_the_known(folder: Path) -> None:
    with pytest.raises(PermanentFailure, match="Give one of s1"):
        labels_of(folder, "s2")
    with pytest.raises(PermanentFailure, match="Draw one"):
        labels_of(folder / "none", "s2")


def test_progress(folder: Path) -> None:
    for label in (
        made("m1", seconds=4.0), made("m1", primary=None), made("m2", seconds=8.0), made("gone"),
    ):  # fmt: skip
        append_label(folder, label)
    with file_of(folder).open("a") as stream:
        stream.write('{"sam')
    told = progress_of(read_coder(folder, "s1", "ada"), "ada", ["m1", "m2", "m3"])
    assert (told.labelled_count, told.post_count, told.unclear_count) == (2, 3, 1)
    assert (told.changed_count, told.stray_count, told.torn_bytes) == (1, 1, 5)
    assert (told.seconds, told.codebook_versions) == (8.0, ("1.0-0a1b2c3d",))


# ---------------------------------------------------------------- consensus


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ada", "bob", CONSENSUS]), labels), max_size=9))
def test_consensus_is_what_verification_takes_for_decided(
    given_: list[tuple[str, Label]],
) -> None:
    said = {(coder, one.message_key): replace(one, coder=coder) for coder, one in given_}
    decided = decisions_of(said.values())
    people = by_message(one for one in said.values() if one.coder != CONSENSUS)
    for key, given_by in people.items():
        # What is shown for resolution is what is open without it.
        if len(given_by) > 1:
            alone = decisions_of(given_by.values())[key]
            assert is_disagreement(list(given_by.values())) == (alone.state == "open")
    settled = {one.message_key: one for one in consensus_of(said.values())}
    assert set(settled) == {
        key for key, one in decided.items() if one.state in ("agreed", "resolved", "unclear")
    }
    for key, one in settled.items():
        assert one.coder == CONSENSUS
        assert one.primary == decided[key].primary
        assert labelling.wrong_label(one) is None
        if one.primary:
            assert {one.primary, *one.secondary} == decided[key].applies


# ---------------------------------------------------------------- exports


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\uff1d"])
def test_no_formula_reaches_a_spreadsheet(start: str) -> None:
    label = made(f"{start}cmd", note=cleaned_note(f'{start}HYPERLINK("http://x")'))
    (row,) = csv.DictReader(io.StringIO(csv_of([label]).decode()))
    for cell in (row["message_key"], row["note"]):
        assert cell.strip()[0] not in "=+-@\uff1d"
        assert cell.lstrip("'") in (label.message_key, label.note)


def test_exports_hold_all(folder: Path, tmp_path: Path) -> None:
    given_ = [
        made("m1", secondary=("suggestion", "others"), note="a, \"b\" \u5341", seconds=1.5),
        made("m2", "bob", None),
    ]  # fmt: skip
    export_labels(given_, tmp_path / "l.csv")
    export_labels(given_, tmp_path / "l.PARQUET")
    rows = list(csv.DictReader((tmp_path / "l.csv").open(encoding="utf-8")))
    assert rows[0] == {
        "sample": "s1", "message_key": "m1", "coder": "ada", "primary": "bug_report",
        "secondary": "suggestion; others", "is_unclear": "false", "note": 'a, "b" \u5341',
        "labelled_at": "2026-03-01T09:30:00+00:00", "seconds": "1.5",
        "codebook_version": "1.0-0a1b2c3d",
    }  # fmt: skip
    assert (rows[1]["primary"], rows[1]["is_unclear"], rows[1]["seconds"]) == ("", "true", "")
    table = pq.read_table(tmp_path / "l.PARQUET").to_pylist()
    assert table[0]["secondary"] == ["suggestion", "others"]
    assert table[1]["primary"] is None and table[0]["labelled_at"] == NOW
    assert list(table[0]) == list(labelling.COLUMNS)


def test_an_export_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="neither CSV nor Parquet"):
        export_labels([], tmp_path / "l.xlsx")
    with pytest.raises(PermanentFailure, match="no folder"):
        export_labels([], tmp_path / "none" / "l.csv")
    (tmp_path / "l.csv").mkdir()
    with pytest.raises(PermanentFailure, match="cannot be written"):
        export_labels([], tmp_path / "l.csv")
