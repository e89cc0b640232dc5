"""The preview shows every value that the table takes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from strava_assets.hours import Window, floor_to_hour
from strava_assets.mirror.database import engine_for
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.load import load_snapshots
from strava_assets.mirror.preview import preview
from strava_assets.provisioning import migrate
from strava_assets.raw.activity import split_array
from strava_assets.raw.snapshot import HourSnapshot

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def shown(engine: Engine, start: datetime = NOON, **fields: Any) -> str:
    hour = floor_to_hour(start)
    array = json.dumps([{"id": 1, "start_date": start.isoformat(), "sport_type": "Run", **fields}])
    with engine.begin() as connection:
        load_snapshots(connection, 42, [HourSnapshot(hour, NOON, "etag", split_array(array))], DeletionGuard(1.0))
        return preview(connection, Window.of(hour, hour)).splitlines()[-1]


@pytest.mark.parametrize(
    ("seconds", "duration"),
    [(0, "0:00:00"), (3725, "1:02:05"), (-61, "-0:01:01"), (1_700_000_000_000_000, "472222222222:13:20")],
)
def test_any_duration_is_shown(engine: Engine, seconds: int, duration: str):
    assert shown(engine, moving_time=seconds) == f"| 2026-11-22 12:00 | Run |  | {duration} |"


@pytest.mark.parametrize("fields", [{"moving_time": -(2**63)}, {"moving_time": 2**63 - 1}, {"distance": 1.7e308}])
def test_the_largest_values_are_shown(engine: Engine, fields: dict[str, Any]):
    assert shown(engine, **fields).startswith("| 2026-11-22 12:00 | Run |")


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Adak"])
@pytest.mark.parametrize("start", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 22, tzinfo=UTC)])
def test_the_first_and_the_last_day_of_the_calendar_are_shown(database_url: str, start: datetime, zone: str):
    admin = create_engine(database_url)
    with admin.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {admin.url.database} SET timezone TO '{zone}'"))
    admin.dispose()
    migrate(admin.url)
    assert f"-{start:%m-%d %H:%M} |" in shown(engine_for(admin.url), start)


def test_a_sport_cannot_break_the_table(engine: Engine):
    assert shown(engine, sport_type="Run | far\n| x") == "| 2026-11-22 12:00 | Run / far / x |  |  |"
