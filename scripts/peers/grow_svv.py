"""Grow vessels with svv, in an environment that has it, into a gland that scripts/bench_network.py has saved.

    python grow_svv.py GLAND.npz SEGMENTS SEED      prints one JSON line

The gland's surface is the zero level of its signed distance, thinned to the number of triangles below, as svv fits a
smooth function to every few points of it; fitting is told apart from growing. All of svv is at its
defaults: vessels that would collide are refused by their boxes, and no clearance is asked for.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import metadata
from typing import Any

import numpy as np

TRIANGLES = 2000
os.environ["SVV_TELEMETRY_DISABLED"] = "1"


def surface(path: str) -> Any:
    """Return the gland's capsule as a mesh [mm]."""
    import pyvista
    from skimage.measure import marching_cubes

    with np.load(path) as gland:
        points, faces, _, _ = marching_cubes(gland["distance"], 0.0, spacing=gland["spacing_mm"].tolist())
    mesh = pyvista.PolyData(points, np.insert(faces, 0, 3, axis=1).ravel())
    largest = mesh.extract_largest().triangulate().clean()
    return largest.decimate(1.0 - TRIANGLES / largest.n_cells).compute_normals(auto_orient_normals=True)


def main() -> None:
    path, segments, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    from svv.domain.domain import Domain
    from svv.tree.tree import Tree

    np.random.seed(seed)  # noqa: NPY002 – svv draws from both
    began = time.perf_counter()
    domain = Domain(surface(path))
    domain.set_random_seed(seed)
    domain.create()
    domain.solve()
    domain.build()
    fitted = time.perf_counter()
    tree = Tree()
    tree.set_domain(domain)
    tree.set_root()
    tree.n_add(3)  # whatever is made on first use is not counted
    first, wall, cpu = len(tree.data), time.perf_counter(), time.process_time()
    tree.n_add((segments - first + 1) // 2)  # each vessel splits one segment: two more
    told = {
        "version": metadata.version("svv"),
        "fit_s": fitted - began,
        "segments": len(tree.data) - first,
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "convex": bool(tree.convex),
    }
    print("\n" + json.dumps(told))


if __name__ == "__main__":
    main()
