"""The page where people label: its routes, what each shows, and how an answer comes in.

Belongs here: HTTP, what templates are given. Does not belong here: which post comes next and what
an answer means (`desk`), who may ask (`guard`), starting (`server`), looks (`templates/`,
`static/`).

Every page is made here and works without a script; the script adds the keyboard, and keeps what
was filled in where the server does not answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from assets.study.features import PLATFORM_NAMES
from assets.study.themes.codebook import Codebook
from assets.study.themes.labelling.desk import Answer, AnswerError, Desk, Done
from assets.study.themes.labelling.guard import Guard
from assets.study.themes.labelling.posts import Post
from assets.study.themes.labels import (
    MOST_NOTE_CHARACTERS,
    Label,
    csv_of,
    labels_of,
    parquet_of,
)
from orchestration.failures import OsmoscopeError, PermanentFailure

PLACE = Path(__file__).parent
# Keys of the page itself, which no theme can have.
COMMAND_KEYS = frozenset("nu")
MOST_FORM_BYTES = 64 * 1024
# Labels that the overview lists, the last ones.
MOST_LISTED = 500
_STATIC = {"label.css": "text/css; charset=utf-8", "label.js": "text/javascript; charset=utf-8"}
_KINDS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


@dataclass(frozen=True)
class Page:
    """What all pages know.

    Attributes:
        root: path that all addresses begin with; the secret is in it.
    """

    desk: Desk
    codebook: Codebook
    root: str
    templates: Environment

    def render(self, name: str, **context: Any) -> str:
        """A template with what all of them need."""
        return self.templates.get_template(name).render(
            desk=self.desk, codebook=self.codebook, root=self.root, themes=self.codebook.themes,
            titles={theme.name: theme.title for theme in self.codebook.themes},
            platforms=PLATFORM_NAMES, most_note=MOST_NOTE_CHARACTERS, **context,
        )  # fmt: skip

    def post(self, index: int) -> str:
        """Where a post is."""
        return f"{self.root}/post/{index + 1}"


def app_of(desk: Desk, codebook: Codebook, secret: str, port: int) -> Guard:
    """The application for one desk.

    Args:
        secret: first part of every path.
        port: at which it will be served.

    Raises:
        PermanentFailure: the codebook gives a theme a key that the page itself uses.
    """
    taken = [theme for theme in codebook.themes if theme.key in COMMAND_KEYS]
    if taken:
        raise PermanentFailure(
            f"The codebook gives {taken[0].name} the key {taken[0].key}, which the page uses.",
            "Give it a digit.",
        )
    templates = Environment(
        loader=FileSystemLoader(PLACE / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page = Page(desk, codebook, f"/{secret}", templates)
    routes = [
        Route("/", _bound(page, _start)),
        Route("/post/{number:int}", _bound(page, _show)),
        Route("/post/{number:int}", _answering(page), methods=["POST"]),
        Route("/done", _bound(page, _done)),
        Route("/labels.{kind}", _bound(page, _export)),
        Route("/static/{name}", _bound(page, _static)),
    ]
    inner = Starlette(
        routes=[Mount(page.root, routes=routes)],
        exception_handlers={HTTPException: _problem(page), OsmoscopeError: _problem(page)},
    )
    return Guard(inner, secret, port)


Handler = Callable[[Page, Request], Response]


def _bound(page: Page, handler: Handler) -> Callable[[Request], Response]:
    """A plain function, which Starlette runs in its pool of threads: files are read there."""

    def handling(request: Request) -> Response:
        return handler(page, request)

    return handling


def _start(page: Page, _: Request) -> Response:
    index = page.desk.following(page.desk.kept().labels)
    return RedirectResponse(f"{page.root}/done" if index is None else page.post(index), 303)


def _show(page: Page, request: Request) -> Response:
    index = _index(page, request)
    labels = page.desk.kept().labels
    label = labels.get(page.desk.posts[index].message_key)
    answer = _answer_of(label)
    told = _told(page, request.query_params, labels)
    return HTMLResponse(_post_html(page, index, labels, answer, told=told))


def _answer_of(label: Label | None) -> Answer:
    """A label as the form shows it."""
    if label is None:
        return Answer()
    return Answer(
        label.primary or "", label.secondary, label.is_unclear, label.note,
        seen=label.labelled_at.isoformat(),
    )  # fmt: skip


def _post_html(
    page: Page,
    index: int,
    labels: Mapping[str, Label],
    answer: Answer,
    *,
    told: str = "",
    problem: str = "",
) -> str:
    desk = page.desk
    post = desk.posts[index]
    label = labels.get(post.message_key)
    return page.render(
        "post.html.j2", post=post, number=index + 1, label=label, answer=answer, told=told,
        problem=problem, others=desk.others.get(post.message_key, ()), **_progress(page, labels),
        back=page.post(index - 1) if index else None,
        forward=page.post(index + 1) if index + 1 < len(desk.posts) else f"{page.root}/done",
    )  # fmt: skip


def _progress(page: Page, labels: Mapping[str, Label]) -> dict[str, Any]:
    return {
        "labelled": page.desk.labelled_count(labels),
        "total": len(page.desk.posts),
        "minutes_left": page.desk.minutes_left(labels),
    }


def _told(page: Page, query: Mapping[str, str], labels: Mapping[str, Label]) -> str:
    """What became of the answer before, from the label that is kept of it."""
    number = query.get("kept", "")
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        return ""
    index = int(number) - 1
    label = labels.get(page.desk.posts[index].message_key) if index in _indexes(page) else None
    if label is None:
        return ""
    title = page.codebook.theme(label.primary).title if label.primary else "Unclear"
    told = f"Post {number} is kept as {title}."
    if query.get("other"):
        told += " It had been labelled in another tab before; what you sent last holds."
    if query.get("repaired"):
        told += " The end of an interrupted write was put aside; no label was in it."
    return told


def _indexes(page: Page) -> range:
    return range(len(page.desk.posts))


def _index(page: Page, request: Request) -> int:
    index = int(request.path_params["number"]) - 1
    if index not in _indexes(page):
        raise HTTPException(404, "There is no such post.")
    return index


def _done(page: Page, request: Request) -> Response:
    kept = page.desk.kept()
    rows = [
        (number, post, kept.labels[post.message_key])
        for number, post in enumerate(page.desk.posts, 1)
        if post.message_key in kept.labels
    ]
    open_ = page.desk.following(kept.labels)
    html = page.render(
        "done.html.j2", rows=rows[-MOST_LISTED:], unlisted=max(0, len(rows) - MOST_LISTED),
        counts=_counts(page, rows), first_open=open_,
        told=_told(page, request.query_params, kept.labels), **_progress(page, kept.labels),
    )  # fmt: skip
    return HTMLResponse(html)


def _counts(page: Page, rows: list[tuple[int, Post, Label]]) -> list[tuple[str, int]]:
    """Title and number of labels of each theme, in order; then those without a theme."""
    found = [
        (theme.title, sum(label.primary == theme.name for _, _, label in rows))
        for theme in page.codebook.themes
    ]
    return [*found, ("Unclear, without a theme", sum(not label.primary for _, _, label in rows))]


def _export(page: Page, request: Request) -> Response:
    """A blind coder's own labels; where disagreements are resolved, all."""
    kind, desk = request.path_params["kind"], page.desk
    if kind not in _KINDS:
        raise HTTPException(404, "There is no such export.")
    if desk.is_resolution:
        labels = labels_of(desk.folder, desk.sample)
    else:
        labels = list(desk.kept().labels.values())
    name = f"{desk.sample}-{'all' if desk.is_resolution else desk.coder}.{kind}"
    content = csv_of(labels) if kind == "csv" else parquet_of(labels)
    told = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=told, media_type=_KINDS[kind])


def _static(_: Page, request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404, "There is no such file.")
    return Response((PLACE / "static" / name).read_bytes(), media_type=_STATIC[name])


# ---------------------------------------------------------------- answers


def _answering(page: Page) -> Callable[[Request], Any]:
    async def handling(request: Request) -> Response:
        index = _index(page, request)
        answer = _answer(await _form(request), page.desk.posts[index])
        return await run_in_threadpool(_kept, page, request, index, answer)

    return handling


async def _form(request: Request) -> dict[str, list[str]]:
    """The fields of a form, of bounded size."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_FORM_BYTES:
            raise HTTPException(413, "The note is too long: shorten it.")
    try:
        return parse_qs(content.decode("ascii"), keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise HTTPException(400, "The form cannot be read.") from error


def _answer(fields: Mapping[str, list[str]], post: Post) -> Answer:
    """What was filled in, about that post and no other.

    Raises:
        HTTPException: the form is of another post: the server was started anew meanwhile.
    """

    def one(name: str) -> str:
        return fields.get(name, [""])[0]

    if one("message_key") != post.message_key:
        raise HTTPException(409, "This page is of another start. Load it again, then label.")
    return Answer(
        primary=one("primary"), secondary=tuple(fields.get("secondary", ())),
        is_unclear=bool(one("is_unclear")), note=one("note"), seconds=one("seconds"),
        seen=one("seen"),
    )  # fmt: skip


def _kept(page: Page, request: Request, index: int, answer: Answer) -> Response:
    try:
        done = page.desk.keep(index, answer)
    except AnswerError as error:
        return _not_kept(page, request, index, answer, str(error), 422)
    except OsmoscopeError as error:
        text = f"Nothing was kept. {error.message} {error.remedy}"
        return _not_kept(page, request, index, answer, text, 503)
    where = _after(page, index, done)
    if _wants_json(request):
        return JSONResponse({"next": where})
    return RedirectResponse(where, 303)


def _after(page: Page, index: int, done: Done) -> str:
    following = page.desk.following(page.desk.kept().labels, index)
    told = {"kept": index + 1} | {
        name: 1
        for name, holds in (("other", done.is_other), ("repaired", done.repaired_bytes))
        if holds
    }
    where = f"{page.root}/done" if following is None else page.post(following)
    return f"{where}?{urlencode(told)}"


def _not_kept(
    page: Page, request: Request, index: int, answer: Answer, text: str, status: int
) -> Response:
    """The same page with all that was filled in, and why it was not kept."""
    if _wants_json(request):
        return JSONResponse({"error": text}, status)
    labels: Mapping[str, Label] = {}
    if status == 422:
        labels = page.desk.kept().labels
    return HTMLResponse(_post_html(page, index, labels, answer, problem=text), status)


def _wants_json(request: Request) -> bool:
    return request.headers.get("accept", "") == "application/json"


def _problem(page: Page) -> Callable[[Request, Exception], Response]:
    def handling(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            status, text = error.status_code, error.detail
        else:
            assert isinstance(error, OsmoscopeError)
            status, text = 503, f"{error.message} {error.remedy}"
        if _wants_json(request):
            return JSONResponse({"error": text}, status)
        return HTMLResponse(page.render("problem.html.j2", text=text), status)

    return handling
