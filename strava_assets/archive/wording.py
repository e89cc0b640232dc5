"""Words in the export's many languages: spellings folded to one, and the tables that name columns, sports and months.

The tables are data, beside this file: a language is added there. Where no name is known, content decides (`columns`).
"""

import csv
import re
import unicodedata
from functools import cache
from importlib.resources import files

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"))
_TAG = re.compile(r"<[^>]*>")
_UNTRANSLATED = re.compile(r"horton_values\.(\w+)")


def fold(text: str) -> str:
    """One spelling for all that differ in case, apostrophes, spaces, hyphens or Unicode's compatible characters."""
    folded = lower(text).translate(_APOSTROPHES)
    return " ".join(re.sub(r"[\s_\-\u2010-\u2013]+", " ", folded).split())


def lower(text: str) -> str:
    """Text in lower case and in one piece a letter, which lower case takes apart in some languages."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def header_names(cell: str) -> list[str]:
    """What a header's cell may be called, folded, the likeliest first.

    From 2021 to 2024, names without a translation were written as HTML or as an error of the translation.
    """
    return [fold(name) for name in (*_UNTRANSLATED.findall(cell), _TAG.sub("", cell))]


@cache
def table(name: str) -> list[dict[str, str]]:
    """The rows of one of the tables beside this file."""
    return list(csv.DictReader((files(__package__) / name).read_text(encoding="utf-8").splitlines()))


@cache
def names(table_name: str, key: str) -> dict[str, dict[str, str]]:
    """Of a table, by language and folded name: what is called so."""
    found: dict[str, dict[str, str]] = {}
    for row in table(table_name):
        for language, written in row.items():
            if language not in {key, "added"}:
                found.setdefault(language, {}).update({fold(name): row[key] for name in written.split("|") if name})
    return found


@cache
def months() -> dict[str, int]:
    """Every language's names of the months, folded and without dots."""
    return {
        fold(word): int(month)
        for row in table("months.csv")
        for month, words in row.items()
        if month != "language"
        for word in words.split("|")
    }
