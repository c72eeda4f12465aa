"""When jobs run.

Belongs here: schedules. Does not belong here: what a job does (jobs).
"""

from datetime import timedelta

import dagster as dg

from orchestration import keys
from orchestration.settings import Settings


def all_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedules of an installation."""

    @dg.schedule(
        name="nightly",
        job_name=keys.NIGHTLY_JOB,
        cron_schedule=settings.schedule.nightly_cron,
        execution_timezone="UTC",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING
            if settings.schedule.nightly_enabled
            else dg.DefaultScheduleStatus.STOPPED
        ),
        description="Yesterday's archive day once it can be complete, and today's Hub.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
        return dg.RunRequest(run_key=day, partition_key=day)

    return [nightly]
