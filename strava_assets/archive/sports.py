"""The sport of an activity: the export has its name in the account's language, the API a word of its own."""

from strava_assets.archive.wording import fold, names


def sport_type(name: str, language: str) -> str | None:
    """The API's word for a sport; None where the name is not known, which English names always are.

    A name of another language than the header's counts, too: they are not always translated, and sports are known in
    more languages than headers. No word is another sport in another language.
    """
    known = names("sports.csv", "sport_type")
    for each in ("en",) if language == "en" else (language, "en", *known):
        if found := known.get(each, {}).get(fold(name)):
            return found
    # New sports come without notice, and the API spells them like the English name, without its spaces.
    return name.replace(" ", "").replace("-", "") or None if language == "en" else None
