"""Territories: which side branch serves which lobule, or which tissue where there are no lobules."""

from __future__ import annotations

import numpy as np

from pancreasgen.network import index
from pancreasgen.network.ledger import Ledger
from pancreasgen.network.serving import nearest_ray
from pancreasgen.network.steering import unit

_RAY_MM = 30.0


def divide(ledger: Ledger) -> bool:
    """Give every lobule to the nearest side branch, its first piece drawn out to a ray; return whether there is one."""
    tissue, parent = ledger.tissue, ledger.parent
    order = ledger.marks(index.ORDER)
    first = np.flatnonzero((order == 1) & (parent >= 0) & (order[np.maximum(parent, 0)] == 0))
    if not len(first):
        return False
    start = ledger.start_mm[first]
    ray = start + _RAY_MM * unit(ledger.end_mm[first] - start)
    ledger.marks(index.LABEL)[first] = np.arange(len(first))
    if len(tissue.seed_mm):
        tissue.lobule_label[:] = nearest_ray(tissue.seed_mm, start, ray)
        tissue.label[:] = tissue.lobule_label[tissue.lobule]
    else:
        tissue.label[:] = nearest_ray(tissue.points_mm, start, ray)
    return True
