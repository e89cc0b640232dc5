"""Which runs fetch hours, and so count as tries."""

import dagster as dg
import pytest

from strava_assets.defs.names import Names
from strava_assets.defs.run_tags import FETCHED_TAG
from strava_assets.defs.runs import fetches

NAMES = Names(("ana",), "strava", "ana_")
JOB = "ana_sync_hours"


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (dg.DagsterRun(JOB), True),
        (dg.DagsterRun("sync_hours"), False),  # another platform's, in the same code location
        (dg.DagsterRun(JOB, tags={FETCHED_TAG: "2026-11-22"}), False),  # it records what an import fetched
        (dg.DagsterRun(JOB, step_keys_to_execute=["ana__strava_activity"]), False),  # repeated after the first half
        (dg.DagsterRun(JOB, step_keys_to_execute=["ana__raw_activities", "ana__strava_activity"]), True),
        (dg.DagsterRun("__ASSET_JOB", asset_selection={NAMES.raw_activities, NAMES.strava_activity}), True),
        (dg.DagsterRun("__ASSET_JOB", asset_selection={NAMES.strava_activity}), False),
        (dg.DagsterRun("__ASSET_JOB", asset_selection={dg.AssetKey("raw_activities")}), False),
    ],
)
def test_only_a_run_that_fetches_and_loads_these_assets_counts(run: dg.DagsterRun, expected: bool):
    assert fetches(run, NAMES) is expected
