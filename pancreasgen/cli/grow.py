"""``pancreasgen grow``."""

from __future__ import annotations

from pathlib import Path

import click

from pancreasgen.cli import options
from pancreasgen.cli.growing import PICTURES, Wish, checked_settings, content_of, grow_now, mask_wish


@click.command()
@click.argument("grammar", metavar="GRAMMAR")
@options.seed()
@options.out("File to write; its suffix decides: .graphml .swc .vtp .ply .glb .png .html")
@click.option("--population", metavar="NAME|FILE", help=options.POPULATION_HELP)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Give a value instead of drawing it.")
@click.option("--index", type=options.Number(0, 2**31), default=0, show_default=True, help="Number of the case.")
@click.option("--organ", type=click.Path(path_type=Path), metavar="MASK.nii.gz", help="Grow in the organ of a mask.")
@click.option("--label", type=options.Number(1, 2**31 - 1), help="Which label of the mask is the organ.")
@click.option("--papilla", metavar="R,A,S", help="Where the main duct opens [mm, RAS+].  [default: found]")
@click.option("--tail", metavar="R,A,S", help="Where the organ ends [mm, RAS+].  [default: found]")
@click.option("--bridge", type=options.Number(0, 60), help="Join pieces of the mask across gaps up to this [mm].")
@click.option("--steps", type=options.Number(0, 10_000), help="Steps, for a grammar that needs no organ.")
@click.option("--watch", is_flag=True, help="Grow again whenever the grammar file is saved (.png .html).")
@click.option("--time-limit", type=options.Number(1, 86_400), default=600, show_default=True, help="Seconds to grow.")
@options.quiet()
def command(
    grammar: str, seed: int, out: Path, population: str | None, overrides: tuple[str, ...], index: int,
    organ: Path | None, label: int | None, papilla: str | None, tail: str | None, bridge: int | None,
    steps: int | None, watch: bool, time_limit: int, quiet: bool,
) -> int:  # fmt: skip
    """Grow the ducts of one pancreas with GRAMMAR, a name or a file.

    The gland is that of the case of the same seed and index in a dataset. A grammar that needs no organ, such as
    abop/plant, grows by itself. An .html file shows the ducts in space; it needs nothing but a browser.

    With --organ the ducts grow in a segmented organ, in the mask's own world. What was found in the mask is told.
    """
    from pancreasgen.base.errors import UsageError
    from pancreasgen.dataset.disk import check_output, write_output
    from pancreasgen.dataset.ducts_io import SUFFIXES, lost_in_swc

    known = PICTURES if watch else (*SUFFIXES, *PICTURES)
    if out.suffix not in known:
        raise UsageError(f"{out} must end in one of {' '.join(known)}{' with --watch' if watch else ''}")
    mask = mask_wish(organ, label, papilla, tail, bridge)
    wish = Wish(grammar, seed, population, overrides, index, steps, time_limit, mask)
    if watch:
        from pancreasgen.cli.watch import watch_grammar

        watch_grammar(wish, out, quiet)
        return 0
    settings = checked_settings(wish)
    check_output(out, grammar, organ)
    grown = grow_now(settings, wish, quiet)
    write_output(out, content_of(out.suffix, grown))
    if not quiet:
        for loss in lost_in_swc(grown.network) if out.suffix == ".swc" else ():
            click.echo(f"note: {loss}", err=True)
        click.echo(grown.summary)
        click.echo(f"open {out}")
    return 0
