"""Tables: the manifest of a dataset, and the label table for the programs that show labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pancreasgen.anatomy.structures import STRUCTURES
from pancreasgen.dataset.recipe import canonical_json
from pancreasgen.dataset.schemes import SCHEMES


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
