"""Text from outside cannot become an image, a link or HTML in Dagster's UI."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_assets.mirror.markdown import inert

ACTIVE = re.compile(r"(?<!\\)(?:\\\\)*[<\[]")
"""An opening bracket that no odd number of backslashes escapes."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ride", "Ride"),
        ("![x](https://example.org/pixel.png)", r"!\[x](https://example.org/pixel.png)"),
        ("<img src=x onerror=y>", r"\<img src=x onerror=y>"),
        (r"\![x](y) \<b>", r"\\!\[x](y) \\\<b>"),
        ("strava_activity_reject: 2 (got 'far')", "strava_activity_reject: 2 (got 'far')"),
    ],
)
def test_what_would_begin_an_image_stands_for_itself(text: str, shown: str) -> None:
    assert inert(text) == shown


@given(st.text(alphabet="\\<[!]()a"))
def test_no_text_keeps_an_active_bracket_and_each_can_be_read_back(text: str) -> None:
    assert not ACTIVE.search(inert(text))
    assert re.sub(r"\\([\\<\[])", r"\1", inert(text)) == text
