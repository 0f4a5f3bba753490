"""The pictures of docs/tomograph.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

COLOURS = {"soft": "#2b7a4b", "standard": "#1f5fa8", "sharp": "#c0392b"}
WINDOWS = {  # level, width [HU]
    "sensitometry": (0.0, 600.0),
    "line_pairs": (500.0, 3000.0),
    "low_contrast": (8.0, 60.0),
    "uniformity": (8.0, 60.0),
}


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100)
    FigureCanvasAgg(figure)
    return figure


def draw_modules(source: Path, path: Path) -> None:
    """Draw the middle slice of each module of the CatPhan; level and width stand above."""
    images = np.load(source)
    figure = _figure(12.0, 3.25)
    for place, (name, (level, width)) in enumerate(WINDOWS.items(), 1):
        axes = figure.add_subplot(1, 4, place)
        axes.imshow(images[name], cmap="gray", vmin=level - width / 2, vmax=level + width / 2, interpolation="none")
        axes.set_title(f"{name.replace('_', ' ')}  L {level:.0f} W {width:.0f}", fontsize=9)
        axes.set_axis_off()
    figure.tight_layout(pad=0.4)
    figure.savefig(path)


def _inserts(axes: Any, found: dict[str, Any]) -> None:
    rois = found["pylinac"]["materials"]["ctp404"]["hu_rois"]
    inserts = found["inserts"]
    x = [row["expected"] for row in inserts.values()]
    y = [rois[name]["value"] - row["expected"] for name, row in inserts.items()]
    axes.axhspan(-10, 10, color="#e3e3e3", linewidth=0)
    axes.plot(x, y, "o", color="#1f5fa8")
    for name, a, b in zip(inserts, x, y, strict=True):
        axes.annotate(name, (a, b), xytext=(3, 4), textcoords="offset points", fontsize=7)
    axes.set(title="CatPhan: measured − material", xlabel="HU of the material", ylabel="HU", ylim=(-15, 15))


def _mtf(axes: Any, found: list[dict[str, Any]]) -> None:
    for row in found:
        style = "--" if row["kernel"] == "sharp" and row["bins"] == 736 else "-"
        colour, label = COLOURS[row["kernel"]], f"{row['kernel']}, {row['bins']} bins"
        axes.plot(row["frequency"], row["mtf"], style, color=colour, label=label, linewidth=1.4)
        axes.plot(row["stated"], (0.5, 0.1), "s", color=colour, fillstyle="none", markersize=6)
    axes.legend(fontsize=7, frameon=False)
    axes.set(title="MTF; squares: stated", xlabel="1/mm", xlim=(0, 1.8), ylim=(0, 1.05))


def _water(axes: Any, found: dict[str, Any]) -> None:
    radius, hu = np.asarray(found["rings"]).T
    axes.axhspan(-1, 1, color="#e3e3e3", linewidth=0)
    axes.plot(radius, hu, "o-", color="#1f5fa8", markersize=3)
    axes.set(title="Water cylinder of 320 mm, no noise", xlabel="radius [mm]", ylabel="HU", ylim=(-3, 3))


def _iodine(axes: Any, found: list[dict[str, Any]]) -> None:
    for row in found:
        slope, offset = row["slope"], row["offset"]
        axes.plot([0, 15], [offset, offset + 15 * slope], label=f"{row['kvp']} kVp: {slope:.1f}")
    axes.legend(fontsize=7, frameon=False, title="HU per mg/mL", title_fontsize=7)
    axes.set(title="Iodine", xlabel="mg/mL", ylabel="HU")


def _noise(axes: Any, found: dict[str, Any]) -> None:
    for key, colour, unit in (("dose", "#1f5fa8", "over mAs / 120"), ("thickness", "#2b7a4b", "over mm / 2.5")):
        x, y = np.asarray(found[key]).T
        x = x / (120.0 if key == "dose" else 2.5)
        axes.loglog(x, y, "o", color=colour, label=unit)
        axes.loglog(x, np.exp(np.mean(np.log(y * np.sqrt(x)))) / np.sqrt(x), "-", color=colour, linewidth=0.8)
    axes.legend(fontsize=7, frameon=False)
    axes.set_xticks([0.25, 0.5, 1.0, 2.0], ["¼", "½", "1", "2"])
    axes.set_yticks([4.0, 6.0, 8.0, 11.0], ["4", "6", "8", "11"])
    axes.minorticks_off()
    axes.set(title="SD in water of 200 mm; lines: exponent −½", ylabel="HU")


def _nps(axes: Any, found: dict[str, Any]) -> None:
    for kernel, row in found["nps"].items():
        frequency, power, law = (np.asarray(row[key]) for key in ("frequency", "power", "law"))
        axes.plot(frequency, power / power.sum(), color=COLOURS[kernel], label=kernel)
        axes.plot(frequency, law / law.sum(), "--", color=COLOURS[kernel], linewidth=0.8)
    axes.legend(fontsize=7, frameon=False)
    axes.set(title="Noise power, area 1; dashes: f · MTF²", xlabel="1/mm", xlim=(0, 1.2))


def draw_measured(found: dict[str, Any], path: Path) -> None:
    """Draw the six charts."""
    figure = _figure(13.0, 7.0)
    draws = (
        (_inserts, found["catphan"]), (_mtf, found["mtf"]), (_water, found["water"]),
        (_iodine, found["iodine"]), (_noise, found["noise"]), (_nps, found["noise"]),
    )  # fmt: skip
    for place, (draw, part) in enumerate(draws, 1):
        axes = figure.add_subplot(2, 3, place)
        draw(axes, part)
        axes.title.set_fontsize(9)
        axes.tick_params(labelsize=7)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
