"""Dagster's instance for commands: the one that the stock commands in the same folder use."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import OperationalError

from strava_assets.defs.build import build_definitions
from strava_assets.defs.run_tags import range_tags
from strava_assets.errors import ServiceUnavailable
from strava_assets.hours import Window
from strava_assets.instance.command_line import Outcome, execute, instance_of_folder
from strava_assets.mirror.database import place
from strava_assets.settings import Settings


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, else of the dagster.yaml in the working folder.

    Raises ServiceUnavailable where Dagster's own database does not answer.
    """
    root = logging.getLogger()
    root.addFilter(_is_no_retry)
    try:
        with instance_of_folder() as instance:
            yield instance
    except (OperationalError, DagsterPostgresException, dg.DagsterInvariantViolationError) as error:
        url = Settings.from_environment().dagster_postgres_url
        raise ServiceUnavailable(
            f"Dagster's storage, the database {url.database!r} at {place(url)}, cannot be opened "
            f"({str(error).partition(chr(10))[0][:200]}). Check DAGSTER_POSTGRES_URL, and run: strava-assets init."
        ) from None
    finally:
        root.removeFilter(_is_no_retry)


def _is_no_retry(record: logging.LogRecord) -> bool:
    """Dagster logs each of five tries to connect, in many lines; the last one's error says it in one."""
    return "Retrying failed database connection" not in str(record.msg)


def materialise(instance: dg.DagsterInstance, window: Window, tags: Mapping[str, str] | None = None) -> Outcome:
    """Run both assets for the window in this process, past the daemon's queue."""
    job = build_definitions(Settings.from_environment()).resolve_job_def("sync_hours")
    return execute(job, instance, {**range_tags(window), **(tags or {})})
