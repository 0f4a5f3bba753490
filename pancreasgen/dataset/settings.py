"""The settings of a dataset: what all its cases share, and how the recipe of each case follows from them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from importlib import metadata
from types import MappingProxyType
from typing import Any

import numpy as np

from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import checked_number, nearest_name
from pancreasgen.base.errors import DiagnosticError, UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.dataset.grammars import GrammarText, vessel_grammars
from pancreasgen.dataset.keys import of_group
from pancreasgen.dataset.population import Drawn, Population, load_population, population_of
from pancreasgen.dataset.recipe import SCHEMA, Recipe, Subject
from pancreasgen.grammar.check import check_grammar
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.grammar.uses import needs_organ
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.organ import Organ
from pancreasgen.scan.protocol import RANGES, Protocol, load_protocol

_LENGTH_MM, _QUICK_LENGTH_MM = 160.0, 110.0
_BODY_MARGIN = 1.1
_STEP_MM = 1 / 256  # spacings and origins are multiples of it: exact in the float32 of a NIfTI header
_GROUPS = "groups are: gland, ducts, physique, body, protocol, image"
_IMAGE_KEYS = {"length_mm": (20.0, 400.0, "mm")}


@dataclass(frozen=True)
class Settings:
    """What all cases of a dataset share.

    Attributes:
        seed: Seed of the dataset.
        population: Name of the population.
        grammar: The duct grammar's name and text.
        protocol: The scanner's setting, with the user's changes.
        length_mm: Length of the scan along the body [mm].
        overrides: Dotted key → value that is given instead of drawn.
    """

    seed: int
    population: str
    grammar: GrammarText
    protocol: Protocol
    length_mm: float
    overrides: Mapping[str, Drawn]

    def __post_init__(self) -> None:
        object.__setattr__(self, "overrides", MappingProxyType(dict(self.overrides)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the settings travel between processes."""
        values = (self.seed, self.population, self.grammar, self.protocol, self.length_mm, dict(self.overrides))
        return (type(self), values)

    @cached_property
    def laws(self) -> Population:
        """The population's laws."""
        return load_population(self.population)

    @cached_property
    def rules(self) -> Grammar:
        """The grammar, parsed and checked."""
        return checked_grammar(self.grammar)

    def to_dict(self) -> dict[str, Any]:
        """Return everything that decides the cases, JSON-ready: two datasets agree where this agrees."""
        return {
            "schema": SCHEMA,
            "seed": self.seed,
            "population": self.population,
            "grammar": {"id": self.grammar.id, "text": self.grammar.text},
            "vessel_grammars": {name: {"text": text} for name, text in vessel_grammars().items()},
            "protocol": self.protocol.to_dict(),
            "length_mm": self.length_mm,
            "overrides": dict(self.overrides),
            "pancreasgen": metadata.version("pancreasgen"),
        }

    def subject(self, index: int) -> Subject:
        """Return the person of one case."""
        return draw_subject(self.laws, self.rules, Chance(self.seed, index, "subject"), self.overrides)

    def recipe(self, index: int) -> Recipe:
        """Return the recipe of one case; it depends on no other case."""
        subject = self.subject(index)
        organ = shape_organ(subject.gland, Chance(self.seed, index, "organ"))
        return Recipe(
            schema=SCHEMA,
            versions=versions(),
            grammar_id=self.grammar.id,
            grammar_text=self.grammar.text,
            seed=self.seed,
            index=index,
            population=self.population,
            subject=subject,
            protocol=self.protocol,
            image_grid=image_grid(organ, subject.physique, self.protocol, self.length_mm),
            vessel_grammars=vessel_grammars(),
        )


def make_settings(
    grammar: GrammarText,
    *,
    seed: int = 0,
    population: str | None = None,
    protocol: str = "portal-venous",
    quick: bool = False,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """Return checked settings; every mistake in them is found here, before any work.

    Args:
        grammar: The duct grammar.
        seed: Seed of the dataset, 0 to 2⁶³ − 1.
        population: Name of a population of the catalogue; None for the one that the grammar names, else `adult`.
        protocol: Name of a protocol of the catalogue.
        quick: Coarse numbers for first steps and tests.
        overrides: Dotted key → value as text: ``gland.length_mm``, ``ducts.NAME``, ``physique.…``, ``body.…``,
            ``protocol.mas``, ``image.length_mm``.

    Raises:
        UsageError: If a name is unknown (the nearest is named) or a value outside its range (the range is named).
        DiagnosticError: If the grammar has faults.
    """
    number = int(checked_number("seed", seed, 0, 2**63 - 1))
    scanner, rules = load_protocol(protocol), checked_grammar(grammar)
    population = population or population_of(rules)
    laws = load_population(population)
    scanner = scanner.quick() if quick else scanner
    length = _QUICK_LENGTH_MM if quick else _LENGTH_MM
    drawn: dict[str, Drawn] = {}
    changes: dict[str, Any] = {}
    known = known_keys(laws, rules)
    for key, text in (overrides or {}).items():
        group, _, name = key.partition(".")
        if key not in known:
            near = nearest_name(key, known)
            hint = f"did you mean `{near}`?\n" if near else ""
            raise UsageError(f"there is no setting `{key}`", f"{hint}{_GROUPS}")
        if group == "image":
            length = checked_number(key, text, *_IMAGE_KEYS[name])
        elif group == "protocol":
            changes[name] = parsed_like(key, text, getattr(scanner, name))
        else:
            drawn[key] = _checked_value(key, text, laws, rules)
    with of_group("protocol"):
        scanner = replace(scanner, **changes)
    return Settings(number, population, grammar, scanner, length, drawn)


def known_keys(laws: Population, rules: Grammar) -> list[str]:
    """Return every key that ``--set`` takes."""
    keys = [f"gland.{item.name}" for item in fields(Gland)] + [f"physique.{item.name}" for item in fields(Physique)]
    keys += [f"ducts.{name}" for name in rules.parameters] + [key for key in laws.laws if key.startswith("body.")]
    keys += [f"protocol.{item.name}" for item in fields(Protocol) if item.name != "name"]
    return keys + [f"image.{name}" for name in _IMAGE_KEYS]


def _checked_value(key: str, text: str, laws: Population, rules: Grammar) -> Drawn:
    """Return the value that a user gave for a drawn quantity, checked by whoever owns the quantity."""
    group, _, name = key.partition(".")
    if group == "ducts":
        return rules.with_values({name: text}).parameters[name].value  # type: ignore[dict-item]  # the door parses text
    if group == "body":
        return laws.laws[key].check(text)
    owner: Any = Gland if group == "gland" else Physique
    with of_group(group):
        value: Drawn = getattr(owner(**{name: text}), name)
    return value


def parsed_like(key: str, text: str, old: Any) -> Any:
    """Return text as a value of the old one's kind.

    Args:
        key: Dotted key of a field of a protocol.
        text: What the user gave.
        old: The field's value.

    Raises:
        UsageError: If the text is no such value, or outside the field's range; the message names key and range.

    >>> parsed_like("protocol.mas", "50", 200.0)
    50.0
    """
    if isinstance(old, bool):
        if text.lower() not in ("true", "false"):
            raise UsageError(f"{key} must be true or false, not {text}")
        return text.lower() == "true"
    if not isinstance(old, int | float):
        return text
    number = checked_number(key, text, *RANGES[key.partition(".")[2]])
    if isinstance(old, int) and not number.is_integer():
        raise UsageError(f"{key} must be a whole number, not {text}")
    return number


def draw_subject(laws: Population, rules: Grammar, chance: Chance, overrides: Mapping[str, Drawn]) -> Subject:
    """Draw a person from a population.

    Parameters of the grammar that the population has no law for keep the grammar's own value; laws for parameters
    that this grammar does not have are drawn for nobody.

    Args:
        laws: The population.
        rules: The grammar, for its parameters.
        chance: Stream of the case's subject.
        overrides: Dotted key → value that is given instead of drawn.
    """
    values = laws.draw(chance, overrides)
    groups: dict[str, dict[str, Any]] = {"body": {}, "gland": {}, "ducts": {}, "physique": {}}
    for key, value in values.items():
        group, _, name = key.partition(".")
        groups[group][name] = value
    ducts = {name: parameter.value for name, parameter in rules.parameters.items()}
    for name in ducts.keys() & groups["ducts"].keys():
        parameter = rules.parameters[name]
        ducts[name] = min(max(groups["ducts"][name], parameter.low), parameter.high)
    return Subject(groups["body"], Gland(**groups["gland"]), ducts, Physique(**groups["physique"]))


def image_grid(organ: Organ, physique: Physique, protocol: Protocol, length_mm: float) -> Grid:
    """Return the CT's grid: the protocol's field of view, widened to hold the body, and slices around the gland.

    Spacings in the slice and the origin are multiples of 1/256 mm, which a NIfTI header holds exactly.

    Args:
        organ: The gland, in the middle of the slices.
        physique: The body, in the middle of the field of view.
        protocol: Matrix, field of view and slices.
        length_mm: Length of the scan [mm].
    """
    width = max(2 * physique.half_width_mm, physique.front_depth_mm + physique.back_depth_mm)
    fov = min(max(protocol.fov_mm, _BODY_MARGIN * width), max(protocol.fan_fov_mm, protocol.fov_mm))
    pixel = math.ceil(fov / protocol.matrix / _STEP_MM) * _STEP_MM
    slices = max(1, math.ceil(length_mm / protocol.slice_increment_mm - 1e-9))
    planes = np.flatnonzero(organ.regions.data.any(axis=(0, 1)))
    heights = organ.regions.grid.axis_mm(2)[planes]
    middle = (0.0, 0.5 * (physique.front_depth_mm - physique.back_depth_mm), float(heights[0] + heights[-1]) / 2)
    grid = Grid.centred((protocol.matrix, protocol.matrix, slices), (pixel, pixel, protocol.slice_increment_mm), middle)
    x, y, z = (round(o / _STEP_MM) * _STEP_MM for o in grid.origin_mm)
    return replace(grid, origin_mm=(x, y, z))


def checked_grammar(grammar: GrammarText) -> Grammar:
    """Return the parsed grammar.

    Raises:
        DiagnosticError: If it has faults; warnings are let pass, and so is an explosion of a grammar that needs no
            organ: how far it gets is a matter of steps.
    """
    rules = parse_grammar(grammar.text, id=grammar.id, file=grammar.file)
    bounded = not needs_organ(rules)
    faults = [item for item in check_grammar(rules) if item.severity == "error"]
    faults = [item for item in faults if not (bounded and item.code == "PG126")]
    if faults:
        raise DiagnosticError(faults)
    return rules


def parse_overrides(items: Iterable[str]) -> dict[str, str]:
    """Return ``KEY=VALUE`` texts as a dictionary.

    Raises:
        UsageError: If a text has no ``=`` or a key comes twice.

    >>> parse_overrides(["gland.length_mm=180"])
    {'gland.length_mm': '180'}
    """
    found: dict[str, str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UsageError(f"--set wants KEY=VALUE, not {item}", "for example --set gland.length_mm=180")
        if key.strip() in found:
            raise UsageError(f"--set {key.strip()} was given twice")
        found[key.strip()] = value.strip()
    return found


def versions() -> dict[str, str]:
    """Return the versions of what decides the numbers."""
    names = ("pancreasgen", "numpy", "numba", "scipy")
    return {name: metadata.version(name) for name in names} | {"python": ".".join(map(str, sys.version_info[:3]))}
