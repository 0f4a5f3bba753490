"""The ducts in forms that others read: one door to GraphML, SWC, VTP, PLY and GLB. See ``docs/formats.md``."""

from __future__ import annotations

from pancreasgen.dataset.ducts_graph import graphml_bytes, vtp_bytes
from pancreasgen.dataset.ducts_mesh import glb_bytes, ply_bytes
from pancreasgen.dataset.ducts_swc import lost_in_swc, swc_bytes
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.organ import Organ

__all__ = [
    "SUFFIXES", "duct_bytes", "glb_bytes", "graphml_bytes", "lost_in_swc", "ply_bytes", "swc_bytes", "vtp_bytes",
]  # fmt: skip

_WRITERS = {".swc": swc_bytes, ".vtp": vtp_bytes, ".ply": ply_bytes, ".glb": glb_bytes}

SUFFIXES = (".graphml", *_WRITERS)
"""What :func:`duct_bytes` can write."""


def duct_bytes(suffix: str, network: DuctNetwork, organ: Organ | None) -> bytes:
    """Return the ducts in the form that a file's suffix asks for (one of :data:`SUFFIXES`).

    >>> duct = DuctNetwork([[0, 0, 0], [5, 0, 0]], [1, 0.5], [[0, 1]], [1], [0])
    >>> [suffix for suffix in SUFFIXES if not duct_bytes(suffix, duct, None)]
    []
    """
    if suffix == ".graphml":
        return graphml_bytes(network, organ)
    return _WRITERS[suffix](network)
