"""The report: hostile names, no way out of the page, every figure, and empty marts."""

import base64
import hashlib
import html
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from assets.publish import report
from assets.publish.figures import (
    DayCoverage,
    Distribution,
    coverage_figure,
    delta_figure,
    survival_figure,
    survival_steps,
)
from assets.publish.report import PAPER, reading, render_report, shown_text
from assets.publish.snapshot import publish
from assets.study.classification import actor_evaluation
from assets.study.comparison import platform_comparison
from assets.study.sensitivity import policy_sensitivity
from orchestration.failures import PermanentFailure

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ACTIVITY = """
    repository_key VARCHAR, platform VARCHAR, repository_type VARCHAR, native_id VARCHAR,
    repository_name VARCHAR, owner_name VARCHAR, created_at TIMESTAMP, created_at_basis VARCHAR,
    first_seen_at TIMESTAMP, last_seen_at TIMESTAMP, is_fork BOOLEAN, licence VARCHAR,
    language VARCHAR, gated VARCHAR, tombstone_reason VARCHAR, commit_flow_count BIGINT,
    push_flow_count BIGINT, issue_flow_count BIGINT, pull_request_flow_count BIGINT,
    pull_request_merged_flow_count BIGINT, star_flow_count BIGINT, fork_flow_count BIGINT,
    actor_flow_count BIGINT, commit_stock_count BIGINT, discussion_stock_count BIGINT,
    star_stock_count BIGINT, download_30d_stock_count BIGINT, stock_observed_on DATE
"""
COVERAGE = """
    platform VARCHAR, day DATE, expected_count BIGINT, seen_count BIGINT,
    completeness_share DOUBLE, completeness_basis VARCHAR, state_counts VARCHAR,
    event_count BIGINT, malformed_count BIGINT, duplicate_count BIGINT, newest_event_at TIMESTAMP
"""
FEATURE_COLUMNS = (
    "('commits', 'flow', commit_flow_count), ('commits', 'stock', commit_stock_count),"
    " ('discussions', 'flow', issue_flow_count), ('discussions', 'stock', discussion_stock_count),"
    " ('stars', 'flow', star_flow_count), ('stars', 'stock', star_stock_count)"
)
CLASSES = """
    CREATE TABLE marts.mart_actor_class AS
    SELECT * FROM (
        VALUES ('github', 'person', 'rule', 5, 4, 0), ('github', 'bot', 'reviewer', 1, 1, 0),
            ('github', 'bot', 'rule', 2, 2, 1)
    ) AS t (platform, actor_class, decided_by, actor_count, acting_actor_count, uncertain_count)
    WHERE (SELECT count(*) FROM marts.mart_repository_activity) > 0
"""
INTENSITY = """
    CREATE VIEW intermediate.int_repository_intensity__measured AS
    SELECT activity.*, bot_policy FROM marts.mart_repository_activity AS activity,
        (VALUES ('none'), ('paper'), ('conservative'), ('aggressive')) AS k (bot_policy)
    WHERE repository_type IN ('repository', 'model')
"""
# As the dbt model: a row for each cell, also where nothing is known.
SUMMARY = f"""
    CREATE TABLE marts.mart_intensity_summary AS
    WITH long AS (
        SELECT a.platform, f.feature, f.basis, a.bot_policy, f.amount
        FROM intermediate.int_repository_intensity__measured AS a,
            LATERAL (VALUES {FEATURE_COLUMNS}) AS f (feature, basis, amount)
    ), grid AS (
        SELECT * FROM (VALUES ('github'), ('huggingface')) AS p (platform),
            (VALUES ('commits'), ('discussions'), ('stars')) AS f (feature),
            (VALUES ('flow'), ('stock')) AS b (basis),
            (VALUES ('none'), ('paper'), ('conservative'), ('aggressive')) AS k (bot_policy)
    )
    SELECT platform, feature, basis, bot_policy, count(amount) AS repository_count,
        count(long.basis) - count(amount) AS unknown_count, avg(amount)::DOUBLE AS mean_value,
        quantile_cont(amount, 0.5)::DOUBLE AS median_value, max(amount) AS maximum_value,
        count(*) FILTER (amount = 0) / nullif(count(amount), 0) AS zero_share,
        quantile_cont(amount, 0.9)::DOUBLE AS p90_value,
        quantile_cont(amount, 0.99)::DOUBLE AS p99_value, sum(amount)::BIGINT AS total_value
    FROM grid LEFT JOIN long USING (platform, feature, basis, bot_policy) GROUP BY ALL
"""


def repository(platform: str, number: int, **values: Any) -> dict[str, Any]:
    return {
        "repository_key": f"{platform}:repository:{number}",
        "platform": platform,
        "repository_type": "repository" if platform == "github" else "model",
        "repository_name": f"owner/name-{number}",
        **values,
    }


def coverage_day(platform: str, day: date, **values: Any) -> dict[str, Any]:
    usual = {
        "expected_count": 24,
        "seen_count": 24,
        "completeness_share": 1.0,
        "state_counts": "ok 24",
        "event_count": 1000,
        "malformed_count": 0,
        "duplicate_count": 2,
        "newest_event_at": datetime.combine(day, datetime.max.time()),
    }
    return {"platform": platform, "day": day, **usual, **values}


def published(
    folder: Path, repositories: list[dict[str, Any]], coverage: list[dict[str, Any]]
) -> Path:
    """A publication made from a small warehouse with the marts' own columns."""
    warehouse = folder / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("CREATE SCHEMA marts")
        connection.execute(f"CREATE TABLE marts.mart_repository_activity ({ACTIVITY})")
        connection.execute(f"CREATE TABLE marts.mart_coverage ({COVERAGE})")
        connection.execute("CREATE TABLE marts.mart_polling_estimate (platform VARCHAR)")
        for table, rows in (
            ("mart_repository_activity", repositories),
            ("mart_coverage", coverage),
        ):
            for row in rows:
                connection.execute(
                    f"INSERT INTO marts.{table} ({', '.join(row)})"
                    f" VALUES ({', '.join('?' for _ in row)})",
                    list(row.values()),
                )
        connection.execute("CREATE SCHEMA intermediate")
        connection.execute(INTENSITY)
        connection.execute(SUMMARY)
        connection.execute(CLASSES)
        connection.execute("CREATE TABLE marts.mart_intensity_estimate (design VARCHAR)")
    platform_comparison(warehouse, "paper")
    policy_sensitivity(warehouse, "paper")
    actor_evaluation(warehouse, "paper", folder / "state")
    result = publish(
        warehouse, folder / "published", 2, published_at=MOMENT, software_version="1.2.3"
    )
    return result.marts_path


def usual_repositories() -> list[dict[str, Any]]:
    stars = [0, 0, 1, 1, 2, 40, 318_751]
    return [
        repository(
            "github",
            n,
            star_stock_count=s,
            commit_flow_count=n * 3,
            issue_flow_count=n % 3,
            language="Rust",
            licence="MIT",
        )
        for n, s in enumerate(stars)
    ] + [
        repository("huggingface", n, star_stock_count=n // 3, commit_stock_count=n % 4)
        for n in range(8)
    ]


def usual_coverage() -> list[dict[str, Any]]:
    gap = {"seen_count": 22, "completeness_share": 22 / 24, "state_counts": "ok 22, missing 2"}
    return [
        coverage_day("github", date(2015, 1, 1)),
        coverage_day("github", date(2015, 1, 2), **gap, malformed_count=7),
        coverage_day("github", date(2015, 1, 5)),
        coverage_day("huggingface", date(2026, 3, 3), expected_count=1, seen_count=1),
    ]


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("usual"), usual_repositories(), usual_coverage())


def rendered(marts: Path, **options: Any) -> str:
    return render_report(marts, marts.parent / "report.html", **options).read_text("utf-8")


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def words(text: str) -> str:
    """The visible text, white space collapsed."""
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    return " ".join(Page(body).text.split())


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}</style>",
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "</svg><foreignObject><b>",
    "<!-- -->",
    "\U0001d518/\ud7ff",
)


def test_hostile_names_are_text_wherever_they_are_shown(tmp_path: Path) -> None:
    rows = [
        repository(p, n, repository_name=name, language=name, licence=name, star_stock_count=9)
        for p in ("github", "huggingface")
        for n, name in enumerate(HOSTILE)
    ]
    days = [
        coverage_day("github", date(2015, 1, 1 + n), state_counts=name, completeness_share=0.5)
        for n, name in enumerate(HOSTILE)
    ]
    calm = rendered(published_in(tmp_path / "calm", usual_repositories(), usual_coverage()))
    text = rendered(published_in(tmp_path / "hostile", rows, days))
    seen = {tag for tag, _ in Page(text).elements}
    assert seen <= {tag for tag, _ in Page(calm).elements}
    assert "script" not in seen
    assert not any(name.startswith("on") for _, found in Page(text).elements for name in found)
    for name in HOSTILE:
        assert html.escape(name) in text or name in words(text)
    assert text.count("<style>") == 1


def published_in(
    folder: Path, repositories: list[dict[str, Any]], coverage: list[dict[str, Any]]
) -> Path:
    folder.mkdir()
    return published(folder, repositories, coverage)


def test_no_formula_reaches_a_spreadsheet(tmp_path: Path) -> None:
    names = ["=HYPERLINK(1)", "+1+1", "-1+1", "@SUM(1)", " =1+1", "\t=2"]
    rows = [
        repository("github", n, repository_name=name, star_stock_count=1)
        for n, name in enumerate(names)
    ]
    text = rendered(published(tmp_path, rows, []))
    cells = [html.unescape(cell) for cell in re.findall(r"<bdi>(.*?)</bdi>", text)]
    assert len(cells) == len(names)
    assert all(cell[0] in "'\N{REPLACEMENT CHARACTER}" for cell in cells)


def test_data_sets_and_spaces_are_not_in_the_study(tmp_path: Path) -> None:
    rows = [
        repository("huggingface", n, repository_type=kind, star_stock_count=stars)
        for n, (kind, stars) in enumerate([("model", 7), ("dataset", 999), ("space", 998)])
    ]
    text = words(rendered(published(tmp_path, rows, [])))
    assert "owner/name-0" in text
    assert "owner/name-1" not in text


def test_invisible_and_reversing_characters_are_replaced() -> None:
    assert shown_text("a\u202eb\u200bc\x00d") == "a\ufffdb\ufffdc\ufffdd"
    assert len(shown_text("x" * 5000)) == report.LONGEST_NAME
    assert shown_text(None) == report.UNKNOWN


def test_policy_allows_nothing_but_the_style_sheet_it_names(usual: Path) -> None:
    text = rendered(usual)
    policy = next(
        attributes["content"] or ""
        for tag, attributes in Page(text).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy


def test_the_page_refers_to_nothing_outside_itself(usual: Path) -> None:
    text = rendered(usual, planted={})
    for tag, attributes in Page(text).elements:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form", "image", "use"}
        assert "style" not in attributes
        for name in ("src", "href", "srcset", "xlink:href", "action", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,"))
    assert not re.search(r"https?://|url\(|@import", text)


def test_every_feature_has_its_figure_and_alternative_text(usual: Path) -> None:
    text = rendered(usual)
    plots = [a for tag, a in Page(text).elements if tag == "svg" and a.get("class") == "plot"]
    labels = [attributes["aria-label"] or "" for attributes in plots]
    assert [label.split(".")[0] for label in labels] == [
        "Distribution of commits",
        "Distribution of issues and discussions",
        "Distribution of stars and likes",
    ]
    assert "GitHub: 7 repositories, 28.6% zero, largest 318,751." in labels[2]
    strips = [a for tag, a in Page(text).elements if a.get("class") == "strip"]
    assert len(strips) == 2
    images = [a for tag, a in Page(text).elements if a.get("role") == "img"]
    assert all(attributes.get("aria-label") for attributes in images)


def test_table_two_shows_our_value_the_papers_and_what_is_unknown(usual: Path) -> None:
    text = words(rendered(usual))
    assert "Stars GitHub stock 7 0 28.6 % 45,542.14 paper 142.78 1 paper 16" in text
    assert "318,751 paper 318,751" in text
    assert "Commits GitHub flow 7 0 14.3 % 9 paper 1,464.28" in text
    assert "Discussions Hugging Face Hub not known 0 8" in text


def test_paper_and_planted_columns_are_optional(usual: Path) -> None:
    assert "paper 142.78" not in words(rendered(usual, paper_reference=False))
    plain = rendered(usual)
    assert "Synthetic data" not in plain
    planted = words(rendered(usual, planted={"github": {"stars": {"stock": {"mean": 12.5}}}}))
    assert "Synthetic data" in planted
    assert "planted 12.50" in planted
    assert "Synthetic data" in words(rendered(usual, planted={}))


def test_papers_values_are_those_of_its_table_two() -> None:
    assert PAPER["github"]["commits"] == {"mean": 1464.28, "median": 24, "maximum": 71860646}
    assert PAPER["huggingface"]["stars"] == {"mean": 0.93, "median": 0, "maximum": 10194}


def test_comparison_in_plain_language(usual: Path) -> None:
    text = words(rendered(usual))
    assert (
        "Of two repositories drawn at random, one from each platform, the one on GitHub is ahead"
        in text
    )
    assert (
        "Not measurable here. Hugging Face Hub: discussions unknown for all 8 repositories." in text
    )
    assert "GitHub flow against Hub stock" in text


@pytest.mark.parametrize(
    ("delta", "p_value", "expected"),
    [
        (
            0.8,
            1e-9,
            "on GitHub is ahead with probability 90 % (ties split evenly): a large effect.",
        ),
        (-0.4, 1e-9, "Hub is ahead with probability 70 % (ties split evenly): a medium effect."),
        (-0.2, 1e-9, "a small effect."),
        (0.1, 0.2, "a negligible effect, not distinguishable from chance at the 5 % level."),
        (0.0, 0.2, "tends to be ahead, not distinguishable from chance at the 5 % level."),
        (1.0, 1e-9, "with probability 100 % (ties split evenly): a large effect."),
    ],
)
def test_reading(delta: float, p_value: float, expected: str) -> None:
    assert reading(delta, p_value).endswith(expected)


def test_coverage_shows_states_gaps_and_days_without_a_row(usual: Path) -> None:
    text = rendered(usual)
    assert "2015-01-02: 91.6 % (ok 22, missing 2)" in text
    assert text.count("not recorded</title>") == 2
    assert "3 of 5 days recorded, 70 of 72 expected archive files seen (97.2 %)" in words(text)
    assert "Archive files not seen 2 of 72" in words(text)
    assert "Malformed 7" in words(text)
    assert "ok 70, missing 2" in words(text)


def test_empty_marts_make_a_page_that_says_so(tmp_path: Path) -> None:
    text = words(rendered(published(tmp_path, [], [])))
    assert text.count("No value is known for either platform.") == 3
    assert text.count("Not measurable here. GitHub: no repositories") == 3
    assert text.count("No day is recorded.") == 4
    assert "No repository with a known, positive number of likes." in text
    assert "None" not in text
    assert "nan" not in text


def test_one_repository_one_day_and_enormous_numbers(tmp_path: Path) -> None:
    rows = [repository("github", 1, star_stock_count=2**62, commit_flow_count=0)]
    text = rendered(published(tmp_path, rows, [coverage_day("github", date(2015, 1, 1))]))
    assert "4.6 \N{MULTIPLICATION SIGN} 10¹⁸" in words(text)
    assert "Every known value is 0." in words(text)
    assert "1 day, 2015-01-01" in words(text)
    assert "None" not in words(text)


def test_unknown_coverage_is_not_zero_coverage(tmp_path: Path) -> None:
    unknown = dict.fromkeys(
        ("expected_count", "seen_count", "completeness_share", "newest_event_at", "state_counts")
    )
    day = coverage_day("github", date(2015, 1, 1), **unknown)
    text = rendered(published(tmp_path, [], [day]))
    assert "without a known number of archive files to expect" in words(text)
    assert "Archive files not seen \N{EM DASH}" in words(text)


def test_same_publication_same_bytes(usual: Path) -> None:
    first = rendered(usual)
    assert rendered(usual) == first
    assert "2026-03-04 05:06 UTC" in first
    assert not list(usual.parent.glob(".unfinished*"))


def test_what_is_no_publication_is_refused_and_the_old_report_stays(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("old")
    with pytest.raises(PermanentFailure, match="no published file"):
        render_report(tmp_path / "none.duckdb", out)
    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    with pytest.raises(PermanentFailure, match="not a publication"):
        render_report(tmp_path / "other.duckdb", out)
    assert out.read_text() == "old"


def test_an_unknown_study_is_refused(usual: Path, tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="no study 'other'"):
        render_report(usual, tmp_path / "report.html", study="other")


def test_survival_steps_are_shares_of_at_least() -> None:
    assert survival_steps([(0, 6), (1, 2), (5, 2)]) == [(1, 0.4), (5, 0.2)]
    assert survival_steps([(0, 6)]) == []
    many = survival_steps([(n, 1) for n in range(100_000)])
    assert len(many) <= 241
    assert many[-1] == (99_999, 1e-5)


def test_survival_figure_names_a_platform_it_cannot_draw() -> None:
    lines = [Distribution("github", "GitHub", [(3, 2)]), Distribution("huggingface", "Hub", [])]
    figure = survival_figure("Stars", "stars", lines)
    assert figure.count('class="line line-github"') == 1
    assert "line-huggingface" not in figure
    assert "Hub: nothing known." in figure


def test_a_lost_day_is_not_averaged_away() -> None:
    days = [DayCoverage(date.fromordinal(730_000 + n), 1.0, "ok 24") for n in range(1000)]
    assert "cell-part" not in coverage_figure("c", days)
    days[500] = DayCoverage(days[500].day, 0.0, "missing 24")
    figure = coverage_figure("c", days)
    assert figure.count("cell-part") == 1
    assert "0.0 % (missing 24)" in figure


def test_delta_figure_points_to_the_platform_ahead() -> None:
    assert "bar-github" in delta_figure(0.5)
    assert "bar-huggingface" in delta_figure(-0.5)
