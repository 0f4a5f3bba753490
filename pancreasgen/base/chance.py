"""The only birthplace of random numbers.

A stream is named by (seed, case, stage) and is found in O(1): case 999,999 needs none of the cases before it, and a
new draw in one stage moves no other stage. ``SeedSequence.spawn`` is never used, because it counts its own calls.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from pancreasgen.base.checks import checked_number


@dataclass(frozen=True, slots=True)
class Chance:
    """A named stream of random numbers.

    Attributes:
        seed: Seed of the whole dataset, 0 to 2⁶³ − 1.
        case: Index of the case in the dataset.
        stage: Name of the stage that draws, for example ``growth``.

    >>> first, again = Chance(1, 0, "growth").generator(), Chance(1, 0, "growth").generator()
    >>> bool(first.random() == again.random())
    True
    >>> Chance(1, 0, "growth").key != Chance(1, 0, "noise").key
    True
    """

    seed: int
    case: int
    stage: str

    def __post_init__(self) -> None:
        checked_number("seed", self.seed, 0, 2**63 - 1)
        checked_number("case", self.case, 0, 2**32 - 1)

    def _sequence(self) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.seed, spawn_key=(self.case, zlib.crc32(self.stage.encode())))

    def generator(self) -> np.random.Generator:
        """Return a fresh generator at the start of the stream."""
        return np.random.Generator(np.random.Philox(self._sequence()))

    @property
    def key(self) -> int:
        """A 64-bit number of the stream, for draws keyed by lineage instead of by order."""
        return int(self._sequence().generate_state(1, np.uint64)[0])

    def sub(self, name: str) -> Chance:
        """Return the stream of a part of this stage."""
        return Chance(self.seed, self.case, f"{self.stage}/{name}")
