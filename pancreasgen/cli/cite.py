"""``pancreasgen cite``."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("data", type=click.Path(path_type=Path, readable=False), metavar="DATA")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(data: Path, as_json: bool) -> int:
    """Tell how to cite a dataset: program, settings, and the sources of its numbers."""
    from pancreasgen.dataset.cite import citation

    told = citation(data)
    if as_json:
        click.echo(json.dumps(told.to_dict(), indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join(told.lines()))
    return 0
