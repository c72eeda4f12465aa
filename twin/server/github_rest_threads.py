"""Issues, pull requests, comments and reviews in the GitHub REST API.

Belongs here: their lists with filters and orders, and single ones. Does not belong here: the
routes (`github_rest`).

A repository without issues shows its pull requests in the list of issues, and answers 410 for a
single number that is none of them.
"""

from collections.abc import Iterable

import numpy as np

from twin.draws import Bools, Ints
from twin.github_records import Repository, Thread
from twin.github_threads import ThreadTable
from twin.server import github_shapes as shapes
from twin.server.github_call import Body, Call, Problem, not_found
from twin.server.github_shapes import Json


def issues(call: Call, i: int) -> Body:
    """The list of issues, which has pull requests as well."""
    table = call.view.threads(i)
    kept = _in_state(call, table, "Issue")
    if not call.view.world.repositories.has_issues[i]:
        kept &= table.is_pull
    try:
        since = call.time("since")
    except ValueError:
        raise Problem(422, shapes.invalid("Issue", "since", call.docs)) from None
    if since is not None:
        kept &= table.updated_at >= since
    if call.text("creator"):
        kept &= table.author == call.person(call.text("creator"))
    # Nobody is assigned, mentioned, and there is no milestone.
    for name in ("assignee", "milestone"):
        if call.text(name, "none") != "none":
            kept &= False
    if call.text("mentioned"):
        kept &= False
    kept &= _labelled(call, i, table)
    sort = call.choice("sort", ("created", "updated", "comments"), "Issue")
    keys = {"created": table.number, "updated": table.updated_at, "comments": table.comment_count}
    places = _ordered(np.flatnonzero(kept), keys[sort], call.choice(
        "direction", ("desc", "asc"), "Issue"))  # fmt: skip
    repository = call.view.repository(i)

    def page(wanted: Ints) -> list[Json]:
        threads = call.view.thread_records(i, wanted)
        return [call.shapes.issue(repository, thread) for thread in threads]

    return call.paged_over(places, page)


def _in_state(call: Call, table: ThreadTable, resource: str) -> Bools:
    state = call.choice("state", ("open", "closed", "all"), resource)
    if state == "all":
        return np.ones(len(table), bool)
    is_open: Bools = table.closed_at == 0
    return is_open if state == "open" else ~is_open


def _labelled(call: Call, i: int, table: ThreadTable) -> Bools:
    """Mask of the threads that have all labels of the parameter."""
    wanted = {name for name in call.text("labels").split(",") if name}
    kept = np.ones(len(table), bool)
    if wanted:
        known = {label.name: k for k, label in enumerate(call.view.labels(i))}
        found = call.view.texts.theme(np.full(len(table), i), table.number).label
        for name in wanted:
            kept &= found == known.get(name, -2)
    return kept


def _ordered(places: Ints, key: Ints, direction: str) -> Ints:
    order = np.lexsort((places, key[places]))
    return places[order[::-1] if direction == "desc" else order]


def _thread(call: Call, i: int, *, pull: bool) -> Thread:
    """The thread of the number in the address."""
    number = call.number("number")
    count = call.view.thread_count(i)
    exists = 1 <= number <= count
    table = call.view.threads(i)
    is_pull = exists and bool(table.is_pull[number - 1])
    if not pull and not is_pull and not call.view.world.repositories.has_issues[i]:
        message = "Issues has been disabled in this repository."
        raise Problem(410, shapes.error(message, call.docs, 410))
    if not exists or (pull and not is_pull):
        raise not_found(call.docs)
    return call.view.thread_records(i, np.array([number - 1]))[0]


def issue(call: Call, i: int) -> Body:
    """An issue, or a pull request seen as one."""
    thread = _thread(call, i, pull=False)
    call.modified(thread.updated_at)
    return call.shapes.issue(call.view.repository(i), thread)


def thread_comments(call: Call, i: int) -> Body:
    """The conversation of one thread."""
    thread = _thread(call, i, pull=False)
    view, number, total = call.view, thread.number, thread.comment_count
    repository = view.repository(i)
    since = call.time_or_none("since")
    if since is None:
        return call.paged(
            total,
            lambda start, stop: [
                call.shapes.comment(repository, c) for c in view.comments(i, number, start, stop)
            ],
        )
    found = [c for c in view.comments(i, number, 0, total) if c.created_at >= since]
    return call.paged(
        len(found),
        lambda start, stop: [call.shapes.comment(repository, c) for c in found[start:stop]],
    )


def all_comments(call: Call, i: int) -> Body:
    """The conversations of all threads, the oldest comment first."""
    table = call.view.comment_table(i)
    number, place, at = table.number, table.place, table.created_at
    kept = np.ones(len(number), bool)
    try:
        since = call.time("since")
    except ValueError:
        raise Problem(422, shapes.invalid("IssueComment", "since", call.docs)) from None
    if since is not None:
        kept = at >= since
    by_time = bool(call.text("sort"))
    order = np.lexsort((place, number, at))
    order = order[kept[order]]
    if by_time and call.choice("direction", ("desc", "asc"), "IssueComment") == "desc":
        order = order[::-1]
    repository = call.view.repository(i)

    def page(wanted: Ints) -> list[Json]:
        return [call.shapes.comment(repository, c) for c in call.view.comments_of(i, wanted)]

    return call.paged_over(order, page)


def comment(call: Call, i: int) -> Body:
    """One comment."""
    found = call.view.comment_by_id(i, call.number("id"))
    if found is None:
        raise not_found(call.docs)
    return call.shapes.comment(call.view.repository(i), found)


def pulls(call: Call, i: int) -> Body:
    """The list of pull requests."""
    table = call.view.threads(i)
    kept = _in_state(call, table, "PullRequest") & table.is_pull
    if call.text("base", "main") != "main":
        kept &= False
    sort = call.choice("sort", ("created", "updated", "popularity", "long-running"), "PullRequest")
    usual = ("desc", "asc") if sort == "created" else ("asc", "desc")
    keys = {
        "created": table.number, "updated": table.updated_at, "popularity": table.comment_count,
        "long-running": table.number,
    }  # fmt: skip
    direction = call.choice("direction", usual, "PullRequest")
    places = _ordered(np.flatnonzero(kept), keys[sort], direction)
    if call.text("head"):
        threads = call.view.thread_records(i, places)
        wanted = call.text("head")
        places = places[[_head_label(call, i, t) == wanted for t in threads]]
    repository = call.view.repository(i)

    def page(wanted: Ints) -> list[Json]:
        return [
            call.shapes.pull(repository, _head(call, i, repository, thread), thread)
            for thread in call.view.thread_records(i, wanted)
        ]

    return call.paged_over(places, page)


def _head(call: Call, i: int, repository: Repository, thread: Thread) -> Repository:
    return call.view.head(i, thread) if thread.head_fork else repository


def _head_label(call: Call, i: int, thread: Thread) -> str:
    return f"{call.view.head(i, thread).owner.login}:{thread.head_ref}"


def pull(call: Call, i: int) -> Body:
    """A pull request."""
    thread = _thread(call, i, pull=True)
    call.modified(thread.updated_at)
    repository = call.view.repository(i)
    head = _head(call, i, repository, thread)
    files = call.view.files(i, -thread.number, thread.head_sha)
    return call.shapes.full_pull(repository, head, thread, files)


def pull_commits(call: Call, i: int) -> Body:
    """What is on the branch of a pull request."""
    thread = _thread(call, i, pull=True)
    commit = call.view.pull_commit(thread)
    repository = call.view.repository(i)
    return call.paged(1, lambda _start, _stop: [call.shapes.commit(repository, commit)])


def pull_files(call: Call, i: int) -> Body:
    """What a pull request changes."""
    thread = _thread(call, i, pull=True)
    files, repository = call.view.files(i, -thread.number, thread.head_sha), call.view.repository(i)
    return call.paged(
        len(files), lambda start, stop: [call.shapes.file(repository, f) for f in files[start:stop]]
    )


def reviews(call: Call, i: int) -> Body:
    """The reviews of a pull request."""
    thread, repository = _thread(call, i, pull=True), call.view.repository(i)
    found = call.view.reviews(i, thread.number)
    return call.paged(
        len(found),
        lambda start, stop: [call.shapes.review(repository, r) for r in found[start:stop]],
    )


def review_comments(call: Call, i: int) -> Body:
    """The comments on the diff of one pull request."""
    thread = _thread(call, i, pull=True)
    return _paged_review_comments(call, i, [thread.number])


def all_review_comments(call: Call, i: int) -> Body:
    """The comments on the diffs of all pull requests."""
    return _paged_review_comments(call, i, call.view.reviewed_numbers(i).tolist())


def _paged_review_comments(call: Call, i: int, numbers: Iterable[int]) -> list[Json]:
    repository, view = call.view.repository(i), call.view
    found = [comment for number in numbers for comment in view.review_comments(i, number)]
    found.sort(key=lambda comment: (comment.created_at, comment.number, comment.id))
    since = call.time_or_none("since")
    if since is not None:
        found = [comment for comment in found if comment.created_at >= since]
    if call.text("sort") and call.text("direction", "desc") == "desc":
        found = found[::-1]
    return call.paged(
        len(found),
        lambda start, stop: [call.shapes.review_comment(repository, c) for c in found[start:stop]],
    )
