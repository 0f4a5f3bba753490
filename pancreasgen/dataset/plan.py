"""What a batch will need: memory, disk, files, time; and a refusal, before any work, of what cannot fit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pancreasgen.base.errors import PlanError
from pancreasgen.dataset.disk import explaining
from pancreasgen.dataset.layout import Store
from pancreasgen.dataset.settings import Settings
from pancreasgen.dataset.store import journalled_seconds

_BYTES_PER_VOXEL, _BASE_BYTES = 64, 700_000_000
MOST_VOXELS = 256_000_000
"""Largest CT of a case."""
_DISK_BYTES_PER_VOXEL, _DISK_BASE_BYTES = 1.2, 24_000_000  # a CT of 16.8 million voxels came to 43 MB, 23 of them ducts
_FILES_PER_CASE = 10
_MOST_PILOTS = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch will need.

    Attributes:
        num_cases: How many cases are to be made.
        workers: How many at once.
        voxels: Voxels of a CT.
        worker_bytes: Peak memory of a worker.
        disk_bytes: Disk space of all cases.
        num_files: Files of all cases.
        free_memory: Memory that is free or can be freed [bytes].
        free_disk: Free space where the dataset goes [bytes].
        pilots: How many finished cases of the dataset were measured.
        case_s: Mean time of those [s]; 0 if none was measured.
    """

    num_cases: int
    workers: int
    voxels: int
    worker_bytes: int
    disk_bytes: int
    num_files: int
    free_memory: int
    free_disk: int
    pilots: int = 0
    case_s: float = 0.0

    @property
    def most_workers(self) -> int:
        """Largest number of workers that memory allows."""
        return self.free_memory // self.worker_bytes

    def lines(self) -> list[str]:
        """Return the plan in words."""
        gb = 1e9
        memory = (
            f"memory: {self.worker_bytes / gb:.1f} GB a worker, {self.workers * self.worker_bytes / gb:.1f} GB in all"
        )
        time = "time: unknown until the dataset has cases; make two with -n 2, then ask again"
        if self.case_s:
            hours = self.num_cases * self.case_s / self.workers / 3600
            time = f"time: {self.case_s:.0f} s a case (mean of {self.pilots}), {hours:.1f} h in all"
        return [
            f"{self.num_cases:,} cases to make, {self.workers} at once, {self.voxels / 1e6:.1f} M voxels each",
            f"{memory}; {self.free_memory / gb:.1f} GB free, enough for {self.most_workers} workers",
            f"disk: {self.disk_bytes / gb:.2f} GB in {self.num_files:,} files; {self.free_disk / gb:.1f} GB free",
            time,
        ]


def make_plan(settings: Settings, store: Store, indices: Sequence[int], workers: int) -> Plan:
    """Return what a batch will need, from the settings; finished cases of the dataset serve as pilots.

    Args:
        settings: What all cases share.
        store: The dataset's folder; it need not exist.
        indices: The cases that are wanted.
        workers: How many at once.
    """
    missing = sum(not store.has_case(index) for index in indices) if store.cases.is_dir() else len(indices)
    protocol = settings.protocol
    voxels = round(protocol.matrix**2 * settings.length_mm / protocol.slice_increment_mm)
    case_bytes = _DISK_BASE_BYTES + _DISK_BYTES_PER_VOXEL * voxels
    files = float(_FILES_PER_CASE + len(settings.keep))
    pilots = [_size(folder) for folder in islice(store.case_folders(), _MOST_PILOTS)]
    if pilots:
        case_bytes, files = (sum(pilot[i] for pilot in pilots) / len(pilots) for i in range(2))
    seconds = journalled_seconds(store)
    return Plan(
        num_cases=missing,
        workers=workers,
        voxels=voxels,
        worker_bytes=worker_bytes(settings),
        disk_bytes=int(missing * case_bytes),
        num_files=int(missing * files),
        free_memory=free_memory_bytes(),
        free_disk=free_disk_bytes(store.root),
        pilots=len(seconds),
        case_s=sum(seconds) / len(seconds) if seconds else 0.0,
    )


def _size(folder: Path) -> tuple[int, int]:
    """Return bytes and number of the files of a case."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)


def refuse_too_much(plan: Plan) -> None:
    """Refuse a plan that cannot fit.

    Raises:
        PlanError: If memory or disk is too small, or a CT too large; the message names both numbers.
    """
    if plan.voxels > MOST_VOXELS:
        raise PlanError(
            f"a CT would have {plan.voxels:,} voxels; {MOST_VOXELS:,} are the most",
            "give a smaller protocol.matrix, a larger protocol.slice_increment_mm, or a smaller image.length_mm",
        )
    if plan.workers > max(1, plan.most_workers):
        wanted = f"{plan.workers} workers need {plan.workers * plan.worker_bytes / 1e9:.1f} GB of memory"
        most = max(1, plan.most_workers)
        raise PlanError(
            f"{wanted}; {plan.free_memory / 1e9:.1f} GB are free", f"the most that fits is --workers {most}"
        )
    if plan.disk_bytes > plan.free_disk:
        fits = int(plan.num_cases * plan.free_disk / plan.disk_bytes)
        wanted = f"{plan.num_cases:,} cases need about {plan.disk_bytes / 1e9:.1f} GB of disk"
        lacking = (plan.disk_bytes - plan.free_disk) / 1e9
        raise PlanError(
            f"{wanted}; {plan.free_disk / 1e9:.1f} GB are free, {lacking:.1f} GB are missing",
            f"about {fits:,} cases fit; choose another disk with -o, or fewer cases with -n",
        )


def worker_bytes(settings: Settings) -> int:
    """Return the memory that a worker needs at most [bytes], from protocol and length."""
    protocol = settings.protocol
    planes = settings.length_mm / protocol.slice_increment_mm * protocol.rows_per_increment
    return int(_BASE_BYTES + _BYTES_PER_VOXEL * protocol.matrix**2 * planes)


def sensible_workers(settings: Settings, num_cases: int) -> int:
    """Return a number of workers that cores and free memory allow; at least 1."""
    return max(1, min(num_cases, num_cores(), int(0.8 * free_memory_bytes() / worker_bytes(settings))))


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory_bytes() -> int:
    """Return the memory that is free or can be freed; 4 GB where the system does not say."""
    table = Path("/proc/meminfo")
    if table.is_file():
        for line in table.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4_000_000_000


def free_disk_bytes(out: Path) -> int:
    """Return the free space of the disk that a folder is or would be on [bytes]."""
    place = out.absolute()
    with explaining(out, "open"):
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free
