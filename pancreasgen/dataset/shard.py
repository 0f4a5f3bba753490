"""A shard: every n-th case of a dataset, so that many machines share the work without knowing of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pancreasgen.base.errors import UsageError

VARIABLES = ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX")
"""Variables in which SLURM's arrays and Kubernetes' indexed jobs tell a task its number."""
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Shard:
    """Part of a dataset.

    Attributes:
        index: Number of the part, from 0.
        count: How many parts there are.
    """

    index: int
    count: int

    @property
    def name(self) -> str:
        """Name of the shard in the names of files.

        >>> Shard(0, 8).name
        '0-of-8'
        """
        return f"{self.index}-of-{self.count}"

    def of(self, indices: Sequence[int]) -> Sequence[int]:
        """Return the shard's cases: every n-th, so that all shards have as much to do.

        >>> list(Shard(1, 3).of(range(8)))
        [1, 4, 7]
        """
        return indices[self.index :: self.count]


def parse_shard(text: str, environment: Mapping[str, str]) -> Shard:
    """Return the shard of ``I/N``, or of ``auto/N`` with I from the environment.

    N is always given: a queue that runs one lost task of an array again counts a single task.

    Args:
        text: What the user gave.
        environment: The process's variables.

    Raises:
        UsageError: If it is not of that form, I is not 0 to N − 1, or no variable tells it.

    >>> parse_shard("auto/8", {"SLURM_ARRAY_TASK_ID": "5"})
    Shard(index=5, count=8)
    """
    first, _, second = text.partition("/")
    if not second.isdecimal() or len(second) > 6 or not 1 <= int(second) <= _MOST:
        raise UsageError(f"--shard must be I/N or auto/N with N from 1 to {_MOST:,}, not {text}", "for example 0/8")
    count = int(second)
    source = "--shard"
    if first == "auto":
        source, first = _told(environment)
    if not first.isdecimal() or len(first) > 6 or int(first) >= count:
        hint = f"number the tasks from 0, such as 0-{count - 1}"
        raise UsageError(f"{source}: the shard of {count} must be 0 to {count - 1}, not {first}", hint)
    return Shard(int(first), count)


def _told(environment: Mapping[str, str]) -> tuple[str, str]:
    for name in VARIABLES:
        if environment.get(name):
            return name, environment[name]
    raise UsageError(f"--shard auto needs one of the variables {', '.join(VARIABLES)}", "give the number itself: 0/8")
