"""Progress: bars on a terminal, silence in a pipe; and a word before the first, slow use of the kernels."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

Watch = Callable[[int, str, float], None]
STAGES = ("organ", "ducts", "tissue", "scan", "truth", "write", "done")
_SHARES = {"organ": 0.0, "ducts": 0.05, "tissue": 0.2, "scan": 0.4, "truth": 0.85, "write": 0.92, "done": 1.0}


@contextmanager
def progress(total: int, quiet: bool) -> Iterator[Watch]:
    """Yield a function that takes a case's index, stage and fraction, and shows them if a person is looking.

    Args:
        total: Number of cases.
        quiet: Show nothing.
    """
    if quiet or not sys.stderr.isatty():
        yield show_nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    done: dict[int, float] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=total)

        def watch(index: int, stage: str, fraction: float) -> None:
            done[index] = share_done(stage, fraction)
            bars.update(task, completed=sum(done.values()), description=f"case {index}: {stage}")

        yield watch


def show_nothing(_index: int, _stage: str, _fraction: float) -> None:
    """Watch in silence."""


def share_done(stage: str, fraction: float) -> float:
    """Return how much of a case is done at a stage, 0 to 1.

    >>> share_done("done", 1.0)
    1.0
    """
    place = STAGES.index(stage)
    start = _SHARES[stage]
    end = _SHARES[STAGES[min(place + 1, len(STAGES) - 1)]]
    return start + min(max(fraction, 0.0), 1.0) * (end - start)


def announce_compilation(quiet: bool) -> None:
    """Say that kernels will be compiled, if this installation has none yet."""
    import pancreasgen

    package = Path(pancreasgen.__file__).parent
    if quiet or "NUMBA_CACHE_DIR" in os.environ or any(package.glob("scan/__pycache__/*.nbi")):
        return
    click.echo("first use: compiling the numerical kernels, once, for about a minute …", err=True)
