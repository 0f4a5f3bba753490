"""``pancreasgen grammar list|show|check``."""

from __future__ import annotations

import json
from typing import Any

import click


@click.group()
def command() -> None:
    """List, show and check grammars."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the grammars that come with the program."""
    from pancreasgen.dataset.grammars import find_grammar, grammar_names
    from pancreasgen.grammar.syntax import parse_grammar

    titles = {}
    for name in grammar_names():
        found = find_grammar(name)
        titles[name] = parse_grammar(found.text, id=found.id, file=found.file).title
    if as_json:
        click.echo(json.dumps([{"name": name, "title": title} for name, title in titles.items()], indent=1))
        return
    width = max(map(len, titles), default=0)
    for name, title in titles.items():
        click.echo(f"{name:{width}}  {title}")


@command.command()
@click.argument("grammar", metavar="NAME|FILE")
@click.option("--json", "as_json", is_flag=True, help="Print the parameters as JSON.")
def show(grammar: str, as_json: bool) -> None:
    """Print a grammar, to be read or saved as a start for your own."""
    from pancreasgen.dataset.grammars import find_grammar

    found = find_grammar(grammar)
    if not as_json:
        click.echo(found.text, nl=not found.text.endswith("\n"))
        return
    from pancreasgen.grammar.syntax import parse_grammar

    rules = parse_grammar(found.text, id=found.id, file=found.file)
    click.echo(json.dumps([_plain(item) for item in rules.parameters.values()], indent=1))


def _plain(parameter: Any) -> dict[str, Any]:
    names = ("name", "value", "low", "high", "unit", "description", "source")
    values = {name: getattr(parameter, name) for name in names}
    return {name: None if value in (float("inf"), float("-inf")) else value for name, value in values.items()}


@command.command()
@click.argument("grammars", metavar="NAME|FILE…", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check(grammars: tuple[str, ...], form: str) -> int:
    """Check grammars; rc 65 if one has faults. Warnings are shown, but do not fail."""
    from pancreasgen.base.errors import DiagnosticError
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.grammar.check import check_grammar
    from pancreasgen.grammar.syntax import parse_grammar

    found = []
    for name in grammars:
        text = find_grammar(name)
        try:
            items = list(check_grammar(parse_grammar(text.text, id=text.id, file=text.file)))
        except DiagnosticError as error:
            items = list(error.diagnostics)
        found += items
        if form == "text" and not any(item.severity == "error" for item in items):
            click.echo(f"{text.file}: no faults")
    faults = [item for item in found if item.severity == "error"]
    if form == "json":
        click.echo(json.dumps([item.to_dict() for item in found], indent=1))
    else:
        for item in [*faults, *(item for item in found if item.severity != "error")][:20]:
            click.echo(item.render() + "\n", err=True)
        if len(found) > 20:
            click.echo(f"and {len(found) - 20} more", err=True)
    return DiagnosticError.exit_code if faults else 0
