"""Which requests a first and a usual night take, by class.

Belongs here: sizes that are assumed, and how many questions and requests follow from sizes and
settings. Does not belong here: hours and tokens (estimate), sizes that the lake knows (sizes), and
which questions are asked in earnest (the plans of each source).

The first night asks about everything. A usual night asks about what is new, what moved, the top and
one slice of the rest (`assets.mining.tiers`); where the lake knows nights after the first, it
is the share of what is known that those asked about. Pages of a list are those of the lists that
were read, else at most 1 + items / page size on average, which is what is counted.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestration.clients.github_queries import STOCK_CONNECTIONS
from orchestration.settings import Settings

GITHUB, HUB = "github", "huggingface"
REST, GRAPHQL, HUB_API = "github.rest", "github.graphql", "hub.api"
COMMITS, ISSUES, COMMENTS, PULLS = "commits", "issues", "issue_comments", "pull_requests"
DISCUSSIONS, DISCUSSION, ACCOUNT = "discussions", "discussion", "account"
STOCKS, MEMBERS, LIKERS = "stocks", "organisation_members", "likers"
# Items of a page, by platform and kind of question.
PAGES = {
    GITHUB: {COMMITS: 100, ISSUES: 100, COMMENTS: 100, PULLS: 100, MEMBERS: 100},
    HUB: {COMMITS: 50, DISCUSSIONS: 50, MEMBERS: 500, LIKERS: 1_000},
}
# GraphQL: so many requests behind a query are a point.
REQUESTS_A_POINT = 100
POINTS = "https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api"


@dataclass(frozen=True)
class Fact:
    """A size and where it is from."""

    value: float
    source: str


_MEAN = "published study, table 2, mean of all repositories"
_REPLIES = f"{_MEAN} (issues with replies)"
_GUESS = "assumed without a source"
_EACH = "upper bound: each has some"
_RECORDED = "models of 2026-08 in the HF//RADAR data set: changed within 30 days, divided by 30"
# `<list>.pages` and `nightly.<kind>` are told by the lake only.
ASSUMED: dict[str, Fact] = {
    "github.repositories": Fact(1_428_792, "published study, repositories of GitHub"),
    "github.active_share": Fact(1.0, "upper bound: each has an event on a usual day"),
    "github.new_share": Fact(0.01, _GUESS),
    "github.organisations_per_repository": Fact(0.2, _GUESS),
    "github.organisation_members": Fact(20, _GUESS),
    "github.commits": Fact(1_464.28, _MEAN),
    "github.issues": Fact(71.88, f"{_REPLIES}, and as many pull requests, which are among them"),
    "github.issues_share": Fact(1.0, _EACH),
    "github.issue_comments": Fact(35.94, _REPLIES),
    "github.issue_comments_share": Fact(1.0, _EACH),
    "github.pull_requests": Fact(35.94, "as many as issues with replies; the study has no figure"),
    "github.pull_requests_share": Fact(1.0, _EACH),
    "hub.models": Fact(1_440_527, "published study, models of the Hub"),
    "hub.datasets": Fact(0.25, f"share of the models; {_GUESS}"),
    "hub.spaces": Fact(0.35, f"share of the models; {_GUESS}"),
    "hub.changed_share": Fact(0.03, _RECORDED),
    "hub.commits": Fact(10.65, _MEAN),
    "hub.discussions": Fact(0.20, _MEAN),
    "hub.owners_per_repository": Fact(0.45, "published study: 642,773 users, 1,440,527 models"),
    "hub.organisation_share": Fact(0.3, _GUESS),
    "hub.organisation_members": Fact(20, _GUESS),
    "hub.liked_repositories": Fact(720_264, "published study, table 2: a median of 0 likes"),
    "hub.likers": Fact(1_000, _GUESS),
    "hub.liked_share": Fact(1.0, "upper bound: the likes of each moved"),
    "answer_seconds": Fact(0.5, "from sending a request to its answer; " + _GUESS),
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One class of requests of one night.

    Attributes:
        budget: what it is paid from (`github.rest`, ...).
        questions: how many things are asked about.
        requests: calls in all.
        points: what they cost.
        basis: what the numbers rest on.
    """

    kind: str
    budget: str
    questions: float
    requests: float
    points: float
    basis: tuple[str, ...]


@dataclass(frozen=True)
class _Asked:
    """How many things of a kind are asked about, and why so many."""

    count: float
    grounds: tuple[str, ...]


@dataclass(frozen=True)
class _Plan:
    """The kinds of questions of one night of a platform."""

    platform: str
    facts: Mapping[str, Fact]
    is_first: bool

    def fact(self, name: str) -> Fact:
        """A size of this platform."""
        return self.facts[f"{self.prefix}.{name}"]

    @property
    def prefix(self) -> str:
        """What names of this platform's sizes begin with."""
        return "github" if self.platform == GITHUB else "hub"

    def asked(self, kind: str, known: _Asked, otherwise: float, *grounds: str) -> _Asked:
        """Of those that are known, whom a night asks about.

        Args:
            otherwise: the share in a usual night where the lake knows none.
            grounds: of that share.
        """
        if self.is_first:
            return known
        nightly = self.facts.get(f"{self.prefix}.nightly.{kind}")
        if nightly is None:
            return _Asked(known.count * otherwise, (*known.grounds, *grounds))
        ground = told(nightly, "of them asked about in a night")
        return _Asked(known.count * nightly.value, (*known.grounds, ground))

    def whole(self, kind: str, budget: str, asked: _Asked, most: int | None = None) -> Item:
        """Lists that are read to their end, or so many items of each."""
        size, page = self.fact(kind), PAGES[self.platform][kind]
        counted = self.facts.get(f"{self.prefix}.{kind}.pages")
        if counted is None:
            pages, ground = 1 + size.value / page, told(size, f"{kind} in a list, {page} to a page")
        else:
            pages, ground = counted.value, told(counted, f"pages of {kind} in a list")
        if most is not None and pages > math.ceil(most / page):
            pages, ground = math.ceil(most / page), f"at most {most:,} of {kind}, {page} to a page"
        requests = asked.count * pages
        return Item(kind, budget, asked.count, requests, requests, (*asked.grounds, ground))

    def newest(
        self, kind: str, budget: str, asked: _Asked, each: int = 1, most: int | None = None
    ) -> Item:
        """Lists of which what is new is read, in so many requests; all of it in the first night."""
        if self.is_first:
            return self.whole(kind, budget, asked, most)
        ground = f"{each} for what is new of {kind}"
        requests = asked.count * each
        return Item(kind, budget, asked.count, requests, requests, (*asked.grounds, ground))

    def single(self, kind: str, asked: _Asked) -> Item:
        """Things of the Hub that take one request each."""
        basis = (*asked.grounds, "one request for each")
        return Item(kind, HUB_API, asked.count, asked.count, asked.count, basis)


def github_items(settings: Settings, facts: Mapping[str, Fact], is_first: bool) -> list[Item]:
    """What a night asks GitHub."""
    hub, plan = settings.github, _Plan(GITHUB, facts, is_first)
    known, active = plan.fact("repositories"), plan.fact("active_share")
    new, owners = plan.fact("new_share"), plan.fact("organisations_per_repository")
    population = min(hub.repository_limit, known.value)
    top = min(hub.nightly_limit, population) / max(1, population)
    usual = _either(new.value, active.value, top, 1 / hub.rotation_nights)
    moved = told(active, "of them moved")
    polled = plan.asked(
        STOCKS, _Asked(population, (told(known, "repositories"),)), usual,
        moved, told(new, "of them new"),
    )  # fmt: skip
    items = [_stocks(polled, hub.batch_size)]
    for kind, budget, each, most in (
        (COMMITS, GRAPHQL, 2, hub.commit_limit), (PULLS, GRAPHQL, 1, None),
        (ISSUES, REST, 1, None), (COMMENTS, REST, 1, None),
    ):  # fmt: skip
        read = _Asked(min(hub.history_limit, population), ())
        if kind != COMMITS:
            share = plan.fact(f"{kind}_share")
            read = _Asked(read.count * share.value, (told(share, f"of them with {kind}"),))
        asked = plan.asked(kind, read, active.value, moved)
        items.append(plan.newest(kind, budget, asked, each, most))
    organisations = _Asked(
        min(hub.member_limit, population) * owners.value,
        (told(owners, "organisations to a repository"),),
    )
    again = f"again after {hub.member_nights} nights"
    looked_at = plan.asked(MEMBERS, organisations, 1 / hub.member_nights, again)
    return [*items, plan.whole(MEMBERS, REST, looked_at)]


def _stocks(polled: _Asked, batch_size: int) -> Item:
    points = max(1, round(STOCK_CONNECTIONS * batch_size / REQUESTS_A_POINT))
    batches = math.ceil(polled.count / batch_size)
    ground = f"{batch_size} to a query of {points} points ({POINTS})"
    basis = (*polled.grounds, ground)
    return Item(STOCKS, GRAPHQL, polled.count, batches, batches * points, basis)


def hub_items(settings: Settings, facts: Mapping[str, Fact], is_first: bool) -> list[Item]:
    """What a night asks the Hub."""
    hub, plan = settings.huggingface, _Plan(HUB, facts, is_first)
    listings = _listings(settings, facts)
    # The limit of histories holds for each type of repository.
    read = _Asked(sum(min(hub.history_limit, item.questions) for item in listings), ())
    moved, talk = plan.fact("changed_share"), plan.fact(DISCUSSIONS)
    top = min(hub.nightly_limit, read.count) / max(1, read.count)
    either = _either(moved.value, top, 1 / hub.rotation_nights)
    ground = told(moved, "of them moved")
    threads = _Asked(read.count * talk.value, (told(talk, "discussions of a repository"),))
    liked, likes = plan.fact("liked_repositories"), plan.fact("liked_share")
    loved = min(hub.liker_limit, read.count, liked.value)
    return [
        *listings,
        plan.newest(COMMITS, HUB_API, plan.asked(COMMITS, read, moved.value, ground)),
        plan.whole(DISCUSSIONS, HUB_API, plan.asked(DISCUSSIONS, read, either, ground)),
        plan.single(DISCUSSION, plan.asked(DISCUSSION, threads, either * moved.value, ground)),
        *_accounts(plan, read.count, hub.account_nights),
        plan.whole(
            LIKERS, HUB_API,
            plan.asked(LIKERS, _Asked(loved, (told(liked, "repositories with likes"),)),
                       likes.value, told(likes, "of them with other likes")),
        ),
    ]  # fmt: skip


def _accounts(plan: _Plan, repositories: float, nights: int) -> list[Item]:
    owners, share = plan.fact("owners_per_repository"), plan.fact("organisation_share")
    known = _Asked(repositories * owners.value, (told(owners, "owners to a repository"),))
    grounds = (*known.grounds, told(share, "of the owners are organisations"))
    organisations = _Asked(known.count * share.value, grounds)
    again = f"again after {nights} nights"
    return [
        plan.single(ACCOUNT, plan.asked(ACCOUNT, known, 1 / nights, again)),
        plan.whole(MEMBERS, HUB_API, plan.asked(MEMBERS, organisations, 1 / nights, again)),
    ]


def _listings(settings: Settings, facts: Mapping[str, Fact]) -> list[Item]:
    """The listing of each type of repository; its questions are the repositories."""
    hub, models = settings.huggingface, facts["hub.models"]
    items = []
    for kind in hub.repository_types:
        fact = facts[f"hub.{kind}s"]
        grounds = [told(fact, f"{kind}s"), f"{hub.page_size} to a page"]
        count = fact.value
        if kind != "model" and fact == ASSUMED[f"hub.{kind}s"]:
            # A share of the models, where the listing of this type was never seen.
            count *= models.value
            grounds.append(told(models, "models"))
        count = min(count, hub.model_limit or count)
        pages = math.ceil(count / hub.page_size)
        items.append(Item(f"listing of {kind}s", HUB_API, count, pages, pages, tuple(grounds)))
    return items


def _either(*shares: float) -> float:
    """The share that at least one of several independent choices takes."""
    return 1 - math.prod(1 - min(1.0, share) for share in shares)


def told(fact: Fact, what: str) -> str:
    """A size in words, with its source."""
    number = f"{fact.value:,.0f}" if fact.value >= 100 else f"{fact.value:.3g}"
    return f"{number} {what} ({fact.source})"
