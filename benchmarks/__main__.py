"""`python -m benchmarks [NAME ...]`: measure, print, and write docs/performance.md's table."""

import importlib
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

NAMES = ("validation", "upsert", "cold_hour", "sensor_tick", "history")
DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: make bench -->", "<!-- end of figures -->"


def main() -> None:
    """Run the named benchmarks, or all of them; only a run of all rewrites the document."""
    names = sys.argv[1:] or NAMES
    rows = ["| what | measured | aim | met |", "|---|---|---|---|"]
    print("\n".join(rows))
    for name in names:
        for figure in importlib.import_module(f"benchmarks.{name}").measure():
            rows.append(figure.row())
            print(rows[-1], flush=True)
    if list(names) == list(NAMES):
        machine = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        machine += f"Python {platform.python_version()}"
        before, _, rest = DOCUMENT.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text(before + "\n".join([BEGIN, f"Measured {machine}.", "", *rows, END]) + after)


if __name__ == "__main__":
    main()
