"""Refreshing the hours that a comparison found to differ: runs in this process, range by range."""

from datetime import UTC, datetime
from time import sleep

import click

from strava_assets.cli.console import console
from strava_assets.cli.dagster_runs import materialise, open_instance
from strava_assets.defs.failures import RETRIED_AFTER
from strava_assets.defs.run_tags import RECONCILE, reason_tags
from strava_assets.hours import Window
from strava_assets.instance.command_line import Outcome
from strava_assets.services import UNTIL_IT_REFILLS, open_redis
from strava_assets.settings import Settings
from strava_assets.state.resume_points import ResumePoints
from strava_assets.sync.compare import Comparison

INCOMPLETE = ("all_athletes_fetched", "rows_match_objects")
"""The checks that fail where a run has left out hours or athletes."""

MAX_FAILURES_IN_A_ROW = 8
"""With more, it is not about single hours: ranges that fail are not cut into pieces any more."""


def refresh(settings: Settings, comparison: Comparison) -> list[Window]:
    """Refresh what differs, each range alone, and what fails in smaller pieces; what could not be refreshed.

    It waits for a limit that refills within 15 minutes; a longer one ends it, since it holds for all athletes.
    """
    ResumePoints(open_redis(settings)).discard(comparison.windows)
    failed: list[Window] = []
    in_a_row = 0
    with open_instance() as instance:
        waiting = list(comparison.windows)
        while waiting:
            window = waiting.pop(0)
            with console().status(f"Refreshing {window}"):
                outcome = materialise(instance, window, reason_tags(RECONCILE))
            problem = _problem(outcome)
            if (seconds := _seconds_until_refilled(outcome)) is not None:
                click.echo(f"{window} waits: {problem}", err=True)
                waiting.insert(0, window)
                if seconds > UNTIL_IT_REFILLS.total_seconds():
                    return failed + waiting
                with console().status("Waiting until the rate limit refills"):
                    sleep(seconds)
                continue
            in_a_row = 0 if problem is None else in_a_row + 1
            if problem is None:
                click.echo(f"refreshed {window}")
            elif in_a_row < MAX_FAILURES_IN_A_ROW and (pieces := comparison.pieces(window)):
                click.echo(f"{window} is tried again in {len(pieces)} pieces: {problem}", err=True)
                waiting = pieces + waiting
            else:
                click.echo(f"not refreshed: {window}: {problem}", err=True)
                failed.append(window)
    return failed


def _seconds_until_refilled(outcome: Outcome) -> float | None:
    """How long Strava's limit keeps a run that met it; None for any other run."""
    until = outcome.metadata.get(RETRIED_AFTER)
    return None if until is None else max(1.0, float(str(until.value)) - datetime.now(UTC).timestamp())


def _problem(outcome: Outcome) -> str | None:
    """Why a range counts as not refreshed: the run failed, or left out what it was asked for."""
    unfetched = [outcome.failed_checks[name] for name in INCOMPLETE if name in outcome.failed_checks]
    return outcome.failure or " ".join(unfetched) or None
