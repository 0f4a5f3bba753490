"""An invariance as a value: what it changes, what it must not change, and how far it may go. Draw, record, apply."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import checked_number, unknown_name
from pancreasgen.base.errors import UsageError

Record = dict[str, Any]
"""Name of the invariance and the drawn values: ready for JSON, and all that :mod:`apply <.variation>` needs."""

SIDES = ("anatomy", "scanner", "image")
AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Span:
    """A number that an invariance draws.

    Attributes:
        key: Its name, with the unit.
        low: Smallest value that is drawn.
        high: Largest value that is drawn; the same as low for a number that is only ever given.
        unit: Unit for people.
        source: Where the range comes from, or ``assumed``.
        least: Smallest value that may be given.
        most: Largest value that may be given.
        logarithmic: Whether the logarithm is drawn evenly, as befits factors.
    """

    key: str
    low: float
    high: float
    unit: str
    source: str
    least: float
    most: float
    logarithmic: bool = False

    def at(self, share: float) -> float:
        """Return the value at a share 0 to 1 of the range.

        >>> Span("factor", 0.5, 2.0, "", "assumed", 0.1, 10.0, logarithmic=True).at(0.5)
        1.0
        """
        if self.logarithmic:
            return round(math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low))), 6)
        return round(self.low + share * (self.high - self.low), 6)


@dataclass(frozen=True, slots=True)
class Choice:
    """A word that an invariance draws.

    Attributes:
        key: Its name.
        drawn: Words that are drawn, all equally often; empty for a direction of space drawn evenly.
        allowed: Words that may be given.
        source: Where they come from, or ``assumed``.
    """

    key: str
    drawn: tuple[str, ...]
    allowed: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Invariance:
    """One thing that may change while others must not.

    Attributes:
        name: Its name on the command line and in records.
        sides: Where it can act: some of SIDES, the best first.
        preserves: What does not change, in words; each is a law with a test.
        tolerance: How exactly, in words.
        parts: What is drawn, in this order.
        streams: Whether it needs chance beyond its numbers; the record then holds the name of the stream.
        usual: Whether it is drawn where nobody says which ones; the others must be named.
    """

    name: str
    sides: tuple[str, ...]
    preserves: str
    tolerance: str
    parts: tuple[Span | Choice, ...]
    streams: bool = False
    usual: bool = True

    def draw(self, chance: Chance, given: Mapping[str, str] | None = None) -> Record:
        """Return the record of one draw: a new key moves no other one.

        Args:
            chance: The stream of this invariance.
            given: Key → text of values that are not drawn.

        Raises:
            UsageError: If a key does not exist or a value is impossible.
        """
        given = given or {}
        for key in given:
            if key not in self.keys:
                raise unknown_name(f"setting of {self.name}", key, list(self.keys))
        record: Record = {"name": self.name}
        for part in self.parts:
            text = given.get(part.key)
            record[part.key] = _drawn(part, chance.sub(part.key)) if text is None else self._read(part, text)
        if self.streams:
            record["stream"] = {"seed": chance.seed, "case": chance.case, "stage": chance.stage}
        return record

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of what is drawn."""
        return tuple(part.key for part in self.parts)

    def checked(self, record: Mapping[str, Any]) -> Record:
        """Return a record from a file, checked.

        Raises:
            UsageError: If a key is missing or unknown, or a value is impossible.
        """
        wanted = {"name", *self.keys} | ({"stream"} if self.streams else set())
        if set(record) != wanted:
            raise UsageError(f"a record of {self.name} wants {sorted(wanted)}, not {sorted(map(str, record))}")
        found: Record = {"name": self.name}
        for part in self.parts:
            found[part.key] = self._read(part, record[part.key])
        if self.streams:
            stream_of(record)
            found["stream"] = dict(record["stream"])
        return found

    def _read(self, part: Span | Choice, value: Any) -> float | str | list[float]:
        name = f"{self.name}.{part.key}"
        if isinstance(part, Span):
            return checked_number(name, value, part.least, part.most, part.unit)
        if isinstance(value, str) and value in part.allowed:
            return list(AXES[value]) if not part.drawn else value
        if not part.drawn:
            return _direction(name, value)
        raise UsageError(f"{name} must be one of {', '.join(part.allowed)}, not {value}")


def stream_of(record: Mapping[str, Any]) -> Chance:
    """Return the chance that a record names.

    >>> stream_of({"stream": {"seed": 1, "case": 2, "stage": "vary/noise"}}).case
    2
    """
    stream = record["stream"]
    if not isinstance(stream, Mapping) or set(stream) != {"seed", "case", "stage"}:
        raise UsageError(f"a stream wants seed, case and stage, not {stream!r}")
    seed, case = stream["seed"], stream["case"]
    if not isinstance(seed, int) or not isinstance(case, int) or not isinstance(stream["stage"], str):
        raise UsageError(f"a stream wants two whole numbers and a name, not {stream!r}")
    return Chance(seed, case, stream["stage"])


def _drawn(part: Span | Choice, chance: Chance) -> float | str | list[float]:
    generator = chance.generator()
    if isinstance(part, Span):
        return part.at(float(generator.random()))
    if part.drawn:
        return part.drawn[int(generator.random() * len(part.drawn))]
    height, turn = 2.0 * generator.random() - 1.0, 2.0 * math.pi * generator.random()  # Archimedes: even on the sphere
    wide = math.sqrt(1.0 - height * height)
    return [round(wide * math.cos(turn), 9), round(wide * math.sin(turn), 9), round(height, 9)]


def _direction(name: str, value: Any) -> list[float]:
    """Return a direction from ``x``, ``y``, ``z``, three numbers, or a text of them."""
    words = value.split(",") if isinstance(value, str) else value
    try:
        vector = np.array([float(word) for word in words])
    except (TypeError, ValueError):
        vector = np.zeros(0)
    if vector.shape != (3,) or not np.isfinite(vector).all() or not 1e-6 < np.linalg.norm(vector) < 1e6:
        raise UsageError(f"{name} must be x, y, z or three numbers such as 0,0.6,0.8, not {value}")
    return [
        float(number)
        for number in (vector if abs(np.linalg.norm(vector) - 1) < 1e-6 else vector / np.linalg.norm(vector))
    ]
