"""``pancreasgen grammar list|show|check|new|derive|cite``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pancreasgen.cli import grammar_check, grammar_derive, options

if TYPE_CHECKING:
    from pancreasgen.grammar.grammar import Grammar, Parameter


@click.group()
def command() -> None:
    """List, show and check grammars; start your own, watch its strings, cite its sources."""


command.add_command(grammar_check.command)
command.add_command(grammar_derive.command)


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
@click.argument("file", metavar="NAME.lsys", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--from", "source", default="human_pancreas", show_default=True, metavar="NAME|FILE", help="What to copy."
)
def new(file: Path, source: str) -> int:
    """Write a copy of a grammar to start your own from; never over a file that exists."""
    from pancreasgen.base.errors import CannotCreateError
    from pancreasgen.dataset.disk import check_output, explaining, wanted_suffix, write_new
    from pancreasgen.dataset.grammars import SUFFIX, find_grammar

    wanted_suffix(file, SUFFIX)
    found = find_grammar(source)
    with explaining(file, "write"):
        if file.exists():
            raise CannotCreateError(f"{file} exists and is not replaced", "choose another name, or remove it first")
    check_output(file)
    write_new(file, found.text.encode())
    click.echo(f"wrote {file}, a copy of {found.id}")
    click.echo(f"next: pancreasgen grow {shlex.quote(str(file))} -o {shlex.quote(str(file.with_suffix('.png')))}")
    return 0


@command.command()
@click.argument("grammar", metavar="NAME|FILE")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def cite(grammar: str, as_json: bool) -> None:
    """Print the sources of a grammar's parameters; assumed ones are counted and listed apart."""
    from pancreasgen.base.errors import printable
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.grammar.syntax import parse_grammar

    found = find_grammar(grammar)
    rules = parse_grammar(found.text, id=found.id, file=found.file)
    cited, assumed, silent = sources_of(rules)
    if as_json:
        sources = [{"source": source, "parameters": [_plain(one) for one in items]} for source, items in cited.items()]
        apart = {"assumed": [_plain(one) for one in assumed], "without_source": [_plain(one) for one in silent]}
        click.echo(json.dumps({"grammar": rules.id, "sources": sources, **apart}, indent=1, ensure_ascii=False))
        return
    supported = sum(map(len, cited.values()))
    total = options.counted(len(rules.parameters), "parameter")
    click.echo(f"{rules.id}: {total}; {supported} with a source, {len(assumed)} assumed, {len(silent)} without a word")
    for source, items in cited.items():
        click.echo(f"\n{printable(source)}")
        _print_parameters(items)
    for title, items in (("assumed", assumed), ("no source is given", silent)):
        if items:
            click.echo(f"\n{title} ({len(items)})")
            _print_parameters(items, remarks=True)


def sources_of(rules: Grammar) -> tuple[dict[str, list[Parameter]], list[Parameter], list[Parameter]]:
    r"""Return source → parameters in the order of the text, the assumed parameters, and those that give no source.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> text = 'lsystem 1\nparam a = 1 source "Sahni 2001"\nparam b = 2 source "assumed; thin"\nparam c = 3\naxiom: F'
    >>> cited, assumed, silent = sources_of(parse_grammar(text))
    >>> list(cited), assumed[0].name, silent[0].name
    (['Sahni 2001'], 'b', 'c')
    """
    cited: dict[str, list[Parameter]] = {}
    assumed, silent = [], []
    for one in rules.parameters.values():
        if not one.source.strip():
            silent.append(one)
        elif one.source.lower().startswith("assumed"):
            assumed.append(one)
        else:
            cited.setdefault(one.source, []).append(one)
    return cited, assumed, silent


def _print_parameters(items: list[Parameter], *, remarks: bool = False) -> None:
    """Print name, value and meaning of parameters, and what an assumed one says of its grounds."""
    from pancreasgen.base.errors import printable

    values = [f"{one.name} = {one.value:g} {one.unit}".rstrip() for one in items]
    width = max(map(len, values))
    for one, value in zip(items, values, strict=True):
        grounds = one.source[len("assumed") :].lstrip(" ;:,")
        remark = f" ({grounds})" if remarks and grounds else ""
        click.echo(printable(f"  {value:{width}}  {one.description}{remark}".rstrip()))
