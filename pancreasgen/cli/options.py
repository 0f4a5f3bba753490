"""Options that several verbs share, with the same name and meaning everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Any], Any]


class Number(click.ParamType[int]):
    """A whole number in a range; the error names the range.

    Args:
        low: Smallest value.
        high: Largest value.
    """

    name = "number"

    def __init__(self, low: int, high: int) -> None:
        """Keep the range."""
        self.low, self.high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        text = str(value).strip()
        if text.lstrip("-").isdecimal() and len(text) < 25 and self.low <= int(text) <= self.high:
            return int(text)
        option = param.opts[-1] if param else "the value"
        raise click.UsageError(f"{option} must be a whole number from {self.low} to {self.high}, not {text}", ctx)


def out(text: str) -> Decorator:
    """Return the option ``-o/--out``."""
    return click.option("-o", "--out", type=click.Path(path_type=Path, readable=False), required=True, help=text)


POPULATION_HELP = "Who is drawn.  [default: whom the grammar names, else adult]"


def seed() -> Decorator:
    """Return the option ``--seed``."""
    return click.option("--seed", type=Number(0, 2**63 - 1), default=0, show_default=True, help="Seed of all chance.")


def subject() -> Decorator:
    """Return the options that decide a case: grammar, population, protocol, quick, set."""
    options = [
        click.option("--population", metavar="NAME|FILE", help=POPULATION_HELP),
        click.option(
            "--grammar", default="human_pancreas", show_default=True, metavar="NAME|FILE", help="How ducts grow."
        ),
        click.option(
            "--protocol", default="portal-venous", show_default=True, metavar="NAME|FILE", help="How to scan."
        ),
        click.option("--quick", is_flag=True, help="Coarse numbers, for first steps and tests."),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Give a value, do not draw it. Repeatable.",
        ),
    ]

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def fidelity() -> Decorator:
    """Return the option ``--fidelity``."""
    return click.option(
        "--fidelity", type=click.Choice(["full", "fast"]),
        help="Follow rays, or make a like image in a second, without streaks.  [default: what the protocol says]",
    )  # fmt: skip


def with_fidelity(overrides: dict[str, str], fidelity: str | None) -> dict[str, str]:
    """Return what ``--set`` gave, and the fidelity if it was given.

    Raises:
        click.UsageError: If both give it.

    >>> with_fidelity({"protocol.mas": "50"}, "fast")
    {'protocol.mas': '50', 'protocol.fidelity': 'fast'}
    """
    if fidelity is None:
        return overrides
    if "protocol.fidelity" in overrides:
        raise click.UsageError("give either --fidelity or --set protocol.fidelity, not both")
    return overrides | {"protocol.fidelity": fidelity}


def quiet() -> Decorator:
    """Return the option ``-q``."""
    return click.option("-q", "--quiet", is_flag=True, help="Print only errors.")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "case"), counted(2, "case")
    ('1 case', '2 cases')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
