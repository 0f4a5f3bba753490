"""Measure one case stage by stage, its projector, grammars and growth beside peers, against the project's goals.

    python scripts/bench.py [--part all|case|grammar|network|phantom] [--case standard|quick] [--repeat N]
                            [--peers PYTHON]

Every run of a case is a process of its own on two cores, from the start of Python to the last byte on disk. The first
run is a quick case that fills the cache of compiled kernels; it is not counted. Times are medians.

Seconds belong to the machine. The peer computes the same line integrals with scipy in the same run: if seconds grow and
the ratio stays, the machine is slow; if the ratio falls, the projector is. scripts/bench_grammar.py tells how the
grammar engine is measured, scripts/bench_network.py how the growth of ducts is, scripts/bench_phantom.py the phantom.
If stages take longer than their CPU time, or two cores are no faster than one, something else is at work: measure again
when it is not.

Exit code 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib import import_module, metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import bench_grammar
import bench_network
import bench_phantom
import click
import numpy as np
from bench_grammar import Goal
from bench_network import peak_gb
from numpy.typing import NDArray

CORES = 2
GOALS_S = {"standard": 90.0, "quick": 15.0}
GOAL_STANDARD_GB = 4.0
GOAL_HELP_S = 0.3
HELP_RUNS, PEER_RUNS = 5, 3
PEER_VIEWS = 96  # of those of the protocol; the cost of a view does not depend on their number
STAGES = {"organ": "organ", "ducts": "ducts", "tissue": "tissue", "scan": "scan", "truth": "truth", "write": "writing"}

Row = tuple[str, float, float, float]  # stage, seconds, CPU seconds, peak memory at its end [GB]


def run_case(quick: bool, began: float) -> list[Row]:
    """Make one dataset of one case in this process, as ``pancreasgen generate`` does, and time its stages.

    began: what time.perf_counter, which is the same in all processes, said when this process was asked for.
    """
    from pancreasgen.dataset import batch
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings
    from pancreasgen.dataset.store import open_store
    from pancreasgen.look.preview import PAINTERS

    rows: list[Row] = []
    now = ("start", began, 0.0)

    def close(name: str) -> None:
        nonlocal now
        instant, cpu = time.perf_counter(), time.process_time()
        rows.append((now[0], instant - now[1], cpu - now[2], peak_gb()))
        now = (name, instant, cpu)

    def watch(_: int, stage: str, __: float) -> None:
        name = STAGES.get(stage, "end")
        if name != now[0]:
            close(name)

    with tempfile.TemporaryDirectory() as folder:
        settings = make_settings(find_grammar("human_pancreas"), seed=1, quick=quick)
        store = open_store(Path(folder) / "bench", settings)
        batch.generate(store, settings, [0], workers=1, painters=PAINTERS, watch=watch)
        close("")
    if [row[0] for row in rows] != ["start", *STAGES.values(), "end"]:
        raise RuntimeError(f"the stages of a case are not those that this script knows: {rows}")
    return rows


def in_new_process(quick: bool) -> list[Row]:
    """Return the stages of a case that is made in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run_case, quick, time.perf_counter()).result()


def print_stages(runs: list[list[Row]]) -> tuple[float, float]:
    """Print the median of each stage; return seconds and GB of the whole."""
    totals = [sum(row[1] for row in run) for run in runs]
    total, peak = statistics.median(totals), max(run[-1][3] for run in runs)
    print(f"{'stage':<10}{'seconds':>9}{'share':>8}{'CPU s':>9}{'peak GB':>9}")
    for stage in zip(*runs, strict=True):
        seconds, cpu = (statistics.median(row[i] for row in stage) for i in (1, 2))
        print(f"{stage[0][0]:<10}{seconds:>9.2f}{seconds / total:>8.0%}{cpu:>9.2f}{max(row[3] for row in stage):>9.2f}")
    cpu = statistics.median(sum(row[2] for row in run) for run in runs)
    each = ", ".join(f"{run:.2f}" for run in totals)
    print(f"{'total':<10}{total:>9.2f}{'':>8}{cpu:>9.2f}{peak:>9.2f}   (runs: {each} s)")
    return total, peak


def all_helps() -> Iterator[list[str]]:
    """Yield the words before ``--help`` of the program, its verbs and their verbs."""
    from pancreasgen.cli.main import VERBS

    yield []
    for verb in VERBS:
        yield [verb]
        command = import_module(f"pancreasgen.cli.{verb}").command
        if isinstance(command, click.Group):
            yield from ([verb, name] for name in command.commands)


def help_seconds(words: list[str]) -> float:
    """Return the median time of a help text, Python's start included [s]."""
    times = []
    for _ in range(HELP_RUNS):
        began = time.perf_counter()
        command = [sys.executable, "-m", "pancreasgen.cli", *words, "--help"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def print_helps() -> float:
    """Print the times of all help texts; return the longest [s]."""
    times = {" ".join(words) or "pancreasgen": help_seconds(words) for words in all_helps()}
    listed = ", ".join(f"{name} {seconds:.2f}" for name, seconds in times.items())
    print(f"--help, median of {HELP_RUNS} [s]: {listed}")
    return max(times.values())


def abdomen(plane: Any) -> NDArray[np.float32]:
    """Return an ellipse of 330 × 220 mm of water with a spine and an organ full of iodine (3, ny, nx) [g/cm³]."""
    x0, y0, dx, dy = plane.numbers()
    x, y = x0 + dx * np.arange(plane.shape[0]), y0 + dy * np.arange(plane.shape[1])[:, None]
    water = 1.03 * (np.hypot(x / 165, y / 110) < 1.0)
    bone = 0.004 * water + 0.3 * (np.hypot(x / 23, (y + 55) / 17) < 1.0)
    iodine = 0.002 * (np.hypot((x - 60) / 60, (y - 20) / 50) < 1.0)
    return np.stack([water, bone, iodine]).astype(np.float32)


def project_by_scipy(body: NDArray[np.float32], plane: Any, protocol: Any) -> NDArray[np.float64]:
    """Return line integrals of one slice (materials, views, bins): Joseph's method, vectorised, a view at a time.

    A ray meets each line of pixels across its main axis once; map_coordinates interpolates there. Rays that miss the
    grid are left out, as the projector does; air inside it is not.
    """
    fan, angles = protocol.bin_angles_rad(), protocol.view_angles_rad()
    sums = np.zeros((body.shape[0], angles.size, fan.size))
    first, step = plane.numbers()[:2], plane.numbers()[2:]
    for view, beta in enumerate(angles):
        focus = protocol.source_to_isocentre_mm * np.array([-np.sin(beta), np.cos(beta)])
        run = np.stack([np.sin(beta + fan), -np.cos(beta + fan)])
        steep = abs(run[1]) >= abs(run[0])
        for main, rays in ((1, np.flatnonzero(steep)), (0, np.flatnonzero(~steep))):
            cross = 1 - main
            index = np.arange(plane.shape[main])[:, None]
            way = (first[main] + step[main] * index - focus[main]) / run[main, rays]
            place = (focus[cross] + way * run[cross, rays] - first[cross]) / step[cross]
            met = (place.max(axis=0) >= 0.0) & (place.min(axis=0) <= plane.shape[cross] - 1)
            rays, place = rays[met], place[:, met]
            index = np.broadcast_to(index, place.shape)
            at = np.stack([index, place] if main == 1 else [place, index])
            for material, image in enumerate(body):
                samples = _map_coordinates(image, at)
                sums[material, view, rays] = samples.sum(axis=0) * step[main] / abs(run[main, rays])
    return sums


def _map_coordinates(image: NDArray[np.float32], at: NDArray[np.float64]) -> NDArray[np.float32]:
    from scipy.ndimage import map_coordinates

    return map_coordinates(image, at, order=1, prefilter=False)


def best_seconds(work: Callable[[], Any]) -> float:
    """Return the shortest of a few times [s]: whatever is longer was disturbed."""
    times = []
    for _ in range(PEER_RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def print_peer(quick: bool) -> None:
    """Print the time of the projector and of the peer for one slice and one view of three materials."""
    import numba

    from pancreasgen.scan.project import BLOCK, Plane, project
    from pancreasgen.scan.protocol import load_protocol

    protocol = load_protocol("portal-venous")
    protocol = replace(protocol.quick() if quick else protocol, num_views=PEER_VIEWS)
    pixel = protocol.fov_mm / protocol.matrix
    shape = (int(334 / pixel) + 2, int(224 / pixel) + 2)
    plane = Plane(shape, (pixel, pixel), (-pixel * (shape[0] - 1) / 2, -pixel * (shape[1] - 1) / 2))
    body = abdomen(plane)
    block = np.ascontiguousarray(np.repeat(body[..., None], BLOCK, axis=3))
    ours, theirs = project(block, plane, protocol)[..., 0], project_by_scipy(body, plane, protocol)
    scale = theirs.max(axis=(1, 2), keepdims=True)
    difference = float((abs(ours - theirs) / scale).max())
    if difference > 1e-4:
        raise RuntimeError(f"projector and peer differ by {difference:.1e} of the largest integral")
    peer = best_seconds(lambda: project_by_scipy(body, plane, protocol)) / PEER_VIEWS
    print(f"projector, {shape[0]} × {shape[1]} pixels, {protocol.num_bins} bins, 3 materials, per slice and view:")
    print(f"  {'scipy.ndimage.map_coordinates, 1 core':<38}{peer * 1e3:9.4f} ms   (they differ by {difference:.0e})")
    for threads in sorted({1, numba.get_num_threads()}):
        numba.set_num_threads(threads)
        own = best_seconds(lambda: project(block, plane, protocol)) / PEER_VIEWS / BLOCK
        name = f"pancreasgen, {threads} core{'s' * (threads > 1)}"
        print(f"  {name:<38}{own * 1e3:9.4f} ms   {peer / own:.0f} times as fast")


def print_goals(goals: list[Goal]) -> bool:
    """Print what was wanted and got; return whether all goals are met."""
    print("\n".join(map(str, goals)))
    return all(goal.met for goal in goals)


def keep_to_cores() -> int:
    """Keep this process and its children to the first two cores, where the system lets us; return their number."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    return len(os.sched_getaffinity(0))


def measure_case(quick: bool, repeat: int, cores: int) -> list[Goal]:
    """Print all figures of a case; return the goals."""
    warm = sum(row[1] for row in in_new_process(quick=True))
    print(f"first run, a quick case, not counted: {warm:.1f} s\n", flush=True)
    seconds, gigabytes = print_stages([in_new_process(quick) for _ in range(repeat)])
    print(flush=True)
    slowest_help = print_helps()
    print(flush=True)
    print_peer(quick)
    name = "quick" if quick else "standard"
    goals = [Goal(f"{name} case on {cores} cores", seconds, GOALS_S[name], "s")]
    if not quick:
        goals.append(Goal("its memory", gigabytes, GOAL_STANDARD_GB, "GB"))
    return [*goals, Goal("slowest --help", slowest_help, GOAL_HELP_S, "s")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--part", choices=["all", "case", "grammar", "network", "phantom"], default="all", help="what to measure (all)"
    )
    parser.add_argument("--case", choices=sorted(GOALS_S), default="standard", help="size of the case (standard)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="counted runs of case and phantom (1)")
    parser.add_argument(
        "--peers", metavar="PYTHON", help="the Python of an environment that has svv, to grow beside it"
    )
    given = parser.parse_args()
    if given.repeat < 1:
        parser.error("--repeat must be at least 1")
    if given.peers and not (given.part in ("all", "network") and shutil.which(given.peers)):
        parser.error(f"--peers goes with --part network or all, and names a Python that can be run, not {given.peers}")
    cores = keep_to_cores()
    load = f", load before {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("pancreasgen", "numpy", "numba", "scipy"))
    print(f"{given.part if given.part != 'case' else given.case + ' case'}, {cores} cores, {platform.machine()}{load}")
    print(f"Python {platform.python_version()}, {versions}\n", flush=True)
    goals: list[Goal] = []
    if given.part in ("all", "grammar"):
        goals += bench_grammar.measure()
        print(flush=True)
    if given.part in ("all", "network"):
        goals += bench_network.measure(given.peers)
        print(flush=True)
    if given.part in ("all", "phantom"):
        goals += bench_phantom.measure(given.repeat)
        print(flush=True)
    if given.part in ("all", "case"):
        goals += measure_case(given.case == "quick", given.repeat, cores)
        print(flush=True)
    return 0 if print_goals(goals) else 1


if __name__ == "__main__":
    sys.exit(main())
