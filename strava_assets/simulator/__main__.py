"""The simulated Strava as a process: `python -m strava_assets.simulator`.

The API application's credentials come from STRAVA_CLIENT_ID and STRAVA_CLIENT_SECRET. They are options, for `Settings`
would bring SQLAlchemy and Redis into a process that runs for days.
"""

import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import click

from strava_assets.simulator.limits import Limit
from strava_assets.simulator.server import serve
from strava_assets.simulator.simulation import Simulation
from strava_assets.simulator.state_file import StateUnreadable, keep

LIVED_EVERY = 3600.0
"""Seconds after which the athlete is looked after: a simulation that runs for days gets new activities."""


@click.command(help=__doc__)
@click.option("--client-id", envvar="STRAVA_CLIENT_ID", default="1", show_default=True)
@click.option("--client-secret", envvar="STRAVA_CLIENT_SECRET", help="By default a random one.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8888, show_default=True, help="0: a free one.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same history.")
@click.option("--years", default=2.0, show_default=True, help="Years of history of the athlete.")
@click.option("--activities-per-year", default=300, show_default=True)
@click.option("--latency-ms", default=0, show_default=True, help="Time that every API request takes.")
@click.option("--unlimited", is_flag=True, help="No request limits, for benchmarks.")
@click.option("--state", type=click.Path(path_type=Path), help="Keep athletes, edits and tokens in this file.")
def main(  # noqa: PLR0917 - click's options
    client_id: str,
    client_secret: str | None,
    host: str,
    port: int,
    seed: int,
    years: float,
    activities_per_year: int,
    latency_ms: int,
    unlimited: bool,  # noqa: FBT001
    state: Path | None,
) -> None:
    """Serve one athlete's simulated Strava until SIGINT or SIGTERM."""
    simulation = Simulation(
        client_id=client_id, client_secret=client_secret or None, seed=seed, latency=latency_ms / 1000
    )
    if unlimited:
        simulation.limits.overall = simulation.limits.read = Limit(10**9, 10**9)
    try:
        is_known = state is not None and keep(simulation, state)
    except StateUnreadable as error:
        raise click.ClickException(str(error)) from None
    if is_known:
        simulation.continue_history(activities_per_year)
    else:
        simulation.add_athlete(years=years, per_year=activities_per_year)
    with ExitStack() as stack:
        try:
            url = stack.enter_context(serve(simulation, host=host, port=port))
        except OSError as error:
            reason = str(error.strerror).partition(" (while")[0]  # Python adds the address, which is said already
            raise click.ClickException(
                f"{host}:{port} cannot be listened on ({reason}). Choose another with --port."
            ) from None
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        click.echo(f"The simulated Strava answers at {url}")
        while not stopped.wait(LIVED_EVERY):
            simulation.continue_history(activities_per_year)


if __name__ == "__main__":
    main()
