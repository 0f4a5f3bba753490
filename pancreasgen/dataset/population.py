"""Where populations are found: by name in the catalogue, or as a user's own file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pancreasgen.base.checks import unknown_name
from pancreasgen.base.errors import BadInputError
from pancreasgen.catalogue import entries, entry_text
from pancreasgen.dataset.disk import explaining, read_bytes
from pancreasgen.dataset.law import Drawn, Law
from pancreasgen.dataset.people import MEMBER, Population
from pancreasgen.dataset.population_file import read_population
from pancreasgen.grammar.grammar import Grammar

__all__ = ["MEMBER", "Drawn", "Law", "Population", "find_population", "load_population", "parse_population"]

SUFFIX = ".toml"
MAX_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class PopulationText:
    """A population as it is named or written.

    Attributes:
        name: Name in the catalogue, or the file's name without its suffix.
        text: The whole file of a user's own population; empty for one of the catalogue.
        file: Where it was read, as the user knows it; empty for one of the catalogue.
    """

    name: str
    text: str = ""
    file: str = ""

    @property
    def laws(self) -> Population:
        """The population itself."""
        return parse_population(self.name, self.text, self.file) if self.text else load_population(self.name)


def find_population(name_or_file: str) -> PopulationText:
    """Return a population by its name or by the path of a file.

    A path is what ends in ``.toml`` or holds a ``/``; everything else is a name.

    Raises:
        UsageError: If there is no population of that name; the message lists those that exist.
        MissingInputError: If there is no such file.
        NoPermissionError: If it may not be read.
        BadInputError: If the file is too large or not UTF-8.

    >>> find_population("adult").laws.title
    'Adults without disease of the pancreas'
    """
    if "\0" in name_or_file or not (name_or_file.endswith(SUFFIX) or "/" in name_or_file):
        if name_or_file not in entries("population"):
            raise unknown_name("population", name_or_file, entries("population"))
        return PopulationText(name_or_file)
    path = Path(name_or_file)
    with explaining(path, "read"):
        content = read_bytes(path, "population", MAX_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
    if not text.strip():
        raise BadInputError(f"{path} is empty", 'begin with extends = "adult"')
    return PopulationText(path.name.removesuffix(SUFFIX), text, str(path))


@cache
def load_population(name: str) -> Population:
    """Return a population of the catalogue.

    Raises:
        UsageError: If there is none of that name; the message lists those that exist.
        BadInputError: If its file is wrong.

    >>> load_population("adult").laws["gland.length_mm"].mean
    167.0
    """
    return parse_population(name, entry_text("population", name), f"catalogue/populations/{name}{SUFFIX}")


def parse_population(name: str, text: str, file: str = "") -> Population:
    r"""Return the population of a TOML text; see :mod:`pancreasgen.dataset.population_file`.

    With ``extends = "other"`` it has all laws of another population of the catalogue, but for those that it gives
    itself.

    Args:
        name: What it is called.
        text: The whole file.
        file: Where it was read, as the user knows it.

    Raises:
        DiagnosticError: If there are faults; all are told, each with its line.

    >>> parse_population("mine", 'extends = "adult"\n[checks]\n"gland.length_mm" = [90, 220]').checks
    {'gland.length_mm': (90.0, 220.0)}
    """
    return read_population(name, text, file or f"{name}{SUFFIX}", load_population)


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
