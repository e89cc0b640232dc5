"""`python -m benchmarks [--quick] [NAME ...]`: measure, print, and write docs/performance.md's table."""

import importlib
import os
import platform
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

NAMES = ("validation", "upsert", "cold_hour", "sensor_tick", "archive", "history", "growth", "analytics", "idle")
DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: make bench -->", "<!-- end of figures -->"


def main() -> None:
    """Run the named benchmarks, or all of them; only a full run of all rewrites the document."""
    # A SIGTERM stops the servers, too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    quick = "--quick" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--quick"] or list(NAMES)
    if unknown := set(names) - set(NAMES):
        sys.exit(f"error: there is no benchmark {', '.join(unknown)}. Choose from: {', '.join(NAMES)}")
    load = os.getloadavg()[0]
    rows = ["| what | measured | aim | met |", "|---|---|---|---|"]
    print("\n".join(rows))
    for name in names:
        for figure in importlib.import_module(f"benchmarks.{name}").measure(quick=quick):
            rows.append(figure.row())
            print(rows[-1], flush=True)
    if names == list(NAMES) and not quick:
        machine = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        machine += f"Python {platform.python_version()}, load average {load:.1f} before it began"
        before, _, rest = DOCUMENT.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text(before + "\n".join([BEGIN, f"Measured {machine}.", "", *rows, END]) + after)


if __name__ == "__main__":
    main()
