"""Reading: filters, order, pages, scopes, exact text."""

import json
from typing import Any

import pytest
import requests

from strava_assets.simulator.simulation import Simulation
from strava_assets_tests.simulator.asking import NOON, complaint, get, ids, upload


def test_the_list_is_newest_first_but_oldest_first_once_after_is_given(simulation: Simulation, url: str):
    token = simulation.grant()
    uploaded = [upload(simulation, hours) for hours in (0, 1, 2)]
    assert ids(get(url, token)) == uploaded[::-1]
    assert ids(get(url, token, after=0)) == uploaded
    assert ids(get(url, token, before=int(NOON.timestamp()) + 7200)) == uploaded[1::-1]


def test_pages_hold_every_activity_once(simulation: Simulation, url: str):
    token = simulation.grant()
    uploaded = [upload(simulation, hours) for hours in range(5)]
    orders: list[tuple[dict[str, Any], list[int]]] = [({"after": 0}, uploaded), ({}, uploaded[::-1])]
    for query, expected in orders:
        pages = [ids(get(url, token, per_page=2, page=page, **query)) for page in (1, 2, 3, 4)]
        assert pages == [expected[0:2], expected[2:4], expected[4:], []]


def test_a_page_has_30_activities_unless_requested_otherwise(simulation: Simulation, url: str):
    for hours in range(31):
        upload(simulation, hours)
    assert len(get(url, simulation.grant()).json()) == 30


def test_the_bounds_themselves_are_left_out_unless_told_otherwise(simulation: Simulation, url: str):
    token = simulation.grant()
    uploaded = [upload(simulation, hours) for hours in (0, 1, 2)]
    noon = int(NOON.timestamp())
    assert ids(get(url, token, after=noon, before=noon + 7200)) == uploaded[1:2]
    simulation.includes_bounds = True
    assert ids(get(url, token, after=noon, before=noon + 7200)) == uploaded


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"after": 10**13}, "Application/after/future"),  # milliseconds
        ({"after": "yesterday"}, "Application/parameters/invalid"),
        ({"per_page": 201}, "Application/per page/limit exceeded"),
        ({"page": 0}, "Application/page/invalid"),
    ],
)
def test_a_senseless_question_is_refused_as_strava_words_it(
    simulation: Simulation, url: str, query: dict[str, Any], message: str
):
    answer = get(url, simulation.grant(), **query)
    assert answer.json()["message"] == "Bad Request"
    assert complaint(answer) == (400, message)


def test_without_read_all_private_activities_vanish_and_places_are_cut(simulation: Simulation, url: str):
    seen = upload(simulation, 0, start_latlng=[47.0, 8.0], average_speed=...)
    hidden = upload(simulation, 1, private=True)
    half = simulation.grant(scopes=["read", "activity:read"])
    assert [(each["id"], each["start_latlng"]) for each in get(url, half).json()] == [(seen, [])]
    assert complaint(get(url, half, f"/activities/{hidden}")) == (404, "Activity//not found")
    assert complaint(get(url, simulation.grant(scopes=["read"]))) == (
        401, "AccessToken/activity:read_permission/missing",
    )  # fmt: skip


def test_the_exact_text_of_an_activity_is_served(simulation: Simulation, url: str):
    text = '{"id": 7, "start_date":"2026-01-01T00:00:00Z", "distance": 50.00, "upload_id": 987654321234567891234}'
    simulation.add_activity(42, text=text)
    token = simulation.grant()
    assert get(url, token).text == f"[{text}]"
    detailed = get(url, token, "/activities/7")
    assert '"distance":50.00' in detailed.text
    assert detailed.json()["upload_id"] == 987654321234567891234
    assert detailed.json()["resource_state"] == 3


def test_an_edit_keeps_the_spelling_of_everything_else(simulation: Simulation):
    simulation.add_activity(42, text='{"id":7,"name":"caf\\u00e9","distance":50.00,"max_speed":11}')
    simulation.edit(7, max_speed=..., name="Lauf 🏃", kudos_count=3)
    assert simulation.accounts[42].activities[7].text == '{"id":7,"name":"Lauf 🏃","distance":50.00,"kudos_count":3}'


def test_invalid_activities_are_kept_as_they_are_but_nan_is_never_sent(simulation: Simulation, url: str):
    wrong = ['{"id": "7", "start_date": null}', '{"name": "no id\\u0000"}', '{"id": 8, "distance": "far"}']
    for text in wrong:
        simulation.add_activity(42, text=text)
    assert sorted(json.dumps(each) for each in get(url, simulation.grant()).json()) == sorted(wrong)
    for text in ('{"id": 9, "distance": NaN}', '{"id": 9', "[]"):
        with pytest.raises(ValueError):  # noqa: PT011 - each has its own words
            simulation.add_activity(42, text=text)
    with pytest.raises(ValueError, match="JSON"):
        simulation.add_activity(42, distance=float("nan"))


def test_an_edited_start_moves_the_activity_in_the_list(simulation: Simulation, url: str):
    token = simulation.grant()
    first, second = upload(simulation, 0), upload(simulation, 1)
    assert ids(get(url, token)) == [second, first]
    simulation.edit(first, start_date="2026-01-11T00:00:00Z")
    assert ids(get(url, token)) == [first, second]
    simulation.delete(first)
    assert ids(get(url, token)) == [second]


def test_a_broken_start_moves_nothing_since_strava_knows_it_all_the_same(simulation: Simulation, url: str):
    token, noon = simulation.grant(), int(NOON.timestamp())
    uploaded = [upload(simulation, hours) for hours in (0, 1, 2)]
    for wrong in (None, "yesterday", ...):
        simulation.edit(uploaded[1], start_date=wrong, start_date_local=...)
        assert ids(get(url, token, after=noon - 1)) == uploaded
        assert ids(get(url, token, after=noon + 1, before=noon + 7200)) == uploaded[1:2]
    simulation.edit(uploaded[1], start_date="2026-01-11T00:00:00Z")
    assert ids(get(url, token, after=noon - 1)) == [uploaded[0], uploaded[2], uploaded[1]]
    without_date = simulation.add_activity(42, text='{"id": 7}')
    assert ids(get(url, token, after=int(simulation.clock.time()) - 60)) == [without_date]
    simulation.delete(without_date)
    assert ids(get(url, token, per_page=1)) == [uploaded[1]]


def test_only_the_header_carries_a_token(simulation: Simulation, url: str):
    token = simulation.grant()["access_token"]
    answer = requests.get(f"{url}/api/v3/athlete", params={"access_token": token}, timeout=10)
    assert complaint(answer) == (401, "Athlete/access_token/invalid")


def test_an_athlete_sees_only_their_own(simulation: Simulation, url: str):
    simulation.add_athlete(43, name="Bo")
    mine, theirs = upload(simulation, 0), simulation.add_activity(43)
    token = simulation.grant(43)
    assert ids(get(url, token)) == [theirs]
    assert get(url, token, f"/activities/{mine}").status_code == 404
    assert get(url, token, "/athlete").json()["id"] == 43


def test_the_profile_needs_its_scope(simulation: Simulation, url: str):
    assert "shoes" in get(url, simulation.grant(), "/athlete").json()
    assert "shoes" not in get(url, simulation.grant(scopes=["read"]), "/athlete").json()


def test_what_is_served_is_the_truth(simulation: Simulation, url: str):
    simulation.add_athlete(43, years=1)
    served = get(url, simulation.grant(43), per_page=200).json()
    assert served == simulation.activities(43)[::-1][:200]
