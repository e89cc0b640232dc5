"""Where commands print."""

import os
import pty
import subprocess
import sys

PROGRAM = """
import os
from strava_assets.cli.console import console
before = console()
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # as Dagster does while a step runs
print("into the run's log", flush=True)
before.print("on the terminal", before.is_terminal)
"""


def test_progress_stays_on_the_terminal_while_dagster_leads_standard_output_into_a_run_s_log() -> None:
    terminal, other_end = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", PROGRAM], stdout=other_end, check=True, timeout=60)
        shown = os.read(terminal, 1000)
    finally:
        os.close(terminal)
        os.close(other_end)
    assert shown.split() == b"on the terminal True".split()
