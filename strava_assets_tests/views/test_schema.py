from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from strava_assets.errors import ConfigurationError
from strava_assets.mirror import migrations
from strava_assets.provisioning import migrate
from strava_assets.views import schema
from strava_assets.views.catalog import views
from strava_assets_tests.views.golden import insert, row

TWO_ATHLETES = [
    row(41, 1, "2026-05-01 10:00"),
    row(42, 2, "2026-05-01 10:00"),
    row(42, 3, "2026-05-02 10:00", distance=12_000.0),
]


def test_a_migration_may_change_a_column_that_views_read(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    with engine.begin() as connection:
        insert(connection, TWO_ATHLETES)

    def change(connection: object) -> None:
        connection.execute(text("ALTER TABLE strava_activity ALTER distance TYPE real"))  # type: ignore[attr-defined]

    monkeypatch.setattr(migrations, "newest_revision", lambda: "0009")
    monkeypatch.setattr(migrations, "upgrade_on", change)
    migrate(engine.url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT sum(distance_km) FROM strava_analytics.week")) == 32


def test_migrating_again_leaves_the_views_alone(engine: Engine):
    oids = text(
        "SELECT array_agg(oid ORDER BY oid) FROM pg_class WHERE relnamespace = 'strava_analytics'::regnamespace"
    )
    with engine.connect() as connection:
        before = connection.scalar(oids)
    migrate(engine.url)
    with engine.connect() as connection:
        assert connection.scalar(oids) == before


@pytest.mark.parametrize(
    "damage", ["DROP VIEW strava_analytics.streak", "COMMENT ON SCHEMA strava_analytics IS 'made by an older version'"]
)
def test_views_that_are_not_this_versions_are_made_anew_and_stay_readable_for_others(engine: Engine, damage: str):
    with engine.begin() as connection:
        connection.execute(text('CREATE ROLE "Grafana reader"'))
        connection.execute(text('GRANT USAGE ON SCHEMA strava_analytics TO "Grafana reader"'))
        connection.execute(text('GRANT SELECT ON strava_analytics.day TO "Grafana reader", PUBLIC'))
        connection.execute(text(damage))
    try:
        migrate(engine.url)
        with engine.connect() as connection:
            assert schema.are_current(connection)
            granted = connection.execute(
                text(
                    "SELECT table_name, grantee FROM information_schema.role_table_grants "
                    "WHERE table_schema = 'strava_analytics' AND grantee IN ('Grafana reader', 'PUBLIC')"
                )
            ).all()
            assert {tuple(each) for each in granted} == {("day", "Grafana reader"), ("day", "PUBLIC")}
    finally:
        with engine.begin() as connection:
            connection.execute(text('DROP OWNED BY "Grafana reader"'))
            connection.execute(text('DROP ROLE "Grafana reader"'))


def test_a_view_of_the_users_own_stops_a_migration_is_named_and_nothing_is_changed(engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW my_weeks AS SELECT * FROM strava_analytics.week"))
        connection.execute(text("COMMENT ON SCHEMA strava_analytics IS 'made by an older version'"))
    with pytest.raises(ConfigurationError, match=r"view my_weeks depends on view .*week.* Drop it, repeat"):
        migrate(engine.url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM my_weeks")) == 0


def test_a_users_own_view_in_the_schema_is_left_alone(engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE VIEW strava_analytics.mine AS SELECT 1 AS one"))
        connection.execute(text("COMMENT ON SCHEMA strava_analytics IS 'made by an older version'"))
    migrate(engine.url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT one FROM strava_analytics.mine")) == 1


def test_sport_groups_are_the_users_to_change(engine: Engine):
    groups = text("SELECT DISTINCT sport_group FROM strava_analytics.activity")
    with engine.begin() as connection:
        insert(connection, [row(41, 1, "2026-05-01 10:00", sport_type="Curling")])
        assert connection.scalar(groups) == "Curling"
        connection.execute(text("INSERT INTO strava_sport_group VALUES ('Curling', 'Ice', 'none', NULL, 10)"))
        assert connection.scalar(groups) == "Ice"
        assert connection.scalar(text("SELECT load FROM strava_analytics.activity")) == pytest.approx(10 * 3000 / 3600)


def test_no_view_fails_where_there_is_no_activity(engine: Engine):
    with engine.connect() as connection:
        for view in views():
            assert connection.execute(text(f"SELECT * FROM strava_analytics.{view.name}")).all() == []


def test_records_and_predictions_of_runs_stay_when_their_group_gets_another_name(engine: Engine):
    with engine.begin() as connection:
        insert(connection, [row(41, 1, f"{datetime.now(UTC):%Y-%m-%d} 01:00")])
        connection.execute(text("UPDATE strava_sport_group SET sport_group = 'Laufen' WHERE sport_group = 'Run'"))
        records = text("SELECT value FROM strava_analytics.record WHERE sport_group = 'Laufen' AND record = :record")
        assert connection.scalar(records, {"record": "fastest 10 km"}) == 50
        assert connection.scalar(text("SELECT count(*) FROM strava_analytics.race_prediction")) == 4


def test_a_view_of_one_athlete_reads_the_rows_of_that_athlete_only(engine: Engine):
    with engine.begin() as connection:
        insert(connection, TWO_ATHLETES)
        for view in views():
            query = f"EXPLAIN (FORMAT JSON) SELECT * FROM strava_analytics.{view.name} WHERE athlete_id = 42"
            (plan,) = connection.scalar(text(query))
            for scan in _scans(plan["Plan"], "strava_activity"):
                condition = f"{scan.get('Index Cond', '')} {scan.get('Recheck Cond', '')} {scan.get('Filter', '')}"
                assert "athlete_id = " in condition, view.name


def test_no_plan_compares_all_activities_with_all_to_find_duplicates(engine: Engine):
    # Postgres 15 did, for a second and a half of 20,000 activities. Nothing but a nested loop can keep it from that.
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_nestloop = off"))
        lines = connection.scalars(text("EXPLAIN SELECT * FROM strava_analytics.duplicate")).all()
    assert any("Nested Loop" in line for line in lines), lines


@pytest.mark.parametrize("is_analyzed", [False, True])
@pytest.mark.parametrize("condition", ["", "WHERE athlete_id = 42"])
def test_no_plan_makes_sums_anew_for_each_row_whatever_the_planner_knows(
    engine: Engine, condition: str, *, is_analyzed: bool
):
    # With 5,000 activities such plans took five to twenty seconds instead of a twentieth.
    start = datetime.now(UTC) - timedelta(days=300)
    rows = [
        row(41 + number % 2, number, f"{start + timedelta(hours=12 * number):%Y-%m-%d %H:%M}", **_MEASURED)
        for number in range(600)
    ]
    with engine.begin() as connection:
        insert(connection, rows)
        if is_analyzed:
            connection.execute(text("ANALYZE strava_activity"))
        for view in views():
            query = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT * FROM strava_analytics.{view.name} {condition}"
            (plan,) = connection.scalar(text(query))
            again = [
                node for node in _nodes(plan["Plan"]) if node["Node Type"] in _COSTLY and node["Actual Loops"] > _FEW
            ]
            assert not again, (view.name, [(node["Node Type"], node["Actual Loops"]) for node in again])


_MEASURED = {"average_heartrate": 150.0, "max_heartrate": 180.0, "suffer_score": 50.0}
_COSTLY, _FEW = {"Aggregate", "WindowAgg", "Seq Scan"}, 4


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from _nodes(below)


def _scans(node: dict[str, Any], table: str) -> Iterator[dict[str, Any]]:
    return (each for each in _nodes(node) if each.get("Relation Name") == table)
