"""The corpus of opening posts: its rows, kept up to date, and texts read where they lie."""

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from corpus_support import FIRST, MOMENT, ROOT, Lake, Post
from databases import database

from assets.actors.policies import POLICIES
from assets.study.tables import open_warehouse, replace_study, table_of
from assets.study.themes import corpus
from assets.study.themes.cleaning import LEAST_TEXTS, cleaned, template_lines
from assets.study.themes.corpus import (
    CORPUS,
    STATES,
    Updated,
    frame,
    labels_of,
    new_messages,
    states_sql,
    texts_of,
    update_corpus,
)
from assets.study.themes.duplicates import representatives
from assets.study.themes.tables import FRAME
from orchestration.failures import PermanentFailure
from orchestration.settings import StudySettings

STUDY = StudySettings.model_validate({"networks": {"reference": {"top_count": 1}}})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "warehouse.duckdb")


LONG = "The reader loses the last line of each file since the release of last week, every time."
SOME = (
    Post(1, 1, "It crashes", LONG, author=1, labels=("bug", "P1")),
    Post(1, 2, "It crashes", LONG + "\n\n```\ncode\n```", author=2, hour=1),
    Post(1, 3, "Merge this", "please", kind="pull_request"),
    Post(1, 4, "", "<!-- nothing -->", author=3),
    Post(1, 5, "test", None, author=3),
    Post(2, 1, "test", "", author=3, hour=3),
    Post("org/a", 1, "崩溃了", "程序在输入为空的时候崩溃并且没有任何提示信息。", author="ana"),
    Post("org/a", 2, "Hidden", "what was hidden", author="bot", is_observed=False),
    Post("org/a", 3, "Change", "a change", author="ana", kind="pull_request"),
    Post("org/b", 1, "It crashes", LONG, author="bot", body_day=FIRST + timedelta(days=1)),
)


# ---------------------------------------------------------------- rows


def test_every_post_has_a_row_that_says_what_becomes_of_it(lake: Lake) -> None:
    lake.add(*SOME)
    done = update_corpus(lake.path)
    assert done == Updated(new_count=10, gone_count=0, read_count=7, again_count=0, lost_count=0)
    rows = lake.by_key()
    assert {key: (row["state"], row["representative_key"]) for key, row in rows.items()} == {
        SOME[0].key: ("in_frame", SOME[0].key),
        SOME[1].key: ("near_duplicate", SOME[0].key),
        SOME[2].key: ("pull_request", None),
        SOME[3].key: ("empty", None),
        SOME[4].key: ("in_frame", SOME[4].key),
        SOME[5].key: ("near_duplicate", SOME[4].key),
        SOME[6].key: ("in_frame", SOME[6].key),
        SOME[7].key: ("text_not_observed", None),
        SOME[8].key: ("pull_request", None),
        SOME[9].key: ("in_frame", SOME[9].key),
    }
    assert {row["state"] for row in rows.values()} < set(STATES)


def test_a_row_tells_what_was_measured_of_the_text(lake: Lake) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    rows = lake.by_key()
    row, clean = rows[SOME[1].key], cleaned(SOME[1].title, SOME[1].body)
    assert row["language"] == "en" and row["language_probability"] > 0.9
    assert row["character_count"] == clean.character_count
    assert (row["code_share"], row["template_share"]) == (clean.code_share, 0)
    assert (row["platform"], row["kind"]) == ("github", "issue")
    assert (row["actor_key"], row["created_on"]) == ("github:actor:2", MOMENT.date())
    assert rows[SOME[6].key]["language"] == "zh"
    assert rows[SOME[4].key]["language"] is None
    unread = rows[SOME[2].key]
    assert all(unread[name] is None for name in corpus.MEASURED if name != "state")


def test_no_text_is_kept(lake: Lake) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    told = repr([lake.rows(f"SELECT * FROM study.{name}")
                 for name in ("message_corpus", "message_template")])  # fmt: skip
    for post in SOME:
        for text in (post.title, post.body or ""):
            assert len(text) < 5 or text not in told
    assert "reader" not in told and "崩" not in told


def test_the_newest_name_of_a_renamed_repository_holds(lake: Lake) -> None:
    old = Post("org/a", 1, "Old title", "The first body of the post.", author="ana")
    new = Post("other/a", 1, "New title", "The second body of the post.", author="ana",
               day=FIRST + timedelta(days=2))  # fmt: skip
    lake.add(old, new)
    assert update_corpus(lake.path).read_count == 1
    with open_warehouse(lake.path, read_only=True) as connection:
        [[text]] = texts_of(connection, [new.key])
    assert (text.title, text.body) == ("New title", "The second body of the post.")
    assert (text.repository, text.language) == ("huggingface:model:id of a", "en")


def test_what_only_the_archive_tells_is_read_until_the_api_tells_it(lake: Lake) -> None:
    told = Post(7, 1, "Opened", "What the event told of it.", is_event=True)
    lake.add(told, replace(told, number=2), replace(told, number=2, day=FIRST + timedelta(days=1)))
    assert update_corpus(lake.path).read_count == 2
    with open_warehouse(lake.path, read_only=True) as connection:
        [texts] = texts_of(connection, [told.key])
        assert labels_of(connection, [told.key]) == {}
    assert [(text.title, text.body) for text in texts] == [(told.title, told.body)]
    lake.add(replace(told, is_event=False, body="What the API told of it.", labels=("bug",)))
    assert update_corpus(lake.path).read_count == 1
    with open_warehouse(lake.path, read_only=True) as connection:
        [texts] = texts_of(connection, [told.key])
        assert labels_of(connection, [told.key]) == {told.key: ("bug",)}
    assert texts[0].body == "What the API told of it."


# ---------------------------------------------------------------- kept up to date


def test_only_what_is_new_is_read(lake: Lake) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    before = lake.rows()
    assert update_corpus(lake.path) == Updated(0, 0, 0, 0, 0)
    lake.add(Post(3, 1, "Another", "Something else that nobody said so far.", author=9))
    done = update_corpus(lake.path)
    assert (done.new_count, done.read_count) == (1, 1)
    assert [row for row in lake.rows() if not row["message_key"].endswith(":3:1")] == before


def test_a_text_that_changed_is_replaced(lake: Lake) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    later = FIRST + timedelta(days=1)
    lake.add(replace(SOME[0], body="Nothing to do with files at all any more, sorry.", day=later))
    assert update_corpus(lake.path).read_count == 1
    rows = lake.by_key()
    assert len(rows) == len(SOME)
    # The copy stands for itself now.
    assert [rows[SOME[at].key]["representative_key"] for at in (0, 1)] == [
        SOME[0].key, SOME[1].key
    ]  # fmt: skip
    assert rows[SOME[1].key]["state"] == "in_frame"


def test_a_text_observed_again_without_change_is_not_read(lake: Lake) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    lake.add(replace(SOME[0], day=FIRST + timedelta(days=5)))
    assert update_corpus(lake.path) == Updated(0, 0, 0, 0, 0)


def test_a_post_that_is_known_no_longer_leaves(lake: Lake) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    lake.run("DELETE FROM intermediate.int_messages__deduplicated WHERE thread_key = 'github:1:1'")
    done = update_corpus(lake.path)
    assert (done.gone_count, done.read_count) == (1, 0)
    rows = lake.by_key()
    assert SOME[0].key not in rows and rows[SOME[1].key]["state"] == "in_frame"


def test_another_author_is_told(lake: Lake) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    lake.add(replace(SOME[0], author=77))
    update_corpus(lake.path)
    assert lake.by_key()[SOME[0].key]["actor_key"] == "github:actor:77"


def test_a_hidden_text_that_is_shown_is_read(lake: Lake) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    lake.add(replace(SOME[7], is_observed=True, day=FIRST + timedelta(days=1)))
    assert update_corpus(lake.path).read_count == 1
    assert lake.by_key()[SOME[7].key]["state"] == "in_frame"


def test_a_text_that_the_lake_lost_is_told_and_asked_again(lake: Lake) -> None:
    lake.add(*SOME)
    lake.run("UPDATE staging.stg_github__issues SET body = 'other' WHERE issue_number = 2")
    assert update_corpus(lake.path).lost_count == 1
    assert lake.by_key()[SOME[1].key]["state"] == "text_not_observed"
    assert update_corpus(lake.path).lost_count == 1
    lake.add(SOME[1])
    assert update_corpus(lake.path).lost_count == 0
    assert lake.by_key()[SOME[1].key]["state"] == "near_duplicate"


def test_another_version_makes_rows_anew(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    for name in ("_PENDING", "_MESSAGES"):
        query = getattr(corpus, name).replace(f"'{corpus.VERSION}'", "'another'")
        monkeypatch.setattr(corpus, name, query)
    monkeypatch.setattr(corpus, "VERSION", "another")
    assert update_corpus(lake.path).read_count == 7
    assert {row["cleaning_version"] for row in lake.rows()} == {"another"}


def many(seed: int) -> list[Post]:
    """Posts of some days: copies, near-copies, templates, changed texts, in two repositories."""
    random = np.random.default_rng(seed)
    words = [f"word{at}" for at in range(200)]
    base = [" ".join(random.choice(words, 40)) for _ in range(5)]
    form = "### Which firmware do you run?\n\n{}\n\n### Did you restart the lamp?\n\n{}"
    posts = []
    for at in range(120):
        body = " ".join(random.choice(words, 12))
        chance = random.random()
        if chance < 0.3:
            body = base[int(random.integers(5))] + (" again" if random.random() < 0.5 else "")
        elif chance < 0.5:
            body = ("test", "thanks", "+1")[int(random.integers(3))]
        elif chance < 0.9:
            body = form.format(body, "no")
        number = int(random.integers(1, 100))
        posts.append(
            Post((1, "org/a")[at % 2], number, f"title {random.integers(8)}", body,
                 author=int(random.integers(1, 6)), hour=number,
                 day=FIRST + timedelta(days=at // 40))
        )  # fmt: skip
    return posts


@pytest.mark.parametrize("seed", [1])
def test_it_does_not_matter_in_how_many_steps_posts_become_known(tmp_path: Path, seed: int) -> None:
    posts = many(seed)
    at_once = Lake(tmp_path / "once.duckdb").add(*posts)
    update_corpus(at_once.path, batch_size=20)
    by_day = Lake(tmp_path / "days.duckdb")
    for day in sorted({post.day for post in posts}):
        by_day.add(*(post for post in posts if post.day == day))
        update_corpus(by_day.path)
    templates = "SELECT * FROM study.message_template ORDER BY ALL"
    assert at_once.rows(templates) and at_once.rows(templates) == by_day.rows(templates)
    assert at_once.rows() == by_day.rows()
    states = Counter(row["state"] for row in at_once.rows())
    assert states["near_duplicate"] > 5 and states["in_frame"] > 20


def test_it_does_not_matter_in_which_order_days_become_known(tmp_path: Path) -> None:
    """Days of different posts; of one post the newest observation is known whatever comes first."""
    posts = list({post.key: post for post in many(11)}.values())
    tables = []
    for name, order in (("forth", 1), ("back", -1)):
        lake = Lake(tmp_path / f"{name}.duckdb")
        for day in sorted({post.day for post in posts})[::order]:
            lake.add(*(post for post in posts if post.day == day))
            update_corpus(lake.path)
        tables.append(lake.rows())
    assert tables[0] == tables[1]


def test_templates_and_clusters_are_those_of_the_references(lake: Lake) -> None:
    posts = list({post.key: post for post in many(5)}.values())
    lake.add(*posts)
    done = update_corpus(lake.path)
    assert done.again_count > 0
    rows = lake.by_key()
    for repository in {row["repository_key"] for row in rows.values()}:
        told = [(post.author, post.body) for post in posts if post.key.startswith(repository + ":")]
        kept = {row["line_hash"] for row in lake.rows("SELECT * FROM study.message_template")
                if row["repository_key"] == repository}  # fmt: skip
        assert kept == template_lines(told)
    compared = [row for row in rows.values() if row["minhash"] is not None]
    first = representatives(
        [row["message_key"] for row in compared],
        np.array([row["created_at"].timestamp() for row in compared]).astype(np.int64),
        [row["minhash"] for row in compared],
        [row["platform"] for row in compared],
    )
    for row, at in zip(compared, first.tolist(), strict=True):
        assert row["representative_key"] == compared[at]["message_key"]


def test_an_update_that_fails_leaves_all_as_it_was(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.add(*SOME[:5])
    update_corpus(lake.path)
    before = lake.rows()
    lake.add(*SOME[5:])
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "_fold", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            update_corpus(lake.path)
    assert lake.rows() == before
    update_corpus(lake.path)
    other = Lake(lake.path.with_name("other.duckdb")).add(*SOME)
    update_corpus(other.path)
    assert lake.rows() == other.rows()


def test_an_update_that_is_killed_is_done_again(lake: Lake, tmp_path: Path) -> None:
    lake.add(*SOME)
    code = (
        "import os; from pathlib import Path; from assets.study.themes.corpus import update_corpus;"
        f" update_corpus(Path({str(lake.path)!r}), 2,"
        " lambda done, asked: os._exit(9) if done >= 4 else None)"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ}, check=False)
    assert killed.returncode == 9
    assert lake.rows() == []
    update_corpus(lake.path)
    other = Lake(tmp_path / "other.duckdb").add(*SOME)
    update_corpus(other.path)
    assert lake.rows() == other.rows()


def test_progress_is_told_after_each_batch(lake: Lake) -> None:
    told: list[tuple[int, int]] = []
    update_corpus(lake.add(*SOME).path, 3, lambda done, asked: told.append((done, asked)))
    assert told[-1] == (7, 7) and len(told) >= 3


def test_a_warehouse_without_models_is_told(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="no warehouse"):
        update_corpus(tmp_path / "none.duckdb")
    with database(tmp_path / "empty.duckdb"):
        pass
    with pytest.raises(PermanentFailure, match="fct_message"):
        update_corpus(tmp_path / "empty.duckdb")


# ---------------------------------------------------------------- texts


def test_batches_are_bounded_and_hold_each_text_once(lake: Lake) -> None:
    posts = [Post((1, "org/a")[at % 2], at, f"title {at}", f"body {at}") for at in range(50)]
    lake.add(*posts)
    update_corpus(lake.path)
    lake.run("DELETE FROM study.message_corpus")
    with open_warehouse(lake.path, read_only=True) as connection:
        batches = list(new_messages(connection, 8))
    assert max(map(len, batches)) <= 8
    told = Counter(raw.message_key for batch in batches for raw in batch)
    assert told == Counter(lake.posts.keys())
    assert all(raw.body == lake.posts[raw.message_key].body for one in batches for raw in one)


def test_only_days_that_are_asked_for_are_opened(lake: Lake) -> None:
    """Reading a row of another day fails."""
    other = FIRST + timedelta(days=1)
    lake.add(Post(1, 1, "one", "the first body", labels=("bug",)),
             Post(1, 2, "two", "the second body", day=other, labels=("bug",)))  # fmt: skip
    update_corpus(lake.path)
    lake.run(
        "ALTER TABLE staging.stg_github__issues RENAME TO lake",
        "CREATE VIEW staging.stg_github__issues AS SELECT * REPLACE (CASE WHEN observed_on ="
        f" DATE '{other}' THEN error('opened') ELSE body END AS body, CASE WHEN observed_on ="
        f" DATE '{other}' THEN error('opened') ELSE labels END AS labels) FROM staging.lake",
    )
    with open_warehouse(lake.path, read_only=True) as connection:
        key = "github:repository:1:1"
        assert [text.body for batch in texts_of(connection, [key]) for text in batch] == [
            "the first body"
        ]
        assert labels_of(connection, [key]) == {key: ("bug",)}
        with pytest.raises(duckdb.Error, match="opened"):
            list(texts_of(connection, ["github:repository:1:2"]))


def test_coders_are_given_what_was_measured(lake: Lake) -> None:
    posts = list({post.key: post for post in many(2)}.values())
    lake.add(*posts)
    update_corpus(lake.path)
    rows = lake.by_key()
    with open_warehouse(lake.path, read_only=True) as connection:
        texts = [text for batch in texts_of(connection, rows, 10) for text in batch]
        assert list(texts_of(connection, [])) == []
        assert list(texts_of(connection, ["no such key"])) == []
    assert {text.key for text in texts} == set(rows)
    marks = re.compile(r"\[(?:code|log|trace|image|email)\]")
    for text in texts:
        row = rows[text.key]
        assert len(marks.sub("", text.title + text.body)) == row["character_count"]
        assert (text.repository, text.language) == (row["repository_key"], row["language"])
    # The template of the repository is out of them.
    assert len(posts) > LEAST_TEXTS
    assert not any("firmware" in text.body for text in texts)


def test_labels_are_those_of_the_observation(lake: Lake) -> None:
    lake.add(*SOME, replace(SOME[1], labels=("question", "bug", "bug")))
    with open_warehouse(lake.path, read_only=True) as connection:
        assert labels_of(connection, [post.key for post in SOME]) == {
            SOME[0].key: ("P1", "bug"), SOME[1].key: ("bug", "question")
        }  # fmt: skip
        assert labels_of(connection, [SOME[6].key]) == {}


# ---------------------------------------------------------------- the frame


def test_the_frame_counts_every_post_once_under_every_policy(lake: Lake) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    lake.run(
        "INSERT INTO core.dim_actor VALUES ('github:actor:1', false, true, true),"
        " ('huggingface:actor:bot', true, true, true), ('github:actor:2', NULL, NULL, NULL)",
        "INSERT INTO study.top_cut VALUES ('paper', 'github', 'stars', 'github:repository:1', 1),"
        " ('paper', 'github', 'stars', 'github:repository:2', 2),"
        " ('paper', 'github', 'forks', 'github:repository:2', 1),"
        " ('other', 'github', 'stars', 'github:repository:2', 1)",
    )
    with open_warehouse(lake.path, read_only=True) as connection:
        rows = frame(connection, STUDY, FIRST)
        states = {policy: dict(connection.execute(
            f"SELECT message_key, state FROM ({states_sql(policy)})").fetchall())
            for policy in POLICIES}  # fmt: skip
    for policy in POLICIES:
        told = [row for row in rows if row["bot_policy"] == policy]
        assert sum(row["message_count"] for row in told) == len(SOME)
        assert Counter(states[policy].values()) == sum(
            (Counter({row["state"]: row["message_count"]}) for row in told), Counter()
        )
        shares: Counter[tuple[str, str]] = Counter()
        for row in told:
            shares[row["platform"], row["repository_class"]] += row["share"]
        assert shares == pytest.approx({
            ("github", "top_cut"): 1, ("github", "other"): 1, ("huggingface", "other"): 1
        })  # fmt: skip
    assert states["none"][SOME[9].key] == "in_frame"
    assert states["paper"][SOME[9].key] == "by_automation"
    # Where the earliest is left out, the next one stands for the others.
    assert [states["paper"][SOME[at].key] for at in (0, 1)] == ["in_frame", "near_duplicate"]
    assert [states["conservative"][SOME[at].key] for at in (0, 1)] == ["by_automation", "in_frame"]
    # What was not read stays that, whoever posted it.
    assert states["paper"][SOME[7].key] == "text_not_observed"
    with pytest.raises(PermanentFailure, match="policy"):
        states_sql("'; DROP TABLE x")


def test_rows_of_the_frame_fit_its_table(lake: Lake) -> None:
    lake.add(*SOME)
    update_corpus(lake.path)
    with open_warehouse(lake.path, read_only=True) as connection:
        rows = frame(connection, STUDY, FIRST)
    replace_study(lake.path, "paper", [(FRAME, table_of(FRAME, rows))], FIRST)
    kept = lake.rows(f"SELECT count(*) AS n, sum(message_count) AS m FROM {FRAME.name}")
    assert kept == [{"n": len(rows), "m": len(SOME) * len(POLICIES)}]


def test_tables_are_documented() -> None:
    for table in (CORPUS, corpus.TEMPLATE, FRAME):
        assert all(text.endswith(".") for _, _, text in table.columns) and table.comment
    assert set(corpus.MEASURED) < set(CORPUS.column_names)
    assert isinstance(corpus._arrow([]), pa.Table)
