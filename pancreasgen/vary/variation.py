"""A variation: invariances drawn, written down, and applied to an image with its labels. Same record, same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import unknown_name
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid, Volume
from pancreasgen.network.network import DuctNetwork
from pancreasgen.vary.bodies import move_lines, move_network
from pancreasgen.vary.intensity import change_intensity
from pancreasgen.vary.invariance import Record
from pancreasgen.vary.motion import Motion, motion_of
from pancreasgen.vary.resample import BORDERS, ORDERS, Pullback, pullback, resample
from pancreasgen.vary.table import GEOMETRIC, INVARIANCES, ON_IMAGES

SCHEMA = 1
_SHARE = 0.5  # how often a usual invariance takes part where none is named: assumed
_PROBES = 14


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """An image with what belongs to it.

    Attributes:
        image: HU.
        labels: On the same grid, or None.
        centerline: Thin lines on the same grid, or None.
        ducts: Ducts in the same world, or None.

    Raises:
        BadInputError: If the grids differ.
    """

    image: Volume
    labels: Volume | None = None
    centerline: Volume | None = None
    ducts: DuctNetwork | None = None

    def __post_init__(self) -> None:
        for name, volume in (("labels", self.labels), ("centreline", self.centerline)):
            if volume is not None and not _same_grid(volume.grid, self.image.grid):
                raise BadInputError(
                    f"image and {name} do not share a grid: {_told(self.image.grid)}, but {_told(volume.grid)}",
                    "resample one onto the other first",
                )


@dataclass(frozen=True, slots=True)
class Variation:
    """What is done to a pair.

    Attributes:
        records: One for each invariance, in the order of the table.
        border: One of BORDERS.
        order: One of ORDERS.
    """

    records: tuple[Record, ...]
    border: str = "air"
    order: str = "linear"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; :meth:`from_dict` is its inverse."""
        return {"schema": SCHEMA, "border": self.border, "interpolation": self.order, "records": list(self.records)}

    @classmethod
    def from_dict(cls, data: Any) -> Variation:
        """Return the variation of a dictionary made by :meth:`to_dict`; further keys are passed over.

        Raises:
            BadInputError: If it is none, or a value is impossible.
        """
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA or not isinstance(data.get("records"), list):
            raise BadInputError(f"the record is no variation of schema {SCHEMA}", "give a variation.json of `vary`")
        if data.get("border") not in BORDERS or data.get("interpolation") not in ORDERS:
            raise BadInputError(f"the record wants border {', '.join(BORDERS)} and interpolation {', '.join(ORDERS)}")
        records = []
        for record in data["records"]:
            name = record.get("name") if isinstance(record, Mapping) else None
            if name not in ON_IMAGES:
                raise BadInputError(f"the record names {name!r}, which does not act on images")
            try:
                records.append(INVARIANCES[name].checked(record))
            except UsageError as error:
                raise BadInputError(f"the record is damaged: {error.message}", error.hint) from error
        names = [record["name"] for record in records]
        if names != [name for name in ON_IMAGES if name in names]:
            raise BadInputError(f"the record must name each invariance once, in the order of the table, not {names}")
        return cls(tuple(records), data["border"], data["interpolation"])


def draw_variation(
    chance: Chance, only: Iterable[str] = (), given: Mapping[str, str] | None = None,
    border: str = "air", order: str = "linear",
) -> Variation:  # fmt: skip
    """Return a drawn variation.

    Args:
        chance: Its stream; each invariance draws from one of its own.
        only: The invariances that take part; where empty, each usual one takes part every other time, and so does
            every one that ``given`` names.
        given: ``name.key`` → text of values that are not drawn.
        border: One of BORDERS.
        order: One of ORDERS.

    Raises:
        UsageError: If a name or key does not exist, does not act on images, or a value is impossible.

    >>> draw_variation(Chance(1, 0, "vary"), ["rotation"], {"rotation.deg": "15"}).records[0]["deg"]
    15.0
    """
    wanted, settings = set(only), dict[str, dict[str, str]]()
    for dotted, text in (given or {}).items():
        name, _, key = dotted.partition(".")
        settings.setdefault(name, {})[key] = text
    for name in (*sorted(wanted), *settings):
        if name not in INVARIANCES:
            raise unknown_name("invariance", name, list(INVARIANCES))
        if name not in ON_IMAGES:
            raise UsageError(
                f"{name} acts on the scanner, not on images", "see pancreasgen.vary.bodies.change_protocol"
            )
        if wanted and name not in wanted:
            raise UsageError(f"--set names {name}, which --only leaves out", f"add {name} to --only")
    records = []
    for name in ON_IMAGES:
        row, stream = INVARIANCES[name], chance.sub(name)
        lucky = row.usual and stream.sub("share").generator().random() < _SHARE
        if name in wanted or name in settings or (not wanted and lucky):
            records.append(row.draw(stream, settings.get(name)))
    return Variation(tuple(records), border, order)


def apply(variation: Variation, pair: Pair) -> tuple[Pair, dict[str, Any]]:
    """Return the varied pair, on the same grid, and a report.

    Args:
        variation: What is done.
        pair: To what.

    Returns:
        The pair, and: ``invented_share`` of voxels that nothing was seen of; ``lost_label_share`` of labelled voxels
        that left the image; ``jacobian`` lowest and highest of the whole motion, by size.

    Raises:
        BadInputError: If the numbers of an image are no HU but its intensity is to change, or a deformation folds.
    """
    image, labels, line, ducts = pair.image, pair.labels, pair.centerline, pair.ducts
    report: dict[str, Any] = {"invented_share": 0.0, "lost_label_share": 0.0, "jacobian": [1.0, 1.0]}
    if any(record["name"] in GEOMETRIC for record in variation.records):
        motion = motion_of(variation.records, image.grid)
        report["jacobian"] = _jacobian_range(motion, image.grid)
        if labels is not None:
            report["lost_label_share"] = _lost(labels, motion)
        pull = pullback(motion, image.grid)
        image, report["invented_share"] = resample(image, pull, variation.border, variation.order)
        labels = None if labels is None else resample(labels, pull, variation.border)[0]
        line = None if line is None else _moved_line(line, motion, pull, variation.border)
        ducts = None if ducts is None else move_network(ducts, motion)
    changes = [record for record in variation.records if record["name"] not in GEOMETRIC]
    if changes and float(image.data.max() - image.data.min()) <= 2.0:
        raise BadInputError(
            "the image holds no HU: its numbers span 2 at most", "give HU, or name geometric ones with --only"
        )
    for record in changes:
        image = change_intensity(image, record)
    return Pair(image, labels, line, ducts), report


def _moved_line(line: Volume, motion: Motion, pull: Pullback, border: str) -> Volume:
    """Move whole voxels as they are; else draw the line anew, for the nearest voxels would break it."""
    return move_lines(line, motion) if pull.steps is None else resample(line, pull, border)[0]


def _jacobian_range(motion: Motion, grid: Grid) -> list[float]:
    axes = [np.linspace(grid.axis_mm(a)[0], grid.axis_mm(a)[-1], min(grid.shape[a], _PROBES)) for a in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    sizes = motion.jacobian(points if motion.flow is not None else points[:1]) * np.sign(np.linalg.det(motion.matrix))
    if sizes.min() <= 0.0:
        raise BadInputError(
            f"the deformation folds: its Jacobian reaches {sizes.min():.3g}",
            "use a smaller deformation.amplitude_mm or a larger deformation.spacing_mm",
        )
    return [round(float(sizes.min()), 6), round(float(sizes.max()), 6)]


def _lost(labels: Volume, motion: Motion) -> float:
    """Return the share of labelled voxels whose centres leave the grid; of many, every few are asked."""
    filled = np.flatnonzero(labels.data)
    if not len(filled):
        return 0.0
    some = filled[:: max(len(filled) // 100_000, 1)]
    index = np.stack(np.unravel_index(some, labels.grid.shape), axis=1)
    moved = labels.grid.to_index(motion.forward(labels.grid.to_world(index)))
    inside = ((moved > -0.5 - 1e-6) & (moved < np.array(labels.grid.shape) - 0.5 + 1e-6)).all(axis=1)
    return round(1.0 - float(inside.mean()), 6)


def _same_grid(first: Grid, second: Grid) -> bool:
    near = 0.01 * min(first.spacing_mm)
    return (
        first.shape == second.shape
        and np.allclose(first.spacing_mm, second.spacing_mm, rtol=1e-4, atol=0)
        and np.allclose(first.origin_mm, second.origin_mm, rtol=0, atol=near)
    )


def _told(grid: Grid) -> str:
    shape = " × ".join(map(str, grid.shape))
    spacing = " × ".join(f"{value:.4g}" for value in grid.spacing_mm)
    return f"{shape} voxels of {spacing} mm at {tuple(round(value, 2) for value in grid.origin_mm)}"


def told(records: Sequence[Mapping[str, Any]]) -> str:
    """Return records in a few words.

    >>> told([{"name": "rotation", "deg": 15.0, "axis": [0, 0, 1]}])
    'rotation 15°'
    """
    words = []
    for record in records:
        part = INVARIANCES[record["name"]].parts[0]
        value, unit = record[part.key], getattr(part, "unit", "")
        text = f"{value:.3g}" if isinstance(value, float) else str(value)
        words.append(f"{record['name']} {text}{unit if unit == '°' else ' ' + unit if unit in ('mm', 'HU') else ''}")
    return ", ".join(words) or "nothing"
