"""Dagster for a command: its instance, and a run in this process, past the queue of the daemon."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import dagster as dg
from dagster._cli.utils import get_possibly_temporary_instance_for_cli
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The configuration of a run whose caller shows what matters."""


@dataclass
class Outcome:
    """What became of a run."""

    failure: str | None = None
    """The first line of why it failed; None if it succeeded."""
    metadata: dict[str, dg.MetadataValue] = field(default_factory=dict)
    """What the failure says of itself."""
    failed_checks: dict[str, str] = field(default_factory=dict)
    """What the asset checks that failed, warnings aside, say, by their name."""


def execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    hours: Mapping[str, str],
    on_created: Callable[[str], None] = lambda _run_id: None,
    *,
    plan_hours: bool = True,
) -> Outcome:
    """Run the job in this process, for the hours that the tags `hours` name; `on_created` gets the run's id first.

    Dagster writes a row for each planned hour, by which the UI shows what is under way and what failed. Without
    `plan_hours` the run gets its hours when that is done. The public `execute_in_process` keeps every event of every
    hour until the end, 3 kB an hour.
    """
    run = instance.create_run_for_job(job, tags={**tags, **(hours if plan_hours else {})}, run_config=QUIET)
    if not plan_hours:
        instance.add_run_tags(run.run_id, dict(hours))
        run = run.with_tags({**run.tags, **hours})
    on_created(run.run_id)
    has_succeeded, reason, outcome = False, "it was stopped", Outcome()
    for event in execute_run_iterator(InMemoryJob(job), run, instance):
        has_succeeded = has_succeeded or event.is_job_success
        if event.is_step_failure:
            reason = event.step_failure_data.error_display_string
            if data := event.step_failure_data.user_failure_data:
                outcome.metadata = dict(data.metadata)
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
                outcome.failed_checks[check.check_name] = check.description or ""
    if not has_succeeded:
        outcome.failure = reason.partition("\n")[0].removeprefix("dagster._core.definitions.events.Failure: ")
    return outcome


def report_canceled(instance: dg.DagsterInstance, run_id: str) -> None:
    """Record that the user ended a run of this process, which has to end now."""
    run = instance.get_run_by_id(run_id)
    if run and not run.is_finished:
        instance.report_run_canceled(run, message="It was interrupted at the command line.")


def instance_of_folder() -> AbstractContextManager[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, else of the dagster.yaml in the working folder, as `dagster asset` commands do."""
    return get_possibly_temporary_instance_for_cli()
