"""Many cases: an end in good order, and the same result for any number of workers, here or on a cluster."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from types import FrameType

from pancreasgen.base.errors import DiskError
from pancreasgen.dataset.crew import Crew, Processes, Result
from pancreasgen.dataset.files import Painters
from pancreasgen.dataset.layout import Store
from pancreasgen.dataset.manifest import write_manifest
from pancreasgen.dataset.plan import num_cores
from pancreasgen.dataset.quarantine import Failure, lock_up, locked_up, release
from pancreasgen.dataset.settings import Settings
from pancreasgen.dataset.shard import Shard
from pancreasgen.dataset.store import clear_drafts, journal, locked, prepare
from pancreasgen.dataset.work import Maker, Record, Watch, Work, attempt, make

_HOPELESS = 8


@dataclass(frozen=True, slots=True)
class Rules:
    """How a batch is run; nothing here changes a case.

    Attributes:
        scheduler: Address of a dask scheduler, its JSON file, or ``local``; empty for processes of this machine.
        shard: The part of the cases to make; None for all.
        try_again: Whether cases in quarantine are tried again.
        limit_s: Longest time for a case [s].
        tries: How often a case is tried whose failure may be the machine's fault.
        command: Words that make one case again, with ``{index}`` for its number; for reports.
        maker: Makes a case; importable.
    """

    scheduler: str = ""
    shard: Shard | None = None
    try_again: bool = False
    limit_s: float = 1800.0
    tries: int = 3
    command: str = ""
    maker: Maker = make


@dataclass(slots=True)
class Outcome:
    """What came of a batch.

    Attributes:
        num_made: How many cases were made now.
        notable: Records of those that did not pass a check, or were drawn again.
        failures: Cases that could not be made now.
        skipped: Number → reason of the wanted cases that an earlier run could not make.
    """

    num_made: int = 0
    notable: list[Record] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Count a case."""
        self.num_made += 1
        if record.failed or record.rejected:
            self.notable.append(record)


def generate(
    store: Store,
    settings: Settings,
    indices: Sequence[int],
    *,
    workers: int,
    painters: Painters,
    watch: Watch,
    rules: Rules | None = None,
) -> Outcome:
    """Make the cases that are missing, then the manifest.

    Ctrl-C or SIGTERM end it in good order: complete cases stay, drafts vanish, workers end. A case that fails costs
    only itself: the others are made, and its report stands in the quarantine.

    Args:
        store: The dataset's folder, opened.
        settings: What all cases share.
        indices: Numbers of the cases that are wanted, of all shards.
        workers: Number of processes on this machine.
        painters: Further files of a case; the functions must be importable.
        watch: Told about progress.
        rules: How it is run; None for the usual way.

    Raises:
        LockedError: If another run works in the folder.
        DiskError: If the disk is full or fails.
        ClusterError: If there is no cluster where one is wanted.
        PancreasgenError: If no case can be made, because a user's values do not fit together.
    """
    rules = rules or Rules()
    with locked(store), _terminable():
        prepare(store, settings)
        journal(store, {"event": "begun", "shard": store.shard, "workers": workers, "scheduler": rules.scheduler})
        known = {} if rules.try_again else locked_up(store)
        mine = rules.shard.of(indices) if rules.shard else indices
        outcome = Outcome(skipped={index: known[index] for index in known.keys() & set(mine)} if known else {})
        todo = (index for index in mine if index not in known and not store.has_case(index))
        work = Work(store, settings, painters, rules.maker)
        try:
            _make_all(work, todo, workers, watch, rules, outcome)
        finally:
            clear_drafts(store)
            if not rules.shard or _all_there(store, indices):
                write_manifest(store)
            journal(store, {"event": "ended", "shard": store.shard, "made": outcome.num_made})
    return outcome


def _all_there(store: Store, indices: Sequence[int]) -> bool:
    """Whether the cases of all shards are made or given up: the shard that finds so writes the manifest."""
    known = locked_up(store)
    return all(store.has_case(index) or index in known for index in indices)


def _make_all(work: Work, todo: Iterator[int], workers: int, watch: Watch, rules: Rules, outcome: Outcome) -> None:
    first = list(islice(todo, 2))
    if not first:
        return
    if len(first) == 1 and not rules.scheduler:  # one case needs no process of its own
        _settle(work, attempt(work, first[0], watch), 1, rules, outcome)
        _refuse_hopeless(outcome)
        return
    if rules.scheduler:
        from pancreasgen.dataset.cluster import Cluster

        crew: Crew = Cluster(work, rules.scheduler, workers)
    else:
        crew = Processes(work, workers, max(1, num_cores() // workers))
    try:
        _Loop(crew, work, watch, rules, outcome).run(chain(first, todo))
    finally:
        crew.close()
    _refuse_hopeless(outcome)


@dataclass(slots=True)
class _Task:
    """A case in work.

    Attributes:
        index: Its number.
        tries: How often it is tried, with this time.
        began: When [s].
    """

    index: int
    tries: int
    began: float


@dataclass(slots=True)
class _Loop:
    """The loop that keeps a crew busy."""

    crew: Crew
    work: Work
    watch: Watch
    rules: Rules
    outcome: Outcome
    running: dict[Future[Result], _Task] = field(default_factory=dict)
    again: deque[_Task] = field(default_factory=deque)
    deaths: int = 0

    def run(self, todo: Iterator[int]) -> None:
        """Make all cases; those that failed by chance come again at the end, each alone with the machine."""
        while True:
            while len(self.running) < self.crew.size and (index := next(todo, None)) is not None:
                self._start(_Task(index, 1, time.monotonic()))
            if not self.running and self.again:
                task = self.again.popleft()
                self._start(_Task(task.index, task.tries + 1, time.monotonic()))
            if not self.running:
                return
            finished, _ = wait(self.running, timeout=0.2, return_when=FIRST_COMPLETED)
            for item in self.crew.news():
                self.watch(*item)
            for future in finished:
                task = self.running.pop(future)
                self._settle(task, self.crew.result(future, task.index))
            self._stop_slow()

    def _start(self, task: _Task) -> None:
        self.running[self.crew.start(task.index)] = task

    def _settle(self, task: _Task, result: Result) -> None:
        if isinstance(result, Failure) and result.by_chance and task.tries < self.rules.tries:
            self._count_death(task, result)
            journal(self.work.store, {"event": "failed", "case": task.index, "reason": result.reason})
            self.again.append(task)
            return
        if isinstance(result, Record):
            self.deaths = 0
            self.watch(task.index, "done", 1.0)
        _settle(self.work, result, task.tries, self.rules, self.outcome)
        if not self.outcome.num_made and len(self.outcome.failures) >= _HOPELESS:
            _refuse_hopeless(self.outcome)

    def _count_death(self, task: _Task, failure: Failure) -> None:
        """End the run where all first tries die one after the other: it is the machine then, and no case."""
        self.deaths += task.tries == 1
        if self.deaths >= _HOPELESS + 2 * self.crew.size:
            raise DiskError(
                f"{self.deaths} cases died one after the other; the last: {failure.reason}",
                "give the same command again with fewer --workers or more memory: complete cases are kept",
            )

    def _stop_slow(self) -> None:
        now = time.monotonic()
        for future, task in list(self.running.items()):
            if not self.crew.has_begun(task.index):
                task.began = now
            elif now - task.began > self.rules.limit_s:
                del self.running[future]
                self.crew.stop(task.index)
                self._settle(task, Failure(task.index, f"it took longer than {self.rules.limit_s:g} s"))


def _settle(work: Work, result: Result, tries: int, rules: Rules, outcome: Outcome) -> None:
    if isinstance(result, Record):
        journal(work.store, {"event": "made", "case": result.index, "seconds": round(result.seconds, 3)})
        release(work.store, result.index)
        outcome.take(result)
        return
    outcome.failures.append(result)
    lock_up(work.store, result, tries, rules.command.replace("{index}", str(result.index)))
    journal(work.store, {"event": "quarantined", "case": result.index, "reason": result.reason})


def _refuse_hopeless(outcome: Outcome) -> None:
    """Raise the first letter if no case was made and all that were tried failed by what the user gave."""
    errors = [failure.error for failure in outcome.failures if failure.error is not None]
    if not outcome.num_made and errors and len(errors) == len(outcome.failures):
        raise errors[0]


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
