"""A listing goes on around what cannot be understood."""

import json
from typing import Any

import pytest

from strava_assets.errors import MalformedPage
from strava_assets_tests.sync.imported_history import EVER, LISTING, Platform, hour_of, ids


@pytest.mark.slow
def test_a_record_that_cannot_be_understood_keeps_only_its_own_hour_unknown(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
):
    gone, before, broken, behind = (ids(platform)[index] for index in (10, 122, 123, 124))
    unknown = hour_of(platform, broken)
    listed = platform.simulation.listed

    def with_null(*arguments: Any, **options: Any) -> list[str]:
        return ["null" if json.loads(each)["id"] == broken else each for each in listed(*arguments, **options)]

    monkeypatch.setattr(platform.simulation, "listed", with_null)
    platform.simulation.edit(before, name="Before")
    platform.simulation.edit(behind, name="Behind")
    platform.simulation.delete(gone)
    found = platform.compare()
    assert [gap.window for gap in found.gaps[42]] == [unknown]
    assert f"The hours {unknown} of athlete 42 are not known: " in found.problems[0]
    platform.refresh(found)
    assert (platform.rows()[before].name, platform.rows()[behind].name) == ("Before", "Behind")
    assert set(platform.rows()) == set(platform.objects()) == set(ids(platform))
    assert platform.compare().windows == []

    fetched = platform.fetch(EVER)
    assert [gap.window for gap in fetched.gaps[42]] == [unknown]
    with pytest.raises(MalformedPage, match="athlete/activities failed"):
        platform.fetch(unknown)
    assert set(platform.objects()) == set(ids(platform))


@pytest.mark.slow
@pytest.mark.parametrize(("broken", "gaps"), [(slice(50, 250, 190), 2), (slice(5, 300, 9), None)])
def test_broken_records_far_apart_are_gaps_but_not_any_number_of_them(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, broken: slice, gaps: int | None
):
    hidden, listed = set(ids(platform)[broken]), platform.simulation.listed

    def with_nulls(*arguments: Any, **options: Any) -> list[str]:
        return ["null" if json.loads(each)["id"] in hidden else each for each in listed(*arguments, **options)]

    monkeypatch.setattr(platform.simulation, "listed", with_nulls)
    before = len(platform.simulation.requests)
    if gaps is None:
        with pytest.raises(MalformedPage):
            platform.fetch(EVER)
        assert len(platform.simulation.requests) - before < 200
    else:
        assert len(platform.fetch(EVER).gaps[42]) == gaps


def test_where_nothing_at_all_is_understood_that_is_one_error_after_few_requests(platform: Platform):
    platform.simulation.faults.add("html", path=LISTING, count=None)
    before = len(platform.simulation.requests)
    with pytest.raises(MalformedPage, match="Athlete 42: "):
        platform.fetch(EVER)
    assert len(platform.simulation.requests) - before < 50
