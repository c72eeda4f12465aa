"""`osmoscope sample`: any table with an id and a size, drawn and estimated from."""

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import one_line, run, run_anew

from assets.study.draw import random_number
from assets.study.files import OURS, Request, draw_file, estimate_file
from orchestration.failures import PermanentFailure


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    count = 3000
    stars = np.floor(rng.pareto(0.9, count)).astype(int)
    table = pa.table({
        "name": [f"o'w\"ner/{k}" for k in range(count)],
        "stars": stars,
        "commits": np.floor(rng.lognormal(2, 1, count)).astype(int),
        "why": pa.array(np.where(rng.random(count) < 0.2, "too old", None), pa.string()),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "frame.parquet")
    return tmp_path / "frame.parquet"


def request(**changes: Any) -> Request:
    given = {"unit": "name", "by": "stars", "allocation": "equal", "size": 300, "seed": 4}
    return Request(**{**given, **changes})


def test_draw_and_estimate_as_a_script_would(frame: Path, tmp_path: Path) -> None:
    done = run_anew(
        "sample", "draw", frame, "--id", "name", "--by", "stars", "--allocation", "neyman",
        "--feature", "commits", "--size", 400, "--seed", 9, "--out", "s.parquet",
        "--reject", "why", "--json", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["seed"], told["frame_count"]) == (9, 3000)
    assert sum(row["frame_count"] for row in told["strata"]) == 3000
    assert told["rejected_count"] == sum(row["rejected_count"] for row in told["strata"]) > 40
    rows = duckdb.sql(f"SELECT * FROM '{tmp_path}/s.parquet'").fetchall()
    assert len(rows) == told["sample_count"] + told["rejected_count"]
    columns = duckdb.sql(f"SELECT * FROM '{tmp_path}/s.parquet'").columns
    assert columns == ["name", "stars", "commits", "why", *OURS]
    by_name = [dict(zip(columns, row, strict=True)) for row in rows]
    assert all(row["sample_random_number"] == random_number(9, row["name"]) for row in by_name)
    assert all((row["sample_outcome"] == "rejected") == (row["why"] is not None) for row in by_name)
    done = run("sample", "estimate", "s.parquet", "--value", "commits", "--value", "stars",
               "--json", folder=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {(row["value"], row["statistic"]): row for row in json.loads(done.stdout)}
    assert len(found) == 10
    truth = pq.read_table(frame).to_pandas()
    truth = truth[truth["why"].isna()]
    row = found["commits", "mean"]
    assert abs(row["weighted_value"] - truth["commits"].mean()) < 4.5 * row["standard_error"]
    assert row["low"] < row["weighted_value"] < row["high"]
    assert found["stars", "mean"]["unweighted_value"] > found["stars", "mean"]["weighted_value"]


def test_what_is_taken_whole_is_chosen_on_the_command_line(frame: Path, tmp_path: Path) -> None:
    whole: dict[str, int] = {}
    told: dict[str, Any] = {}
    ends: dict[str, Any] = {}
    for text in ("auto", "none", "commits=60"):
        done = run("sample", "draw", frame, "--id", "name", "--by", "stars", "--size", 500, "--out",
                   "s.parquet", "--take-all", text, "--json", folder=tmp_path)  # fmt: skip
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)["strata"]
        whole[text] = sum(row["frame_count"] for row in rows if "taken whole" in row["stratum"])
        (found,) = [row for row in estimate_file(tmp_path / "s.parquet", "stars")
                    if row["statistic"] == "mean"]  # fmt: skip
        told[text], ends[text] = found["reason"] or "", found["low"]
    commits = pq.read_table(frame)["commits"].to_numpy()
    assert whole == {"auto": whole["auto"], "none": 0, "commits=60": int((commits >= 60).sum())}
    assert whole["auto"] > 0
    # Where the frame's own numbers were not asked, nobody knows what is missing of the tail.
    assert ["no interval" in told[text] for text in whole] == [False, True, True]
    assert [ends[text] is None for text in whole] == [False, True, True]


def test_what_people_see(frame: Path, tmp_path: Path) -> None:
    arguments = ("--id", "name", "--by", "stars", "--size", 60, "--out", "s.csv")
    done = run("sample", "draw", frame, *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "frame_count" in done.stdout and "10-31" in done.stdout
    assert "60 of 3,000 in s.csv" in done.stdout
    with (tmp_path / "s.csv").open(newline="") as file:
        assert sum(float(row["sample_weight"]) for row in csv.DictReader(file)) == pytest.approx(
            3000
        )
    done = run("sample", "estimate", "s.csv", "--value", "commits", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "zero_share" in done.stdout and "woodruff" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--by", "nothing"), 3, "lacks the columns nothing"),
        (("--by", "name"), 3, "holds VARCHAR, not numbers"),
        (("--by", "stars", "--allocation", "best"), 2, "no allocation best"),
        (("--by", "stars", "--breaks", "1,2"), 2, "begins with 0"),
        (("--by", "stars", "--breaks", "a"), 2, "no list of numbers"),
        (("--by", "stars", "--take-all", "stars"), 2, "not COLUMN=NUMBER"),
        (("--by", "stars", "--take-all", "auto", "--take-all", "stars=5"), 2, "or auto, or none"),
        (("--by", "stars", "--take-all", "size=5"), 3, "lacks the columns size"),
        (("--by", "stars", "--allocation", "matched"), 3, "reference population"),
        (("--by", "stars", "--least", 1000), 3, "too small for 11 strata"),
    ],
)
def test_wrong_use_is_one_line_with_a_remedy(
    frame: Path, tmp_path: Path, arguments: tuple[Any, ...], code: int, text: str
) -> None:
    done = run("sample", "draw", frame, "--id", "name", "--size", 60, "--out", "s.csv", *arguments,
               folder=tmp_path)  # fmt: skip
    assert done.returncode == code
    assert text in one_line(done.stderr)
    assert not (tmp_path / "s.csv").exists()


def test_the_same_seed_gives_the_same_file_of_csv_and_parquet(frame: Path, tmp_path: Path) -> None:
    as_csv = tmp_path / "frame.csv"
    duckdb.sql(f"COPY (SELECT * FROM '{frame}' ORDER BY stars) TO '{as_csv}' (HEADER)")
    first = draw_file(frame, request(), tmp_path / "a.csv")
    second = draw_file(as_csv, request(), tmp_path / "b.csv")
    assert first == second
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    draw_file(frame, request(seed=5), tmp_path / "c.csv")
    assert (tmp_path / "a.csv").read_bytes() != (tmp_path / "c.csv").read_bytes()


def test_matched_follows_the_reference_and_take_all_takes_all(frame: Path, tmp_path: Path) -> None:
    reference = tmp_path / "hub.csv"
    reference.write_text("stars\n" + "0\n" * 90 + "1\n" * 10)
    given = {"allocation": "matched", "reference": reference, "size": 100}
    rows = draw_file(frame, request(**given, take_all={}), tmp_path / "m.parquet")
    counts = {row["stratum"]: row["sample_count"] for row in rows}
    assert (counts["0"], counts["1"]) == (90, 10)
    assert sum(counts.values()) == 100
    rows = draw_file(frame, request(take_all={"commits": 60}), tmp_path / "t.parquet")
    whole = [row for row in rows if row["stratum"].endswith(", taken whole")]
    assert sum(row["frame_count"] for row in whole) > 0
    assert all(row["frame_count"] == row["sample_count"] for row in whole)
    # What is taken whole by itself is beside a sample that is matched as well.
    draw_file(frame, request(**given), tmp_path / "auto.parquet")
    plain = dict(duckdb.sql(
        f"SELECT stars, count(*) FROM '{tmp_path}/auto.parquet' WHERE sample_is_plain GROUP BY ALL"
    ).fetchall())  # fmt: skip
    beside = duckdb.sql(
        f"SELECT count(*) FROM '{tmp_path}/auto.parquet' WHERE NOT sample_is_plain"
    ).fetchall()[0][0]
    assert beside > 0 and abs(plain[0] / plain[1] - 9) < 2
    # The estimate is of the strata that are there.
    found = estimate_file(tmp_path / "m.parquet", "commits")
    assert {row["status"] for row in found} == {"measured"}


def test_hostile_files_are_told(frame: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"
    with pytest.raises(PermanentFailure, match="no file"):
        draw_file(tmp_path / "none.parquet", request(), out)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing")
    with pytest.raises(PermanentFailure, match=r"broken\.parquet cannot be used"):
        draw_file(broken, request(), out)
    double = tmp_path / "double.csv"
    double.write_text("name,stars\n" + "a,1\n" * 50)
    with pytest.raises(PermanentFailure, match="more than once"):
        draw_file(double, request(size=10), out)
    assert not out.exists()
    missing = tmp_path / "missing.csv"
    missing.write_text("name,stars\n,1\nb,1\n")
    with pytest.raises(PermanentFailure, match="no key"):
        draw_file(missing, request(size=2), out)
    draw_file(frame, request(), out)
    with pytest.raises(PermanentFailure, match="sample adds"):
        draw_file(out, request(), tmp_path / "again.parquet")
    with pytest.raises(PermanentFailure, match="lacks the columns"):
        estimate_file(frame, "stars")
    with pytest.raises(PermanentFailure, match="not numbers"):
        estimate_file(out, "name")


def test_values_that_are_not_known_are_told(frame: Path, tmp_path: Path) -> None:
    draw_file(frame, request(), tmp_path / "s.parquet")
    duckdb.sql(
        f"COPY (SELECT * REPLACE (CASE WHEN hash(name) % 4 > 0 THEN commits END AS commits)"
        f" FROM '{tmp_path}/s.parquet') TO '{tmp_path}/holes.parquet'"
    )
    rows = estimate_file(tmp_path / "holes.parquet", "commits")
    assert rows[0]["unknown_count"] > 40
    assert "no known value" in rows[0]["reason"]
