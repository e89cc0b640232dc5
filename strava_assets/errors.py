"""Every error that this project raises on purpose, each in one of three branches.

    StravaAssetsError
    ├── TransientError            the outside world is unwell; the same call may succeed later
    │   ├── StravaUnavailable     5xx, resets, timeouts, after bounded retries
    │   ├── MalformedPage         an answer that is not a complete JSON array of objects
    │   ├── RateLimitExceeded     Strava's 15-minute or daily limit is reached
    │   │   └── DecisionPutOff    before it was decided whether what a listing lacks may be deleted
    │   ├── ServiceUnavailable    Postgres, Redis or S3 does not answer
    │   │   └── StatementRefused  Postgres answers, but does not take a statement
    │   └── AccessRefused*, TokenBusy*
    ├── PermanentError            somebody has to decide or repair something first
    │   ├── ApplicationInactive   the API application is switched off, or its owner's subscription lapsed
    │   ├── RawObjectMissing      an hour that was never fetched was requested to be loaded
    │   ├── ArchiveUnreadable     an athlete's export is broken, or is not understood
    │   └── AccessRevoked*, LoginLost*, RefreshTokenRefused*, ScopeMissing*, TooManyDeletions*, UnreadableObject*,
    │       PartlyLoaded*
    └── ConfigurationError        a setting, a login, a bucket or a migration is missing
        ├── SettingMissing        one that `strava-assets up` would have set
        └── AthleteGone*

Those with a star are an AthleteError, besides: an error of one athlete, which must not stop the others.

A message is one or two sentences: what is wrong, where, and what to do. It never holds a token or a
secret. Dagster's own exceptions are made from these in one place: `defs/failures.py`.
"""

from datetime import datetime


class StravaAssetsError(Exception):
    """The root: `str()` of it is a message that can be shown to the user as it is."""


class TransientError(StravaAssetsError):
    """The outside world is unwell; the same call may succeed later."""


class StravaUnavailable(TransientError):
    """Strava answered 5xx, reset the connection or timed out, also after bounded retries."""


class MalformedPage(TransientError):
    """Strava's answer is not a complete JSON array of objects; nothing of it was used."""


class RateLimitExceeded(TransientError):
    """Strava's rate limit is reached, or our share of it, until `until` (UTC)."""

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class DecisionPutOff(RateLimitExceeded):
    """The limit was reached before it was decided whether what a listing lacks may be deleted."""


class ServiceUnavailable(TransientError):
    """Postgres, Redis or S3 does not answer."""


class StatementRefused(ServiceUnavailable):
    """Postgres does not take a statement: its disk is full, or it cannot hold a value."""


class ConfigurationError(StravaAssetsError):
    """A setting, a login, a bucket or a migration is missing; the message says how to provide it."""


class SettingMissing(ConfigurationError):
    """A setting is missing that `strava-assets up`, where it runs, gives to every command in its folder."""


class PermanentError(StravaAssetsError):
    """Somebody has to decide or repair something before the same call can succeed."""


class ApplicationInactive(PermanentError):
    """Strava switched the API application off, or its owner's subscription lapsed (403 Inactive)."""


class RawObjectMissing(PermanentError):
    """An hour without a raw object was requested to be loaded: nothing is known of it."""


class ArchiveUnreadable(PermanentError):
    """An export is broken, is not understood, or is not the athlete's; nothing of it was used."""


class AthleteError(StravaAssetsError):
    """An error of one athlete, of whichever branch: the others go on."""

    def __init__(self, message: str, athlete_id: int | None = None) -> None:
        super().__init__(message)
        self.athlete_id = athlete_id


class AccessRevoked(AthleteError, PermanentError):
    """The athlete withdrew access: proven as docs/design.md says. Their data is to be purged."""


class LoginLost(AthleteError, PermanentError):
    """The stored token cannot be renewed, and it is not known whether the athlete withdrew access."""


class RefreshTokenRefused(AthleteError, PermanentError):
    """The OAuth server does not know the refresh token; what that means only further evidence can tell."""


class AccessRefused(AthleteError, TransientError):
    """The API refuses the athlete's token although it was just renewed."""


class AthleteGone(AthleteError, ConfigurationError):
    """The athlete was logged out or purged while something was done for them; nothing more is to be written."""


class TokenBusy(AthleteError, TransientError):
    """Another process renews the athlete's token, or died while it did; its lock ends in minutes."""


class ScopeMissing(AthleteError, PermanentError):
    """The login lacks `activity:read_all`, so what Strava lists is not the whole truth."""


class TooManyDeletions(AthleteError, PermanentError):
    """More rows would be deleted than the guard allows without a confirmation."""


class UnreadableObject(AthleteError, PermanentError):
    """A raw object is not a JSON array of activities: somebody has changed it."""


class PartlyLoaded(AthleteError, PermanentError):
    """Some of an athlete's hours or rows could not be loaded; the others were."""
