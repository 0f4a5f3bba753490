"""``pancreasgen scan``."""

from __future__ import annotations

from pathlib import Path

import click

from pancreasgen.cli import options


@click.command()
@click.argument("volume", type=click.Path(path_type=Path, readable=False), metavar="VOLUME.nii.gz")
@options.out("CT to write, .nii.gz")
@click.option("--hu", "as_hu", is_flag=True, help="The volume holds HU.")
@click.option(
    "--labels", "table", type=click.Path(path_type=Path, readable=False), metavar="TABLE.csv",
    help="The volume holds labels; the table says their HU (columns `value` and `hu`).",
)  # fmt: skip
@click.option("--protocol", default="portal-venous", show_default=True, metavar="NAME", help="How it is scanned.")
@click.option("--quick", is_flag=True, help="Fewer views and bins.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="For example protocol.mas=50.")
@options.seed()
@options.quiet()
def command(
    volume: Path, out: Path, as_hu: bool, table: Path | None, protocol: str, quick: bool,
    overrides: tuple[str, ...], seed: int, quiet: bool,
) -> int:  # fmt: skip
    """Scan a volume of HU or labels, from whatever source, in the virtual CT.

    The CT lies on the grid of VOLUME, in the same orientation. A volume whose axes are oblique to the body's is
    refused: resample it first.
    """
    from pancreasgen.base.errors import UsageError
    from pancreasgen.cli.progress import announce_compilation, progress
    from pancreasgen.dataset import foreign
    from pancreasgen.dataset.disk import check_output, wanted_suffix, write_output
    from pancreasgen.dataset.nifti import nifti_bytes
    from pancreasgen.dataset.settings import parse_overrides

    if as_hu == (table is not None):
        raise UsageError("say what the volume holds: either --hu or --labels TABLE.csv")
    wanted_suffix(out, ".nii.gz")
    check_output(out, volume, table)
    scanner = foreign.scanner(protocol, quick, parse_overrides(overrides))
    source, orientation = foreign.read_source(volume, table)
    announce_compilation(quiet)
    with progress(1, quiet) as watch:
        image = foreign.scan_foreign(source, scanner, seed, lambda done: watch(0, "scan", done))
    write_output(out, nifti_bytes(image, orientation))
    if not quiet:
        click.echo(f"open {out} in 3D Slicer, beside {volume}")
    return 0
