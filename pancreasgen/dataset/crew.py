"""Workers on this machine: one process each, with one case at a time, so that whoever dies costs only his own case."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from pancreasgen.dataset.quarantine import Failure
from pancreasgen.dataset.work import Record, Watch, Work, attempt

News = tuple[int, str, float]
Result = Record | Failure
_PR_SET_PDEATHSIG = 1
_OOM_SCORE = Path("/proc/self/oom_score_adj")


class Crew(Protocol):
    """Workers that make cases."""

    @property
    def size(self) -> int:
        """How many cases can be in work at once."""

    def start(self, index: int) -> Future[Result]:
        """Begin a case; at most ``size`` of them at once."""

    def result(self, future: Future[Result], index: int) -> Result:
        """Return what came of a finished case; a death of its worker comes back as a failure."""

    def news(self) -> Iterator[News]:
        """Yield what workers have told since the last time."""

    def has_begun(self, index: int) -> bool:
        """Whether a worker is at the case; one that still starts is not."""

    def stop(self, index: int) -> None:
        """Give a case up that takes too long; its future is of no use any more."""

    def close(self) -> None:
        """End all workers, whatever they do."""


class _Lane:
    """One worker process and the pipe through which it tells its news."""

    def __init__(self, work: Work, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._listen, tell = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            1, mp_context=context, initializer=_start_worker, initargs=(os.getpid(), threads, work, tell)
        )
        before = set(multiprocessing.active_children())
        self.index = -1
        self._ready = self._pool.submit(_idle)
        self.process: BaseProcess = (set(multiprocessing.active_children()) - before).pop()
        tell.close()  # so that a worker's death ends the pipe

    def start(self, index: int) -> Future[Result]:
        """Begin a case."""
        self.index = index
        return self._pool.submit(_work, index)

    @property
    def is_ready(self) -> bool:
        """Whether the process has started."""
        return self._ready.done()

    def news(self) -> Iterator[News]:
        """Yield what the worker has told; a worker that died in mid-sentence has told nothing."""
        with contextlib.suppress(EOFError, OSError):
            while self._listen.poll():
                yield self._listen.recv()

    def end(self) -> None:
        """Kill the process and wait until it is gone: cases are whole or absent, so nothing can be lost."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.process.kill()  # does nothing to a process that the pool has already found dead
        self.process.join()
        self._pool.shutdown()
        self._listen.close()


class Processes:
    """A crew of processes.

    Args:
        work: What they must know.
        size: How many.
        threads: Threads of the kernels in each.
    """

    def __init__(self, work: Work, size: int, threads: int) -> None:
        """Keep what workers need; each is started with its first case."""
        self.size = size
        self._work, self._threads = work, threads
        self._lanes: list[_Lane] = []

    def start(self, index: int) -> Future[Result]:
        """Begin a case in an idle process, or in a new one."""
        idle = next((lane for lane in self._lanes if lane.index < 0), None)
        if idle is None:
            idle = _Lane(self._work, self._threads)
            self._lanes.append(idle)
        return idle.start(index)

    def result(self, future: Future[Result], index: int) -> Result:
        """Return what came of a case. A worker that died is not used again."""
        lane = self._lane_of(index)
        try:
            result = future.result()
        except BrokenProcessPool:
            self._lanes.remove(lane)
            lane.end()
            return Failure(index, f"its worker {_how_it_ended(lane.process.exitcode)}", by_chance=True)
        lane.index = -1
        return result

    def news(self) -> Iterator[News]:
        """Yield what workers have told since the last time."""
        for lane in self._lanes:
            yield from lane.news()

    def has_begun(self, index: int) -> bool:
        """Whether the process of a case has started."""
        return self._lane_of(index).is_ready

    def stop(self, index: int) -> None:
        """Kill the process of a case."""
        lane = self._lane_of(index)
        self._lanes.remove(lane)
        lane.end()

    def close(self) -> None:
        """End all workers."""
        for lane in self._lanes:
            lane.end()
        self._lanes.clear()

    def _lane_of(self, index: int) -> _Lane:
        return next(lane for lane in self._lanes if lane.index == index)


def _how_it_ended(code: int | None) -> str:
    """Say in words how a process ended.

    >>> _how_it_ended(-11), _how_it_ended(3)
    ('was ended by SIGSEGV', 'ended with code 3')
    """
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"was ended by {name}" + (", perhaps because memory ran out" if name == "SIGKILL" else "")
    return "died" if code is None else f"ended with code {code}"


_worker: tuple[Work, Watch] | None = None


def _start_worker(parent: int, threads: int, work: Work, tell: Connection) -> None:
    """Set up a worker: it dies with its parent, leaves Ctrl-C to it, and uses its share of the cores."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with(parent)
    with contextlib.suppress(OSError):  # where memory runs out, a worker is to go, not the one who minds them
        _OOM_SCORE.write_text("900", encoding="ascii")
    use_threads(threads)
    last: dict[int, tuple[str, int]] = {}

    def watch(index: int, stage: str, fraction: float) -> None:
        step = (stage, int(10 * fraction))
        if last.get(index) != step:  # a tenth of a stage is news; more would only fill the pipe
            last.clear()
            last[index] = step
            tell.send((index, stage, fraction))

    _worker = (work, watch)


def use_threads(threads: int) -> None:
    """Let the kernels of this thread of the program use so many threads."""
    import numba

    numba.set_num_threads(max(1, min(threads, numba.config.NUMBA_NUM_THREADS)))


def _idle() -> None:
    """Do nothing: a process's first task, so that it exists."""


def _work(index: int) -> Result:
    if _worker is None:
        raise RuntimeError("the worker was not set up")
    work, watch = _worker
    return attempt(work, index, watch)


def _die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent ends; a parent that is gone already ends it now."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
