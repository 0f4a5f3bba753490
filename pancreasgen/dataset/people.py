"""A population: for each quantity a law with range, unit and source, from which a subject is drawn.

Every quantity has its own stream, named by its key: a new one moves none of the others, but for those that it is said
to go with. A draw inverts the truncated distribution at one uniform number, so it never leaves its range and never
repeats. How a file is read is told in :mod:`pancreasgen.dataset.population_file`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pancreasgen.base.chance import Chance
from pancreasgen.dataset.copula import Correlation, Scores
from pancreasgen.dataset.law import CONTINUOUS, Drawn, Law, standing

MEMBER = "body.population"
"""The quantity of a mixture that names the population that a person is drawn from."""


@dataclass(frozen=True, slots=True)
class Population:
    """Laws by key.

    Attributes:
        name: Name in the catalogue, or of the user's own file.
        title: One line.
        laws: Key → law, in the order of the file. Those of a mixture are the choice of its member, and then the laws
            of all members, each from the first that has it.
        checks: Name of a measure → (least, greatest value) where these people differ from adults.
        correlations: Pair of sorted keys → how they go together.
        members: Populations that this one mixes, by name; empty for one that mixes none.
    """

    name: str
    title: str
    laws: Mapping[str, Law]
    checks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    correlations: Mapping[tuple[str, str], Correlation] = field(default_factory=dict)
    members: Mapping[str, Population] = field(default_factory=dict)

    def draw(self, chance: Chance, fixed: Mapping[str, Drawn] | None = None) -> dict[str, Drawn]:
        """Draw every quantity; a mixture first draws whom, then the person there.

        Args:
            chance: Stream of the case's subject; each key draws from its own part of it.
            fixed: Values that are given instead of drawn; quantities that follow them or go with them feel it, as far
                as they are drawn after them: what a given quantity itself follows is drawn before it.

        Returns:
            Key → value, for all laws and all fixed keys.
        """
        given = dict(fixed or {})
        if self.members:
            if MEMBER not in given:
                given[MEMBER] = self.laws[MEMBER].draw(_uniform(chance, MEMBER))
            return self.members[str(given[MEMBER])].draw(chance, given)
        order = drawing_order(self.laws, given)
        scores = Scores(order, self.correlations)
        values = dict(given)
        for key in order:
            law = self.laws[key]
            shift = law.shift(values) if law.follows else 0.0
            if key not in given:
                own = _uniform(chance, key)
                values[key] = law.draw(scores.uniform(key, own) if key in scores else own, shift)
            elif key in scores:
                scores.given(key, law.level(float(given[key]), shift))
        return values

    def member_of(self, values: Mapping[str, Drawn]) -> Population:
        """Return the population that a person was drawn from: a member of a mixture, else this one itself."""
        return self.members.get(str(values.get(MEMBER, "")), self)

    def ranges(self, member: str = "") -> Mapping[str, tuple[float, float]]:
        """Return the ranges of checks of these people, or of one member of a mixture."""
        return self.members[member].checks if member in self.members else self.checks

    def sources(self) -> dict[str, str]:
        """Return the source of each law and correlation by its name; those of a member begin with its name."""
        found = {f"{name}: {key}": text for name, one in self.members.items() for key, text in one.sources().items()}
        own = [self.laws[MEMBER]] if self.members else self.laws.values()
        found |= {law.key: law.source for law in own}
        return found | {" with ".join(pair.between): pair.source for pair in self.correlations.values()}

    def worth(self) -> dict[str, int]:
        """Return how many laws and correlations are sourced, partly sourced, recalled and assumed.

        What the members of a mixture share is counted once.
        """
        every = (self, *self.members.values())
        laws = {law for one in every for law in one.laws.values()}
        pairs = {pair for one in every for pair in one.correlations.values()}
        found = Counter(standing(source) for source in [item.source for item in laws] + [item.source for item in pairs])
        return {name: found[name] for name in ("sourced", "partly", "recalled", "assumed")}


def drawing_order(laws: Mapping[str, Law], given: Mapping[str, Drawn]) -> list[str]:
    """Return the keys so that each comes after those that it follows; else the given ones first, then by name.

    >>> drawing_order({"b": Law("b", "normal"), "a": Law("a", "normal", follows=("b",))}, {})
    ['b', 'a']
    """
    depth: dict[str, int] = {}

    def deep(key: str) -> int:
        if key not in depth:
            depth[key] = 1 + max((deep(other) for other in laws[key].follows), default=-1)
        return depth[key]

    return sorted(laws, key=lambda key: (deep(key), key not in given, key))


def cycle_of(laws: Mapping[str, Law]) -> Sequence[str]:
    """Return the keys of laws that follow one another in a ring; empty if there is no ring.

    >>> cycle_of({"a": Law("a", "normal", follows=("b",)), "b": Law("b", "normal", follows=("a",))})
    ['a', 'b']
    """
    left = {key: {other for other in law.follows if other in laws} for key, law in laws.items()}
    while free := [key for key, others in left.items() if not others & left.keys()]:
        for key in free:
            del left[key]
    return sorted(left)


def can_correlate(law: Law) -> bool:
    """Whether a law may go with another: it draws a number from a continuous distribution."""
    return law.distribution in CONTINUOUS


def draws_numbers(law: Law) -> bool:
    """Whether all that a law draws are numbers, so that others may follow it; choices may be numbers in words.

    >>> draws_numbers(Law("a", "choice", choices=("0.2", "0.7"))), draws_numbers(Law("a", "constant", value="head"))
    (True, False)
    """
    drawn = law.choices if law.distribution == "choice" else (law.value,) if law.distribution == "constant" else ()
    return all(not isinstance(item, str) or _is_number(item) for item in drawn)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _uniform(chance: Chance, key: str) -> float:
    return float(chance.sub(key).generator().random())
