"""Exports as Strava makes them, of the simulator's activities: in several languages, layouts and states of repair."""

import csv
import io
import random
import re
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from strava_assets.archive.columns import COLUMNS
from strava_assets.archive.wording import table
from strava_assets.simulator.history import history

LANGUAGES = ("en", "de", "fr", "nl", "es", "da", "pt", "pl", "ru")
LAYOUTS = (72, 80, 94, 99, 103, 105)
TRACKS = ("fit.gz", "fit", "gpx.gz", "gpx", "tcx.gz", "tcx")

_MONTHS = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "fr": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "nl": "jan feb mrt apr mei jun jul aug sep okt nov dec",
    "es": "ene feb mar abr may jun jul ago sept oct nov dic",
    "pt": "jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez.",
    "pl": "sty lut mar kwi maj cze lip sie wrz paź lis gru",
    "ru": "янв. февр. мар. апр. мая июн. июл. авг. сент. окт. нояб. дек.",
    "da": "jan. feb. mar. apr. maj jun. jul. aug. sep. okt. nov. dec.",
}


def _month(language: str, at: datetime) -> str:
    return _MONTHS[language].split()[at.month - 1]


DATES: dict[str, Callable[[datetime], str]] = {
    "en": lambda at: f"{_month('en', at)} {at.day}, {at.year}, {at.hour % 12 or 12}:{at:%M:%S} {at:%p}",
    "en-narrow": lambda at: f"{_month('en', at)} {at.day}, {at.year}, {at.hour % 12 or 12}:{at:%M:%S}\u202f{at:%p}",
    "en-GB": lambda at: f"{at.day} {_month('en', at)} {at.year}, {at:%H:%M:%S}",
    "de": lambda at: f"{at:%d.%m.%Y, %H:%M:%S}",
    "fr": lambda at: f"{at.day} {_month('fr', at)} {at.year}, {at:%H:%M:%S}",
    "nl": lambda at: f"{at.day} {_month('nl', at)} {at.year}, {at:%H:%M:%S}",
    "nl-old": lambda at: f"{at.day} {_month('nl', at)}. {at.year} {at:%H:%M:%S}",
    "es": lambda at: f"{at.day} {_month('es', at)} {at.year}, {at.hour}:{at:%M:%S}",
    "da": lambda at: f"{at.day}. {_month('da', at)} {at.year}, {at:%H.%M.%S}",
    "2019": lambda at: f"{at:%Y-%m-%d %H:%M:%S}",
    "us-numbers": lambda at: f"{at.month}/{at.day}/{at.year}, {at.hour % 12 or 12}:{at:%M:%S} {at:%p}",
    "pt": lambda at: f"{at.day} de {_month('pt', at)} de {at.year}, {at:%H:%M:%S}",
    "pl": lambda at: f"{at.day} {_month('pl', at)} {at.year}, {at:%H:%M:%S}",
    "ru": lambda at: f"{at.day} {_month('ru', at)} {at.year}\u202f\u0433., {at:%H:%M:%S}",
    "ja": lambda at: f"{at:%Y/%m/%d} {at.hour}:{at:%M:%S}",
    "ko": lambda at: (
        f"{at.year}. {at.month}. {at.day}. {'오후' if at.hour >= 12 else '오전'} {at.hour % 12 or 12}:{at:%M:%S}"
    ),
}


def activities(count: int = 60, *, athlete_id: int = 42, seed: int = 7) -> list[dict[str, Any]]:
    """Some years of an athlete's activities, as the API lists them."""
    start, end = datetime(2021, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    found = history(athlete_id, start=start, end=end, per_year=300, seed=seed)
    return [activity for activity, _ in zip(found, range(count), strict=False)]


def layout(size: int) -> list[str]:
    """The canonical names of a header of so many cells; unknown ones start with `new`."""
    added = {row["column"]: int(row["added"] or 0) for row in table("headers.csv")}
    newest = 0 if size == 10 else 1 if size <= 72 else 2 if size <= 80 else 4
    columns = [name for name in COLUMNS if added[name] <= newest]
    if size <= 72:
        return columns[:size]
    unknown = [f"new_{number}" for number in range(max(0, size - len(columns)))]
    return [*[*columns[:-1], *unknown][: size - 1], "media"]


@dataclass
class ExportFile:
    """What an export is made of; each oddity can be asked for."""

    activities: Sequence[Mapping[str, Any]]
    athlete_id: int = 42
    language: str = "en"
    size: int = 103
    dates: str | None = None
    header: list[str] | None = None
    line_end: str = "\n"
    start: bytes = b""
    prefix: str = ""
    newest_first: bool = False
    is_html: bool = False
    has_profile: bool = True
    seed: int = 1
    without_metres: float = 0.01
    """Share of the rows that have kilometres alone, which only a known sport makes metres."""
    more_files: dict[str, bytes] = field(default_factory=dict)
    change_rows: Callable[[list[list[str]]], list[list[str]]] = lambda rows: rows

    def columns(self) -> list[str]:
        """The canonical names of the header's cells."""
        return layout(self.size)

    def names(self) -> list[str]:
        """The header's cells; names that are not known in a language are made up."""
        if self.header is not None:
            return self.header
        language = "2019" if self.size == 10 else self.language
        rows = {row["column"]: row for row in table("headers.csv")}
        cells = []
        for number, column in enumerate(self.columns()):
            row = rows.get(column.removesuffix("_2"), {})
            english = row.get("en", "")
            name = row.get(language, "").split("|")[0] or f"{language} name of {row.get('column', column)}"
            if self.is_html and english and number % 3 == 1:
                key = f"translation missing: xx.lib.horton_values.{english.lower().replace(' ', '_')}"
                name = f'<span class="translation_missing" title="{key}">{english}</span>' if number % 2 else key
            cells.append(name)
        return cells

    def rows(self) -> list[list[str]]:
        """The rows, one an activity."""
        chance = random.Random(self.seed)
        rows = [self._row(activity, chance) for activity in self.activities]
        return self.change_rows(rows[::-1] if self.newest_first else rows)

    def csv(self) -> bytes:
        """The bytes of `activities.csv`."""
        file = io.StringIO(newline="")
        writer = csv.writer(file, lineterminator=self.line_end)
        writer.writerow(self.names())
        writer.writerows(self.rows())
        return self.start + file.getvalue().encode()

    def files(self) -> dict[str, bytes]:
        """Everything in the export, by its path."""
        data = self.csv()
        files = {
            "activities.csv": data,
            "bikes.csv": b"Name,Brand,Model\nRed,,\n",
            "logins.csv": b"192.0.2.1\n",
            "contacts.csv": b"secret friend\n",
            "media/1.jpg": b"\xff\xd8",
        }
        if self.has_profile:
            files["profile.csv"] = f"Sportler-ID,E-Mail\n{self.athlete_id},somebody@example.org\n".encode()
        for name in re.findall(rb"activities/[^,\"\r\n]+", data):
            files[name.decode()] = b"track of " + name
        return files | self.more_files

    def zip(self, path: Path) -> Path:
        """Write it as a zip."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.files().items():
                archive.writestr(self.prefix + name, content)
            if self.prefix:
                archive.writestr(f"__MACOSX/{self.prefix}._activities.csv", b"\0\5\x16\7")
                archive.writestr(f"__MACOSX/{self.prefix}activities.csv", b"\0\5\x16\7")
        return path

    def folder(self, path: Path) -> Path:
        """Write it as a folder."""
        for name, content in self.files().items():
            target = path / self.prefix / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return path

    def _row(self, activity: Mapping[str, Any], chance: random.Random) -> list[str]:
        cells = self._numbers(activity, chance) | self._texts(activity, chance)
        return [cells.get(column, "") for column in self.columns()]

    def _texts(self, activity: Mapping[str, Any], chance: random.Random) -> dict[str, str]:
        start = datetime.fromisoformat(activity["start_date"])
        beats, effort = activity.get("max_heartrate"), activity.get("suffer_score")
        file = f"activities/{activity['id'] + 1_000_000_007}.{chance.choice(TRACKS)}"
        return {
            "activity_id": str(activity["id"]),
            "activity_date": DATES[self.dates or ("2019" if self.size == 10 else self.language)](start),
            "activity_name": activity["name"],
            "activity_type": display_name(activity["sport_type"], self.language),
            "activity_description": chance.choice(("", "", "Two\nlines", 'A "quote", a comma\r\nand more', "🏃 fast")),
            "elapsed_time": str(activity["elapsed_time"]),
            "distance": str(activity["distance"]) if self.size == 10 else for_people(activity, self.language),
            "max_heart_rate": "" if beats is None else f"{beats:.1f}",
            "relative_effort": "" if effort is None else str(effort),
            "commute": str(activity["commute"]).lower(),
            "activity_private_note": chance.choice(("", "", "mine")),
            "filename": "" if activity["manual"] else "#error#" if chance.random() < 0.03 else file,
            "media": chance.choice(("", "media/1.jpg|media/2.mp4")),
        }

    def _numbers(self, activity: Mapping[str, Any], chance: random.Random) -> dict[str, str]:
        gear, cadence, work = activity["gear_id"] or " ", activity.get("average_cadence"), activity.get("kilojoules")
        is_whole = activity["sport_type"] in {"Swim", "Sail"} or chance.random() >= self.without_metres
        has_beats_twice = "max_heart_rate" not in self.columns() or chance.random() < 0.9
        numbers = {
            "elapsed_time_2": activity["elapsed_time"] if chance.random() > 0.02 else None,
            "moving_time": activity["moving_time"],
            "distance_2": activity["distance"] if is_whole else None,
            "max_speed": activity.get("max_speed"),
            "average_speed": activity.get("average_speed"),
            "elevation_gain": activity["total_elevation_gain"],
            "elevation_low": activity.get("elev_low"),
            "elevation_high": activity.get("elev_high"),
            "max_cadence": None if cadence is None else cadence + 20,
            "average_cadence": cadence,
            "max_heart_rate_2": activity.get("max_heartrate") if has_beats_twice else None,
            "average_heart_rate": activity.get("average_heartrate"),
            "max_watts": activity.get("max_watts"),
            "average_watts": activity.get("average_watts"),
            "relative_effort_2": activity.get("suffer_score"),
            "total_work": None if work is None else work * 1000,
            "weighted_average_power": activity.get("weighted_average_watts"),
            "commute_2": float(activity["commute"]),
            "from_upload": 0.0 if activity["manual"] else chance.choice((1.0, 1.0, None)),
            "bike": gear[1:] if gear[0] == "b" else None,
            "gear": gear[1:] if gear[0] == "g" else None,
            "prefer_perceived_exertion": 0.0,
            "athlete_weight": 0.0 if chance.random() < 0.3 else None,
            "weather_observation_time": 1.6e9,
            "calories": chance.randrange(900) if chance.random() < 0.7 else None,
            "new_0": 1.0,
        }
        return {name: "" if value is None else self._spelled(float(value)) for name, value in numbers.items()}

    def _spelled(self, value: float) -> str:
        """Until 2024 with all digits of a short float, then with three decimals."""
        return str(round(value, 3) if self.size >= 99 else struct.unpack("f", struct.pack("f", value))[0])


def display_name(sport: str, language: str) -> str:
    """What the export calls a sport: in the language where it is known, else in English."""
    for row in table("sports.csv"):
        if row["sport_type"] == sport and row.get(language):
            return row[language].split("|")[0]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", sport)


def for_people(activity: Mapping[str, Any], language: str) -> str:
    """The distance as the export shows it: kilometres cut to two decimals, of swims metres."""
    point, thousands = (".", ",") if language == "en" else (",", ".")
    metres = float(activity["distance"])
    if activity["sport_type"] == "Swim":
        return f"{int(metres):,}".replace(",", thousands)
    return f"{int(metres / 10) / 100:.2f}".replace(".", point) if metres else "0"
