"""Tables: the manifest of a dataset, and the label table for the programs that show labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from pancreasgen.anatomy.structures import STRUCTURES
from pancreasgen.dataset.recipe import canonical_json
from pancreasgen.dataset.schemes import SCHEMES

_FIRST = ("index", "case", "seed", "checks_passed")


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested dictionaries as one with dotted keys; lists are left out.

    >>> flat({"a": {"b": 1, "c": {"d": "x"}}, "e": [1]})
    {'a.b': 1, 'a.c.d': 'x'}
    """
    row: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            row.update(flat(value, f"{prefix}{key}."))
        elif not isinstance(value, list | tuple):
            row[f"{prefix}{key}"] = value
    return row


def case_row(case: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the manifest's row of a parsed ``case.json``."""
    recipe = case["recipe"]
    scan = {key: value for key, value in recipe["protocol"].items() if not isinstance(value, Mapping | list)}
    return {
        "index": recipe["index"],
        "case": name,
        "seed": recipe["seed"],
        "checks_passed": all(check["passed"] for check in case["checks"]),
        "grammar": recipe["grammar"]["id"],
        "population": recipe["population"],
        "attempts": len(recipe["attempts"]) + 1,
        "lesion": ", ".join(lesion["kind"] for lesion in recipe["subject"]["lesions"]) or "none",
        **flat(
            {"subject": recipe["subject"], "protocol": scan, "dose": case.get("dose", {}), "measured": case["measured"]}
        ),
        **{f"sha256.{key}": value for key, value in case["arrays"].items()},
    }


def csv_bytes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    r"""Return rows as CSV with the union of their columns: the first ones fixed, the others sorted.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.

    >>> csv_bytes([{"index": 0, "b": "=1+1"}, {"index": 1, "a": 0.5}])
    b"index,a,b\r\n0,,'=1+1\r\n1,0.5,\r\n"
    """
    table = list(rows)
    names = {name for row in table for name in row}
    columns = [name for name in _FIRST if name in names] + sorted(names - set(_FIRST))
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, columns, restval="")
    writer.writeheader()
    for row in table:
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return stream.getvalue().encode()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def label_tables() -> dict[str, bytes]:
    """Return file name → content of the native scheme: JSON, 3D Slicer's colour table, ITK-SNAP's description."""
    slicer = ["# Color table file: pancreasgen, scheme full"]
    snap = ["# ITK-SnAP Label Description File", "# pancreasgen, scheme full"]
    for item in STRUCTURES:
        red, green, blue = item.rgb
        visible = int(item.value > 0)
        slicer.append(f"{item.value} {item.name} {red} {green} {blue} {255 * visible}")
        numbers = f"{item.value:5d} {red:5d} {green:5d} {blue:5d} {visible:8d} {visible:2d} {visible:2d}"
        snap.append(f'{numbers}    "{item.name}"')
    return {
        "schemes.json": canonical_json({"schemes": [item.to_dict() for item in SCHEMES.values()]}),
        "labels.json": canonical_json({"scheme": "full", "labels": [item.to_dict() for item in STRUCTURES]}),
        "slicer.ctbl": ("\n".join(slicer) + "\n").encode(),
        "itksnap.txt": ("\n".join(snap) + "\n").encode(),
    }
