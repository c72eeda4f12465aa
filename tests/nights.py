"""What a whole night of a test leaves out where nothing is asserted of it.

Belongs here: settings and files that make a night cheaper and its tables no other. Does not belong
here: checks.
"""

from assets.warehouse.lineage import LineageStore
from orchestration.manifest import dbt_manifest
from orchestration.settings import Settings, StudySettings


def few_draws(study: StudySettings) -> StudySettings:
    """The same cells, figures and networks, with the fewest draws behind each interval."""
    networks = {"null_draws": 2, "community_runs": 5, "unlisted_runs": 1}
    return study.model_copy(
        update={
            "grid": study.grid.model_copy(update={"bootstrap_draws": 100}),
            "networks": study.networks.model_copy(update=networks),
        }
    )


def know_lineage(settings: Settings) -> None:
    """Let no column's lineage be worked out: what models are made of is known to be nothing."""
    manifest = dbt_manifest(settings)
    LineageStore(settings.dbt_dir.resolve(), manifest).learn(
        {name: {} for name in manifest["nodes"]}
    )
