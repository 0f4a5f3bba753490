"""A population file: every fault in it is found and told with its line, all at once.

title, description             what these people are
extends = "adult"              all laws of another population, but for those given here
[group.quantity]               a law, with the fields of :class:`~pancreasgen.dataset.law.Law`
[[correlation]]                between = ["a", "b"], r, source
[checks]                       "measure" = [least, greatest]
[mixture]                      population = share; such a file has no laws of its own, and a `mixture_source`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pancreasgen.base.checks import checked_number
from pancreasgen.base.errors import PancreasgenError
from pancreasgen.dataset.checks import CHECKED
from pancreasgen.dataset.copula import Correlation, cholesky, matrix
from pancreasgen.dataset.law import Law
from pancreasgen.dataset.law_file import read_law
from pancreasgen.dataset.people import MEMBER, Population, can_correlate, cycle_of, draws_numbers
from pancreasgen.dataset.toml_faults import TomlFaults

GROUPS = ("body", "gland", "physique", "ducts", "lesion")
_OTHERS = ("title", "description", "extends", "checks", "correlation", "mixture", "mixture_source")
_CORRELATION = {"between", "r", "source"}
_LESION, _LENGTH = "lesion.diameter_mm", "gland.length_mm"

Find = Callable[[str], Population]
"""Returns a population of the catalogue by name."""


def read_population(name: str, text: str, file: str, find: Find) -> Population:
    """Return the population of a file's text.

    Args:
        name: What it is called.
        text: The whole file.
        file: The file as the user knows it.
        find: Returns a population of the catalogue, for ``extends`` and ``[mixture]``.

    Raises:
        DiagnosticError: If there are faults; all of them are told.
    """
    faults = TomlFaults(text, file)
    data = faults.parsed()
    for key in data:
        if key not in GROUPS and key not in _OTHERS:
            faults.unknown((key,), f"there is no group `{key}`", key, (*GROUPS, *_OTHERS))
    for key in ("title", "description", "mixture_source"):
        if not isinstance(data.get(key, ""), str):
            faults.add((key,), f"`{key}` must be text, not {data[key]!r}")
    title = str(data.get("title", name))
    if "mixture" in data:
        found = _mixture(faults, name, title, data, find)
    else:
        base = _base(faults, data, find)
        laws = {**(base.laws if base else {}), **_laws(faults, data)}
        _follow(faults, laws)
        pairs = {**(base.correlations if base else {}), **_correlations(faults, data, laws)}
        _possible(faults, laws, pairs)
        _lesion_fits(faults, laws)
        found = Population(name, title, laws, {**(base.checks if base else {}), **_checks(faults, data)}, pairs)
    faults.settle()
    return found


def _base(faults: TomlFaults, data: Mapping[str, Any], find: Find) -> Population | None:
    """Return the population that this one extends."""
    if "extends" not in data:
        return None
    try:
        base = find(str(data["extends"]))
    except PancreasgenError as error:
        faults.add(("extends",), error.message, error.hint)
        return None
    if base.members:
        faults.add(
            ("extends",), f"`{base.name}` is a mixture, which has no laws to extend", "extend one of its members"
        )
    return base


def _laws(faults: TomlFaults, data: Mapping[str, Any]) -> dict[str, Law]:
    laws: dict[str, Law] = {}
    for group in GROUPS:
        table = data.get(group, {})
        if not isinstance(table, Mapping):
            faults.add((group,), f"`{group}` must be a table of quantities, not {table!r}")
            continue
        for name, fields in table.items():
            law = read_law(faults, group, name, fields)
            if law:
                laws[law.key] = law
    return laws


def _follow(faults: TomlFaults, laws: Mapping[str, Law]) -> None:
    """Note laws that follow what cannot be followed, or one another in a ring."""
    for law in laws.values():
        place = (*law.key.split(".", 1), "follows")
        for other in law.follows:
            if other not in laws:
                faults.unknown(place, f"{law.key} cannot follow `{other}`: it has no law here", other, laws)
            elif not draws_numbers(laws[other]):
                faults.add(place, f"{law.key} cannot follow `{other}`, which is no number")
    ring = cycle_of(laws)
    if ring:
        words = f"{', '.join(ring)} cannot follow one another: none of them can be drawn first"
        faults.add((*ring[0].split(".", 1), "follows"), words)


def _correlations(faults: TomlFaults, data: Mapping[str, Any], laws: Mapping[str, Law]) -> dict[Any, Correlation]:
    found: dict[tuple[str, str], Correlation] = {}
    table = data.get("correlation", [])
    if not isinstance(table, list):
        faults.add(("correlation",), "correlations are given as [[correlation]], with between, r and source")
        return found
    for item in table:
        before, pair = len(faults.found), item.get("between") if isinstance(item, Mapping) else None
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(key, str) for key in pair):
            faults.add(("correlation",), f"`between` must name two quantities, not {pair!r}")
            continue
        where = f"the correlation of {pair[0]} and {pair[1]}"
        for key in pair:
            if key not in laws:
                faults.unknown(("correlation",), f"{where}: `{key}` has no law here", key, laws)
            elif not can_correlate(laws[key]):
                faults.add(("correlation",), f"{where}: {key} is no number that varies")
        for field in item:
            if field not in _CORRELATION:
                faults.unknown(("correlation", field), f"{where} has an unknown field `{field}`", field, _CORRELATION)
        if not item.get("source"):
            faults.add(("correlation",), f"{where} needs a source", 'write source = "assumed" if there is none')
        ends = (min(pair), max(pair))
        if ends[0] == ends[1] or ends in found:
            faults.add(("correlation",), f"{where} is given twice, or of a quantity with itself")
        with faults.noting(("correlation", "r")):
            r = checked_number(f"{where}, r,", item.get("r"), -0.999, 0.999)
            if len(faults.found) == before:
                found[ends] = Correlation(ends, r, str(item["source"]))
    return found


def _possible(faults: TomlFaults, laws: Mapping[str, Law], pairs: Mapping[tuple[str, str], Correlation]) -> None:
    """Note correlations that exclude one another: their matrix must be positive definite."""
    keys = sorted({key for pair in pairs for key in pair if key in laws})
    if cholesky(matrix(keys, pairs)) is None:
        words = f"the correlations of {', '.join(keys)} exclude one another: no such people can exist"
        faults.add(("correlation",), words, "their matrix must be positive definite: make some of them weaker")


def _lesion_fits(faults: TomlFaults, laws: Mapping[str, Law]) -> None:
    """Note lesions that may be larger than the gland is in the mean."""
    if _LESION in laws and _LENGTH in laws:
        most, length = laws[_LESION].high, laws[_LENGTH].mean
        if most > length:
            words = f"{_LESION} may be {most:g} mm, more than the gland is long in the mean ({length:g} mm)"
            faults.add(("lesion", "diameter_mm", "high"), words, f"give a high up to {length:g}")


def _checks(faults: TomlFaults, data: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the ranges of a population's table ``[checks]``: lines such as ``"gland.length_mm" = [30, 95]``."""
    found: dict[str, tuple[float, float]] = {}
    table = data.get("checks", {})
    if not isinstance(table, Mapping):
        faults.add(("checks",), f"`checks` must be a table of ranges, not {table!r}")
        return found
    for key, ends in table.items():
        where, path = f"checks: {key}", ("checks", key)
        if key not in CHECKED:
            faults.unknown(path, f"{where} is no measure that is checked", key, CHECKED)
        elif not isinstance(ends, list) or len(ends) != 2:
            faults.add(path, f"{where} must be [least, greatest], not {ends!r}")
        else:
            with faults.noting(path):
                low, high = (checked_number(where, end, -1e9, 1e9) for end in ends)
                found[key] = (low, high)
                if not low < high:
                    words = f"{where}: the least value must lie below the greatest, not {low:g} and {high:g}"
                    faults.add(path, words)
    return found


def _mixture(faults: TomlFaults, name: str, title: str, data: Mapping[str, Any], find: Find) -> Population:
    shares = data["mixture"]
    own = [key for key in (*GROUPS, "extends", "checks", "correlation") if key in data]
    if own:
        faults.add((own[0],), f"a mixture has no `{own[0]}` of its own", "give it to one of the populations it mixes")
    if not data.get("mixture_source"):
        faults.add(
            ("mixture",), "a mixture needs a mixture_source", 'write mixture_source = "assumed" if there is none'
        )
    if not isinstance(shares, Mapping) or not shares:
        faults.add(("mixture",), f"`mixture` must be a table of shares, not {shares!r}")
        shares = {}
    members: dict[str, Population] = {}
    weights: list[float] = []
    for member, share in shares.items():
        path = ("mixture", member)
        with faults.noting(path):
            found = find(member)
            weights.append(checked_number(f"mixture: the share of {member}", share, 0, 1e9))
            members[member] = found
            if found.members:
                faults.add(path, f"`{member}` is itself a mixture", "name the populations that it mixes")
    if members and not sum(weights) > 0:
        faults.add(("mixture",), "the shares of a mixture must have a sum above 0")
    source = str(data.get("mixture_source", ""))
    choice = Law(MEMBER, "choice", source=source, choices=tuple(members), weights=tuple(weights))
    laws = {MEMBER: choice}
    for population in members.values():
        laws = {**population.laws, **laws}
    return Population(name, title, {MEMBER: choice, **laws}, members=members)
