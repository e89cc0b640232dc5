"""Named places in the code where a test has a real process killed, or held until it is killed.

Only tests install them. A point is armed by a file in a folder, so that a test can do it while the process runs,
and so that one process dies of it and the one that does its work again does not.
"""

import functools
import importlib
import os
import signal
import time
from pathlib import Path
from typing import Any, Literal

Action = Literal["kill", "hold"]

POINTS = {
    "before the request": ("strava_assets.strava.client", "StravaClient.activities", "before"),
    "after some raw objects": ("strava_assets.raw.store", "RawStore.write", "after"),
    "after the first page": ("strava_assets.sync.fetch", "ResumePoints.reach", "after"),
    "after the last object, before the table": ("strava_assets.raw.store", "RawStore.athletes", "before"),
    "inside the transaction": ("strava_assets.mirror.load", "settle_rejects", "after"),
    "after the commit": ("strava_assets.defs.checks", "no_rejects", "before"),
    "between a token's renewal and its save": ("strava_assets.strava.tokens", "TokenStore.replace", "before"),
    "in a sensor's tick": ("strava_assets.sync.compare", "Comparer.compare", "after"),
}
"""Each point: a module, a function in it, and on which side of the function's work it lies."""


def arm(folder: Path, point: str, action: Action = "kill") -> None:
    """The next process that comes to the point is killed there, or held."""
    module, name, _side = POINTS[point]
    (folder / f"{module}.{name}.reached").unlink(missing_ok=True)
    (folder / f"{module}.{name}").write_text(action)


def is_reached(folder: Path, point: str) -> bool:
    """Whether a process has come to the point since it was armed."""
    module, name, _side = POINTS[point]
    return (folder / f"{module}.{name}.reached").exists()


def install(folder: Path) -> None:
    """Put all points into this process; they are armed by files in `folder`."""
    for module_name, name, side in POINTS.values():
        owner: Any = importlib.import_module(module_name)
        *classes, attribute = name.split(".")
        for class_name in classes:
            owner = getattr(owner, class_name)
        setattr(owner, attribute, _with_point(getattr(owner, attribute), folder / f"{module_name}.{name}", side))


def _with_point(function: Any, armed: Path, side: str) -> Any:
    @functools.wraps(function)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        if side == "before":
            _reach(armed)
        result = function(*arguments, **options)
        if side == "after":
            _reach(armed)
        return result

    return wrapper


def _reach(armed: Path) -> None:
    reached = armed.with_name(f"{armed.name}.reached")
    try:
        armed.rename(reached)  # only one process can
    except FileNotFoundError:
        return
    if reached.read_text() == "hold":
        time.sleep(300)
    os.kill(os.getpid(), signal.SIGKILL)
