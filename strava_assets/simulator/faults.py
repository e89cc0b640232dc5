"""Faults that a test switches on: what goes wrong, where, how often."""

import random
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["status", "reset", "truncated", "html", "slow", "body", "short_page", "inactive"]


@dataclass
class Fault:
    """One thing that goes wrong with requests whose path contains `path`.

    status: answer with `status` and Strava's error body; reset: abort the TCP connection; truncated: half of
    the body; html: a web page with status 200; slow: answer after `seconds`; body: answer 200 with `body`;
    short_page: leave out the last `drop` activities of a page though there are more; inactive: 403.
    """

    kind: Kind
    path: str = "/athlete/activities"
    count: int | None = 1
    probability: float = 1.0
    status: int = 500
    seconds: float = 1.0
    body: str = "{}"
    drop: int = 1
    after: int = 0
    """So many matching requests go well first."""


@dataclass
class Faults:
    """The faults that are switched on, in the order in which they were added."""

    seed: int = 1
    active: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()

    def add(self, kind: Kind, **options: Any) -> Fault:  # noqa: ANN401 - a test names the options
        """Switch a fault on; see Fault for the options."""
        fault = Fault(kind, **options)
        with self._lock:
            self.active.append(fault)
        return fault

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self.active.clear()

    def strike(self, path: str, *, short_pages: bool = False) -> Fault | None:
        """The fault that befalls a request now, if any; counted faults wear off.

        Short pages are asked for on their own, where a page is still in pieces.
        """
        with self._lock:
            for fault in self.active:
                if fault.count == 0 or fault.path not in path or (fault.kind == "short_page") is not short_pages:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if self._random.random() < fault.probability:
                    if fault.count is not None:
                        fault.count -= 1
                    return fault
        return None
