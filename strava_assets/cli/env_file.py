"""The file `.env`: its settings read into the environment, and one put into it that leaves everything else as it is."""

import re
from io import StringIO
from pathlib import Path

from dotenv import load_dotenv
from dotenv.parser import parse_stream

from strava_assets.errors import ConfigurationError
from strava_assets.local import atomic_file


def read(file: Path) -> None:
    """Set what the file names and the environment does not; nothing where there is no file.

    Raises ConfigurationError where it cannot be read, or a line of it is not a setting.
    """
    if not file.exists():
        return
    try:
        written = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The file .env cannot be read: {error}. It must be a text file in UTF-8.") from None
    for line in parse_stream(StringIO(written)):
        if line.error:
            text = line.original.string
            number = line.original.line + text[: len(text) - len(text.lstrip())].count("\n")
            raise ConfigurationError(
                f"The file .env cannot be read: line {number} is not NAME=value, NAME='value' or # comment."
            )
    load_dotenv(stream=StringIO(written))


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
    atomic_file.write(file, after, file.stat().st_mode & 0o777 if file.exists() else 0o600)
