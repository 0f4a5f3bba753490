"""``pancreasgen verify``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pancreasgen.cli import options


@click.command()
@click.argument("data", type=click.Path(path_type=Path, readable=False), metavar="DATA")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.quiet()
def command(data: Path, as_json: bool, quiet: bool) -> int:
    """Check every file of a dataset: hashes, geometry, labels, anatomy. rc 1 if something is wrong."""
    from pancreasgen.dataset.verify import verify_dataset

    number, problems = verify_dataset(data)
    if as_json:
        listed = [{"place": item.place, "problem": item.text} for item in problems]
        click.echo(json.dumps({"cases": number, "problems": listed}, indent=1))
    else:
        for item in problems:
            click.echo(f"{item.place}: {item.text}")
        if not quiet:
            found = options.counted(len(problems), "problem") if problems else "no problems"
            click.echo(f"{data}: {options.counted(number, 'case')}, {found}")
    return 1 if problems else 0
