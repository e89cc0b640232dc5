"""A brake on guessing the subscription's id, for somebody who knows the secret path.

A brake for wrong ids alone would tell at once which id is right, so while many are wrong every event takes its turn.
Without wrong ids nothing waits; with them, the right ones still get through within Strava's two seconds.
"""

import asyncio
import logging
import time

logger = logging.getLogger(__name__)

FREE = 20
"""Wrong ids that change nothing: an old subscription may have some events left."""

REFILL = 3.0
"""Seconds until one more is free."""

TURN = 0.05
"""Seconds between two events while the brake is on."""

MAX_WAIT = 0.5
"""Seconds that an event waits for its turn at most; more than that is refused."""

MAX_DEBT = 600
"""Wrong ids that are held against whoever guesses: half an hour."""


class GuessBrake:
    """Counts wrong ids, and makes events take turns while there are too many."""

    def __init__(self) -> None:
        self._free = float(FREE)
        self._counted_at = time.monotonic()
        self._next_turn = 0.0

    @property
    def is_on(self) -> bool:
        """Whether events must take turns."""
        now = time.monotonic()
        self._free = min(FREE, self._free + (now - self._counted_at) / REFILL)
        self._counted_at = now
        return self._free < 1

    async def turn(self) -> bool:
        """Wait for a turn if need be; False where too many wait already."""
        if not self.is_on:
            return True
        now = time.monotonic()
        turn = max(now, self._next_turn)
        if turn - now > MAX_WAIT:
            return False
        self._next_turn = turn + TURN
        await asyncio.sleep(turn - now)
        return True

    def count_wrong(self) -> None:
        """An event named a wrong id."""
        was_on = self.is_on
        self._free = max(-MAX_DEBT, self._free - 1)
        if self.is_on and not was_on:
            logger.warning(
                "Somebody who knows the receiver's path guesses subscription ids; events are slowed down. "
                "How many were refused: strava-assets webhook list"
            )
