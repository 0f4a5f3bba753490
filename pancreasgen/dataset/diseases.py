"""How a lesion is drawn: its kind first, then what the population of that kind says about such lesions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import UsageError
from pancreasgen.dataset.keys import of_group
from pancreasgen.dataset.population import Drawn, Law, Population, load_population
from pancreasgen.organ.gland import Gland
from pancreasgen.organ.lesion import Lesion, check_fits

POPULATION_OF: Mapping[str, str] = {
    "pdac": "pdac",
    "ipmn_main": "ipmn",
    "ipmn_branch": "ipmn",
    "serous_cyst": "serous_cyst",
    "mucinous_cyst": "mucinous_cyst",
    "pnet": "pnet",
    "chronic_pancreatitis": "chronic_pancreatitis",
    "acute_pancreatitis": "acute_pancreatitis",
}
"""Kind of a lesion → population of the catalogue whose laws say how such lesions are."""
ISO_SIZE, ISO_CONTRAST = 0.41, 0.12
"""Isoattenuating carcinomas over hypoattenuating ones: 12.4 mm over 30.3 mm (Eur J Radiol, PMID 17961951), and 9 HU of
75 HU in the pancreatic, 4 of 41 HU in the portal-venous phase (Radiology 2002, PMID 12202711)."""
NAMES = tuple(f"lesion.{item.name}" for item in fields(Lesion))
_CONTRASTS = ("contrast_pancreatic_hu", "contrast_portal_hu", "contrast_delayed_hu")


def draw_lesions(
    laws: Population, chance: Chance, values: Mapping[str, Drawn], given: Mapping[str, Drawn]
) -> tuple[Lesion, ...]:
    """Draw the lesions of a person: none or one.

    The kind is the population's, or given. Where that population has no laws for lesions, those of the population that
    the kind is named after hold; so a mixed population needs to say no more than how frequent each kind is.

    Args:
        laws: The population.
        chance: Stream of the case's subject.
        values: What was drawn of the person.
        given: Dotted key → value that is given instead of drawn.

    Raises:
        UsageError: If the lesion is larger than the gland, or a lesion's value is given and there is no lesion.
    """
    kind = str(values.get("lesion.kind", "none"))
    if kind == "none":
        idle = [key for key in given if key in NAMES and key != "lesion.kind"]
        if idle and "lesion.kind" not in laws.laws:
            raise UsageError(f"`{idle[0]}` has no meaning: `{laws.name}` draws no lesion", "add --set lesion.kind=pdac")
        return ()
    drawn = {key: value for key, value in values.items() if key.startswith("lesion.")}
    if not _speaks_of(laws, kind):
        own = lesion_laws(POPULATION_OF[kind])
        fixed = {key: value for key, value in values.items() if not key.startswith("lesion.") or key in given}
        drawn = Population(laws.name, laws.title, own).draw(chance, {**fixed, "lesion.kind": kind})
    found: dict[str, Any] = {key[7:]: value for key, value in drawn.items() if key in NAMES}
    if kind == "pdac" and found.get("attenuation") == "iso":
        if "lesion.diameter_mm" not in given and "diameter_mm" in found:
            found["diameter_mm"] = max(float(found["diameter_mm"]) * ISO_SIZE, 5.0)
        for name in _CONTRASTS:
            if f"lesion.{name}" not in given and name in found:
                found[name] = float(found[name]) * ISO_CONTRAST
    with of_group("lesion"):
        return (Lesion(**found),)


def _speaks_of(laws: Population, kind: str) -> bool:
    """Return whether a population has laws of its own for a kind of lesion that it draws."""
    law = laws.laws.get("lesion.kind")
    own = any(key.startswith("lesion.") and key != "lesion.kind" for key in laws.laws)
    return own and law is not None and kind in (*law.choices, law.value)


@cache
def lesion_laws(population: str) -> Mapping[str, Law]:
    """Return the laws of a population that speak of lesions, and those that they follow.

    >>> lesion_laws("pdac")["lesion.duct_mm"].unit
    'mm'
    """
    laws = load_population(population).laws
    own = {key: law for key, law in laws.items() if key.startswith("lesion.")}
    followed = {other for law in own.values() for other in law.follows}
    return {key: law for key, law in laws.items() if key in own or key in followed}


def checked_lesions(lesions: tuple[Lesion, ...], gland: Gland) -> tuple[Lesion, ...]:
    """Return lesions that fit into their gland.

    Raises:
        UsageError: If one is larger than the gland.
    """
    for lesion in lesions:
        check_fits(lesion, gland.length_mm * gland.extent)
    return lesions


def checked_field(name: str, text: str) -> Drawn:
    """Return the value of a lesion's field that a user gave.

    Args:
        name: Name of the field.
        text: What the user gave.

    Raises:
        UsageError: If it is no such value.

    >>> checked_field("diameter_mm", "30")
    30.0
    """
    with of_group("lesion"):
        value: Drawn = getattr(Lesion(**{name: text}), name)  # type: ignore[arg-type]  # the door parses text
    return value
