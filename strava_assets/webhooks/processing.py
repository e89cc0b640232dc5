"""Webhook events → hours to fetch again. An event is only a hint: what is true, the API and the listing say.

A create or an update is looked up for its hour, a deletion is found in the mirror, a revocation is
confirmed by asking. What cannot be known yet is looked at again later, a bounded number of times.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from strava_assets.errors import AccessRevoked, AthleteError, MalformedPage, RateLimitExceeded, StravaUnavailable
from strava_assets.hours import Window
from strava_assets.mirror.database import transaction
from strava_assets.mirror.differences import Known
from strava_assets.mirror.queries import stored
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import Athlete
from strava_assets.sync.compare import Comparison
from strava_assets.webhooks.events import Event, Meaning
from strava_assets.webhooks.pending_events import Handled, PendingEvent, PendingEvents, activities_of

MAX_LOOKUPS = 20
"""A request each. Where more are wanted at once, comparing the look-back costs less: two requests or so."""

MAX_FAILURES = 2
"""A single activity can be broken at Strava's for days; two mean that Strava is unwell."""

TIME_FOR_LOOKUPS = 25.0
"""Seconds; a sensor's tick has 60."""


@dataclass
class ProcessedEvents:
    """What came out: hours to fetch again, what is dealt with, and what a person may want to know."""

    handled: Handled
    hours: set[datetime] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return ", ".join([f"{count} {outcome}" for outcome, count in self.outcomes.items()] + self.errors)


class _NotNow(Exception):
    """What is left waits for the next tick; the message says why."""


class EventProcessor:
    """Deals with hints, one after the other, as far as time and quota allow. For one tick."""

    def __init__(
        self,
        client: StravaClient,
        engine: Engine,
        hints: PendingEvents,
        *,
        compare: Callable[[int], Comparison],
        now: datetime,
    ) -> None:
        """`compare` compares the look-back of one athlete, by id, with Strava."""
        self._client = client
        self._engine = engine
        self._hints = hints
        self._compare = compare
        self._now = now
        self._noticed = ProcessedEvents(Handled(now))
        self._deadline = time.monotonic() + TIME_FOR_LOOKUPS
        self._failures = 0
        self._athletes: dict[int, Athlete] = {}
        self._here: dict[tuple[int, int], Known] = {}
        self._found: dict[tuple[int, int], datetime | None] = {}
        self._no_lookups: set[int] = set()
        """Athletes who were compared already, or cannot be read."""
        self._asked_whether_they_left: set[int] = set()

    def notice(self, waiting: Iterable[PendingEvent]) -> ProcessedEvents:
        """Deal with hints in their order. What was not reached is not `handled`, and stays where it is."""
        hints = list(waiting)
        if hints:
            self._find_athletes()
            self._find_in_mirror(hints)
        try:
            self._compare_instead_of_many_lookups(hints)
            for hint in hints:
                if hint.event:
                    self._deal_with(hint, hint.event)
                self._noticed.handled.add(hint)
        except (_NotNow, RateLimitExceeded, StravaUnavailable, MalformedPage) as reason:
            self._noticed.errors.append(str(reason))
        return self._noticed

    def _find_athletes(self) -> None:
        try:
            self._athletes = {athlete.id: athlete for athlete in self._client.athletes()}
        except AthleteError as trouble:
            self._noticed.errors.append(str(trouble))

    def _find_in_mirror(self, hints: Iterable[PendingEvent]) -> None:
        for athlete_id, ids in activities_of(hints).items():
            if athlete_id in self._athletes:
                with transaction(self._engine) as connection:
                    found = stored(connection, athlete_id, Window(self._now, self._now), ids)
                self._here |= {(athlete_id, key): known for key, known in found.items() if isinstance(key, int)}

    def _compare_instead_of_many_lookups(self, hints: Iterable[PendingEvent]) -> None:
        wanted = {_key(hint.event) for hint in hints if hint.event and self._wants_lookup(hint.event)}
        if len(wanted) <= MAX_LOOKUPS:
            return
        for athlete_id in sorted({athlete_id for athlete_id, _ in wanted}):
            try:
                compared = self._compare(athlete_id)
            except AthleteError as trouble:
                self._noticed.errors.append(str(trouble))
            else:
                self._noticed.hours |= {hour for found in compared.differences.values() for hour in found.hours}
                self._noticed.outcomes["comparison in place of many lookups"] += 1
            self._no_lookups.add(athlete_id)

    def _wants_lookup(self, event: Event) -> bool:
        """Whether it takes a request to know the hour. A create that the mirror knows is an old or repeated one."""
        is_known = event.aspect == "create" and _key(event) in self._here
        return event.meaning is Meaning.LOOK_UP and event.owner_id in self._athletes and not is_known

    def _deal_with(self, hint: PendingEvent, event: Event) -> None:
        athlete = self._athletes.get(event.owner_id)
        if athlete is None:
            self._noticed.outcomes["of unknown athletes"] += 1
        elif event.meaning is Meaning.REVOKED:
            self._confirm_revocation(athlete)
        elif event.meaning is Meaning.DELETED:
            self._notice_gone(hint, event)
        elif self._wants_lookup(event) and athlete.id not in self._no_lookups:
            self._look_up(hint, event, athlete)
        else:
            self._noticed.outcomes["known already"] += 1

    def _notice_gone(self, hint: PendingEvent, event: Event) -> None:
        if here := self._here.get(_key(event)):
            self._noticed.hours.add(here.hour)
            self._noticed.outcomes["deleted"] += 1
            # Whether the listing has seen it too: if so, the mirror does not know it any more by then.
            self._hints.look_again(hint, self._now)
        else:
            self._noticed.outcomes["known already"] += 1

    def _look_up(self, hint: PendingEvent, event: Event, athlete: Athlete) -> None:
        try:
            hour = self._hour_at_strava(event, athlete)
        except AthleteError as trouble:
            self._noticed.errors.append(str(trouble))
            self._no_lookups.add(athlete.id)
            return
        except (StravaUnavailable, MalformedPage) as error:
            self._failures += 1
            self._noticed.errors.append(str(error))
            self._hints.look_again(hint, self._now)
            return
        here = self._here.get(_key(event))
        self._noticed.hours |= {moment for moment in (hour, here and here.hour) if moment}
        self._noticed.outcomes[f"{event.aspect}d" if hour else "not at Strava"] += 1
        # Strava may not list yet what it has just created, or not even know it.
        if event.aspect == "create" and not self._hints.look_again(hint, self._now):
            self._noticed.errors.append(
                f"Activity {event.object_id} was announced, but does not arrive; the next comparisons look for it."
            )

    def _hour_at_strava(self, event: Event, athlete: Athlete) -> datetime | None:
        """The hour of an activity by the API, asked once for all its hints; None if it is gone or says no start."""
        key = _key(event)
        if key not in self._found:
            if self._failures >= MAX_FAILURES:
                raise _NotNow("Strava is unwell; what is left waits.")
            if time.monotonic() > self._deadline:
                raise _NotNow("The lookups took long; what is left waits for the next tick.")
            activity = self._client.activity(athlete, event.object_id)
            self._found[key] = activity.hour if activity else None
        return self._found[key]

    def _confirm_revocation(self, athlete: Athlete) -> None:
        """Nothing about an event proves who sent it. It is kept as evidence, and Strava is asked; docs/design.md."""
        if athlete.id in self._asked_whether_they_left:
            return
        self._asked_whether_they_left.add(athlete.id)
        try:
            self._client.hear_of_revocation(athlete)
        except AccessRevoked:
            self._noticed.outcomes["revoked, as Strava confirms"] += 1
        except AthleteError as trouble:
            self._noticed.errors.append(str(trouble))
        else:
            self._noticed.outcomes["revoked, which Strava denies so far"] += 1


def _key(event: Event) -> tuple[int, int]:
    return event.owner_id, event.object_id
