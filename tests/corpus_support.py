"""A warehouse with opening posts, made with the project's own model of messages, for tests.

Belongs here: what tests of the corpus and of coding share. Does not belong here: checks.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from databases import database

ROOT = Path(__file__).resolve().parents[1]
FIRST = date(2025, 10, 6)
MOMENT = datetime(2025, 9, 1, 12)
Row = dict[str, Any]
SETTING = """
CREATE SCHEMA staging; CREATE SCHEMA intermediate; CREATE SCHEMA core; CREATE SCHEMA study;
CREATE TABLE staging.stg_github__issues (observed_on DATE, repository_id BIGINT,
    issue_number BIGINT, title VARCHAR, body VARCHAR, labels VARCHAR[]);
CREATE TABLE staging.stg_huggingface__discussions (observed_on DATE, repository_type VARCHAR,
    repository_name VARCHAR, discussion_number BIGINT, discussion_title VARCHAR);
CREATE TABLE staging.stg_huggingface__discussion_events (observed_on DATE, repository_type VARCHAR,
    repository_name VARCHAR, discussion_number BIGINT, event_type VARCHAR, body VARCHAR);
CREATE TABLE intermediate.int_huggingface_names__identified (repository_type VARCHAR,
    repository_name VARCHAR, repository_key VARCHAR);
CREATE TABLE intermediate.int_messages__deduplicated (thread_key VARCHAR, platform VARCHAR,
    repository_id BIGINT, repository_type VARCHAR, repository_name VARCHAR, thread_number BIGINT,
    kind VARCHAR, author_id BIGINT, author_login VARCHAR, author_type VARCHAR, created_at TIMESTAMP,
    title_character_count BIGINT, title_hash VARCHAR, thread_observed_on DATE,
    body_character_count BIGINT, text_hash VARCHAR, body_observed_on DATE);
CREATE TABLE staging.stg_github__events (file_on DATE, repository_id BIGINT, thread_number BIGINT,
    thread_title VARCHAR, thread_body VARCHAR, event_type VARCHAR, act VARCHAR);
CREATE TABLE intermediate.int_github_posts__opened (file_on DATE, repository_id BIGINT,
    thread_number BIGINT, actor_id BIGINT, created_at TIMESTAMP, title_character_count BIGINT,
    body_character_count BIGINT, title_hash VARCHAR, text_hash VARCHAR);
CREATE TABLE core.dim_actor (actor_key VARCHAR, is_removed_by_paper BOOLEAN,
    is_removed_by_conservative BOOLEAN, is_removed_by_aggressive BOOLEAN);
CREATE TABLE study.top_cut (study VARCHAR, platform VARCHAR, rank_name VARCHAR,
    repository_key VARCHAR, place BIGINT);
"""


@dataclass(frozen=True)
class Post:
    """An opening post; on GitHub `place` is the repository's number, on the Hub its name."""

    place: int | str
    number: int
    title: str
    body: str | None
    author: int | str = 1
    hour: int = 0
    day: date = FIRST
    kind: str = ""
    labels: tuple[str, ...] = ()
    is_observed: bool = True
    is_event: bool = False
    body_day: date | None = None

    @property
    def key(self) -> str:
        if isinstance(self.place, int):
            return f"github:repository:{self.place}:{self.number}"
        return f"huggingface:model:id of {self.place.split('/')[-1]}:{self.number}"


@dataclass
class Lake:
    """A warehouse with posts, made with the project's own model of messages."""

    path: Path
    posts: dict[str, Post] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model = (ROOT / "dbt_project/models/core/fct_message.sql").read_text(encoding="utf-8")
        model = re.sub(r"\{\{\s*config\(.*?\)\s*\}\}", "", model, flags=re.DOTALL)
        model = re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r"intermediate.\1", model)
        with database(self.path) as connection:
            connection.execute(SETTING)
            connection.execute(f"CREATE VIEW core.fct_message AS {model}")

    def add(self, *posts: Post) -> "Lake":
        """Posts observed: the last of a thread is what is known of it."""
        rows: dict[str, list[Row]] = {}
        for post in posts:
            self.posts[post.key] = post
            for table, row in _rows_of(post):
                rows.setdefault(table, []).append(row)
        with database(self.path) as connection:
            for table, found in rows.items():
                if table in UNIQUE:
                    # Of one key the last row holds.
                    names = UNIQUE[table]
                    found = list(
                        {tuple(row[name] for name in names): row for row in found}.values()
                    )
                columns = {name for row in found for name in row}
                found = [{name: row.get(name) for name in columns} for row in found]
                given = pa.Table.from_pylist(found)  # noqa: F841 - read by name
                if table in UNIQUE:
                    connection.execute(
                        f"DELETE FROM {table} USING given WHERE "
                        + " AND ".join(f"{table}.{name} = given.{name}" for name in UNIQUE[table])
                    )
                connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM given")
        return self

    def run(self, *statements: str) -> None:
        with database(self.path) as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, query: str = "SELECT * FROM study.message_corpus ORDER BY ALL") -> list[Row]:
        with database(self.path, read_only=True) as connection:
            found = connection.execute(query)
            names = [column[0] for column in found.description or []]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def by_key(self) -> dict[str, Row]:
        return {row["message_key"]: row for row in self.rows()}


UNIQUE = {
    "intermediate.int_messages__deduplicated": ("thread_key",),
    "intermediate.int_huggingface_names__identified": ("repository_name",),
    "intermediate.int_github_posts__opened": ("file_on", "repository_id", "thread_number"),
}


def digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def _rows_of(post: Post) -> list[tuple[str, Row]]:
    """Rows of tables that tell of a post."""
    hashes = {"title_hash": digest(post.title),
              "text_hash": digest(post.body) if post.is_observed else None}  # fmt: skip
    size = len(post.body or "") if post.is_observed else None
    sizes = {"title_character_count": len(post.title), "body_character_count": size}
    told = {"thread_number": post.number, "created_at": MOMENT + timedelta(hours=post.hour),
            **hashes, **sizes}  # fmt: skip
    if post.is_event:
        place = {"file_on": post.day, "repository_id": post.place}
        return [
            ("intermediate.int_github_posts__opened", {**told, **place, "actor_id": post.author}),
            ("staging.stg_github__events", {
                **place, "thread_number": post.number, "thread_title": post.title,
                "thread_body": post.body, "event_type": "IssuesEvent", "act": "opened",
            }),
        ]  # fmt: skip
    told["thread_observed_on"] = post.day
    told["body_observed_on"] = (post.body_day or post.day) if post.is_observed else None
    return _issue(post, told) if isinstance(post.place, int) else _discussion(post, told)


def _issue(post: Post, told: Row) -> list[tuple[str, Row]]:
    known = {
        **told, "thread_key": f"github:{post.place}:{post.number}", "platform": "github",
        "repository_id": post.place, "repository_type": "repository",
        "kind": post.kind or "issue", "author_id": post.author,
    }  # fmt: skip
    listed = {
        "observed_on": post.day, "repository_id": post.place, "issue_number": post.number,
        "title": post.title, "body": post.body, "labels": list(post.labels),
    }  # fmt: skip
    rows = [("intermediate.int_messages__deduplicated", known)]
    return rows if post.kind else [*rows, ("staging.stg_github__issues", listed)]


def _discussion(post: Post, told: Row) -> list[tuple[str, Row]]:
    name = {"repository_type": "model", "repository_name": post.place}
    thread = {**name, "discussion_number": post.number}
    known = {
        **told, **name, "thread_key": f"huggingface:model:{post.place}:{post.number}",
        "platform": "huggingface", "kind": post.kind or "discussion", "author_login": post.author,
    }  # fmt: skip
    title = {**thread, "observed_on": post.day, "discussion_title": post.title}
    comments = [
        {**thread, "observed_on": post.body_day or post.day, "event_type": "comment", "body": body}
        for body in ((post.body, "A reply.", post.body) if post.is_observed else ())
    ]
    key = {**name, "repository_key": post.key.rpartition(":")[0]}
    return [
        ("intermediate.int_messages__deduplicated", known),
        ("intermediate.int_huggingface_names__identified", key),
        ("staging.stg_huggingface__discussions", title),
        *(("staging.stg_huggingface__discussion_events", row) for row in comments),
    ]
