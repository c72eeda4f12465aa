"""The command that runs dbt, as a process of the platform.

Belongs here: what is set before dbt begins. Does not belong here: dbt's arguments
(assets.warehouse, orchestration.manifest).
"""

import orchestration.memory  # noqa: F401  # isort: skip
from typing import Any

from dbt.cli.main import cli
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.event_manager_client import ctx_set_event_manager

FOR_DEBUGGING = (EventLevel.DEBUG, EventLevel.TEST)


class WrittenEvents(EventManager):
    """dbt's events, without those for debugging where no log is to have them.

    dbt makes the line of each for each log before it looks whether that log takes its level.
    """

    def fire_event(
        self,
        e: BaseEvent,
        level: EventLevel | None = None,
        node: Any = None,
        force_warn_or_error_handling: bool = False,
    ) -> None:
        """Tell the logs of an event that one of them takes."""
        if (level or e.level_tag()) not in FOR_DEBUGGING or any(
            logger.level in FOR_DEBUGGING for logger in self.loggers
        ):
            super().fire_event(e, level, node, force_warn_or_error_handling)


def main() -> None:
    """What `dbt` does, with its arguments and exit codes."""
    # pyrefly: ignore[bad-argument-type] - dbt's own manager is none by dbt's protocol either
    ctx_set_event_manager(WrittenEvents())
    cli()
