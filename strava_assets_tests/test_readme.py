"""What the README says is what the code does."""

import re
from pathlib import Path

from strava_assets.settings import VARIABLES

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text()


def test_the_table_of_settings_is_the_settings():
    rows = [
        f"| `{each.name}` | {f'`{each.default}`' if each.default else 'none'} | {each.meaning} |" for each in VARIABLES
    ]
    assert [line for line in README.splitlines() if line.startswith("| `")] == rows


def test_every_link_into_the_project_leads_somewhere():
    for file in (PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"), PROJECT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name}: {target}"
