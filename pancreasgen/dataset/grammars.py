"""Where grammars are found: by name in those that come with the program, or as a user's own file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pancreasgen
from pancreasgen.base.checks import unknown_name
from pancreasgen.base.errors import BadInputError, PancreasgenError
from pancreasgen.dataset.disk import explaining, read_bytes

SUFFIX = ".lsys"
DEFAULT = "human_pancreas"
VESSELS = "vessels"
MAX_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class GrammarText:
    """A grammar as text.

    Attributes:
        id: Name in the catalogue, or the file's name without its suffix.
        text: The whole file.
        file: Where it was read, as the user knows it.
    """

    id: str
    text: str
    file: str


@cache
def grammar_folder() -> Path:
    """Return the folder of the grammars that come with the program.

    An installed wheel carries them inside the package; an editable install reads them beside it, in the checkout.

    Raises:
        PancreasgenError: If neither is there: the installation is incomplete.
    """
    return folder_of(Path(pancreasgen.__file__).parent)


def folder_of(package: Path) -> Path:
    """Return the grammar folder for a package folder: inside it, else beside it."""
    for folder in (package / "grammars", package.parent / "grammars"):
        if folder.is_dir():
            return folder
    raise PancreasgenError(f"no grammars lie in or beside {package}", "install pancreasgen again")


def grammar_names() -> list[str]:
    """Return the names of the grammars that come with the program; those in folders as ``folder/name``.

    Grammars of vessels are not among them: they grow in other organs (:func:`vessel_grammars`).
    """
    folder = grammar_folder()
    names = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob(f"*{SUFFIX}"))
    return [name for name in names if not name.startswith(f"{VESSELS}/")]


def vessel_grammars() -> dict[str, str]:
    """Return the grammars of vessels as text, by the name of the organ that they grow in.

    Raises:
        PancreasgenError: If the installation is incomplete.
        BadInputError: If a file is too large or not UTF-8.

    >>> sorted(vessel_grammars())
    ['kidney', 'liver']
    """
    folder = grammar_folder() / VESSELS
    return {path.stem: _text(path) for path in sorted(folder.glob(f"*{SUFFIX}"))}


def find_grammar(name_or_file: str) -> GrammarText:
    """Return a grammar's text, by its name or by the path of a file.

    A path is what ends in ``.lsys`` or exists as a file; everything else is a name.

    Raises:
        UsageError: If there is no grammar of that name; the message lists those that exist.
        MissingInputError: If there is no such file.
        NoPermissionError: If it may not be read.
        BadInputError: If the file is too large or not UTF-8.

    >>> find_grammar("human_pancreas").id
    'human_pancreas'
    """
    names = grammar_names()
    if "\0" in name_or_file:
        raise unknown_name("grammar", name_or_file, names)
    if name_or_file in names:
        path = grammar_folder() / f"{name_or_file}{SUFFIX}"
        return GrammarText(name_or_file, _text(path), f"grammars/{name_or_file}{SUFFIX}")
    path = Path(name_or_file)
    with explaining(path, "read"):
        is_path = path.suffix == SUFFIX or path.is_file()
    if is_path:
        return GrammarText(path.name.removesuffix(SUFFIX), _text(path), str(path))
    raise unknown_name("grammar", name_or_file, names)


def _text(path: Path) -> str:
    try:
        return read_bytes(path, "grammar", MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
