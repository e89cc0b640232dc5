"""Dagster's instance for commands: the one that the stock commands in the same folder use."""

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import NoReturn

import click
import dagster as dg
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import OperationalError

from strava_assets.cli.console import console
from strava_assets.defs.build import build_definitions
from strava_assets.defs.run_tags import range_tags
from strava_assets.errors import ServiceUnavailable
from strava_assets.hours import Window
from strava_assets.instance.command_line import Outcome, execute, instance_of_folder, report_canceled
from strava_assets.postgres.errors import place
from strava_assets.settings import Settings

STORAGE_ERRORS = (OperationalError, DagsterPostgresException, dg.DagsterInvariantViolationError)
"""What Dagster raises where its own database does not answer."""

_SECONDS_TO_REPORT = 10
"""So long an interrupted command tries to have Dagster record that its run was cancelled."""


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
    except click.ClickException:
        raise ServiceUnavailable("No Postgres answers for Dagster's storage. Check DAGSTER_POSTGRES_URL.") from None
    except STORAGE_ERRORS as error:
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


def materialise(
    instance: dg.DagsterInstance, window: Window, tags: Mapping[str, str], *, plan_hours: bool = True
) -> Outcome:
    """Run both assets for the window in this process, past the daemon's queue. For `plan_hours` see `execute`.

    Ctrl-C ends the process at once, whatever it is at, and leaves a cancelled run: Dagster in the main thread would
    wait for a place where it likes to stop, half a minute of a long range.
    """
    job = build_definitions(Settings.from_environment()).resolve_job_def("sync_hours")
    run_ids: list[str] = []
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A terminal's Ctrl-C goes to the processes, too, that copy the run's output; each would answer with a traceback.
    # They end automatically when this one has; what they inherit is the mask of the thread that starts them.
    with ThreadPoolExecutor(
        1, initializer=signal.pthread_sigmask, initargs=(signal.SIG_BLOCK, [signal.SIGINT])
    ) as worker:
        run = worker.submit(execute, job, instance, tags, range_tags(window), run_ids.append, plan_hours=plan_hours)
        try:
            while not run.done():
                wait([run], timeout=0.2)
        except KeyboardInterrupt:
            _end_as_canceled(instance, run_ids)
        finally:
            signal.signal(signal.SIGTERM, before)
        return run.result()


def _end_as_canceled(instance: dg.DagsterInstance, run_ids: list[str]) -> NoReturn:
    console().show_cursor()
    click.echo("\nInterrupted. Run the same command again, and it goes on from here.", err=True)
    reported = Event()

    def report() -> None:
        with suppress(Exception):  # what follows from it is told below
            for run_id in run_ids:
                report_canceled(instance, run_id)
            reported.set()

    # The run's thread goes on until the end, and would leave this one little time.
    sys.setswitchinterval(0.0001)
    # A thread can be left behind where Dagster's database does not answer, or not in time.
    reporting = Thread(target=report, daemon=True)
    reporting.start()
    reporting.join(_SECONDS_TO_REPORT)
    if not reported.is_set():
        click.echo(
            "Dagster's database did not record this: end the run in the UI, where it is shown as started.", err=True
        )
    sys.stdout.flush()
    os._exit(128 + signal.SIGINT)
