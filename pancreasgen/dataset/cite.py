"""How to cite a dataset: what made it, a fingerprint of its settings, and whose numbers it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pancreasgen.base.errors import BadInputError
from pancreasgen.dataset.disk import sha256
from pancreasgen.dataset.keys import from_file
from pancreasgen.dataset.layout import DATASET_FILE
from pancreasgen.dataset.recipe import canonical_json
from pancreasgen.dataset.store import read_json
from pancreasgen.dataset.verify import opened_dataset

_UNSOURCED = ("assumed", "not stated")


@dataclass(frozen=True, slots=True)
class Citation:
    """What a paper says about a dataset.

    Attributes:
        version: Version of the program.
        seed: Seed.
        population: Who was drawn.
        grammar: How ducts grew.
        protocol: How was scanned.
        fingerprint: SHA-256 of the settings: equal where, and only where, two datasets have the same cases.
        sources: Source → names of the numbers that it gives.
        assumed: How many numbers have no source.
    """

    version: str
    seed: int
    population: str
    grammar: str
    protocol: str
    fingerprint: str
    sources: Mapping[str, list[str]]
    assumed: int

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the citation as text."""
        given = sum(map(len, self.sources.values()))
        return [
            f"Synthetic CT images made with pancreasgen {self.version}: population {self.population}, duct grammar"
            f" {self.grammar}, protocol {self.protocol}, seed {self.seed}.",
            f"Settings: sha256 {self.fingerprint}",
            f"Numbers: {given} from {len(self.sources)} sources, {self.assumed} assumed.",
            *(f"  {source}: {len(names)}" for source, names in sorted(self.sources.items())),
        ]


def citation(root: Path) -> Citation:
    """Return how to cite a dataset.

    Raises:
        MissingInputError: If there is no dataset.
        BadInputError: If ``dataset.json`` is damaged.
    """
    path = opened_dataset(root).root / DATASET_FILE
    data = read_json(path)
    found: dict[str, list[str]] = {}
    with from_file("settings"):
        settings, sources = dict(data["settings"]), dict(data["sources"])
        for name, source in sorted(sources.items()):
            found.setdefault(str(source), []).append(name)
        assumed = sum(len(found.pop(word, ())) for word in list(found) if word.startswith(_UNSOURCED))
        return Citation(
            version=str(settings["pancreasgen"]),
            seed=int(settings["seed"]),
            population=str(settings["population"]),
            grammar=str(settings["grammar"]["id"]),
            protocol=str(settings["protocol"]["name"]),
            fingerprint=sha256(canonical_json(settings)),
            sources=found,
            assumed=assumed,
        )
    raise BadInputError(f"{path} is not a description of a pancreasgen dataset")
