"""Whatever happens upstream or in between: after a pass the mirror equals Strava, field by field.

Random histories of uploads, edits, moves, deletions, invalid records, faults and crashes, against real
Postgres, S3 and Redis and the simulated Strava over HTTP. `make test-long` takes thousands of steps.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import boto3
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis
from sqlalchemy import text

from strava_assets.errors import TooManyDeletions, TransientError
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.mirror.activity import Activity, validate
from strava_assets.mirror.database import engine_for, transaction
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.unlisted import waiting_deletions
from strava_assets.provisioning import migrate
from strava_assets.raw.activity import RawActivity
from strava_assets.services import open_client, open_store
from strava_assets.settings import Settings
from strava_assets.simulator.activity_generator import strava_time
from strava_assets.simulator.simulation import Simulation
from strava_assets.strava.clock import Clock
from strava_assets.strava.tokens import Athlete
from strava_assets.sync.compare import Comparison, make_comparer
from strava_assets.sync.fetch import Etags, Hours, make_fetcher
from strava_assets.sync.load import load_window

NOW = floor_to_hour(datetime.now(UTC))
FIRST = NOW - timedelta(days=60)
EVER = Window(FIRST, NOW + HOUR)
ATHLETES = (42, 43)

MOMENTS = st.integers(0, 60 * 24 * 60).map(lambda minutes: FIRST + timedelta(minutes=minutes))
TEXTS = st.text(max_size=12)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
EDITS = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXTS,
        "distance": NUMBERS,
        "average_speed": NUMBERS,
        "moving_time": st.integers(0, 10**6),
        "kilojoules": NUMBERS | st.none(),
        "gear_id": TEXTS | st.none(),
        "sport_type": TEXTS,
        "start_latlng": st.sampled_from([[], [47.5, 8.25], None]),
        "map": st.sampled_from([None, {"summary_polyline": "a\\b"}, {"summary_polyline": None}]),
        "private": st.booleans(),
        "commute": st.booleans(),
        "kudos_count": st.integers(0, 99),
        "achievement_count": st.integers(0, 99),
        "something_new": NUMBERS,
    },
)
BROKEN = st.sampled_from(
    [
        {"distance": "far"},
        {"moving_time": 1.5},
        {"trainer": "yes"},
        {"start_date": ...},
        {"start_date": None},
        {"name": 5},
    ]
)
FAULTS = st.sampled_from(["status", "reset", "truncated", "html", "body", "short_page"])
SHARE = 0.1
"""What may be deleted at once without a confirmation; of so few activities, five."""


class Crash(Exception):
    """The process ends here."""


class History(RuleBasedStateMachine):
    """What can happen to two athletes' activities, and to the platform meanwhile."""

    simulation: Simulation

    @initialize()
    def start(self) -> None:
        self.settings = settings = Settings.from_environment()
        self.simulation = _simulation
        self.simulation.faults.clear()
        self.hidden = set[int]()
        self.held = set[tuple[int, int, datetime]]()
        listed = type(self.simulation).listed

        def listed_but_for_hidden_ones(*arguments: Any, **options: Any) -> list[str]:
            full = listed(self.simulation, *arguments, **options)
            return [each for each in full if not self.hidden or json.loads(each).get("id") not in self.hidden]

        vars(self.simulation)["listed"] = listed_but_for_hidden_ones
        for athlete_id in ATHLETES:
            account = self.simulation.add_athlete(athlete_id)
            account.activities.clear()
        self.simulation.limits.used.clear()
        self.engine = engine_for(settings.database_url)
        with transaction(self.engine) as connection:
            connection.execute(
                text(
                    "TRUNCATE strava_activity, strava_activity_reject, strava_mirrored_object, strava_unlisted_activity"
                )
            )
        bucket = boto3.resource("s3", endpoint_url=settings.s3_endpoint_url).Bucket(settings.s3_bucket)
        bucket.objects.delete()
        redis = Redis.from_url(settings.redis_url)
        redis.flushdb()
        redis.set("STRAVA_TOKEN", json.dumps(self.simulation.grant(42)))
        redis.set("STRAVA_TOKEN:43", json.dumps(self.simulation.grant(43)))
        self.store = open_store(settings)
        self.redis = redis
        # Waiting, for a retry or for the next quarter hour, costs simulated time only.
        clock = Clock(self.simulation.now, self.simulation.advance)
        self.client = open_client(settings, clock=clock)

    def ids(self) -> list[int]:
        return sorted(key for account in self.simulation.accounts.values() for key in account.activities)

    @rule(athlete=st.sampled_from(ATHLETES), moment=MOMENTS, fields=EDITS)
    def upload(self, athlete: int, moment: datetime, fields: dict[str, Any]) -> None:
        self.simulation.add_activity(athlete, **{**fields, "start_date": strava_time(moment)})

    @rule(day=st.integers(0, 59), count=st.integers(2, 5))
    def upload_with_hidden_starts(self, day: int, count: int) -> None:
        midnight = (FIRST + timedelta(days=day + 1)).replace(hour=0, second=1)
        for _ in range(count):
            self.simulation.add_activity(42, start_date=strava_time(midnight))

    @precondition(lambda self: self.ids())
    @rule(data=st.data(), fields=EDITS)
    def edit(self, data: st.DataObject, fields: dict[str, Any]) -> None:
        self.simulation.edit(data.draw(st.sampled_from(self.ids())), **fields)

    @precondition(lambda self: self.ids())
    @rule(data=st.data(), moment=MOMENTS)
    def move(self, data: st.DataObject, moment: datetime) -> None:
        self.simulation.edit(data.draw(st.sampled_from(self.ids())), start_date=strava_time(moment))

    @precondition(lambda self: self.ids())
    @rule(data=st.data(), wrong=BROKEN)
    def break_record(self, data: st.DataObject, wrong: dict[str, Any]) -> None:
        self.simulation.edit(data.draw(st.sampled_from(self.ids())), **wrong)

    @precondition(lambda self: self.ids())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.simulation.delete(data.draw(st.sampled_from(self.ids())))

    @precondition(lambda self: len(self.ids()) > 5)
    @rule(data=st.data())
    def delete_many(self, data: st.DataObject) -> None:
        for each in data.draw(st.lists(st.sampled_from(self.ids()), min_size=6, unique=True, max_size=40)):
            self.simulation.delete(each)

    @rule(count=st.integers(6, 20), day=st.integers(0, 50), athlete=st.sampled_from(ATHLETES))
    def upload_many(self, count: int, day: int, athlete: int) -> None:
        for number in range(count):
            self.simulation.add_activity(athlete, start_date=strava_time(FIRST + timedelta(days=day, hours=7 * number)))

    @rule(count=st.integers(1, 4), after=st.integers(0, 3))
    def list_nothing(self, count: int, after: int) -> None:
        self.simulation.faults.add("body", body="[]", count=count, after=after)

    @rule(share=st.floats(0, 1), offset=st.integers(0, 50))
    def leave_out_a_part_of_each_listing(self, share: float, offset: int) -> None:
        """As if a page was missing in the middle, until the next pass."""
        ids = self.ids()[offset:]
        self.hidden = set(ids[: int(share * len(ids))])

    @rule(athlete=st.sampled_from(ATHLETES))
    def compare_and_refresh(self, athlete: int) -> None:
        self.try_to(lambda: self.refresh_all(self.compare(only=athlete)))

    @precondition(lambda self: not self.hidden and not self.simulation.faults.active)
    @rule(athlete=st.sampled_from(ATHLETES))
    def confirm_deletions(self, athlete: int) -> None:
        """Somebody looked at what Strava shows, and says that it is right."""
        self.try_to(lambda: self.refresh_all(self.compare(confirmed=athlete, only=athlete)))

    @rule(kind=FAULTS, after=st.integers(0, 3))
    def fault_ahead(self, kind: Any, after: int) -> None:
        self.simulation.faults.add(kind, after=after)

    @rule(first=st.integers(0, 60 * 24 - 1), length=st.integers(1, 200))
    def refresh_some_window(self, first: int, length: int) -> None:
        window = Window(FIRST + first * HOUR, min(FIRST + (first + length) * HOUR, EVER.end))
        self.try_to(lambda: self.refresh(window))

    @rule(first=st.integers(0, 60 * 24 - 1), length=st.integers(1, 400))
    def crash_before_the_table(self, first: int, length: int) -> None:
        self.try_to(lambda: self.fetch(Window(FIRST + first * HOUR, min(FIRST + (first + length) * HOUR, EVER.end))))

    @rule()
    def crash_in_the_middle_of_a_range(self) -> None:
        def crash(_athlete: Athlete, _hours: Hours, _etags: Etags) -> None:
            raise Crash

        self.try_to(lambda: self.fetch(EVER, crash))

    @rule()
    def crash_inside_the_transaction(self) -> None:
        class CrashingGuard(DeletionGuard):
            def refusal(self, _athlete_id: int, _deletions: int, _activities: int) -> NoReturn:
                raise Crash

        self.try_to(lambda: load_window(self.store, self.engine, EVER, CrashingGuard(1.0)))

    @rule()
    def converge(self) -> None:
        """One pass of comparison and refresh, without errors, is enough; a crashed run need not be retried.

        Only a mass deletion takes somebody who confirms it; all else has come through before.
        """
        self.simulation.faults.clear()
        self.hidden = set()
        found = self.compare()
        self.refresh_all(found)
        if found.held_back:
            truth = self.truth()
            assert {key: row for key, row in self.rows().items() if key in truth} == truth
        assert all(isinstance(reason, TooManyDeletions) for reason in found.held_back.values())
        # Of objects that the mirror did not know, only the refresh finds that they would lose many.
        with transaction(self.engine) as connection:
            waiting = waiting_deletions(connection).keys() | found.held_back.keys()
        for athlete_id in waiting:
            self.refresh_all(self.compare(confirmed=athlete_id, only=athlete_id))
        if waiting and (found := self.compare()).undated:
            # One athlete's windows were fetched of all, and may cut through where another's without a start lie.
            self.refresh_all(found)
        found = self.compare()
        assert (found.windows, found.problems) == ([], [])
        assert self.rows() == self.truth()
        assert self.rejects() == self.invalid()
        assert self.raw() == {raw.digest for _, raw in self.each()}
        before = self.rows(with_transaction=True)
        if self.store.athletes():
            load_window(self.store, self.engine, EVER, DeletionGuard(1.0))
        assert self.rows(with_transaction=True) == before

    @invariant()
    def no_object_loses_an_activity_that_strava_has_in_its_hour(self) -> None:
        if not hasattr(self, "engine"):
            return
        there = {
            (athlete_id, key, raw.hour)
            for athlete_id, account in self.simulation.accounts.items()
            for key, raw in account.activities.items()
            if raw.start and raw.hour
        }
        now = {
            (athlete_id, activity.id, hour)
            for athlete_id in self.store.athletes()
            for hour, activities in self.store.read(athlete_id, list(self.store.objects(athlete_id, EVER)))
            for activity in activities
            if activity.id
        }
        assert not (self.held & there) - now
        self.held = now

    @invariant()
    def a_row_is_never_a_reject_too(self) -> None:
        if hasattr(self, "engine"):
            assert not set(self.rows()) & self.rejects()

    def teardown(self) -> None:
        if hasattr(self, "client"):
            self.converge()
            self.client.close()

    def try_to(self, act: Any) -> None:
        with contextlib.suppress(TransientError, Crash):
            act()

    def fetch(self, window: Window, on_hours: Any = lambda _athlete, _hours, _etags: None) -> None:
        fetcher = make_fetcher(self.client, self.store, self.engine, self.redis, self.settings.max_delete_share)
        replace(fetcher, on_hours=on_hours).fetch(window)

    def refresh(self, window: Window) -> None:
        self.fetch(window)
        load_window(self.store, self.engine, window, DeletionGuard(SHARE))

    def refresh_all(self, found: Comparison) -> None:
        for window in found.windows:
            self.refresh(window)

    def compare(self, **options: int) -> Comparison:
        return make_comparer(self.client, self.store, self.engine, self.settings.max_delete_share).compare(
            EVER, **options
        )

    def each(self) -> Iterator[tuple[int, RawActivity]]:
        for account in self.simulation.accounts.values():
            for raw in account.activities.values():
                yield account.id, raw

    def truth(self) -> dict[int, dict[str, Any]]:
        valid = (validate(raw, athlete_id) for athlete_id, raw in self.each())
        return {row.id: _without_counters(row.model_dump()) for row in valid if isinstance(row, Activity)}

    def invalid(self) -> set[int]:
        return {raw.fields["id"] for athlete_id, raw in self.each() if isinstance(validate(raw, athlete_id), list)}

    def rows(self, *, with_transaction: bool = False) -> dict[int, dict[str, Any]]:
        xmin = ", xmin::text" if with_transaction else ""
        with transaction(self.engine) as connection:
            found = connection.execute(text(f"SELECT *{xmin} FROM strava_activity"))
            return {row.id: _without_counters(dict(row._mapping)) for row in found}

    def raw(self) -> set[str]:
        """The digests of whatever lies in the bucket."""
        return {
            activity.digest
            for athlete_id in self.store.athletes()
            for _, activities in self.store.read(athlete_id, list(self.store.objects(athlete_id, EVER)))
            for activity in activities
        }

    def rejects(self) -> set[int]:
        with transaction(self.engine) as connection:
            return set(connection.execute(text("SELECT id FROM strava_activity_reject")).scalars())


def _without_counters(row: dict[str, Any]) -> dict[str, Any]:
    """Kudos and comments are as old as the last fetch of their hour, by design."""
    return {name: value for name, value in row.items() if name not in {"kudos_count", "comment_count"}}


_simulation: Simulation


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_after_a_pass_the_mirror_equals_strava_whatever_happened(simulation: Simulation):
    global _simulation  # noqa: PLW0603 - hypothesis makes the state machines itself
    _simulation = simulation
    migrate(Settings.from_environment().database_url)
    steps = settings(settings.default, deadline=None, suppress_health_check=list(HealthCheck))
    if not os.environ.get("HYPOTHESIS_PROFILE"):
        steps = settings(steps, max_examples=8, stateful_step_count=25)
    run_state_machine_as_test(History, settings=steps)
