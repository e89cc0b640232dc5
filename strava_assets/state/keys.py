"""The name of every key in Redis, once. Names that end with a colon are prefixes."""

TOKEN = "STRAVA_TOKEN"  # noqa: S105 - a name, not a token
"""The first athlete's token, where the old Airflow DAG put it; further ones lie under `STRAVA_TOKEN:{athlete_id}`."""

TOKEN_LOCK = "strava:lock:"  # noqa: S105
"""The lock of a token, by its key."""

EVIDENCE = "strava:evidence:"
"""What was seen of an athlete's grant, by the token's key."""

BUDGET = "strava:budget:"
"""The request budget that all processes share, by client id."""

REVOKED = "strava:revoked"
"""Athletes who withdrew access and whose data waits to be purged."""

REVOKED_TRIES = "strava:revoked:tries"
"""How often each one's purge was requested, and when last."""

PURGED_IDS = "strava:purged:"
"""The ids of activities whose rows a purge has deleted and which it still has to take out elsewhere, by athlete."""

COMPACTION_OWED = "strava:compaction"
"""Servers may still hold bytes of what the retention setting deleted."""

RESUME_POINT = "strava:fetched:"
"""How far a fetch got, by athlete and first hour."""

RECONCILED = "strava:reconciled"
"""How far a comparison of the whole history got, by athlete."""

PENDING_IMPORT = "strava:imported:"
"""An import that Dagster has not recorded yet, by its days and athletes."""

REFETCH_QUEUE = "strava:asked"
"""Hours that wait to be fetched again; the name is that of version 0.1.0."""

WEBHOOK = "strava:webhook"
"""The webhook's secret path, verify token, subscription and count of refused events."""

EVENTS = "strava:events"
"""The stream of webhook events that are new."""

EVENTS_LATER = "strava:events:later"
"""Webhook events to look up again."""

EVENT_REQUESTS = "strava:events:requests:"
"""How many requests webhook events have cost, by UTC day."""

REPORT_LINK = "strava:report_link"
"""The word of each athlete's link to the report, by athlete."""

REPORT_ATHLETE = "strava:report_athlete"
"""The athlete, by the word of the link."""
