"""``pancreasgen manifest``."""

from __future__ import annotations

from pathlib import Path

import click

from pancreasgen.cli import options


@click.command()
@click.argument("data", type=click.Path(path_type=Path, readable=False), metavar="DATA")
@click.option("--parquet", is_flag=True, help="Write manifest.parquet as well; needs pyarrow.")
@options.quiet()
def command(data: Path, parquet: bool, quiet: bool) -> int:
    """Write the manifest of a dataset anew from the cases that are there."""
    from pancreasgen.dataset.manifest import MANIFEST_FILE, PARQUET_FILE, write_manifest
    from pancreasgen.dataset.store import locked
    from pancreasgen.dataset.verify import opened_dataset

    store = opened_dataset(data)
    store.scratch.mkdir(parents=True, exist_ok=True)
    with locked(store):
        number = write_manifest(store, parquet)
    if not quiet:
        names = [MANIFEST_FILE, PARQUET_FILE] if parquet else [MANIFEST_FILE]
        click.echo(f"{' and '.join(str(data / name) for name in names)}: {options.counted(number, 'case')}")
    return 0
