"""What a purge takes out of Dagster's texts, and what it leaves."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strava_assets.instance.redaction import REMOVED, Redaction

ATHLETE, ACTIVITY = 31415926, 15450425037
LONG = Redaction(ATHLETE, {ACTIVITY})
SHORT = Redaction(42, {ACTIVITY})


@pytest.mark.parametrize(
    ("redaction", "before", "after"),
    [
        (LONG, f"athlete {ATHLETE}: 2 missing ({ACTIVITY}, 77)", "athlete 0: 2 missing (0, 77)"),
        (LONG, f"s3://lifedata/stravaact/{ATHLETE}/20261122T130000.json", "s3://lifedata/stravaact/0/20261122T130000.json"),
        (LONG, f'{{"object_id": {ACTIVITY}, "n": 3}}', '{"object_id": 0, "n": 3}'),
        (LONG, f"{ACTIVITY}.", "0."),
        (LONG, f"at 1{ACTIVITY} {ACTIVITY}.25 0.{ACTIVITY} a{ACTIVITY}", None),
        (SHORT, "athlete 42 and 42 rows, athlete 421", "athlete 0 and 42 rows, athlete 421"),
        (SHORT, "Athletes 42: purge --athlete 42", "Athletes 0: purge --athlete 0"),
        (SHORT, '{"owner_id": 42, "count": 42}', '{"owner_id": 0, "count": 42}'),
        (SHORT, json.dumps('{"athlete_id": 42, "n": 42}'), json.dumps('{"athlete_id": 0, "n": 42}')),
        (SHORT, "s3://b/42/20261122T130000.json of 42", "s3://b/0/20261122T130000.json of 42"),
        (SHORT, "The token in STRAVA_TOKEN:42 is left out", "The token in STRAVA_TOKEN:0 is left out"),
        (SHORT, "nothing of theirs: 4242 42", None),
    ],
)  # fmt: skip
def test_ids_go_and_other_numbers_stay(redaction: Redaction, before: str, after: str | None) -> None:
    assert redaction(before) == (before if after is None else after)
    assert redaction(redaction(before)) == redaction(before)


def event(**entries: dict[str, str]) -> str:
    listed = [{"label": label, "entry_data": data} for label, data in entries.items()]
    return json.dumps({"step": {"metadata_entries": listed}})


def test_previews_are_blanked_and_what_is_labelled_with_the_athlete_goes() -> None:
    before = event(
        preview={"md_str": "|Secret tour|"}, object_42={"url": "s3://b"}, error_42={"text": "x"}, n={"int": "1"}
    )
    assert SHORT(before) == event(preview={"md_str": REMOVED}, n={"int": "1"})
    only_ids = Redaction(None, {ACTIVITY}, blanks_previews=False)
    assert only_ids(before) == before


def test_a_sentence_of_0_1_0_that_names_values_goes_whole() -> None:
    sentence = "1 activities are no valid row and wait in strava_activity_reject (5); 5: distance: got 'far'."
    stored = json.dumps({"check_name": "no_rejects", "description": sentence})
    assert "far" not in LONG(stored)
    assert json.loads(LONG(stored))["description"] == REMOVED


VALUES = st.recursive(
    st.sampled_from([ATHLETE, ACTIVITY, 42, f"athlete {ATHLETE}", f"_{ATHLETE}", f"x{ACTIVITY}y", 1.5, None])
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
@example({"metadata_entries": [42]})
@example({"metadata_entries": [{"label": None, "entry_data": {}}]})
def test_json_stays_json_and_no_id_stands_alone_in_it(value: object) -> None:
    after = LONG(json.dumps(value))
    assert json.loads(after) is not ...
    assert f" {ATHLETE}" not in after
    assert f": {ACTIVITY}" not in after
