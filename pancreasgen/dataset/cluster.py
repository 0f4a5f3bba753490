"""Workers on other machines: ``dask.distributed``, an optional extra, with the same loop as for local processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

from pancreasgen.base.errors import ClusterError, UsageError
from pancreasgen.dataset.crew import News, Result, use_threads
from pancreasgen.dataset.quarantine import Failure
from pancreasgen.dataset.work import Work, attempt

LOCAL = "local"
_TIMEOUT_S = 20


class Cluster:
    """A crew behind a dask scheduler. All of them must see the dataset's folder by the same path.

    Args:
        work: What they must know.
        scheduler: Its address such as ``tcp://host:8786``, a scheduler's JSON file, or ``local`` for one made here.
        size: Number of processes of a local one.

    Raises:
        UsageError: If dask.distributed is not installed.
        ClusterError: If the scheduler does not answer, or has no workers.
    """

    def __init__(self, work: Work, scheduler: str, size: int) -> None:
        """Connect."""
        try:
            import distributed
        except ImportError:
            raise UsageError("--scheduler needs dask", "pip install 'pancreasgen[cluster]'") from None
        self._own = None
        try:
            if scheduler == LOCAL:
                self._own = distributed.LocalCluster(
                    n_workers=size, threads_per_worker=1, processes=True, dashboard_address=None
                )
                self._client = distributed.Client(self._own, timeout=_TIMEOUT_S)
            elif scheduler.endswith(".json"):
                self._client = distributed.Client(scheduler_file=scheduler, timeout=_TIMEOUT_S)
            else:
                self._client = distributed.Client(scheduler, timeout=_TIMEOUT_S)
            self._client.wait_for_workers(1, timeout=_TIMEOUT_S)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(
                f"no cluster at {scheduler}: {error}",
                "start `dask scheduler` and `dask worker` first; see docs/scale.md",
            ) from error
        self._executor = self._client.get_executor(pure=False)
        self._work = work

    @property
    def size(self) -> int:
        """How many cases can be in work at once: all threads of the workers that are there now."""
        return max(1, sum(self._client.nthreads().values()))

    def start(self, index: int) -> Future[Result]:
        """Begin a case; dask gives it to another worker if its own is lost."""
        return self._executor.submit(_on_cluster, self._work, index)

    def result(self, future: Future[Result], index: int) -> Result:
        """Return what came of a case; one that took several workers with it comes back as a failure."""
        import distributed

        try:
            return future.result()
        except distributed.scheduler.KilledWorker as error:
            return Failure(index, f"several workers died with it: {error}")
        except distributed.client.FutureCancelledError as error:
            raise ClusterError(
                f"the scheduler was lost: {error}", "give the same command again: complete cases are kept"
            ) from error

    def news(self) -> Iterator[News]:
        """Yield nothing: workers far away do not tell how far they are."""
        return iter(())

    def has_begun(self, index: int) -> bool:  # noqa: ARG002 (the crew's signature)
        """Whether a worker is at the case: there are never more cases than workers."""
        return True

    def stop(self, index: int) -> None:
        """Leave the case to its worker: dask cannot stop a task that runs."""

    def close(self) -> None:
        """Disconnect; what runs ends where it is, as a complete case or as none."""
        self._client.close()
        if self._own is not None:
            self._own.close()


def _on_cluster(work: Work, index: int) -> Result:
    use_threads(1)
    return attempt(work, index, _silent)


def _silent(_index: int, _stage: str, _fraction: float) -> None:
    """Tell nobody."""
