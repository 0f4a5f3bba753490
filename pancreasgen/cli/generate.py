"""``pancreasgen generate``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from pancreasgen.cli import options

EPILOG = "The same command again goes on where the last one stopped; complete cases are never made twice."


@click.command(epilog=EPILOG)
@click.option("-n", "number", type=options.Number(1, 10_000_000), help="How many cases.  [default: 1]")
@options.seed()
@options.out("Folder of the dataset.")
@options.subject()
@options.fidelity()
@click.option("--workers", type=options.Number(1, 1024), help="Processes.  [default: by cores and memory]")
@click.option(
    "--scheme", "schemes", multiple=True, metavar="NAME", help="Write labels in this scheme as well. Repeatable."
)
@click.option("--keep", type=click.Choice(["sinogram"]), multiple=True, help="Keep sinogram.npz with each case.")
@click.option("--only", metavar="7,12", default=None, help="Make these cases, instead of the first -n.")
@options.quiet()
def command(
    number: int | None, seed: int, out: Path, population: str | None, grammar: str, protocol: str, quick: bool,
    overrides: tuple[str, ...], fidelity: str | None, workers: int | None, schemes: tuple[str, ...],
    keep: tuple[str, ...], only: str | None, quiet: bool,
) -> int:  # fmt: skip
    """Make a dataset: CT images with labels and ducts, a folder per case."""
    from pancreasgen.cli.progress import announce_compilation, progress
    from pancreasgen.dataset import batch
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings, parse_overrides
    from pancreasgen.dataset.store import open_store
    from pancreasgen.look.preview import PAINTERS

    indices = chosen(only, number)
    settings = make_settings(
        find_grammar(grammar), seed=seed, population=population, protocol=protocol, quick=quick,
        overrides=options.with_fidelity(parse_overrides(overrides), fidelity), schemes=schemes, keep=keep,
    )  # fmt: skip
    store = open_store(out, settings)
    announce_compilation(quiet)
    workers = workers or batch.sensible_workers(settings, len(indices))
    started = time.perf_counter()
    with progress(len(indices), quiet) as watch:
        records = batch.generate(store, settings, indices, workers=workers, painters=PAINTERS, watch=watch)
    seconds = time.perf_counter() - started
    for record in records:
        if record.failed:
            click.echo(f"warning: case {record.index} did not pass: {', '.join(record.failed)}", err=True)
        for attempt, reasons in enumerate(record.rejected):
            click.echo(f"note: case {record.index}, draw {attempt} was drawn again: {'; '.join(reasons)}", err=True)
    if not quiet:
        made = f"{len(records)} made in {seconds:.0f} s" if records else "nothing left to make"
        click.echo(f"{out}: {options.counted(len(indices), 'case')}, {made}")
        click.echo(f"open {store.case_folder(indices[0]) / 'preview.png'} or the .nii.gz files beside it in 3D Slicer")
    return 0


def chosen(only: str | None, number: int | None) -> list[int]:
    """Return the numbers of the cases that are wanted.

    Args:
        only: Numbers with commas, or None for the first ones.
        number: How many cases, if only is None; None for one.

    Raises:
        click.UsageError: If a number is not one, or both are given.

    >>> chosen("7,12", None)
    [7, 12]
    """
    if only is None:
        return list(range(number or 1))
    if number is not None:
        raise click.UsageError("give either -n, for the first cases, or --only, for those that it lists; not both")
    words = [word.strip() for word in only.split(",")]
    if not all(word.isdecimal() and len(word) < 10 for word in words):
        raise click.UsageError(f"--only must be whole numbers from 0 to 999999999 with commas between, not {only}")
    return sorted({int(word) for word in words})
