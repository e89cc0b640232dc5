import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from strava_assets.hours import HOUR, Window
from strava_assets.mirror.activity import COLUMNS, Activity, validate
from strava_assets.mirror.airflow_rows import assign_airflow_rows
from strava_assets.mirror.deletion import delete_athlete
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.load import Loaded, load_snapshots
from strava_assets.mirror.queries import mirrored_etags
from strava_assets.mirror.unlisted import Place, decide
from strava_assets.raw.activity import RawActivity, split_array
from strava_assets.raw.snapshot import HourSnapshot

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ATHLETE = 42
UNGUARDED = DeletionGuard(max_share=1.0)


def activity(activity_id: Any, start: datetime = NOON + timedelta(minutes=5), **fields: Any) -> RawActivity:
    values = {"id": activity_id, "start_date": start.isoformat().replace("+00:00", "Z"), "name": "Run", **fields}
    return split_array(json.dumps([values]))[0]


def snapshot(hour: datetime, *activities: RawActivity, fetched_at: datetime = NOON + timedelta(days=1)) -> HourSnapshot:
    return HourSnapshot(hour, fetched_at, "etag", activities)


def load(engine: Engine, *snapshots: HourSnapshot, guard: DeletionGuard = UNGUARDED, athlete: int = ATHLETE) -> Loaded:
    with engine.begin() as connection:
        return load_snapshots(connection, athlete, iter(snapshots), guard)


def rows(engine: Engine) -> dict[int, Any]:
    with engine.connect() as connection:
        return {
            row.id: row for row in connection.execute(text("SELECT *, xmin::text FROM strava_activity ORDER BY id"))
        }


def rejects(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT * FROM strava_activity_reject ORDER BY id")).all())


def test_the_planner_knows_many_new_rows_at_once(engine: Engine):
    load(engine, snapshot(NOON, *(activity(number) for number in range(1, 102))))
    with engine.connect() as connection:
        known = connection.execute(text("SELECT reltuples FROM pg_class WHERE oid = 'strava_activity'::regclass"))
        assert known.scalar_one() == 101


def test_every_column_of_a_row_equals_what_validation_read(engine: Engine):
    raw = activity(
        154504250376823,
        name='Zürich →\t"quoted"\\N\n🏃 \\.',
        distance=48.400000000000006,
        average_speed=5.54,
        moving_time=3600,
        trainer=False,
        start_latlng=[47.37, 8.54],
        end_latlng=[],
        map={"summary_polyline": "ab\\c"},
        start_date_local="2026-11-22T13:05:00Z",
        timezone="(GMT+01:00) Europe/Zurich",
    )
    load(engine, snapshot(NOON, raw))
    expected = validate(raw, ATHLETE)
    assert isinstance(expected, Activity)
    row = rows(engine)[154504250376823]
    assert {name: getattr(row, name) for name in COLUMNS} == expected.model_dump()


def test_loading_the_same_again_rewrites_no_row(engine: Engine):
    both = snapshot(NOON, activity(1), activity(2, distance=5.0))
    assert load(engine, both) == Loaded(hours=1, inserted=2)
    before = rows(engine)
    assert load(engine, both) == Loaded(hours=1, unchanged=2)
    assert rows(engine) == before


def test_rows_are_inserted_updated_deleted_and_moved_as_the_objects_say(engine: Engine):
    load(engine, snapshot(NOON, activity(1), activity(2), activity(3)))
    moved = activity(3, start=NOON + HOUR)
    done = load(
        engine, snapshot(NOON, activity(1, name="Long run")), snapshot(NOON + HOUR, moved, activity(4, NOON + HOUR))
    )
    assert done == Loaded(hours=2, inserted=1, updated=2, deleted=1)
    found = rows(engine)
    assert set(found) == {1, 3, 4}
    assert found[1].name == "Long run"
    assert found[3].start_date == NOON + HOUR


def test_an_hour_without_an_object_and_another_athlete_keep_their_rows(engine: Engine):
    load(engine, snapshot(NOON, activity(1)), snapshot(NOON + HOUR, activity(2, NOON + HOUR)))
    load(engine, snapshot(NOON, activity(3)), athlete=43)
    assert load(engine, snapshot(NOON)) == Loaded(hours=1, deleted=1)
    assert set(rows(engine)) == {2, 3}


def test_of_two_objects_that_hold_an_activity_the_newer_one_counts(engine: Engine):
    stale = snapshot(NOON, activity(1, name="old"), fetched_at=NOON + timedelta(days=1))
    fresh = snapshot(NOON + HOUR, activity(1, NOON + HOUR, name="new"), fetched_at=NOON + timedelta(days=2))
    load(engine, stale, fresh)
    assert rows(engine)[1].name == "new"
    assert mirrored_hours(engine) == {NOON + HOUR}  # the old copy is fetched away by the next comparison


@pytest.mark.parametrize("distance", [5, "farther"])
def test_the_same_holds_of_invalid_activities_such_as_those_without_a_start(engine: Engine, distance: object):
    stale = snapshot(NOON, activity(1, distance="far"), fetched_at=NOON + timedelta(days=1))
    fresh = snapshot(NOON + HOUR, activity(1, NOON + HOUR, distance=distance), fetched_at=NOON + timedelta(days=2))
    load(engine, stale, fresh)
    assert mirrored_hours(engine) == {NOON + HOUR}
    assert [each.payload["distance"] for each in rejects(engine)] == ([] if distance == 5 else ["farther"])


def test_of_two_objects_of_the_same_second_the_one_of_the_later_hour_counts(engine: Engine):
    for number, (old, new, later_first) in enumerate(itertools.product((5, "far"), (5, "far"), (False, True))):
        hour = NOON + number * timedelta(days=1)
        fetched_at = hour + timedelta(days=1)
        stale = snapshot(hour, activity(number, hour, distance=old), fetched_at=fetched_at)
        newer = snapshot(hour + HOUR, activity(number, hour + HOUR, distance=new), fetched_at=fetched_at)
        load(engine, *((newer, stale) if later_first else (stale, newer)))
        load(engine, snapshot(hour))  # the old copy is fetched away
        found = {each.start_date for each in rows(engine).values() if each.id == number}
        waiting = {each.hour for each in rejects(engine) if each.id == number}
        assert (found, waiting) == (({hour + HOUR}, set()) if new == 5 else (set(), {hour + HOUR}))


def test_of_two_copies_in_one_object_the_valid_one_counts(engine: Engine):
    both = [activity(1, distance="far"), activity(1, distance=5)]
    for copies in (both, both[::-1]):
        load(engine, snapshot(NOON, *copies))
        assert rows(engine)[1].distance == 5
        assert rejects(engine) == []


def test_an_invalid_activity_waits_among_the_rejects_until_it_is_valid(engine: Engine):
    load(engine, snapshot(NOON, activity(1), activity(2)))
    assert load(engine, snapshot(NOON, activity(1, distance="far"), activity(2))) == Loaded(
        hours=1, deleted=1, unchanged=1, rejected=1
    )
    (reject,) = rejects(engine)
    assert (reject.id, reject.hour, reject.payload["distance"]) == (1, NOON, "far")
    assert reject.errors == ["distance: Input should be a valid number (got 'far')"]
    assert set(rows(engine)) == {2}

    load(engine, snapshot(NOON, activity(1, distance=5), activity(2)))
    assert rejects(engine) == []
    assert set(rows(engine)) == {1, 2}


def test_rejects_go_when_their_hour_no_longer_has_them(engine: Engine):
    load(engine, snapshot(NOON, activity(1, distance="far"), activity("x"), activity(2**63)))
    assert [reject.id for reject in rejects(engine)] == [1, None, None]
    first_seen = rejects(engine)[0].first_seen
    load(engine, snapshot(NOON, activity(1, distance="further")))
    (reject,) = rejects(engine)
    assert reject.first_seen == first_seen < reject.last_seen
    load(engine, snapshot(NOON))
    assert rejects(engine) == []


def test_a_reject_survives_what_jsonb_cannot_hold(engine: Engine):
    raw = split_array('[{"id": 1, "name": "nul \\u0000 half \\ud800", "n": 987654321234567891234}]')[0]
    load(engine, snapshot(NOON, raw))
    assert rejects(engine)[0].payload == {"id": 1, "name": "nul \ufffd half \ufffd", "n": 987654321234567891234}


def test_a_number_that_no_float_can_hold_is_a_reject_as_it_was_spelled(engine: Engine):
    (raw,) = split_array('[{"id": 1, "start_date": "2026-11-22T12:05:00Z", "distance": 1e999}]')
    load(engine, snapshot(NOON, raw))
    (reject,) = rejects(engine)
    assert reject.payload["distance"] == "1e999"
    assert reject.errors == ["distance: Input should be a valid number (got '1e999')"]


def test_a_valid_name_with_what_postgres_cannot_hold_is_stored_with_replacements(engine: Engine):
    load(engine, snapshot(NOON, activity(1, name="a\0b\ud800c")))
    assert rows(engine)[1].name == "a\ufffdb\ufffdc"


def unlist(engine: Engine, *places: tuple[datetime, int], may_be_deleted: bool) -> None:
    decided = [Place(*place) for place in places]
    with engine.begin() as connection:
        decide(connection, ATHLETE, decided if may_be_deleted else (), () if may_be_deleted else decided)


def mirrored_hours(engine: Engine) -> set[datetime]:
    with engine.connect() as connection:
        return set(mirrored_etags(connection, ATHLETE, Window(NOON - 9 * HOUR, NOON + 9 * HOUR)))


def test_rows_that_many_objects_have_lost_unexplained_are_kept_and_all_else_goes_on(engine: Engine):
    """Somebody emptied objects in the bucket: their hours count as not mirrored, so that they are fetched again."""
    load(engine, snapshot(NOON, *map(activity, range(1, 21))), snapshot(NOON + HOUR))
    edited = snapshot(NOON, activity(1, name="changed"))
    added = snapshot(NOON + HOUR, activity(50, NOON + HOUR))
    done = load(engine, edited, added, guard=DeletionGuard(max_share=0.1))
    assert done == Loaded(hours=2, inserted=1, updated=1, held_back=19)
    assert set(rows(engine)) == {*range(1, 21), 50}
    assert rows(engine)[1].name == "changed"
    assert mirrored_hours(engine) == {NOON + HOUR}
    assert load(engine, snapshot(NOON), guard=UNGUARDED).deleted == 20


def test_rows_that_it_was_decided_to_delete_need_no_guard_and_the_decision_is_used_up(engine: Engine):
    load(engine, snapshot(NOON, *map(activity, range(1, 21))))
    unlist(engine, *((NOON, number) for number in range(1, 21)), may_be_deleted=True)
    assert load(engine, snapshot(NOON), guard=DeletionGuard(0.0)).deleted == 20
    load(engine, snapshot(NOON, *map(activity, range(1, 21))))
    assert load(engine, snapshot(NOON), guard=DeletionGuard(0.0)) == Loaded(hours=1, held_back=20)


def test_a_row_whose_deletion_waits_is_kept_though_it_is_the_only_one_of_its_hour(engine: Engine):
    load(engine, snapshot(NOON, activity(1)))
    unlist(engine, (NOON, 1), may_be_deleted=False)
    assert load(engine, snapshot(NOON)) == Loaded(hours=1)
    assert set(rows(engine)) == {1}
    assert mirrored_hours(engine) == {NOON}  # or each comparison would have it fetched again


def test_five_deletions_and_rows_that_turn_invalid_need_no_confirmation(engine: Engine):
    guard = DeletionGuard(max_share=0.0)
    load(engine, snapshot(NOON, *map(activity, range(1, 15))))
    invalid = [activity(i, distance="far") for i in range(6, 15)]
    assert load(engine, snapshot(NOON, *invalid), guard=guard).deleted == 14


def test_rows_of_the_old_dag_are_given_to_their_athlete(engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO strava_activity (id, start_date) VALUES (1, :noon)"), {"noon": NOON})
    assert [assign_airflow_rows(engine, athlete_id) for athlete_id in (None, ATHLETE, ATHLETE)] == [0, 1, 0]
    assert load(engine, snapshot(NOON, activity(1))) == Loaded(hours=1, updated=1)


@pytest.mark.parametrize(
    "title", ["\\\\u0000", "\\u0000", "\\\\\\u0000", '\\\\\\"\\u0000', "\\ud83d", "C:\\\\users\\\\u0000"]
)
def test_a_reject_is_kept_whatever_escapes_its_text_holds(engine: Engine, title: str):
    """Of `\\\\u0000`, six characters behind an escaped backslash, a plain replacement leaves broken JSON."""
    raw = split_array(f'[{{"id": 1, "start_date": "2026-11-22T12:05:00Z", "distance": "far", "name": "{title}"}}]')[0]
    assert load(engine, snapshot(NOON, raw)).rejected == 1
    expected = raw.fields["name"].replace("\0", "\N{REPLACEMENT CHARACTER}")
    expected = expected.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert rejects(engine)[0].payload["name"] == expected


def test_an_activity_of_two_athletes_is_the_firsts_row_and_the_others_reject_until_the_first_is_gone(engine: Engine):
    first, second = snapshot(NOON, activity(1), activity(2)), snapshot(NOON, activity(1), activity(3))
    load(engine, first)
    assert load(engine, second, athlete=43) == Loaded(hours=1, inserted=1, rejected=1)
    for _ in range(2):
        assert load(engine, first) == Loaded(hours=1, unchanged=2)
        assert load(engine, second, athlete=43) == Loaded(hours=1, unchanged=1, rejected=1)
    assert rows(engine)[1].athlete_id == ATHLETE
    (reject,) = rejects(engine)
    assert (reject.athlete_id, reject.id, reject.errors) == (43, 1, ["id: it is an activity of athlete 42"])
    with engine.begin() as connection:
        delete_athlete(connection, ATHLETE)
        assert mirrored_etags(connection, 43, Window.of(NOON, NOON)) == {}  # so that its object is loaded again
    assert load(engine, second, athlete=43) == Loaded(hours=1, inserted=1, unchanged=1)
    assert {row.id: row.athlete_id for row in rows(engine).values()} == {1: 43, 3: 43}
    assert rejects(engine) == []


def test_an_activity_of_two_athletes_becomes_the_others_row_when_the_firsts_hour_lists_it_no_more(engine: Engine):
    load(engine, snapshot(NOON, activity(1)))
    load(engine, snapshot(NOON, activity(1)), athlete=43)
    load(engine, snapshot(NOON))
    with engine.connect() as connection:
        assert mirrored_etags(connection, 43, Window.of(NOON, NOON)) == {}  # so that its object is loaded again
    assert load(engine, snapshot(NOON, activity(1)), athlete=43) == Loaded(hours=1, inserted=1)
    assert rejects(engine) == []


def test_an_hour_whose_activity_moved_to_another_that_is_loaded_with_it_counts_as_not_mirrored(engine: Engine):
    later = NOON + HOUR
    moved = snapshot(later, activity(1, start=later), fetched_at=later + timedelta(days=1))
    load(engine, snapshot(NOON, activity(1), activity(2)), moved)
    assert rows(engine)[1].start_date == later
    assert mirrored_hours(engine) == {later}
