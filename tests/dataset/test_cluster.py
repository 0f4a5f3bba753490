"""A dask cluster makes the same tree as this machine, also when workers are lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pancreasgen.base.errors import ClusterError, UsageError
from pancreasgen.dataset.layout import Store
from pancreasgen.dataset.quarantine import locked_up
from tests.fakes import make_fakes, tree

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"}
WORKERS = 4


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start a scheduler and worker processes on loopback; yield its file and the workers."""
    pytest.importorskip("distributed", reason="NOT TESTED: dask.distributed is not installed")
    file, log = tmp_path / "scheduler.json", (tmp_path / "dask.log").open("wb")
    place = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    words = [
        [sys.executable, "-m", "distributed.cli.dask_scheduler", *place, "--port", "0"],
        *[[sys.executable, "-m", "distributed.cli.dask_worker", *place, "--nthreads", "1", "--no-nanny"]] * WORKERS,
    ]
    running = [subprocess.Popen(item, cwd=tmp_path, env=ENVIRONMENT, stderr=log, stdout=log) for item in words]
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    yield str(file), running[1:]
    for process in running:
        process.kill()
        process.wait()
    log.close()


@pytest.mark.filterwarnings("default")
def test_two_of_four_workers_are_killed_and_the_tree_is_the_same(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    """60 cases, SIGKILL to two workers while they work: 60 complete cases, as a local run makes them."""
    file, workers = cluster
    out, seen = tmp_path / "d", []

    def kill() -> None:
        for count, worker in ((5, workers[0]), (20, workers[1])):
            deadline = time.monotonic() + 120
            while len(list(Store(out).case_folders())) < count and time.monotonic() < deadline:
                time.sleep(0.02)
            worker.send_signal(signal.SIGKILL)
            seen.append(len(list(Store(out).case_folders())))

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = make_fakes(out, 60, 4, scheduler=file)
    killer.join()
    assert [worker.poll() for worker in workers].count(-signal.SIGKILL) == 2
    assert max(seen) < 60
    assert outcome.num_made == 60
    assert locked_up(Store(out)) == {}
    make_fakes(tmp_path / "local", 60, 1)
    assert tree(out) == tree(tmp_path / "local")


@pytest.mark.filterwarnings("default")
def test_no_cluster_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rc 69 where nobody answers; the folder can be used afterwards."""
    pytest.importorskip("distributed", reason="NOT TESTED: dask.distributed is not installed")
    monkeypatch.setattr("pancreasgen.dataset.cluster._TIMEOUT_S", 1)
    with pytest.raises(ClusterError, match="no cluster at tcp://127") as caught:
        make_fakes(tmp_path / "d", 3, 1, scheduler="tcp://127.0.0.1:1")
    assert caught.value.exit_code == 69
    assert make_fakes(tmp_path / "d", 3, 1).num_made == 3


def test_without_dask_the_letter_tells_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pancreasgen[cluster]` is named, and nothing else happens."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError) as caught:
        make_fakes(tmp_path / "d", 3, 1, scheduler="local")
    assert "pancreasgen[cluster]" in caught.value.letter()
