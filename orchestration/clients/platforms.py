"""How the two platforms announce what a caller may ask for, and how they refuse.

Belongs here: names of limits, their paces, the headers that tell about them, what a refusal by a
limit looks like, and the headers that every request carries. Does not belong here: counting
(`budgets`), sending (`http`), and what any other answer means.

Sources: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api and
https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api (GitHub),
https://huggingface.co/docs/hub/rate-limits (Hub).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from orchestration.clients.budgets import Announced, Kind, Outcome, Pace

# What of an error's body is looked through for the word of a refusal.
_MOST_MESSAGE_BYTES = 10_000
_LIMIT_WORDS = re.compile(rb"secondary rate limit|rate limit (?:already )?exceeded", re.IGNORECASE)
_MEMBERS = re.compile(r';\s*([rtqw])="?(\d{1,12})"?(?![\d.])')
_HOUR_SECONDS, _MINUTE_SECONDS, _HUB_SECONDS = 3_600.0, 60.0, 300.0

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Platform:
    """One platform.

    Attributes:
        name: as failures name it.
        variable: the environment variable that holds its tokens.
        kinds: classes of requests; those that are not named here have no budget and are refused.
        paces: by name, as `Kind.pace` refers to them.
        headers: what every request carries.
        announced: what an answer's headers tell about its window; None where they tell nothing.
            Arguments: headers (in any case), the class, the wall's time in epoch seconds.
        refusal: whether an answer is a refusal by a limit, and which. Arguments: status, headers,
            body.
        concurrent: requests of one account at the same time.
    """

    name: str
    variable: str
    kinds: Mapping[str, Kind]
    paces: Mapping[str, Pace]
    headers: Headers
    announced: Callable[[Headers, Kind, float], Announced | None]
    refusal: Callable[[int, Headers, bytes], Outcome | None]
    concurrent: int = 16


def retry_after(headers: Headers, wall: float) -> float | None:
    """Seconds that an answer asks to wait (RFC 9110, 10.2.3); None where it does not."""
    value = headers.get("retry-after", "").strip()
    seconds = _count(value)
    if seconds is not None:
        return float(seconds)
    until = _instant(value)
    now = _instant(headers.get("date", ""))
    return None if until is None else max(0.0, until - (wall if now is None else now))


def _github_announced(headers: Headers, kind: Kind, wall: float) -> Announced | None:
    limit, remaining, reset = (
        _count(headers.get(f"x-ratelimit-{name}", "")) for name in ("limit", "remaining", "reset")
    )
    if remaining is None or reset is None:
        return None
    if headers.get("x-ratelimit-resource", kind.bucket) != kind.bucket:
        return None
    # By the server's clock, as ours may be wrong; by ours, where the server's makes no sense; and
    # never later than a window is long.
    for now in (_instant(headers.get("date", "")), wall):
        if now is not None and -1.0 <= reset - now <= kind.window_seconds + 1.0:
            return Announced(limit, remaining, max(0.0, reset - now))
    return Announced(limit, remaining, kind.window_seconds)


def _github_refusal(status: int, headers: Headers, body: bytes) -> Outcome | None:
    if status == 200:
        return Outcome.EXHAUSTED if _is_query_refused(body) else None
    if status not in (403, 429):
        return None
    if "retry-after" in headers:
        return Outcome.TOO_FAST
    if headers.get("x-ratelimit-remaining") == "0":
        return Outcome.EXHAUSTED
    is_named = _LIMIT_WORDS.search(body[:_MOST_MESSAGE_BYTES]) is not None
    return Outcome.TOO_FAST if is_named or status == 429 else None


def _is_query_refused(body: bytes) -> bool:
    """Whether GraphQL says that the points are used up, which it does with status 200."""
    if b'"RATE_LIMITED"' not in body:
        return False
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    errors = answer.get("errors") if isinstance(answer, dict) else None
    return isinstance(errors, list) and any(
        isinstance(error, dict) and error.get("type") == "RATE_LIMITED" for error in errors
    )


def _hub_announced(headers: Headers, kind: Kind, wall: float) -> Announced | None:  # noqa: ARG001
    told = _members(headers.get("ratelimit", ""), kind.bucket)
    remaining, ends_in = told.get("r"), told.get("t")
    if remaining is None or ends_in is None:
        return None
    policy = _members(headers.get("ratelimit-policy", ""), kind.bucket)
    length = policy.get("w") or kind.window_seconds
    return Announced(policy.get("q"), remaining, min(float(ends_in), float(length)), float(length))


def _members(header: str, bucket: str) -> dict[str, int]:
    """The numbers that a header of a list of limits has for one of them."""
    for entry in header.split(","):
        if f'"{bucket}"' in entry:
            return {name: int(value) for name, value in _MEMBERS.findall(entry)}
    return {}


def _hub_refusal(status: int, headers: Headers, body: bytes) -> Outcome | None:  # noqa: ARG001
    if status != 429:
        return None
    is_asked = "retry-after" in headers or "ratelimit" not in headers
    return Outcome.TOO_FAST if is_asked else Outcome.EXHAUSTED


def _count(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def _instant(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


GITHUB = Platform(
    name="GitHub",
    variable="GITHUB_TOKEN",
    kinds={
        "github.rest": Kind("core", _HOUR_SECONDS, "rest", write_points=5),
        "github.search": Kind("search", _MINUTE_SECONDS, "rest", write_points=5),
        # A query is sent as POST and changes nothing.
        "github.graphql": Kind("graphql", _HOUR_SECONDS, "graphql", needs_token=True),
    },
    paces={"rest": Pace(900), "graphql": Pace(2_000)},
    headers={
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    },
    announced=_github_announced,
    refusal=_github_refusal,
)
HUB = Platform(
    name="the Hub",
    variable="HF_TOKEN",
    kinds={"hub.api": Kind("api", _HUB_SECONDS)},
    paces={},
    headers={"Accept": "application/json"},
    announced=_hub_announced,
    refusal=_hub_refusal,
)
