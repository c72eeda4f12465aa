"""`osmoscope themes classify`: any labels, every row kept as it is, hostile tables, refusals."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from assets.study.themes import files
from assets.study.themes.coding import Coding
from assets.study.themes.files import answer_of, open_table, read_labelled, write_answers
from orchestration import themes_classify_cli
from orchestration.failures import OsmoscopeError, PermanentFailure, SettingsError
from orchestration.themes_classify_cli import CoderName, classify, default_coder

app = typer.Typer()
app.command()(classify)

CUES = {
    "bug": "crash broken fails",
    "wish, new": "please add support",
    "Frage?": "how question why",
}
ROWS = [
    {"title": f"{cue.split()[at % 3]} in part {at}", "body": f"{cue} {at}", "label": label,
     "repo": f"o/r{at % 2}"}
    for at in range(14) for label, cue in CUES.items()
]  # fmt: skip


def written(path: Path, rows: list[dict[str, str]], columns: list[str] | None = None) -> Path:
    columns = columns or list(rows[0])
    packed = gzip.open if path.name.endswith(".gz") else open
    with packed(path, "wt", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(10**9)
    packed = gzip.open if path.name.endswith(".gz") else open
    with packed(path, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return written(tmp_path / "train.csv", ROWS)


def run(*arguments: object, coder: str | None = "linear") -> Any:
    chosen = ["--coder", coder] if coder else []
    return CliRunner().invoke(app, [*map(str, arguments), *chosen])


def told(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(*arguments: object, coder: str | None = "linear") -> OsmoscopeError:
    done = run(*arguments, coder=coder)
    assert isinstance(done.exception, OsmoscopeError), (done.output, done.exception)
    assert done.exception.remedy
    return done.exception


HOSTILE = [
    {"title": "NA", "body": "null", "note": "1e5"},
    {"title": "null", "body": "", "note": "007"},
    {"title": "", "body": "", "note": ""},
    {"title": 'a "quoted", title', "body": "line\nline\r\nline\rend", "note": "\t x "},
    {"title": "=1+1", "body": "@cmd|' /C calc'!A0", "note": "-5"},
    {"title": "\u202eright to left \u05d0", "body": "nul \x00 inside \x1b[31m", "note": "<b>"},
    {"title": "crash", "body": "twice", "note": "1.10"},
    {"title": "crash", "body": "twice", "note": "1.10"},
    {"title": "long", "body": "crash <!-- " * 300_000, "note": "3 MB"},
]


def test_every_row_is_kept_as_it_is(train: Path, tmp_path: Path) -> None:
    given_ = written(tmp_path / "in.csv", HOSTILE)
    made = told(given_, "--train", train, "--out", tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    assert list(rows[0]) == ["title", "body", "note", "label", "probability_Frage?",
                             "probability_bug", "probability_wish, new"]  # fmt: skip
    assert [{name: row[name] for name in HOSTILE[0]} for row in rows] == HOSTILE
    assert made["rows"] == len(HOSTILE) == sum(made["labels"].values())
    assert made["trained_on"] == len(ROWS)
    assert made["coder"] == "linear"
    assert made["texts_per_second"] > 0
    assert not made["by_repository"]
    for row in rows:
        said = {name: float(row[f"probability_{name}"]) for name in CUES}
        assert sum(said.values()) == pytest.approx(1, abs=1e-8)
        assert row["label"] == max(said, key=lambda name: said[name])
    assert rows[6]["label"] == "bug"
    assert rows[6] == rows[7]


def test_the_same_again_and_to_other_formats(train: Path, tmp_path: Path) -> None:
    given_ = written(tmp_path / "in.csv.gz", HOSTILE)
    for name in ("one.csv.gz", "two.csv.gz", "three.csv", "four.parquet"):
        told(given_, "--train", train, "--out", tmp_path / name)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    assert read(tmp_path / "one.csv.gz") == read(tmp_path / "three.csv")
    table = pq.read_table(tmp_path / "four.parquet")
    assert table["title"].to_pylist() == [row["title"] for row in HOSTILE]
    assert table["label"].to_pylist() == [row["label"] for row in read(tmp_path / "three.csv")]
    assert table.schema.field("probability_bug").type == pa.float64()


def test_labels_of_the_input_are_kept_and_not_looked_at(train: Path, tmp_path: Path) -> None:
    plain = written(tmp_path / "plain.csv", ROWS, ["title", "body"])
    rows = [{**row, "label": "bug", "probability_bug": "x", "label_given": "y"} for row in ROWS]
    known = written(tmp_path / "known.csv", rows)
    told(plain, "--train", train, "--out", tmp_path / "a.csv", "--pooled")
    made = told(known, "--train", train, "--out", tmp_path / "b.csv", "--pooled")
    first, second = read(tmp_path / "a.csv"), read(tmp_path / "b.csv")
    assert [row["label"] for row in first] == [row["label"] for row in second]
    assert [row["probability_bug"] for row in first] == [row["probability_bug"] for row in second]
    assert made["renamed_columns"] == {"label": "label_given_2",
                                       "probability_bug": "probability_bug_given"}  # fmt: skip
    assert {(row["label_given_2"], row["label_given"], row["probability_bug_given"])
            for row in second} == {("bug", "y", "x")}  # fmt: skip
    assert "score" not in made


def test_unsure_texts_get_the_label_that_is_named(train: Path, tmp_path: Path) -> None:
    given_ = written(tmp_path / "in.csv", [{"title": "crash broken", "body": "fails"},
                                           {"title": "zzz", "body": ""}])  # fmt: skip
    out = tmp_path / "out.csv"
    told(given_, "--train", train, "--out", out, "--abstain", "0.75")
    assert [row["label"] for row in read(out)] == ["bug", "others"]
    assert "probability_others" not in read(out)[0]
    told(
        given_, "--train", train, "--out", out, "--abstain", "1", "--abstain-label", "ask a person"
    )
    assert [row["label"] for row in read(out)] == ["ask a person"] * 2
    assert float(read(out)[1]["probability_bug"]) > 0


def test_repositories_are_used_where_both_tables_have_them(train: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    both = written(tmp_path / "both.csv", ROWS, ["repo", "title", "body"])
    none = written(tmp_path / "none.csv", ROWS, ["title", "body"])
    assert told(both, "--train", train, "--out", out)["by_repository"]
    assert not told(both, "--train", train, "--out", out, "--pooled")["by_repository"]
    assert not told(none, "--train", train, "--out", out)["by_repository"]
    failure = refused(none, "--train", train, "--out", out, "--by-repository")
    assert isinstance(failure, SettingsError)


def test_scores_only_where_asked(train: Path, tmp_path: Path) -> None:
    rows = [*ROWS, {"title": "x", "body": "", "label": "never taught", "repo": "o/r0"},
            {"title": "y", "body": "", "label": " ", "repo": "o/r0"}]  # fmt: skip
    given_ = written(tmp_path / "in.csv", rows)
    made = told(given_, "--train", train, "--out", tmp_path / "out.csv", "--score")["score"]
    assert made["rows"] == len(ROWS) + 1
    assert set(made["by_repository"]) == {"o/r0", "o/r1"}
    assert made["classes"]["never taught"]["recall"] == 0
    assert 0.5 < made["macro_f1"] < 1
    done = run(given_, "--train", train, "--out", tmp_path / "out.csv", "--score")
    assert "Macro F1" in done.stdout
    assert "never taught: precision undefined" in done.stdout
    unlabelled = written(tmp_path / "none.csv", ROWS, ["title", "body"])
    failure = refused(unlabelled, "--train", train, "--out", tmp_path / "o.csv", "--score")
    assert "no column label" in failure.message


def test_rows_of_the_training_without_a_label_are_told(tmp_path: Path) -> None:
    rows = [*ROWS, {"title": "open", "body": "", "label": "", "repo": ""}]
    train = written(tmp_path / "train.csv", rows)
    given_ = written(tmp_path / "in.csv", HOSTILE[:2])
    done = run(given_, "--train", train, "--out", tmp_path / "out.csv")
    assert "Learned from 42 texts" in done.stdout
    assert "1 rows have no label" in done.stdout


def test_themes_keep_their_order(tmp_path: Path) -> None:
    names = ["suggestion", "bug_report", "usage_problem"]
    rows = [{**row, "label": names[at % 3]} for at, row in enumerate(ROWS)]
    known = read_labelled(
        written(tmp_path / "t.csv", rows), ("bug_report", "suggestion", "usage_problem", "others")
    )
    assert known.labels == ("bug_report", "suggestion", "usage_problem")
    assert known.has_repositories


def test_parquet_keeps_its_types(train: Path, tmp_path: Path) -> None:
    table = pa.table({
        "number": [1, None, 3], "title": ["crash", None, "please"],
        "body": pa.array(["crash", "why", None], pa.large_string()),
        "label": [[1], [2], None], "at": pa.array([0, 1, 2], pa.timestamp("us", "UTC")),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "in.parquet")
    told(tmp_path / "in.parquet", "--train", train, "--out", tmp_path / "out.parquet")
    made = pq.read_table(tmp_path / "out.parquet")
    assert (
        made.select(["number", "title", "body", "label_given", "at"])
        .rename_columns(table.column_names)
        .equals(table)
    )
    told(tmp_path / "in.parquet", "--train", train, "--out", tmp_path / "out.csv")
    assert [row["number"] for row in read(tmp_path / "out.csv")] == ["1", "", "3"]


def test_a_table_without_rows(train: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("title,body\n", encoding="utf-8")
    for name in ("out.csv", "out.parquet"):
        assert told(tmp_path / "in.csv", "--train", train, "--out", tmp_path / name)["rows"] == 0
    assert (tmp_path / "out.csv").read_text().startswith("title,body,label,probability_Frage?")
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


def test_byte_order_marks_blank_lines_and_headers_of_any_case(train: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"\xef\xbb\xbf Title ,BODY\r\n\r\ncrash,fails\r\n\r\n,\r\n")
    assert told(path, "--train", train, "--out", tmp_path / "out.csv")["rows"] == 2
    rows = read(tmp_path / "out.csv")
    assert [row[" Title "] for row in rows] == ["crash", ""]


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\r\n\r\n", "is empty"),
        (b"subject,text\nx,y\n", "no column title and no column body (its columns: subject, text)"),
        (b"title,text\nx,y\n", "no column body"),
        (b"title,body,body\nx,y,z\n", "two columns 'body'"),
        (b"title,Title,body\nx,y,z\n", None),
        (b"Title,TITLE,body\nx,y,z\n", "more than one column for title"),
        (b"title,body\nx,y,z\n", "line 2"),
        (b"title,body\nx\n", "has 1 fields, the header 2"),
        (b'title,body\nx,"never closed\ny,z\n', "line 3"),
        (b"title,body\n\xff\xfe,y\n", "not valid UTF-8"),
    ],
)
def test_tables_that_cannot_be_meant(
    train: Path, tmp_path: Path, content: bytes, words: str | None
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(content)
    out = tmp_path / "out.csv"
    out.write_text("from before")
    if words is None:
        told(path, "--train", train, "--out", out)
        return
    failure = refused(path, "--train", train, "--out", out)
    assert isinstance(failure, PermanentFailure)
    assert words in failure.message
    assert out.read_text() == "from before"
    assert {one.name for one in tmp_path.iterdir()} == {"in.csv", "out.csv", "train.csv"}


def test_files_that_are_none(train: Path, tmp_path: Path) -> None:
    given_ = written(tmp_path / "in.csv", HOSTILE[:2])
    for name, content in (("a.csv.gz", b"no gzip"), ("a.parquet", b"no parquet"), ("a.txt", b"x")):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "--train", train, "--out", tmp_path / "out.csv")
    cut = gzip.compress(b"title,body\n" + b"x,y\n" * 1000)[:-20]
    (tmp_path / "cut.csv.gz").write_bytes(cut)
    refused(tmp_path / "cut.csv.gz", "--train", train, "--out", tmp_path / "out.csv")
    assert "no file" in refused(tmp_path / "none.csv", "--train", train, "--out",
                                tmp_path / "out.csv").message  # fmt: skip
    for out in ("out.txt", "no/out.csv", "folder.csv"):
        (tmp_path / "folder.csv").mkdir(exist_ok=True)
        refused(given_, "--train", train, "--out", tmp_path / out)
    assert "--out is the input" in refused(given_, "--train", train, "--out", given_).message
    assert not (tmp_path / "out.csv").exists()


def test_what_cannot_be_learned_from(tmp_path: Path) -> None:
    given_ = written(tmp_path / "in.csv", HOSTILE[:2])
    out = ("--out", tmp_path / "out.csv")
    assert "--train" in refused(given_, *out).remedy
    unlabelled = written(tmp_path / "a.csv", ROWS, ["title", "body"])
    assert "no column label" in refused(given_, "--train", unlabelled, *out).message
    single = written(tmp_path / "b.csv", [{**row, "label": "one"} for row in ROWS])
    assert "one label" in refused(given_, "--train", single, *out).message
    text = written(tmp_path / "c.csv", [{**ROWS[0], "label": "x" * 500}, *ROWS])
    assert "500 characters" in refused(given_, "--train", text, *out).message


def test_a_field_beyond_all_bounds(
    train: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_FIELD", 1000)
    given_ = written(tmp_path / "in.csv", HOSTILE)
    before = csv.field_size_limit()
    assert "field larger than" in refused(given_, "--train", train, "--out",
                                          tmp_path / "out.csv").message  # fmt: skip
    assert csv.field_size_limit() == before


def test_a_language_model_is_asked_only_where_one_is_chosen(
    train: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given_ = written(tmp_path / "in.csv", HOSTILE[:2])
    failure = refused(given_, "--out", tmp_path / "out.csv", coder="llm")
    assert isinstance(failure, SettingsError)
    assert "No language model is chosen" in failure.message


def test_the_default_is_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from assets.study.themes.encoder import local as encoder

    monkeypatch.setattr(encoder, "is_installed", lambda: False)
    assert default_coder() is CoderName.linear
    monkeypatch.setattr(encoder, "is_installed", lambda: True)
    assert default_coder() is CoderName.encoder


def test_a_coder_that_stops_leaves_the_rest_without_a_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop:
        kind, message, remedy = "passing", "The limit is reached.", "Go on later."

    class Stopping:
        name, version, labels, stop = "llm", "1", ("a", "b"), None

        def code(self, texts: Any) -> Coding:
            self.stop = Stop()
            found = np.array([[0.9, 0.1]])
            return Coding((texts[1].key,), self.labels, found, found > 0.5)

    class Opened:
        def __enter__(self) -> Stopping:
            return Stopping()

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(themes_classify_cli, "_language_model", Opened)
    monkeypatch.setattr(files, "BATCH_ROWS", 4)
    given_ = written(tmp_path / "in.csv", HOSTILE)
    failure = refused(given_, "--out", tmp_path / "out.csv", coder="llm")
    assert failure.message == "The limit is reached."
    rows = read(tmp_path / "out.csv")
    assert [row["label"] for row in rows] == ["", "a", *[""] * 7]
    assert [row["probability_a"] for row in rows] == ["", "0.900000000", *[""] * 7]
    assert [row["title"] for row in rows] == [row["title"] for row in HOSTILE]


# ---------------------------------------------------------------- the files alone

FIELD = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=8), st.integers(1, 3))
def test_any_table_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], size: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = folder / "in.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("title", "label", "body"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BATCH_ROWS", size)
        table = open_table(path)
        batches = list(table.batches())
        texts = [text for batch in batches for text in table.texts(batch, 0)]
        answers = []
        for batch in batches:
            keys = tuple(map(str, range(batch.num_rows)))
            said = np.tile([0.25, 0.75], (batch.num_rows, 1))
            answers.append(
                (batch, answer_of(Coding(keys, ("x", "y"), said, said > 0.5), keys, 0, ""))
            )
        write_answers(folder / "out.csv", table, ("x", "y"), answers)
    assert [(text.title, text.body) for text in texts] == [(one[0], one[2]) for one in rows]
    with (folder / "out.csv").open(encoding="utf-8", newline="") as stream:
        made = list(csv.reader(io.StringIO(stream.read(), newline="")))
    assert made[0] == ["title", "label_given", "body", "label", "probability_x", "probability_y"]
    assert [tuple(row[:3]) for row in made[1:]] == rows
    assert {tuple(row[3:]) for row in made[1:]} == {("y", "0.250000000", "0.750000000")}
