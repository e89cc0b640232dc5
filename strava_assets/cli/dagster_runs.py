"""Dagster's instance for commands: the one that the stock commands in the same folder use."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._cli.utils import get_possibly_temporary_instance_for_cli
from sqlalchemy.exc import OperationalError

from strava_assets.errors import ServiceUnavailable
from strava_assets.mirror.database import place
from strava_assets.settings import Settings


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """The instance of DAGSTER_HOME, else of the dagster.yaml in the working folder.

    Raises ServiceUnavailable where Dagster's own database does not answer.
    """
    try:
        with get_possibly_temporary_instance_for_cli() as instance:
            yield instance
    except (OperationalError, dg.DagsterInvariantViolationError) as error:
        url = Settings.from_environment().dagster_postgres_url
        raise ServiceUnavailable(
            f"Dagster's storage, the database {url.database!r} at {place(url)}, cannot be opened "
            f"({str(error).partition(chr(10))[0][:200]}). Check DAGSTER_POSTGRES_URL, and run: strava-assets init."
        ) from None
