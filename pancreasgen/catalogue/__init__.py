"""Every number with unit, range and source: populations, protocols, tissues, physics tables.

The files lie in the package, never change at run time and are read once. This module is their only reader.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from pancreasgen.base.checks import unknown_name

FOLDERS = {"protocol": "protocols", "population": "populations"}


def entries(kind: str) -> list[str]:
    """Return the names of all entries of a kind (``protocol`` or ``population``), sorted."""
    folder = resources.files(__name__) / FOLDERS[kind]
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


@cache
def entry_text(kind: str, name: str) -> str:
    """Return the TOML text of one entry.

    Raises:
        UsageError: If there is no such entry; the message lists those that exist.
    """
    names = entries(kind)
    if name not in names:
        raise unknown_name(kind, name, names)
    return (resources.files(__name__) / FOLDERS[kind] / f"{name}.toml").read_text(encoding="utf-8")


def entry(kind: str, name: str) -> dict[str, Any]:
    """Return one entry as a fresh dictionary."""
    return tomllib.loads(entry_text(kind, name))


@cache
def table_text(name: str) -> str:
    """Return the text of a table that lies directly in the catalogue, for example ``tissues.toml``."""
    return (resources.files(__name__) / name).read_text(encoding="utf-8")
