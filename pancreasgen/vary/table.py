"""The invariances that exist: what each preserves, where it acts, how far it goes, and who says so."""

from __future__ import annotations

from collections.abc import Mapping

from pancreasgen.scan.kernels import KERNELS
from pancreasgen.scan.ranges import PHASES
from pancreasgen.vary.invariance import Choice, Invariance, Span

_NNUNET = "nnU-Net v2, nnUNetTrainer.py"
_ACR = "recalled: ACR accreditation wants water within 7 HU"

_ROWS = (
    Invariance(
        "reflection", ("anatomy", "image"), "topology, volumes, calibres; swaps sides", "bit for bit",
        (Choice("axis", ("x",), ("x", "y", "z"), "assumed: situs inversus; y and z make no patient"),),
    ),
    Invariance(
        "rotation", ("anatomy", "image"), "topology, volumes, calibres, angles", "at 11 voxels: volume 3 %, Dice 0.9",
        (
            Span("deg", -30.0, 30.0, "°", _NNUNET, -180.0, 180.0),
            Choice("axis", (), ("x", "y", "z"), "assumed: any direction"),
        ),
    ),
    Invariance(
        "scaling", ("anatomy", "image"), "topology, angles, shapes; volumes × s³, calibres × s", "volumes 3 %",
        (Span("factor", 0.7, 1.4, "", _NNUNET, 0.25, 4.0, logarithmic=True),),
    ),
    Invariance(
        "deformation", ("anatomy", "image"), "topology; Jacobian > 0, told", "Euler number, parts",
        (
            Span("amplitude_mm", 2.0, 8.0, "mm", "assumed", 0.0, 40.0),
            Span("spacing_mm", 40.0, 80.0, "mm", "assumed", 15.0, 300.0),
        ),
        streams=True,
    ),
    Invariance(
        "blur", ("scanner", "image"), "labels, geometry, mean HU", "mean 0.3 HU",
        (Span("sigma_mm", 0.3, 1.0, "mm", "assumed: between kernels of a scanner", 0.0, 10.0),),
    ),
    Invariance(
        "contrast", ("image",), "labels, geometry, order of HU", "exact",
        (
            Span("factor", 0.75, 1.25, "", _NNUNET, 0.05, 20.0),
            Span("pivot_hu", 40.0, 40.0, "HU", "assumed: soft tissue", -1000.0, 3000.0),
        ),
    ),
    Invariance(
        "luminosity", ("image",), "labels, geometry, differences of HU", "exact",
        (Span("shift_hu", -7.0, 7.0, "HU", _ACR, -1000.0, 1000.0),),
    ),
    Invariance(
        "gamma", ("image",), "labels, geometry, order of HU; all outside the window", "exact",
        (
            Span("exponent", 0.7, 1.5, "", _NNUNET, 0.1, 10.0, logarithmic=True),
            Span("low_hu", -160.0, -160.0, "HU", "assumed: abdominal window", -1024.0, 3000.0),
            Span("high_hu", 240.0, 240.0, "HU", "assumed: abdominal window", -1000.0, 3071.0),
        ),
    ),
    Invariance(
        "noise", ("scanner", "image"), "labels, geometry, mean HU of each slice", "mean 0.001 HU; sd 3 %",
        (
            Span("dose", 0.25, 0.8, "of the dose", "assumed", 0.01, 1.0, logarithmic=True),
            Span("sigma_hu", 0.0, 0.0, "HU at full dose; 0: measured", "measured in the image", 0.0, 500.0),
            Span("peak_per_mm", 0.2, 0.4, "1/mm", "assumed: soft to standard kernels", 0.05, 2.0),
        ),
        streams=True,
    ),
    Invariance(
        "salt_pepper", ("image",), "labels, geometry, all other voxels", "bit for bit",
        (Span("share", 0.0001, 0.002, "of voxels", "assumed: a test of robustness, no scanner does so", 0.0, 0.5),),
        streams=True,
    ),
    Invariance(
        "window", ("image",), "labels, geometry, HU within the window", "bit for bit",
        (
            Span("level_hu", 20.0, 60.0, "HU", "assumed", -1000.0, 3000.0),
            Span("width_hu", 300.0, 500.0, "HU", "assumed", 1.0, 4000.0),
        ),
        usual=False,
    ),
    Invariance(
        "dose", ("scanner",), "anatomy, labels", "no other number of the protocol",
        (Span("factor", 0.25, 1.5, "of mAs", "assumed", 0.02, 20.0, logarithmic=True),), usual=False,
    ),
    Invariance(
        "kernel", ("scanner",), "anatomy, labels", "no other number of the protocol",
        (Choice("to", tuple(KERNELS), tuple(KERNELS), "kernels of the catalogue"),), usual=False,
    ),
    Invariance(
        "thickness", ("scanner",), "anatomy", "no other number but the increment",
        (Span("rows", 1.0, 5.0, "detector rows a slice", "assumed", 1.0, 20.0),), usual=False,
    ),
    Invariance(
        "phase", ("scanner",), "anatomy, labels", "no other number of the protocol",
        (Choice("to", tuple(PHASES), tuple(PHASES), "phases of the catalogue"),), usual=False,
    ),
)  # fmt: skip

INVARIANCES: Mapping[str, Invariance] = {row.name: row for row in _ROWS}
"""Name → invariance, in the order in which they are applied."""

GEOMETRIC = ("reflection", "rotation", "scaling", "deformation")
"""Those that move things; applied together, in this order, by one resampling."""

SCANNER_ONLY = tuple(row.name for row in _ROWS if row.sides == ("scanner",))
ON_IMAGES = tuple(row.name for row in _ROWS if "image" in row.sides)


def table_lines() -> list[str]:
    """Return the table as text: name, side, what it preserves, tolerance; below it each range with its source.

    >>> table_lines()[1].split("  ")[0]
    'reflection'
    """
    lines = [f"{'name':12} {'acts on':14} {'preserves':58} tolerance"]
    for row in _ROWS:
        mark = "" if row.usual else " *"
        lines.append(f"{row.name + mark:12} {', '.join(row.sides):14} {row.preserves:58} {row.tolerance}")
        lines += [f"    {row.name + '.' + part.key:26} {_range(part):34} [{part.source}]" for part in row.parts]
    lines.append("* only where it is named; those of the scanner alone: pancreasgen.vary.bodies.change_protocol")
    return lines


def _range(part: Span | Choice) -> str:
    if isinstance(part, Choice):
        return ", ".join(part.drawn) or "any direction"
    if part.low == part.high:
        return f"{part.low:g} {part.unit}".rstrip()
    return f"{part.low:g} to {part.high:g} {part.unit}".rstrip() + (", log" if part.logarithmic else "")
