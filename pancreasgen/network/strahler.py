"""Strahler order of ducts, and the ratios of Horton's laws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from pancreasgen.network.links import Floats, Links, Rows, heads, links
from pancreasgen.network.network import DuctNetwork

MIN_ORDERS = 3
"""Fewer orders say nothing about a ratio."""


def strahler_orders(network: DuctNetwork) -> Rows:
    """Return the Strahler order of each segment (M,): 1 at the ends, one more where two of the highest order meet.

    A segment has the highest order among those that leave its far end, plus 1 if at least two of them have it (Strahler
    1957, doi:10.1029/TR038i006p00913). The network is read as trees that begin at the papillae; a duct that runs into
    another one ends there, so its last segment counts as an end.

    >>> fork = DuctNetwork([[0, 0, 0], [5, 0, 0], [9, 0, 0], [5, 3, 0]], [2, 1.5, 1, 0.4],
    ...                    [[0, 1], [1, 2], [1, 3]], [1, 1, 3], [0, 0, 1])
    >>> strahler_orders(fork).tolist()
    [2, 1, 1]
    """
    return orders_of(links(network))


def orders_of(found: Links) -> Rows:
    """Return :func:`strahler_orders` where the links are known."""
    return np.asarray(_orders(found.parent, np.argsort(found.depth, kind="stable")), dtype=np.int64)


@njit(cache=True)
def _orders(parent: Any, parents_first: Any) -> Any:
    order = np.ones(len(parent), np.int64)
    highest, several = np.zeros(len(parent), np.int64), np.zeros(len(parent), np.bool_)
    for place in range(len(parent) - 1, -1, -1):
        row = parents_first[place]
        if highest[row] > 0:
            order[row] = highest[row] + several[row]
        above = parent[row]
        if above >= 0:
            if order[row] > highest[above]:
                highest[above], several[above] = order[row], False
            elif order[row] == highest[above]:
                several[above] = True
    return order


def strahler_measures(network: DuctNetwork, found: Links) -> dict[str, Any]:
    """Return streams, length and diameter of each order, and the ratios of Horton's laws.

    A stream is a maximal chain of segments of one order. Its diameter is the mean over its length. The bifurcation
    ratio is exp(−b), b the slope of the least-squares line of ln(number of streams) on the order; the ratios of length
    and diameter are exp(b) for ln(mean length) and ln(mean diameter) of the streams. All orders count alike (Horton
    1945, Strahler 1957). None where there are fewer than three orders.

    >>> fork = DuctNetwork([[0, 0, 0], [5, 0, 0], [9, 0, 0], [5, 3, 0]], [2, 1.5, 1, 0.4],
    ...                    [[0, 1], [1, 2], [1, 3]], [1, 1, 3], [0, 0, 1])
    >>> told = strahler_measures(fork, links(fork))
    >>> told["strahler_max"], told["strahler_1_streams"], told["strahler_1_length_mm"]
    (2, 2, 7.0)
    """
    order = orders_of(found)
    count = len(order)
    result: dict[str, Any] = {"strahler_max": int(order.max(initial=0))}
    goes_on = (found.parent >= 0) & (order[np.maximum(found.parent, 0)] == order)
    stream = heads(np.where(goes_on, found.parent, np.arange(count)))
    first = np.flatnonzero(~goes_on)
    length = np.bincount(stream, network.lengths_mm, count)[first]
    area = np.bincount(stream, network.lengths_mm * network.capsule_radii_mm.sum(axis=1), count)[first]
    streams, mean_mm, wide_mm = [], [], []
    for number in range(1, result["strahler_max"] + 1):
        mine = order[first] == number
        streams.append(int(mine.sum()))
        mean_mm.append(float(length[mine].mean()))
        wide_mm.append(float(np.mean(area[mine] / length[mine])) if length[mine].all() else None)
        result[f"strahler_{number}_streams"] = streams[-1]
        result[f"strahler_{number}_length_mm"] = float(length[mine].sum())
        result[f"strahler_{number}_diameter_mm"] = wide_mm[-1]
    result["strahler_bifurcation_ratio"] = _ratio([1.0 / number for number in streams])
    result["strahler_length_ratio"] = _ratio(mean_mm)
    result["strahler_diameter_ratio"] = _ratio(wide_mm)
    return result


def _ratio(means: list[Any]) -> float | None:
    """Return by what factor the means grow from one order to the next."""
    if len(means) < MIN_ORDERS or not all(means):
        return None
    values: Floats = np.asarray(means, dtype=np.float64)
    slope = np.polyfit(np.arange(len(values)), np.log(values), 1)[0]
    return float(np.exp(slope))
