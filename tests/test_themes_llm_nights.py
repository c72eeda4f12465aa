"""A language model among a study's coders: nights that code, stop and go on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from corpus_support import Lake, Post
from databases import database
from fake_llm import FakeLlm, serving

from assets.study.themes import open_codes
from assets.study.themes.coded import CodedBy, code_corpus
from assets.study.themes.corpus import update_corpus
from assets.study.themes.fieldwork import open_codes as write_codes
from orchestration.failures import PermanentFailure
from orchestration.settings import StudySettings

WORDS = ("The crash comes at every start", "How do I set the folder", "Please add more formats",
         "A benchmark of both versions")  # fmt: skip


@dataclass
class House:
    lake: Lake
    folder: Path

    def night(self, **llm: object) -> list[CodedBy]:
        """Update and code as a night does."""
        study = StudySettings.model_validate({"themes": {"coders": ["linear", "llm"], "llm": llm}})
        update_corpus(self.lake.path)
        return code_corpus(self.lake.path, study, self.folder / "state", self.folder / "themes")

    def coded(self, coder: str) -> dict[str, str]:
        with database(self.lake.path, read_only=True) as connection:
            rows = connection.execute(
                "SELECT message_key, theme FROM core.fct_message_theme"
                " WHERE coder = $coder AND is_primary", {"coder": coder},
            ).fetchall()  # fmt: skip
        return dict(rows)


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with serving() as endpoint:
        yield endpoint


@pytest.fixture
def house(tmp_path: Path) -> House:
    lake = Lake(tmp_path / "w.duckdb").add(
        *(Post(1, at + 1, f"{WORDS[at % 4]}, seen in part {at} of it", f"Number {at}: " + text * 3,
               author=at + 1)
          for at, text in enumerate(f"{WORDS[k % 4]} {k}. " for k in range(8)))
    )  # fmt: skip
    return House(lake, tmp_path)


def endpoint_of(fake: FakeLlm) -> dict[str, object]:
    return {"provider": "openai", "model": "local", "base_url": fake.openai_url,
            "attempts": 2, "requests_per_minute": None}  # fmt: skip


def test_with_no_endpoint_everything_else_runs_and_it_is_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    linear, llm = house.night()
    assert (linear.coded_count, linear.stopped) == (8, None)
    assert llm.coded_count == 0
    assert llm.stopped
    _, llm = house.night(provider="anthropic", model="claude-haiku-4-5")
    assert "ANTHROPIC_API_KEY" in str(llm.stopped)
    assert len(house.coded("linear")) == 8


def test_both_coders_code_and_a_second_night_asks_nothing(house: House, fake: FakeLlm) -> None:
    linear, llm = house.night(**endpoint_of(fake))
    assert (linear.coded_count, llm.coded_count, llm.stopped) == (8, 8, None)
    assert len(fake.asked) == 8
    assert house.coded("llm")["github:repository:1:1"] == "bug_report"
    again = house.night(**endpoint_of(fake))
    assert [one.coded_count for one in again] == [0, 0]
    assert len(fake.asked) == 8
    house.lake.add(Post(1, 9, "How do I read it", "How do I read this file in full?", author=30))
    _, more = house.night(**endpoint_of(fake))
    assert (more.coded_count, more.total_count, len(fake.asked)) == (1, 9, 9)


def test_an_endpoint_that_goes_away_leaves_what_was_coded(house: House, fake: FakeLlm) -> None:
    _, part = house.night(**endpoint_of(fake), max_requests=3)
    assert (part.coded_count, len(house.coded("llm"))) == (3, 3)
    assert part.stopped
    gone = {**endpoint_of(fake), "base_url": "http://127.0.0.1:9/v1", "attempts": 1}
    _, nothing = house.night(**gone)
    assert nothing.stopped
    assert nothing.coded_count == 0
    assert len(house.coded("llm")) == 3
    _, rest = house.night(**endpoint_of(fake))
    assert (rest.coded_count, rest.stopped, len(fake.asked)) == (5, None, 8)


def test_answers_on_a_post_that_is_gone_are_forgotten(house: House, fake: FakeLlm) -> None:
    house.night(**endpoint_of(fake))
    store = house.folder / "themes" / "answers" / "answers.sqlite"
    canary = b"part 3 of it"
    assert (
        canary in store.read_bytes() + store.with_suffix(".sqlite-wal").read_bytes()
        if (store.with_suffix(".sqlite-wal").exists())
        else canary in store.read_bytes()
    )
    house.lake.add(Post(1, 4, "", None, author=4))
    house.night(**endpoint_of(fake))
    left = [path.read_bytes() for path in store.parent.iterdir()]
    assert not any(canary in content for content in left)
    assert len(house.coded("llm")) == 7


def test_codes_in_words_are_handed_to_people(house: House, fake: FakeLlm) -> None:
    house.night()
    with pytest.raises(PermanentFailure, match="code in words"):
        write_codes(house.lake.path, house.folder / "codes.parquet")
    house.night(**endpoint_of(fake))
    assert write_codes(house.lake.path, house.folder / "codes.parquet") == 8
    found = open_codes.read_codes(house.folder / "codes.parquet")
    done = open_codes.export_merge(found, house.folder / "merge.csv")
    assert done.codes == 4
