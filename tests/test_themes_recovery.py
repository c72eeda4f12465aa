"""From texts with planted themes to corrected shares: what the whole chain recovers of the truth.

Posts of both platforms are those of the synthetic twin, some of them worded as what they are not,
so that a coder is wrong in one direction. Nothing of the chain sees what was planted; the made-up
people who verify do, each with mistakes of their own.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_support import Lake, Post
from databases import database

from assets.study.tables import open_warehouse
from assets.study.themes import marts, tables
from assets.study.themes.codebook import THEMES
from assets.study.themes.coded import CodedBy, code_corpus
from assets.study.themes.corpus import update_corpus
from assets.study.themes.fieldwork import draw_from_warehouse
from assets.study.themes.frame import coded_messages, frame_messages
from assets.study.themes.labels import Label, append_labels
from assets.study.themes.verification import read_sample
from orchestration.settings import StudySettings
from twin import reviewers, words
from twin.scales import SCALES
from twin.texts import Texts
from twin.truth import THEMES as PLANTED
from twin.world import build_world

STUDY = StudySettings.model_validate({"themes": {"training_limit": 1_500}})
COUNTS = {"github": 2_400, "huggingface": 1_600}
DAY = date(2025, 10, 7)
# Told as a bug where it is a question of usage, on both platforms.
MISTAKEN = ("bug_report", "usage_problem")


@dataclass
class Chain:
    """What was planted, and what became of it."""

    path: Path
    folder: Path
    planted: dict[str, str]
    first: list[CodedBy]
    rows: list[dict[str, Any]]


def posts_of(platform: str, texts: Texts) -> tuple[list[Post], list[str]]:
    """Posts with texts of the twin, and their primary themes."""
    n = COUNTS[platform]
    place, number = np.arange(n) % 60, np.arange(n) // 60 + 1
    is_github = platform == "github"
    themes = texts.theme(place, number) if is_github else texts.hub_theme(place, number)
    titles = texts.titles_at(place, number) if is_github else texts.hub_titles_at(place, number)
    bodies = texts.bodies_at(place, number) if is_github else texts.hub_bodies_at(place, number)
    posts = [
        Post(
            int(place[k]) + 1 if is_github else f"owner/m{place[k]}", int(number[k]),
            texts.titles.texts[titles[k]].replace("\x00", ""), texts.bodies.texts[bodies[k]],
            author=k % 500 if is_github else f"person{k % 500}", hour=k % 24, day=DAY,
            labels=(words.LABELS[themes.label[k]],) if themes.label[k] >= 0 else (),
        )
        for k in range(n)
    ]  # fmt: skip
    return posts, [PLANTED[words.THEMES[theme]] for theme in themes.primary.tolist()]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    place = tmp_path_factory.mktemp("recovery")
    texts = Texts(build_world(SCALES["tiny"], 3, date(2025, 10, 6)))
    lake, planted = Lake(place / "w.duckdb"), {}
    for platform in COUNTS:
        posts, themes = posts_of(platform, texts)
        lake.add(*posts)
        planted |= dict(zip((post.key for post in posts), themes, strict=True))
    update_corpus(lake.path)
    first = code_corpus(lake.path, STUDY, place / "state", place / "themes")
    folder = place / "samples"
    draw_from_warehouse(lake.path, STUDY, folder, "first")
    verify(folder, planted)
    return Chain(lake.path, folder, planted, first, rows_of(lake.path, folder))


def verify(folder: Path, planted: dict[str, str]) -> None:
    """Two made-up people code the sample, and settle what they differ on."""
    rng, back = np.random.default_rng(4), {study: twin for twin, study in PLANTED.items()}
    said = [
        one
        for key in read_sample(folder, "first").keys
        for one in reviewers.of_post(key, back[planted[key]], None, rng)
    ]
    for coder in (*reviewers.CODERS, reviewers.SETTLED):
        append_labels(folder, [
            Label("first", one.message_key, coder, one.primary, (), False, datetime.now(UTC), "1")
            for one in said if one.coder == coder
        ])  # fmt: skip


def rows_of(path: Path, folder: Path) -> list[dict[str, Any]]:
    with open_warehouse(path, read_only=True) as connection:
        frame_messages(connection, STUDY)
        coded_messages(connection, STUDY.themes.abstain_below)
        samples = marts.verified_samples(folder)
        return marts.prevalence_rows(connection, STUDY, DAY, samples)


def shares(chain: Chain, platform: str) -> dict[str, tuple[float, dict[str, Any]]]:
    """Theme to its planted share of the frame, and the row of all its posts."""
    own = [theme for key, theme in chain.planted.items() if key.startswith(platform)]
    counts = Counter(own)
    return {
        row["theme"]: (counts[row["theme"]] / len(own), row)
        for row in chain.rows
        if row["platform"] == platform and row["slice"] == "all"
    }


@pytest.mark.parametrize("platform", COUNTS)
def test_planted_shares_lie_in_the_corrected_intervals(chain: Chain, platform: str) -> None:
    found = shares(chain, platform)
    assert set(found) == set(THEMES)
    for theme, (planted, row) in found.items():
        assert row["message_count"] == COUNTS[platform]
        for kind in ("prediction_powered", "rogan_gladen"):
            low, high = row[f"{kind}_low"], row[f"{kind}_high"]
            assert low <= planted <= high, (platform, theme, kind, planted, low, high)
            assert high - low < 0.1


@pytest.mark.parametrize("platform", COUNTS)
def test_shares_as_coded_are_wrong_where_wording_misleads(chain: Chain, platform: str) -> None:
    for theme in MISTAKEN:
        planted, row = shares(chain, platform)[theme]
        assert not row["uncorrected_low"] <= planted <= row["uncorrected_high"], theme
        is_more = row["uncorrected_share"] > planted
        assert is_more == (theme == "bug_report")


def test_a_second_run_codes_nothing_and_a_changed_post_alone(chain: Chain, tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    path.write_bytes(chain.path.read_bytes())
    state = tmp_path / "state"
    (state / "themes").mkdir(parents=True)
    for kept in (chain.path.parent / "state" / "themes").iterdir():
        (state / "themes" / kept.name).write_bytes(kept.read_bytes())
    again = code_corpus(path, STUDY, state, tmp_path / "themes")
    assert [(one.coded_count, one.trained_on, one.version) for one in again] == [
        (0, None, chain.first[0].version)
    ]
    lake = Lake.__new__(Lake)
    lake.path, lake.posts = path, {}
    lake.add(Post(1, 1, "A new title", "It crashes with an exception at every start now.", day=DAY))
    update_corpus(path)
    (changed,) = code_corpus(path, STUDY, state, tmp_path / "themes")
    assert changed.coded_count == 1
    # Without the state the coder is trained anew, to the same version.
    (anew,) = code_corpus(path, STUDY, tmp_path / "other", tmp_path / "themes")
    assert anew.trained_on is not None


def test_a_killed_run_goes_on_where_it_was(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.duckdb"
    path.write_bytes(chain.path.read_bytes())
    with database(path) as connection:
        connection.execute(f"DELETE FROM {tables.CODED.name}")
    state = chain.path.parent / "state"
    monkeypatch.setattr("assets.study.themes.coded.BATCH_SIZE", {"linear": 500})

    def stop(coder: str, done: int, total: int) -> None:
        if done >= 1_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        code_corpus(path, STUDY, state, tmp_path / "themes", stop)
    told: list[tuple[int, int]] = []
    (rest,) = code_corpus(
        path, STUDY, state, tmp_path / "themes", lambda _, done, total: told.append((done, total))
    )
    assert rest.coded_count == told[-1][0] == told[-1][1] <= chain.first[0].total_count - 1_000
    assert codings(path) == codings(chain.path)


def codings(path: Path) -> list[Any]:
    with database(path, read_only=True) as connection:
        return connection.execute(
            f"SELECT * REPLACE (round(probability, 9) AS probability) FROM {tables.CODED.name}"
            " ORDER BY message_key, theme"
        ).fetchall()


def test_the_coders_facts_say_what_it_was_made_of(chain: Chain) -> None:
    facts = json.loads((chain.path.parent / "state" / "themes" / "linear.json").read_text())
    assert facts["version"] == chain.first[0].version
    assert facts["trained_on"] == chain.first[0].trained_on <= 1_500 + 400
    assert facts["message_count"] == chain.first[0].total_count
