"""Webhook events → hours to fetch again. An event only names an activity; what is true, the API and the listing say.

A create or an update is looked up for its hour, a deletion is confirmed by looking up, and so is a revocation. What
cannot be known yet is looked up again later, a bounded number of times; the comparisons find the rest.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine

from strava_assets.errors import (
    AccessRevoked,
    ApplicationInactive,
    AthleteError,
    MalformedPage,
    PermanentError,
    RateLimitExceeded,
    StravaAssetsError,
    StravaUnavailable,
)
from strava_assets.hours import Window
from strava_assets.mirror.database import transaction
from strava_assets.mirror.differences import Known
from strava_assets.mirror.queries import stored
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import Athlete
from strava_assets.sync.compare import Comparison
from strava_assets.webhooks.allowance import COST_OF_RUN, Allowance
from strava_assets.webhooks.events import Event, Meaning
from strava_assets.webhooks.pending_events import PendingEvent, PendingEvents, activities_of

MAX_LOOKUPS = 20
"""A request each. Where more are needed at once, comparing the last days costs less: about two requests."""

MAX_FAILURES = 2
"""A single activity can be broken at Strava's for days; two mean that Strava is unavailable."""

TIME_FOR_LOOKUPS = 25.0
"""Seconds; a sensor's tick has 60."""

PAUSES_OF_DENIED = (timedelta(seconds=20), timedelta(minutes=2))
"""When a deletion that Strava denies is looked up again: the event may have been faster than the API."""


@dataclass
class ProcessedEvents:
    """What came out: hours to fetch again, what is dealt with, and what a person may want to know."""

    handled: list[PendingEvent] = field(default_factory=list)
    hours: set[datetime] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def add_error(self, error: Exception | str) -> None:
        """Note an error, without the activity's id: Dagster keeps what a tick says."""
        self.errors[re.sub(r"/activities/\d+", "/activities/{id}", str(error))] += 1

    def __str__(self) -> str:
        return ", ".join([*(f"{count} {outcome}" for outcome, count in self.outcomes.items()), *self.errors])


class AtStrava(NamedTuple):
    """What the API says of an activity; the hour is None where it says no start."""

    exists: bool
    hour: datetime | None


class _NotNow(Exception):
    """What is left waits for the next tick; the message says why."""


class _AllowanceSpent(Exception):
    """Events have cost as many requests as they may today."""


class EventProcessor:
    """Deals with events, one after the other, as far as time and quota allow. For one tick."""

    def __init__(
        self,
        client: StravaClient,
        engine: Engine,
        pending: PendingEvents,
        allowance: Allowance,
        *,
        compare: Callable[[int], Comparison],
        now: datetime,
    ) -> None:
        """`compare` compares the last days of one athlete, by id, with Strava."""
        self._client = client
        self._engine = engine
        self._pending = pending
        self._allowance = allowance
        self._compare = compare
        self._now = now
        self._processed = ProcessedEvents()
        self._deadline = time.monotonic() + TIME_FOR_LOOKUPS
        self._failures = 0
        self._athletes: dict[int, Athlete] = {}
        self._here: dict[tuple[int, int], Known] = {}
        self._found: dict[tuple[int, int], AtStrava] = {}
        self._broken: set[tuple[int, int]] = set()
        """Activities whose request failed in this tick."""
        self._compared: set[int] = set()
        """Athletes whose activities need no requests, since they were compared."""
        self._failing: set[int] = set()
        """Athletes whom Strava does not let be read now."""
        self._confirmed: set[int] = set()
        """Athletes whose revocation was looked up."""

    def process(self, waiting: Iterable[PendingEvent]) -> ProcessedEvents:
        """Deal with events in their order. What was not reached is not `handled`, and stays where it is."""
        events = list(waiting)
        self._find_athletes()
        self._find_in_mirror(events)
        try:
            self._compare_instead_of_many_lookups(events)
            for pending in events:
                if pending.event:
                    self._deal_with(pending, pending.event)
                self._processed.handled.append(pending)
        except (_NotNow, RateLimitExceeded, StravaUnavailable, MalformedPage, ApplicationInactive) as reason:
            self._processed.add_error(reason)
        return self._processed

    def _find_athletes(self) -> None:
        try:
            self._athletes = {athlete.id: athlete for athlete in self._client.athletes()}
        except AthleteError as error:
            self._processed.add_error(error)

    def _find_in_mirror(self, events: Iterable[PendingEvent]) -> None:
        for athlete_id, ids in activities_of(events).items():
            if athlete_id in self._athletes:
                with transaction(self._engine) as connection:
                    found = stored(connection, athlete_id, Window(self._now, self._now), ids)
                self._here |= {(athlete_id, key): known for key, known in found.items() if isinstance(key, int)}

    def _compare_instead_of_many_lookups(self, events: Iterable[PendingEvent]) -> None:
        wanted = {each.event.activity for each in events if each.event and self._wants_lookup(each.event)}
        if len(wanted) <= MAX_LOOKUPS:
            return
        for athlete_id in sorted({athlete_id for athlete_id, _ in wanted}):
            if time.monotonic() > self._deadline:
                raise _NotNow("The comparisons took long; the rest waits for the next tick.")
            self._compared.add(athlete_id)
            if not self._allowance.take(COST_OF_RUN):
                self._processed.outcomes["comparison left to the sensor for changes"] += 1
                continue
            try:
                compared = self._compare(athlete_id)
            except AthleteError as error:
                self._processed.add_error(error)
            else:
                self._processed.hours |= {hour for found in compared.differences.values() for hour in found.hours}
                self._processed.outcomes["comparison instead of many single requests"] += 1

    def _wants_lookup(self, event: Event) -> bool:
        """Whether it takes a request. A create that the mirror has, or a delete of what it has not, is an old one."""
        if event.owner_id not in self._athletes or event.meaning not in {Meaning.LOOK_UP, Meaning.DELETED}:
            return False
        return event.aspect == "update" or (event.aspect == "delete") == (event.activity in self._here)

    def _deal_with(self, pending: PendingEvent, event: Event) -> None:
        athlete = self._athletes.get(event.owner_id)
        if athlete is None:
            self._processed.outcomes["of unknown athletes"] += 1
        elif event.meaning is Meaning.REVOKED:
            self._confirm_revocation(athlete)
        elif not self._wants_lookup(event) or athlete.id in self._compared:
            self._processed.outcomes["known already"] += 1
        elif athlete.id in self._failing or event.activity in self._broken:
            self._pending.look_up_later(pending, self._now)
        else:
            self._look_up(pending, event, athlete)

    def _look_up(self, pending: PendingEvent, event: Event, athlete: Athlete) -> None:
        try:
            found = self._at_strava(event, athlete)
        except _AllowanceSpent:
            self._processed.outcomes["left to the comparisons, since events have cost enough requests today"] += 1
        except (RateLimitExceeded, ApplicationInactive):
            raise
        except (StravaUnavailable, MalformedPage, AthleteError, PermanentError) as error:
            self._broken.add(event.activity)
            self._look_up_after(error, pending, athlete)
        else:
            self._add_hours(pending, event, found)

    def _look_up_after(self, error: StravaAssetsError, pending: PendingEvent, athlete: Athlete) -> None:
        """An error of one event, or of one athlete: the others go on."""
        self._processed.add_error(error)
        self._failures += isinstance(error, StravaUnavailable | MalformedPage)
        if isinstance(error, AthleteError):
            self._failing.add(athlete.id)
        if not self._pending.look_up_later(pending, self._now):
            self._processed.outcomes["given up, left to the comparisons"] += 1

    def _add_hours(self, pending: PendingEvent, event: Event, found: AtStrava) -> None:
        here = self._here.get(event.activity)
        if event.aspect == "delete" and found.exists:
            self._processed.outcomes["deleted, which Strava denies"] += 1
            self._pending.look_up_later(pending, self._now, PAUSES_OF_DENIED)
            return
        if event.aspect == "delete":
            self._pending.delete_others(event)
        self._processed.hours |= {hour for hour in (found.hour, here and here.hour) if hour}
        self._processed.outcomes[
            f"{event.aspect}d" if found.exists or event.aspect == "delete" else "not at Strava"
        ] += 1
        # Strava may not list yet what it has just created or deleted, or not even know it.
        if event.aspect != "update" and not self._pending.look_up_later(pending, self._now):
            self._processed.add_error(
                "A change that an event announced is not visible yet; the next comparisons will find it."
            )

    def _at_strava(self, event: Event, athlete: Athlete) -> AtStrava:
        """The activity by the API, requested once for all its events."""
        if event.activity not in self._found:
            if self._failures >= MAX_FAILURES:
                raise _NotNow("Strava is unavailable; the rest waits.")
            if time.monotonic() > self._deadline:
                raise _NotNow("The requests took long; the rest waits for the next tick.")
            if not self._allowance.take():
                raise _AllowanceSpent
            activity = self._client.activity(athlete, event.object_id)
            self._found[event.activity] = AtStrava(activity is not None, activity.hour if activity else None)
        return self._found[event.activity]

    def _confirm_revocation(self, athlete: Athlete) -> None:
        """Nothing about an event proves who sent it. It is kept as evidence, and Strava is asked; docs/design.md."""
        if athlete.id in self._confirmed:
            return
        self._confirmed.add(athlete.id)
        try:
            self._client.report_revocation(athlete)
        except AccessRevoked:
            self._processed.outcomes["revoked, as Strava confirms"] += 1
        except AthleteError as error:
            self._processed.add_error(error)
        else:
            self._processed.outcomes["revoked, but Strava still grants access"] += 1
