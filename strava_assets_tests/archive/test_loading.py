"""How rows of an archive and of the API live together: the invariants of docs/design.md, on a real Postgres."""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from strava_assets.archive.activities import ArchivedActivity, read_activities
from strava_assets.archive.export import open_export
from strava_assets.archive.importing import identify, load_and_keep_tables
from strava_assets.archive.table import read_table
from strava_assets.deletion.retention import delete_old_activities, delete_old_archives
from strava_assets.errors import ArchiveUnreadable, ServiceUnavailable
from strava_assets.hours import Window
from strava_assets.mirror.archive import archives, delete_not_on_strava, not_on_strava
from strava_assets.mirror.deletion import count_of_athlete, delete_athlete
from strava_assets.mirror.deletion_guard import DeletionGuard
from strava_assets.mirror.queries import stored
from strava_assets.raw.archive_store import ArchiveStore
from strava_assets.raw.deletion import RawDeletion
from strava_assets.raw.s3_access import S3Access
from strava_assets.simulator.activity_generator import strava_time
from strava_assets_tests.archive.exports import LANGUAGES, LAYOUTS, ExportFile, activities
from strava_assets_tests.archive.rows import ATHLETE, hour_of, ids, import_archive, load_export, refresh, rows

TABLES = ("strava_activity", "strava_activity_reject", "strava_mirrored_object", "strava_archive",
          "strava_archive_activity", "strava_archive_reject", "strava_deleted_activity")  # fmt: skip


def hours(*worlds: list[dict[str, Any]]) -> list[datetime]:
    return sorted({hour_of(activity_json) for world in worlds for activity_json in world})


def test_an_archive_alone_makes_the_rows_that_were_read_and_keeps_all_columns(engine: Engine):
    export = ExportFile(of := activities())
    loaded = import_archive(engine, export)
    assert (loaded.read, loaded.inserted, loaded.known, loaded.rejected) == (len(of), len(of), 0, 0)
    found, beside = rows(engine), rows(engine, "strava_archive_activity")
    for each in read_activities(read_table(export.csv()), ATHLETE):
        assert isinstance(each, ArchivedActivity)
        assert found[each.id] == each.activity.model_dump()
        assert found[each.id]["source"] == "archive"
        assert beside[each.id]["columns"] == each.columns
        assert beside[each.id]["file"] == each.file


def test_importing_again_changes_nothing_and_says_so(engine: Engine):
    export = ExportFile(of := activities())
    import_archive(engine, export)
    before = rows(engine, "(SELECT *, xmin::text FROM strava_activity) AS every")
    again = import_archive(engine, export)
    assert (again.inserted, again.filled, again.unchanged) == (0, 0, len(of))
    assert rows(engine, "(SELECT *, xmin::text FROM strava_activity) AS every") == before


def test_a_dry_run_tells_the_same_and_writes_nothing(engine: Engine):
    export = ExportFile(of := activities())
    refresh(engine, of[:10], hours(of[:10]))
    with engine.connect() as connection:
        before = [connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() for table in TABLES]
    with engine.begin() as connection:
        told = load_export(connection, export)
        connection.rollback()
    with engine.connect() as connection:
        after = [connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() for table in TABLES]
    assert before == after
    assert (told.inserted, told.known) == (len(of) - 10, 10)
    assert import_archive(engine, export) == told


def test_what_the_api_states_is_not_touched_but_has_its_columns_beside(engine: Engine):
    of = activities()
    refresh(engine, of, hours(of))
    before = rows(engine)
    loaded = import_archive(engine, ExportFile(of))
    assert (loaded.known, loaded.inserted) == (len(of), 0)
    assert rows(engine) == before
    assert rows(engine, "strava_archive_activity").keys() == before.keys()


def test_what_the_api_deleted_does_not_come_back_from_any_archive(engine: Engine):
    of = activities(40)
    everywhere = hours(of)
    refresh(engine, of, everywhere)
    refresh(engine, of[3:], everywhere)
    for export in (ExportFile(of), ExportFile(of, language="de"), ExportFile(of, size=80)):
        loaded = import_archive(engine, export)
        assert (loaded.deleted, loaded.inserted) == (3, 0)
    assert set(rows(engine)) == {activity_json["id"] for activity_json in of[3:]}
    refresh(engine, of, everywhere)  # it was no deletion, only Strava's mistake
    assert set(rows(engine)) == {activity_json["id"] for activity_json in of}
    assert not rows(engine, "strava_deleted_activity")


def test_what_the_api_states_invalidly_is_not_replaced_by_an_archive(engine: Engine):
    of = activities(10)
    broken = [{**of[0], "distance": "far"}, *of[1:]]
    refresh(engine, broken, hours(of))
    assert import_archive(engine, ExportFile(of)).known == len(of)
    assert of[0]["id"] not in rows(engine)
    refresh(engine, of[1:], hours(of))  # now it is deleted
    assert import_archive(engine, ExportFile(of)).deleted == 1
    assert of[0]["id"] not in rows(engine)


def test_an_hour_listed_without_an_archived_activity_leaves_it_and_names_it(engine: Engine):
    of = activities(30)
    import_archive(engine, ExportFile(of))
    hidden = of[5]
    world = [activity_json for activity_json in of if activity_json is not hidden]
    refresh(engine, world, [hour for hour in hours(of) if hour != hour_of(of[6])])
    with engine.begin() as connection:
        assert not_on_strava(connection) == [hidden["id"]]
        assert not_on_strava(connection, ATHLETE + 1) == []
    assert hidden["id"] in ids(engine, "archive")
    with engine.begin() as connection:
        assert delete_not_on_strava(connection, ATHLETE) == 1
    assert import_archive(engine, ExportFile(of)).deleted == 1
    assert hidden["id"] not in rows(engine)


def test_comparison_and_deletion_guard_count_the_api_s_rows_only(engine: Engine):
    of = activities(200)
    import_archive(engine, ExportFile(of))
    listed = of[:20]
    refresh(engine, listed, hours(listed))
    everything = Window(datetime.fromisoformat("2000-01-01T00:00Z"), datetime.fromisoformat("2030-01-01T00:00Z"))
    assert len(ids(engine, "api")) == 20
    with engine.begin() as connection:
        assert stored(connection, ATHLETE, everything, [activity_json["id"] for activity_json in of]).keys() == ids(
            engine, "api"
        )
    held_back = refresh(engine, listed[7:], hours(listed), DeletionGuard(max_share=0.1)).held_back
    assert held_back == 7  # of 20, not of 200
    assert len(ids(engine, "api")) == 20
    assert refresh(engine, listed, hours(of)).deleted == 0


def test_of_two_archives_the_newer_counts_in_whichever_order_they_come(engine: Engine):
    of = activities(60)
    older = ExportFile([{**activity_json, "name": "Old"} for activity_json in of[:40]])
    newer = ExportFile([{**activity_json, "name": "New"} for activity_json in of[10:]])
    for first, second in ((older, newer), (newer, older)):
        with engine.begin() as connection:
            delete_athlete(connection, ATHLETE)
        import_archive(engine, first)
        loaded = import_archive(engine, second)
        assert loaded.inserted == (20 if second is newer else 10)
        assert loaded.filled == (30 if second is newer else 0)
        names = {activity_id: row["name"] for activity_id, row in rows(engine).items()}
        assert names == {
            activity_json["id"]: "Old" if number < 10 else "New" for number, activity_json in enumerate(of)
        }


def test_an_activity_of_a_clock_that_is_ahead_makes_no_archive_the_newest(engine: Engine):
    of = activities(20)
    older = ExportFile([*of[:10], {**of[10], "name": "Old", "start_date": "2099-01-01T00:00:00Z"}])
    import_archive(engine, older)
    loaded = import_archive(engine, ExportFile([{**each, "name": "New"} for each in of]))
    assert loaded.filled == 11
    assert {row["name"] for row in rows(engine).values()} == {"New"}


def test_of_two_archives_of_the_same_day_the_last_imported_counts_when_all_are_loaded_again(engine: Engine):
    of = activities(20)
    exports = [ExportFile([{**each, "name": name} for each in of]) for name in ("One", "Two", "Three")]
    for export in exports:
        import_archive(engine, export)
    with engine.connect() as connection:
        order = [each.archive for each in archives(connection)]
    assert order == [hashlib.sha256(export.csv()).hexdigest()[:12] for export in exports]


def test_an_archive_without_one_activity_is_refused_with_a_reason(engine: Engine):
    export = ExportFile(activities(20))
    export.change_rows = lambda every: [row[:-1] for row in every]
    with pytest.raises(ArchiveUnreadable, match=r"none of its 20 rows is an activity.*it has 102 fields, the header"):
        import_archive(engine, export)
    with engine.connect() as connection:
        assert archives(connection) == []


def test_an_archive_with_activities_of_somebody_else_is_refused(engine: Engine):
    of = activities(20)
    import_archive(engine, ExportFile(of))
    with pytest.raises(ArchiveUnreadable, match="lists activities of athlete 42, not of 43; nothing was imported"):
        import_archive(engine, ExportFile(of, language="de", athlete_id=43))
    with engine.begin() as connection:
        assert count_of_athlete(connection, 43) == 0


def test_rejects_are_kept_whole_with_their_reasons(engine: Engine):
    export = ExportFile(of := activities(80))
    export.change_rows = lambda every: [every[0][:7], [every[1][0], "never\0", *every[1][2:]], *every[2:]]
    assert import_archive(engine, export).rejected == 2
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT * FROM strava_archive_reject ORDER BY line")).all()
    assert [each.errors for each in kept] == [
        ["it has 7 fields, the header 103"],
        ["activity_date: 'never\N{REPLACEMENT CHARACTER}' is not a date"],
    ]
    assert kept[0].cells == export.rows()[0]
    assert kept[1].cells[0] == str(of[1]["id"])
    import_archive(engine, ExportFile(of))
    assert len(rows(engine)) == 80


def test_an_export_whose_files_cannot_be_kept_leaves_no_row(engine: Engine, tmp_path: Path):
    exported = ExportFile(activities())
    dead = S3Access("bucket", endpoint_url="http://127.0.0.1:1", access_key_id="key", secret_access_key="secret")
    with open_export(exported.folder(tmp_path / "export_42")) as export, pytest.raises(ServiceUnavailable):
        load_and_keep_tables(engine, ArchiveStore(dead), export, identify(export), None, dry_run=False)
    with engine.connect() as connection:
        assert [connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() for table in TABLES] == [0] * 7
    assert import_archive(engine, exported).inserted == len(exported.activities)


def test_a_purge_leaves_nothing_of_an_archive(engine: Engine):
    of = activities(20)
    refresh(engine, of[:5], hours(of[:5]))
    refresh(engine, of[1:5], hours(of[:5]))
    import_archive(engine, ExportFile(of))
    with engine.begin() as connection:
        there = count_of_athlete(connection, ATHLETE)
        assert there > 19 + 1 + 20 + 1
        assert delete_athlete(connection, ATHLETE) == there
        assert count_of_athlete(connection, ATHLETE) == 0


@pytest.fixture
def objects(environment: dict[str, str]) -> RawDeletion:
    from strava_assets.services import open_deletion
    from strava_assets.settings import Settings

    assert environment
    return open_deletion(Settings.from_environment())


def test_retention_of_the_api_s_rows_gives_the_archive_s_back(engine: Engine, objects: RawDeletion):
    of = activities(40)
    import_archive(engine, ExportFile(of))
    archived = rows(engine)
    refresh(engine, of, hours(of))
    assert ids(engine, "api") == set(archived)
    cut = hour_of(of[20])
    deleted_by_age = delete_old_activities(engine, objects, cut, lambda _ids: None)
    old = {activity_json["id"] for activity_json in of if hour_of(activity_json) < cut}
    assert deleted_by_age.rows == len(old)
    assert ids(engine, "archive") == old
    assert all(rows(engine)[each] == archived[each] for each in old)


def test_retention_of_archives_has_a_setting_of_its_own(engine: Engine, objects: RawDeletion):
    of = activities(40)
    import_archive(engine, ExportFile(of))
    refresh(engine, of[:5], hours(of[:5]))
    cut = hour_of(of[20])
    old = {activity_json["id"] for activity_json in of if hour_of(activity_json) < cut}
    redacted: list[Any] = []
    assert delete_old_archives(engine, objects, cut, redacted.append) == len(old) - 5
    assert redacted == [old - {activity_json["id"] for activity_json in of[:5]}]
    assert ids(engine, "api") == {activity_json["id"] for activity_json in of[:5]}
    assert not ids(engine, "archive") & old
    assert import_archive(engine, ExportFile(of), oldest_kept=cut).too_old == len(old)
    assert not ids(engine, "archive") & old
    delete_old_archives(engine, objects, hour_of(of[-1]) + timedelta(days=1), redacted.append)
    with engine.connect() as connection:
        assert archives(connection) == []


STEPS = st.lists(
    st.sampled_from(
        ["refresh", "refresh a part", "import", "import an old one", "edit", "move", "delete", "delete", "upload"]
    ),
    min_size=2, max_size=14,
)  # fmt: skip


def _changed(step: str, world: list[Any], later: list[Any], chance: Any) -> list[Any]:
    """The world after somebody did something on Strava."""
    if step == "upload":
        return [*world, *([later.pop()] if later else [])]
    if not world:
        return world
    at = chance.randrange(len(world))
    if step == "delete":
        return [*world[:at], *world[at + 1 :]]
    start = datetime.fromisoformat(world[at]["start_date"]) + timedelta(hours=chance.randrange(1, 90))
    changes: dict[str, dict[str, Any]] = {
        "edit": {"name": f"edited {chance.random()}", "distance": 1234.5, "average_speed": None},
        "move": {"start_date": strava_time(start)},
    }
    return [*world[:at], {**world[at], **changes[step]}, *world[at + 1 :]]


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS, st.randoms(use_true_random=False), st.sampled_from(LANGUAGES), st.sampled_from(LAYOUTS))
def test_with_archives_in_between_the_api_s_rows_are_those_of_the_api_alone(
    engine: Engine, twin: Engine, steps: list[str], chance: Any, language: str, size: int
):
    for each in (engine, twin):
        with each.begin() as connection:
            connection.execute(text(f"TRUNCATE {', '.join(TABLES)}"))
    pool = activities(45, seed=chance.randrange(40))
    world, later = pool[:30], pool[30:]
    ever, listed, archived, gone = hours(pool), set[int](), set[int](), set[int]()
    exports: list[ExportFile] = []
    for step in ["import", "refresh a part", *steps, "refresh", "import an old one", "refresh"]:
        at = chance.randrange(len(world)) if world else 0
        if step.startswith("import"):
            if step == "import" and world:
                exports.append(ExportFile(world, language=language, size=size, seed=at))
                archived |= {activity_json["id"] for activity_json in world}
            import_archive(engine, exports[-1] if step == "import" else chance.choice(exports))
        elif step.startswith("refresh"):
            part = ever if step == "refresh" else [hour for hour in ever if chance.random() < 0.5]
            for each in (engine, twin):
                refresh(each, world, part)
        else:
            world = _changed(step, world, later, chance)
            ever = sorted({*ever, *hours(world)})
        now = {activity_id: row for activity_id, row in rows(engine).items() if row["source"] == "api"}
        assert now == rows(twin)
        gone = (gone | (listed - set(now))) - set(now)
        listed |= set(now)
        only = ids(engine, "archive")
        assert only <= archived
        assert not only & gone
        assert archived <= only | set(now) | gone
