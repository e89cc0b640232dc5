"""The page on which an athlete is chosen and lets an application in, scope by scope."""

from collections.abc import Mapping, Sequence
from html import escape

MEANINGS = {
    "read": "View your public profile (required)",
    "read_all": "View your private routes, segments and events",
    "profile:read_all": "View your complete profile",
    "profile:write": "Change your profile",
    "activity:read": "View your activities, except those of “Only You”",
    "activity:read_all": "View all your activities, private ones and privacy zones included",
    "activity:write": "Upload and change activities",
}

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Simulated Strava</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 34em; margin: 3em auto; padding: 0 1em }}
button {{ font: inherit; padding: .4em 1.2em; margin-right: .6em }}</style></head><body>
<h1>Simulated Strava</h1>
<p>This is a simulation: no account, no real data. An application asks to:</p>
<form method="post">
{scopes}
<p><label>as <select name="athlete_id">{athletes}</select></label></p>
{hidden}
<p><button name="decision" value="authorize">Authorize</button>
<button name="decision" value="cancel">Cancel</button></p>
</form></body></html>"""


def login_page(athletes: Mapping[int, str], scopes: Sequence[str], kept: Mapping[str, str]) -> str:
    """HTML with athletes (id, name) to choose from, scopes to untick, and `kept` to be sent along unseen."""
    return PAGE.format(
        scopes="\n".join(map(_scope, scopes)),
        athletes="".join(f'<option value="{number}">{escape(name)}</option>' for number, name in athletes.items()),
        hidden="\n".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in kept.items()
        ),
    )


def _scope(scope: str) -> str:
    name, meaning = escape(scope), escape(MEANINGS[scope])
    if scope == "read":
        required = '<input type="hidden" name="scope" value="read"><input type="checkbox" checked disabled>'
        return f"<p><label>{required} {meaning}</label></p>"
    box = f'<input type="checkbox" name="scope" value="{name}" checked>'
    return f"<p><label>{box} {meaning} <code>{name}</code></label></p>"
