"""Where Dagster finds its dagster.yaml: where DAGSTER_HOME says, else in the project's folder."""

from pathlib import Path
from typing import Any

import yaml

from strava_assets.errors import ConfigurationError
from strava_assets.local import atomic_file

_WRITTEN = "# Written by `strava-assets up`, at each start: delete this line to change what follows.\n"

_REMEDY = "Unset it (unset DAGSTER_HOME), and the one of this project is used."


def require_storage_in_postgres(home: str | None) -> None:
    """Raise ConfigurationError, with what to do, if Dagster would keep its runs and events elsewhere than in Postgres.

    That is what the dagster.yaml of another project says, or none: SQLite then, without a word, and much slower.
    """
    if not home:
        return
    file = Path(home, "dagster.yaml")
    if not Path(home).is_absolute() or not Path(home).is_dir():
        raise ConfigurationError(f"DAGSTER_HOME is {home!r}, which is not an absolute path of a folder. {_REMEDY}")
    try:
        config: Any = yaml.safe_load(file.read_text()) if file.exists() else {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"{file} in DAGSTER_HOME cannot be read ({reason}). {_REMEDY}") from None
    storage = config.get("storage") if isinstance(config, dict) else None
    custom = storage.get("custom") if isinstance(storage, dict) else None
    module = str(custom.get("module")) if isinstance(custom, dict) else ""
    if not (isinstance(storage, dict) and "postgres" in storage) and not module.startswith("strava_assets."):
        raise ConfigurationError(
            f"DAGSTER_HOME is {home}, where Dagster's storage is not Postgres: it belongs to another project. "
            f"{_REMEDY} Or copy this project's dagster.yaml to it."
        )


def home_folder(project: Path) -> Path:
    """The value for DAGSTER_HOME: the project's folder. Without a dagster.yaml it gets the package's.

    Stock commands in the folder find it there. It is written anew at each start, so that it never is an older
    version's, unless somebody has made it their own.
    """
    file = project / "dagster.yaml"
    if not file.exists() or file.read_bytes().startswith(_WRITTEN.encode()):
        atomic_file.write(file, _WRITTEN + Path(__file__).with_name("dagster.yaml").read_text(), mode=0o644)
    return project
