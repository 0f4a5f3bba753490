"""A population: for each quantity a law with range, unit and source, from which a subject is drawn.

Every quantity has its own stream, named by its key: a new one moves none of the others. A draw inverts the truncated
distribution at one uniform number, so it never leaves its range and never repeats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.special import ndtr, ndtri

from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import checked_number, nearest_name
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.catalogue import entries, entry
from pancreasgen.dataset.checks import CHECKED
from pancreasgen.grammar.grammar import Grammar

Drawn = float | str
_FIELDS = {
    "distribution",
    "mean",
    "sd",
    "low",
    "high",
    "unit",
    "source",
    "value",
    "choices",
    "weights",
    "follows",
    "slope",
    "at",
}
_DISTRIBUTIONS = ("normal", "lognormal", "uniform", "choice", "constant")
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Law:
    """How one quantity is spread over people.

    Attributes:
        key: Dotted name such as ``gland.length_mm``.
        distribution: ``normal``, ``lognormal``, ``uniform``, ``choice`` or ``constant``.
        low: Smallest value.
        high: Largest value.
        unit: Unit of all numbers here.
        source: Where the numbers come from, or an honest ``assumed``.
        mean: Mean of the untruncated normal or lognormal quantity itself.
        sd: Its standard deviation.
        value: The value of a constant.
        choices: Names to choose from.
        weights: Their weights, in the same order; they need not sum to 1.
        follows: Key of a quantity that shifts the mean, or empty.
        slope: Shift of the mean for each unit of that quantity.
        at: Value of that quantity at which the mean holds.
    """

    key: str
    distribution: str
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    source: str = ""
    mean: float = math.nan
    sd: float = math.nan
    value: Drawn = math.nan
    choices: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    follows: str = ""
    slope: float = 0.0
    at: float = 0.0

    def draw(self, uniform: float, followed: float = 0.0) -> Drawn:
        """Return the value at a uniform number in [0, 1).

        >>> Law("a", "normal", low=110, high=210, mean=162, sd=17).draw(0.5)
        161.97...
        >>> Law("b", "choice", choices=("x", "y"), weights=(1, 3)).draw(0.3)
        'y'
        """
        if self.distribution == "constant":
            return self.value
        if self.distribution == "choice":
            mark = uniform * sum(self.weights)
            for name, weight in zip(self.choices, self.weights, strict=True):
                if mark < weight:
                    return name
                mark -= weight
            return self.choices[-1]
        if self.distribution == "uniform":
            return round(self.low + uniform * (self.high - self.low), _DIGITS)
        mean = self.mean + self.slope * (followed - self.at)
        return round(self._truncated(uniform, mean), _DIGITS)

    def _truncated(self, uniform: float, mean: float) -> float:
        """Return the quantile of the (log)normal law cut to [low, high]; q = F⁻¹(F(low) + u (F(high) − F(low)))."""
        if self.distribution == "lognormal":
            spread = math.sqrt(math.log1p((self.sd / mean) ** 2))
            centre = math.log(mean) - 0.5 * spread**2
            low = math.log(self.low) if self.low > 0 else -math.inf
            high = math.log(self.high) if self.high > 0 else -math.inf
        else:
            spread, centre, low, high = self.sd, mean, self.low, self.high
        below, above = ndtr((low - centre) / spread), ndtr((high - centre) / spread)
        value = centre + spread * float(ndtri(below + uniform * (above - below)))
        value = math.exp(value) if self.distribution == "lognormal" else value
        return min(max(value, self.low), self.high)

    def check(self, value: Drawn) -> Drawn:
        """Return a value given by the user, if the law could have drawn it.

        Raises:
            UsageError: If it is outside the range or not among the choices.
        """
        if self.distribution == "choice":
            if value not in self.choices:
                raise UsageError(f"{self.key} must be one of {', '.join(self.choices)}, not {value}")
            return value
        if self.distribution == "constant" and isinstance(self.value, str):
            return value
        return checked_number(self.key, value, self.low, self.high, self.unit)


@dataclass(frozen=True, slots=True)
class Population:
    """Laws by key.

    Attributes:
        name: Name in the catalogue.
        title: One line.
        laws: Key → law, in the order of the file.
        checks: Name of a measure → (least, greatest value) where these people differ from adults.
    """

    name: str
    title: str
    laws: Mapping[str, Law]
    checks: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def draw(self, chance: Chance, fixed: Mapping[str, Drawn] | None = None) -> dict[str, Drawn]:
        """Draw every quantity.

        Args:
            chance: Stream of the case's subject; each key draws from its own part of it.
            fixed: Values that are given instead of drawn; quantities that follow them feel it.

        Returns:
            Key → value, for all laws and all fixed keys.
        """
        values: dict[str, Drawn] = dict(fixed or {})
        for law in sorted(self.laws.values(), key=lambda law: bool(law.follows)):
            if law.key in values:
                continue
            followed = float(values[law.follows]) if law.follows else 0.0
            values[law.key] = law.draw(float(chance.sub(law.key).generator().random()), followed)
        return values


def load_population(name: str) -> Population:
    """Return a population of the catalogue.

    Raises:
        UsageError: If there is none of that name; the message lists those that exist.
        BadInputError: If its file is wrong.

    >>> load_population("adult").laws["gland.length_mm"].mean
    167.0
    """
    return parse_population(name, entry("population", name))


def population_of(rules: Grammar) -> str:
    r"""Return the name of the population that a grammar was written for, `adult` if it does not say.

    Raises:
        BadInputError: If the catalogue has none of that name; the letter names the grammar's file.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> population_of(parse_grammar("lsystem 1\npopulation child\naxiom: F"))
    'child'
    """
    name = rules.population or "adult"
    if name not in entries("population"):
        hint = f"populations are: {', '.join(entries('population'))}; or choose one with --population"
        raise BadInputError(f"{rules.file} was written for the population `{name}`, and there is none", hint)
    return name


def parse_population(name: str, data: Mapping[str, Any]) -> Population:
    """Return the population of a parsed TOML file: tables ``[group.key]`` with the fields of :class:`Law`.

    With ``extends = "other"`` it has all laws of another population of the catalogue, but for those that it gives
    itself. That other one extends none.

    Raises:
        UsageError: If it extends one that does not exist.
        BadInputError: If a law is wrong, or the one that it extends itself extends another.
    """
    laws: dict[str, Law] = {}
    base_checks: Mapping[str, tuple[float, float]] = {}
    if "extends" in data:
        base = entry("population", str(data["extends"]))
        if "extends" in base:
            raise BadInputError(f"population {name}: `{data['extends']}` itself extends another", "extend that one")
        known = parse_population(str(data["extends"]), base)
        laws.update(known.laws)
        base_checks = known.checks
    for group, table in data.items():
        if group in ("title", "description", "extends", "checks"):
            continue
        if not isinstance(table, Mapping):
            raise BadInputError(f"population {name}: `{group}` must be a table of quantities, not {table!r}")
        for key, fields in table.items():
            laws[f"{group}.{key}"] = _law(name, f"{group}.{key}", fields)
    for law in laws.values():
        if law.follows and (law.follows not in laws or laws[law.follows].follows):
            raise BadInputError(f"population {name}: {law.key} cannot follow `{law.follows}`")
    return Population(name, str(data.get("title", name)), laws, {**base_checks, **_checks(name, data)})


def _checks(population: str, data: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the ranges of a population's table ``[checks]``: lines such as ``"gland.length_mm" = [30, 95]``."""
    found: dict[str, tuple[float, float]] = {}
    for key, ends in data.get("checks", {}).items():
        where = f"population {population}, checks: {key}"
        if key not in CHECKED:
            near = nearest_name(key, CHECKED)
            raise BadInputError(f"{where} is no measure that is checked", f"did you mean `{near}`?" if near else "")
        if not isinstance(ends, list) or len(ends) != 2:
            raise BadInputError(f"{where} must be [least, greatest], not {ends!r}")
        low, high = (checked_number(where, end, -1e9, 1e9) for end in ends)
        if not low < high:
            raise BadInputError(f"{where}: the least value must lie below the greatest, not {low:g} and {high:g}")
        found[key] = (low, high)
    return found


def _law(population: str, key: str, fields: Any) -> Law:
    where = f"population {population}: {key}"
    if not isinstance(fields, Mapping):
        raise BadInputError(f"{where} must be a table, not {fields!r}")
    for name in fields:
        if name not in _FIELDS:
            near = nearest_name(name, _FIELDS)
            raise BadInputError(f"{where} has an unknown field `{name}`", f"did you mean `{near}`?" if near else "")
    kind = fields.get("distribution")
    if kind not in _DISTRIBUTIONS:
        raise BadInputError(f"{where}: distribution must be one of {', '.join(_DISTRIBUTIONS)}, not {kind!r}")
    if not fields.get("source"):
        raise BadInputError(f"{where} needs a source", 'write source = "assumed" if there is none')
    values = {name: _value(f"{where}, {name}", name, value) for name, value in fields.items()}
    return _complete(Law(key, **values), where)


def _value(where: str, name: str, value: Any) -> Any:
    if name in ("distribution", "unit", "source", "follows"):
        if not isinstance(value, str):
            raise BadInputError(f"{where} must be text, not {value!r}")
        return value
    if name in ("choices", "weights"):
        if not isinstance(value, list) or not value:
            raise BadInputError(f"{where} must be a list, not {value!r}")
        return tuple(str(item) if name == "choices" else checked_number(where, item, 0, 1e9) for item in value)
    if name == "value" and isinstance(value, str):
        return value
    return checked_number(where, value, -1e9, 1e9)


def _complete(law: Law, where: str) -> Law:
    """Return the law if it holds everything that its distribution needs."""
    if law.distribution == "choice" and (len(law.choices) != len(law.weights) or not sum(law.weights) > 0):
        raise BadInputError(f"{where}: a choice needs as many weights as choices, with a sum above 0")
    if law.distribution == "constant" and isinstance(law.value, float) and math.isnan(law.value):
        raise BadInputError(f"{where}: a constant needs a value")
    if law.distribution in ("normal", "lognormal", "uniform") and not -1e9 <= law.low < law.high <= 1e9:
        raise BadInputError(f"{where}: low must be given and lie below high")
    if law.distribution in ("normal", "lognormal") and not (law.sd > 0 and math.isfinite(law.mean)):
        raise BadInputError(f"{where}: a {law.distribution} needs a mean and an sd above 0")
    if law.distribution == "lognormal" and law.mean <= 0:
        raise BadInputError(f"{where}: a lognormal needs a mean above 0")
    return law
