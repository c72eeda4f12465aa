"""Themes as Dagster assets: the corpus with its codings, and the figures.

Belongs here: keys, metadata and column lineage of the assets. Does not belong here: what they
compute (`corpus`, `coded`, `marts`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from assets.study.assets import Origins, kept, spec_of
from assets.study.population import window_of
from assets.study.tables import open_warehouse, replace_study, table_of
from assets.study.themes import coded, corpus, estimates, frame, marts, tables
from assets.study.themes.fieldwork import blank_texts
from assets.study.themes.labels import samples_folder
from orchestration import keys
from orchestration.resources import Installation, retry_policy, told_to_dagster

MESSAGES = dg.AssetKey(["core", "fct_message"])
ACTORS = dg.AssetKey(["core", "dim_actor"])
WORDED = dg.AssetKey(["intermediate", "int_commits__worded"])
ACTIVITY = keys.mart("mart_repository_activity")
CODED = {keys.MESSAGE_CORPUS: corpus.CORPUS, keys.MESSAGE_THEME: tables.CODED}
FIGURES = {
    keys.THEME_PREVALENCE: tables.PREVALENCE,
    keys.THEME_AGREEMENT: tables.AGREEMENT,
    keys.THEME_FRAME: tables.FRAME,
    keys.MESSAGE_QUALITY: tables.MESSAGE_QUALITY,
    keys.TEXT_ESTIMATE: tables.ESTIMATE,
}
OF_FIGURES: dict[dg.AssetKey, Sequence[dg.AssetKey]] = {
    keys.THEME_PREVALENCE: (keys.MESSAGE_CORPUS, keys.MESSAGE_THEME, ACTORS, keys.TOP_CUT),
    keys.THEME_AGREEMENT: (keys.MESSAGE_CORPUS, keys.MESSAGE_THEME, ACTORS, keys.TOP_CUT),
    keys.THEME_FRAME: (keys.MESSAGE_CORPUS, ACTORS, keys.TOP_CUT),
    keys.MESSAGE_QUALITY: (WORDED, keys.TOP_CUT),
    keys.TEXT_ESTIMATE: (
        keys.MESSAGE_CORPUS,
        keys.MESSAGE_THEME,
        ACTORS,
        WORDED,
        ACTIVITY,
        keys.TOP_CUT,
        keys.SAMPLE_STRATUM,
        keys.SAMPLE_MEMBER,
    ),
}


def theme_assets() -> list[dg.AssetsDefinition]:
    """The assets of themes and commit messages."""
    return [_codings(), _figures()]


def _codings() -> dg.AssetsDefinition:
    """The corpus and what coders say of it: one step, as coders read what the corpus finds."""

    @dg.multi_asset(
        name="study_codings",
        specs=[
            spec_of(keys.MESSAGE_CORPUS, corpus.CORPUS, [MESSAGES]),
            spec_of(
                keys.MESSAGE_THEME,
                tables.CODED,
                [keys.MESSAGE_CORPUS],
                {
                    "message_key": [(keys.MESSAGE_CORPUS, "message_key")],
                    "text_digest": [(keys.MESSAGE_CORPUS, "text_digest")],
                },
            ),
        ],
        pool=keys.WAREHOUSE_POOL,
        retry_policy=retry_policy(),
    )
    def study_codings(installation: Installation) -> Iterator[dg.MaterializeResult[None]]:
        settings = installation.settings()
        study = settings.study
        with told_to_dagster(), installation.warehouse() as warehouse:
            updated = corpus.update_corpus(warehouse)
            blank_texts(warehouse, samples_folder(settings.data_dir))
            by = coded.code_corpus(warehouse, study, settings.state_dir, settings.themes_dir)
            with open_warehouse(warehouse, read_only=True) as connection:
                counts = {
                    table.name: connection.execute(f"SELECT count(*) FROM {table.name}").fetchall()
                    for table in CODED.values()
                }
        told: dict[str, Any] = {name: int(rows[0][0]) for name, rows in counts.items()}
        yield kept(
            keys.MESSAGE_CORPUS,
            study.name,
            (),
            told[corpus.CORPUS.name],
            new=updated.new_count,
            gone=updated.gone_count,
            texts_read=updated.read_count,
            texts_not_found=updated.lost_count,
        )
        yield kept(
            keys.MESSAGE_THEME,
            study.name,
            [vars(one) for one in by],
            told[tables.CODED.name],
            coverage="; ".join(
                f"{one.coder}: {one.total_count:,} coded"
                + (f", stopped: {one.stopped}" if one.stopped else "")
                for one in by
            ),
        )

    return study_codings


def _figures() -> dg.AssetsDefinition:
    """Shares, agreement, frame and messages: one step, as they are of the same frame."""

    @dg.multi_asset(
        name="study_themes",
        specs=[
            spec_of(key, table, OF_FIGURES[key], _origins(key, table.column_names))
            for key, table in FIGURES.items()
        ],
        pool=keys.WAREHOUSE_POOL,
        retry_policy=retry_policy(),
    )
    def study_themes(installation: Installation) -> Iterator[dg.MaterializeResult[None]]:
        settings = installation.settings()
        study = settings.study
        with told_to_dagster(), installation.warehouse() as warehouse:
            samples = marts.verified_samples(samples_folder(settings.data_dir))
            with open_warehouse(warehouse, read_only=True) as connection:
                day = window_of(connection).day
                frame.frame_messages(connection, study)
                frame.coded_messages(connection, study.themes.abstain_below)
                frame.repository_commits(connection, study)
                rows = {
                    keys.THEME_PREVALENCE: marts.prevalence_rows(connection, study, day, samples),
                    keys.THEME_AGREEMENT: marts.agreement_mart(connection, study, day, samples),
                    keys.THEME_FRAME: corpus.frame(connection, study, day),
                    keys.MESSAGE_QUALITY: marts.message_rows(connection, study, day),
                    keys.TEXT_ESTIMATE: estimates.text_estimates(connection, study, day),
                }
            made = [(table, table_of(table, rows[key])) for key, table in FIGURES.items()]
            replace_study(warehouse, study.name, made, day)
        for key in FIGURES:
            yield kept(key, study.name, rows[key], day=str(day), samples=len(samples))

    return study_themes


def _origins(key: dg.AssetKey, columns: Sequence[str]) -> Origins:
    """Shares are of codings, counts of posts, messages of the rule's verdicts."""
    origins = {
        keys.THEME_PREVALENCE: [
            (keys.MESSAGE_THEME, "theme"),
            (keys.MESSAGE_THEME, "probability"),
            (keys.MESSAGE_CORPUS, "representative_key"),
        ],
        keys.THEME_AGREEMENT: [(keys.MESSAGE_THEME, "theme")],
        keys.THEME_FRAME: [(keys.MESSAGE_CORPUS, "state")],
        keys.MESSAGE_QUALITY: [(WORDED, "kind"), (WORDED, "condition")],
        keys.TEXT_ESTIMATE: [
            (keys.MESSAGE_THEME, "theme"),
            (keys.MESSAGE_CORPUS, "state"),
            (WORDED, "kind"),
            (keys.SAMPLE_MEMBER, "weight"),
        ],
    }[key]
    figures = [
        name
        for name in columns
        if name.endswith(("_count", "_share", "low", "high", "value", "standard_error"))
    ]
    return dict.fromkeys(figures, origins)
