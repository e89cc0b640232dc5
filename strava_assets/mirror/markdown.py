"""Text from outside within Markdown, which Dagster's UI renders: an image in a title would be loaded automatically."""

import re

_ACTIVE = re.compile(r"[\\<\[]")


def inert(text: str) -> str:
    """The text without images, links and HTML: what would begin one stands for itself."""
    return _ACTIVE.sub(r"\\\g<0>", text)
