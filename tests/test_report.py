"""The report: hostile names, no way out of the page, every figure, and empty marts."""

import base64
import hashlib
import html
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import marts_support
import network_marts_support
import numpy as np
import pytest
import theme_marts_support
from databases import database
from marts_support import Row

from assets.publish import network_pictures, theme_pictures
from assets.publish import words as wording
from assets.publish.figures import DayCoverage, coverage_figure, delta_figure
from assets.publish.parts.intensity import PAPER
from assets.publish.pictures import NAMES as STUDY_NAMES
from assets.publish.pictures import pictures as all_pictures
from assets.publish.plots_style import Picture
from assets.publish.published import Published
from assets.publish.report import render_report
from assets.publish.snapshot import publish
from assets.publish.words import reading, shown_text
from assets.study import marts, sensitivity
from assets.study.classification import actor_evaluation
from assets.study.features import FEATURES, PLATFORMS, choose_basis
from assets.study.networks.tables import ALL_TABLES as NETWORK_TABLES
from assets.study.tables import StudyTable
from assets.study.themes.tables import AGREEMENT, PREVALENCE
from assets.study.themes.tables import ALL_TABLES as THEME_TABLES
from orchestration.failures import PermanentFailure

NAMES = (*STUDY_NAMES, *network_pictures.NAMES, *theme_pictures.NAMES)
Pictures = Callable[[Published], Iterable[Picture]]
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
CLASSES = """
    CREATE TABLE marts.mart_actor_class AS
    SELECT * FROM (
        VALUES ('github', 'person', 'rule', 5, 4, 0), ('github', 'bot', 'reviewer', 1, 1, 0),
            ('github', 'bot', 'rule', 2, 2, 1)
    ) AS t (platform, actor_class, decided_by, actor_count, acting_actor_count, uncertain_count)
    WHERE (SELECT count(*) FROM marts.mart_repository_activity) > 0
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


def study_of(repositories: list[dict[str, Any]]) -> dict[StudyTable, list[Row]]:
    """The study's marts of a few repositories, in the reference cell."""
    cell = marts_support.cells()[0]
    rows: dict[StudyTable, list[Row]] = {table: [] for table in marts_support.TABLES}
    for feature, columns in FEATURES.items():
        sides: dict[str, Any] = {}
        for platform in PLATFORMS:
            own = [
                row
                for row in repositories
                if row["platform"] == platform and row["repository_type"] in ("repository", "model")
            ]
            known = {
                basis: np.array([row[column] for row in own if column in row], np.int64)
                for basis, column in columns.items()
            }
            for basis, of in known.items():
                which = (cell, platform, feature, basis, of)
                rows[marts.SUMMARY].append(marts_support.summary_row(*which, len(own) - len(of)))
                rows[marts.DISTRIBUTION] += marts_support.distribution_rows(*which)
            chosen = choose_basis(len(own), len(known["stock"]), len(known["flow"]))
            if chosen:
                sides[platform] = (chosen, known[chosen])
        rows[marts.COMPARISON].append(compared(cell, feature, sides))
    return rows


def compared(cell: Row, feature: str, sides: dict[str, Any]) -> Row:
    if len(sides) == len(PLATFORMS):
        return marts_support.comparison_row(cell, feature, sides)
    lacking = next(platform for platform in PLATFORMS if platform not in sides)
    counts = {f"{p}_{what}": 0 for p in PLATFORMS for what in ("count", "owner_count")}
    state = {"status": "not_measurable", "reason": f"{lacking}: {feature} unknown"}
    return {**cell, "feature": feature, **counts, **state, "input_hash": "0"}


def published(
    folder: Path,
    repositories: list[dict[str, Any]],
    coverage: list[dict[str, Any]],
    study: dict[StudyTable, list[Row]] | None = None,
) -> Path:
    """A publication made from a small warehouse with the marts' own columns."""
    warehouse = folder / "warehouse.duckdb"
    with database(warehouse) as connection:
        # One wait for the disk; tables of the study come in a transaction of their own.
        connection.begin()
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
        connection.execute(CLASSES)
        connection.execute("CREATE TABLE marts.mart_intensity_estimate (design VARCHAR)")
        connection.commit()
        rows = study_of(repositories) if study is None else study
        none: dict[StudyTable, list[Row]] = {
            table: [] for table in (*NETWORK_TABLES, *THEME_TABLES)
        }
        marts_support.make_tables(connection, {sensitivity.TABLE: [], **none, **rows})
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


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A publication in which every mart of the study has rows, of two days."""
    rows = marts_support.study_rows()
    rows[marts.COMPARISON] += [
        row | {"day": marts_support.DAY - timedelta(days=1), "cliffs_delta": -0.987}
        for row in rows[marts.COMPARISON]
    ]
    folder = tmp_path_factory.mktemp("full")
    path = published(folder, usual_repositories(), usual_coverage(), rows)
    network_marts_support.write_published(path, network_marts_support.study_rows())
    theme_marts_support.write(path, theme_marts_support.study_rows())
    return path


def no_pictures(_: Published) -> Iterator[Picture]:
    return iter(())


def rendered(published: Path, pictures: Pictures = no_pictures, **options: Any) -> str:
    """A report; its pictures take the time, so that tests have those that they look at only.

    Args:
        pictures: those of all marts, or of the marts that a test wrote.
    """
    with patch("assets.publish.pictures.pictures", lambda copy: list(pictures(copy))):
        path = render_report(published, published.parent / "report.html", **options)
    return path.read_text("utf-8")


@cache
def page(published: Path) -> str:
    """The report of a publication that no test changes, rendered once."""
    return rendered(published, all_pictures)


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


@cache
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
    assert len(shown_text("x" * 5000)) == wording.LONGEST_NAME
    assert shown_text(None) == wording.UNKNOWN


def test_policy_allows_nothing_but_the_style_sheet_it_names(usual: Path) -> None:
    text = page(usual)
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


def test_the_page_refers_to_nothing_outside_itself(full: Path) -> None:
    text = page(full) + rendered(full, planted={})
    for tag, attributes in Page(text).elements:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form", "image", "use"}
        assert "style" not in attributes
        for name in ("src", "href", "srcset", "xlink:href", "action", "data"):
            inside = ("#", "data:,", "data:image/svg+xml;base64,")
            assert (attributes.get(name) or "#").startswith(inside)
    assert not re.search(r"https?://|url\(|@import", text)


def pictures_in(text: str) -> dict[str, str]:
    """Alternative text to SVG of each picture."""
    found = {}
    for tag, attributes in Page(text).elements:
        if tag == "img":
            kind, _, data = (attributes["src"] or "").partition(",")
            assert kind == "data:image/svg+xml;base64"
            found[attributes["alt"] or ""] = base64.b64decode(data).decode()
    return found


def test_every_picture_has_its_data_a_caption_and_alternative_text(full: Path) -> None:
    text = page(full)
    found = pictures_in(text)
    assert len(found) == len(NAMES) == text.count("<figcaption>")
    assert all(len(alt) > 30 for alt in found)
    for svg in found.values():
        assert svg.startswith("<?xml")
        assert svg.rstrip().endswith("</svg>")
    together = " ".join(found)
    rows = marts_support.study_rows()
    stars = marts_support.values("github", "stars")
    zeros = wording.share(float((stars == 0).mean()))
    median = wording.number(float(np.median(stars)))
    assert f"GitHub, stars: 20,000 repositories, {zeros} zero, median {median}" in together
    deltas = [row["cliffs_delta"] for row in rows[marts.COMPARISON] if row["feature"] == "stars"]
    low, high = wording.signed(min(deltas)), wording.signed(max(deltas))
    assert f"Stars and likes: from {low} to {high} in {len(deltas)} cells." in together
    assert "GitHub, commits and stars: +0.312." in together
    assert "10 published claims with a value of ours: 5 reproduced, 4 different, 1 not" in together
    assert "After 12 months: GitHub: 69.4 %. Hugging Face Hub:" in together


def test_strips_and_bars_have_labels(usual: Path) -> None:
    elements = Page(page(usual)).elements
    assert sum(attributes.get("class") == "strip" for _, attributes in elements) == 2
    named = [attributes for _, attributes in elements if attributes.get("role") == "img"]
    assert all(attributes.get("aria-label") for attributes in named)


def test_effects_stand_in_the_comparison_with_their_intervals(full: Path) -> None:
    rows = marts_support.study_rows()[marts.COMPARISON]
    row = next(row for row in rows if row["feature"] == "stars")
    text = words(page(full))
    told = {"cliffs_delta": wording.signed, "vargha_delaney_a": wording.share}
    for name, tell in told.items():
        low, high = (tell(row[f"{name}_{end}"]) for end in ("low", "high"))
        assert f"{tell(row[name])} {low} to {high}" in text
    # Where values tie the interval says that it holds more.
    low, high = (wording.number(row[f"hodges_lehmann_{end}"]) for end in ("low", "high"))
    assert f"{low} to {high} (at least 95 %)" in text
    low, high = (wording.number(row[f"mid_hodges_lehmann_{end}"]) for end in ("low", "high"))
    assert (
        f"Shift without steps {wording.number(row['mid_hodges_lehmann'])} {low} to {high}" in text
    )
    assert f"{low} to {high} (at least 95 %)" not in text
    mean = wording.number(row["ratio_of_means"])
    assert f"GitHub’s mean is {mean} times the Hub’s." in text
    more = wording.number(row["hodges_lehmann"])
    assert f"In the middle of all such pairs, GitHub’s has {more} more." in text
    assert "The Hub’s median is 0, so that medians have no ratio." in text


def test_only_the_newest_day_is_shown(full: Path) -> None:
    assert "0.987" not in words(page(full))
    assert not any("0.987" in alt + svg for alt, svg in pictures_in(page(full)).items())


def test_the_cell_that_is_asked_for_is_shown(full: Path) -> None:
    cell = marts_support.cells()[1]
    rows = marts_support.study_rows()[marts.COMPARISON]
    delta = next(row["cliffs_delta"] for row in rows if row["bot_policy"] == cell["bot_policy"])
    text = words(rendered(full, reference={name: cell[name] for name in wording.REFERENCE}))
    assert f"Cliff’s δ {wording.signed(delta)}" in text
    assert "the reference: without bots (paper), every repository." in text


def test_claims_with_and_without_a_value_of_ours(full: Path) -> None:
    text = words(page(full))
    rows = marts_support.rerun_rows()
    counts = [sum(row["verdict"] == v for row in rows) for v in ("reproduced", "differs")]
    assert f"{counts[0]} reproduced, {counts[1]} different, 2 not measurable here" in text
    assert "1 claim without a value of ours, and why" in text
    assert "No mart measures it yet." in text
    line = "1,464.28 704 640 to 790 9 to 9,300 16 cells 98 % differs The paper's value lies outside"
    assert line in text
    assert "Planted" not in text
    assert "Planted" in words(rendered(full, planted={}))


def test_networks_stand_beside_what_would_be_chance(full: Path) -> None:
    text = words(page(full))
    assert "Repositories, commits GitHub 10 80 % 4 5 12 20" in text
    assert "on both, at most 365 days apart; two developers" in text
    assert "made anew 19 times" in text
    assert "80 % 300 % · −7.2 4 3 · −7.2" in text
    assert "Developers, issues GitHub 3 0.62 0.88 0.75 100 25 % 12.5 % · +4.2" in text
    assert "0 12 first-org 25 % 6 1 6 second-org 25 % 3 2 2 none known" in text


def test_a_copy_without_networks_says_so(usual: Path) -> None:
    assert "No network has been measured." in words(page(usual))


def test_themes_stand_beside_what_people_found(full: Path) -> None:
    text = words(page(full))
    assert "GitHub: 1,000 posts, without those of accounts on a list, or “bot” in the name" in text
    assert "coded by the keyless coder; people verified 385 of them; 12 were too uncertain" in text
    assert "Bug report GitHub · something does not work as it should 500 50 % 47 % to 53 %" in text
    assert "48 % 46 % to 51 %" in text
    assert "people among themselves" in text.lower()
    assert "Krippendorff’s α 0.82 0.77 to 0.87 385" in text
    assert "Nearly the same as another GitHub 200 12.5 %" in text
    assert "Substantive GitHub 40 4 %" in text


def test_a_copy_without_themes_says_so(usual: Path) -> None:
    assert "No message has been coded." in words(page(usual))


def test_themes_that_nobody_verified_say_what_to_do(full: Path, tmp_path: Path) -> None:
    path = tmp_path / "marts.duckdb"
    path.write_bytes(full.read_bytes())
    rows = theme_marts_support.study_rows()
    for row in rows[PREVALENCE]:
        kinds = ("rogan_gladen", "prediction_powered", "verified")
        row |= {f"{kind}_{what}": None for kind in kinds for what in ("share", "low", "high")}
        row |= {"verified_count": 0, "reason": "nobody verified"}
    rows[AGREEMENT] = []
    theme_marts_support.write(path, rows)
    text = words(rendered(path, theme_pictures.theme_pictures))
    assert "Nobody has verified a sample yet" in text
    assert "What limits the reading: nobody verified." in text


def test_hostile_conditions_and_samples_are_text(full: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "marts.duckdb"
    hostile.write_bytes(full.read_bytes())
    for name in HOSTILE[:5]:
        theme_marts_support.write(hostile, theme_marts_support.study_rows(name))
        text = rendered(hostile, theme_pictures.theme_pictures)
        seen = {tag for tag, _ in Page(text).elements}
        assert seen <= {tag for tag, _ in Page(page(full)).elements}
        assert html.escape(name) in text or name in words(text)


def test_hostile_organisations_and_reasons_are_text(full: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "marts.duckdb"
    hostile.write_bytes(full.read_bytes())
    sizes = [20 - at for at in range(len(HOSTILE))]
    rows = network_marts_support.study_rows(HOSTILE, sizes)
    for table, own in rows.items():
        for at, row in enumerate(own):
            names = {"reason", "low_at", "high_at", "status"} & {*table.column_names}
            row |= dict.fromkeys(names, HOSTILE[at % len(HOSTILE)])
    network_marts_support.write_published(hostile, rows)
    text = rendered(hostile, network_pictures.network_pictures)
    seen = {tag for tag, _ in Page(text).elements}
    assert seen <= {tag for tag, _ in Page(page(full)).elements}
    assert not any(name.startswith("on") for _, found in Page(text).elements for name in found)
    for name in HOSTILE[:5]:
        assert html.escape(name) in text or name in words(text)
    for svg in pictures_in(text).values():
        assert "script" not in {element.tag for element in ElementTree.fromstring(svg).iter()}


def test_concentration_is_told(full: Path) -> None:
    rows = marts_support.study_rows()[marts.SUMMARY]
    row = next(row for row in rows if row["basis"] == "stock")
    text = words(page(full))
    assert f"{row['gini']:.3f} {wording.share(row['top_percent_share'])} 2.10 from 30" in text


def test_hostile_claims_and_reasons_are_text(tmp_path: Path) -> None:
    rows = marts_support.study_rows()
    for row, name in zip(rows[marts.RERUN], HOSTILE, strict=False):
        row |= {"claim": name, "statement": name, "place": name, "unit": name, "reason": name}
    for row, name in zip(rows[marts.SURVIVAL], HOSTILE, strict=False):
        row["reason"] = name
    text = rendered(published(tmp_path, [], [], rows), all_pictures)
    seen = {tag for tag, _ in Page(text).elements}
    assert not seen & {"script", "foreignobject"}
    assert text.count("<style>") == 1
    for name in HOSTILE[:-1]:
        assert name in words(text) or html.escape(name) in text
    for svg in pictures_in(text).values():
        ElementTree.fromstring(svg)
        assert "<script" not in svg
        assert "<foreignObject" not in svg


def test_table_two_shows_our_value_the_papers_and_what_is_unknown(usual: Path) -> None:
    text = words(page(usual))
    assert "Stars GitHub stock 7 0 28.6 % 45,542.14 paper 142.78 1 paper 16" in text
    assert "318,751 paper 318,751" in text
    assert "Commits GitHub flow 7 0 14.3 % 9 paper 1,464.28" in text
    assert "Discussions Hugging Face Hub not known 0 8" in text


def test_paper_and_planted_columns_are_optional(usual: Path) -> None:
    assert "paper 142.78" not in words(rendered(usual, paper_reference=False))
    plain = page(usual)
    assert "Synthetic data" not in plain
    planted = words(rendered(usual, planted={"github": {"stars": {"stock": {"mean": 12.5}}}}))
    assert "Synthetic data" in planted
    assert "planted 12.50" in planted
    assert "Synthetic data" in words(rendered(usual, planted={}))


def test_papers_values_are_those_of_its_table_two() -> None:
    assert PAPER["github"]["commits"] == {"mean": 1464.28, "median": 24, "maximum": 71860646}
    assert PAPER["huggingface"]["stars"] == {"mean": 0.93, "median": 0, "maximum": 10194}


def test_comparison_in_plain_language(usual: Path) -> None:
    text = words(page(usual))
    assert (
        "Of two repositories drawn at random, one from each platform, the one on GitHub is ahead"
        in text
    )
    assert "Not measurable here. huggingface: discussions unknown." in text
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
    text = page(usual)
    assert "2015-01-02: 91.6 % (ok 22, missing 2)" in text
    assert text.count("not recorded</title>") == 2
    assert "3 of 5 days recorded, 70 of 72 expected archive files seen (97.2 %)" in words(text)
    assert "Archive files not seen 2 of 72" in words(text)
    assert "Malformed 7" in words(text)
    assert "ok 70, missing 2" in words(text)


def test_empty_marts_make_a_page_that_says_so(tmp_path: Path) -> None:
    text = words(rendered(published(tmp_path, [], []), all_pictures))
    assert "No value is known for either platform." in text
    assert "No claim has been re-run." in text
    assert "No correlation could be measured." in text
    assert "The end of activity has not been measured." in text
    assert text.count("Not measurable here. github: ") == 3
    assert text.count("No day is recorded.") == 4
    assert "No repository with a known, positive number of likes." in text
    assert "None" not in text
    assert "nan" not in text


def test_one_repository_one_day_and_enormous_numbers(tmp_path: Path) -> None:
    rows = [repository("github", 1, star_stock_count=2**62, commit_flow_count=0)]
    marts = published(tmp_path, rows, [coverage_day("github", date(2015, 1, 1))])
    text = rendered(marts, all_pictures)
    assert "4.6 \N{MULTIPLICATION SIGN} 10¹⁸" in words(text)
    assert any("Every known value is 0." in svg for svg in pictures_in(text).values())
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


def test_same_publication_same_bytes_and_the_same_pictures_beside_it(
    full: Path, tmp_path: Path
) -> None:
    text = rendered(full, all_pictures, plots=tmp_path / "plots")
    assert text == page(full)
    assert "2026-03-04 05:06 UTC" in text
    assert not list(full.parent.glob(".unfinished*"))
    beside = {path.stem: path.read_text("utf-8") for path in (tmp_path / "plots").glob("*.svg")}
    assert sorted(beside) == sorted(NAMES)
    assert sorted(pictures_in(text).values()) == sorted(beside.values())


def test_what_is_no_publication_is_refused_and_the_old_report_stays(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("old")
    with pytest.raises(PermanentFailure, match="no published file"):
        render_report(tmp_path / "none.duckdb", out)
    with database(tmp_path / "other.duckdb"):
        pass
    with pytest.raises(PermanentFailure, match="not a publication"):
        render_report(tmp_path / "other.duckdb", out)
    assert out.read_text() == "old"


def test_an_unknown_study_is_refused(usual: Path, tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="no study 'other'"):
        render_report(usual, tmp_path / "report.html", study="other")


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
