"""A page that shows ducts in space: one file that needs nothing else, to be turned and looked into."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from importlib import resources
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.errors import printable
from pancreasgen.network.network import DuctNetwork, Kind

DARK = ("#ffd166", "#4cc9f0", "#90e0a8", "#c8a2ff", "#ff9f9f", "#b0b0b0", "#ff8c42")
LIGHT = ("#a06a00", "#0077a8", "#1d7a3c", "#6f3fc4", "#b8323a", "#6a6a6a", "#c24e00")
"""Colours of orders 0 to 4, of higher ones, and of the accessory duct, on a dark and on a light ground."""

_ACCESSORY = 6
_LEVELS = 65_535
_RELOAD_S = 2


def ducts_page(
    network: DuctNetwork | None, title: str, *, free: bool = False, error: str = "", reload: bool = False
) -> bytes:
    r"""Return an HTML page with ducts that can be turned, zoomed and filtered by branch order.

    Positions are kept to 1/65,535 of the largest extent (0.003 mm in a gland of 200 mm), radii to 1/65,535 of the
    widest. The page loads nothing from elsewhere, and no text in it can become markup or script.

    Args:
        network: The ducts; None if there are none to show yet.
        title: What they are, one line.
        free: Whether they stand in no gland: order is bracket depth then, and lines are at most a fifth of the median
            length wide, so that a word whose grammar gives no radius shows its branches.
        error: What is wrong with the newest version of the grammar, shown beside the ducts.
        reload: Whether the page loads itself again every two seconds, keeping its view.

    >>> page = ducts_page(None, "a </script> b", error="error: <b>").decode()
    >>> "a &lt;/script&gt; b" in page, "error: &lt;b&gt;" in page
    (True, True)
    """
    fields: dict[str, Any] = {"reload_s": _RELOAD_S if reload else 0}
    caption = "nothing has grown yet"
    if network is not None:
        fields |= tree_fields(network, free=free)
        caption = f"{len(network.segments):,} segments, {network.lengths_mm.sum() / 1000:.2f} m · synthetic"
    script = _part("grow_page.js")
    letter = "\n".join(printable(line) for line in error.splitlines())
    text = Template(_part("grow_page.html")).substitute(
        TITLE=html.escape(printable(title)),
        CAPTION=html.escape(caption),
        LEGEND="bracket depth" if free else "branch order",
        REFRESH=f'<noscript><meta http-equiv="refresh" content="{_RELOAD_S}"></noscript>\n' if reload else "",
        ERROR=f'<pre id="error" role="alert">{html.escape(letter)}</pre>' if error else "",
        TREE=script_json(fields),
        SCRIPT=script,
        HASH="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return text.encode()


def script_json(fields: dict[str, Any]) -> str:
    r"""Return JSON that cannot end the script element that it stands in.

    >>> script_json({"a": "</script>"})
    '{"a": "\\u003c/script>"}'
    """
    return json.dumps(fields).replace("<", "\\u003c")


def tree_fields(network: DuctNetwork, *, free: bool = False) -> dict[str, Any]:
    """Return what the page's script draws: arrays as base64 of little-endian numbers, and how to read them.

    Args:
        network: The ducts.
        free: See :func:`ducts_page`.

    >>> stick = DuctNetwork([[0, 0, 0], [0, 0, 8]], [1, 1], [[0, 1]], [1], [0])
    >>> fields = tree_fields(stick)
    >>> fields["present"], round(fields["step_mm"] * 65_535, 6)
    ([0], 8.0)
    """
    low, high = network.nodes_mm.min(axis=0), network.nodes_mm.max(axis=0)
    extent = float((high - low).max()) or 1.0
    step = extent / _LEVELS
    radii = network.capsule_radii_mm
    if free:
        radii = np.minimum(radii, 0.1 * float(np.median(network.lengths_mm)))
    radius_step = float(radii.max()) / _LEVELS or 1.0
    groups = np.minimum(network.order, _ACCESSORY - 1).astype(np.uint8)
    groups[network.kind == Kind.ACCESSORY] = _ACCESSORY
    steps = (network.nodes_mm - 0.5 * (low + high)) / step + 0.5 * _LEVELS
    border = 2.0 * float(radii.max())
    word = "depth" if free else "order"
    names = ["depth 0" if free else "main duct", *(f"{word} {k}" for k in range(1, 5)), f"{word} 5 and more"]
    return {
        "nodes": _packed(np.clip(np.rint(steps), 0, _LEVELS), "<u2"),
        "segments": _packed(network.segments, "<u4"),
        "radii": _packed(np.rint(radii / radius_step), "<u2"),
        "groups": _packed(groups, "u1"),
        "step_mm": step,
        "radius_step_mm": radius_step,
        "width_mm": float((high - low)[:2].max()) + border,
        "height_mm": float((high - low)[2]) + border,
        "depth_mm": 0.5 * float(np.linalg.norm(high - low)) + border,
        "names": [*names, "accessory duct"],
        "present": np.unique(groups).tolist(),
        "dark": DARK,
        "light": LIGHT,
    }


def _packed(values: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values.astype(dtype)).tobytes()).decode()


@cache
def _part(name: str) -> str:
    """Return a part of the page that lies beside this module."""
    return resources.files("pancreasgen.look").joinpath(name).read_text(encoding="utf-8")
