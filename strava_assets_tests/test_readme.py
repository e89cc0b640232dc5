"""What the README says is what the code does."""

import re
from pathlib import Path

from strava_assets import Settings, build_definitions
from strava_assets.mirror.activity import Activity, validate
from strava_assets.settings import VARIABLES
from strava_assets_tests.data_page import ATHLETE, example_activities

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text()


def test_the_table_of_settings_is_the_settings():
    rows = [
        f"| `{each.name}` | {f'`{each.default}`' if each.default else 'none'} | {each.meaning} |" for each in VARIABLES
    ]
    section = README.partition("\n## Settings\n")[2].partition("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("| `")] == rows


def test_the_rows_on_the_first_screen_are_the_simulated_athletes():
    activities = [validate(raw, ATHLETE) for raw in example_activities()]
    block = next(block for block in re.findall(r"```\n(.*?)```", README, re.DOTALL) if "start_date_local" in block)
    head, _, *lines = [[cell.strip() for cell in line.split("|")] for line in block.splitlines()]
    assert len(lines) == 2
    assert f"select {', '.join(head)} from strava_activity" in README
    truth = [activity.model_dump() for activity in activities if isinstance(activity, Activity)]
    for line in lines:
        assert any([str(row[name]) for name in head] == line for row in truth), line


def test_the_table_of_what_is_in_dagster_is_complete_and_right():
    section = README.partition("| in Dagster |")[2].partition("\n\n")[0]
    found = dict(re.findall(r"^\| `([a-z_]+)[^|]*\| ([a-z]+)", section, re.MULTILINE))
    repository = build_definitions(Settings.from_environment({})).get_repository_def()
    assert found == {
        **{
            key.path[0]: "assets" if len(key.path) > 1 else "asset"
            for key in repository.asset_graph.get_all_asset_keys()
        },
        **{name: "job" for name in repository.job_names if not name.startswith("__")},
        **{each.name: "schedule" for each in repository.schedule_defs},
        **{each.name: "sensor" for each in repository.sensor_defs},
    }


def test_every_link_into_the_project_leads_somewhere():
    for file in (PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"), PROJECT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name}: {target}"
