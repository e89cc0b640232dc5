"""How the user starts this program, for messages that say what to type next."""

import os
import shlex
import shutil
import sys
from pathlib import Path


def own_command() -> str:
    """`strava-assets`, as another terminal in this folder finds it."""
    program = Path(sys.argv[0]).absolute()
    if not program.name.startswith("strava-assets"):
        return "strava-assets"
    found = shutil.which(program.name)
    # `uv run` and `uvx` put the program's folder on the path of that run alone.
    if found and Path(found).samefile(program) and not {"UV", "UV_RUN_RECURSION_DEPTH"} & os.environ.keys():
        return program.name
    if program.is_relative_to(Path.cwd()):
        return shlex.quote(str(program.relative_to(Path.cwd())))
    return shlex.quote(str(program))


def is_checkout() -> bool:
    """Whether the current folder is the checkout whose environment this is."""
    return Path("Makefile").exists() and Path(sys.prefix).is_relative_to(Path.cwd())


def up_command(port: int | None = None, archive: str | None = None) -> str:
    """How everything is started: with make in a checkout whose environment this is, else by the command itself."""
    if "MAKELEVEL" in os.environ or is_checkout():
        return "make up" + (f" PORT={port}" if port else "") + (f" ARCHIVE={archive}" if archive else "")
    return f"{own_command()} up" + (f" --port {port}" if port else "") + (f" --archive {archive}" if archive else "")
