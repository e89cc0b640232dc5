"""The command `strava-assets`, which is also `python -m strava_assets`."""

import signal
import sys


def main() -> None:
    """Run the command. Ctrl-C while it is being loaded, which takes a second on a small machine, ends in silence."""
    try:
        from strava_assets.cli.main import main as command  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    command(prog_name="strava-assets")


if __name__ == "__main__":
    main()
