from datetime import UTC, datetime
from threading import Barrier, Thread

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, make_url, text

from strava_assets.mirror import migrations
from strava_assets.mirror.table import metadata

OLD_TABLE = """
    CREATE TABLE strava_activity (
        id {id_type} PRIMARY KEY, name VARCHAR(100), type VARCHAR(50), start_date TIMESTAMP NOT NULL,
        distance FLOAT, moving_time INTEGER, average_speed INTEGER, max_speed FLOAT, average_cadence REAL,
        average_heartrate FLOAT, weighted_average_watts INTEGER, kilojoules NUMERIC
    );
    INSERT INTO strava_activity VALUES
        (2000000001, 'Morgenlauf', 'Run', '2023-05-01 06:30:00', 10012.3, 3000, 3, 4.5, 85.5, 150.1, NULL, NULL),
        (2000000002, 'Ride', 'Ride', '2023-05-02 17:00:00', 40000, 5000, 8, 15.2, NULL, NULL, 210, 1100.5);
"""


def differences_to_model(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrations.VERSION_TABLE, "compare_type": True}
        )
        return list(compare_metadata(context, metadata))


def test_migrations_make_just_the_declared_tables(engine: Engine):
    assert differences_to_model(engine) == []


def test_migrating_again_and_by_two_at_once_changes_nothing(database_url: str):
    engine = create_engine(make_url(database_url))
    together = Barrier(2)

    def migrate() -> None:
        together.wait()
        migrations.upgrade(engine)

    both = [Thread(target=migrate) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    migrations.upgrade(engine)
    with engine.connect() as connection:
        assert migrations.current_revision(connection) == migrations.newest_revision() == "0009"
    assert differences_to_model(engine) == []
    engine.dispose()


def test_a_table_of_the_old_dag_is_widened_and_loses_no_row(database_url: str):
    for id_type in ("INTEGER", "BIGINT", "SERIAL"):
        engine = create_engine(make_url(database_url))
        with engine.begin() as connection:
            metadata.drop_all(connection)
            connection.execute(text("DROP TABLE IF EXISTS strava_assets_version"))
            connection.execute(text(OLD_TABLE.format(id_type=id_type)))
        migrations.upgrade(engine)
        assert differences_to_model(engine) == [], id_type
        with engine.connect() as connection:
            lauf, ride = connection.execute(text("SELECT * FROM strava_activity ORDER BY id")).all()
        assert (lauf.name, lauf.distance, lauf.start_date) == (
            "Morgenlauf",
            10012.3,
            datetime(2023, 5, 1, 6, 30, tzinfo=UTC),
        )
        assert (ride.weighted_average_watts, ride.kilojoules, ride.athlete_id) == (210.0, 1100.5, None)
        engine.dispose()
