"""Parse at the door, trust inside: one check per notion."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pancreasgen.base.errors import BadInputError, UsageError

_COMPILED = "_nrt_python"
"""Module of what owns the memory of an array that compiled code returned; nothing else can write there."""


def frozen_array(
    value: Any, name: str, shape: Sequence[int | None], dtype: DTypeLike, *, finite: bool = True
) -> NDArray[Any]:
    """Return a checked, contiguous, read-only array.

    Args:
        value: Anything that NumPy turns into an array. An array that is already right, read-only and owns its
            memory is passed on without a copy.
        name: Name used in the message.
        shape: Wanted shape; None stands for any length.
        dtype: Wanted type; the cast must not change values' kind (float to int is refused), and whole numbers must fit.
        finite: Whether NaN and infinity are refused.

    Raises:
        BadInputError: If shape, type or values are not as wanted.

    >>> frozen_array([[0, 1, 2]], "nodes_mm", (None, 3), "f8").flags.writeable
    False
    """
    source = np.asarray(value)
    wanted = np.dtype(dtype)
    whole = source.dtype.kind in "iu" and wanted.kind in "iu"
    if whole and source.size and not (source.min() >= np.iinfo(wanted).min and source.max() <= np.iinfo(wanted).max):
        raise BadInputError(f"{name} holds whole numbers that {wanted} cannot hold")
    if source.size and not whole and not np.can_cast(source.dtype, wanted, "same_kind"):
        raise BadInputError(f"{name} must be of type {wanted}, not {source.dtype}")
    if source.ndim != len(shape) or any(
        want is not None and have != want for have, want in zip(source.shape, shape, strict=False)
    ):
        text = " × ".join("any" if want is None else str(want) for want in shape)
        raise BadInputError(f"{name} must have shape {text}, not {' × '.join(map(str, source.shape)) or 'a scalar'}")
    if finite and wanted.kind == "f" and not np.isfinite(source).all():
        raise BadInputError(f"{name} holds NaN or infinity")
    own = source.base is None or type(source.base).__module__ == _COMPILED
    ready = source.dtype == wanted and source.flags.c_contiguous and not source.flags.writeable and own
    array: NDArray[Any] = source if ready else np.array(source, dtype=wanted, order="C", copy=True)
    array.setflags(write=False)
    return array


def lock(array: NDArray[Any]) -> NDArray[Any]:
    """Return the same array, read-only: for arrays that were just made and need no copy."""
    array.setflags(write=False)
    return array


def checked_number(name: str, value: Any, low: float, high: float, unit: str = "") -> float:
    """Return the value as a finite float within [low, high].

    Raises:
        UsageError: If it is not a number, not finite, or outside the range; the message names the range.

    >>> checked_number("length", 160, 110, 210, "mm")
    160.0
    """
    text = f"{name} must be a number from {low:g} to {high:g}{' ' + unit if unit else ''}"
    if isinstance(value, bool):
        raise UsageError(f"{text}, not {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{text}, not {value!r}") from None
    if not math.isfinite(number) or not low <= number <= high:
        raise UsageError(f"{text}, not {value}")
    return number


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name that the user probably meant, or None.

    >>> nearest_name("portal-venus", ["portal-venous", "delayed"])
    'portal-venous'
    """
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return found[0] if found else None


def unknown_name(kind: str, name: str, names: Sequence[str]) -> UsageError:
    """Return the error for a name that does not exist: what exists, and the nearest.

    >>> print(unknown_name("protocol", "portal", ["portal-venous", "delayed"]).letter())
    error: there is no protocol `portal`
      = help: did you mean `portal-venous`?
      = help: protocols that exist: delayed, portal-venous
    """
    near = nearest_name(name, names)
    plural = kind[:-1] + "ies" if kind.endswith("y") else kind + "s"
    hint = f"did you mean `{near}`?\n" if near else ""
    return UsageError(f"there is no {kind} `{name}`", f"{hint}{plural} that exist: {', '.join(sorted(names))}")
