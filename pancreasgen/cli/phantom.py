"""``pancreasgen phantom``."""

from __future__ import annotations

from pathlib import Path

import click

from pancreasgen.cli import options


@click.command()
@options.out("Label volume to write, .nii.gz")
@options.seed()
@options.subject()
@click.option("--index", type=options.Number(0, 2**31), default=0, show_default=True, help="Number of the case.")
@options.quiet()
def command(
    out: Path, seed: int, population: str | None, grammar: str, protocol: str, quick: bool,
    overrides: tuple[str, ...], index: int, quiet: bool,
) -> int:  # fmt: skip
    """Make the anatomy of one case as a label volume: that of the draw that `generate` keeps.

    Which draw is kept is said by checks of the image too, so the case is scanned on the way.
    """
    from pancreasgen.cli.progress import announce_compilation
    from pancreasgen.dataset.attempts import settled_case
    from pancreasgen.dataset.disk import check_output, wanted_suffix, write_output
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.nifti import nifti_bytes
    from pancreasgen.dataset.settings import make_settings, parse_overrides

    wanted_suffix(out, ".nii.gz")
    settings = make_settings(
        find_grammar(grammar), seed=seed, population=population, protocol=protocol, quick=quick,
        overrides=parse_overrides(overrides),
    )  # fmt: skip
    check_output(out, grammar)
    announce_compilation(quiet)
    write_output(out, nifti_bytes(settled_case(settings, index).labels))
    if not quiet:
        click.echo(f"open {out} in 3D Slicer; `labels/` of any dataset holds the table of its numbers")
    return 0
