"""What is read out of an export equals what the API would have said, in every language and layout."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_assets.archive.activities import ArchivedActivity, ArchiveReject, read_activities
from strava_assets.archive.table import read_table
from strava_assets.archive.wording import names
from strava_assets.errors import ArchiveUnreadable
from strava_assets.mirror.activity import Activity, checked
from strava_assets_tests.archive.exports import DATES, LANGUAGES, LAYOUTS, ExportFile, activities

SAME = {
    "id",
    "name",
    "start_date",
    "athlete_id",
    "moving_time",
    "elapsed_time",
    "max_heartrate",
    "gear_id",
    "commute",
    "manual",
}
NEARLY = {
    "distance", "max_speed", "average_speed", "total_elevation_gain", "elev_low", "elev_high", "average_cadence",
    "average_heartrate", "average_watts", "max_watts", "weighted_average_watts", "kilojoules", "suffer_score",
}  # fmt: skip
SHORT = {"id", "name", "start_date", "athlete_id", "elapsed_time", "commute"}
"""What the layouts until 2020 have besides the distance."""
CERTAIN = {"id", "name", "start_date", "moving_time", "elapsed_time", "commute", "distance"}
"""What is found even where neither names nor doubled names help."""


def read(export: ExportFile) -> tuple[list[ArchivedActivity], list[ArchiveReject]]:
    found = list(read_activities(read_table(export.csv()), export.athlete_id))
    good = [each for each in found if isinstance(each, ArchivedActivity)]
    return good, [each for each in found if isinstance(each, ArchiveReject)]


def api_row(activity_json: dict[str, Any]) -> Activity:
    row = checked({**activity_json, "athlete_id": 42, "digest": ""})
    assert isinstance(row, Activity), row
    return row


def assert_equals_api(
    export: ExportFile, of: list[dict[str, Any]], only: set[str] = SAME | NEARLY, *, may_lack: bool = False
):
    good, rejects = read(export)
    assert not rejects
    found = {each.id: each.activity for each in good}
    assert found.keys() == {each["id"] for each in of}
    for activity_json in of:
        expected, row = api_row(activity_json), found[activity_json["id"]]
        for name in only:
            value, read_value = getattr(expected, name), getattr(row, name)
            if may_lack and read_value is None:
                continue
            if name in NEARLY and value is not None:
                # Where metres lack, kilometres are there, cut to two decimals.
                assert read_value == pytest.approx(value, rel=1e-6, abs=10 if name == "distance" else 1e-3), name
            else:
                assert read_value == value, name


def in_no_language(export: ExportFile, *, doubles: bool) -> ExportFile:
    export.without_metres = 0
    export.header = [f"Ŝ {name}" if doubles else f"Ŝ {number}" for number, name in enumerate(export.names())]
    return export


@pytest.mark.parametrize("size", LAYOUTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_layout_in_a_known_language_gives_what_the_api_says(language: str, size: int):
    assert_equals_api(ExportFile(of := activities(), language=language, size=size), of)


@pytest.mark.parametrize("size", LAYOUTS)
def test_a_language_that_nobody_has_seen_is_read_by_position_and_content(size: int):
    export = in_no_language(ExportFile(of := activities(120), size=size, language="de"), doubles=True)
    assert read_table(export.csv()).columns.language is None
    assert_equals_api(export, of)


@pytest.mark.parametrize("size", LAYOUTS)
def test_where_not_even_doubled_names_help_content_finds_the_columns_or_leaves_them_out(size: int):
    export = in_no_language(ExportFile(of := activities(120), size=size, language="de"), doubles=False)
    assert_equals_api(export, of, CERTAIN)
    assert_equals_api(export, of, may_lack=True)


@pytest.mark.parametrize("other", [{"distance_2"}, {"distance_2", "elapsed_time_2"}])
@pytest.mark.parametrize("size", LAYOUTS)
def test_a_distance_that_has_two_names_is_told_from_other_numbers_that_stand_there_twice(size: int, other: set[str]):
    export = in_no_language(ExportFile(of := activities(120), size=size, language="de"), doubles=True)
    export.header = [f"{name} again" if column in other else name
                     for name, column in zip(export.names(), export.columns(), strict=True)]  # fmt: skip
    assert_equals_api(export, of)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sports_have_the_api_s_names_where_the_language_is_known(language: str):
    of = activities(300)
    found = {each.id: each.activity.sport_type for each in read(ExportFile(of, language=language))[0]}
    for activity_json in of:
        known = language == "en" or activity_json["sport_type"] in {"Run", "Ride", "Swim", "Hike", "VirtualRide"}
        assert found[activity_json["id"]] in (
            {activity_json["sport_type"]} if known else {activity_json["sport_type"], None}
        )


def test_an_unknown_sport_is_left_open_and_its_name_is_kept():
    export = ExportFile(activities(30), language="de")
    export.change_rows = lambda rows: [[*row[:3], "Kurado", *row[4:]] for row in rows]
    good, rejects = read(export)
    assert not rejects
    assert {(each.activity.sport_type, each.columns["activity_type"]) for each in good} == {(None, "Kurado")}


def test_a_sport_is_known_in_more_languages_than_headers():
    export = in_no_language(ExportFile(activities(60)), doubles=True)
    export.change_rows = lambda rows: [[*row[:3], "Corsa", *row[4:]] for row in rows]
    assert {each.activity.sport_type for each in read(export)[0]} == {"Run"}


def test_no_word_is_another_sport_in_another_language():
    meanings: dict[str, set[str]] = {}
    for words in names("sports.csv", "sport_type").values():
        for word, sport in words.items():
            meanings.setdefault(word, set()).add(sport)
    assert {word: sports for word, sports in meanings.items() if len(sports) > 1} == {}


@pytest.mark.parametrize("dates", DATES)
def test_every_spelling_of_dates_is_read_as_utc(dates: str):
    assert_equals_api(ExportFile(of := activities(150), dates=dates), of)


@pytest.mark.parametrize("size", [10, 11])
def test_the_first_layouts_have_no_numbers_but_their_distance(size: int):
    export = ExportFile(of := activities(), size=size)
    assert_equals_api(export, of, SHORT)
    for each, activity_json in zip(read(export)[0], of, strict=True):
        assert each.activity.sport_type == activity_json["sport_type"]
        if size == 11 and activity_json["sport_type"] == "Swim":
            assert each.activity.distance is None  # in metres, but nothing says so
        else:
            assert each.activity.distance == pytest.approx(activity_json["distance"], abs=0.01 if size == 10 else 10)


@pytest.mark.parametrize("size", LAYOUTS)
def test_names_that_were_never_translated_are_found_in_their_html(size: int):
    assert_equals_api(ExportFile(of := activities(), size=size, language="de", is_html=True), of)


def test_line_ends_byte_order_marks_order_and_line_breaks_within_fields_do_not_matter():
    assert_equals_api(ExportFile(of := activities(), line_end="\r\n", start=b"\xef\xbb\xbf", newest_first=True), of)


@pytest.mark.slow
@given(st.integers(0, 2**32), st.sampled_from(LANGUAGES), st.sampled_from(LAYOUTS), st.booleans())
def test_any_export_gives_what_the_api_says(seed: int, language: str, size: int, is_html: bool):
    of = activities(40, seed=seed % 50)
    assert_equals_api(ExportFile(of, language=language, size=size, is_html=is_html, seed=seed), of)


@pytest.mark.parametrize("language", [*LANGUAGES, "unknown"])
@pytest.mark.parametrize("at", [6, 14, 18, 20, 25, 40, 60])
def test_a_column_put_anywhere_shifts_no_value_into_another(language: str, at: int):
    export = ExportFile(of := activities(120), language="nl" if language == "unknown" else language)
    if language == "unknown":
        in_no_language(export, doubles=True)
    names, chance = export.names(), random.Random(at)
    export.header = [*names[:at], "Something of 2027", *names[at:]]
    export.change_rows = lambda rows: [[*row[:at], str(chance.randrange(9)), *row[at:]] for row in rows]
    assert_equals_api(export, of, may_lack=True)
    assert_equals_api(export, of, CERTAIN)


def test_where_name_and_sport_are_cannot_be_told_in_an_unknown_language_is_refused():
    export = in_no_language(ExportFile(activities(120)), doubles=True)
    names = export.names()
    export.header = [*names[:4], "Something of 2027", *names[4:]]
    export.change_rows = lambda rows: [[*row[:4], "x", *row[4:]] for row in rows]
    with pytest.raises(ArchiveUnreadable, match="no telling which column is activity_name, activity_type"):
        read(export)


def test_the_swapped_names_of_the_cadences_are_turned_by_their_values():
    export = ExportFile(of := activities(80), language="nl", size=72)
    names, at = export.names(), export.columns().index("max_cadence")
    export.header = [*names[:at], names[at + 1], names[at], *names[at + 2 :]]
    assert_equals_api(export, of)


def test_names_of_a_known_language_over_other_columns_are_not_believed():
    export = ExportFile(activities())
    names = export.names()
    moving, speed = names.index("Moving Time"), names.index("Average Speed")
    names[moving], names[speed] = names[speed], names[moving]
    export.header = names
    with pytest.raises(ArchiveUnreadable, match=r"moving time is within the .* only .*: Activity ID, Activity Date"):
        read(export)


def test_a_table_of_something_else_is_refused_with_its_header():
    with pytest.raises(ArchiveUnreadable, match=r"not understood.*Please report its header: colour, size"):
        read_table(b"colour,size\nred,1\n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "activities.csv is empty"),
        (b"\xef\xbb\xbf", "activities.csv is empty"),
        (b"Activity ID,Activity Date\n", "lists no activity"),
        (b"Activity ID\n\xff\xfe", "not UTF-8 text"),
        (b'Activity ID,Activity Date\n1,"Jul', "breaks off or is broken at line 2"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(data: bytes, message: str):
    with pytest.raises(ArchiveUnreadable, match=message) as refused:
        read_table(data)
    assert "\n" not in str(refused.value)


def test_a_row_that_is_no_activity_is_a_reject_with_its_reasons_and_all_cells():
    export = ExportFile(of := activities(200))
    columns = export.columns()

    def spoil(rows: list[list[str]]) -> list[list[str]]:
        rows[1] = rows[1][:50]
        rows[2][columns.index("activity_date")] = "yesterday"
        rows[3][columns.index("average_watts")] = "many"
        rows[4][columns.index("activity_id")] = "x"
        rows[5][columns.index("filename")] = "activities/../../etc/passwd"
        return rows

    export.change_rows = spoil
    good, rejects = read(export)
    assert len(good) == len(of) - 5
    assert [reject.faults for reject in rejects] == [
        ["it has 50 fields, the header 103"],
        ["activity_date: 'yesterday' is not a date"],
        ["average_watts: 'many' is not a number"],
        ["activity_id: 'x' is not an id"],
        ["filename: 'activities/../../etc/passwd' is not a file of the export"],
    ]
    assert rejects[1].cells[0] == str(of[2]["id"])


@pytest.mark.parametrize("cell", ["0", "-5", "007", str(2**63), "9" * 30, "9" * 5000, "1_0", "x"])
def test_what_no_table_can_hold_as_an_id_is_a_reject(cell: str):
    export = ExportFile(of := activities(50))
    export.change_rows = lambda rows: [[cell, *rows[0][1:]], [cell, *rows[1][1:]], *rows[2:]]
    good, rejects = read(export)
    assert [each.id for each in good] == [each["id"] for each in of[2:]]
    assert [reject.faults for reject in rejects] == [[f"activity_id: {cell[:80]!r} is not an id"]] * 2


@pytest.mark.parametrize("column", ["moving_time", "elapsed_time_2", "bike"])
def test_a_number_that_is_too_large_is_a_reject(column: str):
    export = ExportFile(activities(50))
    at = export.columns().index(column)
    export.change_rows = lambda rows: [[*rows[0][:at], "1e300", *rows[0][at + 1 :]], *rows[1:]]
    assert [reject.faults for reject in read(export)[1]] == [[f"{column}: '1e300' is not a number"]]


def test_of_equal_ids_the_last_row_counts_and_it_is_reported():
    export = ExportFile(of := activities(50))
    export.change_rows = lambda rows: [*rows, [*rows[7][:2], "The second one", *rows[7][3:]]]
    assert read_table(export.csv()).duplicates == [of[7]["id"]]
    assert [each.activity.name for each in read(export)[0] if each.id == of[7]["id"]] == ["The second one"]


def test_all_columns_are_kept_as_they_are_written_and_unknown_ones_by_their_own_name():
    export = ExportFile(of := activities(30), size=105)
    names = export.names()
    names[export.columns().index("new_0")] = "Sauna Visits"
    export.header = names
    good, _ = read(export)
    assert good[0].columns["sauna_visits"] == "1.0"
    assert good[0].columns["distance_2"] == str(round(float(of[0]["distance"]), 3))
    assert "" not in good[0].columns.values()


def test_a_published_dutch_export_of_2020_is_read():
    header = (
        "Activiteits-ID,Datum van activiteit,Naam activiteit,Activiteitstype,Beschrijving van activiteit,"
        "Verstreken tijd,Afstand,Vergelijkbare poging,Forenzenrit,Uitrusting voor activiteit,Bestandsnaam,"
        "Gewicht sporter,Gewicht fiets,Verstreken tijd,Beweegtijd,Afstand,Max. snelheid"
    )
    row = (
        '1050466088,23 jun. 2017 15:52:12,Middagloop,Hardloopsessie,,1459,"4,73",,false,,activities/1050466088.gpx,'
        "0.0,,1459.0,1451.0,4731.5,4.900000095367432"
    )
    (found,) = read_activities(read_table(f"{header}\n{row}\n".encode()), 42)
    assert isinstance(found, ArchivedActivity)
    assert found.activity.start_date.isoformat() == "2017-06-23T15:52:12+00:00"
    assert (found.activity.distance, found.activity.moving_time, found.activity.sport_type) == (4731.5, 1451, "Run")
    assert found.file == "activities/1050466088.gpx"


def test_in_a_short_table_one_odd_row_is_a_reject_and_no_reason_to_refuse_the_others():
    export = ExportFile(of := activities(3))
    export.change_rows = lambda rows: [[rows[0][0], "yesterday", *rows[0][2:]], *rows[1:]]
    good, rejects = read(export)
    assert [each.id for each in good] == [each["id"] for each in of[1:]]
    assert [reject.faults for reject in rejects] == [["activity_date: 'yesterday' is not a date"]]


@pytest.mark.parametrize("wrong", [0.04, 0.06])
def test_a_column_that_contradicts_in_more_than_one_row_of_twenty_is_no_such_column(wrong: float):
    export = ExportFile(activities(200))
    at = export.columns().index("activity_date")
    export.change_rows = lambda rows: [
        [*row[:at], "never", *row[at + 1 :]] if number < wrong * len(rows) else row for number, row in enumerate(rows)
    ]
    if wrong > 0.05:
        with pytest.raises(ArchiveUnreadable, match="the date is one in only 188 of 200 rows"):
            read(export)
    else:
        assert len(read(export)[1]) == 8


@pytest.mark.parametrize("size", LAYOUTS)
@pytest.mark.parametrize("count", [3, 10])
def test_a_few_activities_are_enough_for_an_unknown_language(size: int, count: int):
    of = [
        activity_json
        for activity_json in activities(60)
        if not activity_json["manual"] and activity_json.get("average_speed")
    ][:count]
    assert_equals_api(in_no_language(ExportFile(of, size=size, language="nl"), doubles=True), of, may_lack=True)
