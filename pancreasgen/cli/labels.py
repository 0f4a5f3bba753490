"""``pancreasgen labels``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pancreasgen.cli import options


@click.command()
@click.argument("data", type=click.Path(path_type=Path, readable=False), metavar="DATA", required=False)
@click.option("--scheme", "schemes", multiple=True, metavar="NAME", help="Labels in this scheme. Repeatable.")
@click.option("--structure", "structures", multiple=True, metavar="NAME", help="A mask of one structure. Repeatable.")
@click.option("-o", "--out", type=click.Path(path_type=Path, readable=False), help="Folder to make.")
@click.option("--list", "listing", is_flag=True, help="List the schemes with their classes.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@options.quiet()
def command(
    data: Path | None, schemes: tuple[str, ...], structures: tuple[str, ...], out: Path | None, listing: bool,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Write the labels of a dataset, a case or a label file in other schemes, or masks of single structures."""
    if listing or as_json:
        _list(as_json)
        return 0
    if data is None or out is None:
        raise click.UsageError("give DATA and -o FOLDER, or --list")
    if not schemes and not structures:
        raise click.UsageError("give --scheme NAME or --structure NAME; `pancreasgen labels --list` shows the schemes")
    from pancreasgen.base.errors import CannotCreateError
    from pancreasgen.dataset.disk import explaining, write_new
    from pancreasgen.dataset.scheme_files import in_scheme, label_sources, read_labels

    make = in_scheme(schemes, structures)
    sources = label_sources(data)
    with explaining(out, "open"):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise CannotCreateError(f"{out} exists and is not an empty folder", "choose another folder with -o")
    for name, path in sources.items():
        files = make(read_labels(path))
        for file, content in files.items():
            target = out / name / file
            with explaining(target.parent, "make"):
                target.parent.mkdir(parents=True, exist_ok=True)
            write_new(target, content)
    if not quiet:
        click.echo(f"{out}: {options.counted(len(sources), 'case')}, {options.counted(len(files), 'file')} each")
    return 0


def _list(as_json: bool) -> None:
    from pancreasgen.dataset.schemes import SCHEMES

    if as_json:
        click.echo(json.dumps([scheme.to_dict() for scheme in SCHEMES.values()], indent=1))
        return
    for scheme in SCHEMES.values():
        kind = "" if scheme.exclusive else ", masks that overlap"
        click.echo(f"{scheme.name}: {scheme.title}{kind}")
        for item in scheme.classes:
            click.echo(f"  {item.value:4d}  {item.name}")
