"""Measure the grammar engine: rewriting, beside its peers; memory; loading a grammar; growing a picture.

    python scripts/bench.py --part grammar

Rewriting: a stochastic parametric system until the string has 10⁶ and 10⁷ modules, on one core, kernels warm. Peers
rewrite the same system on the same core in the same run: lindenmayer.js under node, which npm fetches into a folder
that is deleted afterwards, and a plain interpreter over Python objects, the slow twin of the tests, without its search
for contexts where a rule has none.

Memory: in a fresh process, which has derived a short string before, the peak of resident memory while one derivation
runs, less what was resident before it, by the length of the final string. Linux alone lets the peak be read so.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import count, pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = """lsystem 1
param a = 0.9
param b = 0.7
module A(l: mm, w: mm)
axiom: A(1, 0.1)
production:
grow: A(l,w) : l>1e-4 --> !(w)F(l)[+(30)A(l*a,w*b)]/(137.5)A(l*a,w*b) : 0.7 --> !(w)F(l)A(l*a,w*b) : 0.3
"""
BRANCHING, BRANCHING_ERROR = 0.7, 0.02  # share of rewritten modules that branch; by chance it strays by 0.002
CAP, KEY = 50_000_000, 1
PEER, PEER_MODULES, PEER_RUNS = "lindenmayer@1.5.4", 1e6, 5
TWIN_MODULES, TWIN_RUNS = 1e5, 3
PUBLISHED = "cpfg (C), as published, not run here:  7.0–7.5 M modules/s"
SIZES = ((1e6, 5, 10.0), (1e7, 3, 6.0))  # modules, counted runs, goal [M modules/s]
GOAL_BYTES, GOAL_LOAD_MS, GOAL_GROW_S = 60.0, 40.0, 2.5
LOADED, LOAD_RUNS = "human_pancreas", 5
GROWN, GROW_RUNS = ("abop/plant", "human_pancreas"), 3


@dataclass(frozen=True, slots=True)
class Goal:
    """What was wanted and got; ``limit`` is to be stayed under, or reached if ``least``."""

    name: str
    got: float
    limit: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        return self.got >= self.limit if self.least else self.got < self.limit

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        wanted = f"wanted {'at least' if self.least else 'under'} {self.limit:g}{unit}"
        return f"goal {'met   ' if self.met else 'MISSED'}  {self.name}: {self.got:.2f}{unit}, {wanted}"


@dataclass(frozen=True, slots=True)
class Speed:
    """Counted derivations of one engine: modules of each final string and seconds."""

    name: str
    modules: list[int]
    seconds: list[float]

    def rate(self, choose: Callable[[list[float]], float]) -> float:
        """Return modules/s [M]: the median or the best of the runs."""
        return choose([modules / seconds / 1e6 for modules, seconds in zip(self.modules, self.seconds, strict=True)])


def one_core() -> None:
    """Keep this process, and what it starts, to one core, where the system lets us."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])


def in_fresh_process(work: Callable[..., Any], *given: Any) -> Any:
    """Return what a function of this file returns in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def system() -> Any:
    """Return the grammar, with more modules allowed than a file may have."""
    from pancreasgen.grammar.grammar import Limits
    from pancreasgen.grammar.syntax import parse_grammar

    return replace(parse_grammar(SYSTEM), limits=Limits(modules=CAP))


def steps_for(grammar: Any, modules: float) -> int:
    """Return after how many steps the string has at least so many modules; kernels are warm afterwards."""
    from pancreasgen.grammar.rewrite import derive

    for steps in count(1):
        derivation = derive(grammar, key=KEY, steps=steps)
        if derivation.steps < steps:
            raise RuntimeError(f"the system ends after {derivation.steps} steps: {derivation.reason}")
        if len(derivation.word) >= modules:
            return steps
    raise AssertionError("count does not end")


def engine_speed(modules: float, runs: int) -> Speed:
    """Derive a string of at least so many modules a few times, in this process."""
    from pancreasgen.grammar.rewrite import derive

    one_core()
    grammar, sizes, times = system(), [], []
    steps = steps_for(grammar, modules)
    for _ in range(runs):
        began = time.perf_counter()
        word = derive(grammar, key=KEY, steps=steps).word
        times.append(time.perf_counter() - began)
        sizes.append(len(word))
        del word
    return Speed(f"pancreasgen, {steps} steps", sizes, times)


def twin_speed() -> Speed:
    """Derive a string with the interpreter over Python objects, and hold it against the engine's."""
    sys.path.insert(0, str(ROOT))
    from pancreasgen.grammar.rewrite import derive
    from tests.twins import PlainEngine

    one_core()

    class Interpreter(PlainEngine):
        """The twin walks from the root for every left context, even one of no modules; here it does not."""

        def behind(self, word: Any, place: int, items: Any) -> Any:
            return super().behind(word, place, items) if items else []

    grammar, sizes, times = system(), [], []
    steps = steps_for(grammar, TWIN_MODULES)
    engine = len(derive(grammar, key=KEY, steps=steps).word)
    for _ in range(TWIN_RUNS):
        began = time.perf_counter()
        sizes.append(len(Interpreter(grammar, KEY).derive(steps)))
        times.append(time.perf_counter() - began)
    if set(sizes) != {engine}:
        raise RuntimeError(f"engine and plain interpreter differ: {engine} and {sizes} modules")
    return Speed("interpreter over Python objects", sizes, times)


def node_speed() -> Speed | str:
    """Derive a string with lindenmayer.js; return why not if it cannot be had here."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return f"{PEER} skipped: there is no {'npm' if node else 'node'} on this machine"
    one_core()
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", PEER]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode:
            return f"{PEER} skipped: npm could not install it: {(done.stderr.strip().splitlines() or ['no word'])[-1]}"
        package = str(Path(folder) / "node_modules" / "lindenmayer")
        command = [node, str(ROOT / "scripts" / "peers" / "lindenmayer.js"), package, f"{PEER_MODULES:.0f}"]
        said = subprocess.run([*command, str(PEER_RUNS)], check=True, stdout=subprocess.PIPE, text=True).stdout
    runs = json.loads(said)
    share = sum(run["branched"] for run in runs) / sum(run["rewritten"] for run in runs)
    if abs(share - BRANCHING) > BRANCHING_ERROR:
        raise RuntimeError(f"{PEER} derived another system: {share:.3f} of its modules branch, not {BRANCHING}")
    version = subprocess.run([node, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    return Speed(f"{PEER}, node {version}", [run["modules"] for run in runs], [run["seconds"] for run in runs])


def bytes_a_module(modules: float, steps: int) -> float:
    """Return the peak of resident memory during one derivation, less that before it, by module, in this process."""
    from pancreasgen.grammar.rewrite import derive

    one_core()
    grammar = system()
    steps_for(grammar, 20_000)  # every kernel is loaded, the one that lays flat too
    gc.collect()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    if _resident("VmHWM") > 1.1 * before:
        raise RuntimeError("the peak of resident memory cannot be set back on this system")
    word = derive(grammar, key=KEY, steps=steps).word
    peak = _resident("VmHWM")
    if len(word) < modules:
        raise RuntimeError(f"{steps} steps gave {len(word)} modules, not {modules:.0f}")
    return (peak - before) / len(word)


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024


def load_times_ms(text: str) -> tuple[float, float, float]:
    """Return the times of importing the language, and of loading and checking a grammar first and again [ms]."""
    for name in ("lark", "numba", "numpy"):  # other people's imports are not counted
        import_module(name)
    instants = [time.perf_counter()]
    from pancreasgen.grammar.check import check_grammar, checked_program
    from pancreasgen.grammar.syntax import parse_grammar

    instants.append(time.perf_counter())
    for _ in range(2):
        grammar = parse_grammar(text)
        if any(fault.severity == "error" for fault in check_grammar(grammar)):
            raise RuntimeError("the grammar has faults")
        checked_program.cache_clear()
        instants.append(time.perf_counter())
    imported, first, again = (1e3 * (end - begin) for begin, end in pairwise(instants))
    return imported, first, again


def grow_seconds(name: str) -> list[float]:
    """Return the times of ``pancreasgen grow NAME -o x.png`` from a cold shell [s]; the first is not counted."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "x.png"
        for _ in range(1 + GROW_RUNS):
            began = time.perf_counter()
            command = [sys.executable, "-m", "pancreasgen.cli", "grow", name, "-o", str(picture)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - began)
            picture.unlink()
    return times[1:]


def measure_speed() -> list[Goal]:
    """Print the speeds of the engine and its peers; return what was wanted of the engine."""
    engines = [in_fresh_process(engine_speed, modules, runs) for modules, runs, _ in SIZES]
    others = [in_fresh_process(node_speed), in_fresh_process(twin_speed)]
    print(f"{'rewriting, 1 core':<36}{'modules':>12}{'s':>8}{'median M/s':>12}{'best M/s':>10}{'runs':>6}")
    for speed in (one for one in (*engines, *others) if isinstance(one, Speed)):
        middle, best, seconds = speed.rate(statistics.median), speed.rate(max), statistics.median(speed.seconds)
        size = f"{statistics.median_low(speed.modules):,}"
        print(f"  {speed.name:<34}{size:>12}{seconds:>8.3f}{middle:>12.3g}{best:>10.3g}{len(speed.seconds):>6}")
    print(f"  {PUBLISHED}")
    for other in others:
        if isinstance(other, str):
            print(f"  {other}")
            continue
        times = [engines[0].rate(choose) / other.rate(choose) for choose in (statistics.median, max)]
        print(f"  pancreasgen is {times[0]:.1f} times as fast as {other.name} (best runs: {times[1]:.1f})")
    named = zip(engines, SIZES, strict=True)
    return [Goal(f"rewriting to {n:,.0f} modules", one.rate(statistics.median), goal, "M/s", True)
            for one, (n, _, goal) in named]  # fmt: skip


def measure_memory() -> list[Goal]:
    """Print the memory of a derivation; return what was wanted of it."""
    if not Path("/proc/self/clear_refs").exists():
        print("memory of a derivation not measured: this system does not let a process set its peak back")
        return []
    goals = []
    for modules, _, _ in SIZES:
        steps = in_fresh_process(_steps, modules)
        goals.append(Goal(f"memory to {modules:,.0f} modules", in_fresh_process(bytes_a_module, modules, steps),
                          GOAL_BYTES, "bytes/module"))  # fmt: skip
    listed = ", ".join(f"{goal.got:.1f} {goal.name.removeprefix('memory ')}" for goal in goals)
    print(f"memory, peak less before, fresh process [bytes/module]: {listed}")
    return goals


def _steps(modules: float) -> int:
    return steps_for(system(), modules)


def measure() -> list[Goal]:
    """Print all figures of the grammar; return the goals."""
    goals = [*measure_speed(), *measure_memory()]
    text = (ROOT / "grammars" / f"{LOADED}.lsys").read_text(encoding="utf-8")
    times = [in_fresh_process(load_times_ms, text) for _ in range(LOAD_RUNS)]
    imported, first, later = (statistics.median(column) for column in zip(*times, strict=True))
    lines = len(text.splitlines())
    print(f"loading and checking {LOADED}, {lines} lines, in a fresh process, median of {LOAD_RUNS} [ms]:")
    print(f"  first {first:.1f}, again {later:.1f}; before it, importing the language, parser tables and all, but not")
    print(f"  numpy, numba and lark: {imported:.1f}")
    goals.append(Goal(f"loading {LOADED}, first time", first, GOAL_LOAD_MS, "ms"))
    for name in GROWN:
        seconds = grow_seconds(name)
        print(f"grow {name} -o x.png, cold shell [s]: {', '.join(f'{one:.2f}' for one in seconds)}")
        goals.append(Goal(f"grow {name} -o x.png", statistics.median(seconds), GOAL_GROW_S, "s"))
    return goals
