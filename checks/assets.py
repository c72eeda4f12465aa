"""The checks as Dagster asset checks.

Belongs here: which check stands on which asset, which of them block, what the UI shows. Does
not belong here: what is checked (the other modules). Assets are named by key only.

The checks of an asset share a step: they read the same files, and a step costs more than most of
them. All of a step's outcomes are reported before one that blocks stops what comes after.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from checks import (
    coverage,
    expectations,
    figures,
    ledger,
    mining,
    networks,
    privacy,
    recency,
    sampling,
    themes,
)
from checks.outcome import CheckOutcome
from checks.suites import SUITES
from checks.warehouse import kept_open
from orchestration import keys, metadata
from orchestration.lake import Lake
from orchestration.privacy.optout import accounts, read
from orchestration.resources import Installation, told_to_dagster

ARCHIVE = ("gharchive", "events")
GITHUB, HUB = "github", "huggingface"
SUITE_KEYS = {
    "mart_repository_activity": keys.mart("mart_repository_activity"),
    "mart_polling_estimate": keys.mart("mart_polling_estimate"),
    "mart_policy_sensitivity": keys.SENSITIVITY,
    "mart_actor_class": keys.mart("mart_actor_class"),
    "mart_actor_evaluation": keys.ACTOR_EVALUATION,
}
PARTITION_TAG = "dagster/partition"
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass(frozen=True)
class Planned:
    """One check before it is one of Dagster.

    Attributes:
        is_blocking: whether a failure with severity `error` stops what comes after the asset.
    """

    name: str
    description: str
    is_blocking: bool


Evaluate = Callable[[dg.AssetCheckExecutionContext, Installation], Iterable[CheckOutcome]]
EvaluateAll = Callable[
    [dg.AssetCheckExecutionContext, Installation], Iterable[tuple[dg.AssetKey, CheckOutcome]]
]

_ARCHIVE = (
    Planned("hours_loaded", "Hours of the file days that are loaded and whole.", True),
    Planned(
        "ledger_adds_up", "Lines are events, duplicates, bad lines; files are as stated.", True
    ),
    Planned("malformed_share", "At most 1 % of an hour's lines could not be read.", True),
    Planned("no_raw_addresses", "No e-mail address in a sample of the landed text.", True),
    Planned("eras_and_types_known", "Every event has a known payload era and type.", True),
    Planned("payload_keys_known", "No known type carries a payload key that is not known.", False),
    Planned("newest_day_recent", "The newest loaded day is the newest to be expected.", False),
)
_LEDGER = Planned(
    "ledger_adds_up", "Files of the newest observation are as the ledger states.", True
)
_MALFORMED = Planned("malformed_share", "At most 1 % of a file's lines could not be read.", True)
_PRIVACY = Planned("no_raw_addresses", "No e-mail address in a sample of the landed text.", True)
_ROWS = Planned(
    "rows_observed", "The newest observation has rows, not far fewer than before.", True
)
_RECENT = Planned(
    "newest_observation_recent", "The platform was observed lately, where it is live.", False
)
_HOLD = Planned(
    "answers_hold", "Most questions that were answered before are answered again.", True
)
_LIMITS = Planned("limits_kept", "No request was refused by a limit.", False)
# What is landed of every table, and beyond that of some.
_LANDED = (_LEDGER, _MALFORMED, _PRIVACY)
_LISTED = (_ROWS, *_LANDED, _RECENT)
_GITHUB = {
    key: {
        keys.GITHUB_ANSWERS: (*_LANDED, _HOLD, _RECENT),
        keys.GITHUB_REQUESTS: (*_LANDED, _LIMITS),
    }.get(key, _LANDED)
    for key in keys.GITHUB_SNAPSHOT
}
_HUB = {
    key: {
        **dict.fromkeys(
            (keys.HUB_MODELS, keys.HUB_DATASETS, keys.HUB_SPACES, keys.HUB_COMMITS,
             keys.HUB_DISCUSSIONS), _LISTED,
        ),
        keys.HUB_ANSWERS: (*_LANDED, _HOLD, _RECENT),
        keys.HUB_REQUESTS: (*_LANDED, _LIMITS),
    }.get(key, _LANDED)
    for key in keys.HUB_SNAPSHOT
}  # fmt: skip
_COVERAGE = Planned(
    "coverage_is_told", "Completeness is a share, and no day is left out of the mart.", True
)
_PUBLISHED = Planned(
    "copy_equals_warehouse", "Every published mart has the rows of the warehouse.", True
)
_PSEUDONYMOUS = Planned(
    "published_is_pseudonymous",
    "No login of a person, no key of an account, nothing of who opted out is in the copy.",
    True,
)
_SAMPLED = {
    keys.SAMPLE_STRATUM: (
        Planned("counts_add_up", "What was drawn, rejected and kept adds up to the frame.", True),
    ),
    keys.SAMPLE_MEMBER: (
        Planned("weights_stand_for_strata", "The units' weights sum to their strata's.", True),
        Planned("numbers_are_permanent", "Random numbers follow from seed and key alone.", True),
    ),
}
_GRAIN = Planned("grain_is_unique", "No figure is there twice, and each has its names.", True)
_FIT = Planned("figures_fit", "Figures satisfy the identities and orders they must.", True)
_WHOLE = Planned("cells_are_whole", "Every cell has all figures, not measurable ones too.", True)
_FIGURES = {
    keys.INTENSITY_SUMMARY: (_GRAIN, _FIT, _WHOLE),
    keys.CORRELATION: (_GRAIN, _FIT, _WHOLE),
    keys.COMPARISON: (_GRAIN, _FIT, _WHOLE),
    keys.DISTRIBUTION: (
        _GRAIN,
        _FIT,
        Planned("bins_add_up", "Bins hold what the summary describes.", True),
    ),
}
_SURVIVAL = (_GRAIN, _FIT, Planned("survival_falls", "Shares fall with age.", True))
_RERUN = (_GRAIN, _FIT, Planned("claims_are_all_there", "Every claim has its row.", True))
_NETWORKS = {
    keys.NETWORK_SUMMARY: (_GRAIN, _FIT),
    keys.NETWORK_DEGREE: (
        _GRAIN,
        _FIT,
        Planned("degrees_add_up", "Degrees are of what the summary tells.", True),
    ),
    keys.NETWORK_SENSITIVITY: (_GRAIN, _FIT),
    keys.NETWORK_MEASURE: (_GRAIN, _FIT),
    keys.NETWORK_COMMUNITY: (_GRAIN, _FIT),
    keys.NETWORK_BLOCK: (
        _GRAIN,
        _FIT,
        Planned("blocks_are_within", "Blocks are within their communities.", True),
    ),
    keys.NETWORK_LAYOUT: (_GRAIN, _FIT),
    keys.NETWORK_ESTIMATE: (
        _GRAIN,
        _FIT,
        Planned("degrees_are_of_links", "Degrees and density are of the links estimated.", True),
    ),
}
_SHARES = Planned("shares_add_up", "Shares of a group sum to 1.", True)
_THEMES = {
    keys.THEME_PREVALENCE: (
        _GRAIN,
        _FIT,
        Planned("themes_add_up", "Every slice has each theme, and shares sum to 1.", True),
    ),
    keys.THEME_AGREEMENT: (_GRAIN, _FIT),
    keys.THEME_FRAME: (_GRAIN, _FIT, _SHARES),
    keys.MESSAGE_QUALITY: (_GRAIN, _FIT, _SHARES),
    keys.TEXT_ESTIMATE: (_GRAIN, _FIT, _SHARES),
}
_CODINGS = Planned("codings_are_whole", "Every coding has each theme and one primary.", True)
_ESTIMATED = Planned(
    "estimates_hold", "All figures are there, and each lies within its interval.", True
)


def build_checks() -> list[dg.AssetChecksDefinition]:
    """All checks of an installation; what they look at comes with the resource `installation`."""
    return [
        _step("check_archive", keys.ARCHIVE_EVENTS, _ARCHIVE, _archive),
        _steps("check_github", _GITHUB, _github),
        _steps("check_huggingface", _HUB, _huggingface),
        *(_suite_step(table, key) for table, key in SUITE_KEYS.items()),
        _step("check_coverage", keys.mart("mart_coverage"), (_COVERAGE,), _coverage, True),
        _steps("check_samples", _SAMPLED, _samples, True),
        _step("check_estimates", keys.INTENSITY_ESTIMATE, (_ESTIMATED,), _estimates, True),
        _figures_step("check_figures", _FIGURES),
        _figures_step("check_networks", _NETWORKS),
        _step("check_codings", keys.MESSAGE_THEME, (_CODINGS,), _codings, True),
        _figures_step("check_themes", _THEMES),
        _figures_step("check_survival", {keys.SURVIVAL: _SURVIVAL}),
        _figures_step("check_rerun", {keys.RERUN: _RERUN}),
        _step("check_published", keys.PUBLISHED, (_PUBLISHED, _PSEUDONYMOUS), _published, True),
    ]


def _step(
    name: str,
    key: dg.AssetKey,
    planned: Sequence[Planned],
    evaluate: Evaluate,
    uses_warehouse: bool = False,
) -> dg.AssetChecksDefinition:
    """One step that reports the planned checks of one asset."""

    def evaluate_one(
        context: dg.AssetCheckExecutionContext, installation: Installation
    ) -> Iterator[tuple[dg.AssetKey, CheckOutcome]]:
        for outcome in evaluate(context, installation):
            yield key, outcome

    return _steps(name, {key: planned}, evaluate_one, uses_warehouse)


def _steps(
    name: str,
    planned: Mapping[dg.AssetKey, Sequence[Planned]],
    evaluate: EvaluateAll,
    uses_warehouse: bool = False,
) -> dg.AssetChecksDefinition:
    """One step that reports the planned checks of assets that are made together."""

    @dg.multi_asset_check(
        name=name,
        specs=[
            dg.AssetCheckSpec(
                one.name, asset=key, description=one.description, blocking=one.is_blocking
            )
            for key, several in planned.items()
            for one in several
        ],
        pool=keys.WAREHOUSE_POOL if uses_warehouse else None,
    )
    def checks_of_assets(
        context: dg.AssetCheckExecutionContext, installation: Installation
    ) -> Iterator[dg.AssetCheckResult]:
        with told_to_dagster():
            for key, outcome in evaluate(context, installation):
                if not outcome.passed:
                    told = f"{key.to_user_string()}: {outcome.name}: {outcome.description}"
                    context.log.warning(told)
                yield result(key, outcome)

    return checks_of_assets


def result(key: dg.AssetKey, outcome: CheckOutcome) -> dg.AssetCheckResult:
    """An outcome as Dagster has it."""
    is_error = outcome.severity == "error"
    return dg.AssetCheckResult(
        passed=outcome.passed,
        asset_key=key,
        check_name=outcome.name,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=outcome.description,
        metadata={name: _shown(value) for name, value in outcome.metadata.items()},
    )


def days_of_run(tags: Mapping[str, str], lake: Lake) -> list[date]:
    """The days a run is about: its partition or range, else the newest day of the lake.

    Read off the run's tags: a check has no partitions of its own, so Dagster's context knows
    them in some jobs only.
    """
    if PARTITION_TAG in tags:
        return [date.fromisoformat(tags[PARTITION_TAG])]
    if all(tag in tags for tag in RANGE_TAGS):
        first, last = (date.fromisoformat(tags[tag]) for tag in RANGE_TAGS)
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return lake.days(*ARCHIVE)[-1:]


def _archive(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> Iterator[CheckOutcome]:
    lake, settings = installation.lake(), installation.settings()
    days = days_of_run(context.run.tags, lake)
    files = [file for day in days for file in lake.partition(*ARCHIVE, day).current_files()]
    yield coverage.archive_hours(lake, days, coverage.known_gap_hours())
    yield ledger.archive_ledger(lake, days)
    yield ledger.archive_malformed(lake, days)
    yield privacy.no_addresses(files)
    yield ledger.archive_kinds(lake, days)
    yield ledger.archive_new_keys(lake, days)
    still = recency.archive_stands_still(settings.archive.sources)
    yield recency.archive_recency(lake, _now(), still)


def _github(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> Iterator[tuple[dg.AssetKey, CheckOutcome]]:
    del context
    settings, lake = installation.settings(), installation.lake()
    still = recency.github_stands_still(settings.github, bool(settings.github_tokens()))
    for key in _GITHUB:
        for outcome in _landed(lake, GITHUB, key.path[-1]):
            yield key, outcome
    yield keys.GITHUB_ANSWERS, mining.answers_hold(lake, GITHUB)
    recent = recency.snapshot_recency(lake, GITHUB, mining.ANSWERS, _now(), still)
    yield keys.GITHUB_ANSWERS, recent
    yield keys.GITHUB_REQUESTS, mining.limits_kept(lake, GITHUB)


def _huggingface(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> Iterator[tuple[dg.AssetKey, CheckOutcome]]:
    del context
    lake, hub = installation.lake(), installation.settings().huggingface
    still = recency.hub_stands_still(hub)
    for key, planned in _HUB.items():
        table = key.path[-1]
        if _ROWS in planned:
            # All else is there only where it was mined so deep.
            is_required = table == "models" and hub.source != "off"
            is_required = is_required and "model" in hub.repository_types
            yield key, coverage.hub_rows(lake, table, is_required)
        for outcome in _landed(lake, HUB, table):
            yield key, outcome
        if _RECENT in planned:
            yield key, recency.snapshot_recency(lake, HUB, table, _now(), still)
    yield keys.HUB_ANSWERS, mining.answers_hold(lake, HUB)
    yield keys.HUB_REQUESTS, mining.limits_kept(lake, HUB)


def _landed(lake: Lake, source: str, table: str) -> Iterator[CheckOutcome]:
    """The newest observation of a table, whatever it holds."""
    files = [
        file
        for day in lake.days(source, table)[-1:]
        for file in lake.partition(source, table, day).current_files()
    ]
    yield ledger.snapshot_ledger(lake, source, table)
    yield ledger.snapshot_malformed(lake, source, table)
    yield privacy.no_addresses(files)


def _suite_step(table: str, key: dg.AssetKey) -> dg.AssetChecksDefinition:
    """The rules of a suite, one check each; errors on a published mart block."""

    def evaluate(
        context: dg.AssetCheckExecutionContext, installation: Installation
    ) -> Iterable[CheckOutcome]:
        del context
        suite = SUITES[table](_now())
        with _warehouse(installation) as warehouse:
            frame = expectations.read_frame(warehouse, suite)
        return expectations.evaluate(suite, frame)

    # Names and severities do not depend on the time.
    planned = [Planned(rule.name, rule.why, True) for rule in SUITES[table](_now()).rules]
    return _step(f"check_{table}", key, planned, evaluate, True)


def _coverage(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> Iterable[CheckOutcome]:
    del context
    days = installation.lake().days(*ARCHIVE)
    with _warehouse(installation) as warehouse:
        return [coverage.coverage_mart(warehouse, days)]


def _samples(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> Iterator[tuple[dg.AssetKey, CheckOutcome]]:
    del context
    study = installation.settings().study.name
    with _warehouse(installation) as warehouse:
        yield keys.SAMPLE_STRATUM, sampling.counts_add_up(warehouse, study)
        yield keys.SAMPLE_MEMBER, sampling.weights_stand_for_strata(warehouse, study)
        yield keys.SAMPLE_MEMBER, sampling.numbers_are_permanent(warehouse, study)


def _estimates(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> Iterable[CheckOutcome]:
    del context
    study = installation.settings().study
    with _warehouse(installation) as warehouse:
        return [sampling.estimates_hold(warehouse, study.name, study.sample.designs)]


def _codings(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> Iterable[CheckOutcome]:
    del context
    with _warehouse(installation) as warehouse:
        return [themes.codings_are_whole(warehouse)]


@contextmanager
def _warehouse(installation: Installation) -> Iterator[Path]:
    """The warehouse, opened once for all that a step's checks ask of it."""
    with installation.warehouse() as path, kept_open(warehouse=path):
        yield path


def _figures_step(
    name: str, planned: Mapping[dg.AssetKey, Sequence[Planned]]
) -> dg.AssetChecksDefinition:
    """The checks of marts of the study's figures."""
    all_rules = {**figures.RULES, **networks.RULES, **themes.RULES}
    all_checks = {**figures.CHECKS, **networks.CHECKS, **themes.CHECKS}

    def evaluate(
        context: dg.AssetCheckExecutionContext, installation: Installation
    ) -> Iterator[tuple[dg.AssetKey, CheckOutcome]]:
        del context
        study = installation.settings().study.name
        with _warehouse(installation) as warehouse:
            for key, several in planned.items():
                rules = all_rules[".".join(key.path)]
                for one in several:
                    yield key, all_checks[one.name](warehouse, study, rules)

    return _steps(name, planned, evaluate, True)


def _published(
    context: dg.AssetCheckExecutionContext, installation: Installation
) -> Iterable[CheckOutcome]:
    del context
    settings = installation.settings()
    opted_out = accounts(read(settings.opt_out_path))
    with _warehouse(installation) as warehouse:
        return [
            coverage.published_copy(warehouse, settings.published_dir),
            privacy.published_is_pseudonymous(
                warehouse, settings.published_dir, settings.privacy.published_names, opted_out
            ),
        ]


def _now() -> datetime:
    """UTC without zone, as the lake and the warehouse have times."""
    return datetime.now(UTC).replace(tzinfo=None)


def _shown(value: Any) -> Any:
    """A value of an outcome for the UI: rows as a table, what was mined as plain text."""
    if isinstance(value, list):
        return metadata.table(value)
    return value if isinstance(value, int | float) else dg.MetadataValue.text(str(value))
