"""From what GitHub's API answers to rows of the lake.

Belongs here: the tables, their columns and keys, and how an item of the REST or of the GraphQL
API becomes a row; both forms of one thing give the same row, as far as they tell the same. Does
not belong here: asking (`orchestration.clients.github`) and when rows are read and landed
(`mining`).

Every item is foreign: a value of another type, a time that is none, a number beyond 64 bits or
half a surrogate pair makes it a `BadItem`; keys that nobody asked for are not looked at. Addresses
are hashed before a row exists, in texts and trailers too.

What differs between the forms is brought to one: bots carry `[bot]` as in REST, times are UTC,
states are lower case, an empty text is none, and the account `ghost`, which stands for deleted
ones in REST, is nobody, as in GraphQL.

Sources: https://docs.github.com/en/rest and https://docs.github.com/en/graphql/reference/objects.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from assets.github.lines import NOT_PERSONAL, AddressHasher

REPOSITORIES, COMMITS, ISSUES = "repositories", "commits", "issues"
PULL_REQUESTS, ISSUE_COMMENTS = "pull_requests", "issue_comments"
MEMBERS = "organisation_members"

Row = dict[str, Any]
Item = Mapping[str, Any]

_AUTHOR = {
    "author_id": "BIGINT",
    "author_login": "VARCHAR",
    "author_type": "VARCHAR",
    "author_association": "VARCHAR",
}
COLUMNS: dict[str, dict[str, str]] = {
    REPOSITORIES: {
        "repository_id": "BIGINT",
        "node_id": "VARCHAR",
        "repository_name": "VARCHAR",
        "owner_id": "BIGINT",
        "owner_login": "VARCHAR",
        "owner_type": "VARCHAR",
        "created_at": "TIMESTAMP",
        "pushed_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP",
        "is_fork": "BOOLEAN",
        "parent_repository_id": "BIGINT",
        "parent_repository_name": "VARCHAR",
        "is_archived": "BOOLEAN",
        "is_disabled": "BOOLEAN",
        "is_private": "BOOLEAN",
        "is_empty": "BOOLEAN",
        "is_template": "BOOLEAN",
        "is_mirror": "BOOLEAN",
        "has_issues": "BOOLEAN",
        "has_discussions": "BOOLEAN",
        "licence": "VARCHAR",
        "language": "VARCHAR",
        "default_branch": "VARCHAR",
        "head_sha": "VARCHAR",
        "star_count": "BIGINT",
        "fork_count": "BIGINT",
        "commit_count": "BIGINT",
        "issue_count": "BIGINT",
        "issue_open_count": "BIGINT",
        "pull_request_count": "BIGINT",
        "pull_request_open_count": "BIGINT",
        "pull_request_merged_count": "BIGINT",
        "disk_kilobytes": "BIGINT",
        "issues_updated_at": "TIMESTAMP",
        "pull_requests_updated_at": "TIMESTAMP",
        "observed_at": "TIMESTAMP",
    },
    COMMITS: {
        "repository_id": "BIGINT",
        "commit_sha": "VARCHAR",
        "author_id": "BIGINT",
        "author_login": "VARCHAR",
        "author_name": "VARCHAR",
        "author_address_hash": "VARCHAR",
        "authored_at": "TIMESTAMP",
        "committer_id": "BIGINT",
        "committer_login": "VARCHAR",
        "committer_address_hash": "VARCHAR",
        "committed_at": "TIMESTAMP",
        "message": "VARCHAR",
        "parent_count": "BIGINT",
        "co_authors": 'STRUCT("name" VARCHAR, address_hash VARCHAR)[]',
        "observed_at": "TIMESTAMP",
    },
    ISSUES: {
        "repository_id": "BIGINT",
        "issue_number": "BIGINT",
        "issue_id": "BIGINT",
        "title": "VARCHAR",
        "body": "VARCHAR",
        **_AUTHOR,
        "state": "VARCHAR",
        "state_reason": "VARCHAR",
        "labels": "VARCHAR[]",
        "comment_count": "BIGINT",
        "created_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP",
        "closed_at": "TIMESTAMP",
        "observed_at": "TIMESTAMP",
    },
    PULL_REQUESTS: {
        "repository_id": "BIGINT",
        "pull_request_number": "BIGINT",
        "pull_request_id": "BIGINT",
        "title": "VARCHAR",
        "body": "VARCHAR",
        **_AUTHOR,
        "state": "VARCHAR",
        "is_draft": "BOOLEAN",
        "is_merged": "BOOLEAN",
        "merged_at": "TIMESTAMP",
        "merged_by_login": "VARCHAR",
        "is_cross_repository": "BOOLEAN",
        "base_ref": "VARCHAR",
        "head_ref": "VARCHAR",
        "comment_count": "BIGINT",
        "labels": "VARCHAR[]",
        "created_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP",
        "closed_at": "TIMESTAMP",
        "observed_at": "TIMESTAMP",
    },
    ISSUE_COMMENTS: {
        "repository_id": "BIGINT",
        "issue_number": "BIGINT",
        "comment_id": "BIGINT",
        **_AUTHOR,
        "body": "VARCHAR",
        "created_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP",
        "is_pull_request": "BOOLEAN",
        "observed_at": "TIMESTAMP",
    },
    MEMBERS: {
        "organisation_id": "BIGINT",
        "organisation_login": "VARCHAR",
        "member_id": "BIGINT",
        "member_login": "VARCHAR",
        "member_type": "VARCHAR",
        "is_public": "BOOLEAN",
        "observed_at": "TIMESTAMP",
    },
}
# Names one row; of several the one with the largest value of `NEWEST` holds.
KEYS: dict[str, tuple[str, ...]] = {
    REPOSITORIES: ("repository_id",),
    COMMITS: ("repository_id", "commit_sha"),
    ISSUES: ("repository_id", "issue_number"),
    PULL_REQUESTS: ("repository_id", "pull_request_number"),
    ISSUE_COMMENTS: ("repository_id", "comment_id"),
    MEMBERS: ("organisation_id", "member_id"),
}
NEWEST: dict[str, str | None] = {
    **dict.fromkeys((REPOSITORIES, ISSUES, PULL_REQUESTS, ISSUE_COMMENTS), "updated_at"),
    COMMITS: "committed_at",
    MEMBERS: None,
}
_REPOSITORY = "Numeric id of the repository; stays when it is renamed."
_OBSERVED = "Day on which GitHub was asked, UTC."
_OF_AUTHOR = {
    "author_id": "Numeric id of who wrote it; null for a deleted account.",
    "author_login": "Login of who wrote it at that time, a bot's with [bot]; null for a deleted "
    "account.",
    "author_type": "User, Bot, Organization or Mannequin, as GitHub says.",
    "author_association": "Relation of the author to the repository, as GitHub says.",
}
DESCRIPTIONS: dict[str, dict[str, str]] = {
    REPOSITORIES: {
        "repository_id": _REPOSITORY,
        "node_id": "GitHub's global id, by which GraphQL is asked.",
        "repository_name": "owner/name on that day.",
        "owner_id": "Numeric id of the owner; null where it was not told.",
        "owner_login": "Login of the owner.",
        "owner_type": "User or Organization.",
        "created_at": "When it was made, UTC.",
        "pushed_at": "When something was last pushed to any branch, UTC.",
        "updated_at": "When GitHub last changed what it keeps about it, UTC.",
        "is_fork": "Whether it is a fork.",
        "parent_repository_id": "Of a fork: the repository that it was made from.",
        "parent_repository_name": "Of a fork: owner/name of the repository it was made from.",
        "is_archived": "Whether it is read-only.",
        "is_disabled": "Whether GitHub switched it off.",
        "is_private": "Whether it is private; such are not seen without rights.",
        "is_empty": "Whether it has no commit.",
        "is_template": "Whether others are made from it.",
        "is_mirror": "Whether it mirrors a repository elsewhere.",
        "has_issues": "Whether its issues are switched on.",
        "has_discussions": "Whether its discussions are switched on.",
        "licence": "SPDX id of the licence that GitHub found.",
        "language": "Main language.",
        "default_branch": "Name of the default branch; null where there is no commit.",
        "head_sha": "Commit that the default branch points to.",
        "star_count": "Accounts that starred it.",
        "fork_count": "Forks, those of forks included.",
        "commit_count": "Commits of the default branch.",
        "issue_count": "Issues, open and closed, without pull requests.",
        "issue_open_count": "Open issues, without pull requests.",
        "pull_request_count": "Pull requests, open, closed and merged.",
        "pull_request_open_count": "Open pull requests.",
        "pull_request_merged_count": "Merged pull requests.",
        "disk_kilobytes": "Size as GitHub counts it, in kilobytes.",
        "issues_updated_at": "When an issue was last changed, UTC; null where there is none.",
        "pull_requests_updated_at": "When a pull request was last changed, UTC.",
        "observed_at": _OBSERVED,
    },
    COMMITS: {
        "repository_id": _REPOSITORY,
        "commit_sha": "The commit's hash.",
        "author_id": "Account that the author's address is linked to; null where to none.",
        "author_login": "Login of that account; null where the address is linked to none.",
        "author_name": "Name of the author in the commit.",
        "author_address_hash": "Salted hash of the author's e-mail address.",
        "authored_at": "When it was written, as its author's clock said, UTC.",
        "committer_id": "Account that the committer's address is linked to.",
        "committer_login": "Login of that account.",
        "committer_address_hash": "Salted hash of the committer's e-mail address.",
        "committed_at": "When it was committed, as the committer's clock said, UTC.",
        "message": "The whole message, with addresses hashed.",
        "parent_count": "Commits that it continues; two or more for a merge.",
        "co_authors": "Co-authored-by trailers: name and salted hash of the address.",
        "observed_at": _OBSERVED,
    },
    ISSUES: {
        "repository_id": _REPOSITORY,
        "issue_number": "Number within the repository, shared with pull requests.",
        "issue_id": "Numeric id of the issue.",
        "title": "Title, with addresses hashed.",
        "body": "Text, with addresses hashed; null where it is empty.",
        **_OF_AUTHOR,
        "state": "open or closed.",
        "state_reason": "completed, not_planned, duplicate or reopened, as GitHub says.",
        "labels": "Names of its labels, ordered.",
        "comment_count": "Comments in its conversation.",
        "created_at": "When it was opened, UTC.",
        "updated_at": "When it was last changed, UTC.",
        "closed_at": "When it was closed, UTC.",
        "observed_at": _OBSERVED,
    },
    PULL_REQUESTS: {
        "repository_id": _REPOSITORY,
        "pull_request_number": "Number within the repository, shared with issues.",
        "pull_request_id": "Numeric id of the pull request, which is not that of its issue.",
        "title": "Title, with addresses hashed.",
        "body": "Text, with addresses hashed; null where it is empty.",
        **_OF_AUTHOR,
        "state": "open or closed; merged ones are closed.",
        "is_draft": "Whether it is a draft.",
        "is_merged": "Whether it was merged.",
        "merged_at": "When it was merged, UTC.",
        "merged_by_login": "Login of who merged it; null for a deleted account.",
        "is_cross_repository": "Whether its branch is in another repository, such as a fork.",
        "base_ref": "Branch that it is to be merged into.",
        "head_ref": "Branch that it comes from.",
        "comment_count": "Comments in its conversation, without those on its diff.",
        "labels": "Names of its labels, ordered.",
        "created_at": "When it was opened, UTC.",
        "updated_at": "When it was last changed, UTC.",
        "closed_at": "When it was closed or merged, UTC.",
        "observed_at": _OBSERVED,
    },
    ISSUE_COMMENTS: {
        "repository_id": _REPOSITORY,
        "issue_number": "Number of the issue or pull request that it is about.",
        "comment_id": "Numeric id of the comment.",
        **_OF_AUTHOR,
        "body": "Text, with addresses hashed; null where it is empty.",
        "created_at": "When it was written, UTC.",
        "updated_at": "When it was last edited, UTC.",
        "is_pull_request": "Whether it is about a pull request.",
        "observed_at": _OBSERVED,
    },
    MEMBERS: {
        "organisation_id": "Numeric id of the organisation.",
        "organisation_login": "Login of the organisation on that day.",
        "member_id": "Numeric id of the member.",
        "member_login": "Login of the member on that day.",
        "member_type": "User or Bot, as GitHub says.",
        "is_public": "Whether everybody may see the membership.",
        "observed_at": _OBSERVED,
    },
}

GHOST = "ghost"
BOT_SUFFIX = "[bot]"
# Bytes of a refused item that are kept.
KEPT_BYTES = 64 * 1024
_LARGEST = (1 << 63) - 1
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})", re.ASCII
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"-?\d{1,19}", re.ASCII)
_THREAD = re.compile(r"/(issues|pull)/(\d{1,18})(?:#[^/]*)?$", re.ASCII)
_ISSUE = re.compile(r"/issues/(\d{1,18})$", re.ASCII)
# What stands where an address does in a commit, and has not the usual form of one: `<root@box>`.
_ODD_ADDRESS = re.compile(r"(?<=<)[^<>@\s]{1,64}@[^<>@\s]{1,253}(?=>)")
_TRAILER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)", re.ASCII)
_CO_AUTHOR = "co-authored-by"
# Trailers that tools write: one makes a block of trailers where a quarter of its lines are some.
_KNOWN_TRAILERS = frozenset({_CO_AUTHOR, "signed-off-by"})
_NAMED = re.compile(r"(.*?)[ \t]*<([^<>]*)>")


class BadItem(Exception):
    """An item that cannot be a row; the text says why, without what it holds."""

    @property
    def reason(self) -> str:
        return str(self)


class _Fields:
    """An item's values, each read as what it has to be.

    `first` of several keys that holds something is read, so that both forms share a reader.
    """

    def __init__(self, item: Any, what: str = "the item") -> None:
        if not isinstance(item, Mapping):
            raise BadItem(f"{what} is no object")
        self.item = item

    def first(self, keys: Sequence[str]) -> Any:
        return next((self.item[key] for key in keys if self.item.get(key) is not None), None)

    def text(self, *keys: str) -> str | None:
        value = self.first(keys)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise BadItem(f"{keys[0]} is no text")
        if not value.isascii() and _SURROGATE.search(value):
            raise BadItem(f"{keys[0]} has half a surrogate pair")
        return value

    def name(self, *keys: str) -> str:
        value = self.text(*keys)
        if value is None:
            raise BadItem(f"{keys[0]} is missing")
        return value

    def whole(self, *keys: str) -> int | None:
        """A whole number; GraphQL's large ones are texts."""
        value = self.first(keys)
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = int(value)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadItem(f"{keys[0]} is no whole number")
        if not -_LARGEST - 1 <= value <= _LARGEST:
            raise BadItem(f"{keys[0]} does not fit 64 bits")
        return value

    def count(self, *keys: str) -> int | None:
        value = self.whole(*keys)
        if value is not None and value < 0:
            raise BadItem(f"{keys[0]} is negative")
        return value

    def id(self, *keys: str) -> int:
        value = self.count(*keys)
        if value is None:
            raise BadItem(f"{keys[0]} is missing")
        return value

    def flag(self, *keys: str) -> bool | None:
        value = self.first(keys)
        if value is not None and not isinstance(value, bool):
            raise BadItem(f"{keys[0]} is neither true nor false")
        return value

    def moment(self, *keys: str) -> str | None:
        value = self.text(*keys)
        return None if value is None else _moment(value, keys[0])

    def time(self, *keys: str) -> str:
        value = self.moment(*keys)
        if value is None:
            raise BadItem(f"{keys[0]} is missing")
        return value

    def inner(self, *keys: str) -> "_Fields":
        """An object; one that is missing holds nothing."""
        value = self.first(keys)
        return _Fields({} if value is None else value, keys[0])

    def items(self, *keys: str) -> list[Any]:
        value = self.first(keys)
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadItem(f"{keys[0]} is no list")
        return value


def _moment(text: str, key: str) -> str:
    """A time as UTC without a zone, as it is landed."""
    if not _MOMENT.fullmatch(text):
        raise BadItem(f"{key} is no time")
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadItem(f"{key} is no time that there was") from None
    return at.replace(tzinfo=None).isoformat()


# ------------------------------------------------------------ what both forms share


def _account(value: Any, key: str) -> tuple[int | None, str | None, str | None]:
    """Id, login and type of an account; nobody for a deleted one.

    An empty object is what REST answers for an address that was linked to nobody any more.
    """
    fields = _Fields({} if value is None else value, key)
    login = fields.text("login")
    if login is None or login == GHOST:
        return None, None, None
    kind = fields.text("type", "__typename")
    if kind == "Bot" and not login.endswith(BOT_SUFFIX):
        login += BOT_SUFFIX
    return fields.count("id", "databaseId"), login, kind


def _author(fields: _Fields) -> Row:
    # A commit's `author` has another form, and is not read here.
    number, login, kind = _account(fields.first(("user", "author")), "author")
    return {
        "author_id": number,
        "author_login": login,
        "author_type": kind,
        "author_association": fields.text("author_association", "authorAssociation"),
    }


def _connection_count(fields: _Fields, key: str) -> int | None:
    return fields.inner(key).count("totalCount")


def _labels(fields: _Fields) -> list[str]:
    value = fields.first(("labels",))
    found = value if isinstance(value, list) else fields.inner("labels").items("nodes")
    names = [
        _Fields({"name": one}).text("name")
        if isinstance(one, str)
        else _Fields(one, "a label").text("name")
        for one in found
        if one is not None
    ]
    return sorted({name for name in names if name})


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _times(fields: _Fields) -> Row:
    return {
        "created_at": fields.time("created_at", "createdAt"),
        "updated_at": fields.time("updated_at", "updatedAt"),
    }


# ------------------------------------------------------------ rows


def repository_row(item: Item) -> Row:
    """A row of `repositories` from a clean item."""
    fields = _Fields(item)
    owner_id, owner_login, owner_type = _account(fields.first(("owner",)), "owner")
    parent = fields.inner("parent")
    return {
        "repository_id": fields.id("databaseId", *_rest(fields, "id")),
        "node_id": fields.text("node_id", *_graphql(fields, "id")),
        "repository_name": _full_name(fields),
        "owner_id": owner_id,
        "owner_login": owner_login,
        "owner_type": owner_type,
        "created_at": fields.time("created_at", "createdAt"),
        "pushed_at": fields.moment("pushed_at", "pushedAt"),
        "updated_at": fields.moment("updated_at", "updatedAt"),
        "is_fork": fields.flag("fork", "isFork"),
        "parent_repository_id": parent.count("databaseId", "id"),
        "parent_repository_name": parent.text("full_name", "nameWithOwner"),
        **_repository_flags(fields),
        "licence": fields.inner("license", "licenseInfo").text("spdx_id", "spdxId"),
        "language": fields.inner("primaryLanguage").text("name") or fields.text("language"),
        "disk_kilobytes": fields.count("size", "diskUsage"),
        **_repository_stocks(fields),
    }


def _rest(fields: _Fields, key: str) -> tuple[str, ...]:
    """The key where the item is REST's: GraphQL's `id` is another thing."""
    return (key,) if "full_name" in fields.item else ()


def _graphql(fields: _Fields, key: str) -> tuple[str, ...]:
    return () if "full_name" in fields.item else (key,)


def _full_name(fields: _Fields) -> str:
    name = fields.name("full_name", "nameWithOwner")
    owner, _, rest = name.partition("/")
    if not owner or not rest or "/" in rest:
        raise BadItem("the name is not owner/name")
    return name


def _repository_flags(fields: _Fields) -> Row:
    is_mirror = fields.flag("isMirror")
    if is_mirror is None and "mirror_url" in fields.item:
        is_mirror = fields.text("mirror_url") is not None
    return {
        "is_archived": fields.flag("archived", "isArchived"),
        "is_disabled": fields.flag("disabled", "isDisabled"),
        "is_private": fields.flag("private", "isPrivate"),
        "is_empty": fields.flag("isEmpty"),
        "is_template": fields.flag("is_template", "isTemplate"),
        "is_mirror": is_mirror,
        "has_issues": fields.flag("has_issues", "hasIssuesEnabled"),
        "has_discussions": fields.flag("has_discussions", "hasDiscussionsEnabled"),
    }


def _repository_stocks(fields: _Fields) -> Row:
    branch = fields.inner("defaultBranchRef")
    head = branch.inner("target")
    is_empty = fields.flag("isEmpty")
    return {
        "default_branch": fields.text("default_branch") or branch.text("name"),
        "head_sha": head.text("oid"),
        "star_count": fields.count("stargazers_count", "stargazerCount"),
        "fork_count": fields.count("forks_count", "forkCount"),
        "commit_count": 0 if is_empty else _connection_count(head, "history"),
        "issue_count": _connection_count(fields, "issues"),
        "issue_open_count": _connection_count(fields, "openIssues"),
        "pull_request_count": _connection_count(fields, "pullRequests"),
        "pull_request_open_count": _connection_count(fields, "openPullRequests"),
        "pull_request_merged_count": _connection_count(fields, "mergedPullRequests"),
        "issues_updated_at": _newest(fields, "issues"),
        "pull_requests_updated_at": _newest(fields, "pullRequests"),
    }


def _newest(fields: _Fields, key: str) -> str | None:
    """When the first item of a connection, ordered by change, was changed."""
    for node in fields.inner(key).items("nodes"):
        if node is not None:
            return _Fields(node, key).moment("updatedAt")
    return None


def commit_row(item: Item, repository_id: int) -> Row:
    """A row of `commits` from a clean item."""
    fields = _Fields(item)
    # REST puts what git knows into `commit`, and the linked accounts beside it.
    git = fields.inner("commit") if "sha" in fields.item else fields
    author, committer = git.inner("author"), git.inner("committer")
    is_rest = git is not fields
    writer = fields.first(("author",)) if is_rest else author.first(("user",))
    maker = fields.first(("committer",)) if is_rest else committer.first(("user",))
    author_id, author_login, _ = _account(writer, "author")
    committer_id, committer_login, _ = _account(maker, "committer")
    parents = len(fields.items("parents")) if is_rest else _connection_count(fields, "parents")
    message = git.text("message") or ""
    return {
        "repository_id": repository_id,
        "commit_sha": fields.name("sha", "oid"),
        "author_id": author_id,
        "author_login": author_login,
        "author_name": author.text("name"),
        "author_address_hash": author.text("email"),
        "authored_at": git.moment("authoredDate") or author.moment("date"),
        "committer_id": committer_id,
        "committer_login": committer_login,
        "committer_address_hash": committer.text("email"),
        "committed_at": git.moment("committedDate") or committer.moment("date"),
        "message": message,
        "parent_count": parents,
        "co_authors": co_authors(message),
    }


def issue_row(item: Item, repository_id: int) -> Row:
    """A row of `issues` from a clean item that is not a pull request."""
    fields = _Fields(item)
    comments = fields.first(("comments",))
    return {
        "repository_id": repository_id,
        "issue_number": fields.id("number"),
        "issue_id": fields.id("fullDatabaseId", "databaseId", *_plain_id(fields)),
        "title": fields.text("title"),
        "body": fields.text("body"),
        **_author(fields),
        "state": _lower(fields.name("state")),
        "state_reason": _lower(fields.text("state_reason", "stateReason")),
        "labels": _labels(fields),
        "comment_count": _connection_count(fields, "comments")
        if isinstance(comments, Mapping)
        else fields.count("comments"),
        **_times(fields),
        "closed_at": fields.moment("closed_at", "closedAt"),
    }


def _plain_id(fields: _Fields) -> tuple[str, ...]:
    return ("id",) if "node_id" in fields.item or isinstance(fields.item.get("id"), int) else ()


def pull_request_row(item: Item, repository_id: int) -> Row:
    """A row of `pull_requests` from a clean item.

    REST tells who merged it and how many comments there are only of a single one, not in lists.
    """
    fields = _Fields(item)
    comments = fields.first(("comments",))
    merged_at = fields.moment("merged_at", "mergedAt")
    state = _lower(fields.name("state"))
    _, merged_by, _ = _account(fields.first(("merged_by", "mergedBy")), "merged_by")
    is_merged = fields.flag("merged")
    return {
        "repository_id": repository_id,
        "pull_request_number": fields.id("number"),
        "pull_request_id": fields.id("fullDatabaseId", "databaseId", *_plain_id(fields)),
        "title": fields.text("title"),
        "body": fields.text("body"),
        **_author(fields),
        "state": "closed" if state == "merged" else state,
        "is_draft": fields.flag("draft", "isDraft"),
        "is_merged": merged_at is not None if is_merged is None else is_merged,
        "merged_at": merged_at,
        "merged_by_login": merged_by,
        "is_cross_repository": _is_cross_repository(fields),
        "base_ref": fields.text("baseRefName") or fields.inner("base").text("ref"),
        "head_ref": fields.text("headRefName") or fields.inner("head").text("ref"),
        "comment_count": _connection_count(fields, "comments")
        if isinstance(comments, Mapping)
        else fields.count("comments"),
        "labels": _labels(fields),
        **_times(fields),
        "closed_at": fields.moment("closed_at", "closedAt"),
    }


def _is_cross_repository(fields: _Fields) -> bool | None:
    told = fields.flag("isCrossRepository")
    if told is not None or "base" not in fields.item:
        return told
    head, base = (fields.inner(side).inner("repo").count("id") for side in ("head", "base"))
    # A repository that is gone was another one: this one is there.
    return head is None or head != base


def comment_row(item: Item, repository_id: int) -> Row:
    """A row of `issue_comments` from a clean item."""
    fields = _Fields(item)
    page = _THREAD.search(fields.text("html_url", "url") or "")
    issue = _ISSUE.search(fields.text("issue_url") or "")
    if page is None:
        raise BadItem("html_url names no issue or pull request")
    return {
        "repository_id": repository_id,
        "issue_number": int(issue[1] if issue else page[2]),
        "comment_id": fields.id("fullDatabaseId", "databaseId", *_plain_id(fields)),
        **_author(fields),
        "body": fields.text("body"),
        **_times(fields),
        "is_pull_request": page[1] == "pull",
    }


def member_row(item: Item, organisation_id: int, organisation_login: str) -> Row:
    """A row of `organisation_members` from a clean item of the list of public members."""
    fields = _Fields(item)
    number, login, kind = _account(item, "member")
    if number is None or login is None:
        raise BadItem(f"{'login' if fields.text('login') is None else 'id'} is missing")
    return {
        "organisation_id": organisation_id,
        "organisation_login": organisation_login,
        "member_id": number,
        "member_login": login,
        "member_type": kind,
        "is_public": True,
    }


def updated_at(item: Any) -> str | None:
    """When an item of a list was last changed; None where it does not say so."""
    try:
        return _Fields(item).moment("updated_at")
    except BadItem:
        return None


def is_pull_request(item: Any) -> bool:
    """Whether an item of the list of issues is a pull request."""
    return isinstance(item, Mapping) and item.get("pull_request") is not None


def co_authors(message: str) -> list[Row]:
    """Name and hash of the address of each `Co-authored-by` trailer, each once.

    A trailer counts in the message's last paragraph only, as git has it (`git help
    interpret-trailers`): all of its lines are trailers, or one that a tool wrote is among them
    and a quarter of the lines are some. The title is no trailer.
    """
    found: list[Row] = []
    for key, value in _trailers(message):
        if key != _CO_AUTHOR or not value:
            continue
        named = _NAMED.match(value)
        name, address = (named[1].strip(), named[2].strip()) if named else (value, "")
        is_hashed = address.startswith("email:")
        one = {"name": name or None, "address_hash": address if is_hashed else None}
        if one not in found:
            found.append(one)
    return found


def _trailers(message: str) -> list[tuple[str, str]]:
    lines = [line.rstrip() for line in message.rstrip().splitlines()]
    start = len(lines)
    while start and lines[start - 1]:
        start -= 1
    if not start:
        return []
    found: list[tuple[str, str]] = []
    others = 0
    for line in lines[start:]:
        trailer = _TRAILER.fullmatch(line)
        if trailer:
            found.append((trailer[1].lower(), trailer[2]))
        elif line[0].isspace() and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        else:
            others += 1
    is_known = any(key in _KNOWN_TRAILERS for key, _ in found)
    is_block = not others or (is_known and len(found) * 3 >= others)
    return found if is_block else []


# ------------------------------------------------------------ clean items


# The keys that rows are made of; nothing else is looked at, hashed or kept.
_THREAD_KEYS = (
    *("number", "id", "node_id", "databaseId", "fullDatabaseId", "title", "body", "user"),
    *("author", "author_association", "authorAssociation", "state", "labels", "comments"),
    *("created_at", "createdAt", "updated_at", "updatedAt", "closed_at", "closedAt"),
)
_KEYS_READ: dict[str, tuple[str, ...]] = {
    REPOSITORIES: (
        *("databaseId", "id", "node_id", "full_name", "nameWithOwner", "owner", "created_at"),
        *("createdAt", "pushed_at", "pushedAt", "updated_at", "updatedAt", "fork", "isFork"),
        *("parent", "archived", "isArchived", "disabled", "isDisabled", "private", "isPrivate"),
        *("isEmpty", "is_template", "isTemplate", "isMirror", "mirror_url", "has_issues"),
        *("hasIssuesEnabled", "has_discussions", "hasDiscussionsEnabled", "license"),
        *("licenseInfo", "language", "primaryLanguage", "size", "diskUsage", "default_branch"),
        *("defaultBranchRef", "stargazers_count", "stargazerCount", "forks_count", "forkCount"),
        *("issues", "openIssues", "pullRequests", "openPullRequests", "mergedPullRequests"),
    ),
    COMMITS: (
        *("sha", "oid", "commit", "author", "committer", "message", "authoredDate"),
        *("committedDate", "parents"),
    ),
    ISSUES: (*_THREAD_KEYS, "state_reason", "stateReason"),
    PULL_REQUESTS: (
        *_THREAD_KEYS,
        *("draft", "isDraft", "merged", "merged_at", "mergedAt", "merged_by", "mergedBy"),
        *("isCrossRepository", "baseRefName", "headRefName", "base", "head"),
    ),
    ISSUE_COMMENTS: (*_THREAD_KEYS, "html_url", "url", "issue_url"),
    MEMBERS: ("id", "databaseId", "login", "type", "__typename"),
}


class Normaliser:
    """Turns items into rows, with addresses hashed by one installation's salt.

    Safe among threads as far as `AddressHasher` is: what it remembers is only ever added to.
    """

    def __init__(self, hasher: AddressHasher) -> None:
        self._hasher = hasher

    def repository(self, item: Any) -> Row:
        """Raises BadItem."""
        return repository_row(self.clean(REPOSITORIES, item))

    def commits(self, items: Iterable[Any], repository_id: int) -> tuple[list[Row], list[str]]:
        """Rows, and lines for quarantine; so do the following."""
        return self._rows(COMMITS, items, lambda item: commit_row(item, repository_id))

    def issues(self, items: Iterable[Any], repository_id: int) -> tuple[list[Row], list[str]]:
        """Pull requests, which the list of issues has as well, are left out."""
        kept = [item for item in items if not is_pull_request(item)]
        return self._rows(ISSUES, kept, lambda item: issue_row(item, repository_id))

    def pull_requests(
        self, items: Iterable[Any], repository_id: int
    ) -> tuple[list[Row], list[str]]:
        """Of both APIs."""
        return self._rows(PULL_REQUESTS, items, lambda item: pull_request_row(item, repository_id))

    def comments(self, items: Iterable[Any], repository_id: int) -> tuple[list[Row], list[str]]:
        """Of issues and pull requests."""
        return self._rows(ISSUE_COMMENTS, items, lambda item: comment_row(item, repository_id))

    def members(
        self, items: Iterable[Any], organisation_id: int, login: str
    ) -> tuple[list[Row], list[str]]:
        """Public members of an organisation."""
        return self._rows(MEMBERS, items, lambda item: member_row(item, organisation_id, login))

    def _rows(
        self, table: str, items: Iterable[Any], row: Callable[[Item], Row]
    ) -> tuple[list[Row], list[str]]:
        rows = []
        bad = []
        for item in items:
            try:
                rows.append(row(self.clean(table, item)))
            except BadItem as problem:
                bad.append(self.bad_line(table, item, problem.reason))
        return rows, bad

    def clean(self, table: str, item: Any) -> dict[str, Any]:
        """The keys that are read, with every address in them hashed.

        Raises:
            BadItem: it is no object, or nested too deeply.
        """
        if not isinstance(item, Mapping):
            raise BadItem("the item is no object")
        wanted = {key: item[key] for key in _KEYS_READ[table] if key in item}
        for side in ("head", "base"):
            if isinstance(wanted.get(side), Mapping):
                wanted[side] = _branch(wanted[side])
        found = self._hashed(wanted)
        for text in ("message", "body", "title"):
            if isinstance(found.get(text), str):
                found[text] = self._without_odd_addresses(found[text])
        git = found.get("commit")
        if isinstance(git, dict) and isinstance(git.get("message"), str):
            git["message"] = self._without_odd_addresses(git["message"])
        return found

    def _hashed(self, value: dict[str, Any]) -> dict[str, Any]:
        try:
            try:
                found = orjson.loads(self._hasher(orjson.dumps(value)))
            except (orjson.JSONEncodeError, orjson.JSONDecodeError):
                # The lenient ones: numbers beyond 64 bits and half pairs are refused by value.
                found = json.loads(self._hasher(json.dumps(value).encode()))
        except (ValueError, TypeError, RecursionError):
            raise BadItem("the item is no JSON that can be written") from None
        assert isinstance(found, dict)
        return found

    def _without_odd_addresses(self, text: str) -> str:
        return _ODD_ADDRESS.sub(self._odd_hash, text) if "@" in text else text

    def _odd_hash(self, match: re.Match[str]) -> str:
        if match[0].partition("@")[0].lower().encode() in NOT_PERSONAL:
            return match[0]
        hashed: str = self._hashed({"email": match[0]})["email"]
        return hashed

    def bad_line(self, table: str, item: Any, reason: str) -> str:
        """A line for quarantine: reason and item, without addresses."""
        try:
            kept: Any = self.clean(table, item)
        except BadItem:
            kept = None
        text = json.dumps(kept)
        if len(text) > KEPT_BYTES:
            text = json.dumps(text[:KEPT_BYTES])
        return json.dumps({"table": table, "reason": reason, "item": json.loads(text)})


def _branch(value: Mapping[str, Any]) -> dict[str, Any]:
    """Of a branch of a pull request what is read; it holds whole repositories."""
    repository = value.get("repo")
    kept = {"id": repository.get("id")} if isinstance(repository, Mapping) else repository
    return {"ref": value.get("ref"), "repo": kept}
