"""Small files in JSON that one start leaves for the next, which a power cut leaves whole, or which are made anew."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def load(file: Path) -> dict[str, Any]:
    """What `save` has written; nothing where there is no such file, or one that a power cut emptied."""
    try:
        kept = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def save(file: Path, kept: Mapping[str, Any]) -> None:
    """Write it at once, readable by its owner only, and onto the disk."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(json.dumps(kept))
        stream.flush()
        os.fsync(descriptor)
    unfinished.rename(file)
