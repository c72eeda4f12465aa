"""One request to the GitHub REST API: its parameters, its page, its problem.

Belongs here: what the functions behind the routes are given and may raise. Does not belong here:
the routes (`github_rest`) and what they show.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from functools import cached_property
from typing import Any, Protocol

from starlette.requests import Request

from twin.draws import Ints
from twin.github import GitHubView
from twin.server import github_shapes as shapes
from twin.server.github_pages import Page, link_header, page_of
from twin.server.github_shapes import Json, Shapes


class ServedTwin(Protocol):
    """What is needed of the running twin."""

    @property
    def github_base(self) -> str:
        """The API's address without a slash at its end."""
        ...

    def github_view(self) -> Any:
        """GitHub now."""
        ...


class Problem(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        super().__init__(body.get("message"))
        self.status, self.body, self.headers = status, body, headers or {}


def not_found(page: str = "") -> Problem:
    """404, which also hides what is private."""
    return Problem(404, shapes.error("Not Found", page, 404))


@dataclass
class Call:
    """One request: what it is about, and the headers that its answer gets.

    `place` is the list's address below the base, by numeric id, for links to other pages; `page`
    is where the documentation is.
    """

    request: Request
    view: GitHubView
    shapes: Shapes
    docs: str
    place: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.request.query_params.multi_items()]

    @cached_property
    def page(self) -> Page:
        return page_of(self.query)

    def text(self, name: str, default: str = "") -> str:
        """A parameter, or the default where it is not given or empty."""
        return self.request.query_params.get(name) or default

    def choice(self, name: str, allowed: tuple[str, ...], resource: str) -> str:
        """A parameter that is one of some words, the first by default; else 422."""
        value = self.text(name, allowed[0])
        if value not in allowed:
            raise Problem(422, shapes.invalid(resource, name, self.docs))
        return value

    def time(self, name: str) -> int | None:
        """A parameter in ISO 8601, or None where it is not given; raises ValueError."""
        value = self.text(name)
        if not value:
            return None
        at = datetime.fromisoformat(value.replace("Z", "+00:00").replace(" ", "+"))
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())

    def time_or_none(self, name: str) -> int | None:
        """A time, or None also where it is none: some lists do not refuse that."""
        try:
            return self.time(name)
        except ValueError:
            return None

    def person(self, text: str) -> int:
        """Index of a login or an address, -2 where there is none."""
        github = self.view.github
        found = github.account_named(text)
        if found is None and "@" in text:
            found = github.account_named(text.rpartition("@")[0])
            if found is not None and self.view.account(found).email != text:
                found = None
        return -2 if found is None else found

    def number(self, name: str) -> int:
        """A number in the address; 404 where it is none."""
        value = str(self.request.path_params[name])
        if not value.isascii() or not value.isdigit() or len(value) > 18:
            raise not_found(self.docs)
        return int(value)

    def link(self, page_count: int) -> None:
        """Tell the other pages."""
        url = f"{self.shapes.base}{self.place}"
        told = link_header(url, self.query, self.page, page_count)
        if told:
            self.headers["link"] = told

    def paged(self, total: int, render: Callable[[int, int], list[Json]]) -> list[Json]:
        """One page of a list of which the length is known."""
        self.link(self.page.count_of(total))
        start, stop = min(self.page.start, total), min(self.page.stop, total)
        return render(start, stop) if start < stop else []

    def paged_over(self, items: Ints, render: Callable[[Ints], list[Json]]) -> list[Json]:
        """One page of an array, rendered together."""
        return self.paged(len(items), lambda start, stop: render(items[start:stop]))

    def modified(self, at: int) -> None:
        """Tell when the object was last modified."""
        self.headers["last-modified"] = formatdate(at, usegmt=True)


Body = Json | list[Json] | bytes | None
Endpoint = Callable[[Call], Body]
RepositoryEndpoint = Callable[[Call, int], Body]
