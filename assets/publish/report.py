"""The report: one static HTML page made from the published marts, and from nothing else.

Belongs here: putting the page together, and the parts that are a query each. Does not belong here:
larger parts (`parts/`), pictures (`pictures`), how numbers are written (`words`), layout
(`templates/`), and computing any figure of the study: a number on the page stands in a mart.

The page loads nothing: no script, no remote reference, and its content-security policy allows
exactly its own style sheet and images that it holds itself. The same marts give the same bytes.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assets.actors.policies import POLICIES
from assets.publish import words
from assets.publish.parts.accounts import classes, evaluations, policies
from assets.publish.parts.comparison import compared
from assets.publish.parts.coverage import MOST_GAP_DAYS, coverage, gaps
from assets.publish.parts.intensity import (
    PAPER,
    Reference,
    intensity,
    on_both_bases,
    other_basis,
    spread,
)
from assets.publish.parts.networks import networks
from assets.publish.parts.rerun import rerun
from assets.publish.parts.themes import themes
from assets.publish.published import Bases, Published, Row, open_published, shown_bases
from assets.study.features import FEATURES, PLATFORM_NAMES, PLATFORMS, STUDIED
from orchestration.failures import PermanentFailure
from orchestration.lake import write_whole

if TYPE_CHECKING:
    from assets.publish.plots_style import Picture

TEMPLATES = Path(__file__).parent / "templates"
TOP_REPOSITORIES = 10
_FILTERS: dict[str, Callable[..., Any]] = {
    "shown_text": words.shown_text,
    "number": words.number,
    "share": words.share,
    "p_value": words.p_value,
    "signed": words.signed,
}


def render_report(
    marts_path: Path,
    out_path: Path,
    paper_reference: bool = True,
    planted: Reference | None = None,
    *,
    study: str | None = None,
    reference: Mapping[str, str] = words.REFERENCE,
    plots: Path | None = None,
) -> Path:
    """Write the report; the file appears whole or not at all.

    Args:
        marts_path: a published `marts.duckdb`, opened read-only.
        out_path: the HTML file.
        paper_reference: show the paper's table 2 beside our values.
        planted: the truth planted in synthetic data: platform to feature to basis to "mean",
            "median" and "maximum", any of them absent. When given, even empty, the page says in
            its head that the data are synthetic.
        study: whose comparison is shown; by default `paper`, else the first by name.
        reference: the cell that headlines are of, as column to value.
        plots: a folder for the same pictures as SVG and PNG; None: the page alone.

    Raises:
        PermanentFailure: the file is missing or not a publication, or has no such study.
    """
    # matplotlib takes a third of a second, which what only names this function need not spend.
    from assets.publish.pictures import pictures, write_pictures
    from assets.publish.plots_style import svg_of

    with open_published(marts_path, study, reference) as published:
        drawn = pictures(published)
        context = _context(published, paper_reference, planted)
    svgs = {picture.name: svg_of(picture.figure) for picture in drawn}
    if plots is not None:
        write_pictures(drawn, svgs, plots)
    write_whole(out_path, _html(context | {"pictures": _embedded(drawn, svgs)}).encode())
    return out_path


def _html(context: Row) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    # The style sheet is ours and its hash is of these very characters: it must not be escaped.
    sheet = Markup(style)  # noqa: S704
    return environment.get_template("report.html.j2").render(
        **context, style=sheet, style_hash=f"sha256-{digest}"
    )


def _embedded(drawn: Sequence["Picture"], svgs: Mapping[str, str]) -> dict[str, Row]:
    """Name to what an image needs; inside an image nothing of an SVG can run or load."""
    return {
        picture.name: {
            "alt": picture.alt,
            "caption": picture.caption,
            "data": base64.b64encode(svgs[picture.name].encode()).decode(),
        }
        for picture in drawn
    }


def _context(published: Published, paper_reference: bool, planted: Reference | None) -> Row:
    publication = published.rows("SELECT * FROM publication ORDER BY table_name")
    if not publication:
        raise PermanentFailure("The published file says nothing of itself.", "Publish again.")
    comparison = published.of_reference("mart_platform_comparison")
    summary = published.of_reference("mart_intensity_summary")
    bases = shown_bases(comparison, summary)
    references = [("paper", on_both_bases(PAPER))] if paper_reference else []
    references += [("planted", planted)] if planted is not None else []
    return {
        "publication": publication,
        "head": publication[0],
        "study": published.study,
        "is_synthetic": planted is not None,
        "has_paper": paper_reference,
        "reference_label": words.cell_label(published.reference, published.reference),
        "platforms": _platforms(published),
        "coverage": coverage(published),
        "intensity": intensity(summary, bases, references),
        "other_basis": other_basis(summary, bases),
        "spread": spread(summary, bases),
        "comparison": compared(comparison),
        "networks": networks(published, paper_reference),
        "themes": themes(published, paper_reference),
        "rerun": rerun(published.newest("mart_study_rerun")),
        "policies": policies(published, bases, planted or {}),
        "policy_labels": [words.POLICY_LABELS[policy] for policy in POLICIES],
        "classes": classes(published),
        "evaluations": evaluations(published),
        "top": [_top(published, platform, bases) for platform in PLATFORMS],
        "gaps": gaps(published),
        "most_gaps": MOST_GAP_DAYS,
    }


def _platforms(published: Published) -> list[Row]:
    """Repositories per platform; a platform without any is a row of zero."""
    found = {
        row["platform"]: row
        for row in published.rows(
            "SELECT platform, count(*) AS repository_count,"
            " count(tombstone_reason) AS tombstone_count"
            f" FROM mart_repository_activity WHERE {STUDIED} GROUP BY platform"
        )
    }
    empty = {"repository_count": 0, "tombstone_count": 0}
    return [
        {"kind": name, "label": PLATFORM_NAMES[name], **(found.get(name) or empty)}
        for name in PLATFORMS
    ]


def _top(published: Published, platform: str, bases: Bases) -> Row:
    """The repositories with most stars or likes, and their other features."""
    columns = {
        feature: FEATURES[feature][bases.get((platform, feature), "stock")] for feature in FEATURES
    }
    chosen = ", ".join(f"{column} AS {feature}" for feature, column in columns.items())
    return {
        "kind": platform,
        "label": PLATFORM_NAMES[platform],
        "basis": bases.get((platform, "stars")),
        "headings": [
            (feature, words.FEATURE_LABELS[platform, feature], bases.get((platform, feature)))
            for feature in ("stars", "commits", "discussions")
        ],
        "rows": published.rows(
            f"SELECT repository_name, language, licence, {chosen}"
            " FROM mart_repository_activity"
            f" WHERE {STUDIED} AND platform = ? AND {columns['stars']} > 0"
            f" ORDER BY {columns['stars']} DESC, repository_key LIMIT {TOP_REPOSITORIES}",
            [platform],
        ),
    }
