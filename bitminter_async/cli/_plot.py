"""`bitminter plot`: the hash rate or the luck, drawn in the terminal."""

import math
import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import groupby
from shutil import get_terminal_size
from typing import Any

from attrs import frozen

from ..client import Client
from ..records import Shift
from ._errors import CommandError
from ._luck import DAY_COLUMNS
from ._luck_figures import Luck, by_day
from ._output import Output, say
from ._table import Column

__all__ = ["plot"]

_SPANS = {"hashrate": timedelta(days=7), "luck": timedelta(days=30)}
_RATE_COLUMNS = (
    Column("completed", "completed (UTC)", lambda shift: shift.completed),
    Column("hash_rate_hps", "hash rate", lambda shift: shift.hash_rate.hps),
)
_HEIGHT, _WIDTH = 16, 78  # lines, of a plot; columns, where there is no terminal
_BOX_AND_BRAILLE = "┌─│⣿"
_IN_ASCII = str.maketrans({"─": "-", "│": "|"} | dict.fromkeys("┌┐└┘┤├┬┴┼", "+"))
_TICK = 13  # columns, for a tick's text and room around it
_HOUR, _DAY = 3600, 86400
_STEPS = [*(hours * _HOUR for hours in (1, 2, 3, 6, 12)), *(days * _DAY for days in (1, 2, 4, 7, 14, 30, 90, 180, 365))]


@frozen
class _Plot:
    """What is drawn: a line through figures at their moments, from 0 up.

    Attributes:
        title: What is written above it.
        points: Seconds since the epoch, and a figure, in order of time.
        level: Where a line is drawn across; None: nowhere.
    """

    title: str
    points: Sequence[tuple[float, float]]
    level: float | None = None


async def plot(client: Client, options: Namespace, output: Output) -> None:
    """Draw it; or, as JSON, write the figures."""
    plotext: Any = None if output.as_json else _plotext()
    columns: Sequence[Column]
    records: Sequence[object]
    since = options.since or datetime.now(UTC) - _SPANS[options.what]
    if options.what == "hashrate":
        shifts = [shift async for shift in client.pool.iter_shifts(since=since)][::-1]
        columns, records, plots = _RATE_COLUMNS, shifts, _rates(shifts)
    else:
        lucks = by_day([block async for block in client.pool.iter_blocks(since=since)])[::-1]
        columns, records, plots = DAY_COLUMNS, lucks, _lucks(lucks)
    if plotext is None:
        await output.table(columns, records)
        return
    for each in plots:
        _draw(plotext, each, output)
    if not plots:
        say(f"bitminter: there is nothing to draw since {since:%Y-%m-%d %H:%M}")


def _plotext() -> Any:  # it has no types
    try:
        import plotext  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # noqa: PLC0415  # likewise; 0.1 s
    except ModuleNotFoundError:
        raise CommandError(
            "plot draws with plotext: pip install 'bitminter-async[cli]'; --json gives the figures without it"
        ) from None
    return plotext


def _rates(shifts: Sequence[Shift]) -> list[_Plot]:
    if not shifts:
        return []
    _, unit = str(max(shift.hash_rate for shift in shifts)).split()
    scale = _SCALES[unit]
    points = [(shift.completed.timestamp(), shift.hash_rate.hps / scale) for shift in shifts]
    return [_Plot(f"The pool's hash rate in {unit}, by the shift", points)]


_SCALES = {unit: 1000.0**power for power, unit in enumerate(("H/s", "kH/s", "MH/s", "GH/s", "TH/s", "PH/s", "EH/s"))}


def _lucks(lucks: Sequence[Luck]) -> list[_Plot]:
    plots: list[_Plot] = []
    for chain, days in groupby(sorted(lucks, key=lambda luck: luck.chain), key=lambda luck: luck.chain):
        points = [
            (datetime.combine(luck.day, time(), UTC).timestamp(), 100 * luck.luck)
            for luck in days
            if luck.day and math.isfinite(luck.luck)
        ]
        if points:
            plots.append(_Plot(f"{chain}: luck in %, by the day; 100 is as expected", points, level=100.0))
    return plots


def _draw(plotext: Any, plot: _Plot, output: Output) -> None:  # as above
    width = get_terminal_size().columns if output.is_terminal else _WIDTH
    is_plain = not _can_write(_BOX_AND_BRAILLE)
    figure = plotext.figure
    figure.clear()
    figure.plot_size(width, _HEIGHT)
    figure.title(plot.title)
    moments, figures = [moment for moment, _ in plot.points], [value for _, value in plot.points]
    figure.draw(figure.signal(moments, figures, marker="*" if is_plain else "braille").lines())
    figure.ruler("x").ticks(*_ticks(moments, width))
    top = max([*figures, plot.level or 0.0]) * 1.05 or 1.0
    figure.ruler("y").lim(0, top)
    figure.ruler("y").ticks(*_levels(top))
    if plot.level is not None:
        figure.line(plot.level, "h")
    text: str = figure.build().string(colorless=True)  # not show(), which prints past Python
    for line in (text.translate(_IN_ASCII) if is_plain else text).splitlines():
        output.write(line.rstrip())


def _can_write(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _levels(top: float) -> tuple[list[float], list[str]]:
    """Return some four round figures from 0 up to `top`, and their texts."""
    power = 10.0 ** math.floor(math.log10(top / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if top / (factor * power) <= 4)  # noqa: PLR2004  # some four
    levels = [step * number for number in range(math.floor(top / step) + 1)]
    return levels, [f"{level:g}" for level in levels]


def _ticks(moments: Sequence[float], width: int) -> tuple[list[float], list[str]]:
    """Return round moments within those, so few that their texts have room, and the texts."""
    first, last = min(moments), max(moments)
    room = max(width // _TICK, 1)
    years = _STEPS[-1] * math.ceil((last - first) / room / _STEPS[-1])
    step = next((step for step in _STEPS if (last - first) / step <= room), years)
    ticks = [float(at) for at in range(math.ceil(first / step) * step, math.floor(last) + 1, step)] or [first]
    return ticks, [_tick(at, first, last) for at in ticks]


def _tick(at: float, first: float, last: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    if last - first > _STEPS[-1]:
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%m-%d}" if not at % _DAY else f"{moment:%H:%M}"
