"""``pancreasgen populations``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pancreasgen.dataset.law import Law
    from pancreasgen.dataset.people import Population

WORTH = ("sourced", "partly", "recalled", "assumed")


@click.command()
@click.argument("population", metavar="[NAME|FILE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(population: str | None, as_json: bool) -> int:
    """List populations and how many of their laws have a source; or check and show one, of the catalogue or a file."""
    from pancreasgen.catalogue import entries
    from pancreasgen.dataset.population import find_population

    if population is not None:
        found = find_population(population).laws
        click.echo(json.dumps(_facts(found), indent=1, ensure_ascii=False) if as_json else _shown(found))
        return 0
    everyone = [find_population(name).laws for name in entries("population")]
    if as_json:
        rows = [{"name": item.name, "title": item.title, **item.worth()} for item in everyone]
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    width = max(len(item.name) for item in everyone)
    head = "  ".join(word.rjust(8) for word in WORTH)
    click.echo(f"{'':{width}}  {head}")
    for item in everyone:
        counts = "  ".join(str(item.worth()[word]).rjust(8) for word in WORTH)
        click.echo(f"{item.name:{width}}  {counts}  {item.title}")
    click.echo("\nlaws and correlations; partly: some of the numbers are assumed or recalled")
    return 0


def _shown(population: Population) -> str:
    """Return a population as text: a line a law."""
    worth = ", ".join(f"{count} {word}" for word, count in population.worth().items())
    lines = [f"{population.name}: {population.title}", f"laws and correlations: {worth}"]
    if population.members:
        choice = next(iter(population.laws.values()))
        shares = zip(choice.choices, choice.weights, strict=True)
        lines += [f"  {100 * weight / sum(choice.weights):5.1f} %  {name}" for name, weight in shares]
        return "\n".join([*lines, f"  [{choice.source}]"])
    width = max(len(key) for key in population.laws)
    for law in population.laws.values():
        lines.append(f"  {law.key:{width}}  {_numbers(law)}  [{law.source}]")
    for pair in population.correlations.values():
        lines.append(f"  {pair.between[0]} with {pair.between[1]}: r = {pair.r:g}  [{pair.source}]")
    return "\n".join(lines)


def _numbers(law: Law) -> str:
    unit = f" {law.unit}" if law.unit else ""
    if law.distribution == "constant":
        return f"{law.value}{unit}"
    if law.distribution == "choice":
        return ", ".join(f"{name} {weight:g}" for name, weight in zip(law.choices, law.weights, strict=True))
    span = f"{law.low:g} to {law.high:g}{unit}"
    text = span if law.distribution == "uniform" else f"{law.mean:g} ± {law.sd:g}{unit}, {span}"
    follows = zip(law.follows, law.slope, law.at, strict=True)
    return text + "".join(f", {slope:+g} for each unit of {key} above {at:g}" for key, slope, at in follows)


def _facts(population: Population) -> dict[str, Any]:
    laws = []
    for law in population.laws.values():
        known = {name: getattr(law, name) for name in law.__dataclass_fields__}
        laws.append({name: value for name, value in known.items() if _is_given(value)})
    pairs = [{"between": list(pair.between), "r": pair.r, "source": pair.source}
             for pair in population.correlations.values()]  # fmt: skip
    head = {"name": population.name, "title": population.title, **population.worth()}
    return head | {"members": list(population.members), "laws": laws, "correlations": pairs}


def _is_given(value: Any) -> bool:
    return value not in ((), "") and not (isinstance(value, float) and (value != value or abs(value) == float("inf")))
