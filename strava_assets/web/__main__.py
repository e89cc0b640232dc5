"""`python -m strava_assets.web`: `dagster-webserver`, guarded."""

from strava_assets.web.server import serve

serve()
