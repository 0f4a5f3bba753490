"""Grow synthetic pancreases with an L-system grammar and scan them in a virtual CT.

The public names load when they are first used, so that ``import pancreasgen`` costs nothing:

>>> import pancreasgen
>>> pancreasgen.load_protocol("portal-venous").kvp
120.0
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    # values
    "Grid": "base.grid",
    "Volume": "base.grid",
    "Grammar": "grammar.grammar",
    "Organ": "organ.organ",
    "Gland": "organ.gland",
    "DuctNetwork": "network.network",
    "Physique": "anatomy.physique",
    "Phantom": "anatomy.phantom",
    "Protocol": "scan.protocol",
    "Recipe": "dataset.recipe",
    "Subject": "dataset.recipe",
    "Case": "dataset.build",
    # the road
    "parse_grammar": "grammar.syntax",
    "shape_organ": "organ.gland",
    "grow": "network.grow",
    "compose": "anatomy.phantom",
    "scan": "scan.scan",
    "build_case": "dataset.build",
    "generate": "dataset.stream",
    # the catalogue
    "find_grammar": "dataset.grammars",
    "load_population": "dataset.population",
    "load_protocol": "scan.protocol",
    # errors
    "PancreasgenError": "base.errors",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'pancreasgen' has no attribute {name!r}")
    return getattr(import_module(f"pancreasgen.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
