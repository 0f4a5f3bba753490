"""Where things lie in a dataset's folder.

    OUT/dataset.json · manifest.csv · labels/ · cases/000000/… · cases/more/001/234/1234567/…

and, for the program alone, ``OUT/.pancreasgen/``: lock, journal, drafts, reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CASE_FILE, DATASET_FILE = "case.json", "dataset.json"
SEALED_FILE = "dataset.sealed"
MORE, FEW = "more", 1000
PRIVATE = ".pancreasgen"


@dataclass(frozen=True, slots=True)
class Store:
    """A dataset's folder.

    Attributes:
        root: The folder that the user named.
        shard: Name of the shard that works here; empty for the whole.
    """

    root: Path
    shard: str = ""

    @property
    def cases(self) -> Path:
        """Folder of the complete cases."""
        return self.root / "cases"

    @property
    def private(self) -> Path:
        """Folder of what only the program needs."""
        return self.root / PRIVATE

    @property
    def scratch(self) -> Path:
        """Folder of drafts; each shard has its own."""
        return self.private / "tmp" / self.shard

    @property
    def quarantine(self) -> Path:
        """Folder of the reports of cases that could not be made."""
        return self.private / "quarantine"

    def case_folder(self, index: int) -> Path:
        """Return the folder of a case, whether it exists or not."""
        return self.cases / case_place(index)

    def has_case(self, index: int) -> bool:
        """Whether the case is complete."""
        return (self.case_folder(index) / CASE_FILE).is_file()

    def case_folders(self) -> Iterator[Path]:
        """Yield the folders of all cases in the order of their numbers, without holding more than 1,000 names."""
        yield from _numbered(self.cases)
        for million in _numbered(self.cases / MORE):
            for thousand in _numbered(million):
                yield from _numbered(thousand)


def strays(store: Store) -> Iterator[Path]:
    """Yield what lies in ``cases/`` and is no case, and cases where they do not belong."""
    known = {store.cases / MORE}
    places = [store.cases, store.cases / MORE]
    for place in places:
        if place.is_dir():
            yield from sorted(path for path in place.iterdir() if not path.name.isdigit() and path not in known)
    yield from (folder for folder in store.case_folders() if folder != store.case_folder(int(folder.name)))


def case_place(index: int) -> str:
    """Return where in ``cases/`` a case lies: it follows from its number alone, and no folder gets long.

    >>> case_place(7), case_place(1234567)
    ('000007', 'more/001/234/1234567')
    """
    if index < FEW:
        return f"{index:06d}"
    return f"{MORE}/{index // FEW**2:03d}/{index // FEW % FEW:03d}/{index:06d}"


def _numbered(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.name.isdigit() and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name))
