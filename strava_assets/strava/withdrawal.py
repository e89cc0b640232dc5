"""Whether an athlete has withdrawn access, judged from evidence alone, whoever saw it. docs/design.md has the table.

Strava tells a withdrawal and a lost login by the same refusal, so one refusal proves nothing, and a doubt that stays
never deletes anything.
"""

from datetime import datetime, timedelta
from enum import Enum

from strava_assets.state.access_evidence import Evidence

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (3, 10, 30, 120, 360, 1440))
"""After which pause Strava is asked again about a grant in doubt; the last one counts for good."""


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
    if evidence.api_refused and evidence.renewal_may_be_lost:
        # The refresh token is void in either case, so only what the API has said since then tells.
        return Verdict.WITHDRAWN if evidence.api_refused >= evidence.refused else Verdict.UNKNOWN
    if evidence.api_refused:
        return Verdict.WITHDRAWN
    is_told = evidence.event and evidence.access_ended and not evidence.renewal_may_be_lost
    return Verdict.WITHDRAWN if is_told else Verdict.UNKNOWN


def next_look(evidence: Evidence) -> datetime | None:
    """Before which moment Strava is not asked again; None where it may be asked at any time."""
    if evidence.looked is None or not evidence.looks:
        return None
    return evidence.looked + PAUSES[min(evidence.looks, len(PAUSES)) - 1]


def is_due(evidence: Evidence, now: datetime) -> bool:
    """Whether Strava may be asked again."""
    not_before = next_look(evidence)
    return not_before is None or now >= not_before
