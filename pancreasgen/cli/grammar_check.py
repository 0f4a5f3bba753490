"""``pancreasgen grammar check``: faults for people, for editors and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pancreasgen.cli import options

if TYPE_CHECKING:
    from pancreasgen.base.errors import Diagnostic
    from pancreasgen.grammar.grammar import Grammar

_SHOWN = 20


@click.command("check")
@click.argument("grammars", metavar="NAME|FILE…", nargs=-1, required=True)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "gcc"]), default="text", show_default=True,
    help="gcc: one line a fault, as editors read it.",
)  # fmt: skip
def command(grammars: tuple[str, ...], form: str) -> int:
    """Check grammars; rc 1 if one has faults. Warnings are shown, but do not fail."""
    found: list[Diagnostic] = []
    for name in grammars:
        rules, items = _checked(name)
        found += items
        if form == "text" and rules is not None and not any(item.severity == "error" for item in items):
            click.echo(f"{rules.file}: no faults{_size(rules)}")
    faults = [item for item in found if item.severity == "error"]
    if form == "json":
        click.echo(json.dumps([item.to_dict() for item in found], indent=1))
    elif form == "gcc":
        for item in found:
            click.echo("\n".join(gcc_lines(item)))
    else:
        _print([*faults, *(item for item in found if item.severity != "error")])
    return 1 if faults else 0


def _checked(name: str) -> tuple[Grammar | None, list[Diagnostic]]:
    """Return the grammar, if its text can be read as one, and its faults and warnings."""
    from pancreasgen.base.errors import BadInputError, Diagnostic, DiagnosticError
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.grammar.check import check_grammar
    from pancreasgen.grammar.syntax import parse_grammar

    try:
        text = find_grammar(name)
        rules = parse_grammar(text.text, id=text.id, file=text.file)
        return rules, list(check_grammar(rules))
    except DiagnosticError as error:
        return None, list(error.diagnostics)
    except BadInputError as error:  # not text, or too large: a fault of the file as a whole
        return None, [Diagnostic("PG102", error.message, name, hint=error.hint)]


def _print(items: Sequence[Diagnostic]) -> None:
    for item in items[:_SHOWN]:
        click.echo(item.render() + "\n", err=True)
    if len(items) > _SHOWN:
        click.echo(f"and {len(items) - _SHOWN} more", err=True)


def gcc_lines(item: Diagnostic) -> list[str]:
    """Return a diagnostic as ``file:line:column: severity: message [code]``, and each line of its hint as a note.

    A fault of the file as a whole stands at its first character, since editors want a place.

    >>> from pancreasgen.base.errors import Diagnostic
    >>> gcc_lines(Diagnostic("PG101", "unknown module `Q`", "a.lsys", 3, 8, 1, "axiom: Q", "declare it"))
    ['a.lsys:3:8: error: unknown module `Q` [PG101]', 'a.lsys:3:8: note: declare it']
    """
    from pancreasgen.base.errors import printable

    place = f"{printable(item.file)}:{item.line or 1}:{item.column or 1}"
    notes = [f"{place}: note: {printable(line)}" for line in item.hint.splitlines()]
    return [f"{place}: {item.severity}: {printable(item.message)} [{item.code}]", *notes]


def _size(rules: Grammar) -> str:
    from pancreasgen.grammar.predict import expected_steps, foretold_modules
    from pancreasgen.grammar.uses import needs_organ

    count = len(rules.productions) + len(rules.interpretation) + len(rules.decomposition)
    text = f"; {options.counted(count, 'rule')}"
    if needs_organ(rules):
        return text
    steps = expected_steps(rules)
    modules = foretold_modules(rules, steps)
    if modules is None:
        return f"{text}; how long it gets depends on conditions or contexts"
    about = "" if all(len(one.alternatives) == 1 for one in rules.productions) else "about "
    return f"{text}; {about}{options.counted(round(modules), 'module')} after {options.counted(steps, 'step')}"
