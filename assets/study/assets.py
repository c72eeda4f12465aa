"""The study's results as Dagster assets.

Belongs here: keys, metadata and column lineage of the assets. Does not belong here: estimators
and the choice of what is compared (statistics, comparison), samples and what is estimated of them
(sample, intensity), cuts and suspect stars (cuts, stars).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.study import classification, comparison, cuts, intensity, sample, sensitivity, stars
from assets.study.tables import StudyTable, open_warehouse, replace_study, table_of
from orchestration import keys, metadata
from orchestration.resources import Installation, retry_policy, told_to_dagster

COMPARED = """GitHub against the Hugging Face Hub: mean, median and maximum of commits,
discussions and stars per repository, with the Mann-Whitney U test of each (Holm-corrected) and
Cliff's delta, under each bot policy. The paper's table 2 on the data of this installation; a
feature that cannot be measured here says why."""
SENSITIVE = """Each headline figure under each bot policy: nobody left out, the published rule, only
what is certainly automated, all that probably is; and how far apart they are."""
INTENSITY = dg.AssetKey(["intermediate", "int_repository_intensity__measured"])
SUMMARY = keys.mart("mart_intensity_summary")
ACTIVITY = keys.mart("mart_repository_activity")
INTERACTIONS = dg.AssetKey(["core", "fct_interaction"])
SAMPLED = {
    keys.SAMPLE_STRATUM: sample.STRATUM,
    keys.SAMPLE_MEMBER: sample.MEMBER,
    keys.TOP_CUT: cuts.CUT,
    keys.TOP_CUT_OVERLAP: cuts.OVERLAP,
    keys.STAR_SUSPECT: stars.SUSPECT,
}
EVALUATED = """How well each layer of the classification of accounts does on labelled accounts, as
`osmoscope actors evaluate --keep` measured it; no rows where nothing was kept."""
ESTIMATED = """What the samples say of each platform: mean, median, total and share of zeros of
commits, discussions and stars, of the sample as it is and weighted by its design, with standard
errors and intervals of 95 %. The published study compares the unweighted figures."""

Origins = Mapping[str, Sequence[tuple[dg.AssetKey, str]]]


def study_assets() -> list[dg.AssetsDefinition]:
    """The assets of the study."""

    @dg.asset(
        key=keys.COMPARISON,
        deps=[INTENSITY],
        kinds={"python", "scipy", "duckdb"},
        description=COMPARED,
        **_shared(comparison.TABLE, _of_comparison()),
    )
    def mart_platform_comparison(installation: Installation) -> dg.MaterializeResult[None]:
        study = installation.settings().study.name
        with told_to_dagster(), installation.warehouse() as warehouse:
            rows = comparison.platform_comparison(warehouse, study)
        measured = [row for row in rows if row["status"] == "measured"]
        return _made(rows, study, coverage=f"{len(measured)} of {len(rows)} features measured")

    @dg.asset(
        key=keys.SENSITIVITY,
        deps=[SUMMARY, keys.COMPARISON],
        kinds={"python", "duckdb"},
        description=SENSITIVE,
        **_shared(sensitivity.TABLE, _of_sensitivity()),
    )
    def mart_policy_sensitivity(installation: Installation) -> dg.MaterializeResult[None]:
        study = installation.settings().study.name
        with told_to_dagster(), installation.warehouse() as warehouse:
            rows = sensitivity.policy_sensitivity(warehouse, study)
        moved = sum(1 for row in rows if row["range_value"])
        return _made(rows, study, coverage=f"{moved} of {len(rows)} figures depend on the policy")

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
        mart_platform_comparison,
        mart_policy_sensitivity,
        mart_actor_evaluation,
        _samples(),
        _estimates(),
    ]


def _samples() -> dg.AssetsDefinition:
    """Samples, cuts and suspect stars: one step, as they read the same tables."""

    @dg.multi_asset(
        name="study_samples",
        specs=[_spec(key, table) for key, table in SAMPLED.items()],
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
            kept = ((cuts.CUT, cut), (cuts.OVERLAP, shared), (stars.SUSPECT, suspects))
            replace_study(
                warehouse, study.name, [(table, table_of(table, rows)) for table, rows in kept]
            )
        state = "unchanged" if drawn.is_unchanged else "drawn anew"
        flagged = sum(row["is_star_suspect"] for row in suspects)
        yield _kept(keys.SAMPLE_STRATUM, study.name, drawn.strata, state=state)
        yield _kept(keys.SAMPLE_MEMBER, study.name, (), drawn.member_count, state=state)
        yield _kept(keys.TOP_CUT, study.name, cut)
        yield _kept(keys.TOP_CUT_OVERLAP, study.name, shared)
        yield _kept(keys.STAR_SUSPECT, study.name, suspects, suspect=flagged)

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
        return _kept(
            keys.INTENSITY_ESTIMATE,
            study.name,
            measured,
            len(rows),
            coverage=f"{len(measured)} of {len(rows)} figures measured",
        )

    made: dg.AssetsDefinition = mart_intensity_estimate
    return made


def _spec(key: dg.AssetKey, table: StudyTable) -> dg.AssetSpec:
    """A table of the schema `study`."""
    return dg.AssetSpec(
        key,
        deps=[INTERACTIONS if key == keys.STAR_SUSPECT else ACTIVITY],
        group_name=keys.STUDY,
        kinds={"python", "duckdb"},
        owners=keys.ANALYSTS,
        description=table.comment,
        metadata={
            "dagster/column_schema": metadata.table_schema(
                {name: kind for name, kind, _ in table.columns},
                {name: told for name, _, told in table.columns},
            )
        },
    )


def _kept(
    key: dg.AssetKey,
    study: str,
    rows: Sequence[Mapping[str, Any]],
    row_count: int | None = None,
    **told: int | str,
) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(
        asset_key=key,
        metadata={
            "dagster/row_count": len(rows) if row_count is None else row_count,
            "study": study,
            "preview": metadata.table(rows[: metadata.PREVIEW_ROWS]),
            **told,
        },
    )


def _of_estimates() -> Origins:
    """Every value is made of the features' columns, of the repositories that were drawn."""
    columns = [column for of in comparison.FEATURES.values() for column in of.values()]
    origins = [(ACTIVITY, column) for column in columns]
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
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "study": study,
            "preview": metadata.table([_shown(row) for row in rows]),
            **told,
        }
    )


def _of_comparison() -> Origins:
    """Every measured column is made of the features' columns of either platform."""
    origins = [(INTENSITY, column) for column in comparison.INTENSITY_COLUMNS]
    own = {"study", "feature", "bot_policy"}
    names = [name for name in comparison.TABLE.column_names if name not in own]
    return {**dict.fromkeys(names, origins), "bot_policy": [(INTENSITY, "bot_policy")]}


def _of_sensitivity() -> Origins:
    """Every value is one of the summary's or of the comparison's columns."""
    origins = [
        *((SUMMARY, column) for column in sensitivity.OF_A_PLATFORM.values()),
        *((keys.COMPARISON, column) for column in sensitivity.OF_BOTH.values()),
    ]
    names = [name for name in sensitivity.TABLE.column_names if name.endswith(("_value", "_share"))]
    return dict.fromkeys(names, origins)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a preview has room for."""
    left_out = ("study", "github_maximum", "huggingface_maximum", "p_value", "reason")
    return {name: value for name, value in row.items() if name not in left_out}
