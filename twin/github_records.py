"""What GitHub shows, as plain records: one repository, thread, commit, comment and so on.

Belongs here: the fields that the REST and the GraphQL views render. Does not belong here: where
they come from (`github`), their JSON (`server.github_shapes`, `server.github_graphql`).

Times are epoch seconds, 0 where something has not happened. `index` is the place in
`World.accounts` or `World.repositories`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """An account, or a passer-by (index beyond the accounts of the world)."""

    index: int
    id: int
    login: str
    name: str | None
    kind: str
    email: str
    company: str | None
    created_at: int
    followers: int
    is_ghost: bool


@dataclass(frozen=True, slots=True)
class Repository:
    """A visible repository, or with index -1 a person's fork that is no part of the population."""

    index: int
    id: int
    full_name: str
    owner: Account
    description: str | None
    is_fork: bool
    created_at: int
    updated_at: int
    pushed_at: int
    language: str | None
    licence: int
    has_issues: bool
    is_archived: bool
    stars: int
    forks: int
    open_issues: int
    subscribers: int
    size: int
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a repository."""

    id: int
    name: str
    colour: str
    description: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """An issue or a pull request; the fields from `pull_id` on say nothing for an issue.

    `merge_sha` is the commit that the merge made, or None. `head_fork` is whether the branch is
    in the author's fork.
    """

    number: int
    issue_id: int
    is_pull: bool
    author: Account
    association: str
    created_at: int
    updated_at: int
    closed_at: int
    merged_at: int
    closed_by: Account | None
    state_reason: str | None
    title: str
    body: str
    labels: tuple[Label, ...]
    comment_count: int
    review_count: int
    review_comment_count: int
    pull_id: int
    commit_count: int
    head_fork: bool
    head_ref: str
    head_sha: str
    base_sha: str
    merge_sha: str | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment in the conversation of a thread."""

    id: int
    number: int
    on_pull: bool
    author: Account
    association: str
    created_at: int
    body: str


@dataclass(frozen=True, slots=True)
class Review:
    """A review of a pull request."""

    id: int
    number: int
    author: Account
    association: str
    created_at: int
    state: str
    body: str
    commit_sha: str


@dataclass(frozen=True, slots=True)
class ReviewComment:
    """A comment on the diff of a pull request."""

    id: int
    number: int
    review_id: int | None
    author: Account
    association: str
    created_at: int
    body: str
    path: str
    line: int
    commit_sha: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; `author` or `committer` is None where no account has the address."""

    position: int
    sha: str
    parents: tuple[str, ...]
    author: Account | None
    author_name: str
    author_email: str
    authored_at: int
    committer: Account | None
    committer_name: str
    committer_email: str
    committed_at: int
    message: str
    is_by_platform: bool


@dataclass(frozen=True, slots=True)
class FileChange:
    """A changed file of a commit."""

    path: str
    sha: str
    commit_sha: str
    additions: int
    deletions: int


@dataclass(frozen=True, slots=True)
class Release:
    """A published release."""

    id: int
    tag: str
    author: Account
    created_at: int
    body: str


@dataclass(frozen=True, slots=True)
class Contributor:
    """Commits under one address; `account` is None where it is not linked to one."""

    account: Account | None
    name: str
    email: str
    contributions: int
