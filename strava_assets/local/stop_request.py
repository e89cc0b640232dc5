"""Ctrl-C, SIGTERM and a closed terminal as a flag that is looked at where stopping is safe.

An exception in the middle of starting a process would leave it running with nobody who knows its id.
"""

import signal
from types import FrameType

from strava_assets.local.supervisor import STOPPING, terminals_of_parent


class StopRequest:
    """Whether the user wants to stop. A second Ctrl-C raises KeyboardInterrupt at once, wherever that is."""

    def __init__(self) -> None:
        self.requested = False
        self._terminals = terminals_of_parent()

    def watch(self) -> None:
        """Set the handlers, also where a shell without job control had SIGINT ignored; nohup keeps its meaning."""
        for number in STOPPING:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note)

    def ignore(self) -> None:
        """From now on let nothing interrupt: everything is being stopped already."""
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)

    def check(self) -> None:
        """Raise KeyboardInterrupt if the user wants to stop."""
        if self.requested or self._terminals.poll(0):
            raise KeyboardInterrupt

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.check()
        self.requested = True
