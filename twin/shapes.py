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

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin import words
from twin.draws import Bools, Ints
from twin.events import (
    ACTIONS,
    COMMIT_COMMENT,
    FORK,
    ISSUE_COMMENT,
    MERGED,
    OPENED,
    PULL_THREAD,
    PUSH,
    RELEASE,
    REVIEW,
    REVIEW_COMMENT,
    TYPES,
    Events,
)
from twin.habits import makes
from twin.history import REVIEW_STATES, History
from twin.identifiers import (
    comment_id,
    commit_comment_id,
    fork_id,
    head_shas,
    label_id,
    pull_id,
    release_id,
    review_comment_id,
    review_id,
    thread_id,
)
from twin.identifiers import node_id as _node_id
from twin.texts import Texts
from twin.timeline import OUTSIDER
from twin.world import World

API = "https://api.github.com"
WEB = "https://github.com"
LISTED_COMMITS = 20
ASSOCIATIONS = ("NONE", "CONTRIBUTOR", "COLLABORATOR", "MEMBER", "OWNER")
# Reviews and comments on a diff have texts of their own among those of the thread's comments.
REVIEW_TEXTS, REVIEW_COMMENT_TEXTS = 1_000_000, 2_000_000
_KEPT_USERS = 60_000
NEVER = "1970-01-01T00:00:00Z"

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


def _selected(pool: list[str], where: Ints, places: Ints, count: int) -> list[str]:
    """A list of `count` texts, those at `where` from places of the pool, the others empty."""
    texts = [""] * count
    for k, place in zip(where.tolist(), places.tolist(), strict=True):
        texts[k] = pool[place]
    return texts


def _scattered(values: NDArray[Any], where: Ints, count: int, default: int = 0) -> Ints:
    column = np.full(count, default, np.int64)
    column[where] = values
    return column


class Associations:
    """How accounts stand to repositories, in the platform's words."""

    def __init__(self, world: World) -> None:
        self.world = world
        repositories = world.repositories
        size = np.diff(repositories.pool_start)
        owner = np.repeat(np.arange(len(repositories)), size)
        self._contributors = np.unique((owner << 32) + repositories.pool)

    def of(self, account: Ints, repository: Ints, at: Ints) -> Ints:
        """Indices into `ASSOCIATIONS` of accounts at times, elementwise.

        `CONTRIBUTOR` is who ever was among the repository's contributors without belonging to
        its owner; whether that person's first contribution was later is not looked at.
        """
        world = self.world
        pairs = (repository.astype(np.int64) << 32) + account
        place = np.searchsorted(self._contributors, pairs)
        place = np.minimum(place, len(self._contributors) - 1)
        found = (self._contributors[place] == pairs).astype(np.int64)
        owner = world.repositories.owners_at(repository, at)
        of_group = owner >= world.accounts.first_organisation
        inside = world.is_insider(account, repository, at)
        found = np.where(inside, np.where(of_group, 3, 2), found)
        return np.where(account == owner, 4, found)


class Renderer:
    """Turns events into lines; keeps the fragments of accounts and repositories it has built."""

    def __init__(self, world: World, history: History) -> None:
        self.world, self.history = world, history
        self.accounts, self.repositories = world.accounts, world.repositories
        self.texts = Texts(world, history)
        self.associations = Associations(world)
        self._ids = world.repositories.id.tolist()
        self._actors: dict[int, str] = {}
        self._users: dict[tuple[int, bool], str] = {}
        self._repositories: dict[tuple[int, bool, bool], str] = {}
        self._names: dict[tuple[int, bool], tuple[str, str]] = {}
        self._gained: tuple[Ints, Ints] | None = None
        self._observed = ""
        self._payloads: tuple[Callable[[Row], str], ...] = (
            self._push, self._create, self._delete, self._watch, self._fork, self._issues,
            self._issue_comment, self._pull, self._review, self._review_comment, self._release,
            self._gollum, self._member, self._public, self._commit_comment,
        )  # fmt: skip

    def lines(
        self, events: Events, is_new_era: Bools, event_id: Ints, observed_at: int,
        gained: tuple[Ints, Ints],
    ) -> list[bytes]:  # fmt: skip
        """One line (without the line end) for each event, in their order.

        Args:
            events: what happened; an event may stand there twice.
            is_new_era: for each event, whether it has the newer payload shape.
            event_id: given apart because another recording may carry another id.
            observed_at: when repositories were looked at for their counts, the start of a day.
            gained: stars and forks of the flow until then, aligned with the repositories.
        """
        if self._gained is None or self._gained[0] is not gained[0]:
            self._repositories.clear()
            self._gained = gained
            self._observed = timestamps(np.array([observed_at]))[0]
        for kept in (self._actors, self._users, self._names):
            if len(kept) > _KEPT_USERS:
                kept.clear()
        return [self._line(row).encode() for row in self._rows(events, is_new_era, event_id)]

    def _rows(self, events: Events, is_new_era: Bools, event_id: Ints) -> Iterator["Row"]:
        columns = (
            is_new_era, events.type, events.repository, events.actor, events.action,
            events.thread_kind, events.number, events.thread_author,
            events.thread_role == OUTSIDER, events.place, events.push_size,
            events.push_distinct_size, events.push_id, events.merges, event_id, events.is_moved,
            events.variety,
            *self._associations(events), self._part_ids(events),
        )  # fmt: skip
        lists = (
            timestamps(events.created_at), timestamps(events.thread_created_at),
            timestamps(events.thread_closed_at), timestamps(events.thread_merged_at),
            *self._thread_texts(events), *self._shas(events),
            self._listed_commits(events, is_new_era),
        )  # fmt: skip
        for values in zip(*(column.tolist() for column in columns), *lists, strict=True):
            yield Row(*values)

    def _associations(self, events: Events) -> tuple[Ints, Ints]:
        """Of the actor and of the thread's author, where a payload may tell them."""
        n = len(events)
        wants = np.flatnonzero((events.number > 0) | (events.type == COMMIT_COMMENT))
        repository = events.repository[wants]
        actor = self.associations.of(events.actor[wants], repository, events.created_at[wants])
        author = self.associations.of(
            events.thread_author[wants], repository, events.thread_created_at[wants]
        )
        return _scattered(actor, wants, n), _scattered(author, wants, n)

    def _part_ids(self, events: Events) -> Ints:
        """The id of the comment, review, release or fork that an event brings."""
        ids = np.zeros(len(events), np.int64)
        for code, make in (
            (ISSUE_COMMENT, comment_id), (REVIEW, review_id), (REVIEW_COMMENT, review_comment_id),
        ):  # fmt: skip
            mine = np.flatnonzero(events.type == code)
            ids[mine] = make(events.repository[mine], events.number[mine], events.place[mine])
        for code, make_part in ((RELEASE, release_id), (COMMIT_COMMENT, commit_comment_id)):
            mine = np.flatnonzero(events.type == code)
            ids[mine] = make_part(events.repository[mine], events.place[mine])
        mine = np.flatnonzero(events.type == FORK)
        ids[mine] = fork_id(events.repository[mine], events.actor[mine])
        return ids

    def _thread_texts(self, events: Events) -> tuple[list[Any], ...]:
        """Title, body, label and comment of each event's thread, and the id of its head's fork."""
        n, texts = len(events), self.texts
        wants = np.flatnonzero(
            (events.number > 0) | np.isin(events.type, (RELEASE, COMMIT_COMMENT))
        )
        repository, number = events.repository[wants], events.number[wants]
        themes = texts.theme(repository, number)
        kind = events.type[wants]
        offset = np.where(kind == REVIEW, REVIEW_TEXTS, 0)
        offset = np.where(kind == REVIEW_COMMENT, REVIEW_COMMENT_TEXTS, offset)
        comments = texts.comments_at(repository, number, events.place[wants] + offset, themes)
        forks = fork_id(repository, events.thread_author[wants])
        return (
            _selected(texts.titles.json, wants, texts.titles_at(repository, number, themes), n),
            _selected(texts.bodies.json, wants, texts.bodies_at(repository, number, themes), n),
            _selected(texts.comments.json, wants, comments, n),
            _scattered(themes.label, wants, n, -1).tolist(),
            _scattered(forks, wants, n).tolist(),
        )

    def _shas(self, events: Events) -> tuple[list[str], ...]:
        """Of each event the default branch's tip before it, the commit it adds or would add, and
        for a pull request's event the head of its branch.

        A push shows as head its last commit, and as the one before what it goes on from.
        """
        history, repository = self.history, events.repository
        push = events.type == PUSH
        known = events.push_size - events.push_distinct_size
        tip, stock = events.first_position - 1, self.repositories.commit_stock[repository]
        # What a push lists as known is the end of the history.
        listed_from = np.where(known > 0, stock - known - 1, tip)
        before = np.where(push, np.where(events.push_size == 0, tip - 1, listed_from), tip)
        only_known = (events.push_distinct_size == 0) & (known > 0)
        last = np.where(only_known, stock - 1, tip + events.push_distinct_size)
        after = np.where(push, last, tip + 1)
        heads = [""] * len(events)
        pulls = np.flatnonzero((events.thread_kind == PULL_THREAD) & (events.type != PUSH))
        shas = head_shas(self.world.seed, repository[pulls], events.number[pulls])
        for k, sha in zip(pulls.tolist(), shas, strict=True):
            heads[k] = sha
        return history.shas(repository, before), history.shas(repository, after), heads

    def _listed_commits(self, events: Events, is_new_era: Bools) -> list[list["Commit"]]:
        """At most 20 commits of each push of the older era, the head last; those that the
        repository knew come first."""
        commits: list[list[Commit]] = [[] for _ in range(len(events))]
        pushes = np.flatnonzero((events.type == PUSH) & ~is_new_era & (events.push_size > 0))
        size, fresh = events.push_size[pushes], events.push_distinct_size[pushes]
        count = np.minimum(size, LISTED_COMMITS)
        push = np.repeat(pushes, count)
        # Places count back from the last commit of the push.
        back = np.repeat(np.cumsum(count), count) - np.arange(len(push)) - 1
        is_fresh = back < np.repeat(fresh, count)
        repository = events.repository[push]
        first = events.first_position[push] + events.push_distinct_size[push]
        stock = self.repositories.commit_stock[repository] + events.push_distinct_size[push]
        position = np.where(is_fresh, first, stock) - 1 - back
        person, linked = self._authors(events, push, position, is_fresh)
        places = self.texts.messages_at(repository, position)
        messages = [self.texts.messages.json[place] for place in places.tolist()]
        # The history has merges, whose messages are in no pool.
        old = np.flatnonzero(~is_fresh)
        known_messages = self.texts.messages_of(repository[old], position[old])
        for k, text in zip(old.tolist(), known_messages, strict=True):
            messages[k] = quoted(text)
        for k, sha, who, known, message, distinct in zip(
            push.tolist(), self.history.shas(repository, position), person.tolist(),
            linked.tolist(), messages, is_fresh.tolist(), strict=True,
        ):  # fmt: skip
            commits[k].append(Commit(sha, who, known, message, distinct))
        return commits

    def _authors(
        self, events: Events, push: Ints, position: Ints, is_fresh: Bools
    ) -> tuple[Ints, Bools]:
        """Who wrote each commit, and whether its address is the account's."""
        repository = events.repository[push]
        merged = events.merges[push] > 0
        person = np.where(merged, events.thread_author[push], events.actor[push])
        own = position - self.repositories.inherited_count[repository]
        linked = ~self.history.timeline.is_unlinked(repository, own)
        old = np.flatnonzero(~is_fresh)
        if len(old):
            commits = self.history.commits_at(repository[old], position[old])
            person[old], linked[old] = commits.person, commits.author >= 0
        return person, linked

    def _line(self, row: "Row") -> str:
        row.full, organisation = self._name(row.repository, row.is_moved)
        row.api = f"{API}/repos/{row.full}"
        row.web = f"{WEB}/{row.full}"
        return (
            f'{{"id":"{row.event_id}","type":"{TYPES[row.type]}","actor":{self._actor(row.actor)},'
            f'"repo":{{"id":{self._ids[row.repository]},"name":"{row.full}",'
            f'"url":"{row.api}"}},"payload":{{{self._payloads[row.type](row)}}},"public":true,'
            f'"created_at":"{row.created_at}"{organisation}}}'
        )

    def _owner(self, repository: int, is_moved: bool) -> int:
        new_owner = int(self.repositories.new_owner[repository])
        return (
            new_owner if is_moved and new_owner >= 0 else int(self.repositories.owner[repository])
        )

    def _name(self, repository: int, is_moved: bool) -> tuple[str, str]:
        """The escaped full name at the time, and `org` where an organisation owns it."""
        found = self._names.get((repository, is_moved))
        if found is None:
            repositories, accounts = self.repositories, self.accounts
            full = (repositories.new_name if is_moved else repositories.name)[repository]
            owner = self._owner(repository, is_moved)
            organisation = ""
            if owner >= accounts.first_organisation:
                account, login = accounts.id[owner], accounts.login[owner]
                organisation = (
                    f',"org":{{"id":{account},"login":"{login}","gravatar_id":"",'
                    f'"url":"{API}/orgs/{login}",'
                    f'"avatar_url":"https://avatars.githubusercontent.com/u/{account}?"}}'
                )
            found = encode_basestring(full)[1:-1], organisation
            self._names[repository, is_moved] = found
        return found

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
        key = (row.repository, row.is_moved, row.is_new_era)
        if key not in self._repositories:
            i, repositories = row.repository, self.repositories
            language = int(repositories.language[i])
            assert self._gained is not None
            stars, forks = (int(gained[i]) for gained in self._gained)
            self._repositories[key] = self._repository_text(
                row, self._observed, self._ids[i], row.full, self._owner(i, row.is_moved),
                bool(repositories.is_fork[i]), timestamps(repositories.created_at[i : i + 1])[0],
                "null" if language < 0 else f'"{words.LANGUAGES[language]}"',
                int(repositories.star_stock[i]) + stars, int(repositories.fork_stock[i]) + forks,
                int(repositories.issue_stock[i]) // 5, "",
            )  # fmt: skip
        return self._repositories[key]

    def _forkee(self, row: "Row", number: int, owner: int, created_at: str) -> str:
        """A fork of the event's repository in an account's name."""
        name = row.full.split("/", 1)[1]
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
        # A push that brings nothing new, and one in five others, goes to another branch.
        aside = row.distinct_size == 0 or (row.variety % 5 == 0 and not row.merges)
        ref = _branch(row) if aside else "main"
        common = f'"repository_id":{self._ids[row.repository]},"push_id":{row.push_id},'
        place = f'"ref":"refs/heads/{ref}","head":"{row.after}","before":"{row.before}"'
        if row.is_new_era:
            return common + place
        commits = ",".join(
            f'{{"sha":"{c.sha}","author":{self._author(c)},"message":{c.message},'
            f'"distinct":{"true" if c.is_distinct else "false"},'
            f'"url":"{row.api}/commits/{c.sha}"}}'
            for c in row.commits
        )
        return (
            f'{common}"size":{row.size},"distinct_size":{row.distinct_size},{place},'
            f'"commits":[{commits}]'
        )

    def _author(self, commit: "Commit") -> str:
        """Name and obfuscated address; an address that no account has is another of the person."""
        index = commit.person
        name = words.HOSTILE[8] if index == 11 else self.accounts.name[index]
        email = self.accounts.email[index]
        if not commit.is_linked:
            email = email.split("@", 1)[0] + "@home.example"
        return f'{{"email":"{email}","name":{quoted(name)}}}'

    def _create(self, row: "Row") -> str:
        ref_type = self._ref_type(row, ("branch", "branch", "tag", "repository"))
        ref, full = _reference(row, ref_type)
        full_ref = f'"full_ref":"{full}",' if row.is_new_era else ""
        description = quoted(self.repositories.description[row.repository])
        return (
            f'"ref":{ref},"ref_type":"{ref_type}",{full_ref}"master_branch":"main",'
            f'"description":{description},"pusher_type":"user"'
        )

    def _delete(self, row: "Row") -> str:
        ref_type = self._ref_type(row, ("branch", "branch", "branch", "tag"))
        ref, full = _reference(row, ref_type)
        full_ref = f'"full_ref":"{full}",' if row.is_new_era else ""
        return f'"ref":{ref},"ref_type":"{ref_type}",{full_ref}"pusher_type":"user"'

    def _ref_type(self, row: "Row", usual: tuple[str, ...]) -> str:
        """One of the usual sorts; a machine has one sort only, by its trade."""
        machine = row.actor - self.accounts.person_count
        if 0 <= machine < self.accounts.bot_count:
            return "tag" if makes(machine, RELEASE) else "branch"
        return usual[row.variety & 3]

    def _watch(self, _row: "Row") -> str:
        return '"action":"started"'

    def _fork(self, row: "Row") -> str:
        action = '"action":"forked",' if row.is_new_era else ""
        return f'{action}"forkee":{self._forkee(row, row.part_id, row.actor, row.created_at)}'

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
            f'"action":"{action}","sha":"{row.before}","html_url":"{row.web}/wiki/{page}"}}]'
        )

    def _issues(self, row: "Row") -> str:
        return f'"action":"{ACTIONS[row.action]}","issue":{self._issue(row)}'

    def _issue(self, row: "Row") -> str:
        """The issue (or the pull request seen as one) of the event's thread."""
        new = row.is_new_era
        is_pull = row.thread_kind == PULL_THREAD
        url = f"{row.api}/issues/{row.number}"
        page = f"{row.web}/{'pull' if is_pull else 'issues'}/{row.number}"
        number = thread_id(row.repository, row.number)
        is_closed = row.closed_at != NEVER
        comments = row.place + (row.type == ISSUE_COMMENT)
        closed_at = f'"{row.closed_at}"' if is_closed else "null"
        association = ASSOCIATIONS[row.author_association]
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
            f'"title":{row.title},"user":{self._user(row.thread_author, new)},'
            f'"labels":{self._labels(row)},"state":"{"closed" if is_closed else "open"}",'
            f'"locked":false,{assignee}"assignees":[],"milestone":null,"comments":{comments},'
            f'"created_at":"{row.thread_created_at}","updated_at":"{row.created_at}",'
            f'"closed_at":{closed_at},{before}{pull}"body":{row.body}{after}}}'
        )

    def _labels(self, row: "Row") -> str:
        if row.label < 0:
            return "[]"
        name, number = words.LABELS[row.label], label_id(row.repository, row.label)
        return (
            f'[{{"id":{number},"node_id":"{_node_id("Label", number)}",'
            f'"url":"{row.api}/labels/{name}","name":"{name}","color":"d73a4a","default":true,'
            f'"description":null}}]'
        )

    def _issue_comment(self, row: "Row") -> str:
        new = row.is_new_era
        number = row.part_id
        kind = "pull" if row.thread_kind == PULL_THREAD else "issues"
        association = (
            "" if new else f'"author_association":"{ASSOCIATIONS[row.actor_association]}",'
        )
        comment = (
            f'{{"url":"{row.api}/issues/comments/{number}",'
            f'"html_url":"{row.web}/{kind}/{row.number}#issuecomment-{number}",'
            f'"issue_url":"{row.api}/issues/{row.number}","id":{number},'
            f'"node_id":"{_node_id("IssueComment", number)}","user":{self._user(row.actor, new)},'
            f'"created_at":"{row.created_at}","updated_at":"{row.created_at}",{association}'
            f'"body":{row.comment},"performed_via_github_app":null}}'
        )
        return f'"action":"created","issue":{self._issue(row)},"comment":{comment}'

    def _pull(self, row: "Row") -> str:
        action = ACTIONS[row.action]
        if row.is_new_era:
            return f'"action":"{action}","number":{row.number},"pull_request":{self._slim(row)}'
        told = "closed" if row.action == MERGED else action
        return f'"action":"{told}","number":{row.number},"pull_request":{self._whole(row, True)}'

    def _head(self, row: "Row") -> tuple[str, int, int | None]:
        """Branch and owner of a pull request's head, and the owner of the fork it comes from."""
        branch = f"{words.compound(row.number * 31 + row.repository)}-{row.number}"
        if row.is_from_fork:
            return branch, row.thread_author, row.thread_author
        return branch, self._owner(row.repository, row.is_moved), None

    def _slim(self, row: "Row") -> str:
        """The five keys that are left of a pull request in the newer era."""
        branch, _, fork_owner = self._head(row)
        name = row.full.split("/", 1)[1]
        number = self._ids[row.repository]
        base = f'{{"id":{number},"url":"{row.api}","name":"{name}"}}'
        head = base
        if fork_owner is not None:
            url = f"{API}/repos/{self.accounts.login[fork_owner]}/{name}"
            head = f'{{"id":{row.head_fork_id},"url":"{url}","name":"{name}"}}'
        return (
            f'{{"url":"{row.api}/pulls/{row.number}","id":{row.pull_id},"number":{row.number},'
            f'"head":{{"ref":"{branch}","sha":"{row.head}","repo":{head}}},'
            f'"base":{{"ref":"main","sha":"{row.before}","repo":{base}}}}}'
        )

    def _whole(self, row: "Row", with_counts: bool) -> str:
        """A pull request of the older era: 48 keys with the counts, as PullRequestEvent has it."""
        api, page = f"{row.api}/pulls/{row.number}", f"{row.web}/pull/{row.number}"
        issue = f"{row.api}/issues/{row.number}"
        is_merged, is_closed = row.merged_at != NEVER, row.closed_at != NEVER
        closed_at = f'"{row.closed_at}"' if is_closed else "null"
        merged_at = f'"{row.merged_at}"' if is_merged else "null"
        # The platform tries the merge of an open pull request and tells the result's commit.
        merge_sha = "null" if row.action == OPENED else f'"{row.after}"'
        head_sha, base_sha = row.head, row.before
        statuses = f"{row.api}/statuses/{head_sha}"
        node = _node_id("PullRequest", row.pull_id)
        counts = self._counts(row) if with_counts else ""
        return (
            f'{{"url":"{api}","id":{row.pull_id},"node_id":"{node}",'
            f'"html_url":"{page}","diff_url":"{page}.diff","patch_url":"{page}.patch",'
            f'"issue_url":"{issue}","number":{row.number},'
            f'"state":"{"closed" if is_closed else "open"}","locked":false,'
            f'"title":{row.title},"user":{self._user(row.thread_author, False)},'
            f'"body":{row.body},"created_at":"{row.thread_created_at}",'
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
            f'"author_association":"{ASSOCIATIONS[row.author_association]}",'
            f'"auto_merge":null,"active_lock_reason":null{counts}}}'
        )

    def _ends(self, row: "Row", head_sha: str, base_sha: str) -> str:
        branch, head_owner, fork_owner = self._head(row)
        base_owner = self._owner(row.repository, row.is_moved)
        head = base = self._repository(row)
        if fork_owner is not None:
            head = self._forkee(row, row.head_fork_id, fork_owner, row.thread_created_at)
            head = head.removesuffix(',"public":true}') + "}"
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
            f'"mergeable_state":"unknown","merged_by":{merger},"comments":{row.place},'
            f'"review_comments":{v % 4},"maintainer_can_modify":false,"commits":1,'
            f'"additions":{v % 911 + 1},"deletions":{v % 211},"changed_files":{v % 13 + 1}'
        )

    def _pull_for_review(self, row: "Row") -> str:
        return self._slim(row) if row.is_new_era else self._whole(row, False)

    def _review(self, row: "Row") -> str:
        new = row.is_new_era
        number = row.part_id
        page = f"{row.web}/pull/{row.number}#pullrequestreview-{number}"
        pull = f"{row.api}/pulls/{row.number}"
        state = REVIEW_STATES[row.variety % 3].lower()
        association = (
            "" if new else f'"author_association":"{ASSOCIATIONS[row.actor_association]}",'
        )
        return (
            f'"action":"created","review":{{"id":{number},'
            f'"node_id":"{_node_id("PullRequestReview", number)}",'
            f'"user":{self._user(row.actor, new)},"body":{row.comment},'
            f'"commit_id":"{row.head}","submitted_at":"{row.created_at}",'
            f'"state":"{state}","html_url":"{page}","pull_request_url":"{pull}",{association}'
            f'"_links":{{"html":{{"href":"{page}"}},"pull_request":{{"href":"{pull}"}}}}}},'
            f'"pull_request":{self._pull_for_review(row)}'
        )

    def _review_comment(self, row: "Row") -> str:
        new = row.is_new_era
        number = row.part_id
        url = f"{row.api}/pulls/comments/{number}"
        page = f"{row.web}/pull/{row.number}#discussion_r{number}"
        pull = f"{row.api}/pulls/{row.number}"
        review_of = review_id(row.repository, row.number, row.place)
        line = row.place % 40 + 1
        association = (
            "" if new else f'"author_association":"{ASSOCIATIONS[row.actor_association]}",'
        )
        return (
            f'"action":"created","comment":{{"url":"{url}","pull_request_review_id":{review_of},'
            f'"id":{number},"node_id":"{_node_id("PullRequestReviewComment", number)}",'
            f'"diff_hunk":"@@ -{line},3 +{line},4 @@","path":"src/main.py","position":{line},'
            f'"original_position":{line},"commit_id":"{row.head}",'
            f'"original_commit_id":"{row.head}","user":{self._user(row.actor, new)},'
            f'"body":{row.comment},"created_at":"{row.created_at}",'
            f'"updated_at":"{row.created_at}","html_url":"{page}","pull_request_url":"{pull}",'
            f'{association}"_links":{{"self":{{"href":"{url}"}},"html":{{"href":"{page}"}},'
            f'"pull_request":{{"href":"{pull}"}}}},"start_line":null,"original_start_line":null,'
            f'"start_side":null,"line":{line},"original_line":{line},"side":"RIGHT"}},'
            f'"pull_request":{self._pull_for_review(row)}'
        )

    def _release(self, row: "Row") -> str:
        new = row.is_new_era
        number = row.part_id
        v = row.variety
        tag = f"v{v % 5}.{v // 5 % 20}.{v // 100 % 10}"
        url = f"{row.api}/releases/{number}"
        immutable = '"immutable":false,' if new else ""
        updated = f'"updated_at":"{row.created_at}",' if new else ""
        body = row.comment
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
        number = row.part_id
        sha = row.before
        return (
            f'"comment":{{"url":"{row.api}/comments/{number}",'
            f'"html_url":"{row.web}/commit/{sha}#commitcomment-{number}","id":{number},'
            f'"node_id":"{_node_id("CommitComment", number)}","user":{self._user(row.actor, new)},'
            f'"position":null,"line":null,"path":null,"commit_id":"{sha}",'
            f'"created_at":"{row.created_at}","updated_at":"{row.created_at}",'
            f'"author_association":"{ASSOCIATIONS[row.actor_association]}",'
            f'"body":{row.comment}}}'
        )


@dataclass(slots=True)
class Commit:
    """A commit as a push of the older era lists it; `message` is a JSON string."""

    sha: str
    person: int
    is_linked: bool
    message: str
    is_distinct: bool


@dataclass(slots=True)
class Row:
    """One event as plain Python values, and the names under which it appears.

    `title`, `body` and `comment` are JSON strings; times that are not are `NEVER`.
    """

    is_new_era: bool
    type: int
    repository: int
    actor: int
    action: int
    thread_kind: int
    number: int
    thread_author: int
    is_from_fork: bool
    place: int
    size: int
    distinct_size: int
    push_id: int
    merges: int
    event_id: int
    is_moved: bool
    variety: int
    actor_association: int
    author_association: int
    part_id: int
    created_at: str
    thread_created_at: str
    closed_at: str
    merged_at: str
    title: str
    body: str
    comment: str
    label: int
    head_fork_id: int
    before: str
    after: str
    head: str
    commits: list[Commit]
    full: str = ""
    api: str = ""
    web: str = ""

    @property
    def pull_id(self) -> int:
        return int(pull_id(self.repository, self.number))


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
