"""One law of a population file: every fault in it is noted, with its line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.checks import checked_number
from pancreasgen.dataset.law import CONTINUOUS, DISTRIBUTIONS, Law
from pancreasgen.dataset.toml_faults import TomlFaults
from pancreasgen.organ.gland import RANGES, Gland
from pancreasgen.organ.lesion import Lesion

_FIELDS = {
    "distribution", "mean", "sd", "low", "high", "unit", "source", "value", "choices", "weights", "follows", "slope",
    "at",
}  # fmt: skip
_NEEDED = {
    "normal": ("mean", "sd", "low", "high"), "lognormal": ("mean", "sd", "low", "high"), "uniform": ("low", "high"),
    "choice": ("choices", "weights"), "constant": ("value",),
}  # fmt: skip
_TEXTS, _LISTS, _FOLLOWING = ("distribution", "unit", "source"), ("choices", "weights"), ("follows", "slope", "at")
_OWNERS: Mapping[str, type[Any]] = {"gland": Gland, "physique": Physique, "lesion": Lesion}
"""Group → the frozen value whose fields its quantities are; ranges and units stand in the fields' metadata."""
_SUFFIXES = {"_mm": "mm", "_hu": "HU", "_years": "years", "_ml": "mL", "_kg_m2": "kg/m²", "_deg": "deg"}

Limits = tuple[float, float, str]


def owned_limits(key: str) -> Limits | None:
    """Return least value, greatest value and unit that the owner of a quantity allows, or None if nobody says.

    >>> owned_limits("physique.skin_mm")
    (1, 4, 'mm')
    >>> owned_limits("body.age_years") is None
    True
    """
    group, _, name = key.partition(".")
    if group == "gland":
        return RANGES.get(name)
    owner = _OWNERS.get(group)
    facts: Mapping[str, Any] = {}
    if owner:
        facts = next((item.metadata for item in fields(owner) if item.name == name), facts)
    return (facts["low"], facts["high"], facts["unit"]) if "low" in facts else None


def known_names(group: str) -> list[str] | None:
    """Return the names that a group has, or None if it takes any (facts of the person, parameters of any grammar)."""
    return [item.name for item in fields(_OWNERS[group])] if group in _OWNERS else None


def read_law(faults: TomlFaults, group: str, name: str, table: Any) -> Law | None:
    """Return the law of a table, or None if it has a fault; all of its faults are noted.

    Args:
        faults: Where faults are noted.
        group: The group, such as ``gland``.
        name: The quantity's name in it.
        table: What stands in the table ``[group.name]``.
    """
    key, path, before = f"{group}.{name}", (group, name), len(faults.found)
    names = known_names(group)
    if names is not None and name not in names:
        faults.unknown(path, f"there is no quantity {key}", name, names)
    if not isinstance(table, Mapping):
        faults.add(path, f"{key} must be a table, not {table!r}", "its fields are distribution, mean, sd, low, high …")
        return None
    for field in table:
        if field not in _FIELDS:
            faults.unknown((*path, field), f"{key} has an unknown field `{field}`", field, _FIELDS)
    if not table.get("source"):
        faults.add(path, f"{key} needs a source", 'write source = "assumed" if there is none')
    kind = table.get("distribution")
    if kind not in DISTRIBUTIONS:
        words = f"{key}: distribution must be one of {', '.join(DISTRIBUTIONS)}, not {kind!r}"
        faults.add((*path, "distribution"), words)
        return None
    known = _values(faults, path, table)
    _needs(faults, path, str(kind), table)
    law = Law(key, **known)
    if len(faults.found) == before:
        _judge(faults, path, law)
    _unit(faults, path, law, table)
    return law if len(faults.found) == before else None


def _values(faults: TomlFaults, path: tuple[str, str], table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are of the right kind; the others are noted."""
    found: dict[str, Any] = {}
    for field, value in table.items():
        where, place = f"{'.'.join(path)}, {field},", (*path, field)
        if field in _TEXTS:
            if isinstance(value, str):
                found[field] = value
            else:
                faults.add(place, f"{where} must be text, not {value!r}")
        elif field in _LISTS:
            if not isinstance(value, list) or not value:
                faults.add(place, f"{where} must be a list, not {value!r}")
                continue
            with faults.noting(place):
                found[field] = tuple(
                    str(item) if field == "choices" else checked_number(where, item, 0, 1e9) for item in value
                )
        elif field == "value" and isinstance(value, str):
            found[field] = value
        elif field in _FIELDS and field not in _FOLLOWING:
            with faults.noting(place):
                found[field] = checked_number(where, value, -1e9, 1e9)
    return found | _following(faults, path, table)


def _following(faults: TomlFaults, path: tuple[str, str], table: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a law follows; one quantity is given bare, several as lists of the same length."""
    key, given = ".".join(path), [field for field in _FOLLOWING if field in table]
    if not given:
        return {}
    if len(given) < len(_FOLLOWING):
        missing = " and ".join(f"`{field}`" for field in _FOLLOWING if field not in table)
        faults.add((*path, given[0]), f"{key} lacks {missing}", "follows, slope and at belong together")
        return {}
    columns = {field: value if isinstance(value := table[field], list) else [value] for field in _FOLLOWING}
    if len({len(column) for column in columns.values()}) != 1:
        faults.add((*path, "follows"), f"{key}: follows, slope and at must have the same number of entries")
        return {}
    before = len(faults.found)
    for item in columns["follows"]:
        if not isinstance(item, str):
            faults.add((*path, "follows"), f"{key}, follows, must name quantities, not {item!r}")
    found: dict[str, Any] = {"follows": tuple(columns["follows"])}
    for field in ("slope", "at"):
        with faults.noting((*path, field)):
            found[field] = tuple(checked_number(f"{key}, {field},", item, -1e9, 1e9) for item in columns[field])
    return found if len(faults.found) == before else {}


def _needs(faults: TomlFaults, path: tuple[str, str], kind: str, table: Mapping[str, Any]) -> None:
    """Note fields that a distribution needs and the table lacks."""
    for field in _NEEDED[kind]:
        if field not in table:
            faults.add(path, f"{'.'.join(path)}: a {kind} needs a {field}")


def _judge(faults: TomlFaults, path: tuple[str, str], law: Law) -> None:
    """Note numbers that contradict one another or the owner's limits."""
    key = law.key
    if law.distribution == "choice" and (len(law.choices) != len(law.weights) or not sum(law.weights) > 0):
        words = f"{key}: a choice needs as many weights as choices, with a sum above 0"
        faults.add((*path, "weights"), f"{words}; {len(law.choices)} choices have the weights {list(law.weights)}")
    if law.distribution in CONTINUOUS and not law.low < law.high:
        faults.add((*path, "low"), f"{key}: low must lie below high, but they are {law.low:g} and {law.high:g}")
    if law.distribution in ("normal", "lognormal"):
        if not law.sd > 0:
            faults.add((*path, "sd"), f"{key} needs an sd above 0, not {law.sd:g}")
        if law.distribution == "lognormal" and law.mean <= 0:
            faults.add((*path, "mean"), f"{key}: a lognormal needs a mean above 0, not {law.mean:g}")
        elif law.low < law.high and not law.low <= law.mean <= law.high:
            words = f"{key}: the range {law.low:g} to {law.high:g} excludes the mean, {law.mean:g}"
            faults.add((*path, "mean"), words, "widen the range or mend the mean")
    limits = owned_limits(key)
    if limits and law.distribution != "choice":
        _within(faults, path, law, limits)


def _within(faults: TomlFaults, path: tuple[str, str], law: Law, limits: Limits) -> None:
    """Note a range that reaches beyond what the quantity may be."""
    least, most, unit = limits
    ends = {"value": law.value} if law.distribution == "constant" else {"low": law.low, "high": law.high}
    for field, end in ends.items():
        if isinstance(end, str) or not (math.isfinite(end) and least <= end <= most):
            words = f"{law.key}, {field}, must lie from {least:g} to {most:g}{' ' + unit if unit else ''}, not {end}"
            faults.add((*path, field), words)


def _unit(faults: TomlFaults, path: tuple[str, str], law: Law, table: Mapping[str, Any]) -> None:
    """Note a unit that is missing or another one than the quantity has."""
    if law.distribution == "choice" or isinstance(law.value, str):
        return
    limits = owned_limits(law.key)
    wanted = limits[2] if limits else next((unit for end, unit in _SUFFIXES.items() if law.key.endswith(end)), None)
    if wanted is None and "unit" not in table:
        faults.add(path, f"{law.key} needs a unit", 'write unit = "" if it has none')
    elif wanted and law.unit != wanted:
        place = (*path, "unit") if "unit" in table else path
        told = f"not {law.unit!r}" if "unit" in table else "and none is given"
        faults.add(place, f"{law.key} needs the unit `{wanted}`, {told}", f'write unit = "{wanted}"')
