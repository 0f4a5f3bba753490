"""Values in nested settings: messages name them by their whole dotted key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pancreasgen.base.errors import BadInputError, PancreasgenError, UsageError


def with_group(message: str, group: str) -> str:
    """Return a message that starts with a field's name so that it starts with the field's dotted key.

    >>> with_group("mas must be a number", "protocol")
    'protocol.mas must be a number'
    >>> with_group("there is no kernel `sort`", "protocol")
    'protocol: there is no kernel `sort`'
    """
    first, space, rest = message.partition(" ")
    last = group.rpartition(".")[2]
    if first.isidentifier() and rest.startswith(("must ", "holds ")):
        return f"{group}.{first}{space}{rest}"
    return f"{group}{message.removeprefix(last)}" if first.startswith(f"{last}.") else f"{group}: {message}"


@contextmanager
def of_group(group: str) -> Iterator[None]:
    """Name the group in usage errors of the block.

    Raises:
        UsageError: The block's, with the dotted key.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(with_group(error.message, group), error.hint) from error


@contextmanager
def from_file(group: str) -> Iterator[None]:
    """Turn whatever a value from a file does to the block into bad input that names the value's group.

    Raises:
        BadInputError: If a value is missing, of the wrong kind, or outside its range.
    """
    try:
        yield
    except PancreasgenError as error:
        raise BadInputError(with_group(error.message, group), error.hint) from error
    except KeyError as error:
        raise BadInputError(f"`{group}.{error.args[0]}` is missing") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadInputError(f"`{group}` lacks a value, or holds one too many or one of the wrong kind") from error


def taken(data: Mapping[str, Any], key: str, kind: type, group: str = "") -> Any:
    """Return a value of a dictionary from a file.

    Args:
        data: The dictionary.
        key: The value's name.
        kind: What it must be: ``int``, ``str``, ``dict`` or ``list``.
        group: Dotted key of the dictionary, for the message.

    Raises:
        BadInputError: If it is missing or of another kind.

    >>> taken({"seed": 3}, "seed", int)
    3
    """
    name = f"{group}.{key}" if group else key
    if key not in data:
        raise BadInputError(f"`{name}` is missing")
    value = data[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        words = {int: "a whole number", str: "a text", dict: "an object with named values", list: "a list"}
        raise BadInputError(f"`{name}` must be {words[kind]}, not {str(value)[:40]!r}")
    return value


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return each difference between two nested settings as one line.

    >>> differences({"seed": 1, "protocol": {"mas": 100}}, {"seed": 1, "protocol": {"mas": 200}})
    ['protocol.mas is 100 there, 200 now']
    """
    lines: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            if key.endswith("text"):
                lines.append(f"{prefix}{key} differs")
            else:
                lines.append(f"{prefix}{key} is {before} there, {after} now")
    return lines
