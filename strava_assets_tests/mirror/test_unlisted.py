"""What was decided about activities that Strava no longer lists, and for how long it holds."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from strava_assets.mirror.unlisted import VALID_FOR, Place, decide, decided, delete_listed, moment, waiting_deletions

HOUR = datetime(2026, 11, 22, 12, tzinfo=UTC)
GONE, KEPT, OTHER = (Place(HOUR, number) for number in (1, 2, 3))


def test_what_was_decided_holds_for_a_day(engine: Engine):
    aged = text("UPDATE strava_unlisted_activity SET decided_at = now() - CAST(:age AS interval)")
    with engine.begin() as connection:
        decide(connection, 42, [GONE], [KEPT])
        decide(connection, 43, [], [OTHER])
        connection.execute(aged, {"age": VALID_FOR - timedelta(minutes=1)})
        assert decided(connection, 42) == {(HOUR, "1"): True, (HOUR, "2"): False}
        connection.execute(aged, {"age": VALID_FOR + timedelta(minutes=1)})
        assert decided(connection, 42) == {}
        assert waiting_deletions(connection) == {42: 1, 43: 1}  # until somebody confirms, or it is listed again


def test_what_is_listed_again_waits_no_more_and_what_left_an_hour_stays_decided(engine: Engine):
    with engine.begin() as connection:
        decide(connection, 42, [GONE], [KEPT, OTHER])
        decide(connection, 43, [], [KEPT])
        delete_listed(connection, 42, [1, 2], moment(connection) - timedelta(minutes=1))  # listed before that decision
        assert waiting_deletions(connection) == {42: 2, 43: 1}
        delete_listed(connection, 42, [1, 2], moment(connection) + timedelta(minutes=1))
        assert decided(connection, 42) == {(HOUR, "1"): True, (HOUR, "3"): False}
        assert waiting_deletions(connection) == {42: 1, 43: 1}
