"""The command that runs dbt, as a process of the platform.

Belongs here: what is set before dbt begins. Does not belong here: dbt's arguments
(assets.warehouse, orchestration.manifest).
"""

import orchestration.memory  # noqa: F401  # isort: skip
from dbt.cli.main import cli


def main() -> None:
    """What `dbt` does, with its arguments and exit codes."""
    cli()
