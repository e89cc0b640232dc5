import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_assets.raw.activity import RawActivity, join_array, split_array

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def activity(text: str) -> RawActivity:
    return split_array(f"[{text}]")[0]


@given(st.lists(st.dictionaries(st.text(), JSON), max_size=5), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_every_element_keeps_its_exact_text(
    objects: list[dict[str, object]], ascii_only: bool, indent: int | str | None
):
    texts = [json.dumps(each, ensure_ascii=ascii_only, indent=indent) for each in objects]
    found = split_array(" [\n" + " ,\r\n".join(texts) + "\t] ")
    assert [each.text for each in found] == texts
    assert {each.text for each in split_array(join_array(found))} == set(texts)


def test_the_spelling_of_every_number_survives():
    text = '{"id": 154504250376823, "upload_id":987654321234567891234, "distance":50.0, "max_speed": 1.10e1}'
    assert join_array([activity(text)]) == f"[{text}]"


def test_an_hour_without_activities_is_an_empty_array():
    assert join_array([]) == "[]"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "a JSON array was expected, not nothing"),
        ('{"message": "error"}', 'a JSON array was expected, not \'{"message": "error"}\''),
        ("<html>", "a JSON array was expected, not '<html>'"),
        ('[{"id": 1}', "the array ends or breaks at character 10"),
        ('[{"id": 1},', "Expecting value: line 1 column 12 (char 11)"),
        ('[{"id": 1}, 5]', "element 1 of the array is not an object"),
        ('[{"id": 1}] []', "there is more after the array's end at character 11"),
        ('[{"id": NaN}]', "NaN is not JSON"),
    ],
)
def test_anything_but_a_complete_array_of_objects_is_refused(body: str, message: str):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        split_array(body)


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ('{"start_date": "2026-11-22T13:05:00Z"}', datetime(2026, 11, 22, 13, 5, tzinfo=UTC)),
        ('{"start_date": "2026-11-22T14:05:00+01:00"}', datetime(2026, 11, 22, 13, 5, tzinfo=UTC)),
        (
            '{"start_date": null, "start_date_local": "2026-11-22T14:05:00Z", "utc_offset": 3600.0}',
            datetime(2026, 11, 22, 13, 5, tzinfo=UTC),
        ),
        ('{"start_date": "yesterday"}', None),
        ('{"start_date": 1732280700}', None),
        ('{"start_date": "0001-01-01T00:00:00+23:00"}', None),
        ('{"start_date_local": "2026-11-22T14:05:00Z", "utc_offset": 1e300}', None),
        ("{}", None),
    ],
)
def test_the_start_is_read_from_whatever_field_says_it(fields: str, start: datetime | None):
    assert activity(fields).start == start


def test_a_true_id_is_an_integer():
    assert activity('{"id": 7}').id == 7
    assert activity('{"id": "7"}').id is None
    assert activity('{"id": true}').id is None


def test_social_counters_and_layout_do_not_change_the_digest_but_everything_else_does():
    original = activity('{"id": 7, "name": "Run", "kudos_count": 1, "comment_count": 0}').digest
    assert activity('{"kudos_count":9,"comment_count":3,"has_kudoed":true,"name":"Run","id":7}').digest == original
    assert activity('{"id": 7, "name": "Ride", "kudos_count": 1}').digest != original
    assert activity('{"id": 7, "name": "Run", "description": null}').digest != original


NINES = "9" * 4301

DEEP = [
    "[" * 150 + "]" * 150,
    '{"a":' * 965 + "1" + "}" * 965,
    '[{"b":[1,"]",{}],"c":' * 50_000 + '"\\"["' + "}]" * 50_000,
]


@pytest.mark.parametrize("value", [NINES, f"-{NINES}", f"{NINES}.5", "1e999"])
def test_a_number_that_python_does_not_take_stays_as_it_is_spelled(value: str):
    (other, odd) = split_array(f'[{{"id": 1}}, {{"id": 2, "distance": {value}}}]')
    assert other.id == 1
    assert odd.text == f'{{"id": 2, "distance": {value}}}'
    assert odd.fields["distance"] == value
    assert odd.digest != activity('{"id": 2, "distance": 9}').digest


@pytest.mark.parametrize("deep", DEEP)
def test_what_is_nested_too_deeply_is_one_activity_that_keeps_its_text_and_its_other_fields(deep: str):
    text = f'{{"id": 2, "map": {{"a": [1]}}, "deep": {deep}, "start_date": "2026-11-22T13:05:00Z"}}'
    (first, odd, last) = split_array(f'[{{"id": 1}}, {text} , {{"id": 3}}]')
    assert (first.id, odd.id, last.id) == (1, 2, 3)
    assert odd.text == text
    assert odd.is_too_deep
    assert odd.hour == datetime(2026, 11, 22, 13, tzinfo=UTC)
    assert odd.fields["map"] == {"a": [1]}
    assert odd.fields["deep"] == deep
    assert odd.digest != activity(text.replace("2026", "2025")).digest
    assert split_array(join_array([odd])) == [odd]


@pytest.mark.parametrize("depth", [90, 99, 100, 101, 250, 900, 940, 960, 980, 5000])
def test_how_deep_is_too_deep_does_not_depend_on_the_parser(depth: int):
    odd = activity(f'{{"id": 2, "deep": {"[" * (depth - 1)}{"]" * (depth - 1)}}}')
    assert odd.is_too_deep == (depth > 100)
    assert len(odd.digest) == 32


@pytest.mark.parametrize("deep", DEEP)
@pytest.mark.parametrize(
    "damage", [lambda deep: deep[:-1], lambda deep: deep + "]", lambda deep: deep.replace("]", "}")]
)
def test_deep_text_that_is_no_json_is_refused(deep: str, damage: Callable[[str], str]):
    damaged = damage(deep)
    if damaged == deep:
        damaged = deep[1:]
    with pytest.raises(ValueError, match=r"."):
        split_array(f'[{{"id": 2, "deep": {damaged}}}]')


@given(JSON, st.sampled_from([None, 1]), st.integers(101, 300))
def test_deep_text_is_read_as_the_parser_reads_it(value: object, indent: int | None, depth: int):
    inner = json.dumps({"value": value, "again": [value]}, indent=indent)
    text = f'{{"same": {inner}, "deep": {"[" * depth}{inner}{"]" * depth}, "more": {inner}}}'
    odd = activity(text)
    assert odd.text == text
    assert odd.fields == {**json.loads(text), "deep": text[text.index("deep") + 7 : text.rindex(', "more"')]}
