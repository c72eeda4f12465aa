"""What the lake knows about the sizes that an estimate needs.

Belongs here: counts and means over landed tables, each with the days that it was counted on. Does
not belong here: what is assumed where the lake knows nothing (classes), and the arithmetic
(estimate).
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from assets.mining.classes import GITHUB, HUB, PAGES, Fact
from assets.mining.engine import ANSWERS, REQUESTS
from assets.mining.estimate import LIMITS, Limit
from orchestration.lake import Lake
from orchestration.settings import Settings

ARCHIVE = ("gharchive", "events")
# The archive's population is taken from so many of its newest days.
ARCHIVE_DAYS = 7
# A usual night is the mean of so many nights after the first.
USUAL_NIGHTS = 7
PREFIXES = {GITHUB: "github", HUB: "hub"}

_ACTIVITY = """
    with candidate as (
        select
            repository_id, count(*) as events, max(created_at)::date as last_on,
            any_value(organisation_id) as organisation_id
        from read_parquet($files)
        where repository_id is not null
        group by repository_id
        order by events desc, repository_id
        limit $most
    )
    select
        count(*),
        avg((last_on >= $newest)::int),
        count(distinct organisation_id) / nullif(count(*), 0),
        (select count(distinct repository_id) from read_parquet($files))
    from candidate
"""
_STOCKS = """
    with
        newest as (
            select * from read_parquet($files)
            qualify row_number() over (partition by repository_id order by observed_at desc) = 1
            order by star_count desc nulls last, repository_id
            limit $most
        ),
        one as (
            select
                commit_count as commits, issue_count as issues, pull_request_count as pulls,
                -- GitHub lists pull requests among the issues.
                issue_count + pull_request_count as threads
            from newest
        )
    select
        count(*),
        avg(commits),
        avg(greatest(1, ceil(commits / $page))),
        avg((issues > 0)::int),
        avg(threads) filter (issues > 0),
        avg(ceil(threads / $page)) filter (issues > 0),
        avg((pulls > 0)::int),
        avg(pulls) filter (pulls > 0),
        avg(ceil(pulls / $page)) filter (pulls > 0),
        avg((threads > 0)::int)
    from one
"""
_STOCK_SIZES = (
    *("commits", "commits.pages", "issues_share", "issues", "issues.pages"),
    *("pull_requests_share", "pull_requests", "pull_requests.pages", "issue_comments_share"),
)
_ITEMS = """
    with newest as (
        select subject, arg_max(item_count, observed_at) as item_count
        from read_parquet($files)
        where kind = $kind and item_count is not null
        group by subject
    )
    select count(*), avg(item_count), avg(greatest(1, ceil(item_count / $page))) from newest
"""
# Of what was ever asked about, the part that the newest nights after the first asked about.
_NIGHTLY = """
    with
        answer as (select kind, subject, observed_at::date as day from read_parquet($files)),
        night as (select day from answer group by day order by day offset 1),
        usual as (select day from night order by day desc limit $most)
    select
        kind,
        count(*) filter (day in (from usual)) / (select count(*) from usual)
            / count(distinct subject)
    from answer group by kind
"""
_LISTED = """
    with listed as (
        select owner_name, last_modified_at from read_parquet($files)
        order by like_count desc nulls last, repository_name
        limit $most
    )
    select
        count(*),
        avg((last_modified_at > $newest - interval 1 day)::int),
        count(distinct owner_name) / nullif(count(*), 0)
    from listed
"""
_LIKED = "select count(*) from read_parquet($files) where like_count > 0"
_ORGANISATIONS = """
    select count(*), avg((account_type = 'organisation')::int) from read_parquet($files)
"""
_LIMITS = """
    select kind, max(limit_count) from read_parquet($files)
    where account <> 'anonymous' and limit_count > 0 group by kind
"""


def known_sizes(lake: Lake, settings: Settings) -> dict[str, Fact]:
    """The sizes that the lake knows, by the names of `assets.mining.classes.ASSUMED`."""
    return {
        **_archive(lake, settings.github.repository_limit),
        **_answered(lake, GITHUB),
        **_stocks(lake, settings.github.history_limit),
        **_nightly(lake, GITHUB),
        **_listings(lake, settings),
        **_models(lake, settings.huggingface.history_limit),
        **_accounts(lake),
        **_answered(lake, HUB),
        **_nightly(lake, HUB),
    }


def announced_limits(lake: Lake) -> dict[str, Limit]:
    """The limits that the platforms announced to tokens when they were last asked."""
    found = {}
    for source in (GITHUB, HUB):
        for day in lake.days(source, REQUESTS)[-1:]:
            for kind, points in _ask(lake, source, REQUESTS, [day], _LIMITS):
                if kind in LIMITS:
                    told = f"announced on {day}"
                    found[kind] = Limit(float(points), LIMITS[kind].seconds, told)
    return found


def _archive(lake: Lake, most: int) -> dict[str, Fact]:
    days = lake.days(*ARCHIVE)[-ARCHIVE_DAYS:]
    found = _ask(lake, *ARCHIVE, days, _ACTIVITY, most=most, newest=days[-1] if days else None)
    if not found or not found[0][0]:
        return {}
    _, active, organisations, population = found[0]
    source = f"archive of {days[0]} to {days[-1]}"
    facts = {
        "github.repositories": Fact(population, source),
        "github.organisations_per_repository": Fact(organisations, f"most active in the {source}"),
    }
    if len(days) > 1:
        facts["github.active_share"] = Fact(active, f"events on the last day of the {source}")
    return facts


def _stocks(lake: Lake, most: int) -> dict[str, Fact]:
    """Sizes of the histories that are read, as the stocks tell them."""
    days = lake.days(GITHUB, "repositories")
    page = PAGES[GITHUB]["commits"]
    found = _ask(lake, GITHUB, "repositories", days, _STOCKS, most=most, page=page)
    if not found or not found[0][0]:
        return {}
    count, *values = found[0]
    source = f"{count:,} most starred, observed until {days[-1]}"
    return {
        f"github.{name}": Fact(value, source)
        for name, value in zip(_STOCK_SIZES, values, strict=True)
        if value is not None
    }


def _answered(lake: Lake, source: str) -> dict[str, Fact]:
    """Means of items and of pages in the lists that were read."""
    days = lake.days(source, ANSWERS)
    facts = {}
    for kind, page in PAGES[source].items():
        for count, items, pages in _ask(lake, source, ANSWERS, days, _ITEMS, kind=kind, page=page):
            if count:
                told = f"mean of {count:,} answers until {days[-1]}"
                facts[f"{PREFIXES[source]}.{kind}"] = Fact(items, told)
                facts[f"{PREFIXES[source]}.{kind}.pages"] = Fact(pages, told)
    return facts


def _nightly(lake: Lake, source: str) -> dict[str, Fact]:
    """The part of what is known that a night after the first asked about."""
    days = lake.days(source, ANSWERS)
    if len(days) < 2:
        return {}
    nights = days[1:][-USUAL_NIGHTS:]
    told = f"nights of {nights[0]} to {nights[-1]}"
    return {
        f"{PREFIXES[source]}.nightly.{kind}": Fact(share, told)
        for kind, share in _ask(lake, source, ANSWERS, days, _NIGHTLY, most=USUAL_NIGHTS)
    }


def _listings(lake: Lake, settings: Settings) -> dict[str, Fact]:
    """How many repositories of each type there are, and how many of them have likes."""
    facts = {}
    liked, last = 0, None
    for kind in settings.huggingface.repository_types:
        table = f"{kind}s"
        for day in lake.days(HUB, table)[-1:]:
            entries = lake.partition(HUB, table, day).entries()
            rows = sum(entry.get("row_count") or 0 for entry in entries)
            if rows:
                facts[f"hub.{table}"] = Fact(rows, f"listing of {day}")
                liked += _ask(lake, HUB, table, [day], _LIKED)[0][0]
                last = day
    if last is not None:
        facts["hub.liked_repositories"] = Fact(liked, f"listings until {last}")
    return facts


def _models(lake: Lake, most: int) -> dict[str, Fact]:
    """What of the most liked models moved, and who owns them."""
    days = lake.days(HUB, "models")[-1:]
    newest = days[0] + timedelta(1) if days else None
    found = _ask(lake, HUB, "models", days, _LISTED, most=most, newest=newest)
    if not found or not found[0][0]:
        return {}
    count, moved, owners = found[0]
    source = f"{count:,} most liked models in the listing of {days[0]}"
    facts = {"hub.owners_per_repository": Fact(owners, source)}
    if moved is not None:
        facts["hub.changed_share"] = Fact(moved, f"changed within a day: {source}")
    return facts


def _accounts(lake: Lake) -> dict[str, Fact]:
    days = lake.days(HUB, "accounts")
    found = _ask(lake, HUB, "accounts", days, _ORGANISATIONS)
    if not found or not found[0][0]:
        return {}
    return {"hub.organisation_share": Fact(found[0][1], f"{found[0][0]:,} accounts")}


def _ask(
    lake: Lake, source: str, table: str, days: list[date], sql: str, **values: Any
) -> list[tuple[Any, ...]]:
    """Rows of a query over the current files of some days; none where there are no files."""
    import duckdb

    files = [str(file) for day in days for file in _files(lake, source, table, day)]
    if not files:
        return []
    with duckdb.connect() as connection:
        return connection.execute(sql, {"files": files, **values}).fetchall()


def _files(lake: Lake, source: str, table: str, day: date) -> list[Path]:
    return lake.partition(source, table, day).current_files()
