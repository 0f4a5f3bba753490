"""One case, from its number to its folder: what every worker does, wherever it runs."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pancreasgen.base.errors import CannotCreateError, DiskError, LockedError, NoPermissionError, PancreasgenError
from pancreasgen.dataset.attempts import settled_case
from pancreasgen.dataset.build import Report
from pancreasgen.dataset.disk import explained
from pancreasgen.dataset.files import Painters, case_facts, case_files
from pancreasgen.dataset.layout import Store
from pancreasgen.dataset.quarantine import Failure
from pancreasgen.dataset.settings import Settings
from pancreasgen.dataset.store import write_case

Watch = Callable[[int, str, float], None]
"""Called with a case's index, the name of its stage and how much of it is done; stage ``done`` comes last."""

FATAL = (DiskError, NoPermissionError, CannotCreateError, LockedError)
"""Errors of the place, not of the case: they end the run."""


@dataclass(frozen=True, slots=True)
class Made:
    """A finished case as it is written.

    Attributes:
        files: Name → content of everything but ``case.json``.
        facts: Content of ``case.json`` but for the files' hashes.
        failed: Names of the checks that it did not pass.
        rejected: For each draw before it, why it was no case.
    """

    files: Mapping[str, bytes]
    facts: Mapping[str, Any]
    failed: tuple[str, ...] = ()
    rejected: tuple[tuple[str, ...], ...] = ()


Maker = Callable[[Settings, int, Painters, Report], Made]


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


def make(settings: Settings, index: int, painters: Painters, report: Report) -> Made:
    """Build a case and its files."""
    case = settled_case(settings, index, report)
    failed = tuple(check.name for check in case.checks if not check.passed)
    report("write", 0.0)
    return Made(case_files(case, painters, settings.schemes), case_facts(case), failed, case.recipe.rejected)


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker must know.

    Attributes:
        store: The dataset's folder.
        settings: What all cases share.
        painters: Further files of a case; the functions must be importable.
        maker: Makes a case; importable.
    """

    store: Store
    settings: Settings
    painters: Painters
    maker: Maker = make


def attempt(work: Work, index: int, watch: Watch) -> Record | Failure:
    """Make one case and write it; whatever is wrong with the case itself comes back as a failure.

    Raises:
        PancreasgenError: One of FATAL, if the place is at fault and not the case.
    """
    started = time.perf_counter()
    try:
        made = work.maker(work.settings, index, work.painters, lambda stage, done: watch(index, stage, done))
        write_case(work.store, index, made.files, made.facts)
    except FATAL:
        raise
    except PancreasgenError as error:
        return Failure(index, error.message, error=error)
    except MemoryError:
        return Failure(index, "memory ran out", traceback.format_exc(), by_chance=True)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            return Failure(index, "memory ran out", traceback.format_exc(), by_chance=True)
        raise explained(error, work.store.root, "write") from error
    except Exception as error:  # a bug costs one case, and is told with its trace
        return Failure(index, f"a bug in pancreasgen: {type(error).__name__}: {error}", traceback.format_exc())
    watch(index, "done", 1.0)
    return Record(index, time.perf_counter() - started, made.failed, made.rejected)
