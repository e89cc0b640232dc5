"""What makes the webhook ours: an unguessable path, a verify token, and the subscription's id. Kept in Redis."""

import secrets

from redis import Redis

from strava_assets.state import keys
from strava_assets.state.connection import answering

PATH, VERIFY_TOKEN, SUBSCRIPTION, REFUSED = "path", "verify_token", "subscription_id", "refused"
"""The fields of the hash under keys.WEBHOOK."""


class WebhookIdentity:
    """Reads and writes the webhook's identity. Every method raises ServiceUnavailable if Redis does not answer."""

    def __init__(self, redis: Redis, verify_token: str = "") -> None:
        """`verify_token` is the setting; where it is empty, a random one is made on first use."""
        self._redis = redis
        self._verify_token = verify_token

    def path(self) -> str:
        """The last part of the callback's path, made on first use. Who knows it can post events."""
        return self._stored(PATH)

    def verify_token(self) -> str:
        """What Strava sends back in the handshake, to prove that the subscription is ours."""
        return self._verify_token or self._stored(VERIFY_TOKEN)

    def is_our_url(self, callback_url: str) -> bool:
        """Whether a subscription's callback URL leads to our path."""
        return callback_url.rstrip("/").rpartition("/")[2] == self.path()

    def callback_url(self, public_url: str) -> str:
        """The callback under a public URL; one that holds the path already stays as it is."""
        return public_url.rstrip("/") if self.is_our_url(public_url) else f"{public_url.rstrip('/')}/{self.path()}"

    def remember_subscription(self, subscription_id: int) -> None:
        """From now on, events of this subscription are believed, and of no other."""
        with answering(self._redis):
            self._redis.hset(keys.WEBHOOK, SUBSCRIPTION, str(subscription_id))

    def delete_subscription(self) -> None:
        """From now on, no event is believed."""
        with answering(self._redis):
            self._redis.hdel(keys.WEBHOOK, SUBSCRIPTION)

    def delete_path(self) -> None:
        """From now on the path is another one, since somebody else knows this one."""
        with answering(self._redis):
            self._redis.hdel(keys.WEBHOOK, PATH, REFUSED)

    def refused(self) -> int:
        """How many events named another subscription than ours."""
        with answering(self._redis):
            return int(self._redis.hget(keys.WEBHOOK, REFUSED) or 0)

    def _stored(self, field: str) -> str:
        with answering(self._redis):
            # Whoever comes first makes it, also where two processes come at once.
            self._redis.hsetnx(keys.WEBHOOK, field, secrets.token_urlsafe(24))
            value = self._redis.hget(keys.WEBHOOK, field)
        return value.decode() if isinstance(value, bytes) else str(value)
