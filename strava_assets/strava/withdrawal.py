"""Whether an athlete has withdrawn access, judged from evidence alone, whoever saw it. docs/design.md has the table.

Strava tells a withdrawal and a lost login by the same refusal, so one refusal proves nothing, and a doubt that stays
never deletes anything.
"""

from datetime import datetime, timedelta
from enum import Enum

from strava_assets.errors import AccessRevoked, AthleteError, LoginLost
from strava_assets.state.access_evidence import Evidence, EvidenceStore
from strava_assets.strava.api_errors import LOG_IN_AGAIN, whom
from strava_assets.strava.tokens import Token, TokenStore

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (3, 10, 30, 120, 360, 1440))
"""After which pause Strava is asked again about a grant in doubt; the last one counts for good."""

CONFIRMATION_PAUSE = timedelta(minutes=2)
"""Refusals so far apart are of two checks: less than the pause between these, as each takes a while itself."""


class Verdict(Enum):
    """What the evidence amounts to."""

    LIVES = "nothing was seen against the grant"
    UNKNOWN = "access was withdrawn, or a login was lost"
    WITHDRAWN = "access was withdrawn"


def judge(evidence: Evidence) -> Verdict:
    """The table of docs/design.md, "When access counts as withdrawn"."""
    if evidence.refused is None or evidence.refused_again is None:
        is_unsettled = evidence.event or evidence.api_refused or evidence.renewal_may_be_lost
        return Verdict.UNKNOWN if is_unsettled else Verdict.LIVES
    if evidence.refused_again - evidence.refused < PAUSES[0]:
        return Verdict.UNKNOWN
    if evidence.api_refused:
        if not evidence.renewal_may_be_lost:
            return Verdict.WITHDRAWN
        # The refresh token is void in either case, so only the API tells, and two 401s of one moment can be stray.
        since = max(evidence.api_refused, evidence.refused)
        is_confirmed = evidence.api_refused_again and evidence.api_refused_again - since >= CONFIRMATION_PAUSE
        return Verdict.WITHDRAWN if is_confirmed else Verdict.UNKNOWN
    is_told = evidence.event and evidence.access_ended and not evidence.renewal_may_be_lost
    return Verdict.WITHDRAWN if is_told else Verdict.UNKNOWN


def next_check(evidence: Evidence) -> datetime | None:
    """Before which moment Strava is not asked again; None where it may be asked at any time."""
    if evidence.last_check is None or not evidence.checks:
        return None
    return evidence.last_check + PAUSES[min(evidence.checks, len(PAUSES)) - 1]


def is_due(evidence: Evidence, now: datetime) -> bool:
    """Whether Strava may be asked again."""
    not_before = next_check(evidence)
    return not_before is None or now >= not_before


def seen(store: EvidenceStore, key: str, token: Token, now: datetime) -> Evidence:
    """What was seen of the token that lies under `key`."""
    return store.of(
        key,
        access_token=token.access_token,
        refresh_token=token.refresh_token,
        access_ended=token.expires_at is not None and token.expires_at <= now,
    )


def refusal(token: Token, evidence: Evidence, now: datetime) -> AthleteError:
    """The error for a grant in doubt, or withdrawn: what is wrong, since when, and the ways out."""
    since = evidence.refused or evidence.api_refused or now
    athlete_id = token.athlete_id
    if athlete_id is not None and judge(evidence) is Verdict.WITHDRAWN:
        return AccessRevoked(waits_to_be_purged(athlete_id, since), athlete_id)
    what = "the refresh token" if evidence.refused else "the access token"
    why = (
        "a process died, or the network failed, while it was renewed, or access was withdrawn"
        if evidence.renewal_may_be_lost
        else "access was withdrawn, or a login was lost"
    )
    purge = "" if athlete_id is None else f"; or delete the data: strava-assets purge --athlete {athlete_id}"
    return LoginLost(
        f"Strava has refused {what} of {whom(athlete_id)} since {since:%Y-%m-%d %H:%M} UTC: {why}. "
        f"{LOG_IN_AGAIN}{purge}",
        athlete_id,
    )


def waits_to_be_purged(athlete_id: int, since: datetime) -> str:
    """What the owner has to do about an athlete who withdrew access, in words."""
    return (
        f"Athlete {athlete_id} withdrew access on {since:%Y-%m-%d %H:%M} UTC. Their data must be deleted: "
        f"strava-assets purge --athlete {athlete_id}"
    )


def doubts(tokens: TokenStore, now: datetime) -> dict[str, AthleteError]:
    """By the token's key, each login that Strava has refused, though it may still be good for reading. Asks Redis."""
    store = EvidenceStore(tokens.redis)
    all_seen = {key: (token, seen(store, key, token, now)) for key, token in tokens.readable_tokens().items()}
    return {key: refusal(token, evidence, now) for key, (token, evidence) in all_seen.items() if evidence.refused}
