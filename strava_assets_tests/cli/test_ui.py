"""Dagster's UI as a person uses it, and the GraphQL behind it, on a running `strava-assets up`."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from strava_assets.hours import HOUR, Window, floor_to_hour, partition_key
from strava_assets_tests.browser import keep_picture, missing, opened
from strava_assets_tests.running_up import Up

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

NOW = floor_to_hour(datetime.now(UTC))
RECENT = Window(NOW - timedelta(days=28), NOW - timedelta(hours=3))
# Older than what `up` fetches automatically.
LONG_AGO = Window(NOW - timedelta(days=47), NOW - timedelta(days=40))
HOURS = [partition_key(hour) for hour in LONG_AGO.hours()]
ASSETS = [{"path": ["raw_activities"]}, {"path": ["strava_activity"]}]
REQUESTED = {"assetSelection": ASSETS, "partitionNames": HOURS}
CHECKS = [(0, "all_athletes_fetched"), (1, "no_rejects"), (1, "plausible_values"), (1, "rows_match_objects")]
GRAPH = "/locations/strava_assets/asset-groups/strava/lineage"

_LAUNCH = """
mutation ($requested: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $requested) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
  }
}
"""
_RUNS = """
query ($filter: RunsFilter!) {
  runsOrError(filter: $filter) { ... on Runs { results { runId status tags { key value } } } }
}
"""
_HOUR = """
query ($asset: AssetKeyInput!, $hours: [String!]!) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode {
      assetMaterializations(partitions: $hours) {
        runId
        metadataEntries { label ... on IntMetadataEntry { intValue } ... on MarkdownMetadataEntry { mdStr } }
      }
    }
  }
}
"""
_CHECK = """
query ($asset: AssetKeyInput!, $name: String!) {
  assetCheckExecutions(assetKey: $asset, checkName: $name, limit: 20) { runId status }
}
"""


@pytest.fixture(scope="module")
def page(beginning_up: Callable[[], Up], tmp_path_factory: pytest.TempPathFactory) -> Iterator["Page"]:
    if reason := missing():
        pytest.skip(f"the UI is not looked at: {reason}")
    with opened(beginning_up().url, tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture(scope="module")
def backfill(beginning_up: Callable[[], Up], request: pytest.FixtureRequest) -> str:
    """The id of the range's backfill, launched by clicks; without a browser, by the mutation that they lead to.

    It is launched before there is a daemon, which looks for new backfills when it starts and then every 30 seconds.
    """
    up = beginning_up()
    page: Page | None = None if missing() else request.getfixturevalue("page")
    up.wait_for_ui()
    if page is None:
        launched = up.graphql(_LAUNCH, requested=REQUESTED)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess"
        return str(launched["backfillId"])
    with page.expect_request(
        lambda request: "launchPartitionBackfill" in (request.post_data or ""), timeout=300_000
    ) as sent:
        created = materialize_all(page, f"[{HOURS[0]}...{HOURS[-1]}]", "Launch backfill", "Created backfill")
    requested = json.loads(sent.value.post_data or "")["variables"]["backfillParams"]
    assert {name: requested[name] for name in REQUESTED} == REQUESTED
    return created


@pytest.fixture(scope="module")
def hour_and_run(beginning_up: Callable[[], Up], page: "Page", backfill: str) -> tuple[datetime, str]:
    """An hour with an activity, and the id of its run, launched by clicks while the backfill waits for the daemon."""
    assert backfill
    up = beginning_up()
    up.wait()
    hour = floor_to_hour(up.starts(RECENT, sport="Ride")[0])
    run = materialize_all(page, partition_key(hour), "Launch 1 run", "Launched run")
    page.goto("about:blank")  # a page that follows a run takes much of the time that the run needs
    return hour, run


def materialize_all(page: "Page", hours: str, button: str, toast_text: str) -> str:
    """Choose these hours in the dialogue of the asset graph and launch; the id that the UI says then."""
    deadline = time.monotonic() + 300
    launch = page.get_by_role("dialog").get_by_role("button", name=button, exact=True)
    while not chosen(page, hours, launch):
        assert time.monotonic() < deadline, page.get_by_role("dialog").all_inner_texts()
    launch.click()
    toast = page.get_by_text(re.compile(rf"^{toast_text} \w+$"))
    return toast.first.inner_text().split()[-1]


def chosen(page: "Page", hours: str, launch: "Locator") -> bool:
    """Open the dialogue anew and write the hours into it; false where a page that still loads has dropped them."""
    from playwright.sync_api import TimeoutError as NotShown

    dialog = page.get_by_role("dialog")
    # Its placeholder changes with what is loaded and chosen.
    partitions = dialog.get_by_role("textbox")
    # Dagster asks first where an asset before the chosen ones is not used: the archive's, in most platforms.
    confirm = dialog.get_by_role("button", name="Confirm", exact=True)
    try:
        page.goto(GRAPH)
        page.get_by_role("button", name="Materialize all").click()
        confirm.or_(partitions).first.wait_for()
        if confirm.is_visible():
            confirm.click()
        partitions.fill(hours)
        partitions.press("Enter")
        launch.wait_for(timeout=10_000)
        return partitions.input_value() == hours
    except NotShown:
        return False


def succeeded(up: Up, chosen: Callable[[dict[str, Any]], bool] = bool, **filters: Any) -> dict[str, Any]:
    """The one run so chosen, which must succeed."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        runs = [run for run in up.graphql(_RUNS, filter=filters)["runsOrError"]["results"] if chosen(run)]
        if runs and all(run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} for run in runs):
            (run,) = runs
            assert run["status"] == "SUCCESS"
            return dict(run)
        time.sleep(0.5)
    pytest.fail(f"no end of {runs}")


def follow(page: "Page", link: "Locator", leads_to: str) -> None:
    """Click until the address says so: a click is lost when the page has just taken its data in."""
    deadline = time.monotonic() + 300
    while leads_to not in unquote(page.url):
        assert time.monotonic() < deadline, f"{page.url} does not become {leads_to}"
        link.click()
        page.wait_for_timeout(200)


def open_partition(page: "Page", hour: str) -> None:
    """Look an hour up among the table's partitions."""
    page.goto("/assets/strava_activity")
    follow(page, page.get_by_role("tab", name="Partitions"), "view=partitions")
    page.get_by_placeholder("Filter by name").fill(hour)
    follow(page, page.get_by_text(hour, exact=True).first, f"partition={hour}")


def metadata(page: "Page", label: str) -> str:
    """What the page shows beside that label."""
    return page.get_by_role("row").filter(has=page.get_by_text(label, exact=True)).first.inner_text()


def test_a_partition_is_materialised_by_clicks_and_shows_rows_and_preview(
    up: Up, page: "Page", hour_and_run: tuple[datetime, str]
):
    hour, run_id = hour_and_run
    run = succeeded(up, lambda run: run["runId"].startswith(run_id))
    assert {"key": "dagster/partition", "value": partition_key(hour)} in run["tags"]

    open_partition(page, partition_key(hour))
    page.get_by_text(run_id).wait_for()
    starts = up.starts(Window(hour, hour + HOUR))
    assert metadata(page, "dagster/partition_row_count").split() == ["dagster/partition_row_count", str(len(starts))]
    for start in starts:
        page.get_by_text(f"{start:%Y-%m-%d %H:%M}", exact=True).first.wait_for()


def test_a_backfill_of_a_range_is_one_run_with_metadata_and_checks(up: Up, backfill: str):
    run = succeeded(up, tags=[{"key": "dagster/backfill", "value": backfill}])
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert tags["dagster/asset_partition_range_start"] == HOURS[0]
    assert tags["dagster/asset_partition_range_end"] == HOURS[-1]

    node = up.graphql(_HOUR, asset=ASSETS[1], hours=[HOURS[-1]])["assetNodeOrError"]
    (materialized,) = node["assetMaterializations"]
    toast_text = {entry["label"]: entry for entry in materialized["metadataEntries"]}
    assert materialized["runId"] == run["runId"]
    (athlete_id,) = set(up.mirrored().values())
    on_strava = up.on_strava(athlete_id, LONG_AGO.start, LONG_AGO.end)
    assert on_strava
    assert toast_text["rows"]["intValue"] == len(on_strava)
    assert f"{up.starts(LONG_AGO)[0]:%Y-%m-%d %H:%M}" in toast_text["preview"]["mdStr"]
    assert on_strava <= set(up.mirrored())

    for asset, check in CHECKS:
        executions = up.graphql(_CHECK, asset=ASSETS[asset], name=check)["assetCheckExecutions"]
        assert {each["status"] for each in executions if each["runId"] == run["runId"]} == {"SUCCEEDED"}


def test_a_backfilled_range_shows_its_rows_and_preview_at_its_last_hour(up: Up, page: "Page", backfill: str):
    run = succeeded(up, tags=[{"key": "dagster/backfill", "value": backfill}])
    open_partition(page, HOURS[-1])
    page.get_by_text(run["runId"][:8]).wait_for()
    starts = up.starts(LONG_AGO)
    assert metadata(page, "rows").split()[-1] == str(len(starts))
    page.get_by_text(f"{starts[0]:%Y-%m-%d %H:%M}", exact=True).first.wait_for()
    keep_picture(page, "partitions")


@pytest.mark.usefixtures("up")
def test_the_checks_are_shown_with_their_results(page: "Page"):
    page.goto("/assets/strava_activity")
    follow(page, page.get_by_role("tab", name="Checks"), "view=checks")
    for check in (name for asset, name in CHECKS if asset == 1):
        follow(page, page.get_by_title(check, exact=True), f"checkDetail={check}")
        page.get_by_text("Passed", exact=True).wait_for()
    page.get_by_text("Rows and raw objects of these hours agree.").wait_for()
    page.get_by_text("Plots", exact=True).click()
    keep_picture(page, "checks")


@pytest.mark.usefixtures("up")
def test_the_graph_shows_both_assets_with_their_checks_passed(page: "Page"):
    page.goto(GRAPH)
    page.get_by_text("1 / 1 Passed").wait_for()
    page.get_by_text("5 / 5 Passed").wait_for()
    keep_picture(page, "asset-graph")
