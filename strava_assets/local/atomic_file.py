"""Small files that one start leaves for the next: a crash or a power cut leaves the old text or the new."""

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
    """Write it in JSON, readable by its owner only."""
    write(file, json.dumps(kept))


def write(file: Path, text: str, mode: int = 0o600) -> None:
    """Write a text file at once and whole, and onto the disk; `mode` says who may read it."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(descriptor, mode)
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    unfinished.replace(file)
