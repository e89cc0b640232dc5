"""One setting put into `.env`, and the rest of the file as it was."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from strava_assets.cli.env_file import put

NAME = "STRAVA_START_DATE"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"{NAME}=2015-03-02\n"),
        ("A=1", f"A=1\n{NAME}=2015-03-02\n"),
        (f"A=1\n{NAME}=2024-01-01\nB=2\n", f"A=1\n{NAME}=2015-03-02\nB=2\n"),
        (f"export {NAME} = '2024-01-01'\n", f"{NAME}=2015-03-02\n"),
        (f"# Date\n#{NAME}=2024-01-01\n\nB=ü\n", f"# Date\n{NAME}=2015-03-02\n\nB=ü\n"),
        (f"#{NAME}=2024-01-01\n{NAME}=2023-01-01\n", f"#{NAME}=2024-01-01\n{NAME}=2015-03-02\n"),
        (f"OTHER_{NAME}=1\n", f"OTHER_{NAME}=1\n{NAME}=2015-03-02\n"),
    ],
)
def test_a_setting_takes_its_own_line_and_leaves_the_others(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / ".env"
    file.write_text(before, encoding="utf-8")
    put(file, NAME, "2015-03-02")
    assert file.read_text(encoding="utf-8") == after
    assert dotenv_values(file)[NAME] == "2015-03-02"


def test_a_new_file_is_readable_by_its_owner_only_and_another_keeps_its_mode(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_text("A=1\n")
    old.chmod(0o640)
    for file in (new, old):
        put(file, NAME, "2015-03-02")
    assert (new.stat().st_mode & 0o777, old.stat().st_mode & 0o777) == (0o600, 0o640)
    assert sorted(tmp_path.iterdir()) == [new, old]
