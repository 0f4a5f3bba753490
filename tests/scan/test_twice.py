import os
import subprocess
import sys
from pathlib import Path

TINY_SCAN = """
import dataclasses
import hashlib
import numpy as np
from pancreasgen.base.chance import Chance
from pancreasgen.scan.detect import detect, prepare_detector
from pancreasgen.scan.project import BLOCK, Plane, fan_geometry, project
from pancreasgen.scan.protocol import load_protocol
from pancreasgen.scan.reconstruct import reconstruct
from pancreasgen.scan.tree import Tree

setting = dataclasses.replace(load_protocol("portal-venous").quick(), num_views=120, num_bins=192)
plane = Plane((96, 96), (2.9, 3.1), (-131.0, -149.0))
x, y = np.arange(96)[None, :, None] - 47.0, np.arange(96)[:, None, None] - 50.0
body = np.zeros((3, 96, 96, BLOCK), dtype=np.float32)
body[0] = (np.hypot(x / 40.0, y / 30.0) < 1.0) * (1.0 + 0.003 * np.arange(BLOCK))
body[1] = (np.hypot(x - 3.0, y + 12.0) < 6.0) * 0.3
body[2] = (np.hypot(x + 5.0, y - 9.0) < 5.0) * 0.004
tree = Tree.of(plane, fan_geometry(setting).rays())
lines = tree.forward()(body)
water = detect(lines, setting, prepare_detector(setting), Chance(1, 0, "noise"), range(BLOCK))
images = (reconstruct(water, plane, setting), reconstruct(water, plane, setting, "direct"))
for stage in (lines, tree.transpose()(lines), project(body, plane, setting), water, *images):
    print(hashlib.sha256(stage.tobytes()).hexdigest())
"""


def hashes(cache: Path, threads: int) -> list[str]:
    """Return the hashes of a tiny scan's stages, made in a new process."""
    surroundings = os.environ | {"NUMBA_CACHE_DIR": str(cache), "NUMBA_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, "-c", TINY_SCAN], env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_first_scan_of_an_installation_is_like_all_later_ones(tmp_path: Path) -> None:
    """All stages are, to the bit, the same with kernels compiled now, kernels from the cache, and one thread."""
    first = hashes(tmp_path, 2)
    assert len(first) == 6
    assert list(tmp_path.rglob("*.nbc"))
    assert hashes(tmp_path, 2) == first
    assert hashes(tmp_path, 1) == first
