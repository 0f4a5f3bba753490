"""``pancreasgen vary``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pancreasgen.cli import options

if TYPE_CHECKING:
    from pancreasgen.vary.variation import Pair, Variation

_FILE = click.Path(path_type=Path, readable=False)
_RECORD = "variation.json"


def _list(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Print the table and end."""
    if value:
        from pancreasgen.vary.table import table_lines

        click.echo("\n".join(table_lines()))
        ctx.exit()


@click.command()
@click.argument("image", type=_FILE, metavar="IMAGE.nii.gz")
@click.option("--labels", type=_FILE, metavar="FILE", help="Labels 0 to 255 on the image's grid.")
@click.option("--centerline", type=_FILE, metavar="FILE", help="Thin lines on the image's grid; moved without gaps.")
@click.option("--ducts", type=_FILE, metavar="FILE", help="ducts.graphml of a case; nodes move exactly.")
@options.out("Folder to make: a folder per variation in it.")
@click.option("-n", "number", type=options.Number(1, 9999), help="How many variations.  [default: 1]")
@options.seed()
@click.option("--only", metavar="NAME,NAME", help="These take part, all of them.  [default: each of the usual by half]")
@click.option("--set", "overrides", multiple=True, metavar="NAME.KEY=VALUE", help="Give a value. Repeatable.")
@click.option("--border", type=click.Choice(["air", "edge", "mirror"]), help="What was not seen.  [default: air]")
@click.option("--interpolation", type=click.Choice(["linear", "cubic"]), help="Of the image.  [default: linear]")
@click.option("--from", "record", type=_FILE, metavar="RECORD.json", help="Do again what this record says.")
@click.option("--list", is_flag=True, expose_value=False, is_eager=True, callback=_list, help="Show what can vary.")
@options.quiet()
def command(
    image: Path, labels: Path | None, centerline: Path | None, ducts: Path | None, out: Path, number: int | None,
    seed: int, only: str | None, overrides: tuple[str, ...], border: str | None, interpolation: str | None,
    record: Path | None, quiet: bool,
) -> int:  # fmt: skip
    """Vary an image with all that belongs to it: one resampling, and a record that does it again.

    Anatomy of your own is better varied before the scan (docs/vary.md): then nothing is invented at the borders.
    """
    from pancreasgen.base.chance import Chance
    from pancreasgen.dataset.settings import parse_overrides
    from pancreasgen.vary.variation import apply, draw_variation, told

    if record is not None:
        if any(item is not None for item in (number, only, border, interpolation)) or overrides:
            raise click.UsageError("--from says all by itself: leave out -n, --only, --set, --border, --interpolation")
        plans = [_read_record(record)]
    else:
        names = [name.strip() for name in only.split(",")] if only else []
        given, more = parse_overrides(overrides), (border or "air", interpolation or "linear")
        plans = [(draw_variation(Chance(seed, index, "vary"), names, given, *more), {}) for index in range(number or 1)]
    sources = {"image": image, "labels": labels, "centerline": centerline, "ducts": ducts}
    hashes = _hashes(sources)
    pair, way_back = _read(sources)
    _make_folder(out)
    for index, (variation, known) in enumerate(plans):
        for name, value in known.items():
            if hashes.get(name) != value:
                click.echo(f"warning: the record was made of another file as {name}", err=True)
        varied, report = apply(variation, pair)
        facts = {"inputs": hashes, "report": report} | _whence(seed, index, record)
        _write(out / f"{index:04d}", varied, way_back, variation.to_dict() | facts)
        if not quiet:
            click.echo(f"{out / f'{index:04d}'}: {told(variation.records)}; {report['invented_share']:.1%} invented")
    return 0


def _whence(seed: int, index: int, record: Path | None) -> dict[str, Any]:
    return {} if record is not None else {"seed": seed, "index": index}


def _hashes(sources: dict[str, Path | None]) -> dict[str, str]:
    from pancreasgen.dataset.disk import input_size, sha256_of_file

    found = {}
    for name, path in sources.items():
        if path is not None:
            input_size(path, name)
            found[name] = sha256_of_file(path)
    return found


def _read_record(path: Path) -> tuple[Variation, dict[str, str]]:
    """Return the variation of a record and the hashes of the files that it was made of."""
    from pancreasgen.base.errors import BadInputError
    from pancreasgen.dataset.disk import read_bytes
    from pancreasgen.vary.variation import Variation

    try:
        data = json.loads(read_bytes(path, "record"))
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path} is no JSON: {error}", f"give a {_RECORD} of `vary`") from error
    variation = Variation.from_dict(data)
    inputs = data.get("inputs", {})
    return variation, {str(k): str(v) for k, v in inputs.items()} if isinstance(inputs, dict) else {}


def _read(sources: dict[str, Path | None]) -> tuple[Pair, Any]:
    """Return what is varied, and the orientation of its files."""
    from dataclasses import replace

    import numpy as np

    from pancreasgen.base.errors import BadInputError
    from pancreasgen.base.grid import Quantity
    from pancreasgen.dataset.ducts_read import read_graphml
    from pancreasgen.dataset.nifti import read_nifti
    from pancreasgen.vary.variation import Pair

    assert sources["image"] is not None
    image, way_back = read_nifti(sources["image"], Quantity.HU, oblique=True)
    volumes = []
    for name in ("labels", "centerline"):
        path = sources[name]
        volume, other = read_nifti(path, Quantity.LABEL, oblique=True) if path else (None, way_back)
        if path and not np.allclose(_world(other), _world(way_back), atol=1e-3):
            raise BadInputError(
                f"image and {name} do not share a grid: {path} is turned otherwise", "resample it first"
            )
        volumes.append(volume)
    pair = Pair(image, volumes[0], volumes[1])
    if sources["ducts"] is None:
        return pair, way_back
    if not np.allclose(np.sort(np.abs(_world(way_back)), axis=1)[:, :2], 0.0, atol=1e-3):
        raise BadInputError(f"{sources['image']} is oblique; ducts can only move with an image along the body's axes")
    return replace(pair, ducts=read_graphml(sources["ducts"])), way_back


def _world(orientation: Any) -> Any:
    """Return the directions (3, 3) of a file's axes in the order and sense of the body's."""
    import numpy as np

    matrix = orientation.affine[:3, :3] / np.linalg.norm(orientation.affine[:3, :3], axis=0)
    return matrix[:, list(orientation.axes)] * np.where(orientation.flips, -1.0, 1.0)


def _make_folder(out: Path) -> None:
    """Make the folder, which must be new or empty."""
    from pancreasgen.base.errors import CannotCreateError
    from pancreasgen.dataset.disk import explaining

    with explaining(out, "make"):
        if out.exists() and not out.is_dir():
            raise CannotCreateError(f"{out} is a file; a folder is wanted", "choose another name with -o")
        if out.exists() and any(out.iterdir()):
            raise CannotCreateError(f"{out} is not empty", "choose another name with -o")
        out.mkdir(parents=True, exist_ok=True)


def _write(folder: Path, pair: Pair, way_back: Any, facts: dict[str, Any]) -> None:
    from pancreasgen.dataset.disk import explaining, write_output
    from pancreasgen.dataset.ducts_graph import graphml_bytes
    from pancreasgen.dataset.nifti import nifti_bytes

    with explaining(folder, "make"):
        folder.mkdir()
    for name, volume in (("image", pair.image), ("labels", pair.labels), ("centerline", pair.centerline)):
        if volume is not None:
            write_output(folder / f"{name}.nii.gz", nifti_bytes(volume, way_back))
    if pair.ducts is not None:
        write_output(folder / "ducts.graphml", graphml_bytes(pair.ducts))
    write_output(folder / _RECORD, (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode())
