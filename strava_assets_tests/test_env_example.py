"""`.env.example` shows every setting."""

from strava_assets_tests.env_example import FILE, example


def test_env_example_shows_every_setting_with_its_default_and_meaning() -> None:
    assert FILE.read_text() == example(), "Run: python -m strava_assets_tests.env_example"
