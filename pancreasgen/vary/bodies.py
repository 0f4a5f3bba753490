"""Before the scan: ducts and organs moved as coordinates, so that there is no border and nothing is invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pancreasgen.anatomy.voxelize import draw_centerline
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.organ import Organ
from pancreasgen.organ.surface import redistance
from pancreasgen.scan.protocol import Protocol
from pancreasgen.vary.motion import Motion
from pancreasgen.vary.resample import pullback, resample

_LINKS = [(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1) if (a, b, c) > (0, 0, 0)]
_MARGIN = 2  # voxels about a moved organ


def move_network(network: DuctNetwork, motion: Motion) -> DuctNetwork:
    """Return ducts moved: nodes exactly, radii by the local growth of lengths, the graph untouched.

    >>> duct = DuctNetwork([[0, 0, 0], [5, 0, 0]], [1, 0.5], [[0, 1]], [1], [0])
    >>> move_network(duct, Motion(2.0 * np.eye(3), np.zeros(3))).radius_mm.round(9).tolist()
    [2.0, 1.0]
    """
    factor = motion.factor(network.nodes_mm)
    return replace(network, nodes_mm=motion.forward(network.nodes_mm), radius_mm=network.radius_mm * factor)


def move_organ(organ: Organ, motion: Motion) -> Organ:
    """Return an organ moved, on a grid that holds all of it; voxels grow with it.

    A similarity takes the distance along as it is, × s; after a deformation it is measured anew.
    """
    grid = moved_grid(organ.distance.grid, motion)
    pull = pullback(motion, organ.distance.grid, grid)
    distance, _ = resample(organ.distance, pull, "air")
    if motion.flow is None:
        size = float(np.cbrt(abs(np.linalg.det(motion.matrix))))
        distance = Volume((size * distance.data).astype(np.float32), grid, Quantity.DISTANCE)
    else:
        distance = Volume(redistance(np.array(distance.data), grid), grid, Quantity.DISTANCE)
    marks = {name: motion.forward(points) for name, points in organ.landmarks.items()}
    return Organ(distance, motion.forward(organ.axis_mm), marks, resample(organ.regions, pull, "air")[0])


def moved_grid(grid: Grid, motion: Motion) -> Grid:
    """Return a grid about all that a moved grid holds; its voxels are as much larger as the motion's linear part."""
    size = float(np.cbrt(abs(np.linalg.det(motion.matrix))))
    axes = [np.linspace(-0.5, count - 0.5, 9) for count in grid.shape]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    moved = motion.forward(grid.to_world(index))
    low, high, spacing = moved.min(axis=0), moved.max(axis=0), size * np.array(grid.spacing_mm)
    shape = np.ceil((high - low) / spacing - 1e-6).astype(int) + 2 * _MARGIN
    origin = 0.5 * (low + high) - 0.5 * (shape - 1) * spacing
    return Grid(tuple(shape.tolist()), tuple(spacing.tolist()), tuple(origin.tolist()))


def move_lines(lines: Volume, motion: Motion) -> Volume:
    """Return thin lines of labels moved without a gap: neighbours stay joined, whatever the motion.

    Args:
        lines: Labels, 0 elsewhere; voxels that touch by face, edge or corner are joined.
        motion: What moves.
    """
    index = np.argwhere(lines.data > 0)
    if not len(index):
        return lines
    number = np.full(np.array(lines.grid.shape) + 2, -1, np.int32)
    number[tuple((index + 1).T)] = np.arange(len(index))
    pairs = [np.stack([np.arange(len(index)), np.arange(len(index))], axis=1)]
    for link in _LINKS:
        other = number[tuple((index + 1 + np.array(link)).T)]
        pairs.append(np.stack([np.flatnonzero(other >= 0), other[other >= 0]], axis=1))
    segments = np.concatenate(pairs).astype(np.int32)
    kind = lines.data[tuple(index.T)][segments].max(axis=1)  # where two meet, the lowest wins in the drawing
    nodes = motion.forward(lines.grid.to_world(index))
    graph = DuctNetwork(nodes, np.ones(len(nodes)), segments, kind, np.zeros(len(segments), np.int16))
    return draw_centerline(graph, lines.grid, np.unique(kind).tolist())


def change_protocol(protocol: Protocol, record: Mapping[str, Any]) -> Protocol:
    """Return a protocol with the record of a scanner's invariance (dose, kernel, thickness, phase) applied.

    Args:
        protocol: How the case was scanned.
        record: Drawn by the invariance.

    Raises:
        UsageError: If the protocol does not allow it; the message names the range.
    """
    name = record["name"]
    if name == "dose":
        return replace(protocol, mas=protocol.mas * record["factor"], second_mas=protocol.second_mas * record["factor"])
    if name == "thickness":
        height = max(round(record["rows"]), 1) * protocol.row_mm
        return replace(protocol, slice_thickness_mm=height, slice_increment_mm=height)
    return replace(protocol, **{name: record["to"]})
