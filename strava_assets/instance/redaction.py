"""What a purge takes out of the texts that Dagster keeps: an athlete's ids, links and errors, and tables of activities.

Names and values get there by previews, and by entries that `personal_metadata` labels as the athlete's; so these and
ids are all there is to look for. Functions of texts only; `event_redaction` reads and writes them.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from strava_assets.instance.personal_metadata import PREVIEWS, is_of_athlete

REMOVED = "Removed."

DISTINCT_DIGITS = 5
"""A number of this length is taken for the id wherever it stands alone; shorter ones only where a word says so."""

_NUMBER = re.compile(r"(?<![0-9A-Za-z.])[0-9]+(?![0-9A-Za-z]|\.[0-9])")

_OLD_SENTENCE = "are no valid row and wait in strava_activity_reject"
"""The sentence of the check `no_rejects` until version 0.1.0, before it named values."""


@dataclass(frozen=True)
class Redaction:
    """Takes ids out of texts. `athlete_id` is None where only activities go, as by age."""

    athlete_id: int | None
    activity_ids: Collection[int]
    blanks_previews: bool = True
    """No preview says whose activities it shows, so each of them is blanked."""

    def __call__(self, stored: str) -> str:
        """The text without them, JSON where it was JSON; the same object where there is nothing to take out."""
        if "metadata_entries" in stored or _OLD_SENTENCE in stored:
            stored = self._without_entries(stored)
        return self.of_text(stored, lambda _number: "0")

    def of_text(self, text: str, instead: Callable[[str], str]) -> str:
        """The text with `instead` of each number that is an id."""
        if not self._numbers.isdisjoint(_NUMBER.findall(text)):
            text = _NUMBER.sub(lambda found: instead(found[0]) if found[0] in self._numbers else found[0], text)
        if self._short and str(self.athlete_id) in text:
            text = self._short.sub(lambda found: found[1] + instead(found[2]), text)
        return text

    @cached_property
    def _numbers(self) -> frozenset[str]:
        ids = {str(each) for each in self.activity_ids} | {str(self.athlete_id)}
        return frozenset(each for each in ids if len(each) >= DISTINCT_DIGITS)

    @cached_property
    def _short(self) -> re.Pattern[str] | None:
        """A short athlete id where the words before it say what it is, inside JSON in JSON, too."""
        if self.athlete_id is None or len(str(self.athlete_id)) >= DISTINCT_DIGITS:
            return None
        return re.compile(
            rf"(?i)((?:athletes? |(?:athlete|owner)_id|STRAVA_TOKEN)[\\\"'=: ]{{0,6}}|/)({self.athlete_id})(?![0-9])"
        )

    def _without_entries(self, stored: str) -> str:
        try:
            event = json.loads(stored)
        except ValueError:
            return stored
        before = json.dumps(event)
        for entries in list(_metadata_of(event)):
            entries[:] = [entry for entry in entries if not self._is_theirs(entry)]
        after = json.dumps(event)
        return stored if after == before else after

    def _is_theirs(self, entry: dict[str, Any]) -> bool:
        """Whether the entry must go; a preview is blanked instead."""
        if self.blanks_previews and entry["label"] in PREVIEWS and "md_str" in entry["entry_data"]:
            entry["entry_data"]["md_str"] = REMOVED
        return self.athlete_id is not None and is_of_athlete(entry["label"], self.athlete_id)


def _metadata_of(node: object) -> Iterator[list[dict[str, Any]]]:
    """Every list of metadata entries in an event, wherever it stands; sentences of an old check are taken out."""
    if isinstance(node, dict):
        if _OLD_SENTENCE in str(node.get("description")):
            node["description"] = REMOVED
        for name, value in node.items():
            # Somebody's own metadata may have such a name, too.
            if name == "metadata_entries" and isinstance(value, list) and all(map(_is_entry, value)):
                yield value
            else:
                yield from _metadata_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from _metadata_of(value)


def _is_entry(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("label"), str) and isinstance(value.get("entry_data"), dict)
