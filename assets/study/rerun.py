"""The published claims beside what this installation finds.

Belongs here: our value of each claim, the verdict and its reason, the rows of `mart_study_rerun`.
Does not belong here: the claims (seed `published_claims`) and the figures (`grid`).

A claim is a level (a number, reproduced where our interval of 95 % holds it) or a direction (above
or below a bound, reproduced where our interval lies on that side). What our data cannot tell is not
measurable, with the reason; our value is shown all the same where there is one.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from assets.study.cells import Cell
from assets.study.features import PLATFORM_NAMES, PLATFORMS, STUDIED
from assets.study.marts import COMPARISON, CORRELATION, RERUN, SUMMARY
from assets.study.networks.cells import NetworkCell
from assets.study.networks.tables import SUMMARY as NETWORKS
from assets.study.statistics.concentration import top_share
from assets.study.themes.tables import MESSAGE_QUALITY, PREVALENCE

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
CLAIMS = "seeds.published_claims"
ACTIVITY = "marts.mart_repository_activity"
ACTORS = "marts.mart_actor_class"
# Statistic of a claim: the column of mart_intensity_summary.
OF_ONE = {
    "mean": "mean_value", "median": "median_value", "maximum": "maximum_value", "gini": "gini",
}  # fmt: skip
# Statistic of a claim about networks: the column of mart_network_summary.
OF_NETWORK = {
    "connected_rate": "connected_rate", "average_degree": "average_degree",
    "average_degree_connected": "average_degree_connected", "maximum_degree": "maximum_degree",
}  # fmt: skip
INTERACTION = {"commits": "commit", "discussions": "discussion"}
# Of the repositories that the paper's themes and messages are of where they are known apart.
SLICES = (("repository_class", "top_cut"), ("all", "all"))
# A developer network of fewer days, or of fewer repositories' histories, is another network.
LEAST_DAYS = 365
LEAST_KNOWN = 0.9
# Exposures under which values keep their unit; per_month divides them.
WHOLE_LIFE = ("total", "matched_quarter")


@dataclass(frozen=True)
class _Ours:
    """What this installation finds.

    Attributes:
        value: None: there is none.
        low: lower end of the interval of 95 %; None: none made.
        planted: None where nothing was.
        others: the same in all cells of the grid.
        obstacle: why no verdict can be given, though there may be a value.
        notes: what limits the reading.
        counts_less: GitHub's side leaves out more than the Hub's: a value above the bound would be
            above it with all counted.
        stated: what the interval holds, in words.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    known_share: float | None = None
    planted: float | None = None
    others: tuple[float, ...] = ()
    design: str | None = None
    obstacle: str | None = None
    notes: tuple[str, ...] = ()
    counts_less: str | None = None
    stated: str = "95 %"


@dataclass(frozen=True)
class _Grid:
    """The day's figures of all cells, and what is needed to read them."""

    connection: "duckdb.DuckDBPyConnection"
    study: str
    cell: Cell
    planted: Mapping[str, Any]
    archive_days: int
    summary: list[Row]
    comparison: list[Row]
    correlation: list[Row]
    networks: list[Row]
    network_cells: Sequence[NetworkCell]
    themes: list[Row]
    messages: list[Row]

    def of_cell(self, rows: Iterable[Row], **which: Any) -> Row | None:
        """The row of the reference cell with these values in its columns."""
        wanted = self.cell.row() | which
        return next((row for row in rows if _agrees(row, wanted)), None)

    def basis(self, platform: str, feature: str) -> str | None:
        """The basis that the platforms are compared on; None: nothing is known."""
        row = self.of_cell(self.comparison, feature=feature)
        found: str | None = None if row is None else row[f"{platform}_basis"]
        return found

    def described(self, platform: str, feature: str) -> Row | None:
        """One feature of the reference cell, on the basis compared."""
        basis = self.basis(platform, feature)
        return self.of_cell(self.summary, platform=platform, feature=feature, basis=basis)

    def truth(self, platform: str, feature: str, basis: str | None, statistic: str) -> float | None:
        """What was planted: of people where machines are left out, and of all repositories only."""
        if self.cell.exposure != "total" or self.cell.cut != "all":
            return None
        name = statistic if self.cell.bot_policy == "none" else f"people_{statistic}"
        found = self.planted.get(platform, {}).get(feature, {}).get(basis, {}).get(name)
        return None if found is None else float(found)


def study_rerun(
    connection: "duckdb.DuckDBPyConnection",
    study: str,
    day: date,
    planted: Mapping[str, Any] | None = None,
    reference: Cell | None = None,
    network_cells: Sequence[NetworkCell] = (),
) -> list[Row]:
    """Rows of `mart_study_rerun`, one for each claim in the order of the seed.

    Args:
        connection: sees the warehouse with the day's figures in it.
        study: the name the rows carry, and whose figures are compared.
        day: of the figures.
        planted: platform to feature to basis to mean, median and maximum (`twin.truth`), where the
            data are synthetic.
        reference: the cell that our values are of; by default that of `Cell()`.
        network_cells: the same of networks.
    """
    names = {"study": study, "day": day}

    def figures(table: str) -> list[Row]:
        sql = f"SELECT * FROM {table} WHERE study = $study AND day = $day"
        found: list[Row] = connection.sql(sql, params=names).to_arrow_table().to_pylist()
        return found

    (days,) = connection.execute(
        "SELECT count(*) FROM marts.mart_coverage"
        " WHERE platform = 'github' AND event_count > 0 AND day <= $day", {"day": day},
    ).fetchall()[0]  # fmt: skip
    grid = _Grid(
        connection, study, reference or Cell(), planted or {}, days,
        figures(SUMMARY.name), figures(COMPARISON.name), figures(CORRELATION.name),
        figures(NETWORKS.name), network_cells, figures(PREVALENCE.name),
        figures(MESSAGE_QUALITY.name),
    )  # fmt: skip
    claims = connection.sql(f"SELECT * FROM {CLAIMS} ORDER BY rowid").to_arrow_table().to_pylist()
    return [{**names, **_row(claim, _ours(grid, claim))} for claim in claims]


def _row(claim: Row, ours: _Ours) -> Row:
    verdict, why = _verdict(claim, ours)
    told = {name: claim[name] for name in RERUN.column_names if name in claim}
    return {
        **told,
        "our_value": ours.value,
        "our_value_low": ours.low,
        "our_value_high": ours.high,
        "planted_value": ours.planted,
        "design": ours.design,
        "known_share": ours.known_share,
        "sensitivity_low": min(ours.others, default=None),
        "sensitivity_high": max(ours.others, default=None),
        "sensitivity_cells": len(ours.others),
        "verdict": verdict,
        "reason": "; ".join([why, *ours.notes]),
    }


def _verdict(claim: Row, ours: _Ours) -> tuple[str, str]:
    if ours.obstacle is not None:
        return "not_measurable", ours.obstacle
    if ours.value is None:
        return "not_measurable", "nothing is known of it"
    return _of_level(claim, ours) if claim["kind"] == "level" else _of_direction(claim, ours)


def _of_level(claim: Row, ours: _Ours) -> tuple[str, str]:
    paper, tolerance = claim["paper_value"], claim["tolerance"]
    assert ours.value is not None
    if ours.low is not None and ours.high is not None:
        is_in = ours.low <= paper <= ours.high
        words = "holds" if is_in else "does not hold"
        return _word(is_in), f"our interval of {ours.stated} {words} the published value"
    if tolerance is None:
        return "not_measurable", "no interval can be made, and no tolerance is stated"
    is_near = abs(ours.value - paper) <= tolerance * abs(paper)
    words = "within" if is_near else "not within"
    return _word(is_near), f"ours is {words} {tolerance:.0%} of the published value (no interval)"


def _of_direction(claim: Row, ours: _Ours) -> tuple[str, str]:
    bound, sign = claim["bound"], 1 if claim["expected"] == "above" else -1
    assert ours.value is not None
    ends = (ours.low, ours.high) if ours.low is not None and ours.high is not None else None
    by = [sign * (end - bound) for end in ends or (ours.value,)]
    what = (
        f"our interval of {ours.stated} lies"
        if ends
        else "our value lies (no interval is made of it)"
    )
    if min(by) > 0 and (ours.counts_less is None or sign > 0):
        although = "" if ours.counts_less is None else f", although {ours.counts_less}"
        return "reproduced", f"{what} {claim['expected']} {bound:g}{although}"
    if ours.counts_less is not None:
        return "not_measurable", ours.counts_less
    if max(by) <= 0:
        return "differs", f"{what} not {claim['expected']} {bound:g}"
    return "not_measurable", f"our interval of {ours.stated} reaches across {bound:g}: undecided"


def _word(is_alike: bool) -> str:
    return "reproduced" if is_alike else "differs"


def _ours(grid: _Grid, claim: Row) -> _Ours:
    source = claim["source_mart"]
    if source is None:
        return _Ours(obstacle="no mart measures it yet")
    found = SOURCES[source](grid, claim)
    return replace(found, others=tuple(one for one in found.others if math.isfinite(one)))


def _from_summary(grid: _Grid, claim: Row) -> _Ours:
    if claim["platform"] == "both":
        return _difference(grid, claim)
    platform, feature, statistic = claim["platform"], claim["feature"], claim["statistic"]
    column = OF_ONE[statistic]
    row = grid.described(platform, feature)
    if row is None or row[column] is None:
        return _Ours(obstacle=_unknown(platform, feature, row))
    alike = {"platform": platform, "feature": feature, "basis": row["basis"]}
    others = (one for one in grid.summary if _agrees(one, alike) and one["exposure"] in WHOLE_LIFE)
    flow = f"ours is of the acts of {grid.archive_days} days, the paper's of a whole life"
    return _Ours(
        value=float(row[column]),
        low=row.get(f"{statistic}_low"),
        high=row.get(f"{statistic}_high"),
        stated=_stated(row, statistic),
        known_share=_known_share(row),
        planted=grid.truth(platform, feature, row["basis"], statistic),
        others=_values(others, column),
        design=str(grid.cell),
        obstacle=flow if row["basis"] == "flow" else None,
        notes=_notes(row),
    )


def _stated(row: Row, name: str) -> str:
    return "at least 95 %" if row.get(f"{name}_interval_is") == "at_least" else "95 %"


def _difference(grid: _Grid, claim: Row) -> _Ours:
    """GitHub's figure less the Hub's, for figures without a unit."""
    feature, column = claim["feature"], OF_ONE[claim["statistic"]]
    rows = [grid.described(platform, feature) for platform in PLATFORMS]
    for platform, row in zip(PLATFORMS, rows, strict=True):
        if row is None or row[column] is None:
            return _Ours(obstacle=_unknown(platform, feature, row))
    github, hub = (row for row in rows if row is not None)
    sides = [
        {tuple(row[name] for name in grid.cell.row()): row[column]
         for row in grid.summary
         if _agrees(row, {name: of[name] for name in ("platform", "feature", "basis")})
         and row[column] is not None}
        for of in (github, hub)
    ]  # fmt: skip
    return _Ours(
        value=github[column] - hub[column],
        known_share=min(_known_share(github), _known_share(hub)),
        others=tuple(sides[0][cell] - sides[1][cell] for cell in sides[0] if cell in sides[1]),
        design=str(grid.cell),
        obstacle=_mixed(grid, github["basis"], hub["basis"]),
        notes=_notes(github),
    )


def _from_comparison(grid: _Grid, claim: Row) -> _Ours:
    feature, column = claim["feature"], claim["statistic"]
    row = grid.of_cell(grid.comparison, feature=feature)
    if row is None or row[column] is None:
        reason = None if row is None else row["reason"]
        return _Ours(obstacle=reason or f"{feature}: not computed in the reference cell")
    bases = [row[f"{platform}_basis"] for platform in PLATFORMS]
    described = [grid.described(platform, feature) for platform in PLATFORMS]
    mixed = _mixed(grid, *bases)
    # With all of its acts counted, GitHub's side could only be larger.
    is_lower_bound = bases == ["flow", "stock"] and f"{column}_low" in row
    return _Ours(
        value=row[column],
        low=row.get(f"{column}_low"),
        high=row.get(f"{column}_high"),
        stated=_stated(row, column),
        known_share=min((_known_share(one) for one in described if one is not None), default=None),
        planted=_planted_ratio(grid, feature, bases, column),
        others=_values((one for one in grid.comparison if one["feature"] == feature), column),
        design=str(grid.cell),
        obstacle=None if is_lower_bound else mixed,
        notes=_notes(row),
        counts_less=mixed if is_lower_bound else None,
    )


def _from_correlation(grid: _Grid, claim: Row) -> _Ours:
    which = {"platform": claim["platform"], "first_feature": claim["feature"],
             "second_feature": claim["second_feature"], "method": claim["statistic"]}  # fmt: skip
    row = grid.of_cell(grid.correlation, **which)
    if row is None or row["coefficient"] is None:
        reason = None if row is None else row["reason"]
        return _Ours(obstacle=reason or "not computed in the reference cell")
    features = (claim["feature"], claim["second_feature"])
    described = grid.described(claim["platform"], claim["feature"])
    notes = _notes(row)
    if any(grid.basis(claim["platform"], feature) == "flow" for feature in features):
        notes += (f"ours is of the acts of {grid.archive_days} days, not of totals",)
    return _Ours(
        value=row["coefficient"],
        low=row["coefficient_low"],
        high=row["coefficient_high"],
        known_share=None if described is None
        else row["repository_count"] / max(1, _count(described)),
        others=_values((one for one in grid.correlation if _agrees(one, which)), "coefficient"),
        design=str(grid.cell),
        notes=notes,
    )  # fmt: skip


def _from_actors(grid: _Grid, claim: Row) -> _Ours:
    """Share of the accounts that the paper's rule removes."""
    removed, count = grid.connection.execute(
        f"SELECT sum(removed_by_paper_count), sum(actor_count) FROM {ACTORS}"
        " WHERE platform = $platform", {"platform": claim["platform"]},
    ).fetchall()[0]  # fmt: skip
    if not count:
        return _Ours(obstacle=f"no account of {PLATFORM_NAMES[claim['platform']]} is known")
    note = "of all accounts seen, by the rule of the policy paper"
    return _Ours(value=float(removed) / float(count), known_share=1.0, notes=(note,))


def _from_activity(grid: _Grid, claim: Row) -> _Ours:
    """What the Hub's listings say of its models."""
    column = {"gated_share": "gated", "download_top_share": "download_30d_stock_count"}
    table = grid.connection.sql(
        f"SELECT {column[claim['statistic']]} AS told FROM {ACTIVITY}"
        f" WHERE platform = 'huggingface' AND {STUDIED}"
    ).to_arrow_table()
    told = table["told"].drop_null()
    if not len(told):
        return _Ours(obstacle="the Hub's listings do not tell it")
    known_share = len(told) / table.num_rows
    if claim["statistic"] == "gated_share":
        gated = sum(one != "no" for one in told.to_pylist())
        return _Ours(value=gated / len(told), known_share=known_share)
    note = "of the downloads of 30 days"
    return _Ours(value=top_share(told.to_numpy()), known_share=known_share, notes=(note,))


def _from_networks(grid: _Grid, claim: Row) -> _Ours:
    """A network's figure, or GitHub's less the Hub's."""
    if claim["platform"] == "both":
        return _network_difference(grid, claim)
    column, platform = OF_NETWORK[claim["statistic"]], claim["platform"]
    row, cell = _network(grid, claim, platform)
    if row is None or cell is None or row[column] is None:
        reason = None if row is None else row["reason"]
        return _Ours(obstacle=reason or "not computed in the reference cell")
    obstacle, known_share = _history(grid, claim, cell, platform)
    return _Ours(
        value=float(row[column]),
        known_share=known_share,
        others=_values(_alike(grid, row), column),
        design=cell.told(),
        obstacle=obstacle,
        notes=_notes(row),
    )


def _network_difference(grid: _Grid, claim: Row) -> _Ours:
    column = OF_NETWORK[claim["statistic"].removesuffix("_difference")]
    sides = [_network(grid, claim, platform) for platform in PLATFORMS]
    rows = [row for row, _ in sides if row is not None and row[column] is not None]
    cell = sides[0][1]
    if len(rows) < len(PLATFORMS) or cell is None:
        return _Ours(obstacle="not computed in the reference cell on both platforms")
    values = [
        {NetworkCell.of(one): float(one[column]) for one in _alike(grid, row)
         if one[column] is not None}
        for row in rows
    ]  # fmt: skip
    (github, _), (hub, known_share) = (
        _history(grid, claim, cell, platform) for platform in PLATFORMS
    )
    # More acts link more repositories; of developers they bring more nodes as well.
    is_lower_bound = claim["network"] == "repository" and hub is None
    return _Ours(
        value=float(rows[0][column] - rows[1][column]),
        known_share=known_share,
        others=tuple(values[0][one] - values[1][one] for one in values[0] if one in values[1]),
        design=cell.told(),
        obstacle=hub if is_lower_bound else hub or github,
        notes=tuple(note for row in rows for note in _notes(row)),
        counts_less=github if is_lower_bound else None,
    )


def _network(grid: _Grid, claim: Row, platform: str) -> tuple[Row | None, NetworkCell | None]:
    """The row of the reference cell, and the cell."""
    wanted = (claim["network"], INTERACTION[claim["feature"]])
    cell = next(
        (one for one in grid.network_cells if (one.network, one.interaction_type) == wanted), None
    )
    if cell is None:
        return None, None
    which = {"platform": platform, **cell.row()}
    return next((row for row in grid.networks if _agrees(row, which)), None), cell


def _alike(grid: _Grid, row: Row) -> list[Row]:
    """The network in all cells."""
    which = {name: row[name] for name in ("platform", "network", "interaction_type")}
    return [one for one in grid.networks if _agrees(one, which) and one["status"] == "measured"]


def _history(
    grid: _Grid, claim: Row, cell: NetworkCell, platform: str
) -> tuple[str | None, float | None]:
    """What is missing of the acts, and of which share of the repositories they are known."""
    if platform == "github":
        few = f"GitHub's side has the acts of {grid.archive_days} days only"
        return few if grid.archive_days < LEAST_DAYS else None, None
    column = {"commits": "commit_stock_count", "discussions": "discussion_stock_count"}
    known, count = grid.connection.execute(
        f"SELECT count({column[claim['feature']]}), count(*) FROM study.top_cut"
        f" INNER JOIN {ACTIVITY} AS activity USING (repository_key)"
        " WHERE study = $study AND rank_name = $rank AND place <= $most"
        " AND activity.platform = $platform",
        {"study": grid.study, "rank": cell.rank_name, "platform": platform,
         "most": cell.top_count},
    ).fetchall()[0]  # fmt: skip
    share = known / count if count else 0.0
    told = f"the Hub tells the {claim['feature']} of {share:.0%} of the repositories"
    return told if share < LEAST_KNOWN else None, share


def _from_themes(grid: _Grid, claim: Row) -> _Ours:
    """A theme's share among opening posts, or how far it is ahead of the next."""
    platform, statistic = claim["platform"], claim["statistic"]
    theme, _, what = statistic.rpartition("_")
    rows = _sliced([row for row in grid.themes if row["is_reference"]], platform)
    own = next((row for row in rows if row["theme"] == theme), None)
    if own is None:
        return _Ours(obstacle=f"{PLATFORM_NAMES[platform]}: no opening post has been coded")
    planted = _planted_share(grid, platform, "themes", theme)
    others = _theme_values(grid, platform, theme)
    if what == "lead":
        return _theme_lead(rows, own)
    is_corrected = own["prediction_powered_share"] is not None
    kind = "prediction_powered" if is_corrected else "uncorrected"
    return _Ours(
        value=own[f"{kind}_share"],
        low=own["prediction_powered_low"],
        high=own["prediction_powered_high"],
        known_share=own["verified_count"] / own["message_count"],
        planted=planted,
        others=others,
        design=_theme_design(own),
        obstacle=None if is_corrected else "no people have verified how often the coder errs",
        notes=_notes(own),
    )


def _theme_lead(rows: Sequence[Row], own: Row) -> _Ours:
    """The theme's share less the largest other; the ends of both intervals taken together."""
    rest = [row for row in rows if row["theme"] != own["theme"]]
    column = "prediction_powered"
    if own[f"{column}_share"] is None:
        value = own["uncorrected_share"] - max(row["uncorrected_share"] for row in rest)
        obstacle = "no people have verified how often the coder errs"
        return _Ours(value=value, design=_theme_design(own), obstacle=obstacle)
    low, high = own[f"{column}_low"], own[f"{column}_high"]
    ends = None
    if low is not None and all(row[f"{column}_low"] is not None for row in rest):
        ends = (low - max(row[f"{column}_high"] for row in rest),
                high - max(row[f"{column}_low"] for row in rest))  # fmt: skip
    return _Ours(
        value=own[f"{column}_share"] - max(row[f"{column}_share"] for row in rest),
        low=ends[0] if ends else None,
        high=ends[1] if ends else None,
        known_share=own["verified_count"] / own["message_count"],
        design=_theme_design(own),
        notes=_notes(own),
    )


def _theme_values(grid: _Grid, platform: str, theme: str) -> tuple[float, ...]:
    """The same share by every coder and estimate, of the subset and of all."""
    rows = [row for row in grid.themes if row["platform"] == platform and row["theme"] == theme
            and (row["slice"], row["slice_value"]) in SLICES]  # fmt: skip
    kinds = ("uncorrected", "rogan_gladen", "prediction_powered", "verified")
    return tuple(value for kind in kinds for value in _values(rows, f"{kind}_share"))


def _theme_design(row: Row) -> str:
    which = "top repositories" if row["slice"] == "repository_class" else "all repositories"
    return f"{row['coder']} coder, {which}, bots left out: {row['bot_policy']}"


def _from_messages(grid: _Grid, claim: Row) -> _Ours:
    """Share of commits whose message says something."""
    platform = claim["platform"]
    rows = _sliced(grid.messages, platform)
    count = sum(row["commit_count"] for row in rows)
    if not count:
        return _Ours(obstacle=f"{PLATFORM_NAMES[platform]}: no commit's message was read")
    told = sum(row["commit_count"] for row in rows if row["kind"] == "substantive")
    is_top = rows[0]["slice"] == "repository_class"
    return _Ours(
        value=told / count,
        planted=_planted_share(grid, platform, "messages", "substantive"),
        design="top repositories" if is_top else "all repositories whose commits were read",
        notes=(f"of {count:,} commits, by our rule; the paper's is not stated",),
    )


def _sliced(rows: Sequence[Row], platform: str) -> list[Row]:
    """Rows of the paper's subset where it is known apart, else of all."""
    for slice_, value in SLICES:
        which = {"platform": platform, "slice": slice_, "slice_value": value}
        found = [row for row in rows if _agrees(row, which)]
        if found:
            return found
    return []


def _planted_share(grid: _Grid, platform: str, feature: str, name: str) -> float | None:
    found = grid.planted.get(platform, {}).get(feature, {}).get("stock", {}).get(name)
    return None if found is None else float(found)


SOURCES: Mapping[str, Callable[[_Grid, Row], _Ours]] = {
    SUMMARY.name: _from_summary,
    COMPARISON.name: _from_comparison,
    CORRELATION.name: _from_correlation,
    ACTORS: _from_actors,
    ACTIVITY: _from_activity,
    NETWORKS.name: _from_networks,
    PREVALENCE.name: _from_themes,
    MESSAGE_QUALITY.name: _from_messages,
}


def _planted_ratio(grid: _Grid, feature: str, bases: list[str], column: str) -> float | None:
    if not column.startswith("ratio_of_"):
        return None
    statistic = column.removeprefix("ratio_of_").removesuffix("s")
    github, hub = (
        grid.truth(platform, feature, basis, statistic)
        for platform, basis in zip(PLATFORMS, bases, strict=True)
    )
    return github / hub if github is not None and hub else None


def _mixed(grid: _Grid, github: str, hub: str) -> str | None:
    """What stands in the way of comparing a part of life with the whole of it."""
    if github == hub:
        return None
    return (
        f"GitHub's side counts the acts of {grid.archive_days} days only, of repositories seen"
        " acting then"
        if github == "flow"
        else "the Hub's side counts a part of life only"
    )


def _notes(row: Row) -> tuple[str, ...]:
    return (row["reason"],) if row["reason"] else ()


def _unknown(platform: str, feature: str, row: Row | None) -> str:
    if row is not None and row["reason"]:
        return str(row["reason"])
    return f"{PLATFORM_NAMES[platform]}: {feature} unknown in the reference cell"


def _known_share(row: Row) -> float:
    return float(row["repository_count"] / max(1, _count(row)))


def _count(row: Row) -> int:
    return int(row["repository_count"] + row["unknown_count"])


def _values(rows: Iterable[Row], column: str) -> tuple[float, ...]:
    return tuple(float(row[column]) for row in rows if row[column] is not None)


def _agrees(row: Row, wanted: Mapping[str, Any]) -> bool:
    return all(row[name] == value for name, value in wanted.items())
