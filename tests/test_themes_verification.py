"""Verification samples: sizes, permanence, files, decisions, figures, and the commands on them."""

import json
import math
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from assets.study.themes import verification
from assets.study.themes.labelling.posts import read_posts
from assets.study.themes.labels import Label, append_label, consensus_of, labels_of
from assets.study.themes.verification import (
    COLUMNS,
    Spoken,
    VerificationSample,
    decisions_of,
    draw_sample,
    read_sample,
    size_for,
    write_sample,
)
from assets.study.themes.verified import agreement_rows, prevalence_rows
from assets.study.themes.verified_files import file_agreement, file_prevalence, read_labels
from orchestration import themes_verification_cli
from orchestration.failures import OsmoscopeError, PermanentFailure, SettingsError

THEMES = ("bug_report", "suggestion", "usage_problem", "performance_evaluation", "others")
SHARES = (0.40, 0.28, 0.16, 0.04, 0.12)
HOSTILE = "=1+1\x00 \u202egnp.exe <b>'; --\n"


def frame_of(count: int, first: int = 0, seed: int = 1) -> tuple[pa.Table, dict[str, str]]:
    """Messages of two platforms with a machine's theme, and the true themes."""
    rng = np.random.default_rng([seed, first])
    truth = rng.choice(5, count, p=SHARES)
    machine = np.where(rng.random(count) < 0.75, truth, rng.integers(0, 5, count))
    keys = [f"m{first + at}" for at in range(count)]
    table = pa.table({
        "message_key": keys,
        "platform": [("github", "huggingface")[at % 3 == 0] for at in range(count)],
        "primary": [THEMES[one] for one in machine],
        "title": [f"title {at}" for at in range(count)],
        "body": [HOSTILE] * count,
        "repository_key": ["r"] * count,
        "language": ["en"] * count,
    })  # fmt: skip
    return table, {key: THEMES[one] for key, one in zip(keys, truth, strict=True)}


def codings_of(frame: pa.Table) -> pa.Table:
    rows = [
        {"message_key": key, "coder": "linear", "coder_version": "v1", "theme": theme,
         "probability": 0.8 if theme == primary else 0.05, "is_primary": theme == primary}
        for key, primary in zip(frame["message_key"].to_pylist(), frame["primary"].to_pylist(),
                                strict=True)
        for theme in THEMES
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


def sizes_of(sample: VerificationSample) -> dict[str, int]:
    found: dict[str, int] = {}
    for stratum in sample.strata:
        found[stratum.platform] = found.get(stratum.platform, 0) + stratum.sample_count
    return found


# ---------------------------------------------------------------- drawing


@pytest.mark.parametrize(
    ("margin", "frame", "size"),
    [(0.05, 10**9, 385), (0.05, 1000, 278), (0.05, 100, 80), (0.03, 10**9, 1068), (0.05, 1, 1)],
)
def test_sizes_are_those_of_tables(margin: float, frame: int, size: int) -> None:
    assert size_for(margin, frame) == size
    many = size * (frame - 1) / max(frame - size, 1e-9) if size < frame else math.inf
    assert 1.96 * 0.5 / math.sqrt(many) <= margin + 1e-4


def test_a_margin_that_is_none_is_refused() -> None:
    for margin in (0, 0.5, -1, 5, math.nan):
        with pytest.raises(PermanentFailure, match="margin"):
            size_for(margin, 100)


def test_the_sample_is_as_large_as_each_platform_needs_and_covers_each_theme() -> None:
    frame, _ = frame_of(9000)
    sample = draw_sample(frame, "s")
    by_name = {stratum.name: stratum for stratum in sample.strata}
    for platform, size in sizes_of(sample).items():
        count = sum(one.frame_count for one in sample.strata if one.platform == platform)
        assert size_for(0.05, count) <= size <= size_for(0.05, count) + 2 * 30
    assert all(one.sample_count >= min(30, one.frame_count) for one in sample.strata)
    rows = sample.rows.to_pylist()
    assert tuple(rows[0]) == COLUMNS
    assert len({row["message_key"] for row in rows}) == len(rows)
    assert [row["place"] for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        stratum = by_name[row["stratum"]]
        assert row["weight"] == pytest.approx(stratum.frame_count / stratum.sample_count)
        assert row["stratum_count"] == stratum.frame_count
        assert row["sample_count"] == stratum.sample_count
        assert row["title"] == f"title {row['message_key'][1:]}" and row["body"] == HOSTILE
    assert sum(row["weight"] for row in rows) == pytest.approx(9000)
    assert sample.sample().weight.sum() == pytest.approx(9000)
    assert sample.sample("github").weight.sum() == pytest.approx(6000)
    own, inside = sample.of("huggingface")
    assert own.weight.sum() == pytest.approx(3000)
    assert {rows[at]["platform"] for at in inside} == {"huggingface"}


def test_coders_are_blind() -> None:
    """Nothing that they could look into tells the machine's theme; nor does the order."""
    frame, _ = frame_of(3000)
    sample = draw_sample(frame, "s", codings=codings_of(frame))
    shown = [json.dumps(row) for row in sample.rows.drop(["title", "body"]).to_pylist()]
    assert not any(theme in row for theme in THEMES for row in shown)
    others = [draw_sample(frame, "s", seed=seed) for seed in range(4)]
    orders = {tuple(other.meanings[one.name] for one in other.strata) for other in others}
    assert len(orders) > 1
    themes = [sample.meanings[name] for name in sample.rows["stratum"].to_pylist()]
    # In random order neighbours have the same theme as often as any two have.
    shares = np.unique(themes, return_counts=True)[1] / len(themes)
    neighbours = np.mean([a == b for a, b in pairwise(themes)])
    assert abs(neighbours - (shares**2).sum()) < 0.07


def test_the_same_seed_draws_the_same_whatever_the_order() -> None:
    frame, _ = frame_of(3000)
    mixed = frame.take(np.random.default_rng(0).permutation(3000))
    first, second = draw_sample(frame, "s"), draw_sample(mixed, "s")
    assert first.rows.equals(second.rows) and first.strata == second.strata
    assert set(draw_sample(frame, "s", seed=3).keys) != set(first.keys)


def test_a_small_frame_is_taken_whole_and_a_given_size_is_kept() -> None:
    frame, _ = frame_of(60)
    whole = draw_sample(frame, "s")
    assert whole.rows.num_rows == 60
    assert set(whole.rows["weight"].to_pylist()) == {1.0}
    frame, _ = frame_of(6000)
    assert sizes_of(draw_sample(frame, "s", size=200, least=5)) == {"github": 200,
                                                                    "huggingface": 200}  # fmt: skip
    with pytest.raises(PermanentFailure, match="too small"):
        draw_sample(frame, "s", size=20)


def test_messages_without_a_theme_are_a_stratum() -> None:
    frame, _ = frame_of(500)
    none = frame.set_column(2, "primary", pa.array([None] * 500, pa.string()))
    assert set(draw_sample(none, "s").meanings.values()) == {"none"}
    assert (
        draw_sample(none.drop(["primary", "title", "body"]), "s").rows["title"][0].as_py() is None
    )


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"message_key": ["a", "a"], "platform": ["p", "p"]}, "occurs before"),
        ({"message_key": ["a", None], "platform": ["p", "p"]}, "no key or no platform"),
        ({"message_key": ["a", "b"], "platform": ["p", None]}, "no key or no platform"),
        ({"message_key": ["a"]}, "no column platform"),
        ({"message_key": pa.array([], pa.string()), "platform": pa.array([], pa.string())},
         "no messages"),
    ],
)  # fmt: skip
def test_frames_that_cannot_be_are_refused(columns: dict[str, Any], told: str) -> None:
    with pytest.raises(PermanentFailure, match=told):
        draw_sample(pa.table(columns), "s")


def test_codings_that_cannot_be_are_refused() -> None:
    frame, _ = frame_of(40)
    codings = codings_of(frame)
    twice = pa.concat_tables([codings, codings.slice(0, 1)])
    with pytest.raises(PermanentFailure, match="twice"):
        draw_sample(frame, "s", codings=twice)
    flags = codings["is_primary"].to_pylist()
    flags[flags.index(True)] = False
    with pytest.raises(PermanentFailure, match="one primary theme"):
        draw_sample(frame, "s", codings=codings.set_column(5, "is_primary", pa.array(flags)))
    versions = ["v2", *["v1"] * (codings.num_rows - 1)]
    other = codings.set_column(2, "coder_version", pa.array(versions))
    with pytest.raises(PermanentFailure, match="two versions"):
        draw_sample(frame, "s", codings=other)
    with pytest.raises(PermanentFailure, match="no column coder"):
        draw_sample(frame, "s", codings=codings.drop(["coder"]))


def test_a_sample_is_extended_without_losing_what_was_coded() -> None:
    frame, _ = frame_of(6000)
    first = draw_sample(frame, "s")
    larger = pa.concat_tables([frame, frame_of(1500, 6000)[0]])
    again, extended = draw_sample(larger, "s"), draw_sample(larger, "s", older=first)
    lost = set(first.keys) - set(again.keys)
    assert 0 < len(lost) < 0.35 * len(first.keys)
    assert extended.dropped == () and set(first.keys) <= set(extended.keys)
    assert set(again.keys) <= set(extended.keys)
    assert extended.rows.num_rows < 1.6 * first.rows.num_rows
    places = dict(zip(extended.keys, extended.rows["place"].to_pylist(), strict=True))
    assert [places[key] for key in first.keys] == list(range(1, len(first.keys) + 1))
    assert len(set(places.values())) == len(places)
    assert sum(extended.rows["weight"].to_pylist()) == pytest.approx(7500)
    # Of a frame that grew sixfold not everything can stay.
    much = pa.concat_tables([frame, frame_of(30_000, 6000)[0]])
    grown = draw_sample(much, "s", older=first)
    assert grown.dropped and set(grown.dropped) == set(first.keys) - set(grown.keys)
    assert grown.rows.num_rows <= 2 * draw_sample(much, "s").rows.num_rows
    # Messages that are gone are dropped, and nothing else.
    fewer = frame.filter(pa.array([key not in first.keys[:10] for key in
                                   frame["message_key"].to_pylist()]))  # fmt: skip
    assert set(draw_sample(fewer, "s", older=first).dropped) == set(first.keys[:10])
    with pytest.raises(PermanentFailure, match="seed"):
        draw_sample(frame, "s", older=first, seed=5)


def test_extension_keeps_estimates_right() -> None:
    """Drawing on until the older messages are in is no bias that could be seen."""
    frame, truth = frame_of(3000)
    larger_part, more = frame_of(600, 3000)
    larger = pa.concat_tables([frame, larger_part])
    true = {**truth, **more}
    share = np.mean([one == "bug_report" for one in true.values()])
    found = []
    for seed in range(8):
        older = draw_sample(frame, "s", size=60, least=2, seed=seed)
        sample = draw_sample(larger, "s", size=60, least=2, seed=seed, older=older)
        is_bug = np.array([true[key] == "bug_report" for key in sample.keys])
        found.append(float(sample.sample().weight @ is_bug) / 3600)
    assert abs(np.mean(found) - share) < 3.5 * np.std(found) / math.sqrt(8)


# ---------------------------------------------------------------- files


def written(tmp_path: Path, count: int = 1500) -> tuple[VerificationSample, dict[str, str]]:
    frame, truth = frame_of(count)
    sample = draw_sample(frame, "first", codings=codings_of(frame))
    write_sample(tmp_path, sample)
    return sample, truth


def test_a_sample_is_read_as_it_was_drawn(tmp_path: Path) -> None:
    sample, _ = written(tmp_path)
    found = read_sample(tmp_path, "first")
    assert found == sample or (
        found.rows.equals(sample.rows) and found.machine.equals(sample.machine)
        and found.strata == sample.strata and found.totals == sample.totals
        and found.meanings == sample.meanings and found.margin == sample.margin
    )  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == [
        "machine.parquet", "sample.json", "sample.parquet"
    ]  # fmt: skip
    design = (tmp_path / "first" / "sample.json").read_text()
    assert not any(theme in design for theme in THEMES)
    posts = read_posts(tmp_path, "first")
    assert [post.message_key for post in posts] == sample.keys


def test_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    sample, _ = written(tmp_path)
    path = tmp_path / "first" / "sample.parquet"
    content = path.read_bytes()
    for spoilt in (content[: len(content) // 2], b"", b"PAR1"):
        path.write_bytes(spoilt)
        with pytest.raises(PermanentFailure, match="cannot be read"):
            read_sample(tmp_path, "first")
    pq.write_table(sample.rows, path)
    with pytest.raises(PermanentFailure, match="no verification sample"):
        read_sample(tmp_path, "first")
    path.write_bytes(content)
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(PermanentFailure, match="lacks messages"):
        read_sample(tmp_path, "first")
    pq.write_table(table.drop(["weight"]), path)
    with pytest.raises(PermanentFailure, match="no column weight"):
        read_sample(tmp_path, "first")
    path.unlink()
    with pytest.raises(PermanentFailure, match="There is no"):
        read_sample(tmp_path, "first")
    with pytest.raises(PermanentFailure, match="no sample none"):
        read_sample(tmp_path, "none")
    with pytest.raises(SettingsError, match="no name"):
        read_sample(tmp_path, "../first")


@pytest.mark.parametrize("survives", [0, 1, 2])
def test_a_kill_between_files_leaves_a_sample(
    tmp_path: Path, survives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample, _ = written(tmp_path)
    frame, _ = frame_of(2500)
    other = draw_sample(frame, "first", codings=codings_of(frame), older=sample)
    write, left = verification.write_whole, [survives]

    def killed(path: Path, content: bytes) -> None:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        write(path, content)

    monkeypatch.setattr(verification, "write_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, other)
    monkeypatch.undo()
    found = read_sample(tmp_path, "first")
    assert found.rows.equals(other.rows if survives == 2 else sample.rows)
    assert prevalence_rows(found, [], draws=100)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    sample = draw_sample(frame_of(50)[0], "first")
    (tmp_path / "first").write_text("in the way")
    with pytest.raises(PermanentFailure, match="cannot be written"):
        write_sample(tmp_path, sample)


# ---------------------------------------------------------------- decisions


def said(key: str, coder: str, primary: str | None, *secondary: str) -> Spoken:
    return Spoken(key, coder, primary, secondary)


def test_what_coders_decide() -> None:
    labels = [
        said("both", "ann", "a", "b", "c"), said("both", "bo", "a", "c"),
        said("open", "ann", "a"), said("open", "bo", "b"),
        said("resolved", "ann", "a"), said("resolved", "bo", "b"),
        said("resolved", "consensus", "c", "a"),
        said("single", "ann", "a"),
        said("unclear", "ann", None), said("unclear", "bo", None),
        said("given up", "ann", "a"), said("given up", "consensus", None),
        said("three", "ann", "a"), said("three", "bo", "a"), said("three", "cy", "b"),
    ]  # fmt: skip
    found = {key: (one.state, one.primary, set(one.applies))
             for key, one in decisions_of(labels).items()}  # fmt: skip
    assert found == {
        "both": ("agreed", "a", {"a", "c"}), "open": ("open", None, set()),
        "resolved": ("resolved", "c", {"a", "c"}), "single": ("single", None, set()),
        "unclear": ("open", None, set()), "given up": ("unclear", None, set()),
        "three": ("open", None, set()),
    }  # fmt: skip
    assert verification.consensus_of(labels) == {"both": "a", "resolved": "c"}


def test_decisions_are_those_of_the_labels() -> None:
    """The page resolves disagreements by the same rule."""
    rng = np.random.default_rng(2)
    labels = []
    for key in map(str, range(300)):
        for coder in ("ann", "bo", "consensus"):
            if rng.random() < (0.9 if coder != "consensus" else 0.3):
                one = [None, *THEMES][rng.integers(6)] if rng.random() < 0.5 else THEMES[0]
                labels.append(Label("s", key, coder, one, (), one is None, datetime.now(UTC), "1"))
    page = {one.message_key: one.primary for one in consensus_of(labels)
            if one.primary is not None}  # fmt: skip
    assert verification.consensus_of(labels) == page


# ---------------------------------------------------------------- figures


def labelled(folder: Path, sample: VerificationSample, truth: dict[str, str]) -> None:
    """Two coders who are right nine times in ten, who then resolve most of their differences."""
    rng = np.random.default_rng(5)
    place = folder / sample.name / "labels"
    place.mkdir()
    now = datetime.now(UTC).isoformat()
    lines: dict[str, list[str]] = {"ann": [], "bo": [], "consensus": []}
    for key in sample.keys:
        given = [truth[key] if rng.random() < 0.9 else THEMES[rng.integers(5)] for _ in range(2)]
        if given[0] != given[1] and rng.random() < 0.9:
            given.append(truth[key])
        for coder, primary in zip(lines, given, strict=False):
            lines[coder].append(json.dumps({
                "sample": sample.name, "message_key": key, "coder": coder, "primary": primary,
                "secondary": [], "is_unclear": False, "labelled_at": now, "seconds": 1.0,
                "codebook_version": "1",
            }))  # fmt: skip
    for coder, of in lines.items():
        (place / f"{coder}.jsonl").write_text("".join(line + "\n" for line in of))
    append_label(folder, Label(sample.name, "not in the sample", "ann", "others", (), False,
                               datetime.now(UTC), "1"))  # fmt: skip


def test_figures_of_a_labelled_sample(tmp_path: Path) -> None:
    sample, truth = written(tmp_path, 4500)
    labelled(tmp_path, sample, truth)
    labels = labels_of(tmp_path, "first")
    rows = agreement_rows(sample, labels, draws=300)
    alpha = [row for row in rows if row["measure"] == "krippendorff_alpha"
             and row["pair"] == "people"]  # fmt: skip
    assert [row["platform"] for row in alpha] == ["github", "huggingface", "all"]
    assert all(0.65 < row["value"] < 0.9 for row in alpha)
    assert alpha[2]["message_count"] == sample.rows.num_rows
    frame, _ = frame_of(4500)
    machine = dict(zip(*(frame[name].to_pylist() for name in ("message_key", "primary")),
                       strict=True))  # fmt: skip
    hub = [key for at, key in enumerate(machine) if at % 3 == 0]
    right = np.mean([machine[key] == truth[key] for key in hub])
    found = next(row for row in rows if row["measure"] == "agreement"
                 and row["coder"] == "linear" and row["platform"] == "huggingface")  # fmt: skip
    assert found["value_low"] < right < found["value_high"]
    made = prevalence_rows(sample, labels, draws=200)
    assert len(made) == 2 * 5 * 4
    keys_of = {"huggingface": hub, "github": [k for at, k in enumerate(machine) if at % 3]}
    for row in made:
        keys = keys_of[row["platform"]]
        if row["estimator"] == "machine":
            coded = np.mean([machine[key] == row["theme"] for key in keys])
            assert row["value"] == pytest.approx(coded)
        elif row["theme"] == "bug_report":
            true = np.mean([truth[key] == "bug_report" for key in keys])
            assert abs(row["value"] - true) < 0.08
    soft = prevalence_rows(sample, labels, by_probability=True, draws=100)
    assert [row["theme"] for row in soft] == [row["theme"] for row in made]
    wide = prevalence_rows(sample, labels, of="applies", draws=100)
    assert [row["value"] for row in wide] == pytest.approx([row["value"] for row in made], abs=0.02)


def test_a_sample_that_nobody_labelled(tmp_path: Path) -> None:
    sample, _ = written(tmp_path)
    assert all(row["value"] is None and row["reason"] for row in agreement_rows(sample, []))
    for row in prevalence_rows(sample, []):
        assert (row["value"] is None) == (row["estimator"] != "machine")
    alone = [Spoken(key, "ann", "others") for key in sample.keys]
    assert {row["value"] for row in agreement_rows(sample, alone)} == {None}


# ---------------------------------------------------------------- files of any user, commands


def table_of(path: Path, rows: list[dict[str, Any]]) -> Path:
    import csv

    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_labels_of_any_file(tmp_path: Path) -> None:
    rows = [{"key": f"k{at}", "who": who, "theme": "ab"[at % 3 == 0 and who == "x"]}
            for at in range(60) for who in ("x", "y", "z")]  # fmt: skip
    path = table_of(tmp_path / "labels.csv", rows)
    labels = read_labels(path, unit="key", coder="who", label="theme")
    found = {row["measure"]: row for row in file_agreement(labels, machine="x", draws=100)
             if row["pair"] == "machine"}  # fmt: skip
    assert found["agreement"]["value"] == pytest.approx(2 / 3)
    judged = file_agreement(labels, machine="x", truth="z", draws=100)
    assert any(row["other_coder"] == "z" and row["value"] for row in judged)
    with pytest.raises(PermanentFailure, match="no coder q"):
        file_agreement(labels, machine="q")
    with pytest.raises(PermanentFailure, match="no column primary"):
        read_labels(path, unit="key", coder="who")
    table_of(path, [{"key": key, "who": "x", "theme": "a"} for key in ("7", "007", "7.0", "1e5")])
    assert [label.message_key for label in read_labels(path, unit="key", coder="who",
            label="theme")] == ["7", "007", "7.0", "1e5"]  # fmt: skip
    table_of(path, [rows[0], rows[0]])
    with pytest.raises(PermanentFailure, match="two labels"):
        read_labels(path, unit="key", coder="who", label="theme")
    table_of(path, [{**rows[0], "who": ""}])
    with pytest.raises(PermanentFailure, match="has no key or no who"):
        read_labels(path, unit="key", coder="who", label="theme")
    with pytest.raises(PermanentFailure, match="There is no file"):
        read_labels(tmp_path / "none.csv")


def test_prevalence_of_any_files(tmp_path: Path) -> None:
    frame, truth = frame_of(4000)
    coded = table_of(tmp_path / "coded.csv", [
        {"id": row["message_key"], "label": row["primary"], "platform": row["platform"]}
        for row in frame.to_pylist()
    ])  # fmt: skip
    sample = draw_sample(frame, "s")
    labels = [Spoken(key, coder, truth[key]) for key in sample.keys for coder in ("a", "b")]
    rows = file_prevalence(coded, labels, unit="id", platform="platform", stratum="label", draws=99)
    ours = {(row["platform"], row["theme"]): row["value"] for row in rows
            if row["estimator"] == "human"}  # fmt: skip
    for platform in ("github", "huggingface"):
        drawn, inside = sample.of(platform)
        is_bug = np.array([truth[sample.keys[at]] == "bug_report" for at in inside])
        expected = float(drawn.weight @ is_bug / drawn.weight.sum())
        assert ours[platform, "bug_report"] == pytest.approx(expected)
    with pytest.raises(PermanentFailure, match="has a label that people decided"):
        file_prevalence(coded, labels[::2], unit="id")
    assert file_prevalence(coded, labels[::2], unit="id", truth="a", draws=99)
    with pytest.raises(PermanentFailure, match="Nobody labelled"):
        file_prevalence(coded, labels[:2], unit="id", stratum="label")


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    app = typer.Typer(rich_markup_mode=None)
    for name in ("sample_draw", "agreement", "prevalence"):
        app.command(name.replace("_", "-"))(getattr(themes_verification_cli, name))

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments))
        if isinstance(result.exception, OsmoscopeError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return str(result.output)

    return call


def test_the_commands(tmp_path: Path, commands: Any) -> None:
    frame, truth = frame_of(4000)
    table_of(tmp_path / "frame.csv", frame.drop(["primary"]).append_column(
        "label", frame["primary"]).to_pylist())  # fmt: skip
    draw = (
        "sample-draw",
        "frame.csv",
        "--name",
        "first",
        "--platform",
        "platform",
        "--by",
        "label",
    )
    told = commands(*draw)
    assert "texts in" in told and "github-0" in told
    with pytest.raises(SettingsError, match="There is a sample"):
        commands(*draw)
    for wrong in (("--margin", "0.1", "--size", "9"), ("--codings", "frame.csv")):
        with pytest.raises(SettingsError, match="both"):
            commands(*draw, *wrong)
    again = json.loads(commands(*draw, "--extend", "--json"))
    assert again["dropped"] == [] and again["margin"] == 0.05
    folder = tmp_path / "data" / "themes" / "samples"
    sample = read_sample(folder, "first")
    labelled(folder, sample, truth)
    told = commands("agreement", "first", "--confusion", "--draws", "100")
    assert "f1 performance_evaluation" in told and "taken for" in told
    assert max(map(len, told.splitlines())) <= 80
    rows = json.loads(commands("agreement", "first", "--json", "--draws", "100"))
    assert {row["pair"] for row in rows} == {"people", "machine"}
    told = commands("prevalence", "first", "--draws", "100")
    assert "prediction_powered" in told and "to" in told
    assert max(len(line) for line in told.splitlines() if "rows:" not in line) <= 80
    assert len(json.loads(commands("prevalence", "first", "--json", "--draws", "100"))) == 40
    with pytest.raises(SettingsError, match="--labels"):
        commands("prevalence", "first", "--labels", "frame.csv")
    with pytest.raises(SettingsError, match="has no labels"):
        commands("prevalence", "frame.csv")
    table_of(tmp_path / "labels.csv", [
        {"message_key": key, "coder": coder, "primary": truth[key]}
        for key in sample.keys for coder in ("a", "b")
    ])  # fmt: skip
    told = commands("prevalence", "frame.csv", "--labels", "labels.csv", "--stratum", "label",
                    "--platform", "platform")  # fmt: skip
    assert "huggingface" in told
    assert "alpha" in commands("agreement", "labels.csv", "--machine", "a", "--truth", "b")
    with pytest.raises(PermanentFailure, match="no column key"):
        commands("agreement", "labels.csv", "--unit", "key")


def test_strata_by_a_coder_of_a_file_of_codings(tmp_path: Path, commands: Any) -> None:
    frame, _ = frame_of(1000)
    pq.write_table(frame.drop(["primary"]), tmp_path / "frame.parquet")
    codings = codings_of(frame)
    other = codings.set_column(1, "coder", pa.array(["llm"] * codings.num_rows))
    pq.write_table(codings, tmp_path / "one.parquet")
    pq.write_table(pa.concat_tables([codings, other]), tmp_path / "two.parquet")
    table_of(tmp_path / "one.csv", codings.to_pylist())
    commands("sample-draw", "frame.parquet", "--name", "csv", "--codings", "one.csv")
    commands("sample-draw", "frame.parquet", "--name", "one", "--codings", "one.parquet")
    draw = ("sample-draw", "frame.parquet", "--name", "two", "--codings", "two.parquet")
    with pytest.raises(PermanentFailure, match="linear, llm"):
        commands(*draw)
    commands(*draw, "--by-coder", "llm")
    folder = tmp_path / "data" / "themes" / "samples"
    first, second = read_sample(folder, "one"), read_sample(folder, "two")
    assert first.keys == second.keys == read_sample(folder, "csv").keys
    assert read_sample(folder, "csv").totals == first.totals
    table_of(tmp_path / "own.csv", [
        {"message_key": key, "theme": "a b'c"[at % 3 : at % 3 + 2] if at else ""}
        for at, key in enumerate(map(str, range(90)))
    ])  # fmt: skip
    commands("sample-draw", "own.csv", "--name", "own", "--by", "theme")
    own = read_sample(folder, "own")
    assert set(own.meanings.values()) == {"a ", " b", "b'", "none"}
    (tmp_path / "broken.csv").write_text('message_key,label\na,"b\nc,d\n')
    with pytest.raises(PermanentFailure):
        commands("sample-draw", "broken.csv", "--name", "broken", "--by", "label", "--unit", "x")
    assert {total.coder for total in second.totals} == {"linear", "llm"}
    assert second.machine.num_rows == 2 * first.machine.num_rows
    assert len(prevalence_rows(second, [])) == 2 * 5 * 4
