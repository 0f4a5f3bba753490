"""Measure the phantom of a standard case: how long it takes to compose, and the memory of the whole process.

    python scripts/bench.py --part phantom [--repeat N]

Each run is a process of its own that shapes the gland and grows its ducts first; these are not counted in the seconds,
but they are in the memory, with Python and all libraries. A run before those that count fills the cache of compiled
kernels. The grid has 512 × 512 pixels and 64 slices of 2.5 mm, each made of two thin ones.

Seconds are those of the clock. CPU seconds are told beside them: if the clock's are far more than half of these, either
something else was at work or one core had to wait for the other.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from bench_grammar import Goal
from bench_network import peak_gb

GOAL_S, GOAL_GB = 8.0, 1.5
SHAPE = (512, 512, 128)

Run = tuple[float, float, float, float]  # seconds, CPU seconds, memory before and at the peak [GB]


def compose_once() -> Run:
    """Compose the phantom of the standard case in this process."""
    from pancreasgen.anatomy.phantom import compose
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings
    from pancreasgen.network.illness import grow_in
    from pancreasgen.organ.gland import shape_organ

    recipe = make_settings(find_grammar("human_pancreas"), seed=1).recipe(0)
    subject, grid = recipe.subject, recipe.phantom_grid
    if grid.shape != SHAPE:
        raise RuntimeError(f"the standard case has a grid of {grid.shape}, wanted {SHAPE}")
    organ = shape_organ(subject.gland, recipe.chance("organ"), subject.lesions)
    network, seats = grow_in(recipe.grammar, organ, subject.ducts, subject.lesions, recipe.chance("growth"))
    before, began, cpu = peak_gb(), time.perf_counter(), time.process_time()
    phase, tissue = recipe.protocol.phase, recipe.chance("tissue")
    compose(organ, network, subject.physique, grid, phase, tissue, recipe.vessels, seats)
    return time.perf_counter() - began, time.process_time() - cpu, before, peak_gb()


def _fresh() -> Run:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(compose_once).result()


def measure(repeat: int) -> list[Goal]:
    """Print the figures of each run; return the goals."""
    _fresh()
    runs = [_fresh() for _ in range(repeat)]
    print(f"{'phantom':<10}{'seconds':>9}{'CPU s':>9}{'GB before':>11}{'peak GB':>9}")
    for number, (seconds, cpu, before, peak) in enumerate(runs, 1):
        print(f"{'run ' + str(number):<10}{seconds:>9.2f}{cpu:>9.2f}{before:>11.2f}{peak:>9.2f}")
    seconds, peak = statistics.median(run[0] for run in runs), max(run[3] for run in runs)
    return [Goal("standard phantom", seconds, GOAL_S, "s"), Goal("its memory", peak, GOAL_GB, "GB")]
