"""``pancreasgen scan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pancreasgen.cli import options

if TYPE_CHECKING:
    from pancreasgen.base.grid import Volume
    from pancreasgen.cli.progress import Watch
    from pancreasgen.dataset.foreign import Bench

CT_SUFFIX = ".nii.gz"
RESULTS = (CT_SUFFIX, ".npz", ".json")


@click.command()
@click.argument("volume", type=click.Path(path_type=Path, readable=False), metavar="VOLUME.nii.gz")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, readable=False),
    help="CT to write, .nii.gz; or only the sinogram, .npz or .json (with a .raw beside it).",
)  # fmt: skip
@click.option("--hu", "as_hu", is_flag=True, help="The volume holds HU.")
@click.option(
    "--labels", "table", type=click.Path(path_type=Path, readable=False), metavar="TABLE.csv",
    help="The volume holds labels; the table says their HU (columns `value` and `hu`).",
)  # fmt: skip
@click.option("--protocol", default="portal-venous", show_default=True, metavar="NAME|FILE", help="How it is scanned.")
@click.option("--quick", is_flag=True, help="Fewer views and bins.")
@options.fidelity()
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="For example protocol.mas=50.")
@click.option("--reconstruction", metavar="NAME", help="fbp or iterative.  [default: the protocol's]")
@click.option(
    "--keep", type=click.Choice(["sinogram"]), help="Write the sinogram as well: ct.sinogram.npz beside ct.nii.gz."
)
@click.option(
    "--xcist", type=click.Path(path_type=Path, readable=False), metavar="DIR",
    help="Folder to make: the body as a phantom for XCIST.",
)  # fmt: skip
@options.seed()
@options.quiet()
def command(
    volume: Path, out: Path | None, as_hu: bool, table: Path | None, protocol: str, quick: bool,
    fidelity: str | None, overrides: tuple[str, ...], reconstruction: str | None, keep: str | None,
    xcist: Path | None, seed: int, quiet: bool,
) -> int:  # fmt: skip
    """Scan a volume of HU or labels, from whatever source, in the virtual CT.

    The CT lies on the grid of VOLUME, in the same orientation. A volume whose axes are oblique to the body's is
    refused: resample it first. `pancreasgen reconstruct` makes other images of the sinogram.
    """
    from pancreasgen.base.errors import UsageError
    from pancreasgen.cli.progress import announce_compilation, progress
    from pancreasgen.dataset import foreign
    from pancreasgen.dataset.settings import parse_overrides

    if as_hu == (table is not None):
        raise UsageError("say what the volume holds: either --hu or --labels TABLE.csv")
    if out is None and xcist is None:
        raise UsageError("say what to make: -o CT.nii.gz, -o SINOGRAM.npz, or --xcist DIR")
    targets = _targets(out, keep)
    _check_targets(targets, volume, table, xcist)
    changes = parse_overrides(overrides)
    wanted = changes.setdefault("protocol.reconstruction", reconstruction) if reconstruction is not None else None
    if wanted != reconstruction:
        raise UsageError("--reconstruction and --set protocol.reconstruction differ", "give one of them")
    scanner = foreign.scanner(protocol, quick, options.with_fidelity(changes, fidelity))
    if len(targets) > 1 or (targets and not targets[0].name.endswith(CT_SUFFIX)):
        scanner.check_measures()
    source, orientation = foreign.read_source(volume, table)
    bench = foreign.lay(source, scanner, seed, str(volume))
    for text in bench.warnings:
        click.echo(f"warning: {text}", err=True)
    if xcist is not None:
        _export(bench, xcist)
    if targets:
        announce_compilation(quiet)
        with progress(1, quiet) as watch:
            image = _run(bench, targets, watch)
        if image is not None:
            from pancreasgen.dataset.disk import write_output
            from pancreasgen.dataset.nifti import nifti_bytes

            write_output(targets[0], nifti_bytes(image, orientation))
    if not quiet:
        _tell(targets, volume, xcist)
    return 0


def _targets(out: Path | None, keep: str | None) -> list[Path]:
    """Return the files that are wanted, the CT first; of a ``.json`` sinogram the ``.raw`` comes last."""
    from pancreasgen.base.errors import UsageError

    if out is None:
        if keep is not None:
            raise UsageError("--keep sinogram stands beside a CT: give -o CT.nii.gz, or -o SINOGRAM.npz alone")
        return []
    if not out.name.endswith(RESULTS):
        raise UsageError(f"{out} must end in .nii.gz (a CT), or .npz or .json (a sinogram)")
    if out.name.endswith(CT_SUFFIX):
        beside = out.with_name(f"{out.name.removesuffix(CT_SUFFIX)}.sinogram.npz")
        return [out] if keep is None else [out, beside]
    return [out] if out.suffix == ".npz" else [out, out.with_suffix(".raw")]


def _check_targets(targets: list[Path], volume: Path, table: Path | None, folder: Path | None) -> None:
    from pancreasgen.base.errors import CannotCreateError
    from pancreasgen.dataset.disk import check_folder, check_output, explaining

    for target in targets:
        check_output(target, volume, table)
    if folder is not None:
        with explaining(folder, "open"):
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise CannotCreateError(f"{folder} exists and is not an empty folder", "choose another with --xcist")
            if not folder.parent.is_dir():
                raise CannotCreateError(f"there is no folder {folder.parent}", "make it first")
        check_folder(folder.parent, folder)


def _run(bench: Bench, targets: list[Path], watch: Watch) -> Volume | None:
    """Scan, write the sinogram if it is wanted, and return the CT if it is."""
    from pancreasgen.dataset import sinogram_io
    from pancreasgen.dataset.disk import write_output
    from pancreasgen.scan.scan import reconstruct_sinogram

    grid, first = bench.materials.grid, targets[0]
    wants_ct = first.name.endswith(CT_SUFFIX)
    if wants_ct and len(targets) == 1:
        return bench.scanned(lambda done: watch(0, "scan", done))
    share = 0.6 if wants_ct else 1.0
    sinogram = bench.measured(lambda done: watch(0, "scan", share * done))
    if first.suffix == ".json":
        for name, content in sinogram_io.raw_files(sinogram, first.stem, grid).items():
            write_output(first.with_name(name), content)
        return None
    write_output(targets[-1], sinogram_io.npz_bytes(sinogram, grid))
    if not wants_ct:
        return None
    return reconstruct_sinogram(
        sinogram, bench.protocol, grid, lambda done: watch(0, "scan", share + (1.0 - share) * done)
    )


def _export(bench: Bench, folder: Path) -> None:
    """Write the phantom for XCIST, a file at a time."""
    from pancreasgen.dataset.disk import explaining, write_output
    from pancreasgen.dataset.xcist import xcist_files

    files = xcist_files(bench.materials, bench.isocentre_mm)
    first = next(files)  # what cannot be exported is told before the folder is made
    with explaining(folder, "make"):
        folder.mkdir(exist_ok=True)
    for name, content in (first, *files):
        write_output(folder / name, content)


def _tell(targets: list[Path], volume: Path, xcist: Path | None) -> None:
    if xcist is not None:
        click.echo(f"{xcist}: phantom.json and what it names, for XCIST's Phantom_Voxelized")
    if targets and targets[0].name.endswith(CT_SUFFIX):
        click.echo(f"open {targets[0]} in 3D Slicer, beside {volume}")
    if len(targets) > 1 or (targets and not targets[0].name.endswith(CT_SUFFIX)):
        name = targets[-1] if targets[-1].suffix != ".raw" else targets[0]
        click.echo(f"pancreasgen reconstruct {name} -o other.nii.gz  makes other images of it")
