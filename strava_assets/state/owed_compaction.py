"""Whether servers may still hold bytes of what was deleted: until they are compacted, also by a later run."""

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.connection import answering


class OwedCompaction:
    """One note in Redis. Every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def note(self) -> bool:
        """From now on a compaction is owed; whether it was before, because a run that deleted was interrupted."""
        with answering(self._redis):
            return not self._redis.set(keys.COMPACTION_OWED, "1", nx=True)

    def settle(self) -> None:
        """Everything is compacted, or nothing was deleted."""
        with answering(self._redis):
            self._redis.delete(keys.COMPACTION_OWED)
