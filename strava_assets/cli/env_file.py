"""Puts a setting into the file `.env`, leaving everything else in it as it is."""

import os
import re
from pathlib import Path


def put(file: Path, name: str, value: str) -> None:
    """Set `name` to `value`: in its own line, or where `.env.example` has it commented out, or at the end.

    Raises OSError where the file cannot be written; it is then as it was.
    """
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    line = f"{name}={value}\n"
    for pattern in (rf"^(?:export\s+)?{name}\s*=.*\n?", rf"^#\s*{name}\s*=.*\n?"):
        after, found = re.subn(pattern, line, before, count=1, flags=re.MULTILINE)
        if found:
            break
    else:
        after = before + ("" if before.endswith("\n") or not before else "\n") + line
    new = file.with_name(f"{file.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as written:
        written.write(after)
    if file.exists():
        new.chmod(file.stat().st_mode & 0o777)
    new.replace(file)
