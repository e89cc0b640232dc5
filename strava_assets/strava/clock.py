"""The clock by which tokens expire and windows of requests end; tests bring their own, which runs faster."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """What time it is (aware, UTC), and how to wait a number of seconds."""

    now: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep


REAL = Clock()
