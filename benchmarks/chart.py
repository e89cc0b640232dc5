"""A line chart as SVG: what a figure that grows looks like."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 100, 48
STEPS = 5


@dataclass(frozen=True)
class Line:
    """One measured quantity: its name with its unit, a value for each place on the x axis, a colour."""

    name: str
    values: Sequence[float]
    color: str


def draw(title: str, x_name: str, xs: Sequence[float], lines: Sequence[Line]) -> str:
    """The chart, both axes linear from zero, one scale for all lines; the last value of each is written in its name."""
    top = _round_up(max(value for line in lines for value in line.values))

    def x_of(x: float) -> float:
        return LEFT + x / xs[-1] * (WIDTH - LEFT - RIGHT)

    def y_of(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'font-family="system-ui, sans-serif" font-size="13">'
        ),
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 24, title, size=16),
    ]
    for step in range(STEPS + 1):
        value = top * step / STEPS
        parts.append(
            f'<path d="M{LEFT} {y_of(value):.1f}H{WIDTH - RIGHT}" stroke="{"#9ca3af" if not step else "#e5e7eb"}"/>'
        )
        parts.append(_text(LEFT - 8, y_of(value) + 4, f"{value:g}", anchor="end"))
    parts += [_text(x_of(x), HEIGHT - BOTTOM + 20, f"{x:g}", anchor="middle") for x in xs]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_name, anchor="middle"))
    for number, line in enumerate(lines):
        points = [(x_of(x), y_of(value)) for x, value in zip(xs, line.values, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{line.color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{line.color}"/>' for x, y in points]
        height = 46 + 18 * number
        parts.append(f'<path d="M{LEFT} {height - 4}h20" stroke="{line.color}" stroke-width="2"/>')
        parts.append(_text(LEFT + 28, height, f"{line.name} (at {xs[-1]:g}: {line.values[-1]:.0f})"))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="#111827">{escape(words)}</text>'
    )


def _round_up(value: float) -> float:
    """The next number of the form 1, 2, 5 or 10 times a power of ten."""
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * times for times in (1, 2, 5, 10) if unit * times >= value)
