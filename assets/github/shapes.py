"""The declared shapes of the archive: what is read of a line, and what the lake holds.

Belongs here: types, known payload keys, known event types, the schema version. Does not belong
here: reading or writing.

Source: the events of `../shared/data` style recordings of 2015-2026 and GitHub's event types
page (https://docs.github.com/en/rest/using-the-rest-api/github-event-types).
"""

from typing import Any

import orjson

SCHEMA_VERSION = 1

_USER = {"id": "BIGINT", "login": "VARCHAR", "type": "VARCHAR"}
_PAYLOAD: dict[str, Any] = {
    "action": "VARCHAR",
    "ref": "VARCHAR",
    "ref_type": "VARCHAR",
    "full_ref": "VARCHAR",
    "push_id": "BIGINT",
    "size": "BIGINT",
    "distinct_size": "BIGINT",
    "head": "VARCHAR",
    "before": "VARCHAR",
    "commits": [
        {
            "sha": "VARCHAR",
            "author": {"name": "VARCHAR", "email": "VARCHAR"},
            "message": "VARCHAR",
            "distinct": "BOOLEAN",
        }
    ],
    "number": "BIGINT",
    "issue": {
        "id": "BIGINT",
        "number": "BIGINT",
        "title": "VARCHAR",
        "body": "VARCHAR",
        "state": "VARCHAR",
        "comments": "BIGINT",
        "created_at": "TIMESTAMP",
        "closed_at": "TIMESTAMP",
        "user": _USER,
        "author_association": "VARCHAR",
        "pull_request": {"url": "VARCHAR"},
    },
    "comment": {
        "id": "BIGINT",
        "body": "VARCHAR",
        "user": _USER,
        "author_association": "VARCHAR",
    },
    "pull_request": {
        "id": "BIGINT",
        "number": "BIGINT",
        "title": "VARCHAR",
        "body": "VARCHAR",
        "state": "VARCHAR",
        "comments": "BIGINT",
        "created_at": "TIMESTAMP",
        "closed_at": "TIMESTAMP",
        "merged": "BOOLEAN",
        "merged_at": "TIMESTAMP",
        "user": _USER,
        "author_association": "VARCHAR",
        "commits": "BIGINT",
        "additions": "BIGINT",
        "deletions": "BIGINT",
        "changed_files": "BIGINT",
        "head": {"repo": {"id": "BIGINT"}},
        "base": {
            "repo": {
                "created_at": "TIMESTAMP",
                "stargazers_count": "BIGINT",
                "forks_count": "BIGINT",
                "language": "VARCHAR",
                "fork": "BOOLEAN",
                "license": {"spdx_id": "VARCHAR"},
            }
        },
    },
    "forkee": {"id": "BIGINT", "full_name": "VARCHAR", "created_at": "TIMESTAMP"},
    "release": {"id": "BIGINT", "tag_name": "VARCHAR"},
    "review": {"id": "BIGINT", "state": "VARCHAR"},
    "member": {"id": "BIGINT", "login": "VARCHAR"},
}
_EVENT: dict[str, Any] = {
    "id": "VARCHAR",
    "type": "VARCHAR",
    "actor": {"id": "BIGINT", "login": "VARCHAR"},
    "repo": {"id": "BIGINT", "name": "VARCHAR"},
    "org": {"id": "BIGINT", "login": "VARCHAR"},
    "public": "BOOLEAN",
    "created_at": "TIMESTAMP",
}
# Keys that are known and deliberately not typed: they repeat other columns or name pages only.
_KNOWN_UNTYPED = {
    "master_branch", "description", "pusher_type", "repository_id", "pages", "label", "labels",
    "assignee", "assignees", "changes", "is_template", "team",
}  # fmt: skip
KNOWN_KEYS = frozenset(_PAYLOAD) | _KNOWN_UNTYPED

KNOWN_TYPES = frozenset(
    {
        "CommitCommentEvent", "CreateEvent", "DeleteEvent", "DiscussionEvent", "ForkEvent",
        "GollumEvent", "IssueCommentEvent", "IssuesEvent", "MemberEvent", "PublicEvent",
        "PullRequestEvent", "PullRequestReviewCommentEvent", "PullRequestReviewEvent",
        "PullRequestReviewThreadEvent", "PushEvent", "ReleaseEvent", "SponsorshipEvent",
        "WatchEvent",
    }
)  # fmt: skip


def sql_type(shape: Any) -> str:
    """A shape as a DuckDB type: text stays, a list becomes `T[]`, a dict a STRUCT."""
    if isinstance(shape, str):
        return shape
    if isinstance(shape, list):
        return f"{sql_type(shape[0])}[]"
    return "STRUCT(" + ", ".join(f'"{key}" {sql_type(part)}' for key, part in shape.items()) + ")"


def may_fit(text: bytes) -> bool:
    """Whether a line looks as declared: a quick guess, the declared read has the last word."""
    try:
        return _fits(orjson.loads(text), {**_EVENT, "payload": _PAYLOAD})
    except orjson.JSONDecodeError:
        return False


def _fits(value: Any, shape: Any) -> bool:
    if value is None or shape == "VARCHAR":
        return True
    if isinstance(shape, dict):
        is_object = isinstance(value, dict)
        return is_object and all(_fits(value.get(key), part) for key, part in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
    if shape == "TIMESTAMP":
        return isinstance(value, str) and value[:4].isdigit()
    return isinstance(value, bool if shape == "BOOLEAN" else int)


def declared_columns(payload: Any = None) -> dict[str, str]:
    """Column name to DuckDB type for `read_json`; `payload` may be overridden (e.g. JSON)."""
    shape = {**_EVENT, "payload": payload or _PAYLOAD}
    return {name: sql_type(part) for name, part in shape.items()}
