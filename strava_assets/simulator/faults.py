"""Faults that a test switches on: what goes wrong, where, how often."""

import random
import threading
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal["status", "reset", "truncated", "html", "slow", "body", "short_page", "inactive", "refused"]


@dataclass
class Fault:
    """One thing that goes wrong with requests whose path contains `path`: those of the API and of `/oauth/...`.

    Instead of being done, a request is answered so:
    status: with `status` and Strava's error body; inactive: 403; html: a web page with status 200;
    body: 200 with `body`; refused: not at all, the TCP connection is reset.
    A request is done, but its answer suffers so:
    reset: it is lost, the TCP connection is reset; truncated: half of it arrives; slow: after `seconds`;
    short_page: the last `drop` activities of a page are left out though there are more.
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
    """Number of matching requests that succeed first."""


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
        if kind not in get_args(Kind):
            raise ValueError(f"There is no fault {kind!r}, only {', '.join(get_args(Kind))}.")
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
                if fault.path not in path or (fault.kind == "short_page") is not short_pages:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if self._random.random() < fault.probability:
                    if fault.count is not None:
                        fault.count -= 1
                        if fault.count <= 0:
                            self.active.remove(fault)
                    return fault
        return None
