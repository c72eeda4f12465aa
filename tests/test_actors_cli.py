"""The commands `osmoscope actors`, with files as people and programs make them."""

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
from command import one_line, run, run_anew

from assets.actors.features import CANONICAL, FEATURES
from assets.actors.tables import OUTPUT, read_accounts, write_decisions
from orchestration.failures import PermanentFailure

pytestmark = pytest.mark.slow

LOGINS = ["torvalds", "x-bot", "web-flow", "Talbot", "x-bot", "NULL", "NA", "dependabot[bot]"]


def classified(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def labelled(path: Path, count: int = 100) -> None:
    """Accounts with BIMBAS column names; programs do few kinds of act."""
    draw = np.random.default_rng(1)
    lines = ["contributor,bot,feat_num_activity_type,feat_owner,note"]
    for row in range(count):
        kinds, owners = (3, 2) if row % 2 else (10, 9)
        name = f"a{row}-runs" if row % 2 else f"b{row}"
        lines.append(f"{name},{row % 2},{kinds + draw.integers(3)},{owners},=cmd()")
    path.write_text("\n".join(lines) + "\n")


# ---------------------------------------------------------------- classify


def test_classify_keeps_rows_order_and_duplicates(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("note,account\n" + "".join(f"=1,{n}\n" for n in LOGINS))
    done = run_anew("actors", "classify", "in.csv", "--out", "out.csv", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["rows"], told["model"], told["policy"]) == (8, None, "balanced")
    rows = classified(tmp_path / "out.csv")
    assert [row["login"] for row in rows] == LOGINS
    assert tuple(rows[0]) == OUTPUT
    assert [row["is_bot"] for row in rows] == [
        "false", "true", "true", "false", "true", "false", "false", "true"
    ]  # fmt: skip
    assert sum(told["classes"].values()) == 8
    assert all(row["reasons"] and 0 <= float(row["score"]) <= 1 for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


@pytest.mark.parametrize(
    ("policy", "removed"),
    [("none", 0), ("paper", 5), ("conservative", 4), ("aggressive", 4)],
)
def test_classify_under_a_policy(tmp_path: Path, policy: str, removed: int) -> None:
    (tmp_path / "in.csv").write_text("login\n" + "\n".join(LOGINS) + "\n")
    out = tmp_path / "out.parquet"
    arguments = ("in.csv", "--out", out, "--policy", policy)
    assert run("actors", "classify", *arguments, folder=tmp_path).returncode == 0
    table = pq.read_table(out)
    assert tuple(table.column_names) == OUTPUT
    assert sum(table.column("is_bot").to_pylist()) == removed


def test_the_label_is_never_used(tmp_path: Path) -> None:
    plain, rated = tmp_path / "plain.csv", tmp_path / "rated.csv"
    names = ["x-bot", "torvalds", "zwqxbot", "zwqx"]
    plain.write_text("login\n" + "\n".join(names) + "\n")
    rated.write_text("login,bot,type\n" + "".join(f"{n},1,Bot\n" for n in names))
    outs = []
    for file in (plain, rated):
        out = file.with_suffix(".out.csv")
        assert run("actors", "classify", file, "--out", out, folder=tmp_path).returncode == 0
        outs.append(out.read_text())
    assert outs[0] == outs[1]


def test_train_then_classify_uses_the_model(tmp_path: Path) -> None:
    labelled(tmp_path / "rated.csv")
    done = run("actors", "train", "rated.csv", "--folds", 2, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["features"] == ["act_kind_count", "owner_count"]
    assert told["figures"]["layers"]["all layers trained"]["f1"] > 0.9
    kept = tmp_path / "data" / "state" / "actors" / "model.skops"
    assert Path(told["model"]) == kept
    assert kept.stat().st_mode & 0o777 == 0o600
    summaries = {}
    for name, options in {"own": (), "none": ("--no-model",)}.items():
        arguments = ("rated.csv", "--out", f"{name}.csv", "--json", *options)
        done = run("actors", "classify", *arguments, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        summaries[name] = json.loads(done.stdout)
    assert summaries["own"]["model"] == str(kept)
    assert summaries["none"]["model"] is None
    own, none = ((tmp_path / f"{name}.csv").read_text() for name in ("own", "none"))
    assert own != none
    found = [row["is_bot"] == "true" for row in classified(tmp_path / "own.csv")]
    assert np.mean(np.array(found) == np.arange(100) % 2) > 0.95

    kept.write_bytes(kept.read_bytes()[:500])
    done = run("actors", "classify", "rated.csv", "--out", "left.csv", folder=tmp_path)
    assert done.returncode == 0
    assert "Classified without a model" in one_line(done.stderr)
    assert (tmp_path / "left.csv").read_text() == none
    arguments = ("rated.csv", "--out", "no.csv", "--model", kept)
    done = run("actors", "classify", *arguments, folder=tmp_path)
    assert done.returncode == 3
    assert "no model that can be used" in one_line(done.stderr)
    assert not (tmp_path / "no.csv").exists()


def test_evaluate_shows_each_layer(tmp_path: Path) -> None:
    labelled(tmp_path / "rated.csv")
    done = run("actors", "evaluate", "rated.csv", "--folds", 2, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    rows = {row["layer"]: row for row in made["rows"]}
    assert (made["accounts"], made["bots"], made["fold_count"]) == (100, 50, 2)
    assert rows['substring "bot"']["precision"] == {"value": None, "low": None, "high": None}
    trained = rows["all layers trained"]
    assert trained["is_trained"]
    assert trained["f1"]["low"] <= trained["f1"]["value"] <= trained["f1"]["high"]
    for bins in made["reliability"].values():
        assert sum(each["count"] for each in bins) == 100


# ---------------------------------------------------------------- input that cannot be used


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("classify", "no.csv", "--out", "o.csv"), 3, "There is no file"),
        (("classify", "in.csv", "--out", "o.txt"), 3, "neither CSV nor Parquet"),
        (("classify", "in.csv", "--out", "no/o.csv"), 3, "There is no folder"),
        (("classify", "in.csv", "--out", "o.csv", "--policy", "all"), 2, "policy 'all' is unknown"),
        (("classify", "in.csv", "--out", "o.csv", "--model", "m"), 3, "There is no model"),
        (("classify", "in.csv", "--out", "o.csv", "--model", "m", "--no-model"), 2, "Both"),
        (("train", "in.csv"), 3, "has no column bot"),
        (("evaluate", "few.csv"), 3, "accounts of one kind for 10 folds"),
        (("train", "few.csv"), 3, "to learn from"),
    ],
)
def test_errors_are_one_line_with_a_remedy(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "in.csv").write_text("login\nx\n")
    (tmp_path / "few.csv").write_text("login,bot\nx,0\ny,1\n")
    done = run("actors", *arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in one_line(done.stderr)
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "few.csv"}


HOSTILE: list[tuple[str, bytes, str]] = [
    ("a.csv", b"", "is empty"),
    ("a.csv", b"login\n", "has no rows"),
    ("a.csv", b"name,bot\nx,1\n", "no column of logins"),
    ("a.csv", b"login,login\nx,y\n", "two columns 'login'"),
    ("a.csv", b"login,feat_owner\nx,many\n", "The column feat_owner"),
    ("a.csv", b"login,owner_count,feat_owner\nx,1,2\n", "more than one column for owner_count"),
    ("a.csv", b"login\nx\x00y\n", "NUL"),
    ("a.csv", b"lo\x00gin\nx\n", "NUL"),
    ("a.csv", b"login\n\xff\xfe\n", "not valid UTF-8"),
    ("a.csv", b"\xff\xfel\x00o\x00\n", "not valid UTF-8"),
    ("a.csv", b"login,b\nx\n", "cannot be read"),
    ("a.csv", b'login\n""\n', "empty login"),
    ("a.csv", b'"lo\ngin"\nx\n', "spans lines"),
    ("a.csv.gz", b"login\nx\n", "cannot be read"),
    ("a.csv.gz", gzip.compress(b"login\n" + b"x\n" * 9000, mtime=0)[:-20], "cannot be read"),
    ("a.parquet", b"login\nx\n", "cannot be read"),
    ("a.xlsx", b"PK", "neither CSV nor Parquet"),
]


@pytest.mark.parametrize(("name", "content", "message"), HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PermanentFailure, match=message) as refused:
        read_accounts(tmp_path / name)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array(["x", None]), "no login"),
        (pa.array(["x", "a\x00b"]), "NUL"),
        (pa.array([[1], [2]]), "cannot be read"),
    ],
)
def test_hostile_parquet_is_refused(tmp_path: Path, column: pa.Array, message: str) -> None:
    pq.write_table(pa.table({"login": column}), tmp_path / "a.parquet")
    with pytest.raises(PermanentFailure, match=message):
        read_accounts(tmp_path / "a.parquet")


@pytest.mark.parametrize("label", ["2", "", "yes", "0.5", "-1"])
def test_other_labels_are_refused(tmp_path: Path, label: str) -> None:
    (tmp_path / "a.csv").write_text(f"login,bot\nx,1\ny,{label}\n")
    with pytest.raises(PermanentFailure, match="holds"):
        read_accounts(tmp_path / "a.csv", labelled=True)


# ---------------------------------------------------------------- input that can be used


def test_forms_of_one_file_give_one_table(tmp_path: Path) -> None:
    text = "Login,feat_owner,consecutive_activity_time_50%\nx,1,0.5\ny,,\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(text.encode()))
    first = read_accounts(tmp_path / "a.csv")
    pq.write_table(first.table, tmp_path / "d.parquet")
    for name in ("b.csv", "c.csv.gz", "d.parquet"):
        assert read_accounts(tmp_path / name).table.equals(first.table), name
    assert first.features == ("owner_count", "gap_hours_median")
    assert first.table.column("owner_count").to_pylist() == [1.0, None]


def test_every_feature_is_read_under_both_names(tmp_path: Path) -> None:
    both = [feature for feature in FEATURES if feature.other_name]
    for names in ([str(each.other_name) for each in both], [each.name for each in both]):
        values = ",".join(str(place) for place in range(len(names)))
        (tmp_path / "a.csv").write_text(f"login,{','.join(names)}\nx,{values}\n")
        read = read_accounts(tmp_path / "a.csv")
        assert read.features == tuple(CANONICAL[name] for name in names)
        assert list(read.table.to_pylist()[0].values())[1:] == [float(k) for k in range(len(names))]


def test_a_login_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    names = ["123", "1e5", "true", "null", "nan", "2020-01-01", 'a,"b', "a\nb", " x", "机器人"]
    stream = io.StringIO()
    csv.writer(stream).writerows([["login"], *([name] for name in names)])
    (tmp_path / "a.csv").write_text(stream.getvalue(), encoding="utf-8", newline="")
    assert read_accounts(tmp_path / "a.csv").logins == names


def decided(logins: list[str]) -> pa.RecordBatch:
    from assets.actors.classify import Rules, classify

    return classify(pa.record_batch({"login": pa.array(logins)}), Rules.load())


def test_formulas_are_not_written(tmp_path: Path) -> None:
    hostile = ["=cmd|' /C calc'!A0", "+1+1", "@SUM(1)", "-2+3", "\t=1", "=1\n=2"]
    plain = ["a=1", "x-bot", "-old-login", "acme[bot]"]
    write_decisions(tmp_path / "o.csv", [decided([*hostile, *plain])])
    rows = classified(tmp_path / "o.csv")
    assert [row["login"] for row in rows] == [*(f"'{name}" for name in hostile), *plain]
    assert not any(row["reasons"].startswith(("=", "+", "-", "@")) for row in rows)
    write_decisions(tmp_path / "o.parquet", [decided(hostile)])
    assert pq.read_table(tmp_path / "o.parquet").column("login").to_pylist() == hostile


def test_the_result_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("before")
    (tmp_path / "kept.csv").hardlink_to(tmp_path / "o.csv")
    write_decisions(tmp_path / "o.csv", [decided(["x"])])
    assert (tmp_path / "kept.csv").read_text() == "before"
    assert len(classified(tmp_path / "o.csv")) == 1


def test_a_failure_on_the_way_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("before")

    def batches() -> Any:
        yield decided(["x"])
        raise PermanentFailure("stopped", "")

    with pytest.raises(PermanentFailure, match="stopped"):
        write_decisions(tmp_path / "o.csv", batches())
    assert (tmp_path / "o.csv").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]
