"""``pancreasgen verify``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pancreasgen.cli import options

if TYPE_CHECKING:
    from pancreasgen.dataset.layout import Store
    from pancreasgen.dataset.verify import Problem


@click.command()
@click.argument("data", type=click.Path(path_type=Path, readable=False), metavar="DATA")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--repair", is_flag=True, help="Move what is damaged aside, and make it again.")
@click.option("--rebuild", type=options.Number(0, 10_000_000), default=0, metavar="K", help="Build K cases again, too.")
@click.option(
    "--time-limit", type=options.Number(1, 10**8), metavar="S", help="Look at no further case after S seconds."
)
@click.option("--workers", type=options.Number(1, 1024), default=1, show_default=True, help="Processes of --repair.")
@options.quiet()
def command(
    data: Path, as_json: bool, repair: bool, rebuild: int, time_limit: int | None, workers: int, quiet: bool
) -> int:
    """Check every file of a dataset: hashes, geometry, labels, anatomy. rc 1 if something is wrong."""
    from pancreasgen.dataset.verify import opened_dataset, verify_dataset

    number, problems = verify_dataset(data, time_limit or math.inf)
    store = opened_dataset(data)
    if repair and any(problem.is_damage for problem in problems):
        _show(data, number, problems, as_json=False, quiet=True)
        number, problems = _repaired(store, problems, workers, quiet)
    if rebuild:
        problems += _rebuilt(store, rebuild, quiet)
    _show(data, number, problems, as_json, quiet)
    return 1 if problems else 0


def _show(data: Path, number: int, problems: list[Problem], as_json: bool, quiet: bool) -> None:
    """Print the problems, as JSON or as lines with their sum."""
    if as_json:
        listed = [{"place": item.place, "problem": item.text} for item in problems]
        click.echo(json.dumps({"cases": number, "problems": listed}, indent=1))
        return
    for item in problems:
        click.echo(f"{item.place}: {item.text}")
    if not quiet:
        found = options.counted(len(problems), "problem") if problems else "no problems"
        click.echo(f"{data}: {options.counted(number, 'case')}, {found}")


def _repaired(store: Store, problems: list[Problem], workers: int, quiet: bool) -> tuple[int, list[Problem]]:
    """Make what is damaged again; return what a second look finds."""
    from pancreasgen.cli.progress import progress
    from pancreasgen.dataset.repair import repair
    from pancreasgen.dataset.verify import verify_dataset
    from pancreasgen.look.preview import PAINTERS

    with progress(len({problem.index for problem in problems}), quiet) as watch:
        outcome = repair(store, problems, workers=workers, painters=PAINTERS, watch=watch)
    if not quiet:
        made = options.counted(outcome.num_made, "case")
        click.echo(f"{made} made again; what was damaged lies in {store.private / 'damaged'}")
    return verify_dataset(store.root)


def _rebuilt(store: Store, number: int, quiet: bool) -> list[Problem]:
    """Build some cases again; return those that come out different."""
    from pancreasgen.cli.progress import progress
    from pancreasgen.dataset.repair import made_again
    from pancreasgen.dataset.verify import Problem
    from pancreasgen.look.preview import PAINTERS

    with progress(number, quiet) as watch:
        found = made_again(store, number, PAINTERS, watch)
    places = {index: store.case_folder(index).relative_to(store.root) for index in found}
    text = "comes out different when built again"
    return [Problem(f"{places[index]}/{name}", text, index) for index, names in found.items() for name in names]
