"""The objects of the GraphQL API: repositories, threads, commits, accounts.

Belongs here: the fields of each type, as attributes and methods named like the fields but in
snake case. Does not belong here: the schema (`github_schema`), requests (`github_graphql`), and
what is true (`twin.github`).

Decided where the documents leave it open: a repository that was taken down is an error of type
`FORBIDDEN`; ids that do not fit the 32 bits of `databaseId` are null there, as `fullDatabaseId`
replaces it; commits by apps link a user whose login keeps `[bot]`, everywhere else a bot's login
has lost it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from twin.draws import Bools, Ints
from twin.github import GitHubView
from twin.github_commits import CommitTable
from twin.github_records import Account, Comment, Commit, Label, Release, Repository, Review, Thread
from twin.identifiers import node_id, node_of, pull_id, thread_id
from twin.server.github_connections import (
    Connection,
    Listing,
    by_key,
    by_place,
    by_place_from_end,
)
from twin.server.github_cost import ApiError
from twin.server.github_shapes import WEB, moment, path_of, timestamp

_INT32 = (1 << 31) - 1
_NUMBERS = 1 << 22


def _short_id(number: int) -> int | None:
    return number if number <= _INT32 else None


def _seconds(text: str) -> int:
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, AttributeError):
        raise ApiError("argumentLiteralsIncompatible", f"`{text}` is not a valid time.") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _paging(arguments: dict[str, Any]) -> dict[str, Any]:
    return {k: arguments.get(k) for k in ("first", "last", "after", "before")}


# ------------------------------------------------------------ accounts


class _Owner:
    """What users, organisations and bots have in common."""

    kind = ""

    def __init__(self, view: GitHubView, account: Account) -> None:
        self.view, self.account = view, account
        self.database_id = account.id
        self.login = account.login
        self.name = account.name
        self.company = account.company
        self.url = f"{WEB}/{path_of(account.login)}"
        self.created_at = timestamp(account.created_at)
        self.email = ""
        self.bio = self.location = self.description = None

    @property
    def id(self) -> str:
        return node_id(self.kind, self.account.id)

    def avatar_url(self, size: int | None = None) -> str:
        """The address of the picture, which is not part of the twin."""
        wanted = f"&s={size}" if size else ""
        return f"https://avatars.githubusercontent.com/u/{self.account.id}?v=4{wanted}"


class User(_Owner):
    kind = __typename = "User"


class Organization(_Owner):
    kind = __typename = "Organization"


class Bot(_Owner):
    kind = __typename = "Bot"

    def __init__(self, view: GitHubView, account: Account) -> None:
        super().__init__(view, account)
        self.login = account.login.removesuffix("[bot]")
        self.url = f"{WEB}/apps/{self.login}"


def actor(view: GitHubView, account: Account | None) -> Any:
    """The node of an account; None for a deleted one."""
    if account is None or account.is_ghost:
        return None
    return {"Organization": Organization, "Bot": Bot}.get(account.kind, User)(view, account)


# ------------------------------------------------------------ repositories


class RepositoryNode:
    """A repository."""

    __typename = "Repository"

    def __init__(self, view: GitHubView, record: Repository) -> None:
        self.view, self.record, self.index = view, record, record.index
        self.id, self.database_id = node_id("Repository", record.id), _short_id(record.id)
        self.name_with_owner = record.full_name
        self.name = record.full_name.split("/", 1)[1]
        self.url = f"{WEB}/{path_of(record.full_name)}"
        self.description = record.description
        self.created_at, self.updated_at = (
            timestamp(record.created_at),
            timestamp(record.updated_at),
        )
        self.pushed_at = timestamp(record.pushed_at)
        self.is_fork, self.is_archived = record.is_fork, record.is_archived
        self.is_private = self.is_disabled = self.is_template = self.is_mirror = False
        self.has_issues_enabled, self.has_wiki_enabled = record.has_issues, True
        self.has_discussions_enabled = False
        self.disk_usage = record.size
        self.stargazer_count, self.fork_count = record.stars, record.forks

    @property
    def is_empty(self) -> bool:
        return self.index < 0 or not self.view.commit_count(self.index)

    @property
    def owner(self) -> Any:
        return actor(self.view, self.record.owner)

    @property
    def parent(self) -> "RepositoryNode | None":
        parent = self.view.parent(self.index) if self.index >= 0 else -1
        return repository_node(self.view, parent) if parent >= 0 else None

    @property
    def license_info(self) -> dict[str, Any] | None:
        from twin import words

        if self.record.licence < 0:
            return None
        key, name, spdx = words.LICENCES[self.record.licence]
        number = node_id("License", self.record.licence + 1)
        return {"id": number, "key": key, "name": name, "spdxId": spdx, "url": None}

    @property
    def primary_language(self) -> dict[str, Any] | None:
        return _language(self.record.language) if self.record.language else None

    @property
    def default_branch_ref(self) -> dict[str, Any] | None:
        if self.is_empty:
            return None
        return {
            "id": node_id("Ref", self.record.id), "name": "main", "prefix": "refs/heads/",
            "target": self._commit(self.view.commit_count(self.index) - 1),
        }  # fmt: skip

    def _commit(self, position: int) -> "CommitNode":
        table = self.view.commit_table(self.index, position, position + 1)
        return CommitNode(self, self.view.commits(self.index, table)[0])

    def object(self, oid: str | None = None, expression: str | None = None) -> Any:
        """A commit by its sha or a name of the main branch; None where there is none."""
        if self.is_empty:
            return None
        wanted = (oid or expression or "").lower()
        if wanted in ("main", "head", "refs/heads/main"):
            return self._commit(self.view.commit_count(self.index) - 1)
        if not 7 <= len(wanted) <= 40 or any(c not in "0123456789abcdef" for c in wanted):
            return None
        position = self.view.commit_position(self.index, wanted)
        return None if position is None else self._commit(position)

    def issue(self, number: int) -> Any:
        """The issue of a number."""
        return self._thread(number, pull=False)

    def pull_request(self, number: int) -> Any:
        """The pull request of a number."""
        return self._thread(number, pull=True)

    def _thread(self, number: int, *, pull: bool) -> Any:
        kind = "a PullRequest" if pull else "an Issue"
        message = f"Could not resolve to {kind} with the number of {number}."
        if self.index < 0 or not 1 <= number <= self.view.thread_count(self.index):
            raise ApiError("NOT_FOUND", message)
        if bool(self.view.threads(self.index).is_pull[number - 1]) != pull:
            raise ApiError("NOT_FOUND", message)
        return self._threads(np.array([number - 1]))[0]

    def _threads(self, places: Ints) -> list[Any]:
        records = self.view.thread_records(self.index, places)
        return [(PullRequest if t.is_pull else Issue)(self, t) for t in records]

    def issues(
        self,
        states: Sequence[str] | None = None,
        order_by: dict[str, str] | None = None,
        filter_by: dict[str, Any] | None = None,
        labels: Sequence[str] | None = None,
        **paging: Any,
    ) -> Connection:
        """Issues without pull requests."""
        wanted = dict(filter_by or {})
        chosen = states or wanted.get("states")

        def kept(table: Any) -> Bools:
            mask: Bools = ~table.is_pull
            if not self.record.has_issues:
                mask &= False
            if chosen:
                mask &= np.where(table.closed_at == 0, "OPEN" in chosen, "CLOSED" in chosen)
            if wanted.get("since"):
                mask &= table.updated_at >= _seconds(wanted["since"])
            if wanted.get("createdBy"):
                account = self.view.github.account_named(wanted["createdBy"])
                mask &= table.author == (-2 if account is None else account)
            return mask

        return self._thread_list(kept, order_by, labels, paging)

    def pull_requests(
        self,
        states: Sequence[str] | None = None,
        order_by: dict[str, str] | None = None,
        labels: Sequence[str] | None = None,
        base_ref_name: str | None = None,
        **paging: Any,
    ) -> Connection:
        """Pull requests."""

        def kept(table: Any) -> Bools:
            mask: Bools = table.is_pull & (base_ref_name in (None, "main"))
            if states:
                merged, ended = table.merged_at > 0, table.closed_at > 0
                mask &= np.where(
                    merged, "MERGED" in states,
                    np.where(ended, "CLOSED" in states, "OPEN" in states),
                )  # fmt: skip
            return mask

        return self._thread_list(kept, order_by, labels, paging)

    def _thread_list(
        self,
        kept: Callable[[Any], Bools],
        order_by: dict[str, str] | None,
        labels: Sequence[str] | None,
        paging: dict[str, Any],
    ) -> Connection:
        if self.index < 0 or not self.view.thread_count(self.index):
            return Connection(by_place(0, _nothing), **_paging(paging))
        table = self.view.threads(self.index)
        mask = kept(table)
        if labels:
            found = self.view.texts.theme(np.full(len(table), self.index), table.number).label
            known = {label.name: k for k, label in enumerate(self.view.labels(self.index))}
            mask &= np.isin(found, [known.get(name, -2) for name in labels])
        places = np.flatnonzero(mask)
        order = order_by or {"field": "CREATED_AT", "direction": "ASC"}
        key = {"UPDATED_AT": table.updated_at, "COMMENTS": table.comment_count}.get(
            order["field"], table.number
        )
        falling = order["direction"] == "DESC"
        ranked = np.lexsort((places, key[places]))
        places = places[ranked[::-1] if falling else ranked]
        listing = by_key(
            (key[places], table.number[places]),
            lambda start, stop: self._threads(places[start:stop]),
            descending=falling,
        )
        return Connection(listing, **_paging(paging))

    def stargazers(self, order_by: dict[str, str] | None = None, **paging: Any) -> Connection:
        """Who starred it, the oldest star first unless told otherwise."""
        view, i = self.view, self.index
        total = view.star_count(i) if i >= 0 else 0
        falling = bool(order_by) and (order_by or {})["direction"] == "DESC"

        def columns(start: int, stop: int) -> tuple[Ints, Ints]:
            if not falling:
                return view.stars(i, start, stop)
            who, at = view.stars(i, total - stop, total - start)
            return who[::-1], at[::-1]

        listing = (by_place_from_end if falling else by_place)(
            total,
            lambda start, stop: [
                User(view, view.account(k)) for k in columns(start, stop)[0].tolist()
            ],
            beside=lambda start, stop: [
                {"starredAt": timestamp(at)} for at in columns(start, stop)[1].tolist()
            ],
        )
        return Connection(listing, **_paging(paging))

    def watchers(self, **paging: Any) -> Connection:
        """Who watches it."""
        view = self.view
        found = view.subscribers(self.index).tolist() if self.index >= 0 else []
        return Connection(
            by_place(
                len(found),
                lambda start, stop: [actor(view, view.account(k)) for k in found[start:stop]],
            ),
            **_paging(paging),
        )

    def forks(self, **paging: Any) -> Connection:
        """Its forks."""
        view, i = self.view, self.index
        listing = by_place_from_end(
            view.fork_count(i) if i >= 0 else 0,
            lambda start, stop: [RepositoryNode(view, r) for r in view.forks(i, start, stop)],
        )
        return Connection(listing, **_paging(paging))

    def discussions(self, **paging: Any) -> Connection:
        """Nobody uses them in the twin."""
        return Connection(by_place(0, _nothing), **_paging(paging))

    def releases(self, **paging: Any) -> Connection:
        """Releases, the newest first."""
        found = self.view.releases(self.index) if self.index >= 0 else []
        listing = by_place_from_end(
            len(found),
            lambda start, stop: [_release(self, release) for release in found[start:stop]],
        )
        return Connection(listing, **_paging(paging))

    def labels(self, **paging: Any) -> Connection:
        """The labels that can be put on threads."""
        found = self.view.labels(self.index) if self.index >= 0 else ()
        return _labels(found, paging)

    def languages(self, **paging: Any) -> Connection:
        """Languages with their bytes of code."""
        sizes = self.view.languages(self.index) if self.index >= 0 else {}
        listing = by_place(
            len(sizes),
            lambda start, stop: [_language(name) for name in list(sizes)[start:stop]],
            beside=lambda start, stop: [{"size": n} for n in list(sizes.values())[start:stop]],
            fields={"total_size": sum(sizes.values())},
        )
        return Connection(listing, **_paging(paging))

    def repository_topics(self, **paging: Any) -> Connection:
        """Topics."""
        topics = self.record.topics
        listing = by_place(
            len(topics),
            lambda start, stop: [
                {
                    "id": node_id(f"RepositoryTopic{name}", self.record.id),
                    "topic": {"id": node_id(f"Topic{name}", 1), "name": name},
                }
                for name in topics[start:stop]
            ],
        )
        return Connection(listing, **_paging(paging))


def _nothing(_start: int, _stop: int) -> Sequence[Any]:
    return ()


def _language(name: str) -> dict[str, Any]:
    return {"id": node_id(f"Language{name}", 1), "name": name}


def _labels(found: Sequence[Label], paging: dict[str, Any]) -> Connection:
    listing = by_place(
        len(found),
        lambda start, stop: [
            {
                "id": node_id("Label", label.id),
                "name": label.name,
                "color": label.colour,
                "description": label.description,
            }
            for label in found[start:stop]
        ],
    )
    return Connection(listing, **_paging(paging))


def _release(repository: RepositoryNode, release: Release) -> dict[str, Any]:
    at = timestamp(release.created_at)
    author = release.author
    return {
        "id": node_id("Release", release.id), "databaseId": _short_id(release.id),
        "fullDatabaseId": str(release.id), "tagName": release.tag, "name": release.tag,
        "createdAt": at, "publishedAt": at, "isDraft": False, "isPrerelease": False,
        "description": release.body, "author": User(repository.view, author),
        "url": f"{repository.url}/releases/tag/{release.tag}",
    }  # fmt: skip


def repository_node(view: GitHubView, i: int) -> RepositoryNode:
    """The node of a visible repository."""
    return RepositoryNode(view, view.repository(i))


# ------------------------------------------------------------ commits


class CommitNode:
    """A commit of the main branch."""

    __typename = "Commit"

    def __init__(self, repository: RepositoryNode, commit: Commit) -> None:
        self.repository, self.commit = repository, commit
        self.id = node_id("Commit", int(commit.sha[:12], 16))
        self.oid, self.abbreviated_oid = commit.sha, commit.sha[:7]
        self.message = commit.message
        self.message_headline, _, rest = commit.message.partition("\n")
        self.message_body = rest.lstrip("\n")
        self.authored_date = timestamp(commit.authored_at)
        self.committed_date = timestamp(commit.committed_at)
        self.committed_via_web = commit.is_by_platform
        self.authored_by_committer = commit.author_email == commit.committer_email
        self.url = f"{repository.url}/commit/{commit.sha}"

    @property
    def author(self) -> dict[str, Any]:
        c = self.commit
        return self._git(c.author_name, c.author_email, c.authored_at, c.author)

    @property
    def committer(self) -> dict[str, Any]:
        c = self.commit
        return self._git(c.committer_name, c.committer_email, c.committed_at, c.committer)

    def _git(self, name: str, email: str, at: int, account: Account | None) -> dict[str, Any]:
        user = None
        if account is not None and not account.is_ghost:
            user = User(self.repository.view, account)
        return {"name": name, "email": email, "date": timestamp(at), "user": user}

    def parents(self, **paging: Any) -> Connection:
        """The parents; of a merge only the one on the main branch can be followed."""
        before = self.commit.position - 1

        def items(start: int, stop: int) -> list[CommitNode]:
            return [self.repository._commit(before) for _ in range(start, stop)]

        count = {"total_count": len(self.commit.parents)}
        listing = by_place(1 if before >= 0 else 0, items, fields=count)
        return Connection(listing, **_paging(paging))

    def history(
        self,
        since: str | None = None,
        until: str | None = None,
        author: dict[str, Any] | None = None,
        path: str | None = None,  # noqa: ARG002 - commits are not kept by file
        **paging: Any,
    ) -> Connection:
        """This commit and those before it, the newest first."""
        view, i = self.repository.view, self.repository.index
        low, high = 0, self.commit.position + 1
        if since or until:
            low, newest = view.commits_between(
                i, _seconds(since) if since else None, _seconds(until) if until else None
            )
            high = max(min(high, newest), low)
        if author is None:
            return Connection(self._range(low, high), **_paging(paging))
        position = view.positions_of(i, low, high, _written_by(view, author))

        def items(start: int, stop: int) -> list[CommitNode]:
            return [self.repository._commit(int(k)) for k in position[start:stop]]

        return Connection(by_key((position,), items, descending=True), **_paging(paging))

    def _range(self, low: int, high: int) -> Listing:
        """Commits of positions below `high`; an item is named by its position."""
        view, i = self.repository.view, self.repository.index

        def items(start: int, stop: int) -> list[CommitNode]:
            table = view.commit_table(i, high - stop, high - start)
            return [CommitNode(self.repository, c) for c in view.commits(i, table)[::-1]]

        def place(text: str) -> int | None:
            return high - 1 - int(text) if text.isascii() and text.isdigit() else None

        return Listing(high - low, items, lambda k: str(high - 1 - k), place)


def _written_by(view: GitHubView, author: dict[str, Any]) -> Callable[[CommitTable], Bools]:
    """The filter of a history by a person's id or addresses."""
    wanted = []
    if author.get("id"):
        named = node_of(author["id"])
        found = view.github.account_numbered(named[1]) if named else None
        wanted.append(-2 if found is None else found)
    for email in author.get("emails") or ():
        found = view.github.account_named(email.rpartition("@")[0])
        theirs = found is not None and view.account(found).email == email
        wanted.append(found if theirs and found is not None else -2)
    return lambda table: np.isin(table.author, wanted)


# ------------------------------------------------------------ threads


class _ThreadNode:
    """What issues and pull requests have in common."""

    kind = ""

    def __init__(self, repository: RepositoryNode, thread: Thread) -> None:
        self.repository, self.thread = repository, thread
        number = thread.pull_id if thread.is_pull else thread.issue_id
        self.id = node_id(self.kind, number)
        self.database_id, self.full_database_id = _short_id(number), str(number)
        self.number, self.title = thread.number, thread.title
        self.body = self.body_text = thread.body
        self.closed = bool(thread.closed_at)
        self.created_at, self.updated_at = (
            timestamp(thread.created_at),
            timestamp(thread.updated_at),
        )
        self.closed_at = moment(thread.closed_at)
        self.author_association = thread.association
        place = "pull" if thread.is_pull else "issues"
        self.url = f"{repository.url}/{place}/{thread.number}"

    @property
    def author(self) -> Any:
        return actor(self.repository.view, self.thread.author)

    def labels(self, **paging: Any) -> Connection:
        """The labels that were put on."""
        return _labels(self.thread.labels, paging)

    def comments(self, **paging: Any) -> Connection:
        """The conversation, the oldest comment first."""
        view, i, number = self.repository.view, self.repository.index, self.thread.number
        listing = by_place(
            self.thread.comment_count,
            lambda start, stop: [
                _comment(self, comment) for comment in view.comments(i, number, start, stop)
            ],
        )
        return Connection(listing, **_paging(paging))


def _comment(thread: _ThreadNode, comment: Comment) -> dict[str, Any]:
    at = timestamp(comment.created_at)
    return {
        "id": node_id("IssueComment", comment.id), "databaseId": _short_id(comment.id),
        "fullDatabaseId": str(comment.id), "body": comment.body, "bodyText": comment.body,
        "createdAt": at, "updatedAt": at, "author": actor(thread.repository.view, comment.author),
        "url": f"{thread.url}#issuecomment-{comment.id}",
        "authorAssociation": comment.association,
    }  # fmt: skip


class Issue(_ThreadNode):
    kind = __typename = "Issue"

    @property
    def state(self) -> str:
        return "CLOSED" if self.closed else "OPEN"


class PullRequest(_ThreadNode):
    kind = __typename = "PullRequest"

    def __init__(self, repository: RepositoryNode, thread: Thread) -> None:
        super().__init__(repository, thread)
        self.merged, self.merged_at = bool(thread.merged_at), moment(thread.merged_at)
        self.is_draft, self.base_ref_name = False, "main"
        self.head_ref_name, self.head_ref_oid = thread.head_ref, thread.head_sha
        self.base_ref_oid, self.is_cross_repository = thread.base_sha, thread.head_fork

    @property
    def state(self) -> str:
        return "MERGED" if self.merged else "CLOSED" if self.closed else "OPEN"

    @property
    def merged_by(self) -> Any:
        return actor(self.repository.view, self.thread.closed_by) if self.merged else None

    @property
    def merge_commit(self) -> Any:
        sha = self.thread.merge_sha
        return self.repository.object(oid=sha) if sha else None

    def reviews(self, **paging: Any) -> Connection:
        """Reviews, the oldest first."""
        view = self.repository.view
        found = view.reviews(self.repository.index, self.thread.number)
        listing = by_place(
            len(found), lambda start, stop: [_review(view, r) for r in found[start:stop]]
        )
        return Connection(listing, **_paging(paging))


def _review(view: GitHubView, review: Review) -> dict[str, Any]:
    at = timestamp(review.created_at)
    return {
        "id": node_id("PullRequestReview", review.id), "databaseId": _short_id(review.id),
        "fullDatabaseId": str(review.id), "body": review.body, "state": review.state,
        "createdAt": at, "submittedAt": at, "author": actor(view, review.author),
        "authorAssociation": review.association,
    }  # fmt: skip


# ------------------------------------------------------------ by id


def node(view: GitHubView, text: str) -> Any:
    """The object of a global id.

    Raises:
        ApiError: `NOT_FOUND`, where there is none that a stranger sees.
    """
    known = node_of(text)
    found = _node_of(view, *known) if known else None
    if found is None:
        message = f"Could not resolve to a node with the global id of '{text}'"
        raise ApiError("NOT_FOUND", message)
    return found


def _node_of(view: GitHubView, kind: str, number: int) -> Any:
    if kind in ("User", "Organization", "Bot"):
        account = view.github.account_numbered(number)
        found = None if account is None else actor(view, view.account(account))
        return found if found is not None and found.kind == kind else None
    if kind == "Repository":
        index = view.find_id(number)
        visible = index is not None and view.status(index) == "ok"
        return repository_node(view, index) if visible and index is not None else None
    if kind in ("Issue", "PullRequest"):
        first = (thread_id if kind == "Issue" else pull_id)(0, 0)
        i, place = divmod(number - first, _NUMBERS)
        if not 0 <= i < len(view.visible) or not view.visible[i]:
            return None
        repository = repository_node(view, i)
        try:
            return repository._thread(place, pull=kind == "PullRequest")
        except ApiError:
            return None
    return None
