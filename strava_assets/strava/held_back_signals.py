"""Signals that end a process wait until what must not be torn apart is done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C, SIGTERM and SIGHUP, Dagster's "terminate" among them, until the end; then they take effect.

    Python delivers signals to the main thread, so in any other there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held_back: list[int] = []

    def hold_back(number: int, _frame: FrameType | None) -> None:
        held_back.append(number)

    # A signal may come while handlers are put back; the stack puts back the others nevertheless.
    with ExitStack() as stack:
        stack.callback(_raise, held_back)
        for number in SIGNALS:
            before = signal.signal(number, hold_back)
            stack.callback(signal.signal, number, signal.SIG_DFL if before is None else before)
        yield


def _raise(numbers: list[int]) -> None:
    for number in dict.fromkeys(numbers):
        signal.raise_signal(number)
