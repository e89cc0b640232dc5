"""What a purge is put together from: for the job `purge_athlete` and for `strava-assets purge`."""

import subprocess
import sys
from functools import partial

import dagster as dg

from strava_assets.defs.resources import Resources
from strava_assets.deletion.purge import Purger
from strava_assets.errors import ServiceUnavailable
from strava_assets.instance.purge_redaction import PurgeRedaction
from strava_assets.settings import Settings


def make_purger(
    settings: Settings, resources: Resources, instance: dg.DagsterInstance, own_run_id: str | None = None
) -> Purger:
    """A purger that redacts what `instance` keeps; `own_run_id` is the run that purges, if one does."""
    redaction = PurgeRedaction(instance, own_run_id)
    return Purger(
        resources.postgres.open(),
        resources.s3.open_deletion(),
        resources.tokens.connect(),
        redact=redaction.at_once,
        redact_again=redaction.at_the_end,
        compact=partial(compact_embedded, settings, "--logs", "--deleted"),
    )


def compact_embedded(settings: Settings, *options: str) -> None:
    """Remove deleted values from the files of the servers that `make up` runs; elsewhere there is nothing to do.

    By a command: how embedded servers are reached only `local/` knows, which no run may depend on.
    """
    command = [sys.executable, "-m", "strava_assets", "compact", "--endpoint", settings.s3_endpoint_url or "", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if result.returncode:
        raise ServiceUnavailable(f"`strava-assets compact` failed: {result.stderr.strip()}")
