"""``pancreasgen rebuild``."""

from __future__ import annotations

from pathlib import Path

import click

from pancreasgen.cli import options


@click.command()
@click.argument("case", type=click.Path(path_type=Path, readable=False), metavar="case.json")
@options.out("Folder to make.")
@options.quiet()
def command(case: Path, out: Path, quiet: bool) -> int:
    """Build a case again from its case.json alone and compare the hashes. rc 1 if one differs."""
    from pancreasgen.cli.progress import announce_compilation, progress
    from pancreasgen.dataset.rebuild import rebuild_case
    from pancreasgen.look.preview import PAINTERS

    with progress(1, quiet) as watch:

        def report(stage: str, fraction: float) -> None:
            if stage == "organ":  # the file is read and found good
                announce_compilation(quiet)
            watch(0, stage, fraction)

        changed = rebuild_case(case, out, PAINTERS, report)
    for name in changed:
        click.echo(f"{name} came out different", err=True)
    if not quiet:
        verdict = "the same in every file" if not changed else f"{len(changed)} differ (another version of a library?)"
        click.echo(f"{out}: {verdict}")
    return 1 if changed else 0
