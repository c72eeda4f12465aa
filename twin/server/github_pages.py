"""Pages of the GitHub REST API: `per_page`, `page` and the `Link` header.

Belongs here: what a page number means and how the other pages are told. Does not belong here:
what is on a page. Forms and order of the links are those of real answers: `prev`, `next`, `last`,
`first`, addressed by the numeric id of the repository or account, the other parameters kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

DEFAULT_SIZE, LARGEST_SIZE = 30, 100

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Page:
    """One page of a list; `number` counts from 1."""

    number: int
    size: int

    @property
    def start(self) -> int:
        return (self.number - 1) * self.size

    @property
    def stop(self) -> int:
        return self.start + self.size

    def count_of(self, total: int) -> int:
        """How many pages a list has."""
        return -(-total // self.size)


def page_of(query: Query) -> Page:
    """The page that a request asks for; unusable numbers mean the defaults."""
    values = dict(query)
    size = min(_whole(values.get("per_page"), DEFAULT_SIZE), LARGEST_SIZE)
    return Page(_whole(values.get("page"), 1), size)


def _whole(text: str | None, default: int) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 9:
        return default
    return int(text) or default


def link_header(url: str, query: Query, page: Page, page_count: int) -> str | None:
    """The `Link` header of a page, or None where there is only one.

    Args:
        url: the list's address without parameters.
        query: the request's parameters, in their order.
        page: the page that is answered, which may lie beyond the end.
        page_count: how many pages can be asked for.
    """
    links = []
    if page.number > 1:
        links.append(("prev", max(1, min(page.number - 1, page_count))))
    if page.number < page_count:
        links.append(("next", page.number + 1))
    if page.number != page_count and page_count > 1:
        links.append(("last", page_count))
    if page.number > 1:
        links.append(("first", 1))
    if not links:
        return None
    return ", ".join(f'<{_address(url, query, number)}>; rel="{name}"' for name, number in links)


def _address(url: str, query: Query, number: int) -> str:
    kept = [(name, value) for name, value in query if name != "page"]
    # A parameter `page` keeps its place, as in real answers.
    place = next((k for k, (name, _) in enumerate(query) if name == "page"), len(kept))
    kept.insert(min(place, len(kept)), ("page", str(number)))
    return f"{url}?{urlencode(kept)}"
