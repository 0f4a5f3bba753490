"""The verdicts of `qa.py` and the measured half of docs/tomograph.md."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BEGIN, END = "<!-- written by scripts/qa.py: begin -->", "<!-- written by scripts/qa.py: end -->"
IODINE = (22.0, 31.0)  # HU per mg/mL at 120 kVp, that is at 75 to 65 keV; commonly quoted 25


NPS_PEAK = {"soft": (0.20, 0.35), "sharp": (0.6, 1.0)}  # of real scanners' body and lung kernels [1/mm]; recalled
DELRIN = "Delrin of its published gravity has less in this beam (below)"
NO_BOOST = "lung kernels raise middle frequencies above 1, `sharp` does not"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was wanted, what was found; why, if it fails and the cause is understood."""

    what: str
    wanted: str
    found: str
    right: bool
    known: str = ""

    @property
    def word(self) -> str:
        """Pass or fail, with the known cause."""
        return "pass" if self.right else "**fail**" + (f": {self.known}" if self.known else "")


def exponent(pairs: list[list[float]]) -> float:
    """Return the slope of log SD against the log of dose or thickness."""
    x, y = np.log(np.asarray(pairs)).T
    return float(np.polyfit(x, y, 1)[0])


def peak(spectrum: dict[str, list[float]]) -> float:
    """Return the frequency of the highest of the smoothed noise power [1/mm]."""
    power = np.convolve(spectrum["power"], np.ones(5) / 5.0, mode="same")
    return float(spectrum["frequency"][int(np.argmax(power))])


def away_from_law(spectrum: dict[str, list[float]]) -> float:
    """Return the mean distance of the noise power from its law, both of area 1, over the law's mean."""
    power, law = (np.asarray(spectrum[key]) / np.sum(spectrum[key]) for key in ("power", "law"))
    return float(np.abs(power - law).sum())


def _catphan(found: dict[str, Any]) -> list[Verdict]:
    judged, inserts = found["pylinac"], found["inserts"]
    module, even = judged["materials"]["ctp404"], judged["materials"]["ctp486"]
    values = {name: roi["value"] for name, roi in module["hu_rois"].items()}
    own = judged["own"]["ctp404"]["hu_rois"]
    off = [name for name, roi in own.items() if not roi["passed"]]
    worst = max(abs(values[name] - row["expected"]) for name, row in inserts.items())
    near = sum(abs(values[name] - row["nominal"]) <= 10.0 for name, row in inserts.items())
    inside = sum(row["range"][0] <= values[n] <= row["range"][1] for n, row in inserts.items())
    lines, rois = module["line_distances_mm"], [roi["value"] for roi in even["rois"].values()]
    away, spread = max(abs(line - 50.0) for line in lines), max(rois) - min(rois)
    flat = even["passed"] and spread <= 4.0
    thick, linear, all_of = module["measured_slice_thickness_mm"], module["hu_linearity_passed"], len(inserts)
    return [
        Verdict("pylinac: HU linearity", "all inserts ± 10 HU of their material", f"worst {worst:.1f} HU", linear),
        Verdict(
            "the same, its own nominal HU", "all ± 40 HU", ", ".join(off) + " off" if off else "all", not off, DELRIN
        ),
        Verdict("inserts, nominal HU", "all ± 10 HU", f"{near} of {all_of}", near == all_of, DELRIN),
        Verdict("inserts, the manual's ranges", "all inside", f"{inside} of {all_of}", inside == all_of, DELRIN),
        Verdict("pylinac: geometry", "four lines of 50 ± 0.5 mm", f"{min(lines):.2f}–{max(lines):.2f}", away <= 0.5),
        Verdict("pylinac: slice thickness", "2.5 ± 0.3 mm", f"{thick:.2f}", abs(thick - 2.5) <= 0.3),
        Verdict("pylinac: uniformity", "0 ± 10 HU, five places within 4", f"{spread:.0f} HU apart", flat),
    ]


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    """Return every row that can pass or fail, of the parts that were measured."""
    rows = _catphan(found["catphan"]) if "catphan" in found else []
    for row in found.get("mtf", []):
        off = max(abs(m / s - 1.0) for m, s in zip(row["measured"], row["stated"], strict=True))
        stated, measured = (" / ".join(f"{v:.2f}" for v in row[key]) for key in ("stated", "measured"))
        what = f"MTF50 / MTF10 of `{row['kernel']}`, {row['bins']} bins"
        rows.append(Verdict(what, f"{stated} per mm ± 8 %", measured, off <= 0.08))
    if "water" in found:
        water = found["water"]
        rows.append(Verdict("water, 320 mm, no noise", "0 ± 1 HU", f"{water['mean']:.2f}", abs(water["mean"]) <= 1.0))
        rows.append(Verdict("air, no noise", "−1000 ± 2 HU", f"{water['air']:.2f}", abs(water["air"] + 1000.0) <= 2.0))
        rows.append(Verdict("uniformity over 320 mm", "within 2 HU", f"{water['spread']:.2f}", water["spread"] <= 2.0))
    if "iodine" in found:
        low, high = IODINE
        slope = next(row["slope"] for row in found["iodine"] if row["kvp"] == 120)
        wanted = f"{low:.0f}–{high:.0f} HU per mg/mL"
        rows.append(Verdict("iodine at 120 kVp", wanted, f"{slope:.1f}", low <= slope <= high))
    if "noise" in found:
        noise = found["noise"]
        dose, thick = exponent(noise["dose"]), exponent(noise["thickness"])
        rows.append(Verdict("SD against dose", "exponent −0.50 ± 0.02", f"{dose:.3f}", abs(dose + 0.5) <= 0.02))
        rows.append(Verdict("SD against thickness", "exponent −0.50 ± 0.05", f"{thick:.3f}", abs(thick + 0.5) <= 0.05))
        for kernel, row in noise["nps"].items():
            off = away_from_law(row)
            rows.append(Verdict(f"NPS of `{kernel}`", "f · MTF² within 10 %", f"{100.0 * off:.1f} %", off <= 0.10))
        for kernel, (low, high) in NPS_PEAK.items():
            top, wanted = peak(noise["nps"][kernel]), f"{low}–{high} per mm (recalled)"
            rows.append(Verdict(f"NPS peak of `{kernel}`", wanted, f"{top:.2f}", low <= top <= high, NO_BOOST))
    return rows


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [" | ".join(row) for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {line} |" for line in lines)


def _inserts(found: dict[str, Any]) -> str:
    rois = found["pylinac"]["materials"]["ctp404"]["hu_rois"]
    rows = []
    for name, row in found["inserts"].items():
        (low, high), seen, wanted = row["range"], rois[name]["value"], row["expected"]
        made = f"{wanted:.0f}" + ("" if row["published"] else " (made to it)")
        band, nominal = f"{low:.0f} … {high:.0f}", f"{row['nominal']:.0f}"
        rows.append([name, made, f"{seen:.0f}", f"{seen - wanted:+.1f}", band, nominal])
    return _table(["Insert", "Material [HU]", "Measured", "Difference", "Manual's range", "pylinac's nominal"], rows)


def _kernels(found: list[dict[str, Any]]) -> str:
    rows = []
    for row in found:
        pairs = list(zip(row["stated"], row["measured"], strict=True))
        stated, seen = " / ".join(f"{s:.2f}" for s, _ in pairs), " / ".join(f"{m:.2f}" for _, m in pairs)
        off = " / ".join(f"{100.0 * (m / s - 1.0):+.0f} %" for s, m in pairs)
        rows.append([f"`{row['kernel']}`", f"{row['bins']} × {row['bin_mm']:.2f} mm", stated, seen, off])
    return _table(["Kernel", "Bins", "Stated MTF50 / MTF10 [1/mm]", "Measured", "Difference"], rows)


def _iodine(found: list[dict[str, Any]]) -> str:
    rows = [[f"{r['kvp']}", f"{r['slope']:.1f}", f"{r['worst']:.1f}"] for r in found]
    return _table(["kVp", "HU per mg/mL", "Worst rod off the line [HU]"], rows)


def _catphan_text(found: dict[str, Any]) -> str:
    judged, protocol = found["pylinac"], found["protocol"]
    rmtf = ", ".join(f"{level} % at {value:.2f}" for level, value in judged["rmtf"].items())
    setting = f"{protocol['kvp']:.0f} kV, {protocol['mas']:.0f} mAs, CTDIvol (32 cm) {found['ctdi_mgy']:.1f} mGy"
    return f"""## CatPhan 604, judged by pylinac {judged["pylinac"]}

Protocol `{protocol["name"]}` with kernel `{protocol["kernel"]}` and a field of {protocol["fov_mm"]:.0f} mm: {setting},
slices of {protocol["slice_thickness_mm"]} mm.

![The four modules](images/tomograph_catphan.png)

{_inserts(found)}

"Material" is what the published formula and specific gravity must show in 20 cm of water, computed from the spectrum
alone. pylinac's nominal values are the middles of the manual's ranges, and its tolerance is 40 HU. Specific gravities
are not known to a percent: the manual has 2.16 for Teflon and 1.42 for Delrin, NIST's table 2.25 and 1.425 (recalled).
The phantom has 2.21 and 1.425, between the two and nearest to the nominal HU; with 2.16 Teflon would have 949 HU.
Delrin of either gravity stays below its middle, 365, in this beam (67 keV or so); nobody publishes the 1.45 that would
reach it. pylinac judges twice: by its own values, and by the HU of the materials (`expected_hu_values`) with a
tolerance of 10 HU.

Low contrast: {judged["materials"]["ctp515"]["num_rois_seen"]} of 6 rods of 10 HU are seen. Line pairs, relative MTF:
{rmtf} per mm.

![What pylinac saw](images/tomograph_pylinac.png)
"""


def measured_half(found: dict[str, Any], rows: list[Verdict]) -> str:
    """Return the Markdown of all that was measured."""
    told = [[r.what, r.wanted, r.found, r.word] for r in rows]
    noise = found["noise"]
    dose = ", ".join(f"{sd:.1f} HU at {mas:.0f} mAs" for mas, sd in noise["dose"])
    thick = ", ".join(f"{sd:.1f} HU at {mm} mm" for mm, sd in noise["thickness"])
    peaks = ", ".join(f"`{kernel}` {peak(row):.2f}" for kernel, row in noise["nps"].items())
    return f"""{BEGIN}
## Verdicts

{sum(row.right for row in rows)} of {len(rows)} rows pass.

{_table(["What", "Wanted", "Found", ""], told)}

![HU, MTF, water, iodine, noise](images/tomograph_measured.png)

{_catphan_text(found["catphan"])}
## Resolution

The MTF is that of the edge of a disc of 50 mm, 3.6 mm off the axis, without noise, in pixels of 0.2 mm.

{_kernels(found["mtf"])}

## Iodine

Rods of 25 mm with 0 to 15 mg/mL in a water cylinder of 200 mm.

{_iodine(found["iodine"])}

## Noise

In a water cylinder of 200 mm, kernel `soft`: {dose} (2.5 mm); {thick} (120 mAs).
Peaks of the noise power spectrum: {peaks} per mm. Its law is f · (kernel / aperture)².
{END}
"""


def write_page(found: dict[str, Any], rows: list[Verdict], folder: Path, docs: Path) -> None:
    """Replace the measured half of docs/tomograph.md, and its pictures."""
    from qa_plots import draw_measured, draw_modules

    page = docs / "tomograph.md"
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(before + measured_half(found, rows).rstrip("\n") + after, encoding="utf-8")
    images = docs / "images"
    draw_modules(folder / "modules.npz", images / "tomograph_catphan.png")
    draw_measured(found, images / "tomograph_measured.png")
    shutil.copyfile(folder / "pylinac.png", images / "tomograph_pylinac.png")
