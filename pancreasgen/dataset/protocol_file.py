"""Protocols with the source of every number: those of the catalogue, and users' own ``.toml`` files.

A file of a user's own has the catalogue's form, or a shorter one::

    title = "Our low-dose scan"
    extends = "portal-venous"

    [settings]
    mas = 40                                                          # a bare value, or
    kvp = { value = 100, unit = "kV", source = "our scanner's card" }  # one with its source

With ``extends`` it has every number of another protocol of the catalogue, but for those that it gives itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from pancreasgen.base.checks import unknown_name
from pancreasgen.base.errors import BadInputError, PancreasgenError
from pancreasgen.catalogue import entries, entry_text
from pancreasgen.dataset.disk import explaining, read_bytes
from pancreasgen.dataset.toml_faults import TomlFaults
from pancreasgen.scan.protocol import Protocol
from pancreasgen.scan.ranges import RANGES

SUFFIX = ".toml"
MAX_BYTES = 1_000_000
NOT_STATED = "not stated"
_TOP = ("title", "id", "extends", "settings")
_ITEM = ("value", "unit", "source")
_NAMES = [item.name for item in fields(Protocol) if item.name != "name"]
_NEEDED = [item.name for item in fields(Protocol) if item.name != "name" and item.default is MISSING]


@dataclass(frozen=True, slots=True)
class Sourced:
    """A protocol and where its numbers come from.

    Attributes:
        protocol: The setting.
        title: One line about it.
        units: Field → unit; only for fields that the file tells.
        sources: Field → source, or "not stated"; only for fields that the file tells.
    """

    protocol: Protocol
    title: str
    units: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def rows(self) -> list[tuple[str, Any, str, str]]:
        """Return (field, value, unit, source) of every field but the name."""
        told = self.protocol.to_dict()
        default = "default of the program"
        return [(name, told[name], self.units.get(name, RANGES.get(name, ("", "", ""))[2]),
                 self.sources.get(name, default)) for name in _NAMES]  # fmt: skip

    def worth(self) -> dict[str, int]:
        """Return how many numbers have a source, and how many are assumed or have none."""
        assumed = sum(
            source == NOT_STATED or "assumed" in source or "recalled" in source for source in self.sources.values()
        )
        return {"sourced": len(self.sources) - assumed, "assumed": assumed}


def find_protocol(name_or_file: str) -> Sourced:
    """Return a protocol by its name in the catalogue or by the path of a ``.toml`` file.

    Raises:
        UsageError: If there is none of that name; the message lists those that exist.
        MissingInputError: If there is no such file.
        NoPermissionError: If it may not be read.
        DiagnosticError: If the file has faults; all are told, each with its line.
        BadInputError: If the file is too large or not UTF-8.

    >>> find_protocol("portal-venous").protocol.kvp
    120.0
    """
    if not name_or_file.endswith(SUFFIX):
        if name_or_file not in entries("protocol"):
            raise unknown_name("protocol", name_or_file, entries("protocol"))
        return of_catalogue(name_or_file)
    path = Path(name_or_file)
    with explaining(path, "read"):
        content = read_bytes(path, "protocol", MAX_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
    return parse_protocol(path.name.removesuffix(SUFFIX), text, str(path))


@cache
def of_catalogue(name: str) -> Sourced:
    """Return a protocol of the catalogue.

    Raises:
        UsageError: If there is none of that name.
    """
    return parse_protocol(name, entry_text("protocol", name), f"catalogue/protocols/{name}{SUFFIX}")


def parse_protocol(name: str, text: str, file: str) -> Sourced:
    r"""Return the protocol of a TOML text.

    Args:
        name: What it is called.
        text: The whole file.
        file: Where it was read, as the user knows it.

    Raises:
        DiagnosticError: If it has faults; all are told, each with its line.

    >>> parse_protocol("mine", 'extends = "thin"\n[settings]\nmas = 40\n', "mine.toml").protocol.mas
    40.0
    """
    faults = TomlFaults(text, file)
    data = faults.parsed()
    for key in data.keys() - set(_TOP):
        faults.unknown((key,), f"a protocol has no field `{key}`", key, _TOP)
    base = _base(data, faults)
    values = {} if base is None else {key: item for key, item in base.protocol.to_dict().items() if key != "name"}
    units, sources = (dict(base.units), dict(base.sources)) if base is not None else ({}, {})
    settings = data.get("settings", {})
    if not isinstance(settings, dict):
        faults.add(("settings",), "`settings` must be a table", "write [settings] and then mas = 40")
        settings = {}
    for key, item in settings.items():
        if key not in _NAMES:
            faults.unknown(("settings", key), f"a protocol has no setting `{key}`", key, _NAMES)
            continue
        if not isinstance(item, dict):
            item = {"value": item}
        for other in item.keys() - set(_ITEM):
            faults.unknown(("settings", key, other), f"`{key}` has an unknown field `{other}`", other, _ITEM)
        if "value" not in item:
            faults.add(("settings", key), f"`{key}` has no value")
        values[key] = item.get("value")
        units[key] = str(item.get("unit", RANGES.get(key, ("", "", ""))[2]))
        sources[key] = str(item.get("source", NOT_STATED))
    missing = [key for key in _NEEDED if key not in values]
    if missing:
        faults.add(
            (), f"{', '.join(missing)} missing", f'give them, or begin with extends = "{entries("protocol")[0]}"'
        )
    faults.settle()
    protocol = _made(name, values, faults)
    return Sourced(protocol, str(data.get("title", name)), units, sources)


def _base(data: Mapping[str, Any], faults: TomlFaults) -> Sourced | None:
    if "extends" not in data:
        return None
    name = data["extends"]
    if name not in entries("protocol"):
        faults.unknown(("extends",), f"there is no protocol `{name}`", str(name), entries("protocol"))
        return None
    return of_catalogue(name)


def _made(name: str, values: Mapping[str, Any], faults: TomlFaults) -> Protocol:
    """Return the protocol; a value that it refuses is shown where the text gives it."""
    try:
        return Protocol(name=name, **values)
    except PancreasgenError as error:
        first = error.message.partition(" ")[0]
        key = first if first in _NAMES else next((k for k in _NAMES if str(values[k]) in error.message), "")
        faults.add(("settings", key) if key else ("settings",), error.message, error.hint)
    except TypeError as error:
        faults.add(("settings",), f"a value is of the wrong kind: {error}")
    faults.settle()
    raise BadInputError("the protocol has a fault")  # not reached: settle raises what was found
