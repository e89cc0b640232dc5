"""The views and the report in Dagster, on real servers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from redis import Redis
from sqlalchemy import Engine, create_engine, text

from strava_assets.defs.build import build_definitions
from strava_assets.defs.purging import make_purger
from strava_assets.defs.resources import Resources
from strava_assets.provisioning import migrate
from strava_assets.report.making import store_report
from strava_assets.services import open_report_store
from strava_assets.settings import Settings
from strava_assets.state.report_links import ReportLinks
from strava_assets.views import quality
from strava_assets.views.catalog import views
from strava_assets_tests.dagster_runs import tick
from strava_assets_tests.views.golden import insert, row

ADA, BEN = 42, 4242


@pytest.fixture
def engine(environment: dict[str, str]) -> Iterator[Engine]:
    """Two athletes, one with two runs and one with one."""
    assert environment
    url = Settings.from_environment().database_url
    migrate(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        insert(
            connection,
            [row(ADA, 1, "2026-11-01 10:00"), row(ADA, 2, "2026-11-03 10:00"), row(BEN, 3, "2026-11-02 09:00")],
        )
    yield engine
    engine.dispose()


def make_reports(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    definitions = build_definitions(Settings.from_environment())
    return definitions.resolve_job_def("make_reports").execute_in_process(instance=instance)


def metadata(result: dg.ExecuteInProcessResult, node: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(node)
    return {name: value.value for name, value in event.metadata.items()}


def test_a_run_checks_the_views_says_where_athletes_stand_and_makes_their_reports(engine: Engine):
    result = make_reports(dg.DagsterInstance.ephemeral())
    assert result.success
    checks = {each.check_name: each for each in result.get_asset_check_evaluations()}
    assert {name: each.passed for name, each in checks.items()} == dict.fromkeys(
        ["day_has_no_gap", "days_sum_up_to_activities", "fitness_is_never_negative"], True
    )
    with engine.connect() as connection:
        fitness = connection.scalar(
            text("SELECT fitness FROM strava_analytics.day WHERE athlete_id = 42 ORDER BY day DESC LIMIT 1")
        )
    stands = metadata(result, "strava_analytics__day")
    assert stands[f"fitness_{ADA}"] == pytest.approx(fitness, abs=0.01)
    assert {name.rpartition("_")[0] for name in stands} == {"activities", "load", "fitness", "fatigue", "form"}
    made = metadata(result, "training_report")
    assert (made["reports"], made[f"report_{BEN}"]) == (2, f"/reports/athlete/{BEN}")
    stored = open_report_store(Settings.from_environment()).read_report(ADA)
    assert stored is not None
    assert b"Training report" in stored
    assert len(stored) < made["bytes"]


def test_views_have_lineage_columns_and_descriptions():
    settings = Settings.from_environment({})
    graph = build_definitions(settings).get_repository_def().asset_graph
    for view in views():
        node = graph.get(dg.AssetKey(["strava_analytics", view.name]))
        schema = node.metadata["dagster/column_schema"]
        assert [(each.name, each.type, each.description) for each in schema.columns] == [
            (each.name, each.type, each.comment) for each in view.columns
        ]
        assert node.description == view.description
        assert node.parent_keys, view.name
    assert graph.get(dg.AssetKey(["strava_analytics", "recorded"])).parent_keys == {dg.AssetKey("strava_activity")}
    assert (
        dg.AssetKey(["strava_analytics", "activity"]) in graph.get(dg.AssetKey(["strava_analytics", "day"])).parent_keys
    )


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("WHERE day.day <> (SELECT first_day + 1 FROM strava_analytics.athlete WHERE athlete_id = 42)", "days_missing"),
        ("LIMIT 0", "days_missing"),
    ],
)
def test_a_gap_is_found(engine: Engine, damage: str, check: str):
    with engine.begin() as connection:
        _replace_day(connection, f"SELECT * FROM strava_analytics.whole_day AS day {damage}")
        assert ADA in getattr(quality, check)(connection)
        connection.rollback()


def test_sums_that_differ_and_negative_fitness_are_found(engine: Engine):
    with engine.begin() as connection:
        assert quality.sums_that_differ(connection) == {}
        assert quality.negative_fitness(connection) == {}
        columns = [each.name for each in next(view for view in views() if view.name == "day").columns]
        changed = {"load": "load + 1 AS load", "fitness": "-1 AS fitness", "activities": "activities * 2 AS activities"}
        selected = ", ".join(changed.get(each, each) for each in columns)
        _replace_day(connection, f"SELECT {selected} FROM strava_analytics.whole_day")
        assert quality.sums_that_differ(connection) == {ADA: "load activities", BEN: "load activities"}
        assert set(quality.negative_fitness(connection)) == {ADA, BEN}
        connection.rollback()


def _replace_day(connection: Any, query: str) -> None:
    connection.execute(text("ALTER VIEW strava_analytics.day RENAME TO whole_day"))
    connection.execute(text(f"CREATE VIEW strava_analytics.day AS {query}"))


def test_the_sensor_asks_once_for_a_change_and_at_most_hourly(engine: Engine):
    instance = dg.DagsterInstance.ephemeral()
    first = tick("strava_reports", instance)
    assert first.run_requests is not None
    assert [each.job_name or "make_reports" for each in first.run_requests] == ["make_reports"]
    again = tick("strava_reports", instance, first.cursor)
    assert not again.run_requests
    assert make_reports(instance).success
    assert "Nothing has changed" in str(tick("strava_reports", instance, first.cursor).skip_reason)
    with engine.begin() as connection:
        connection.execute(text("UPDATE strava_activity SET digest = 'edited' WHERE id = 1"))
    assert "less than an hour" in str(tick("strava_reports", instance, first.cursor).skip_reason)
    earlier = json.dumps((datetime.now(UTC) - timedelta(minutes=61)).isoformat())
    assert tick("strava_reports", instance, earlier).run_requests


def test_the_sensor_waits_where_there_is_nothing(environment: dict[str, str]):
    assert environment
    instance = dg.DagsterInstance.ephemeral()
    assert "Migrate it" in str(tick("strava_reports", instance).skip_reason)
    migrate(Settings.from_environment().database_url)
    assert "no activity yet" in str(tick("strava_reports", instance).skip_reason)


def test_the_sensor_says_in_one_line_that_the_database_does_not_answer(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    assert environment
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg2://postgres@127.0.0.1:1/strava")
    skipped = tick("strava_reports", dg.DagsterInstance.ephemeral()).skip_reason
    assert skipped
    reason = str(skipped.skip_message)
    assert reason.startswith("Postgres at 127.0.0.1:1 does not answer")
    assert len(reason.splitlines()) == 1


def test_a_purge_takes_report_and_link_and_no_report_comes_back(engine: Engine, redis_url: str):
    settings, redis = Settings.from_environment(), Redis.from_url(redis_url)
    store, links = open_report_store(settings), ReportLinks(redis)
    for athlete_id in (ADA, BEN):
        assert store_report(engine, store, athlete_id)
        assert links.athlete(links.word(athlete_id)) == athlete_id
    word = links.word(ADA)
    with dg.DagsterInstance.ephemeral() as instance:
        purged = make_purger(settings, Resources.of(settings), instance).purge(ADA)
    assert purged.objects == 1
    assert (store.read_report(ADA), links.athlete(word)) == (None, None)
    assert store_report(engine, store, ADA) == 0
    assert store.read_report(ADA) is None
    assert store.read_report(BEN) is not None
