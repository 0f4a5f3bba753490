"""One small picture for each quantity: our histogram over the published band."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from verify_table import Outcome, ours, published

RIGHT, WRONG, NEUTRAL = "#2b7a4b", "#c0392b", "#8a8a8a"
COLUMNS = 6


def draw_picture(outcomes: list[Outcome], path: Path) -> None:
    """Write a PNG: green is right, red is wrong, grey is not measured; the band is what is published."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(outcomes) // COLUMNS)
    figure = Figure(figsize=(2.7 * COLUMNS, 2.15 * rows + 0.7), dpi=110)
    FigureCanvasAgg(figure)
    for place, outcome in enumerate(outcomes, 1):
        axes = figure.add_subplot(rows, COLUMNS, place)
        colour = {"right": RIGHT, "wrong": WRONG}.get(outcome.verdict, NEUTRAL)
        (_share if "percent" in outcome.row else _histogram)(axes, outcome, colour)
        axes.set_title(outcome.row["quantity"], fontsize=8.5, loc="left", color=colour, fontweight="bold")
        axes.set_xlabel(f"published {published(outcome.row)}\nours {ours(outcome)}", fontsize=7)
        axes.tick_params(labelsize=7, length=2)
        axes.set_yticks([])
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    figure.suptitle(
        "Ours (histogram, dark line: mean) over what is published (band: mean ± SD or range, grey line: mean). "
        "Green: right. Red: wrong. Grey: not measured.",
        fontsize=9,
        x=0.01,
        ha="left",
    )
    figure.tight_layout(rect=(0, 0, 1, 0.985))
    figure.savefig(path)


def _histogram(axes: Any, outcome: Outcome, colour: str) -> None:
    row, values = outcome.row, outcome.values
    low, high = (row["mean"] - row["sd"], row["mean"] + row["sd"]) if "sd" in row else (row["low"], row["high"])
    axes.axvspan(low, high, color="#e3e3e3", zorder=0, linewidth=0)
    if "mean" in row:
        axes.axvline(row["mean"], color="#8a8a8a", linewidth=1.2, zorder=1)
    if len(values):
        first, last = np.quantile(values, [0.002, 0.998])
        axes.hist(np.clip(values, first, last), bins=28, color=colour, alpha=0.65, zorder=2, linewidth=0)
        axes.axvline(outcome.mean, color=colour, linewidth=1.6, zorder=3)


def _share(axes: Any, outcome: Outcome, colour: str) -> None:
    axes.barh([0], [outcome.row["percent"]], color="#e3e3e3", height=0.9, zorder=0)
    axes.axvline(outcome.row["percent"], color="#8a8a8a", linewidth=1.2, zorder=1)
    if len(outcome.values):
        low, high = outcome.spread
        axes.barh([0], [outcome.mean], color=colour, alpha=0.65, height=0.45, zorder=2)
        axes.plot([low, high], [0, 0], color=colour, linewidth=2.0, zorder=3)
    axes.set_ylim(-0.8, 0.8)
    axes.set_xlim(0, 1.35 * max(outcome.row["percent"], *(outcome.spread or (0.0,))) + 1)
