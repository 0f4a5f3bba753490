"""``pancreasgen reconstruct``."""

from __future__ import annotations

import math
from pathlib import Path

import click

from pancreasgen.cli import options


class Millimetres(click.ParamType[float]):
    """A finite number of mm."""

    name = "mm"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        option = param.opts[-1] if param else "the value"
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise click.UsageError(f"{option} must be a number of mm, not {value}", ctx)
        return number


@click.command()
@click.argument("sinogram", type=click.Path(path_type=Path, readable=False), metavar="SINOGRAM")
@options.out("CT to write, .nii.gz")
@click.option("--kernel", metavar="NAME", help="Kernel.  [default: as scanned]")
@click.option("--reconstruction", metavar="NAME", help="fbp or iterative.  [default: as scanned]")
@click.option("--strength", type=float, help="Share of the noise that iterative takes away, 0 to 0.8.")
@click.option("--thickness", type=Millimetres(), help="Slice thickness, a whole number of rows.")
@click.option("--increment", type=Millimetres(), help="Distance of slices, a whole number of rows.")
@click.option("--fov", type=Millimetres(), help="Width of the square image.")
@click.option("--matrix", type=options.Number(16, 2048), help="Its pixels along x and y.")
@click.option("--centre", type=Millimetres(), nargs=2, metavar="X Y", help="Its middle.")
@click.option("--z", "heights", type=Millimetres(), nargs=2, metavar="LOW HIGH", help="Where slices may lie.")
@options.quiet()
def command(
    sinogram: Path, out: Path, kernel: str | None, reconstruction: str | None, strength: float | None,
    thickness: float | None, increment: float | None, fov: float | None, matrix: int | None,
    centre: tuple[float, float] | None, heights: tuple[float, float] | None, quiet: bool,
) -> int:  # fmt: skip
    """Reconstruct a sinogram (.npz, or .json with its .raw) that `scan` wrote: any kernel, slices, region, matrix.

    What is not given stays as it was scanned. Lengths and places are mm, x to the patient's right, y to the front, z to
    the head. All rays are used, so a small field of view shows its region as the whole image would.
    """
    from pancreasgen.cli.progress import announce_compilation, progress
    from pancreasgen.dataset.disk import check_output, wanted_suffix, write_output
    from pancreasgen.dataset.nifti import nifti_bytes
    from pancreasgen.dataset.reconstruction import Wish, planned
    from pancreasgen.dataset.scan_advice import about_cut, about_views
    from pancreasgen.dataset.sinogram_io import read_sinogram
    from pancreasgen.scan.scan import reconstruct_sinogram

    wanted_suffix(out, ".nii.gz")
    check_output(out, sinogram)
    measured, own = read_sinogram(sinogram)
    wish = Wish(kernel, thickness, increment, fov, matrix, centre, heights, reconstruction, strength)
    protocol, grid = planned(measured, own, wish)
    for text in about_cut(measured) + about_views(protocol, grid):
        click.echo(f"warning: {text}", err=True)
    announce_compilation(quiet)
    with progress(1, quiet) as watch:
        image = reconstruct_sinogram(measured, protocol, grid, lambda done: watch(0, "scan", done))
    write_output(out, nifti_bytes(image))
    if not quiet:
        x, y, z = grid.shape
        how = f", iterative, strength {protocol.strength:g}" if protocol.reconstruction == "iterative" else ""
        size = " × ".join(f"{s:.3g}" for s in grid.spacing_mm)
        click.echo(f"{out}: {x} × {y} × {z} voxels of {size} mm, kernel {protocol.kernel}{how}")
    return 0
