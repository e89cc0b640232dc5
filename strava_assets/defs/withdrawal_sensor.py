"""The sensor that follows up withdrawals of access: asks again about logins in doubt, and requests purges.

https://docs.dagster.io/guides/automate/sensors
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from strava_assets.defs.failures import failures
from strava_assets.defs.names import Names
from strava_assets.defs.resources import Resources, resource_keys, resources_of
from strava_assets.defs.run_tags import PURGE, reason_tags
from strava_assets.defs.runs import UNDER_WAY
from strava_assets.errors import ConfigurationError, ServiceUnavailable, StravaAssetsError
from strava_assets.settings import Settings
from strava_assets.state.revocations import Revocations

INTERVAL = 120
"""Seconds; Strava is asked again about a login three minutes after its first refusal at the earliest."""


def make_withdrawal_sensor(
    settings: Settings, names: Names, purge_athlete: dg.JobDefinition, *, start: bool
) -> dg.SensorDefinition:
    """The sensor; `start` turns it on."""

    @dg.sensor(
        name=names.of("strava_withdrawals"),
        job=purge_athlete,
        required_resource_keys=set(resource_keys(names)),
        minimum_interval_seconds=INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING if start else dg.DefaultSensorStatus.STOPPED,
        description="Checks again, at growing intervals, logins that Strava refused or an event questioned. Requests "
        "the purge of athletes who withdrew access until nothing is left of them.",
    )
    def strava_withdrawals(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _follow_up(context, settings, names, resources_of(context, names))

    return strava_withdrawals


def _follow_up(
    context: dg.SensorEvaluationContext, settings: Settings, names: Names, resources: Resources
) -> dg.RunRequest | dg.SkipReason:
    """One tick. It names nobody: what a tick says is kept after a purge."""
    now = datetime.now(UTC)
    message_of_checks = _check_doubted_logins(resources)
    try:
        with failures(but=(ConfigurationError, ServiceUnavailable)):
            revocations = Revocations(resources.tokens.connect())
            waiting, due = revocations.athletes(), revocations.due(now)
    except (ConfigurationError, ServiceUnavailable) as error:
        return dg.SkipReason(str(error))
    message = f"{message_of_checks} Athletes to purge: {len(waiting)}."
    if settings.purge_on_revoke == "confirm" and waiting:
        return dg.SkipReason(f"{message} Run strava-assets purge; the check all_athletes_fetched says for whom.")
    if not due:
        return dg.SkipReason(message)
    runs = dg.RunsFilter(job_name=names.of("purge_athlete"), statuses=UNDER_WAY)
    if context.instance.get_runs(filters=runs, limit=1):
        return dg.SkipReason(f"{message} A purge is under way.")
    with failures():
        for athlete_id in due:
            revocations.count_try(athlete_id, now)
    return dg.RunRequest(tags=reason_tags(PURGE))


def _check_doubted_logins(resources: Resources) -> str:
    """Ask Strava about logins in doubt; what came of it. Purges do not wait for it."""
    try:
        with resources.api.open(may_use_reserve=False, max_wait=timedelta(0)) as client:
            return f"Logins checked: {client.check_doubted_logins()}."
    except StravaAssetsError as error:
        return str(error)
