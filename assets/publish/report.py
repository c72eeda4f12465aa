"""The report: one static HTML page made from the published marts, and from nothing else.

Belongs here: what the page says, the queries for it, how numbers are written, and making
hostile text harmless. Does not belong here: drawing (`figures`), layout (`templates/`), and
computing any figure of the study: a number on the page stands in a mart.

The page loads nothing: no script, no remote reference, and its content-security policy allows
exactly its own style sheet. The same marts give the same bytes.
"""

import base64
import hashlib
import math
import os
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assets.actors.policies import POLICIES
from assets.publish.figures import (
    DayCoverage,
    Distribution,
    coverage_figure,
    delta_figure,
    survival_figure,
)
from assets.study.comparison import (
    FEATURES,
    PLATFORM_NAMES,
    PLATFORMS,
    STUDIED,
    Basis,
    choose_basis,
)
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
# Platform to feature to "mean", "median", "maximum".
# Platform, feature, basis, measure.
Reference = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]

TEMPLATES = Path(__file__).parent / "templates"
FEATURE_LABELS = {
    ("github", "commits"): "Commits",
    ("github", "discussions"): "Issues and replies",
    ("github", "stars"): "Stars",
    ("huggingface", "commits"): "Commits",
    ("huggingface", "discussions"): "Discussions",
    ("huggingface", "stars"): "Likes",
}
FEATURE_TITLES = {
    "commits": "Commits",
    "discussions": "Issues and discussions",
    "stars": "Stars and likes",
}
# "From OSS to Open Source AI", table 2; GitHub's sample has 1,428,792 repositories created from
# 2016 on, the Hub's all 1,440,527 models; counts over the whole life of a repository.
PAPER: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "github": {
        "commits": {"mean": 1464.28, "median": 24, "maximum": 71_860_646},
        "discussions": {"mean": 35.94, "median": 0, "maximum": 1_607_850},
        "stars": {"mean": 142.78, "median": 16, "maximum": 318_751},
    },
    "huggingface": {
        "commits": {"mean": 10.65, "median": 2, "maximum": 65_092},
        "discussions": {"mean": 0.20, "median": 0, "maximum": 3_010},
        "stars": {"mean": 0.93, "median": 0, "maximum": 10_194},
    },
}
# Under which bot policy figures are shown, but for the part on policies.
SHOWN = "none"
# Policy: its heading, and who is left out.
POLICY_LABELS = {
    "none": ("Everybody", "nobody left out"),
    "paper": ("Paper", "on a list, or “bot” in the name"),
    "conservative": ("Conservative", "certainly automated"),
    "aggressive": ("Aggressive", "probably automated"),
}
MEASURES = (("mean", "mean_value"), ("median", "median_value"), ("maximum", "maximum_value"))
TOP_REPOSITORIES = 10
MOST_GAP_DAYS = 12
LONGEST_NAME = 90
UNKNOWN = "\N{EM DASH}"
# Romano et al. 2006: |Cliff's delta| below which an effect has the name.
EFFECT_SIZES = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"), (math.inf, "large"))


@dataclass(frozen=True)
class _Published:
    """The published file, with the questions the page asks it."""

    connection: "duckdb.DuckDBPyConnection"

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        cursor = self.connection.execute(query, list(parameters))
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def render_report(
    marts_path: Path,
    out_path: Path,
    paper_reference: bool = True,
    planted: Reference | None = None,
    *,
    study: str | None = None,
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

    Raises:
        PermanentFailure: the file is missing or not a publication, or has no such study.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    with _open(marts_path) as published:
        context = _context(published, paper_reference, planted, study)
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
    html = environment.get_template("report.html.j2").render(
        **context, style=sheet, style_hash=f"sha256-{digest}"
    )
    _write(out_path, html)
    return out_path


@contextmanager
def _open(marts_path: Path) -> Iterator[_Published]:
    import duckdb

    if not marts_path.is_file():
        raise PermanentFailure(f"There is no published file {marts_path}.", "Publish first.")
    try:
        with duckdb.connect(str(marts_path), read_only=True) as connection:
            yield _Published(connection)
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.IOException) as error:
        raise PermanentFailure(
            f"{marts_path} is not a publication of this version: {str(error).splitlines()[0]}",
            "Publish again.",
        ) from error


def _context(
    published: _Published, paper_reference: bool, planted: Reference | None, study: str | None
) -> Row:
    publication = published.rows("SELECT * FROM publication ORDER BY table_name")
    if not publication:
        raise PermanentFailure("The published file says nothing of itself.", "Publish again.")
    chosen, comparison = _comparison(published, study)
    summary = published.rows("SELECT * FROM mart_intensity_summary WHERE bot_policy = ?", [SHOWN])
    bases = _bases(comparison, summary)
    references = [("paper", _on_both_bases(PAPER))] if paper_reference else []
    references += [("planted", planted)] if planted is not None else []
    coverage = _coverage(published)
    return {
        "publication": publication,
        "head": publication[0],
        "study": chosen,
        "is_synthetic": planted is not None,
        "has_paper": paper_reference,
        "platforms": _platforms(published),
        "coverage": coverage,
        "intensity": _intensity(summary, bases, references),
        "other_basis": _other_basis(summary, bases),
        "comparison": [_compared(row) for row in comparison],
        "policies": _policies(published, chosen, bases, planted or {}),
        "policy_labels": [POLICY_LABELS[policy] for policy in POLICIES],
        "classes": _classes(published),
        "evaluations": _evaluations(published, chosen),
        "distributions": [_distribution(published, feature, bases) for feature in FEATURES],
        "top": [_top(published, platform, bases) for platform in PLATFORMS],
        "gaps": _gaps(published),
        "most_gaps": MOST_GAP_DAYS,
    }


def _comparison(published: _Published, study: str | None) -> tuple[str | None, list[Row]]:
    names = [
        row["study"]
        for row in published.rows(
            "SELECT DISTINCT study FROM mart_platform_comparison ORDER BY study = 'paper'"
            " DESC, study"
        )
    ]
    if study is not None and study not in names:
        raise PermanentFailure(f"The publication has no study {study!r}.", f"It has {names}.")
    chosen = study or (names[0] if names else None)
    rows = published.rows(
        "SELECT * FROM mart_platform_comparison WHERE study = ? AND bot_policy = ?",
        [chosen, SHOWN],
    )
    by_feature = {row["feature"]: row for row in rows}
    return chosen, [by_feature[feature] for feature in FEATURES if feature in by_feature]


def _bases(comparison: Sequence[Row], summary: Sequence[Row]) -> dict[tuple[str, str], Basis]:
    """(platform, feature) to the basis shown: the compared one, else by the same rule."""
    bases = {
        (platform, row["feature"]): row[f"{platform}_basis"]
        for row in comparison
        for platform in PLATFORMS
        if row[f"{platform}_basis"]
    }
    known = {(row["platform"], row["feature"], row["basis"]): row for row in summary}
    for platform in PLATFORMS:
        for feature in FEATURES:
            stock = known.get((platform, feature, "stock"), {})
            flow = known.get((platform, feature, "flow"), {})
            count, flow_count = stock.get("repository_count", 0), flow.get("repository_count", 0)
            total = max(
                count + stock.get("unknown_count", 0), flow_count + flow.get("unknown_count", 0)
            )
            basis = choose_basis(total, count, flow_count)
            if basis and (platform, feature) not in bases:
                bases[platform, feature] = basis
    return bases


def _platforms(published: _Published) -> list[Row]:
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


def _intensity(
    summary: Sequence[Row],
    bases: Mapping[tuple[str, str], Basis],
    references: Sequence[tuple[str, Reference]],
) -> list[Row]:
    known = {(row["platform"], row["feature"], row["basis"]): row for row in summary}
    lines = []
    for feature in FEATURES:
        for platform in PLATFORMS:
            basis = bases.get((platform, feature))
            row = known.get((platform, feature, basis), {})
            unknown = max(
                (r["unknown_count"] for r in summary if _is_about(r, platform, feature)), default=0
            )
            lines.append(
                {
                    "kind": platform,
                    "feature": FEATURE_LABELS[platform, feature],
                    "platform": PLATFORM_NAMES[platform],
                    "basis": basis,
                    "count": row.get("repository_count", 0),
                    "unknown": row.get("unknown_count", unknown),
                    "zero_share": row.get("zero_share"),
                    "measures": [
                        {
                            "name": name,
                            "value": row.get(column),
                            "references": [
                                (label, _referred(values, platform, feature, basis).get(name))
                                for label, values in references
                            ],
                        }
                        for name, column in MEASURES
                    ],
                }
            )
    return lines


def _on_both_bases(published: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Reference:
    """The published values, which are shown beside whatever we have."""
    return {
        platform: {
            feature: {"flow": values, "stock": values} for feature, values in features.items()
        }
        for platform, features in published.items()
    }


def _referred(
    reference: Reference, platform: str, feature: str, basis: Basis | None
) -> Mapping[str, float]:
    """A reference's values on the basis that is shown; empty where it has none."""
    return reference.get(platform, {}).get(feature, {}).get(basis or "", {})


def _is_about(row: Row, platform: str, feature: str) -> bool:
    return bool(row["platform"] == platform and row["feature"] == feature)


def _other_basis(summary: Sequence[Row], bases: Mapping[tuple[str, str], Basis]) -> list[Row]:
    """What is also known, on the basis that is not shown in the main table."""
    return [
        {
            **row,
            "label": f"{PLATFORM_NAMES[platform]}, {FEATURE_LABELS[platform, feature].lower()}",
        }
        for feature in FEATURES
        for platform in PLATFORMS
        for row in summary
        if _is_about(row, platform, feature)
        and row["basis"] != bases.get((platform, feature))
        and row["repository_count"]
    ]


def _policies(
    published: _Published,
    study: str | None,
    bases: Mapping[tuple[str, str], Basis],
    planted: Reference,
) -> list[Row]:
    """Means and effect sizes under each policy, on the bases that are shown."""
    known = {
        (row["feature"], row["platform"], row["basis"], row["statistic"]): row
        for row in published.rows("SELECT * FROM mart_policy_sensitivity WHERE study = ?", [study])
    }
    lines = []
    for feature in FEATURES:
        for platform in PLATFORMS:
            basis = bases.get((platform, feature))
            people = _referred(planted, platform, feature, basis).get("people_mean")
            label = f"{FEATURE_LABELS[platform, feature]}: mean"
            row = known.get((feature, platform, basis, "mean"))
            lines.append(_policy_line(row, label, PLATFORM_NAMES[platform], platform, people))
        row = known.get((feature, "both", None, "cliffs_delta"))
        label = f"{FEATURE_TITLES[feature]}: Cliff’s δ"
        lines.append(_policy_line(row, label, "GitHub against the Hub", "both", None))
    return lines


def _policy_line(
    row: Row | None, label: str, platform: str, kind: str, people: float | None
) -> Row:
    return {
        "label": label,
        "platform": platform,
        "kind": kind,
        "values": [(row or {}).get(f"{policy}_value") for policy in POLICIES],
        "range_share": (row or {}).get("range_share"),
        "people": people,
    }


def _classes(published: _Published) -> list[Row]:
    """How many accounts of each class a platform has, the most first."""
    rows = published.rows(
        "SELECT platform, actor_class, sum(actor_count)::BIGINT AS actor_count,"
        " sum(acting_actor_count)::BIGINT AS acting_count,"
        " sum(actor_count) FILTER (decided_by = 'reviewer')::BIGINT AS reviewed_count,"
        " sum(uncertain_count)::BIGINT AS uncertain_count"
        " FROM mart_actor_class GROUP BY ALL ORDER BY platform, actor_count DESC, actor_class"
    )
    return [
        {
            **row,
            "label": str(row["actor_class"]).replace("_", " "),
            "platform_label": PLATFORM_NAMES.get(row["platform"], row["platform"]),
        }
        for row in rows
    ]


def _evaluations(published: _Published, study: str | None) -> list[Row]:
    """Each set of labelled accounts with the figures of every layer."""
    rows = published.rows(
        "SELECT * FROM mart_actor_evaluation WHERE study = ? ORDER BY set_name, position", [study]
    )
    names = dict.fromkeys(row["set_name"] for row in rows)
    return [
        {"name": name, "rows": (own := [row for row in rows if row["set_name"] == name]), **own[0]}
        for name in names
    ]


def _compared(row: Row) -> Row:
    is_measured = row["status"] == "measured"
    return {
        **row,
        "title": FEATURE_TITLES[row["feature"]],
        "figure": delta_figure(row["cliffs_delta"]) if is_measured else None,
        "reading": reading(row["cliffs_delta"], row["p_value_holm"]) if is_measured else None,
    }


def reading(delta: float, p_value: float) -> str:
    """One sentence on an effect: who is ahead, how often, how sure."""
    size = next(name for bound, name in EFFECT_SIZES if abs(delta) < bound)
    if delta == 0:
        sentence = "Neither platform tends to be ahead"
    else:
        ahead = PLATFORM_NAMES["github" if delta > 0 else "huggingface"]
        sentence = (
            "Of two repositories drawn at random, one from each platform, the one on"
            f" {ahead} is ahead with probability {share((abs(delta) + 1) / 2)} (ties split evenly):"
            f" a {size} effect"
        )
    if p_value > 0.05:
        return sentence + ", not distinguishable from chance at the 5 % level."
    return sentence + "."


def _distribution(
    published: _Published, feature: str, bases: Mapping[tuple[str, str], Basis]
) -> Row:
    lines = []
    for platform in PLATFORMS:
        basis = bases.get((platform, feature))
        counts: list[Row] = []
        if basis:
            column = FEATURES[feature][basis]
            counts = published.rows(
                f"SELECT {column} AS value, count(*) AS number"
                " FROM mart_repository_activity"
                f" WHERE {STUDIED} AND platform = ? AND {column} >= 0 GROUP BY ALL ORDER BY ALL",
                [platform],
            )
        pairs = [(int(row["value"]), int(row["number"])) for row in counts]
        lines.append((basis, Distribution(platform, PLATFORM_NAMES[platform], pairs)))
    title = FEATURE_TITLES[feature]
    return {
        "title": title,
        "figure": survival_figure(
            f"Distribution of {title.lower()}",
            f"{title.lower()} per repository, at least",
            [line for _, line in lines],
        ),
        "legend": [
            {
                "kind": line.kind,
                "label": line.label,
                "basis": basis,
                "count": line.total,
                "zero_share": line.zero_share if line.total else None,
            }
            for basis, line in lines
        ],
    }


def _top(published: _Published, platform: str, bases: Mapping[tuple[str, str], Basis]) -> Row:
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
            (feature, FEATURE_LABELS[platform, feature], bases.get((platform, feature)))
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


def _coverage(published: _Published) -> list[Row]:
    totals = {
        row["platform"]: row
        for row in published.rows(
            "SELECT platform, min(day) AS first_day, max(day) AS last_day, count(*) AS day_count,"
            " sum(expected_count)::BIGINT AS expected_count, sum(seen_count)::BIGINT AS seen_count,"
            " sum(event_count)::BIGINT AS event_count,"
            " sum(malformed_count)::BIGINT AS malformed_count,"
            " sum(duplicate_count)::BIGINT AS duplicate_count,"
            " max(newest_event_at) AS newest_event_at"
            " FROM mart_coverage GROUP BY platform"
        )
    }
    return [_platform_coverage(published, name, totals.get(name)) for name in PLATFORMS]


def _platform_coverage(published: _Published, platform: str, total: Row | None) -> Row:
    days = published.rows(
        "SELECT day, completeness_share, state_counts FROM mart_coverage"
        " WHERE platform = ? ORDER BY day",
        [platform],
    )
    label = PLATFORM_NAMES[platform]
    unit = "archive files" if platform == "github" else "listings"
    share_seen = None
    if total and total["expected_count"]:
        share_seen = total["seen_count"] / total["expected_count"]
    return {
        "kind": platform,
        "label": label,
        "unit": unit,
        "total": total,
        "seen_share": share_seen,
        "span": (total["last_day"] - total["first_day"]).days + 1 if total else 0,
        "states": _states(row["state_counts"] for row in days),
        "figure": coverage_figure(f"Completeness of {label} by day", _without_gaps(days)),
    }


def _without_gaps(rows: Sequence[Row]) -> list[DayCoverage]:
    """Every day from the first to the last: one without a row is shown, not skipped."""
    if not rows:
        return []
    known = {
        row["day"]: DayCoverage(row["day"], row["completeness_share"], row["state_counts"] or "")
        for row in rows
    }
    first: date = rows[0]["day"]
    length = (rows[-1]["day"] - first).days + 1
    days = (first + timedelta(days=offset) for offset in range(length))
    return [known.get(day) or DayCoverage(day, None, "") for day in days]


def _states(texts: Iterable[str | None]) -> list[tuple[str, int]]:
    """Ledger states over all days, from texts such as "ok 22, missing 2"."""
    totals: dict[str, int] = {}
    for text in texts:
        for part in (text or "").split(","):
            state, _, number = part.strip().rpartition(" ")
            if state and number.isdigit():
                totals[state] = totals.get(state, 0) + int(number)
    return sorted(totals.items(), key=lambda item: (-item[1], item[0]))


def _gaps(published: _Published) -> list[Row]:
    rows = published.rows(
        "SELECT platform, day, expected_count, seen_count, completeness_share, state_counts,"
        " count(*) OVER () AS gap_day_count"
        " FROM mart_coverage WHERE coalesce(completeness_share, 0) < 1"
        f" ORDER BY completeness_share NULLS FIRST, day DESC, platform LIMIT {MOST_GAP_DAYS}"
    )
    return [{**row, "label": PLATFORM_NAMES.get(row["platform"], row["platform"])} for row in rows]


def shown_text(value: object) -> str:
    """Mined text made safe to look at and to copy; escaping for HTML comes on top.

    Characters that are invisible or turn the reading direction are replaced, the length is
    bounded, and what a spreadsheet would take for a formula gets an apostrophe in front.
    """
    if value is None:
        return UNKNOWN
    text = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in str(value)
    )
    text = " ".join(text.split())
    if len(text) > LONGEST_NAME:
        text = text[: LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def number(value: float | None) -> str:
    """A count or an average: thousands grouped, two decimals unless whole, bounded length."""
    if value is None or value != value:
        return UNKNOWN
    if abs(value) >= 1e15:
        return scientific(value)
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 0.01 else f"{value:.2g}"


def share(value: float | None) -> str:
    """A share as percent; 0 % and 100 % are said only of nothing and of all."""
    if value is None or value != value:
        return UNKNOWN
    if 0 < value < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= value < 1:
        return "> 99.9 %"
    return f"{value * 100:.1f} %".replace(".0 %", " %")


def p_value(value: float | None) -> str:
    """A probability; the smallest that can be stored means "at most"."""
    if value is None:
        return UNKNOWN
    if value < 1e-300:
        return "< " + scientific(1e-300)
    return f"{value:.3f}" if value >= 0.001 else scientific(value)


def scientific(value: float) -> str:
    """A mantissa with one decimal, times a power of ten in superscript digits."""
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{power}" if mantissa == "1.0" else f"{mantissa} \N{MULTIPLICATION SIGN} 10{power}"


def _signed(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


_FILTERS: dict[str, Callable[..., Any]] = {
    "shown_text": shown_text,
    "number": number,
    "share": share,
    "p_value": p_value,
    "signed": _signed,
}


def _write(path: Path, html: str) -> None:
    """To a temporary file beside it, to disk, then into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-", suffix=".html")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(html)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
