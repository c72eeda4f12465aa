"""Lines of the archive: events as JSON in the shapes of both payload eras.

Belongs here: the key sets, key order and types of each event type, as the archive writes them.
Does not belong here: which events exist (`archive`), files and defects (`defects`).

"E2" is the era before October 2025 (a push lists its commits; `pull_request` is whole), "E3" the
one since. Shapes of E3 that were seen in real events: Push, Create, Delete, Watch, Fork, Issues,
PullRequest, Release, Public. Assumed after the announcement of the change (slim `pull_request`,
no `author_association`): reviews, comments; the remaining types are as before.

Text is put together from fragments that are escaped once: building dictionaries and dumping
them takes five times as long.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring

import numpy as np
from numpy.typing import NDArray

from twin import words
from twin.archive import (
    ACTIONS,
    CLOSED,
    ISSUES,
    MERGED,
    OPENED,
    PULL_THREAD,
    TYPES,
    Events,
)
from twin.world import Accounts, Ints, Repositories, mixed, stream

API = "https://api.github.com"
WEB = "https://github.com"
LISTED_COMMITS = 20
HOSTILE_ONE_IN = 997

_USER_URLS = (
    '"url":"@","html_url":"~","followers_url":"@/followers",'
    '"following_url":"@/following{/other_user}","gists_url":"@/gists{/gist_id}",'
    '"starred_url":"@/starred{/owner}{/repo}","subscriptions_url":"@/subscriptions",'
    '"organizations_url":"@/orgs","repos_url":"@/repos","events_url":"@/events{/privacy}",'
    '"received_events_url":"@/received_events"'
)
_REPOSITORY_URLS = '"url":"@",' + ",".join(
    f'"{key}_url":"@/{path}"'
    for key, path in (
        ("forks", "forks"), ("keys", "keys{/key_id}"),
        ("collaborators", "collaborators{/collaborator}"), ("teams", "teams"),
        ("hooks", "hooks"), ("issue_events", "issues/events{/number}"), ("events", "events"),
        ("assignees", "assignees{/user}"), ("branches", "branches{/branch}"), ("tags", "tags"),
        ("blobs", "git/blobs{/sha}"), ("git_tags", "git/tags{/sha}"),
        ("git_refs", "git/refs{/sha}"), ("trees", "git/trees{/sha}"),
        ("statuses", "statuses/{sha}"), ("languages", "languages"), ("stargazers", "stargazers"),
        ("contributors", "contributors"), ("subscribers", "subscribers"),
        ("subscription", "subscription"), ("commits", "commits{/sha}"),
        ("git_commits", "git/commits{/sha}"), ("comments", "comments{/number}"),
        ("issue_comment", "issues/comments{/number}"), ("contents", "contents/{+path}"),
        ("compare", "compare/{base}...{head}"), ("merges", "merges"),
        ("archive", "{archive_format}{/ref}"), ("downloads", "downloads"),
        ("issues", "issues{/number}"), ("pulls", "pulls{/number}"),
        ("milestones", "milestones{/number}"),
        ("notifications", "notifications{?since,all,participating}"),
        ("labels", "labels{/name}"), ("releases", "releases{/id}"),
        ("deployments", "deployments"),
    )
)  # fmt: skip


def quoted(text: str | None) -> str:
    """A JSON string (or null); everything outside ASCII stays as it is, as in the archive."""
    return "null" if text is None else encode_basestring(text)


def timestamps(seconds: NDArray[np.int64]) -> list[str]:
    """Epoch seconds as `YYYY-MM-DDTHH:MM:SSZ`."""
    text = np.datetime_as_string(seconds.astype("datetime64[s]"))
    return [f"{value}Z" for value in text.tolist()]


def _node_id(kind: str, number: int) -> str:
    return base64.b64encode(f"0{len(kind)}:{kind}{number}".encode()).decode()


@dataclass(frozen=True)
class Texts:
    """Pools of escaped texts: titles and bodies per theme, commit messages."""

    titles: list[list[str]]
    bodies: list[list[str]]
    messages: list[str]


def build_texts(seed: int) -> Texts:
    """The pools of one world, without the hostile strings, which are placed apart."""
    rng = stream(seed, "texts")
    return Texts(
        titles=[[quoted(t) for t in words.titles(theme, 240, rng)] for theme in words.THEMES],
        bodies=[[quoted(t) for t in words.bodies(theme, 160, rng)] for theme in words.THEMES],
        messages=[quoted(t) for t in words.messages(400, rng)],
    )


# Share of each theme among GitHub threads, cumulative, in percent: bug 43, suggestion 28, ...
_THEME_EDGES = np.array([43, 71, 86, 91, 100])


def theme_of(repository: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Planted theme (index into `words.THEMES`) of threads."""
    hashed = (mixed(repository, number, 11) % np.uint64(100)).astype(np.int64)
    return np.searchsorted(_THEME_EDGES, hashed, side="right")


def _hostile_threads(events: Events) -> dict[tuple[int, int], int]:
    """Threads with a hostile title: one new issue in a hundred, but each string twice."""
    opened = np.flatnonzero((events.type == ISSUES) & (events.action == OPENED))
    count = min(len(opened), max(2 * len(words.HOSTILE), len(opened) // 100))
    chosen = opened[np.linspace(0, len(opened) - 1, count).astype(np.int64)] if count else opened
    places = zip(events.repository[chosen].tolist(), events.number[chosen].tolist(), strict=True)
    return {place: k % len(words.HOSTILE) for k, place in enumerate(places)}


class Renderer:
    """Turns events into lines; keeps the fragments of accounts and repositories it has built."""

    def __init__(
        self, accounts: Accounts, repositories: Repositories, events: Events, seed: int
    ) -> None:
        self.accounts = accounts
        self.repositories = repositories
        self.events = events
        self.texts = build_texts(seed)
        self._shas = stream(seed, "shas").bytes(60 * len(events)).hex()
        self._actors: dict[int, str] = {}
        self._users: dict[tuple[int, bool], str] = {}
        self._repositories: dict[tuple[int, bool, bool], str] = {}
        self._created = timestamps(repositories.created_at)
        self._observed = timestamps(events.created_at[:1])[0] if len(events) else ""
        self._hostile_threads = _hostile_threads(events)
        self._payloads: tuple[Callable[[Row], str], ...] = (
            self._push, self._create, self._delete, self._watch, self._fork, self._issues,
            self._issue_comment, self._pull, self._review, self._review_comment, self._release,
            self._gollum, self._member, self._public, self._commit_comment,
        )  # fmt: skip

    def lines(self, index: Ints, is_new_era: bool, event_id: Ints) -> list[bytes]:
        """One line (without the line end) for each event of an index, in its order.

        `event_id` is given apart because another recording of an event may carry another id.
        """
        return [self._line(row).encode() for row in self._rows(index, is_new_era, event_id)]

    def _rows(self, index: Ints, is_new_era: bool, event_id: Ints) -> Iterator["Row"]:
        events = self.events.taken(index)
        repository, number = events.repository, events.number
        columns = (
            events.type, repository, events.actor, events.action, events.thread_kind,
            number, events.thread_author, events.push_size, events.push_distinct_size,
            events.push_id, event_id, events.is_new_name, events.variety,
            theme_of(repository, number), mixed(repository, number, 12),
            mixed(repository, number, 13),
        )  # fmt: skip
        texts = (timestamps(events.created_at), timestamps(events.thread_created_at))
        shas = (self._shas[120 * i : 120 * i + 120] for i in index.tolist())
        for values in zip(*(column.tolist() for column in columns), *texts, shas, strict=True):
            yield Row(is_new_era, *values)

    def _line(self, row: "Row") -> str:
        repositories, accounts = self.repositories, self.accounts
        full = (repositories.new_name if row.is_new_name else repositories.name)[row.repository]
        row.full = encode_basestring(full)[1:-1]
        row.api = f"{API}/repos/{row.full}"
        row.web = f"{WEB}/{row.full}"
        owner = int(repositories.owner[row.repository])
        organisation = ""
        if owner >= accounts.first_organisation:
            account, login = accounts.id[owner], accounts.login[owner]
            organisation = (
                f',"org":{{"id":{account},"login":"{login}","gravatar_id":"",'
                f'"url":"{API}/orgs/{login}",'
                f'"avatar_url":"https://avatars.githubusercontent.com/u/{account}?"}}'
            )
        return (
            f'{{"id":"{row.event_id}","type":"{TYPES[row.type]}","actor":{self._actor(row.actor)},'
            f'"repo":{{"id":{repositories.id[row.repository]},"name":"{row.full}",'
            f'"url":"{row.api}"}},"payload":{{{self._payloads[row.type](row)}}},"public":true,'
            f'"created_at":"{row.created_at}"{organisation}}}'
        )

    def _actor(self, index: int) -> str:
        if index not in self._actors:
            login, account = self.accounts.login[index], self.accounts.id[index]
            self._actors[index] = (
                f'{{"id":{account},"login":"{login}",'
                f'"display_login":"{login.removesuffix("[bot]")}","gravatar_id":"",'
                f'"url":"{API}/users/{login}",'
                f'"avatar_url":"https://avatars.githubusercontent.com/u/{account}?"}}'
            )
        return self._actors[index]

    def _user(self, index: int, is_new_era: bool) -> str:
        key = (index, is_new_era)
        if key not in self._users:
            login, account = self.accounts.login[index], int(self.accounts.id[index])
            kind = self.accounts.kind[index]
            escaped = login.replace("[", "%5B").replace("]", "%5D")
            page = f"{WEB}/apps/{login[:-5]}" if kind == "Bot" else f"{WEB}/{login}"
            urls = _USER_URLS.replace("@", f"{API}/users/{escaped}").replace("~", page)
            view = '"user_view_type":"public",' if is_new_era else ""
            self._users[key] = (
                f'{{"login":"{login}","id":{account},"node_id":"{_node_id("User", account)}",'
                f'"avatar_url":"https://avatars.githubusercontent.com/u/{account}?v=4",'
                f'"gravatar_id":"",{urls},"type":"{kind}",{view}"site_admin":false}}'
            )
        return self._users[key]

    def _repository(self, row: "Row") -> str:
        key = (row.repository, row.is_new_name, row.is_new_era)
        if key not in self._repositories:
            i, repositories = row.repository, self.repositories
            language = int(repositories.language[i])
            self._repositories[key] = self._repository_text(
                row, self._observed, int(repositories.id[i]), row.full, int(repositories.owner[i]),
                bool(repositories.is_fork[i]), self._created[i],
                "null" if language < 0 else f'"{words.LANGUAGES[language]}"',
                int(repositories.star_stock[i]), int(repositories.fork_stock[i]),
                int(repositories.issue_stock[i]) // 5, "",
            )  # fmt: skip
        return self._repositories[key]

    def _forkee(self, row: "Row", owner: int, created_at: str) -> str:
        """A fork of the event's repository in an account's name."""
        name = row.full.split("/", 1)[1]
        number = 1_070_000_000 + row.variety % 30_000_000
        full = f"{self.accounts.login[owner]}/{name}"
        public = "" if row.is_new_era else ',"public":true'
        return self._repository_text(
            row, created_at, number, full, owner, True, created_at, "null", 0, 0, 0, public
        )

    def _repository_text(
        self, row: "Row", observed_at: str, number: int, full: str, owner: int, is_fork: bool,
        created_at: str, language: str, stars: int, forks: int, issues: int, tail: str,
    ) -> str:  # fmt: skip
        new = row.is_new_era
        i = row.repository
        has_discussions = '"has_discussions":false,' if new else ""
        settings = (
            '"allow_forking":true,"is_template":false,"web_commit_signoff_required":false,'
            '"has_pull_requests":true,"pull_request_creation_policy":"all","topics":[],'
            '"visibility":"public",'
            if new
            else ""
        )
        page = f"{WEB}/{full}"
        return (
            f'{{"id":{number},"node_id":"{_node_id("Repository", number)}",'
            f'"name":"{full.split("/", 1)[1]}","full_name":"{full}","private":false,'
            f'"owner":{self._user(owner, new)},"html_url":"{page}",'
            f'"description":{quoted(self.repositories.description[i])},'
            f'"fork":{"true" if is_fork else "false"},'
            f"{_REPOSITORY_URLS.replace('@', f'{API}/repos/{full}')},"
            f'"created_at":"{created_at}","updated_at":"{observed_at}",'
            f'"pushed_at":"{observed_at}","git_url":"git://github.com/{full}.git",'
            f'"ssh_url":"git@github.com:{full}.git","clone_url":"{page}.git","svn_url":"{page}",'
            f'"homepage":{"null" if number & 1 else quoted("")},"size":{number % 90_000},'
            f'"stargazers_count":{stars},"watchers_count":{stars},"language":{language},'
            f'"has_issues":true,"has_projects":true,"has_downloads":true,"has_wiki":true,'
            f'"has_pages":false,{has_discussions}"forks_count":{forks},"mirror_url":null,'
            f'"archived":false,"disabled":false,"open_issues_count":{issues},'
            f'"license":{_licence(int(self.repositories.licence[i]))},{settings}"forks":{forks},'
            f'"open_issues":{issues},"watchers":{stars},"default_branch":"main"{tail}}}'
        )

    def _push(self, row: "Row") -> str:
        head, before = row.shas[:40], row.shas[40:80]
        ref = _branch(row) if row.variety % 5 == 0 else "main"
        common = f'"repository_id":{self.repositories.id[row.repository]},"push_id":{row.push_id},'
        place = f'"ref":"refs/heads/{ref}","head":"{head}","before":"{before}"'
        if row.is_new_era:
            return common + place
        return (
            f'{common}"size":{row.size},"distinct_size":{row.distinct_size},{place},'
            f'"commits":[{self._commits(row, head)}]'
        )

    def _commits(self, row: "Row", head: str) -> str:
        """At most 20 commits, the head last; those not distinct come first."""
        listed = min(row.size, LISTED_COMMITS)
        known = row.size - row.distinct_size
        author = self._author(row.actor)
        commits = []
        for k in range(listed):
            sha = f"{(row.variety * (k + 3)) % (1 << 64):016x}{head[16:]}"
            sha = head if k == listed - 1 else sha
            message = self.texts.messages[(row.variety >> 8) % 400 - k]
            if k == 0 and row.variety % HOSTILE_ONE_IN == 9:
                hostile = row.variety // HOSTILE_ONE_IN
                message = quoted(words.HOSTILE[hostile % len(words.HOSTILE)])
            commits.append(
                f'{{"sha":"{sha}","author":{author},"message":{message},'
                f'"distinct":{"false" if k < known else "true"},"url":"{row.api}/commits/{sha}"}}'
            )
        return ",".join(commits)

    def _author(self, index: int) -> str:
        name = words.HOSTILE[8] if index == 11 else self.accounts.name[index]
        return f'{{"email":"{self.accounts.email[index]}","name":{quoted(name)}}}'

    def _create(self, row: "Row") -> str:
        ref_type = ("branch", "branch", "tag", "repository")[row.variety & 3]
        ref, full = _reference(row, ref_type)
        full_ref = f'"full_ref":"{full}",' if row.is_new_era else ""
        description = quoted(self.repositories.description[row.repository])
        return (
            f'"ref":{ref},"ref_type":"{ref_type}",{full_ref}"master_branch":"main",'
            f'"description":{description},"pusher_type":"user"'
        )

    def _delete(self, row: "Row") -> str:
        ref_type = ("branch", "branch", "branch", "tag")[row.variety & 3]
        ref, full = _reference(row, ref_type)
        full_ref = f'"full_ref":"{full}",' if row.is_new_era else ""
        return f'"ref":{ref},"ref_type":"{ref_type}",{full_ref}"pusher_type":"user"'

    def _watch(self, _row: "Row") -> str:
        return '"action":"started"'

    def _fork(self, row: "Row") -> str:
        action = '"action":"forked",' if row.is_new_era else ""
        return f'{action}"forkee":{self._forkee(row, row.actor, row.created_at)}'

    def _public(self, _row: "Row") -> str:
        return ""

    def _member(self, row: "Row") -> str:
        member = row.variety % self.accounts.person_count
        return f'"member":{self._user(member, row.is_new_era)},"action":"added"'

    def _gollum(self, row: "Row") -> str:
        page = words.compound(row.variety >> 3, "-").title()
        action = "created" if row.variety & 1 else "edited"
        return (
            f'"pages":[{{"page_name":"{page}","title":"{page.replace("-", " ")}","summary":null,'
            f'"action":"{action}","sha":"{row.shas[:40]}","html_url":"{row.web}/wiki/{page}"}}]'
        )

    def _title(self, row: "Row") -> str:
        hostile = self._hostile_threads.get((row.repository, row.number))
        if hostile is not None:
            return quoted(words.HOSTILE[hostile])
        return self.texts.titles[row.theme][row.title_hash % 240]

    def _body(self, row: "Row") -> str:
        return self.texts.bodies[row.theme][row.body_hash % 160]

    def _association(self, row: "Row", account: int) -> str:
        """As the platform says it: the owner, a member, a contributor or nobody."""
        repositories = self.repositories
        start, end = repositories.pool_start[row.repository : row.repository + 2].tolist()
        if account == int(repositories.owner[row.repository]):
            return "OWNER"
        if account in repositories.pool[start:end]:
            return "MEMBER" if account % 3 == 0 else "CONTRIBUTOR"
        return "NONE"

    def _issues(self, row: "Row") -> str:
        return f'"action":"{ACTIONS[row.action]}","issue":{self._issue(row)}'

    def _issue(self, row: "Row") -> str:
        """The issue (or the pull request seen as one) of the event's thread."""
        new = row.is_new_era
        is_pull = row.thread_kind == PULL_THREAD
        url = f"{row.api}/issues/{row.number}"
        page = f"{row.web}/{'pull' if is_pull else 'issues'}/{row.number}"
        number = row.thread_id + 1_500_000_000
        is_closed = row.action == CLOSED
        comments = row.variety % 9 + (row.type != ISSUES)
        closed_at = f'"{row.created_at}"' if is_closed else "null"
        association = self._association(row, row.thread_author)
        pull = (
            f'"pull_request":{{"url":"{row.api}/pulls/{row.number}","html_url":"{page}",'
            f'"diff_url":"{page}.diff","patch_url":"{page}.patch"}},'
            if is_pull
            else ""
        )
        if new:
            before, after = _NEW_ISSUE_BEFORE_BODY, _new_issue_after_body(url)
        else:
            before = f'"author_association":"{association}","active_lock_reason":null,'
            after = ',"performed_via_github_app":null'
        assignee = "" if new else '"assignee":null,'
        return (
            f'{{"url":"{url}","repository_url":"{row.api}","labels_url":"{url}/labels{{/name}}",'
            f'"comments_url":"{url}/comments","events_url":"{url}/events","html_url":"{page}",'
            f'"id":{number},"node_id":"{_node_id("Issue", number)}","number":{row.number},'
            f'"title":{self._title(row)},"user":{self._user(row.thread_author, new)},'
            f'"labels":{self._labels(row)},"state":"{"closed" if is_closed else "open"}",'
            f'"locked":false,{assignee}"assignees":[],"milestone":null,"comments":{comments},'
            f'"created_at":"{row.thread_created_at}","updated_at":"{row.created_at}",'
            f'"closed_at":{closed_at},{before}{pull}"body":{self._body(row)}{after}}}'
        )

    def _labels(self, row: "Row") -> str:
        if row.theme > 1 or row.number % 3 == 0:
            return "[]"
        name = ("bug", "enhancement")[row.theme]
        number = row.repository * 100 + row.theme + 1_000_000
        return (
            f'[{{"id":{number},"node_id":"{_node_id("Label", number)}",'
            f'"url":"{row.api}/labels/{name}","name":"{name}","color":"d73a4a","default":true,'
            f'"description":null}}]'
        )

    def _issue_comment(self, row: "Row") -> str:
        new = row.is_new_era
        number = 3_300_000_000 + row.variety % 900_000_000
        kind = "pull" if row.thread_kind == PULL_THREAD else "issues"
        association = "" if new else f'"author_association":"{self._association(row, row.actor)}",'
        comment = (
            f'{{"url":"{row.api}/issues/comments/{number}",'
            f'"html_url":"{row.web}/{kind}/{row.number}#issuecomment-{number}",'
            f'"issue_url":"{row.api}/issues/{row.number}","id":{number},'
            f'"node_id":"{_node_id("IssueComment", number)}","user":{self._user(row.actor, new)},'
            f'"created_at":"{row.created_at}","updated_at":"{row.created_at}",{association}'
            f'"body":{self._comment_body(row)},"performed_via_github_app":null}}'
        )
        return f'"action":"created","issue":{self._issue(row)},"comment":{comment}'

    def _comment_body(self, row: "Row") -> str:
        return self.texts.bodies[row.theme][(row.variety >> 5) % 160]

    def _pull(self, row: "Row") -> str:
        action = ACTIONS[row.action]
        if row.is_new_era:
            return f'"action":"{action}","number":{row.number},"pull_request":{self._slim(row)}'
        told = "closed" if row.action == MERGED else action
        return f'"action":"{told}","number":{row.number},"pull_request":{self._whole(row, True)}'

    def _head(self, row: "Row") -> tuple[str, int, int | None]:
        """Branch and owner of a pull request's head, and the owner of the fork it comes from."""
        owner = int(self.repositories.owner[row.repository])
        outside = self._association(row, row.thread_author) == "NONE"
        outside = outside and row.thread_author < self.accounts.person_count
        branch = f"patch-{row.number}"
        return (branch, row.thread_author, row.thread_author) if outside else (branch, owner, None)

    def _slim(self, row: "Row") -> str:
        """The five keys that are left of a pull request in the newer era."""
        branch, _, fork_owner = self._head(row)
        name = row.full.split("/", 1)[1]
        number = int(self.repositories.id[row.repository])
        base = f'{{"id":{number},"url":"{row.api}","name":"{name}"}}'
        head = base
        if fork_owner is not None:
            url = f"{API}/repos/{self.accounts.login[fork_owner]}/{name}"
            fork = 1_070_000_000 + row.thread_id % 30_000_000
            head = f'{{"id":{fork},"url":"{url}","name":"{name}"}}'
        return (
            f'{{"url":"{row.api}/pulls/{row.number}","id":{row.thread_id},"number":{row.number},'
            f'"head":{{"ref":"{branch}","sha":"{row.shas[:40]}","repo":{head}}},'
            f'"base":{{"ref":"main","sha":"{row.shas[40:80]}","repo":{base}}}}}'
        )

    def _whole(self, row: "Row", with_counts: bool) -> str:
        """A pull request of the older era: 48 keys with the counts, as PullRequestEvent has it."""
        api, page = f"{row.api}/pulls/{row.number}", f"{row.web}/pull/{row.number}"
        issue = f"{row.api}/issues/{row.number}"
        is_merged = row.action == MERGED
        is_closed = is_merged or row.action == CLOSED
        closed_at = f'"{row.created_at}"' if is_closed else "null"
        merged_at = f'"{row.created_at}"' if is_merged else "null"
        # The platform tries the merge of an open pull request and tells the result's commit.
        merge_sha = "null" if row.action == OPENED else f'"{row.shas[80:]}"'
        head_sha, base_sha = row.shas[:40], row.shas[40:80]
        statuses = f"{row.api}/statuses/{head_sha}"
        node = _node_id("PullRequest", row.thread_id)
        counts = self._counts(row) if with_counts else ""
        return (
            f'{{"url":"{api}","id":{row.thread_id},"node_id":"{node}",'
            f'"html_url":"{page}","diff_url":"{page}.diff","patch_url":"{page}.patch",'
            f'"issue_url":"{issue}","number":{row.number},'
            f'"state":"{"closed" if is_closed else "open"}","locked":false,'
            f'"title":{self._title(row)},"user":{self._user(row.thread_author, False)},'
            f'"body":{self._body(row)},"created_at":"{row.thread_created_at}",'
            f'"updated_at":"{row.created_at}","closed_at":{closed_at},"merged_at":{merged_at},'
            f'"merge_commit_sha":{merge_sha},"assignee":null,"assignees":[],'
            f'"requested_reviewers":[],"requested_teams":[],"labels":{self._labels(row)},'
            f'"milestone":null,"draft":false,"commits_url":"{api}/commits",'
            f'"review_comments_url":"{api}/comments",'
            f'"review_comment_url":"{row.api}/pulls/comments{{/number}}",'
            f'"comments_url":"{issue}/comments","statuses_url":"{statuses}",'
            f"{self._ends(row, head_sha, base_sha)},"
            f'"_links":{{"self":{{"href":"{api}"}},"html":{{"href":"{page}"}},'
            f'"issue":{{"href":"{issue}"}},"comments":{{"href":"{issue}/comments"}},'
            f'"review_comments":{{"href":"{api}/comments"}},'
            f'"review_comment":{{"href":"{row.api}/pulls/comments{{/number}}"}},'
            f'"commits":{{"href":"{api}/commits"}},"statuses":{{"href":"{statuses}"}}}},'
            f'"author_association":"{self._association(row, row.thread_author)}",'
            f'"auto_merge":null,"active_lock_reason":null{counts}}}'
        )

    def _ends(self, row: "Row", head_sha: str, base_sha: str) -> str:
        branch, head_owner, fork_owner = self._head(row)
        base_owner = int(self.repositories.owner[row.repository])
        base = self._repository(row)
        head = base if fork_owner is None else self._forkee(row, fork_owner, row.created_at)
        head = head.removesuffix(',"public":true}') + "}" if fork_owner is not None else head
        logins = self.accounts.login
        return (
            f'"head":{{"label":"{logins[head_owner]}:{branch}","ref":"{branch}","sha":"{head_sha}",'
            f'"user":{self._user(head_owner, False)},"repo":{head}}},'
            f'"base":{{"label":"{logins[base_owner]}:main","ref":"main","sha":"{base_sha}",'
            f'"user":{self._user(base_owner, False)},"repo":{base}}}'
        )

    def _counts(self, row: "Row") -> str:
        is_merged = row.action == MERGED
        merger = self._user(row.actor, False) if is_merged else "null"
        v = row.variety
        return (
            f',"merged":{"true" if is_merged else "false"},"mergeable":null,"rebaseable":null,'
            f'"mergeable_state":"unknown","merged_by":{merger},"comments":{v % 6},'
            f'"review_comments":{v % 4},"maintainer_can_modify":false,"commits":{v % 7 + 1},'
            f'"additions":{v % 911 + 1},"deletions":{v % 211},"changed_files":{v % 13 + 1}'
        )

    def _pull_for_review(self, row: "Row") -> str:
        return self._slim(row) if row.is_new_era else self._whole(row, False)

    def _review(self, row: "Row") -> str:
        new = row.is_new_era
        number = 2_900_000_000 + row.variety % 300_000_000
        page = f"{row.web}/pull/{row.number}#pullrequestreview-{number}"
        pull = f"{row.api}/pulls/{row.number}"
        state = ("commented", "approved", "changes_requested", "approved")[row.variety & 3]
        body = "null" if row.variety & 4 else self._comment_body(row)
        association = "" if new else f'"author_association":"{self._association(row, row.actor)}",'
        return (
            f'"action":"created","review":{{"id":{number},'
            f'"node_id":"{_node_id("PullRequestReview", number)}",'
            f'"user":{self._user(row.actor, new)},"body":{body},'
            f'"commit_id":"{row.shas[:40]}","submitted_at":"{row.created_at}",'
            f'"state":"{state}","html_url":"{page}","pull_request_url":"{pull}",{association}'
            f'"_links":{{"html":{{"href":"{page}"}},"pull_request":{{"href":"{pull}"}}}}}},'
            f'"pull_request":{self._pull_for_review(row)}'
        )

    def _review_comment(self, row: "Row") -> str:
        new = row.is_new_era
        number = 2_200_000_000 + row.variety % 300_000_000
        url = f"{row.api}/pulls/comments/{number}"
        page = f"{row.web}/pull/{row.number}#discussion_r{number}"
        pull = f"{row.api}/pulls/{row.number}"
        line = row.variety % 400 + 1
        association = "" if new else f'"author_association":"{self._association(row, row.actor)}",'
        return (
            f'"action":"created","comment":{{"url":"{url}","pull_request_review_id":{number + 9},'
            f'"id":{number},"node_id":"{_node_id("PullRequestReviewComment", number)}",'
            f'"diff_hunk":"@@ -{line},3 +{line},4 @@","path":"src/main.py","position":{line},'
            f'"original_position":{line},"commit_id":"{row.shas[:40]}",'
            f'"original_commit_id":"{row.shas[:40]}","user":{self._user(row.actor, new)},'
            f'"body":{self._comment_body(row)},"created_at":"{row.created_at}",'
            f'"updated_at":"{row.created_at}","html_url":"{page}","pull_request_url":"{pull}",'
            f'{association}"_links":{{"self":{{"href":"{url}"}},"html":{{"href":"{page}"}},'
            f'"pull_request":{{"href":"{pull}"}}}},"start_line":null,"original_start_line":null,'
            f'"start_side":null,"line":{line},"original_line":{line},"side":"RIGHT"}},'
            f'"pull_request":{self._pull_for_review(row)}'
        )

    def _release(self, row: "Row") -> str:
        new = row.is_new_era
        number = 250_000_000 + row.variety % 40_000_000
        v = row.variety
        tag = f"v{v % 5}.{v // 5 % 20}.{v // 100 % 10}"
        url = f"{row.api}/releases/{number}"
        immutable = '"immutable":false,' if new else ""
        updated = f'"updated_at":"{row.created_at}",' if new else ""
        body = self._comment_body(row)
        return (
            f'"action":"published","release":{{"url":"{url}","assets_url":"{url}/assets",'
            f'"upload_url":"https://uploads.github.com/repos/{row.full}/releases/{number}/assets'
            f'{{?name,label}}","html_url":"{row.web}/releases/tag/{tag}","id":{number},'
            f'"author":{self._user(row.actor, new)},"node_id":"{_node_id("Release", number)}",'
            f'"tag_name":"{tag}","target_commitish":"main","name":"{tag}","draft":false,{immutable}'
            f'"prerelease":false,"created_at":"{row.created_at}",{updated}'
            f'"published_at":"{row.created_at}","assets":[],'
            f'"tarball_url":"{row.api}/tarball/{tag}",'
            f'"zipball_url":"{row.api}/zipball/{tag}","body":{body},"short_description_html":null,'
            f'"is_short_description_html_truncated":false}}'
        )

    def _commit_comment(self, row: "Row") -> str:
        new = row.is_new_era
        number = 160_000_000 + row.variety % 9_000_000
        sha = row.shas[:40]
        return (
            f'"comment":{{"url":"{row.api}/comments/{number}",'
            f'"html_url":"{row.web}/commit/{sha}#commitcomment-{number}","id":{number},'
            f'"node_id":"{_node_id("CommitComment", number)}","user":{self._user(row.actor, new)},'
            f'"position":null,"line":null,"path":null,"commit_id":"{sha}",'
            f'"created_at":"{row.created_at}","updated_at":"{row.created_at}",'
            f'"author_association":"{self._association(row, row.actor)}",'
            f'"body":{self._comment_body(row)}}}'
        )


@dataclass(slots=True)
class Row:
    """One event as plain Python values, and the names under which it appears."""

    is_new_era: bool
    type: int
    repository: int
    actor: int
    action: int
    thread_kind: int
    number: int
    thread_author: int
    size: int
    distinct_size: int
    push_id: int
    event_id: int
    is_new_name: bool
    variety: int
    theme: int
    title_hash: int
    body_hash: int
    created_at: str
    thread_created_at: str
    shas: str
    full: str = ""
    api: str = ""
    web: str = ""

    @property
    def thread_id(self) -> int:
        """Unique for a thread; the issue behind a pull request has an id of its own."""
        return 1_500_000_000 + self.repository * 100_000 + self.number


_NEW_ISSUE_BEFORE_BODY = (
    '"assignee":null,"issue_field_values":[],"type":null,"active_lock_reason":null,'
    '"sub_issues_summary":{"total":0,"completed":0,"percent_completed":0},'
    '"issue_dependencies_summary":{"blocked_by":0,"total_blocked_by":0,"blocking":0,'
    '"total_blocking":0},'
)


def _new_issue_after_body(url: str) -> str:
    return (
        f',"reactions":{{"url":"{url}/reactions","total_count":0,"+1":0,"-1":0,"laugh":0,'
        f'"hooray":0,"confused":0,"heart":0,"rocket":0,"eyes":0}},"timeline_url":"{url}/timeline",'
        f'"performed_via_github_app":null,"state_reason":null,"pinned_comment":null'
    )


def _licence(index: int) -> str:
    if index < 0:
        return "null"
    key, name, spdx = words.LICENCES[index]
    return (
        f'{{"key":"{key}","name":{quoted(name)},"spdx_id":"{spdx}",'
        f'"url":"{API}/licenses/{key}","node_id":"{_node_id("License", index + 1)}"}}'
    )


# Names git accepts and a shell, a page or a spreadsheet would rather not.
_HOSTILE_BRANCHES = ("$(touch${IFS}x)", "<b>x</b>", "=1+1", "fix/\U0001f41b", "a'b;--")


def _branch(row: Row) -> str:
    v = row.variety
    if v % 1_009 == 20:
        return _HOSTILE_BRANCHES[v // 1_009 % len(_HOSTILE_BRANCHES)]
    return words.compound(v >> 7, "-")


def _reference(row: Row, ref_type: str) -> tuple[str, str]:
    """The JSON of `ref` (null for a repository) and the text of `full_ref`."""
    if ref_type == "repository":
        return "null", ""
    if ref_type == "tag":
        tag = f"v{row.variety % 5}.{row.variety % 17}.{row.variety % 9}"
        return f'"{tag}"', f"refs/tags/{tag}"
    branch = _branch(row)
    return f'"{branch}"', f"refs/heads/{branch}"
