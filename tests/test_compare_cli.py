"""`osmoscope compare`: two groups of any table, in files as they come."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import command
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from assets.study.compare_files import compare_file
from assets.study.statistics.bootstrap import clustered_bootstrap
from assets.study.statistics.descriptives import describe
from assets.study.statistics.owner_table import Group
from assets.study.statistics.two_sample import EFFECTS, effects, mann_whitney
from orchestration.compare_cli import compare
from orchestration.failures import PermanentFailure

app = typer.Typer()
app.command()(compare)


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def table() -> pa.Table:
    rng = np.random.default_rng(1)
    count = 900
    side = np.where(rng.random(count) < 0.4, "hub [x]", "git'hub")
    values = np.floor(np.exp(rng.normal(1.5, 1.2, count)) * np.where(side == "git'hub", 3, 1))
    owner = rng.integers(0, 90, count)
    known = rng.random(count) > 0.05
    return pa.table({
        "where": pa.array(np.where(rng.random(count) > 0.03, side, None), pa.string()),
        'sta"rs': pa.array(np.where(known, values, np.nan), pa.int64(), from_pandas=True),
        "owner": pa.array([None if k == 7 else f"o{k}" for k in owner]),
        "stands for": rng.integers(1, 4, count),
    })  # fmt: skip


@pytest.fixture
def file(table: pa.Table, tmp_path: Path) -> Path:
    pq.write_table(table, tmp_path / "it's.parquet")
    return tmp_path / "it's.parquet"


def sides(table: pa.Table) -> tuple[Any, Any]:
    rows = [row for row in table.to_pylist() if row["where"] and row['sta"rs'] is not None]
    return tuple([row for row in rows if row["where"] == name] for name in ("git'hub", "hub [x]"))


def test_json_has_every_figure_in_full(table: pa.Table, file: Path) -> None:
    found = json.loads(run(file, "--group", "where", "--value", 'sta"rs', "--cluster", "owner",
                           "--draws", 320, "--seed", 4, "--json"))  # fmt: skip
    first, second = sides(table)
    x, y = ([row['sta"rs'] for row in side] for side in (first, second))
    assert (found["first_group"], found["second_group"]) == ("git'hub", "hub [x]")
    assert (found["first_count"], found["second_count"]) == (len(x), len(y))
    assert found["unknown_count"] == table.num_rows - len(x) - len(y) > 50
    test, sizes = mann_whitney(x, y), effects(x, y)
    assert found["mann_whitney_u"] == test.u
    assert found["p_value"] == test.p_value
    assert found["log10_p_value"] == test.log10_p_value
    assert found["p_value_method"] == "asymptotic"
    for name in EFFECTS:
        assert found[name] == getattr(sizes, name)
        if name != "ratio_of_means":
            assert found[f"{name}_low"] <= found[name] <= found[f"{name}_high"]
    assert "1,000 owners" in found["ratio_of_means_interval_reason"]
    held = {name: found[f"{name}_interval_is"] for name in EFFECTS}
    assert held == dict.fromkeys(EFFECTS, "nominal") | {
        "ratio_of_means": None, "hodges_lehmann": "at_least", "ratio_of_medians": "at_least"
    }  # fmt: skip
    assert found["first"]["mid_median"] == describe(x).mid_median
    assert found["draws"] == 320
    assert found["seconds"] > 0
    for side, values in (("first", x), ("second", y)):
        expected = describe(values)
        assert found[side]["mean"] == expected.mean
        assert found[side]["quantiles"]["0.9"] == expected.quantiles[0.9]
    named = {row["owner"] for row in first + second if row["owner"]}
    alone = sum(row["owner"] is None for row in first + second)
    assert found["cluster_count"] == len(named) + alone
    assert alone > 3


def test_intervals_are_those_of_the_bootstrap_with_common_owners(
    table: pa.Table, file: Path
) -> None:
    found = compare_file(file, "where", 'sta"rs', "owner", draws=320, seed=4)

    def group(rows: list[dict[str, Any]]) -> Group:
        rows = sorted(rows, key=lambda row: (row['sta"rs'], row["owner"] or "~"))
        owners = np.array([row["owner"] for row in rows], dtype=object)
        return Group([row['sta"rs'] for row in rows], cluster=owners)

    (expected,) = clustered_bootstrap(
        *map(group, sides(table)), draws=320, seed=4, has_common_clusters=True
    )
    assert found["ratio_of_means_low"] is expected.effects["ratio_of_means"].low is None
    for name in set(EFFECTS) - {"ratio_of_means"}:
        assert found[f"{name}_low"] == pytest.approx(expected.effects[name].low, rel=1e-9)
        assert found[f"{name}_high"] == pytest.approx(expected.effects[name].high, rel=1e-9)
    assert found["bootstrap_p_value"] == pytest.approx(expected.p_value, rel=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_all_forms_of_a_file_tell_the_same(table: pa.Table, tmp_path: Path, suffix: str) -> None:
    import pyarrow.csv

    path = tmp_path / f"table{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pyarrow.csv.write_csv(table, tmp_path / "plain.csv")
        data = (tmp_path / "plain.csv").read_bytes()
        path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    found = compare_file(path, "where", 'sta"rs', "owner", draws=160)
    pq.write_table(table, tmp_path / "same.parquet")
    expected = compare_file(tmp_path / "same.parquet", "where", 'sta"rs', "owner", draws=160)
    assert {**found, "seconds": 0} == {**expected, "seconds": 0}


def test_the_first_group_can_be_named(file: Path) -> None:
    there = compare_file(file, "where", 'sta"rs', draws=160)
    back = compare_file(file, "where", 'sta"rs', draws=160, first="hub [x]")
    assert (back["first_group"], back["second_group"]) == ("hub [x]", "git'hub")
    assert back["cliffs_delta"] == -there["cliffs_delta"]
    assert back["hodges_lehmann"] == -there["hodges_lehmann"]
    assert there["cluster_count"] is None


def test_weights_are_copies_but_for_the_test(table: pa.Table, file: Path) -> None:
    found = compare_file(file, "where", 'sta"rs', "owner", "stands for", draws=160)
    first, second = sides(table)
    x, y = (
        [row['sta"rs'] for row in side for _ in range(row["stands for"])]
        for side in (first, second)
    )
    expected = effects(x, y)
    for name in EFFECTS:
        assert found[name] == pytest.approx(getattr(expected, name), rel=1e-12)
    assert found["mann_whitney_u"] is None
    assert found["p_value_method"] == "bootstrap"
    assert found["p_value"] == found["bootstrap_p_value"]
    assert found["first"]["size"] == len(x)


def test_small_groups_with_ties_are_permuted(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text("g,v\n" + "\n".join(f"{'ab'[k % 3 == 0]},{k % 4}" for k in range(40)) + "\n")
    found = compare_file(path, "g", "v", draws=160)
    assert found["p_value_method"] == "asymptotic"
    assert found["permutation_p_value"] == pytest.approx(found["p_value"], abs=0.05)
    path.write_text("g,v\n" + "\n".join(f"{'ab'[k % 3 == 0]},{k * k % 97}" for k in range(20)))
    exact = compare_file(path, "g", "v", draws=160)
    assert (exact["p_value_method"], exact["permutation_p_value"]) == ("exact", None)


def test_what_is_printed_fits_and_says_what_was_left_out(file: Path) -> None:
    printed = run(file, "--group", "where", "--value", 'sta"rs', "--cluster", "owner",
                  "--draws", 160)  # fmt: skip
    assert max(len(line) for line in printed.splitlines()) <= 140
    assert "git'hub against hub [x]" in printed
    for words in ("Cliff's delta", "Hodges-Lehmann shift", "ratio of medians", "trimmed mean",
                  "ratio of mid-medians", "at least 95 %, as values tie", "mid median",
                  "Mann-Whitney U", "bootstrap by owner", "160 draws", "left out"):  # fmt: skip
        assert words in printed, words
    tables = printed.split("Mann-Whitney U")[0]
    assert max(len(line) for line in tables.splitlines()) <= 100


def test_the_command_as_a_script_would_call_it(file: Path, tmp_path: Path) -> None:
    given = ("compare", file.name, "--group", "where", "--draws", 100, "--json")
    done = command.run(*given, "--value", 'sta"rs', folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found, expected = json.loads(done.stdout), compare_file(file, "where", 'sta"rs', draws=100)
    assert found["cliffs_delta"] == expected["cliffs_delta"]
    assert found["draws"] == 112
    done = command.run(*given, "--value", "stars", folder=tmp_path)
    assert done.returncode == 3
    assert "lacks the columns stars" in command.one_line(done.stderr)


def write(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_text(text)
    return path


def test_other_than_two_groups_are_named(tmp_path: Path) -> None:
    three = write(tmp_path, "g,v\na,1\nb,2\nc,3\n")
    with pytest.raises(PermanentFailure, match=r"3 groups in g, not two: a, b, c\."):
        compare_file(three, "g", "v")
    with pytest.raises(PermanentFailure, match=r"1 groups in g, not two: a\."):
        compare_file(write(tmp_path, "g,v\na,1\na,2\n"), "g", "v")
    with pytest.raises(PermanentFailure, match=r"0 groups in g, not two\."):
        compare_file(write(tmp_path, "g,v\n,1\na,\n"), "g", "v")
    many = "".join(f"g{k:02},1\n" for k in range(30))
    with pytest.raises(PermanentFailure, match=r"30 groups.*g00, g01.*g09, \.\.\."):
        compare_file(write(tmp_path, "g,v\n" + many), "g", "v")


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, "g,v,w\na,1,1\nb,2,0\nb,3,1\n")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"group": "x"}, "lacks the columns x"),
        ({"value": "g"}, "not numbers"),
        ({"cluster": "owner"}, "lacks the columns owner"),
        ({"weight": "w"}, "1 weights of w are missing, infinite or not above zero"),
        ({"first": "c"}, "There is no group c in g"),
    ]
    for changes, told in wrong:
        with pytest.raises(PermanentFailure, match=told):
            compare_file(path, **{"group": "g", "value": "v", **changes})
    infinite = write(tmp_path, "g,v\na,1.5\nb,inf\nb,2\n")
    with pytest.raises(PermanentFailure, match="1 values of v are infinite"):
        compare_file(infinite, "g", "v")
    with pytest.raises(PermanentFailure, match="There is no file"):
        compare_file(tmp_path / "none.csv", "g", "v")


def test_whole_numbers_of_a_file_stay_whole(tmp_path: Path) -> None:
    path = write(tmp_path, f"g,v\na,{2**53 + 1}\nb,{2**53}\n")
    found = compare_file(path, "g", "v", draws=160)
    assert (found["mann_whitney_u"], found["hodges_lehmann"]) == (1, 1)


def test_a_number_that_is_not_one_is_unknown(tmp_path: Path) -> None:
    table = pa.table({"g": ["a", "a", "b", "b"], "v": [1.0, math.nan, 2.0, 3.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    found = compare_file(tmp_path / "t.parquet", "g", "v", draws=160)
    assert (found["first_count"], found["second_count"], found["unknown_count"]) == (1, 2, 1)
    # One row has no spread to resample.
    assert found["cliffs_delta"] == -1
    assert found["cliffs_delta_low"] is None


def test_real_repositories(real_data: Path) -> None:
    import pandas as pd
    from scipy.stats import mannwhitneyu

    path = real_data / "repositories" / "ethereum_repositories.csv.gz"
    if not path.is_file():
        pytest.skip(f"no real data: {path}")
    found = json.loads(run(path, "--group", "is_fork", "--value", "star_count",
                           "--cluster", "repo_owner", "--draws", 160, "--json"))  # fmt: skip
    rows = pd.read_csv(path)
    x, y = (rows.loc[rows.is_fork == side, "star_count"].to_numpy() for side in (False, True))
    expected = mannwhitneyu(x, y)
    assert (found["first_group"].lower(), found["second_group"].lower()) == ("false", "true")
    assert (found["first_count"], found["second_count"]) == (x.size, y.size)
    assert found["mann_whitney_u"] == expected.statistic
    assert found["cliffs_delta"] == pytest.approx(
        2 * expected.statistic / (x.size * y.size) - 1, rel=1e-9
    )
    assert found["ratio_of_means"] == pytest.approx(x.mean() / y.mean(), rel=1e-9)
    assert found["ratio_of_medians"] is None
    assert found["cluster_count"] == rows.repo_owner.nunique()
    # Owners matter: without them the interval is far too short.
    blind = compare_file(path, "is_fork", "star_count", draws=160)
    widths = [row["cliffs_delta_high"] - row["cliffs_delta_low"] for row in (found, blind)]
    assert widths[0] > 2 * widths[1]
