"""A recipe: everything that was decided about a case. It alone rebuilds the case."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pancreasgen.anatomy.physique import Physique
from pancreasgen.base.chance import Chance
from pancreasgen.base.checks import checked_number
from pancreasgen.base.errors import BadInputError
from pancreasgen.base.grid import Grid
from pancreasgen.dataset.keys import from_file, taken
from pancreasgen.dataset.population import MEMBER, PopulationText
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.organ.gland import Gland
from pancreasgen.organ.lesion import Lesion, check_fits
from pancreasgen.scan.protocol import Protocol

SCHEMA = 1  # raised by every change that moves a hash; the changelog says what moved


@dataclass(frozen=True, slots=True)
class Subject:
    """Every drawn scalar of one synthetic person.

    Attributes:
        person: Facts that other draws follow: ``age_years``, ``sex``.
        gland: The pancreas.
        ducts: Value of every parameter of the duct grammar, each in the unit that the grammar declares.
        physique: The body around it.
        lesions: What is wrong with the pancreas.
    """

    person: Mapping[str, float | str]
    gland: Gland
    ducts: Mapping[str, float]
    physique: Physique
    lesions: tuple[Lesion, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "person", MappingProxyType(dict(self.person)))
        object.__setattr__(self, "ducts", MappingProxyType({name: float(v) for name, v in self.ducts.items()}))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the subject travel between processes (a mapping proxy cannot)."""
        return (type(self), (dict(self.person), self.gland, dict(self.ducts), self.physique, self.lesions))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; :meth:`from_dict` is its inverse."""
        return {
            "person": dict(self.person),
            "gland": self.gland.to_dict(),
            "ducts": dict(self.ducts),
            "physique": self.physique.to_dict(),
            "lesions": [lesion.to_dict() for lesion in self.lesions],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Subject:
        """Return the subject of a dictionary made by :meth:`to_dict`.

        Raises:
            BadInputError: If a value is missing, of the wrong kind or outside its range; the message names its key.
        """
        person, gland, ducts, physique = (
            taken(data, name, dict, "subject") for name in ("person", "gland", "ducts", "physique")
        )
        with from_file("subject.gland"):
            shape = Gland.from_dict(gland)
        with from_file("subject.physique"):
            body = Physique.from_dict(physique)
        for name, value in ducts.items():
            with from_file("subject.ducts"):
                checked_number(name, value, -math.inf, math.inf)
        with from_file("subject.lesions"):
            lesions = tuple(Lesion.from_dict(item) for item in taken(data, "lesions", list, "subject"))
            for lesion in lesions:
                check_fits(lesion, shape.length_mm * shape.extent)
        return cls(person, shape, ducts, body, lesions)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes one case.

    Attributes:
        schema: Version of this form.
        versions: Name → version of the software that drew the numbers.
        grammar_id: Name of the duct grammar.
        grammar_text: The whole grammar, so that a user's own is not lost.
        seed: Seed of the dataset.
        index: Number of the case in the dataset.
        population: Name of the population that the subject was drawn from.
        subject: What was drawn.
        protocol: The scanner's setting.
        image_grid: Voxels of the CT.
        vessel_grammars: Organ → the whole grammar of the vessels in it (``liver``, ``kidney``); none for no vessels.
        population_text: The whole file of a user's own population; empty for one of the catalogue.
        rejected: For each draw of this case before this one, why it was no case.
    """

    schema: int
    versions: Mapping[str, str]
    grammar_id: str
    grammar_text: str
    seed: int
    index: int
    population: str
    subject: Subject
    protocol: Protocol
    image_grid: Grid
    vessel_grammars: Mapping[str, str] = field(default_factory=dict)
    population_text: str = ""
    rejected: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", MappingProxyType(dict(self.versions)))
        object.__setattr__(self, "vessel_grammars", MappingProxyType(dict(self.vessel_grammars)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the recipe travel between processes."""
        return (type(self).from_dict, (self.to_dict(),))

    def chance(self, stage: str) -> Chance:
        """Return the stream of a stage: ``organ``, ``growth``, ``tissue`` or ``noise``; each attempt has its own."""
        return attempt_chance(self.seed, self.index, stage, len(self.rejected))

    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]:
        """The ranges of checks in which the people of the population differ from adults."""
        people = PopulationText(self.population, self.population_text).laws
        return people.ranges(str(self.subject.person.get(MEMBER.partition(".")[2], "")))

    @property
    def grammar_sha256(self) -> str:
        """SHA-256 of the grammar's text."""
        return hashlib.sha256(self.grammar_text.encode()).hexdigest()

    @property
    def grammar(self) -> Grammar:
        """The grammar, parsed from its text."""
        return parse_grammar(self.grammar_text, id=self.grammar_id, file=self.grammar_id)

    @property
    def vessels(self) -> dict[str, Grammar]:
        """The grammars of vessels, parsed from their texts."""
        return {
            name: parse_grammar(text, id=f"vessels/{name}", file=f"vessels/{name}")
            for name, text in self.vessel_grammars.items()
        }

    @property
    def phantom_grid(self) -> Grid:
        """Voxels of the anatomy: those of the CT, with a plane for each detector row between slices."""
        rows, grid = self.protocol.rows_per_increment, self.image_grid
        step = grid.spacing_mm[2] / rows
        first = grid.origin_mm[2] - 0.5 * grid.spacing_mm[2] + 0.5 * step
        x, y, z = grid.shape
        return Grid((x, y, z * rows), (*grid.spacing_mm[:2], step), (*grid.origin_mm[:2], first))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; :meth:`from_dict` is its inverse."""
        return {
            "schema": self.schema,
            "versions": dict(self.versions),
            "grammar": {"id": self.grammar_id, "sha256": self.grammar_sha256, "text": self.grammar_text},
            "vessel_grammars": {name: {"text": text} for name, text in self.vessel_grammars.items()},
            "seed": self.seed,
            "index": self.index,
            "population": self.population,
            "population_text": self.population_text,
            "subject": self.subject.to_dict(),
            "protocol": self.protocol.to_dict(),
            "image_grid": self.image_grid.to_dict(),
            "attempts": [{"attempt": i, "reasons": list(reasons)} for i, reasons in enumerate(self.rejected)],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Return the recipe of a dictionary made by :meth:`to_dict`.

        Raises:
            BadInputError: If the schema is another one, a field is missing, of the wrong kind or outside its range (the
                message names its key), or the grammar's text does not fit its SHA-256.
        """
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
            found = data.get("schema") if isinstance(data, Mapping) else None
            raise BadInputError(f"this program reads recipes of schema {SCHEMA}, not {found}")
        grammar = taken(data, "grammar", dict)
        scanner, grid = taken(data, "protocol", dict), taken(data, "image_grid", dict)
        for name, most in (("seed", 2**63 - 1), ("index", 2**32 - 1)):
            if not 0 <= taken(data, name, int) <= most:
                raise BadInputError(f"`{name}` must be a whole number from 0 to {most}, not {data[name]}")
        with from_file("protocol"):
            protocol = Protocol.from_dict(scanner)
        with from_file("image_grid"):
            image_grid = Grid.from_dict(grid)
        recipe = cls(
            schema=SCHEMA,
            versions=taken(data, "versions", dict),
            grammar_id=taken(grammar, "id", str, "grammar"),
            grammar_text=taken(grammar, "text", str, "grammar"),
            seed=data["seed"],
            index=data["index"],
            population=taken(data, "population", str),
            subject=Subject.from_dict(taken(data, "subject", dict)),
            protocol=protocol,
            image_grid=image_grid,
            vessel_grammars=_texts(taken(data, "vessel_grammars", dict)),
            population_text=taken(data, "population_text", str),
            rejected=_rejected(taken(data, "attempts", list)),
        )
        told = taken(grammar, "sha256", str, "grammar")
        if told != recipe.grammar_sha256:
            raise BadInputError("the grammar's text in the recipe does not fit its SHA-256: one of them was edited")
        return recipe


def _texts(grammars: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of ``{name: {"text": …}}``."""
    return {
        name: taken(taken(grammars, name, dict, "vessel_grammars"), "text", str, f"vessel_grammars.{name}")
        for name in grammars
    }


def attempt_chance(seed: int, index: int, stage: str, attempt: int) -> Chance:
    """Return the stream of a stage of one attempt at a case; the first attempt's is that of the stage itself.

    >>> attempt_chance(1, 0, "growth", 0).stage, attempt_chance(1, 0, "growth", 2).stage
    ('growth', 'growth, attempt 2')
    """
    return Chance(seed, index, f"{stage}, attempt {attempt}" if attempt else stage)


def _rejected(attempts: list[Any]) -> tuple[tuple[str, ...], ...]:
    """Return the reasons of the attempts that a recipe lists.

    Raises:
        BadInputError: If they are not listed one by one, each with its reasons.
    """
    with from_file("attempts"):
        if [item["attempt"] for item in attempts] != list(range(len(attempts))):
            raise BadInputError("the attempts of a recipe must be numbered 0, 1, 2 …")
        return tuple(tuple(str(reason) for reason in item["reasons"]) for item in attempts)


def canonical_json(data: Any) -> bytes:
    r"""Return JSON that is the same for the same data: sorted keys, no NaN, shortest floats, one line feed at the end.

    >>> canonical_json({"b": 0.1, "a": [1]})
    b'{\n "a": [\n  1\n ],\n "b": 0.1\n}\n'
    """
    return (json.dumps(data, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n").encode()
