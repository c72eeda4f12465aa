"""From answers that have one form only to rows of the lake.

Belongs here: events of discussions, accounts, members and likers, key by key, and which of them
cannot be read. Does not belong here: repositories, commits and discussions, which dumps hold too
(normalise), and asking (readers).

Everything is hostile: a value of another type is null, one that names the row makes it unreadable;
what DuckDB cannot hold in a text (NUL, half a surrogate pair) becomes U+FFFD. Source of the keys:
huggingface_hub 2.4 (`deserialize_event`, `Organization`, `User`).
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from assets.github.lines import AddressHasher
from assets.huggingface.normalise import MOST_NAME_CHARACTERS, bad_line

Row = dict[str, Any]
MOST_COUNT = 2**63 - 1
_UNHELD = re.compile("[\x00\ud800-\udfff]")
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
USER, ORGANISATION = "user", "organisation"


def text(value: Any) -> str | None:
    """A text that DuckDB can hold."""
    return _UNHELD.sub("\ufffd", value) if isinstance(value, str) else None


def name(value: Any) -> str | None:
    """A text that names something."""
    found = text(value)
    return found if found and found.strip() and len(found) <= MOST_NAME_CHARACTERS else None


def count(value: Any) -> int | None:
    """A whole number from 0 that fits."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and 0 <= value <= MOST_COUNT else None


def flag(value: Any) -> bool | None:
    """True, false, or null for anything else."""
    return value if isinstance(value, bool) else None


def moment(value: Any) -> str | None:
    """A point in time as DuckDB reads it, UTC without zone."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=None).isoformat() if _FIRST <= found < _LAST else None


def inside(value: Any, *keys: str) -> Any:
    """What lies below some keys; None where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def hashed(items: Sequence[Any], hasher: AddressHasher) -> list[Any]:
    """The items without e-mail addresses."""
    if not items:
        return []
    # The lenient writer and reader: one text with half a surrogate pair is not the whole page.
    block = hasher(b"".join(json.dumps(item).encode() + b"\n" for item in items))
    return [json.loads(line) for line in block.split(b"\n")[:-1]]


def read(
    items: Iterable[Any], made: Callable[[Any], Row | None], what: str
) -> tuple[list[Row], list[str]]:
    """The rows of some items, and the others as lines for quarantine.

    Args:
        items: without e-mail addresses.
        made: the row of an item; None where it cannot be read.
        what: where the items are from.
    """
    rows = []
    bad = []
    for number, item in enumerate(items, 1):
        row = made(item)
        if row is None:
            line = json.dumps(item).encode()
            bad.append(bad_line(number, line, "cannot be read").as_json(what))
        else:
            rows.append(row)
    return rows, bad


def event(repository: Row, number: int, item: Any) -> Row | None:
    """One event of a discussion."""
    found = {
        **repository,
        "discussion_number": number,
        "event_id": name(inside(item, "id")),
        "event_type": name(inside(item, "type")),
        "author_login": name(inside(item, "author", "name")),
        # As of the day that it is read, whenever the event was.
        "is_author_staff": flag(inside(item, "author", "isHf")),
        "is_author_admin": flag(inside(item, "author", "isHfAdmin")),
        "is_author_moderator": flag(inside(item, "author", "isMod")),
        "created_at": moment(inside(item, "createdAt")),
    }
    if not found["event_id"] or not found["event_type"]:
        return None
    data = inside(item, "data")
    is_comment = found["event_type"] == "comment"
    return found | {
        "body": text(inside(data, "latest", "raw")) if is_comment else None,
        "is_hidden": flag(inside(data, "hidden")) if is_comment else None,
        "is_edited": flag(inside(data, "edited")) if is_comment else None,
        "new_status": name(inside(data, "status")),
        "commit_id": name(inside(data, "oid")),
    }


def account(kind: str, item: Any) -> Row | None:
    """The overview of a user or an organisation."""
    is_user = kind == USER
    login = name(inside(item, "user" if is_user else "name"))
    if login is None:
        return None
    groups = inside(item, "orgs")
    named = [name(inside(group, "name")) for group in groups] if isinstance(groups, list) else []
    return {
        "account_login": login,
        "account_id": name(inside(item, "_id")),
        "account_type": kind,
        "full_name": text(inside(item, "fullname")),
        "plan": name(inside(item, "plan")),
        "is_verified": flag(inside(item, "isVerified")),
        "is_pro": flag(inside(item, "isPro")),
        "member_count": count(inside(item, "numUsers")),
        "follower_count": count(inside(item, "numFollowers")),
        "model_count": count(inside(item, "numModels")),
        "dataset_count": count(inside(item, "numDatasets")),
        "space_count": count(inside(item, "numSpaces")),
        "discussion_count": count(inside(item, "numDiscussions")),
        "like_count": count(inside(item, "numLikes")),
        "organisations": sorted({group for group in named if group}) if is_user else None,
        "created_at": moment(inside(item, "createdAt")),
    }


def member(organisation: str, item: Any) -> Row | None:
    """One member of an organisation."""
    login = name(inside(item, "user"))
    if login is None:
        return None
    return {
        "organisation_login": organisation,
        "member_login": login,
        "member_id": name(inside(item, "_id")),
    }


def liker(repository: Row, item: Any) -> Row | None:
    """Who likes a repository."""
    login = name(inside(item, "user"))
    return None if login is None else {**repository, "actor_login": login}
