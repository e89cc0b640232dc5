"""A compaction holds up nobody who reads the table."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, text

from strava_assets.errors import ServiceUnavailable
from strava_assets.postgres.compaction import compact
from strava_assets.provisioning import migrate


@pytest.mark.slow
def test_who_reads_a_table_does_not_wait_behind_a_compaction_that_waits(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strava_assets.postgres.compaction.PATIENCE", 3.0)
    engine = create_engine(database_url)
    migrate(engine.url)
    with ThreadPoolExecutor(1) as worker, engine.begin() as loading:
        loading.execute(text("INSERT INTO strava_activity (id, athlete_id) VALUES (7, 42)"))
        compacting = worker.submit(compact, engine, ["strava_activity"])
        reads = 0
        while not compacting.done():
            with engine.connect() as connection:
                assert connection.execute(text("SELECT count(*) FROM strava_activity")).scalar() == 0
            reads += 1
        with pytest.raises(ServiceUnavailable, match="strava_activity is in use all the time"):
            compacting.result()
    assert reads > 3, "one that waited would have waited for all of these three seconds"
    monkeypatch.setattr("strava_assets.postgres.compaction.PATIENCE", 60.0)
    with ThreadPoolExecutor(1) as worker:
        with engine.begin() as loading:
            loading.execute(text("INSERT INTO strava_activity (id, athlete_id) VALUES (8, 42)"))
            compacting = worker.submit(compact, engine, ["strava_activity"])
            time.sleep(1)
        assert compacting.result() is None
    engine.dispose()
