"""The study's results as Dagster assets.

Belongs here: keys, metadata and column lineage of the assets. Does not belong here: estimators
and the choice of what is compared (statistics, comparison), samples and what is estimated of them
(sample, intensity), cuts and suspect stars (cuts, stars).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.study import (
    classification,
    cuts,
    grid,
    intensity,
    marts,
    rerun,
    sample,
    sensitivity,
    stars,
    survival,
)
from assets.study.cells import reference_cell
from assets.study.features import FEATURES
from assets.study.networks import grid as networks
from assets.study.networks import tables as network_tables
from assets.study.networks.cells import reference_cells
from assets.study.planted import planted_truth
from assets.study.tables import StudyTable, open_warehouse, replace_study, table_of
from orchestration import keys, metadata
from orchestration.resources import Installation, retry_policy, told_to_dagster

if TYPE_CHECKING:
    import duckdb

SENSITIVE = """Each headline figure under each bot policy: nobody left out, the published rule, only
what is certainly automated, all that probably is; and how far apart they are."""
INTENSITY = dg.AssetKey(["intermediate", "int_repository_intensity__measured"])
ACTIVITY = keys.mart("mart_repository_activity")
INTERACTIONS = dg.AssetKey(["core", "fct_interaction"])
CLAIMS = dg.AssetKey(["seeds", "published_claims"])
SAMPLED = {
    keys.SAMPLE_STRATUM: sample.STRATUM,
    keys.SAMPLE_CUT_OFF: sample.CUT_OFF,
    keys.SAMPLE_MEMBER: sample.MEMBER,
    keys.TOP_CUT: cuts.CUT,
    keys.TOP_CUT_OVERLAP: cuts.OVERLAP,
    keys.STAR_SUSPECT: stars.SUSPECT,
}
EVALUATED = """How well each layer of the classification of accounts does on labelled accounts, as
`osmoscope actors evaluate --keep` measured it; no rows where nothing was kept."""
ESTIMATED = """What the samples say of each platform: mean, median, mid-median, total and share of
zeros of commits, discussions and stars, of the sample as it is and weighted by its design, with
standard errors and intervals of 95 %. The published study compares the unweighted figures."""

SURVIVED = """How long repositories stay active: Kaplan-Meier estimate of the share still active at
each age, repositories entering where they were first seen."""
RERUN = """Every published claim: the paper's value beside ours, its interval, how much depends on
how it is computed, and a verdict with its reason. On synthetic data also what was planted."""
OF_GRID = {
    keys.INTENSITY_SUMMARY: marts.SUMMARY,
    keys.CORRELATION: marts.CORRELATION,
    keys.COMPARISON: marts.COMPARISON,
    keys.DISTRIBUTION: marts.DISTRIBUTION,
}
OF_NETWORKS = {
    keys.NETWORK_SUMMARY: network_tables.SUMMARY,
    keys.NETWORK_DEGREE: network_tables.DEGREE,
    keys.NETWORK_SENSITIVITY: network_tables.SENSITIVITY,
    keys.NETWORK_MEASURE: network_tables.MEASURE,
    keys.NETWORK_COMMUNITY: network_tables.COMMUNITY,
    keys.NETWORK_BLOCK: network_tables.BLOCK,
    keys.NETWORK_LAYOUT: network_tables.LAYOUT,
    keys.NETWORK_ESTIMATE: network_tables.ESTIMATE,
}
DAILY_ACTS = dg.AssetKey(["core", "fct_actor_repository_daily"])
ACTORS = dg.AssetKey(["core", "dim_actor"])
LINEAGE = dg.AssetKey(["core", "fct_model_lineage"])
AFFILIATIONS = dg.AssetKey(["core", "bridge_actor_organisation"])
COUNTS = [column for of in FEATURES.values() for column in of.values()]

Origins = Mapping[str, Sequence[tuple[dg.AssetKey, str]]]


def study_assets() -> list[dg.AssetsDefinition]:
    """The assets of the study."""

    @dg.asset(
        key=keys.SENSITIVITY,
        deps=[keys.INTENSITY_SUMMARY, keys.COMPARISON],
        kinds={"python", "duckdb"},
        description=SENSITIVE,
        **_shared(sensitivity.TABLE, _of_sensitivity()),
    )
    def mart_policy_sensitivity(installation: Installation) -> dg.MaterializeResult[None]:
        study = installation.settings().study
        with told_to_dagster(), installation.warehouse() as warehouse:
            rows = sensitivity.policy_sensitivity(warehouse, study)
        moved = sum(1 for row in rows if row["range_value"])
        return _made(
            rows, study.name, coverage=f"{moved} of {len(rows)} figures depend on the policy"
        )

    @dg.asset(
        key=keys.ACTOR_EVALUATION,
        # Both are of the same classification, and the warehouse is there.
        deps=[keys.mart("mart_actor_class")],
        kinds={"python", "duckdb"},
        description=EVALUATED,
        **_shared(classification.TABLE, {}),
    )
    def mart_actor_evaluation(installation: Installation) -> dg.MaterializeResult[None]:
        settings = installation.settings()
        study = settings.study.name
        with told_to_dagster(), installation.warehouse() as warehouse:
            rows = classification.actor_evaluation(warehouse, study, settings.state_dir)
        sets = {row["set_name"] for row in rows}
        return _made(rows, study, coverage=f"{len(sets)} sets of labelled accounts")

    return [
        _samples(),
        _estimates(),
        _grid(),
        _networks(),
        mart_policy_sensitivity,
        _survival(),
        _rerun(),
        mart_actor_evaluation,
    ]


def _samples() -> dg.AssetsDefinition:
    """Samples, cuts and suspect stars: one step, as they read the same tables."""

    @dg.multi_asset(
        name="study_samples",
        specs=[
            spec_of(key, table, [INTERACTIONS if key == keys.STAR_SUSPECT else ACTIVITY])
            for key, table in SAMPLED.items()
        ],
        pool=keys.WAREHOUSE_POOL,
        retry_policy=retry_policy(),
    )
    def study_samples(installation: Installation) -> Iterator[dg.MaterializeResult[None]]:
        study = installation.settings().study
        with told_to_dagster(), installation.warehouse() as warehouse:
            drawn = sample.draw_samples(warehouse, study)
            with open_warehouse(warehouse, read_only=True) as connection:
                cut = cuts.top_cuts(connection, "marts.mart_repository_activity", study)
                suspects = stars.star_suspects(connection, "core.fct_interaction", study.name)
            shared = cuts.overlaps(cut, study.sample.top_n)
            made = ((cuts.CUT, cut), (cuts.OVERLAP, shared), (stars.SUSPECT, suspects))
            replace_study(
                warehouse, study.name, [(table, table_of(table, rows)) for table, rows in made]
            )
        state = "unchanged" if drawn.is_unchanged else "drawn anew"
        flagged = sum(row["is_star_suspect"] for row in suspects)
        yield kept(keys.SAMPLE_STRATUM, study.name, drawn.strata, state=state)
        yield kept(keys.SAMPLE_CUT_OFF, study.name, drawn.cut_offs, state=state)
        yield kept(keys.SAMPLE_MEMBER, study.name, (), drawn.member_count, state=state)
        yield kept(keys.TOP_CUT, study.name, cut)
        yield kept(keys.TOP_CUT_OVERLAP, study.name, shared)
        yield kept(keys.STAR_SUSPECT, study.name, suspects, suspect=flagged)

    return study_samples


def _estimates() -> dg.AssetsDefinition:
    @dg.asset(
        key=keys.INTENSITY_ESTIMATE,
        deps=[ACTIVITY, keys.SAMPLE_STRATUM, keys.SAMPLE_MEMBER],
        kinds={"python", "numpy", "duckdb"},
        description=ESTIMATED,
        **_shared(intensity.ESTIMATE, _of_estimates()),
    )
    def mart_intensity_estimate(installation: Installation) -> dg.MaterializeResult[None]:
        study = installation.settings().study
        with told_to_dagster(), installation.warehouse() as warehouse:
            rows = intensity.estimate_intensity(warehouse, study)
        measured = [row for row in rows if row["status"] == "measured"]
        return kept(
            keys.INTENSITY_ESTIMATE,
            study.name,
            measured,
            len(rows),
            coverage=f"{len(measured)} of {len(rows)} figures measured",
        )

    made: dg.AssetsDefinition = mart_intensity_estimate
    return made


def _grid() -> dg.AssetsDefinition:
    """All figures of all cells: one step, as they are of the same arrays."""

    @dg.multi_asset(
        name="study_grid",
        specs=[
            spec_of(
                key,
                table,
                [INTENSITY, ACTIVITY, keys.SAMPLE_MEMBER, keys.TOP_CUT],
                _of_counts(table),
            )
            for key, table in OF_GRID.items()
        ],
        pool=keys.WAREHOUSE_POOL,
        retry_policy=retry_policy(),
    )
    def study_grid(installation: Installation) -> Iterator[dg.MaterializeResult[None]]:
        study = installation.settings().study
        with told_to_dagster(), installation.warehouse() as warehouse:
            made = grid.compute_grid(warehouse, study)
        for key, table in OF_GRID.items():
            taken = sum(1 for name, _ in made.taken_over if name == table.name)
            yield kept(
                key,
                study.name,
                made.rows[table.name],
                day=str(made.day),
                cells=len(made.cells),
                cells_taken_over=taken,
            )

    return study_grid


def _networks() -> dg.AssetsDefinition:
    """All networks: one step, as they are of the same acts."""

    @dg.multi_asset(
        name="study_networks",
        specs=[
            spec_of(
                key,
                table,
                [DAILY_ACTS, ACTORS, LINEAGE, AFFILIATIONS, ACTIVITY, keys.TOP_CUT]
                if table is not network_tables.ESTIMATE
                else [DAILY_ACTS, ACTORS, ACTIVITY, keys.SAMPLE_STRATUM, keys.SAMPLE_MEMBER],
                _of_acts(table),
            )
            for key, table in OF_NETWORKS.items()
        ],
        pool=keys.WAREHOUSE_POOL,
        retry_policy=retry_policy(),
    )
    def study_networks(installation: Installation) -> Iterator[dg.MaterializeResult[None]]:
        study = installation.settings().study
        with told_to_dagster(), installation.warehouse() as warehouse:
            made = networks.compute_networks(warehouse, study)
        for key, table in OF_NETWORKS.items():
            yield kept(
                key,
                study.name,
                made.rows[table.name],
                day=str(made.day),
                networks=len(made.rows[network_tables.SUMMARY.name]),
                networks_taken_over=made.taken_over,
            )

    return study_networks


def _survival() -> dg.AssetsDefinition:
    @dg.asset(
        key=keys.SURVIVAL,
        deps=[ACTIVITY, INTERACTIONS, keys.SAMPLE_MEMBER, keys.COMPARISON],
        kinds={"python", "numpy", "duckdb"},
        description=SURVIVED,
        **_shared(
            marts.SURVIVAL,
            {
                name: [(INTERACTIONS, "occurred_at"), (ACTIVITY, "created_at")]
                for name in marts.SURVIVAL.column_names
                if name.endswith("_count") or name.startswith("survival")
            },
        ),
    )
    def mart_activity_survival(installation: Installation) -> dg.MaterializeResult[None]:
        study = installation.settings().study
        with told_to_dagster(), installation.warehouse() as warehouse:
            rows = _of_newest_day(
                warehouse,
                study.name,
                marts.SURVIVAL,
                lambda connection, day: survival.activity_survival(
                    connection,
                    study.name,
                    day,
                    study.grid.silence_days,
                    designs=study.sample.designs,
                    most_repositories=study.grid.most_repositories,
                    seed=study.seed,
                ),
            )
        return kept(keys.SURVIVAL, study.name, rows)

    made: dg.AssetsDefinition = mart_activity_survival
    return made


def _rerun() -> dg.AssetsDefinition:
    @dg.asset(
        key=keys.RERUN,
        deps=[
            *OF_GRID,
            keys.NETWORK_SUMMARY,
            keys.THEME_PREVALENCE,
            keys.MESSAGE_QUALITY,
            CLAIMS,
        ],
        kinds={"python", "duckdb"},
        description=RERUN,
        **_shared(marts.RERUN, {}),
    )
    def mart_study_rerun(installation: Installation) -> dg.MaterializeResult[None]:
        settings = installation.settings()
        with told_to_dagster(), installation.warehouse() as warehouse:
            planted = planted_truth(settings.publish.planted)
            rows = _of_newest_day(
                warehouse,
                settings.study.name,
                marts.RERUN,
                lambda connection, day: rerun.study_rerun(
                    connection,
                    settings.study.name,
                    day,
                    planted,
                    reference_cell(settings.study),
                    reference_cells(settings.study),
                ),
            )
        verdicts = Counter(row["verdict"] for row in rows)
        told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        return kept(keys.RERUN, settings.study.name, rows, coverage=told)

    made: dg.AssetsDefinition = mart_study_rerun
    return made


def _of_newest_day(
    warehouse: Path,
    study: str,
    table: StudyTable,
    compute: Callable[["duckdb.DuckDBPyConnection", date], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """Compute and keep the rows of the day that the grid has figures of."""
    with open_warehouse(warehouse, read_only=True) as connection:
        day = grid.newest_day(connection, study)
        rows = compute(connection, day)
    replace_study(warehouse, study, [(table, table_of(table, rows))], day)
    return rows


def spec_of(
    key: dg.AssetKey,
    table: StudyTable,
    deps: Sequence[dg.AssetKey],
    origins: Origins | None = None,
) -> dg.AssetSpec:
    """The specification of a table that is made together with others."""
    return dg.AssetSpec(
        key,
        deps=deps,
        group_name=keys.STUDY,
        kinds={"python", "duckdb"},
        owners=keys.ANALYSTS,
        description=table.comment,
        metadata={
            **({"dagster/column_lineage": metadata.lineage(origins)} if origins else {}),
            "dagster/column_schema": metadata.table_schema(
                {name: kind for name, kind, _ in table.columns},
                {name: told for name, _, told in table.columns},
            ),
        },
    )


def kept(
    key: dg.AssetKey,
    study: str,
    rows: Sequence[Mapping[str, Any]],
    row_count: int | None = None,
    **told: int | str,
) -> dg.MaterializeResult[None]:
    """What the UI shows of a table that was made: rows, a preview, and what is told."""
    return metadata.result(
        asset_key=key,
        metadata={
            "dagster/row_count": len(rows) if row_count is None else row_count,
            "study": study,
            "preview": metadata.table(rows[: metadata.PREVIEW_ROWS]),
            **told,
        },
    )


def _of_counts(table: StudyTable) -> Origins:
    """Every figure is made of the features' counts, of the repositories of its cell."""
    origins = [(INTENSITY, column) for column in COUNTS]
    named = {name for name, _, _ in marts.CELL} | {"platform", "feature", "input_hash"}
    figures = [name for name in table.column_names if name not in named]
    return {**dict.fromkeys(figures, origins), "bot_policy": [(INTENSITY, "bot_policy")]}


def _of_acts(table: StudyTable) -> Origins:
    """Every figure is made of who acted where and when, among the repositories of a cut."""
    acts = [(DAILY_ACTS, name) for name in ("actor_key", "repository_key", "first_at", "last_at")]
    is_sampled = table is network_tables.ESTIMATE
    origins = [*acts, (keys.SAMPLE_MEMBER, "weight") if is_sampled else (keys.TOP_CUT, "place")]
    named = {name for name, _, _ in network_tables.CELL} | {"input_hash", "reason"}
    figures = dict.fromkeys((name for name in table.column_names if name not in named), origins)
    organised = {
        name: [*origins, (AFFILIATIONS, "organisation_key")]
        for name in figures
        if name.startswith("organisation_")
    }
    return {**figures, **organised}


def _of_estimates() -> Origins:
    """Every value is made of the features' columns, of the repositories that were drawn."""
    origins = [(ACTIVITY, column) for column in COUNTS]
    names = ("unweighted_value", "weighted_value", "standard_error", "low", "high")
    weighted = [*origins, (keys.SAMPLE_MEMBER, "weight")]
    return dict.fromkeys(names, weighted)


def _shared(table: StudyTable, origins: Origins) -> dict[str, Any]:
    """What the assets of the study have in common."""
    return {
        "group_name": keys.STUDY,
        "owners": keys.ANALYSTS,
        "pool": keys.WAREHOUSE_POOL,
        "retry_policy": retry_policy(),
        "metadata": {
            "dagster/column_schema": metadata.table_schema(
                {name: kind for name, kind, _ in table.columns},
                {name: told for name, _, told in table.columns},
            ),
            "dagster/column_lineage": metadata.lineage(origins),
        },
    }


def _made(rows: Sequence[Mapping[str, Any]], study: str, **told: str) -> dg.MaterializeResult[None]:
    return metadata.result(
        metadata={
            "dagster/row_count": len(rows),
            "study": study,
            "preview": metadata.table([_shown(row) for row in rows]),
            **told,
        }
    )


def _of_sensitivity() -> Origins:
    """Every value is one of the summary's or of the comparison's columns."""
    origins = [
        *((keys.INTENSITY_SUMMARY, column) for column in sensitivity.OF_A_PLATFORM.values()),
        *((keys.COMPARISON, column) for column in sensitivity.OF_BOTH.values()),
    ]
    names = [name for name in sensitivity.TABLE.column_names if name.endswith(("_value", "_share"))]
    return dict.fromkeys(names, origins)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a preview has room for."""
    left_out = ("study", "github_maximum", "huggingface_maximum", "p_value", "reason")
    return {name: value for name, value in row.items() if name not in left_out}
