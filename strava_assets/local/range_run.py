"""`python -m strava_assets.local.range_run FIRST LAST`: both assets for these hours and all between, as one run.

`dagster asset materialize` does the same, but cannot say why the run is there.
"""

import sys

from strava_assets.defs.build import build_definitions
from strava_assets.defs.run_tags import START, range_tags, reason_tags
from strava_assets.hours import Window, from_partition_key
from strava_assets.instance.command_line import execute, instance_of_folder
from strava_assets.settings import Settings


def main(first: str, last: str) -> int:
    """Run it in this process; prints why it failed, and returns the exit code."""
    job = build_definitions(Settings.from_environment()).resolve_job_def("sync_hours")
    window = Window.of(from_partition_key(first), from_partition_key(last))
    with instance_of_folder() as instance:
        outcome = execute(job, instance, reason_tags(START), range_tags(window))
    if outcome.failure:
        print(outcome.failure, file=sys.stderr)
    return 1 if outcome.failure else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
