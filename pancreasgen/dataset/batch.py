"""Many cases: workers that write their own files, an end in good order, and the same result for any number of them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import queue
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from pancreasgen.base.errors import DiskError
from pancreasgen.dataset.attempts import settled_case
from pancreasgen.dataset.build import Report
from pancreasgen.dataset.files import Painters, case_facts, case_files
from pancreasgen.dataset.settings import Settings
from pancreasgen.dataset.store import Store, locked, prepare, write_case, write_manifest

Watch = Callable[[int, str, float], None]
"""Called with a case's index, the name of its stage and how much of it is done; stage ``done`` comes last."""

_BYTES_PER_VOXEL, _BASE_BYTES = 64, 700_000_000
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Record:
    """What is told about a case that was made.

    Attributes:
        index: Number of the case.
        seconds: Time it took.
        failed: Names of the checks that it did not pass.
        rejected: For each draw before it, why it was no case.
    """

    index: int
    seconds: float
    failed: tuple[str, ...]
    rejected: tuple[tuple[str, ...], ...] = ()


def generate(
    store: Store, settings: Settings, indices: Sequence[int], *, workers: int, painters: Painters, watch: Watch
) -> list[Record]:
    """Make the cases that are missing, then the manifest.

    Ctrl-C or SIGTERM end it in good order: complete cases stay, drafts vanish, workers end.

    Args:
        store: The dataset's folder, opened.
        settings: What all cases share.
        indices: Numbers of the cases that are wanted.
        workers: Number of processes; 1 works in this one.
        painters: Further files of a case; the functions must be importable.
        watch: Told about progress.

    Returns:
        A record for each case that was made now.

    Raises:
        LockedError: If another run works in the folder.
        DiskError: If a worker dies, or the disk is full.
    """
    with locked(store), _terminable():
        prepare(store, settings)
        missing = [index for index in indices if not store.has_case(index)]
        try:
            if workers == 1 or len(missing) < 2:
                records = [make_case(store, settings, index, painters, watch) for index in missing]
            else:
                records = _in_processes(store, settings, missing, min(workers, len(missing)), painters, watch)
        finally:
            _clear_drafts(store)
            write_manifest(store)
    return records


def make_case(store: Store, settings: Settings, index: int, painters: Painters, watch: Watch) -> Record:
    """Build one case and write it."""
    started = time.perf_counter()
    case = settled_case(settings, index, _report(index, watch))
    watch(index, "write", 0.0)
    write_case(store, index, case_files(case, painters, settings.schemes), case_facts(case))
    watch(index, "done", 1.0)
    failed = tuple(check.name for check in case.checks if not check.passed)
    return Record(index, time.perf_counter() - started, failed, case.recipe.rejected)


def _report(index: int, watch: Watch) -> Report:
    def report(stage: str, fraction: float) -> None:
        watch(index, stage, fraction)

    return report


def _in_processes(
    store: Store, settings: Settings, indices: Sequence[int], workers: int, painters: Painters, watch: Watch
) -> list[Record]:
    context = multiprocessing.get_context("spawn")
    news = context.Queue()
    start = (os.getpid(), max(1, num_cores() // workers), store.root, settings, painters, news)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=start)
    try:
        records = _collect(pool, list(indices), workers, news, watch)
        pool.shutdown()
        return records
    except BrokenProcessPool as error:
        raise DiskError(
            "a worker died, perhaps because memory ran out",
            "give the same command again with fewer --workers: complete cases are kept",
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        _end_children()


def _collect(pool: ProcessPoolExecutor, todo: list[int], workers: int, news: Any, watch: Watch) -> list[Record]:
    """Keep the workers busy, pass on their news, and return their records in the order of the cases."""
    records: list[Record] = []
    running: set[Future[Record]] = set()
    waiting = iter(todo)
    while True:
        while len(running) < 2 * workers and (index := next(waiting, None)) is not None:
            running.add(pool.submit(_work, index))
        if not running:
            return sorted(records, key=lambda record: record.index)
        finished, running = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
        while True:
            try:
                watch(*news.get_nowait())
            except queue.Empty:
                break
        records += [future.result() for future in finished]


_worker: tuple[Store, Settings, Painters, Watch] | None = None


def _start_worker(parent: int, threads: int, root: Path, settings: Settings, painters: Painters, news: Any) -> None:
    """Set up a worker: it dies with its parent, leaves Ctrl-C to it, and uses its share of the cores."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with(parent)
    import numba

    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    last: dict[int, tuple[str, int]] = {}

    def watch(index: int, stage: str, fraction: float) -> None:
        step = (stage, int(10 * fraction))
        if last.get(index) != step:  # a tenth of a stage is news; more would only fill the pipe
            last[index] = step
            news.put((index, stage, fraction))

    _worker = (Store(root), settings, painters, watch)


def _work(index: int) -> Record:
    if _worker is None:
        raise RuntimeError("the worker was not set up")
    store, settings, painters, watch = _worker
    return make_case(store, settings, index, painters, watch)


def _die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent ends; a parent that is gone already ends it now."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _end_children() -> None:
    """End workers that are still at work; after a good run there are none."""
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(timeout=5)
        if child.is_alive():
            child.kill()
            child.join()


def _clear_drafts(store: Store) -> None:
    for draft in list(store.scratch.iterdir()):
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink()


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception inside the block, so that drafts are cleared; rc 143."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sensible_workers(settings: Settings, num_cases: int) -> int:
    """Return a number of workers that cores and free memory allow; at least 1."""
    protocol = settings.protocol
    planes = settings.length_mm / protocol.slice_increment_mm * protocol.rows_per_increment
    need = _BASE_BYTES + _BYTES_PER_VOXEL * protocol.matrix**2 * planes
    return max(1, min(num_cases, num_cores(), int(0.8 * free_memory_bytes() / need)))


def free_memory_bytes() -> int:
    """Return the memory that is free or can be freed; 4 GB where the system does not say."""
    table = Path("/proc/meminfo")
    if table.is_file():
        for line in table.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4_000_000_000
