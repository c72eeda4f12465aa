"""JSON of the GitHub REST API: repositories, accounts, threads, commits as dictionaries.

Belongs here: keys, URLs and constants of each object, from the plain records of `twin.github`.
Does not belong here: what is true at a moment (`twin.github`), requests (`github_rest`).

The keys are those that GitHub's own OpenAPI description requires, plus those that real answers
carry and mining reads. `html_url` and the like say github.com, as the real ones do; addresses
that a client follows begin with the base address of the twin, so that it never leaves it.
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from twin import words
from twin.github_records import (
    Account,
    Comment,
    Commit,
    FileChange,
    Label,
    Release,
    Repository,
    Review,
    ReviewComment,
    Thread,
)
from twin.identifiers import node_id, tree_sha

Json = dict[str, Any]

WEB = "https://github.com"
DOCS = "https://docs.github.com/rest"
_KEPT_USERS = 1 << 15
_REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
_USER_PATHS = (
    ("followers_url", "/followers"), ("following_url", "/following{/other_user}"),
    ("gists_url", "/gists{/gist_id}"), ("starred_url", "/starred{/owner}{/repo}"),
    ("subscriptions_url", "/subscriptions"), ("organizations_url", "/orgs"),
    ("repos_url", "/repos"), ("events_url", "/events{/privacy}"),
    ("received_events_url", "/received_events"),
)  # fmt: skip
_ORGANISATION_PATHS = (
    ("repos_url", "/repos"), ("events_url", "/events"), ("hooks_url", "/hooks"),
    ("issues_url", "/issues"), ("members_url", "/members{/member}"),
    ("public_members_url", "/public_members{/member}"),
)  # fmt: skip
_REPOSITORY_PATHS = tuple(
    (f"{key}_url", path)
    for key, path in (
        ("forks", "/forks"), ("keys", "/keys{/key_id}"),
        ("collaborators", "/collaborators{/collaborator}"), ("teams", "/teams"),
        ("hooks", "/hooks"), ("issue_events", "/issues/events{/number}"), ("events", "/events"),
        ("assignees", "/assignees{/user}"), ("branches", "/branches{/branch}"), ("tags", "/tags"),
        ("blobs", "/git/blobs{/sha}"), ("git_tags", "/git/tags{/sha}"),
        ("git_refs", "/git/refs{/sha}"), ("trees", "/git/trees{/sha}"),
        ("statuses", "/statuses/{sha}"), ("languages", "/languages"),
        ("stargazers", "/stargazers"), ("contributors", "/contributors"),
        ("subscribers", "/subscribers"), ("subscription", "/subscription"),
        ("commits", "/commits{/sha}"), ("git_commits", "/git/commits{/sha}"),
        ("comments", "/comments{/number}"), ("issue_comment", "/issues/comments{/number}"),
        ("contents", "/contents/{+path}"), ("compare", "/compare/{base}...{head}"),
        ("merges", "/merges"), ("archive", "/{archive_format}{/ref}"),
        ("downloads", "/downloads"), ("issues", "/issues{/number}"), ("pulls", "/pulls{/number}"),
        ("milestones", "/milestones{/number}"),
        ("notifications", "/notifications{?since,all,participating}"),
        ("labels", "/labels{/name}"), ("releases", "/releases{/id}"),
        ("deployments", "/deployments"),
    )
)  # fmt: skip


def timestamp(seconds: int) -> str:
    """Epoch seconds as `YYYY-MM-DDTHH:MM:SSZ`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(seconds: int) -> str | None:
    """A time, or None where it has not come (0)."""
    return timestamp(seconds) if seconds else None


def path_of(full_name: str) -> str:
    """A full name as part of an address; names may hold what an address must not."""
    return quote(full_name, safe="/")


class Shapes:
    """Renders the records of one view; `base` is the API's address without a slash at the end."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._users: dict[int, Json] = {}

    def user(self, account: Account) -> Json:
        """The short form of an account (`simple-user`)."""
        known = self._users.get(account.id)
        if known is None:
            url = f"{self.base}/users/{quote(account.login, safe='')}"
            page = f"apps/{account.login[:-5]}" if account.kind == "Bot" else account.login
            known = {
                "login": account.login,
                "id": account.id,
                "node_id": node_id(_node_kind(account), account.id),
                "avatar_url": f"https://avatars.githubusercontent.com/u/{account.id}?v=4",
                "gravatar_id": "",
                "url": url,
                "html_url": f"{WEB}/{quote(page, safe='/')}",
                **{key: url + path for key, path in _USER_PATHS},
                "type": account.kind,
                "user_view_type": "public",
                "site_admin": False,
            }
            if len(self._users) > _KEPT_USERS:
                self._users = {}
            self._users[account.id] = known
        return known

    def full_user(self, account: Account, public_repositories: int, updated_at: int) -> Json:
        """The long form of an account (`public-user`)."""
        return self.user(account) | {
            "name": account.name,
            "company": account.company,
            "blog": "",
            "location": None,
            "email": None,
            "hireable": None,
            "bio": None,
            "twitter_username": None,
            "public_repos": public_repositories,
            "public_gists": account.id % 7,
            "followers": account.followers,
            "following": account.id % 90,
            "created_at": timestamp(account.created_at),
            "updated_at": timestamp(max(account.created_at, updated_at)),
        }

    def organisation(self, account: Account) -> Json:
        """The short form of an organisation (`organization-simple`)."""
        url = f"{self.base}/orgs/{quote(account.login, safe='')}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": node_id("Organization", account.id),
            "url": url,
            **{key: url + path for key, path in _ORGANISATION_PATHS},
            "avatar_url": f"https://avatars.githubusercontent.com/u/{account.id}?v=4",
            "description": account.name,
        }

    def full_organisation(
        self, account: Account, public_repositories: int, updated_at: int
    ) -> Json:
        """The long form of an organisation (`organization-full`)."""
        return (
            self.organisation(account)
            | {
                "name": account.name,
                "company": None if account.company is None else account.company,
                "blog": "",
                "location": "",
                "is_verified": account.id % 3 == 0,
                "has_organization_projects": True,
                "has_repository_projects": True,
                "public_repos": public_repositories,
                "public_gists": 0,
                "followers": account.followers,
                "following": 0,
                "html_url": f"{WEB}/{quote(account.login, safe='')}",
                "created_at": timestamp(account.created_at),
                "updated_at": timestamp(max(account.created_at, updated_at)),
                "archived_at": None,
                "type": "Organization",
            }
            | ({"company": account.name} if account.company is None else {})
        )

    def repository_url(self, repository: Repository) -> str:
        """The API's address of a repository, by its name."""
        return f"{self.base}/repos/{path_of(repository.full_name)}"

    def simple_repository(self, repository: Repository) -> Json:
        """What the list of all repositories shows (`simple-repository`)."""
        url = self.repository_url(repository)
        return {
            "id": repository.id,
            "node_id": node_id("Repository", repository.id),
            "name": repository.full_name.split("/", 1)[1],
            "full_name": repository.full_name,
            "private": False,
            "owner": self.user(repository.owner),
            "html_url": f"{WEB}/{path_of(repository.full_name)}",
            "description": repository.description,
            "fork": repository.is_fork,
            "url": url,
            **{key: url + path for key, path in _REPOSITORY_PATHS},
        }

    def repository(self, repository: Repository) -> Json:
        """The form inside lists (`minimal-repository`) and inside pull requests (`repository`)."""
        page = f"{WEB}/{path_of(repository.full_name)}"
        return self.simple_repository(repository) | {
            "created_at": timestamp(repository.created_at),
            "updated_at": timestamp(repository.updated_at),
            "pushed_at": timestamp(repository.pushed_at),
            "git_url": f"git://github.com/{path_of(repository.full_name)}.git",
            "ssh_url": f"git@github.com:{repository.full_name}.git",
            "clone_url": f"{page}.git",
            "svn_url": page,
            "homepage": None,
            "size": repository.size,
            "stargazers_count": repository.stars,
            "watchers_count": repository.stars,
            "language": repository.language,
            "has_issues": repository.has_issues,
            "has_projects": True,
            "has_downloads": True,
            "has_wiki": True,
            "has_pages": False,
            "has_discussions": False,
            "forks_count": repository.forks,
            "mirror_url": None,
            "archived": repository.is_archived,
            "disabled": False,
            "open_issues_count": repository.open_issues,
            "license": self.licence(repository.licence),
            "allow_forking": True,
            "is_template": False,
            "web_commit_signoff_required": False,
            "topics": list(repository.topics),
            "visibility": "public",
            "forks": repository.forks,
            "open_issues": repository.open_issues,
            "watchers": repository.stars,
            "default_branch": "main",
        }

    def full_repository(
        self, repository: Repository, parent: Repository | None, source: Repository | None
    ) -> Json:
        """The form of a single repository (`full-repository`); a fork names where it is from."""
        body = self.repository(repository) | {
            "temp_clone_token": None,
            "network_count": repository.forks,
            "subscribers_count": repository.subscribers,
        }
        if repository.owner.kind == "Organization":
            body["organization"] = self.user(repository.owner)
        if parent is not None and source is not None:
            body["parent"], body["source"] = self.repository(parent), self.repository(source)
        return body

    def licence(self, index: int) -> Json | None:
        """The short form of a licence (`license-simple`), or None where there is none."""
        if index < 0:
            return None
        key, name, spdx = words.LICENCES[index]
        return {
            "key": key,
            "name": name,
            "spdx_id": spdx,
            "url": f"{self.base}/licenses/{key}",
            "node_id": node_id("License", index + 1),
        }

    def licence_content(self, repository: Repository) -> Json:
        """The licence file of a repository (`license-content`)."""
        licence = self.licence(repository.licence)
        assert licence is not None
        text = f"{licence['name']}\n\nThe text of this licence is not part of the twin.\n"
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        url = f"{self.repository_url(repository)}/contents/LICENSE?ref=main"
        page = f"{WEB}/{path_of(repository.full_name)}/blob/main/LICENSE"
        git = f"{self.repository_url(repository)}/git/blobs/{sha}"
        return {
            "name": "LICENSE",
            "path": "LICENSE",
            "sha": sha,
            "size": len(text),
            "url": url,
            "html_url": page,
            "git_url": git,
            "download_url": page.replace("/blob/", "/raw/"),
            "type": "file",
            "content": base64.encodebytes(text.encode()).decode(),
            "encoding": "base64",
            "_links": {"self": url, "git": git, "html": page},
            "license": licence,
        }

    def label(self, repository: Repository, label: Label) -> Json:
        """A label (`label`)."""
        return {
            "id": label.id,
            "node_id": node_id("Label", label.id),
            "url": f"{self.repository_url(repository)}/labels/{quote(label.name, safe='')}",
            "name": label.name,
            "color": label.colour,
            "default": label.is_default,
            "description": label.description,
        }

    def issue(self, repository: Repository, thread: Thread) -> Json:
        """An issue, or a pull request as the issues' addresses show it (`issue`)."""
        api = self.repository_url(repository)
        url = f"{api}/issues/{thread.number}"
        page = f"{WEB}/{path_of(repository.full_name)}"
        place = f"{page}/{'pull' if thread.is_pull else 'issues'}/{thread.number}"
        kind = "PullRequest" if thread.is_pull else "Issue"
        body: Json = {
            "url": url,
            "repository_url": api,
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": place,
            "id": thread.issue_id,
            "node_id": node_id(kind, thread.pull_id if thread.is_pull else thread.issue_id),
            "number": thread.number,
            "title": thread.title,
            "user": self.user(thread.author),
            "labels": [self.label(repository, label) for label in thread.labels],
            "state": "closed" if thread.closed_at else "open",
            "locked": False,
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "comments": thread.comment_count,
            "created_at": timestamp(thread.created_at),
            "updated_at": timestamp(thread.updated_at),
            "closed_at": moment(thread.closed_at),
            "author_association": thread.association,
            "active_lock_reason": None,
            "body": thread.body,
            "closed_by": self._optional(thread.closed_by),
            "reactions": self._reactions(url),
            "timeline_url": f"{url}/timeline",
            "performed_via_github_app": None,
            "state_reason": thread.state_reason,
        }
        if thread.is_pull:
            body["draft"] = False
            body["pull_request"] = {
                "url": f"{api}/pulls/{thread.number}",
                "html_url": place,
                "diff_url": f"{place}.diff",
                "patch_url": f"{place}.patch",
                "merged_at": moment(thread.merged_at),
            }
        return body

    def _optional(self, account: Account | None) -> Json | None:
        return None if account is None else self.user(account)

    def _reactions(self, url: str) -> Json:
        none: Json = dict.fromkeys(_REACTIONS, 0)
        return {"url": f"{url}/reactions", "total_count": 0} | none

    def comment(self, repository: Repository, comment: Comment) -> Json:
        """A comment in the conversation of an issue or pull request (`issue-comment`)."""
        api = self.repository_url(repository)
        url = f"{api}/issues/comments/{comment.id}"
        kind = "pull" if comment.on_pull else "issues"
        page = f"{WEB}/{path_of(repository.full_name)}/{kind}/{comment.number}"
        return {
            "url": url,
            "html_url": f"{page}#issuecomment-{comment.id}",
            "issue_url": f"{api}/issues/{comment.number}",
            "id": comment.id,
            "node_id": node_id("IssueComment", comment.id),
            "user": self.user(comment.author),
            "created_at": timestamp(comment.created_at),
            "updated_at": timestamp(comment.created_at),
            "body": comment.body,
            "author_association": comment.association,
            "reactions": self._reactions(url),
            "performed_via_github_app": None,
        }

    def commit(
        self, repository: Repository, commit: Commit, files: Iterable[FileChange] | None = None
    ) -> Json:
        """A commit (`commit`), with statistics and files where they are given."""
        api = self.repository_url(repository)
        page = f"{WEB}/{path_of(repository.full_name)}/commit"
        tree = tree_sha(commit.sha)
        body: Json = {
            "sha": commit.sha,
            "node_id": node_id("Commit", int(commit.sha[:12], 16)),
            "commit": {
                "author": _git_user(commit.author_name, commit.author_email, commit.authored_at),
                "committer": _git_user(
                    commit.committer_name, commit.committer_email, commit.committed_at
                ),
                "message": commit.message,
                "tree": {"sha": tree, "url": f"{api}/git/trees/{tree}"},
                "url": f"{api}/git/commits/{commit.sha}",
                "comment_count": 0,
                "verification": {
                    "verified": commit.is_by_platform,
                    "reason": "valid" if commit.is_by_platform else "unsigned",
                    "signature": "twin" if commit.is_by_platform else None,
                    "payload": "twin" if commit.is_by_platform else None,
                    "verified_at": moment(commit.committed_at if commit.is_by_platform else 0),
                },
            },
            "url": f"{api}/commits/{commit.sha}",
            "html_url": f"{page}/{commit.sha}",
            "comments_url": f"{api}/commits/{commit.sha}/comments",
            "author": self._optional(commit.author),
            "committer": self._optional(commit.committer),
            "parents": [
                {"sha": sha, "url": f"{api}/commits/{sha}", "html_url": f"{page}/{sha}"}
                for sha in commit.parents
            ],
        }
        if files is not None:
            changes = list(files)
            added = sum(change.additions for change in changes)
            deleted = sum(change.deletions for change in changes)
            body["stats"] = {"total": added + deleted, "additions": added, "deletions": deleted}
            body["files"] = [self.file(repository, change) for change in changes]
        return body

    def file(self, repository: Repository, change: FileChange) -> Json:
        """One changed file (`diff-entry`)."""
        page = f"{WEB}/{path_of(repository.full_name)}"
        place = f"{change.commit_sha}/{quote(change.path)}"
        return {
            "sha": change.sha,
            "filename": change.path,
            "status": "modified",
            "additions": change.additions,
            "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "blob_url": f"{page}/blob/{place}",
            "raw_url": f"{page}/raw/{place}",
            "contents_url": f"{self.repository_url(repository)}/contents/"
            f"{quote(change.path)}?ref={change.commit_sha}",
            "patch": f"@@ -1,{change.deletions} +1,{change.additions} @@",
        }

    def pull(self, repository: Repository, head: Repository, thread: Thread) -> Json:
        """A pull request inside a list (`pull-request-simple`).

        Args:
            repository: where it is open.
            head: where its branch is, the same or a fork.
            thread: it.
        """
        api = self.repository_url(repository)
        url, issue = f"{api}/pulls/{thread.number}", f"{api}/issues/{thread.number}"
        page = f"{WEB}/{path_of(repository.full_name)}/pull/{thread.number}"
        statuses = f"{api}/statuses/{thread.head_sha}"
        links = {
            "self": url, "html": page, "issue": issue, "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments", "statuses": statuses,
            "review_comment": f"{api}/pulls/comments{{/number}}", "commits": f"{url}/commits",
        }  # fmt: skip
        return {
            "url": url,
            "id": thread.pull_id,
            "node_id": node_id("PullRequest", thread.pull_id),
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": issue,
            "number": thread.number,
            "state": "closed" if thread.closed_at else "open",
            "locked": False,
            "title": thread.title,
            "user": self.user(thread.author),
            "body": thread.body,
            "created_at": timestamp(thread.created_at),
            "updated_at": timestamp(thread.updated_at),
            "closed_at": moment(thread.closed_at),
            "merged_at": moment(thread.merged_at),
            "merge_commit_sha": thread.merge_sha,
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "labels": [self.label(repository, label) for label in thread.labels],
            "milestone": None,
            "draft": False,
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": statuses,
            "head": self._branch(head, thread.head_ref, thread.head_sha),
            "base": self._branch(repository, "main", thread.base_sha),
            "_links": {key: {"href": link} for key, link in links.items()},
            "author_association": thread.association,
            "auto_merge": None,
            "active_lock_reason": None,
        }

    def _branch(self, repository: Repository, ref: str, sha: str) -> Json:
        return {
            "label": f"{repository.owner.login}:{ref}",
            "ref": ref,
            "sha": sha,
            "user": self.user(repository.owner),
            "repo": self.repository(repository),
        }

    def full_pull(
        self, repository: Repository, head: Repository, thread: Thread, files: list[FileChange]
    ) -> Json:
        """A single pull request (`pull-request`)."""
        is_open = not thread.closed_at
        return self.pull(repository, head, thread) | {
            "merged": bool(thread.merged_at),
            "mergeable": True if is_open else None,
            "rebaseable": True if is_open else None,
            "mergeable_state": "clean" if is_open else "unknown",
            "merged_by": self._optional(thread.closed_by if thread.merged_at else None),
            "comments": thread.comment_count,
            "review_comments": thread.review_comment_count,
            "maintainer_can_modify": False,
            "commits": thread.commit_count,
            "additions": sum(change.additions for change in files),
            "deletions": sum(change.deletions for change in files),
            "changed_files": len(files),
        }

    def review(self, repository: Repository, review: Review) -> Json:
        """A review of a pull request (`pull-request-review`)."""
        url = f"{self.repository_url(repository)}/pulls/{review.number}"
        page = f"{WEB}/{path_of(repository.full_name)}/pull/{review.number}"
        page = f"{page}#pullrequestreview-{review.id}"
        return {
            "id": review.id,
            "node_id": node_id("PullRequestReview", review.id),
            "user": self.user(review.author),
            "body": review.body,
            "state": review.state,
            "html_url": page,
            "pull_request_url": url,
            "author_association": review.association,
            "_links": {"html": {"href": page}, "pull_request": {"href": url}},
            "submitted_at": timestamp(review.created_at),
            "commit_id": review.commit_sha,
        }

    def review_comment(self, repository: Repository, comment: ReviewComment) -> Json:
        """A comment on the diff of a pull request (`pull-request-review-comment`)."""
        api = self.repository_url(repository)
        url, pull = f"{api}/pulls/comments/{comment.id}", f"{api}/pulls/{comment.number}"
        page = f"{WEB}/{path_of(repository.full_name)}/pull/{comment.number}"
        page = f"{page}#discussion_r{comment.id}"
        return {
            "url": url,
            "pull_request_review_id": comment.review_id,
            "id": comment.id,
            "node_id": node_id("PullRequestReviewComment", comment.id),
            "diff_hunk": "@@ -1 +1 @@",
            "path": comment.path,
            "commit_id": comment.commit_sha,
            "original_commit_id": comment.commit_sha,
            "user": self.user(comment.author),
            "body": comment.body,
            "created_at": timestamp(comment.created_at),
            "updated_at": timestamp(comment.created_at),
            "html_url": page,
            "pull_request_url": pull,
            "author_association": comment.association,
            "_links": {
                "self": {"href": url}, "html": {"href": page}, "pull_request": {"href": pull},
            },
            "reactions": self._reactions(url),
            "start_line": None,
            "original_start_line": None,
            "start_side": None,
            "line": comment.line,
            "original_line": comment.line,
            "side": "RIGHT",
            "position": comment.line,
            "original_position": comment.line,
            "subject_type": "line",
        }  # fmt: skip

    def release(self, repository: Repository, release: Release) -> Json:
        """A release (`release`)."""
        api, tag = self.repository_url(repository), quote(release.tag, safe="")
        url = f"{api}/releases/{release.id}"
        upload = f"https://uploads.github.com/repos/{path_of(repository.full_name)}"
        return {
            "url": url,
            "assets_url": f"{url}/assets",
            "upload_url": f"{upload}/releases/{release.id}/assets{{?name,label}}",
            "html_url": f"{WEB}/{path_of(repository.full_name)}/releases/tag/{tag}",
            "id": release.id,
            "author": self.user(release.author),
            "node_id": node_id("Release", release.id),
            "tag_name": release.tag,
            "target_commitish": "main",
            "name": release.tag,
            "draft": False,
            "immutable": False,
            "prerelease": False,
            "created_at": timestamp(release.created_at),
            "updated_at": timestamp(release.created_at),
            "published_at": timestamp(release.created_at),
            "assets": [],
            "tarball_url": f"{api}/tarball/{tag}",
            "zipball_url": f"{api}/zipball/{tag}",
            "body": release.body,
        }

    def contributor(self, account: Account, contributions: int) -> Json:
        """A contributor with an account (`contributor`)."""
        return self.user(account) | {"contributions": contributions}

    def stargazer(self, account: Account, starred_at: int) -> Json:
        """A star with its time (`stargazer`), of the media type `star+json`."""
        return {"starred_at": timestamp(starred_at), "user": self.user(account)}


def anonymous_contributor(name: str, email: str, contributions: int) -> Json:
    """A contributor whose e-mail address belongs to no account (`contributor`)."""
    return {"type": "Anonymous", "name": name, "email": email, "contributions": contributions}


def error(message: str, page: str, status: int) -> Json:
    """The body of most errors (`basic-error`)."""
    return {"message": message, "documentation_url": f"{DOCS}{page}", "status": str(status)}


def invalid(resource: str, field: str, page: str) -> Json:
    """The body of a request with an unusable parameter (`validation-error`)."""
    return {
        "message": "Validation Failed",
        "errors": [{"resource": resource, "field": field, "code": "invalid"}],
        "documentation_url": f"{DOCS}{page}",
        "status": "422",
    }


def too_deep(page: str) -> Json:
    """The body of a page beyond what a list shows (`validation-error`)."""
    return {
        "message": "In order to keep the API fast for everyone, pagination is limited for this "
        "resource. Check the rel=last link relation in the Link response header to see how far "
        "back you can traverse.",
        "documentation_url": f"{DOCS}{page}",
        "status": "422",
    }


def blocked(since: int) -> Json:
    """The body of a repository taken down after a notice (status 451)."""
    day = datetime.fromtimestamp(since, UTC)
    return {
        "message": "Repository access blocked",
        "block": {
            "reason": "dmca",
            "created_at": timestamp(since),
            "html_url": f"{WEB}/github/dmca/blob/master/{day:%Y}/{day:%m}/{day:%Y-%m-%d}-twin.md",
        },
    }


def _git_user(name: str, email: str, at: int) -> Json:
    return {"name": name, "email": email, "date": timestamp(at)}


def _node_kind(account: Account) -> str:
    return account.kind if account.kind in ("Organization", "Bot") else "User"
