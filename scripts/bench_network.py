"""Measure the growth of ducts in an adult gland, small and large, beside its peers.

    python scripts/bench.py --part network [--peers PYTHON]

Growth: rules, fill passes, radii and the check of the finished tree, until the network is there; neither shaping the
gland nor measuring the network is counted. Each size has a fresh process on one core, with one thread, which grows a
coarse network first: a kernel is compiled or loaded there. Times are medians; the goals of seconds are for wall time,
and where it is far longer than CPU time, which is told, something else was at work. Memory is the peak of resident
memory of that process after the first counted growth: Python, libraries, gland and all. A size is set by the grammar's
``ducts.grain``.

The exponent is log(t2/t1) / log(n2/n1) between the sizes: 1 if a segment costs the same in a large network. It and
the ratio to a peer are of CPU times: a neighbour that slows the small size only would feign a better exponent.

Peers grow what is smallest here, and so does the engine, for the ratio. PYTHON is the interpreter of an environment of
svv's own (``python -m venv F && F/bin/pip install svv``), which grows into the same gland on the same core in the same
run. Peers that are not run here are told with published figures of other machines, and no ratio is made of those.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_grammar import ROOT, Goal, in_fresh_process, one_core

GRAMMAR, SEED = "human_pancreas", 2
WARM_GRAIN = 3.0  # the coarsest that the grammar allows: about 1,000 segments


@dataclass(frozen=True, slots=True)
class Size:
    """A size of network, how often it is grown, and what is wanted of it."""

    name: str
    grain: float
    runs: int
    goal_s: float | None = None
    goal_mb: float | None = None
    least: int = 0  # segments that the goal is about


PEER_SIZE = Size("as the peers", WARM_GRAIN, 5)
SIZES = (Size("adult", 1.0, 5, 1.5, 500.0, 20_000), Size("fine", 0.49, 3, 12.0, None, 200_000))
GOAL_EXPONENT = 1.2
SVV_SEGMENTS = 995  # as the published figures have it
SVV_RUNS, SVV_LIMIT_S = 3, 300
DISTURBED = 1.1  # wall time over CPU time: one thread on a core of its own has 1.0
PUBLISHED = (  # name, segments, seconds: from the project's notes (issue 4), not measured here
    ("OpenCCO (C++)", 995, 4.8),
    ("VascuSynth (C++)", 995, 79.0),
)


@dataclass(frozen=True, slots=True)
class Growth:
    """Counted growths of one size: segments, seconds each, memory, and the tissue's distance to the nearest duct."""

    segments: int
    wall_s: list[float]
    cpu_s: list[float]
    peak_mb: float
    coverage_mm: tuple[float, float, float]

    @property
    def wall(self) -> float:
        return statistics.median(self.wall_s)

    @property
    def cpu(self) -> float:
        return statistics.median(self.cpu_s)

    @property
    def disturbed(self) -> bool:
        return self.wall > DISTURBED * self.cpu


def peak_gb() -> float:
    """Return the largest memory that this process has had so far [GB]."""
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss may be inherited from the parent, VmHWM is not
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e9
    import resource  # not on Windows, where the peak cannot be read so

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def exponent(small: tuple[int, float], large: tuple[int, float]) -> float:
    """Return by which power of its segments the time of a network grows; each is segments, seconds.

    >>> round(exponent((1_000, 1.0), (4_000, 8.0)), 3)
    1.5
    """
    return math.log(large[1] / small[1]) / math.log(large[0] / small[0])


def gland_and_rules(grain: float) -> tuple[Any, Any, Any, Any]:
    """Return grammar, organ, values of parameters and chance of one adult, with structures of this grain."""
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings
    from pancreasgen.organ.gland import shape_organ

    settings = make_settings(find_grammar(GRAMMAR), seed=SEED, overrides={"ducts.grain": f"{grain:g}"})
    recipe = settings.recipe(0)
    organ = shape_organ(recipe.subject.gland, recipe.chance("organ"))
    return settings.rules, organ, recipe.subject.ducts, recipe.chance("growth")


def growth(grain: float, runs: int) -> Growth:
    """Grow a network a few times in this process, on one core, and measure it afterwards."""
    import numba

    from pancreasgen.network.coverage import coverage_measures
    from pancreasgen.network.grow import grow

    one_core()
    numba.set_num_threads(1)
    grow(*gland_and_rules(WARM_GRAIN))
    rules, organ, values, chance = gland_and_rules(grain)
    wall, cpu, peak, counts = [], [], 0.0, []
    for run in range(runs):
        began = time.perf_counter(), time.process_time()
        network = grow(rules, organ, values, chance)
        cpu.append(time.process_time() - began[1])
        wall.append(time.perf_counter() - began[0])
        counts.append(len(network.segments))
        peak = peak or 1e3 * peak_gb()
        if run < runs - 1:
            del network
    if len(set(counts)) > 1:
        raise RuntimeError(f"one chance grew networks of different sizes: {counts} segments")
    told = coverage_measures(network, organ)
    far = tuple(told[f"tissue_to_duct_{name}_mm"] for name in ("median", "p95", "max"))
    return Growth(counts[0], wall, cpu, peak, far)


def grown(size: Size) -> Growth:
    """Return the growths of a size, made in a fresh process."""
    told: Growth = in_fresh_process(growth, size.grain, size.runs)
    return told


def svv_speed(python: str, segments: int) -> dict[str, Any] | str:
    """Grow vessels with svv in the same gland, on one core; return what it told, or why it could not be measured."""
    import numpy as np

    one_core()
    distance = gland_and_rules(1.0)[1].distance
    alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        gland = Path(folder) / "gland.npz"
        np.savez(gland, distance=distance.data, spacing_mm=np.array(distance.grid.spacing_mm))
        command = [python, "-E", str(ROOT / "scripts" / "peers" / "grow_svv.py"), str(gland), str(segments), str(SEED)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=SVV_LIMIT_S, env={**os.environ, **alone}
            )
        except subprocess.TimeoutExpired:
            return f"svv not measured: {segments} segments took longer than {SVV_LIMIT_S} s"
    if done.returncode:
        return f"svv not measured with {python}: {(done.stderr.strip().splitlines() or ['no word'])[-1]}"
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def svv_runs(python: str) -> list[dict[str, Any]] | str:
    """Return what svv told in a few runs, or why there are none."""
    runs = []
    for _ in range(SVV_RUNS):
        told = in_fresh_process(svv_speed, python, SVV_SEGMENTS)
        if isinstance(told, str):
            return told
        runs.append(told)
    return runs


def print_growth(named: list[tuple[Size, Growth]]) -> None:
    """Print time, memory and coverage of each size."""
    head = f"{'growth, 1 core':<16}{'segments':>10}{'wall s':>9}{'CPU s':>8}{'µs each':>9}{'peak MB':>9}"
    print(f"{head}   tissue to duct, median / 95 % / max [mm]")
    for size, one in named:
        far = " / ".join(f"{value:.2f}" for value in one.coverage_mm)
        each = 1e6 * one.cpu / one.segments
        numbers = f"{one.segments:>10,}{one.wall:>9.3f}{one.cpu:>8.3f}{each:>9.1f}{one.peak_mb:>9.0f}"
        runs = ", ".join(f"{wall:.2f}" for wall in one.wall_s)
        print(f"  {size.name:<14}{numbers}   {far}   (runs: {runs} s)")
    for size, one in named:
        if one.disturbed:
            print(
                f"  {size.name}: {one.wall / one.cpu:.2f} times as long as its CPU time, so something else was at work;"
            )
            print("    measure again when it is not")


def print_peers(own: Growth, svv: list[dict[str, Any]] | str) -> None:
    """Print segments per second of the engine and of svv here, and of others as published.

    svv: what each of its runs told, or why there is none.
    """
    print(f"{'peers':<42}{'segments':>9}{'wall s':>9}{'CPU s':>9}{'per CPU s':>11}{'runs':>6}")
    rate = own.segments / own.cpu
    print(f"  {'pancreasgen':<40}{own.segments:>9,}{own.wall:>9.2f}{own.cpu:>9.2f}{rate:>11,.1f}{len(own.wall_s):>6}")
    if isinstance(svv, str):
        print(f"  {svv}")
    else:
        count, wall, cpu, fit = (
            statistics.median(run[name] for run in svv) for name in ("segments", "wall_s", "cpu_s", "fit_s")
        )
        name = f"svv {svv[0]['version']}, same gland"
        print(f"  {name:<40}{count:>9,.0f}{wall:>9.2f}{cpu:>9.2f}{count / cpu:>11,.1f}{len(svv):>6}")
        print(f"    before it, fitting the gland, not counted: {fit:.1f} s")
        print(f"  pancreasgen grows {rate * cpu / count:,.0f} times as many segments per CPU second as svv")
    print("  published, other machines, not run here:")
    for name, segments, seconds in PUBLISHED:
        print(f"    {name:<38}{segments:>9,}{seconds:>9.1f}{'':>9}{f'{segments / seconds:,.1f} per s':>17}")


def goals_of(named: list[tuple[Size, Growth]]) -> list[Goal]:
    """Return what was wanted and got: size, seconds and memory of each network, and the exponent between two."""
    goals = []
    for size, one in named:
        if size.least:
            goals.append(
                Goal(
                    f"size of the {size.name} network", one.segments / 1e3, size.least / 1e3, "thousand segments", True
                )
            )
        if size.goal_s is not None:
            goals.append(Goal(f"growing {one.segments:,} segments", one.wall, size.goal_s, "s"))
        if size.goal_mb is not None:
            goals.append(Goal(f"memory of {one.segments:,} segments", one.peak_mb, size.goal_mb, "MB"))
    (_, small), (_, large) = named[0], named[-1]
    power = exponent((small.segments, small.cpu), (large.segments, large.cpu))
    goals.append(Goal(f"exponent from {small.segments:,} to {large.segments:,} segments", power, GOAL_EXPONENT, ""))
    return goals


def measure(peers: str | None = None) -> list[Goal]:
    """Print all figures of growth; return the goals.

    peers: the Python of an environment that has svv, if it shall be run.
    """
    grown(Size("not counted", WARM_GRAIN, 1))  # compiles, where nothing is cached yet
    named = [(size, grown(size)) for size in SIZES]
    print_growth(named)
    goals = goals_of(named)
    print(f"exponent of CPU time over segments: {goals[-1].got:.2f}", flush=True)
    svv = svv_runs(peers) if peers else "svv not run: no --peers PYTHON was given"
    print_peers(grown(PEER_SIZE), svv)
    return goals
