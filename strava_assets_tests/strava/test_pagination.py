"""Paging as a pure function of what the API answers: nothing is lost, nothing comes twice, no request is wasted."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_assets.hours import Window
from strava_assets.raw.activity import RawActivity
from strava_assets.strava.pagination import PER_PAGE, Listing, Page, Request

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
EARLIER = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())


def activity(activity_id: int | None, start: int | None, **more: object) -> RawActivity:
    fields: dict[str, object] = dict(more)
    if activity_id is not None:
        fields["id"] = activity_id
    if start is not None:
        fields["start_date"] = datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return RawActivity(json.dumps(fields), fields)


@dataclass
class Api:
    """Answers as Strava does: ids by start, filters, order, pages.

    `cut` says how many activities of an answer are kept, `cut_new` how many behind the second of the overlap:
    a page that is cut down to nothing new is the end of any listing.
    """

    starts: dict[int, int]
    cut: Callable[[int], int | None] = lambda _: None
    cut_new: Callable[[int], int | None] = lambda _: None
    before_answer: Callable[["Api"], None] = lambda _: None
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> list[RawActivity]:
        self.before_answer(self)
        matching = sorted(
            (start, activity_id)
            for activity_id, start in self.starts.items()
            if start > request.after and (request.before is None or start < request.before)
        )
        page = matching[(request.page - 1) * PER_PAGE : request.page * PER_PAGE]
        keep = self.cut(len(self.requests))
        if (new := self.cut_new(len(self.requests))) is not None:
            keep = new + sum(start == request.after + 1 for start, _ in page)
        self.requests.append(request)
        return [activity(activity_id, start) for start, activity_id in (page if keep is None else page[:keep])]


def pages_of(api: Api, window: Window | None = None) -> list[Page]:
    listing = Listing(window, lambda: NOW)
    pages = []
    while listing.request:
        pages.append(listing.receive(api.answer(listing.request)))
        assert len(api.requests) < 1000, "the listing does not end"
    return pages


def ids(pages: list[Page]) -> list[int | None]:
    return [listed.activity.id for page in pages for listed in page.activities]


def every(seconds: int, count: int) -> dict[int, int]:
    return {1000 + n: EARLIER + n * seconds for n in range(count)}


@pytest.mark.parametrize(
    ("count", "requests"),
    [(0, 1), (1, 2), (199, 2), (200, 2), (201, 3), (399, 3), (400, 4), (5000, 27)],
)
def test_a_listing_costs_a_request_per_200_activities_and_one_or_two_more(count: int, requests: int) -> None:
    api = Api(every(300, count))
    assert sorted(filter(None, ids(pages_of(api)))) == sorted(api.starts)
    assert len(api.requests) == requests <= ceil(count / 200) + 2


def test_an_hour_without_activities_costs_one_request() -> None:
    hour = datetime(2026, 11, 22, 9, tzinfo=UTC)
    api = Api(every(300, 50))
    (page,) = pages_of(api, Window.of(hour, hour))
    assert page == Page([], hour + timedelta(hours=1))


def test_only_activities_of_the_window_are_delivered_with_the_bounds_half_open() -> None:
    hour = datetime.fromtimestamp(EARLIER, UTC)
    api = Api({1: EARLIER - 1, 2: EARLIER, 3: EARLIER + 3599, 4: EARLIER + 3600})
    assert ids(pages_of(api, Window.of(hour, hour))) == [2, 3]


@given(
    starts=st.lists(st.integers(0, 2000), max_size=900),
    cuts=st.dictionaries(st.integers(0, 30), st.integers(1, 199), max_size=10),
)
def test_everything_is_listed_once_whatever_the_starts_and_the_short_pages(
    starts: list[int], cuts: dict[int, int]
) -> None:
    api = Api(
        {n: EARLIER + 60 * start for n, start in enumerate(starts, 1)},
        cut_new=cuts.get,
    )
    pages = pages_of(api)
    assert sorted(filter(None, ids(pages))) == sorted(api.starts)
    for count, page in enumerate(pages, 1):
        delivered = set(ids(pages[:count]))
        assert {n for n, start in api.starts.items() if start < page.complete_until.timestamp()} <= delivered


@given(
    starts=st.lists(st.integers(0, 700), min_size=1, max_size=700),
    deletions=st.dictionaries(st.integers(0, 6), st.sets(st.integers(1, 700), max_size=250), max_size=4),
)
def test_what_exists_throughout_is_listed_while_others_are_deleted(
    starts: list[int], deletions: dict[int, set[int]]
) -> None:
    def delete(api: Api) -> None:
        for activity_id in deletions.get(len(api.requests), set()):
            api.starts.pop(activity_id, None)

    api = Api({n: EARLIER + 60 * start for n, start in enumerate(starts, 1)}, before_answer=delete)
    listed = ids(pages_of(api))
    assert set(api.starts) <= set(listed)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("count", [200, 201, 350, 400, 601])
def test_more_activities_than_a_page_in_one_second_are_all_listed(count: int) -> None:
    api = Api(dict.fromkeys(range(1, count + 1), EARLIER) | {9001: EARLIER + 5})
    assert sorted(filter(None, ids(pages_of(api)))) == sorted(api.starts)


def test_a_cut_page_within_one_second_does_not_hide_the_rest_of_it() -> None:
    api = Api(dict.fromkeys(range(1, 181), EARLIER), cut=lambda request: 30 if request == 0 else None)
    assert len(ids(pages_of(api))) == 180


def test_an_empty_page_that_must_hold_the_last_activity_is_requested_again() -> None:
    api = Api(every(300, 250), cut=lambda request: 0 if request == 1 else None)
    assert len(ids(pages_of(api))) == 250


def test_a_deleted_last_activity_does_not_keep_the_listing_going() -> None:
    def delete(api: Api) -> None:
        if api.requests:
            api.starts.pop(1004, None)

    api = Api(every(300, 5), before_answer=delete)
    assert ids(pages_of(api)) == [1000, 1001, 1002, 1003, 1004]
    assert len(api.requests) == 4


def test_after_never_lies_in_the_future() -> None:
    future = int(NOW.timestamp()) + 86400
    api = Api({1: EARLIER, 2: future, 3: future + 7})
    assert ids(pages_of(api)) == [1, 2, 3]
    assert all(request.after <= NOW.timestamp() - 60 for request in api.requests)


def test_a_window_in_the_future_is_requested_from_the_present() -> None:
    tomorrow = datetime(2026, 11, 23, 14, tzinfo=UTC)
    api = Api({1: int(tomorrow.timestamp()) + 60, 2: int(NOW.timestamp())})
    assert ids(pages_of(api, Window.of(tomorrow, tomorrow))) == [1]
    assert api.requests[0].after == NOW.timestamp() - 60


def test_a_version_that_changed_during_the_listing_is_delivered_again_and_later() -> None:
    listing = Listing(None, lambda: NOW)
    listing.receive([activity(1, EARLIER, name="Morning Run")])
    page = listing.receive([activity(1, EARLIER, name="Race")])
    assert [listed.activity.fields["name"] for listed in page.activities] == ["Race"]


def test_an_activity_without_a_start_gets_the_hour_of_the_one_listed_before_it() -> None:
    hour = datetime.fromtimestamp(EARLIER, UTC)
    window = Window.of(hour, hour + timedelta(hours=9))
    listing = Listing(window, lambda: NOW)
    page = listing.receive([activity(7, None), activity(8, EARLIER + 7200), activity(9, None)])
    assert [(listed.activity.id, listed.hour - hour) for listed in page.activities] == [
        (7, timedelta(0)),
        (8, timedelta(hours=2)),
        (9, timedelta(hours=2)),
    ]


def test_activities_without_an_id_do_not_keep_the_listing_going() -> None:
    listing = Listing(None, lambda: NOW)
    assert len(listing.receive([activity(None, EARLIER, kudos_count=1)]).activities) == 1
    assert listing.request is None


def test_where_pages_were_cut_only_an_empty_one_is_the_end() -> None:
    api = Api(every(300, 60), cut={0: 20, 1: 20, 2: 1}.get)
    assert len(ids(pages_of(api))) == 60
    assert api.requests[-1].after == api.starts[1059]


@pytest.mark.parametrize("count", [1, 99, 100, 150, 199, 200])
@pytest.mark.parametrize("every_seconds", [0, 1, 3600])
def test_a_server_that_repeats_one_page_gets_no_endless_requests(count: int, every_seconds: int) -> None:
    page = [activity(1000 + n, EARLIER + n * every_seconds) for n in range(count)]
    listing = Listing(None, lambda: NOW)
    requests = 0
    while listing.request and requests < 20:
        listing.receive(page)
        requests += 1
    assert requests <= 6


def test_pages_of_known_activities_in_one_second_are_passed_to_reach_the_new_ones_behind_them() -> None:
    # The second of the overlap alone fills two pages and a half when it is listed again.
    api = Api({**{1000 + n: EARLIER for n in range(500)}, **{2000 + n: EARLIER + 1 for n in range(300)}})
    api.starts[999] = EARLIER - 500
    assert sorted(i for i in ids(pages_of(api)) if i is not None) == sorted(api.starts)


@pytest.mark.parametrize("place", [0, 7, 199, 200, 350, 398, 399])
@pytest.mark.parametrize(
    "window", [None, Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))]
)
@pytest.mark.parametrize("dated", [NOW + timedelta(days=400), datetime(2026, 11, 21, tzinfo=UTC)])
def test_one_activity_with_a_wrong_date_in_the_middle_of_a_listing_does_not_end_it(
    place: int, window: Window | None, dated: datetime
) -> None:
    """Strava sorts by the start that it knows; what an answer says of it may be another."""

    @dataclass
    class WithOneWrongDate(Api):
        def answer(self, request: Request) -> list[RawActivity]:
            wrong = 1000 + place
            answer = super().answer(request)
            return [activity(wrong, int(dated.timestamp())) if each.id == wrong else each for each in answer]

    api = WithOneWrongDate(every(3600, 400))
    wanted = set(api.starts) - (set() if window is None else {1000 + place})
    assert wanted <= set(ids(pages_of(api, window)))


@pytest.mark.parametrize("includes", [Window.of(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC))])
def test_what_started_in_the_first_seconds_of_1970_is_listed(includes: Window) -> None:
    """A device whose battery was empty starts its clock there, and no `after` lies before it."""
    api = Api({1: 0, 2: 1, 3: 2, 4: 3599, 5: 3600, 6: -5})
    assert ids(pages_of(api, includes)) == [1, 2, 3, 4]
    assert api.requests[0].parameters() == {"before": 1, "per_page": 200}
    assert {2, 3, 4, 5} <= set(ids(pages_of(api)))
