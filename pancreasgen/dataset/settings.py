"""The settings of a dataset: what all its cases share, and how the recipe of each case follows from them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from importlib import metadata
from types import MappingProxyType
from typing import Any

from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import checked_number, nearest_name, unknown_name
from pancreasgen.base.errors import DiagnosticError, UsageError
from pancreasgen.dataset.diseases import NAMES, checked_field, checked_lesions, draw_lesions
from pancreasgen.dataset.framing import image_grid, parsed_like
from pancreasgen.dataset.grammars import GrammarText, find_grammar, grammar_names, vessel_grammars
from pancreasgen.dataset.keys import of_group
from pancreasgen.dataset.law import Drawn
from pancreasgen.dataset.people import Population
from pancreasgen.dataset.population import PopulationText, find_population, population_of
from pancreasgen.dataset.protocol_file import SUFFIX, find_protocol
from pancreasgen.dataset.recipe import SCHEMA, Recipe, Subject, attempt_chance
from pancreasgen.dataset.schemes import checked_scheme
from pancreasgen.grammar.check import check_grammar
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.grammar.uses import needs_organ
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.scan.protocol import Protocol

_LENGTH_MM, _QUICK_LENGTH_MM = 160.0, 110.0
_GROUPS = "groups are: gland, ducts, physique, body, lesion, protocol, image"
KEEPABLE = ("sinogram",)
_IMAGE_KEYS = {"length_mm": (20.0, 400.0, "mm")}


@dataclass(frozen=True)
class Settings:
    """What all cases of a dataset share.

    Attributes:
        seed: Seed of the dataset.
        people: The population, by name or as the user's own text.
        grammar: The duct grammar's name and text.
        protocol: The scanner's setting, with the user's changes.
        length_mm: Length of the scan along the body [mm].
        overrides: Dotted key → value that is given instead of drawn.
        as_published: Whether nothing was changed by hand: catalogue and drawn numbers only.
        schemes: Label schemes that are written beside the native one.
        keep: What is kept beside the usual files, of KEEPABLE.
    """

    seed: int
    people: PopulationText
    grammar: GrammarText
    protocol: Protocol
    length_mm: float
    overrides: Mapping[str, Drawn]
    as_published: bool = True
    schemes: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "overrides", MappingProxyType(dict(self.overrides)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the settings travel between processes."""
        values = (self.seed, self.people, self.grammar, self.protocol, self.length_mm, dict(self.overrides))
        return (type(self), (*values, self.as_published, self.schemes, self.keep))

    @property
    def population(self) -> str:
        """Name of the population."""
        return self.people.name

    @cached_property
    def laws(self) -> Population:
        """The population's laws."""
        return self.people.laws

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
            "population_text": self.people.text,
            "grammar": {"id": self.grammar.id, "text": self.grammar.text},
            "vessel_grammars": {name: {"text": text} for name, text in vessel_grammars().items()},
            "protocol": self.protocol.to_dict(),
            "length_mm": self.length_mm,
            "overrides": dict(self.overrides),
            "as_published": self.as_published,
            "schemes": list(self.schemes),
            "keep": list(self.keep),
            "pancreasgen": metadata.version("pancreasgen"),
        }

    def subject(self, index: int, attempt: int = 0) -> Subject:
        """Return the person of one case."""
        chance = attempt_chance(self.seed, index, "subject", attempt)
        return draw_subject(self.laws, self.rules, chance, self.overrides)

    def recipe(self, index: int, rejected: tuple[tuple[str, ...], ...] = ()) -> Recipe:
        """Return the recipe of one case; it depends on no other case.

        Args:
            index: Number of the case.
            rejected: For each draw that was no case, why; the next is drawn then.
        """
        subject = self.subject(index, len(rejected))
        organ = shape_organ(subject.gland, attempt_chance(self.seed, index, "organ", len(rejected)), subject.lesions)
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
            population_text=self.people.text,
            rejected=rejected,
        )


def make_settings(
    grammar: GrammarText,
    *,
    seed: int = 0,
    population: str | None = None,
    protocol: str = "portal-venous",
    quick: bool = False,
    overrides: Mapping[str, str] | None = None,
    schemes: Iterable[str] = (),
    keep: Iterable[str] = (),
) -> Settings:
    """Return checked settings; every mistake in them is found here, before any work.

    Args:
        grammar: The duct grammar.
        seed: Seed of the dataset, 0 to 2⁶³ − 1.
        population: Name of a population of the catalogue, or path of a ``.toml`` file; None for the one that the
            grammar names, else `adult`.
        protocol: Name of a protocol of the catalogue, or path of a ``.toml`` file.
        quick: Coarse numbers for first steps and tests.
        overrides: Dotted key → value as text: ``gland.length_mm``, ``ducts.NAME``, ``physique.…``, ``body.…``,
            ``lesion.…``, ``protocol.mas``, ``image.length_mm``.
        schemes: Label schemes to write beside the native one.
        keep: What to keep beside the usual files, of KEEPABLE.

    Raises:
        UsageError: If a name is unknown (the nearest is named) or a value outside its range (the range is named).
        DiagnosticError: If the grammar has faults.
    """
    number = int(checked_number("seed", seed, 0, 2**63 - 1))
    scanner, rules = find_protocol(protocol).protocol, checked_grammar(grammar)
    people = find_population(population or population_of(rules))
    laws = people.laws
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
    own_files = bool(people.text) or protocol.endswith(SUFFIX)
    published = grammar.id in grammar_names() and grammar == find_grammar(grammar.id)
    by_hand = bool((overrides or {}).keys() - {"protocol.fidelity"}) or own_files or not published
    chosen = tuple(checked_scheme(name) for name in dict.fromkeys(schemes))
    kept = tuple(dict.fromkeys(keep))
    for name in kept:
        if name not in KEEPABLE:
            raise unknown_name("file to keep", name, KEEPABLE)
    if "sinogram" in kept:
        scanner.check_measures()
    return Settings(number, people, grammar, scanner, length, drawn, not by_hand, chosen, kept)


def known_keys(laws: Population, rules: Grammar) -> list[str]:
    """Return every key that ``--set`` takes."""
    keys = [f"gland.{item.name}" for item in fields(Gland)] + [f"physique.{item.name}" for item in fields(Physique)]
    keys += [f"ducts.{name}" for name in rules.parameters] + [key for key in laws.laws if key.startswith("body.")]
    keys += [f"protocol.{item.name}" for item in fields(Protocol) if item.name != "name"]
    return [*keys, *NAMES, *(f"image.{name}" for name in _IMAGE_KEYS)]


def _checked_value(key: str, text: str, laws: Population, rules: Grammar) -> Drawn:
    """Return the value that a user gave for a drawn quantity, checked by whoever owns the quantity."""
    group, _, name = key.partition(".")
    if group == "ducts":
        return rules.with_values({name: text}).parameters[name].value  # type: ignore[dict-item]  # the door parses text
    if group in ("body", "lesion"):
        return laws.laws[key].check(text) if group == "body" else checked_field(name, text)
    owner: Any = Gland if group == "gland" else Physique
    with of_group(group):
        value: Drawn = getattr(owner(**{name: text}), name)
    return value


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
    groups: dict[str, dict[str, Any]] = {"body": {}, "gland": {}, "ducts": {}, "physique": {}, "lesion": {}}
    for key, value in values.items():
        group, _, name = key.partition(".")
        groups[group][name] = value
    ducts = {name: parameter.value for name, parameter in rules.parameters.items()}
    for name in ducts.keys() & groups["ducts"].keys():
        parameter = rules.parameters[name]
        ducts[name] = min(max(groups["ducts"][name], parameter.low), parameter.high)
    gland = Gland(**groups["gland"])
    lesions = checked_lesions(draw_lesions(laws.member_of(values), chance, values, overrides), gland)
    return Subject(groups["body"], gland, ducts, Physique(**groups["physique"]), lesions)


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
