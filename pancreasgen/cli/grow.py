"""``pancreasgen grow``."""

from __future__ import annotations

from pathlib import Path

import click

from pancreasgen.cli import options
from pancreasgen.cli.growing import PICTURES, Wish, checked_settings, content_of, grow_now


@click.command()
@click.argument("grammar", metavar="GRAMMAR")
@options.seed()
@options.out("File to write; its suffix decides: .graphml .swc .vtp .ply .png .html")
@click.option("--population", metavar="NAME", help=options.POPULATION_HELP)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Give a value instead of drawing it.")
@click.option("--index", type=options.Number(0, 2**31), default=0, show_default=True, help="Number of the case.")
@click.option("--steps", type=options.Number(0, 10_000), help="Steps, for a grammar that needs no organ.")
@click.option("--watch", is_flag=True, help="Grow again whenever the grammar file is saved (.png .html).")
@click.option("--time-limit", type=options.Number(1, 86_400), default=600, show_default=True, help="Seconds to grow.")
@options.quiet()
def command(
    grammar: str, seed: int, out: Path, population: str | None, overrides: tuple[str, ...], index: int,
    steps: int | None, watch: bool, time_limit: int, quiet: bool,
) -> int:  # fmt: skip
    """Grow the ducts of one pancreas with GRAMMAR, a name or a file.

    The gland is that of the case of the same seed and index in a dataset. A grammar that needs no organ, such as
    abop/plant, grows by itself. An .html file shows the ducts in space; it needs nothing but a browser.
    """
    from pancreasgen.base.errors import UsageError
    from pancreasgen.dataset.disk import check_output, write_output
    from pancreasgen.dataset.ducts_io import SUFFIXES

    known = PICTURES if watch else (*SUFFIXES, *PICTURES)
    if out.suffix not in known:
        raise UsageError(f"{out} must end in one of {' '.join(known)}{' with --watch' if watch else ''}")
    wish = Wish(grammar, seed, population, overrides, index, steps, time_limit)
    if watch:
        from pancreasgen.cli.watch import watch_grammar

        watch_grammar(wish, out, quiet)
        return 0
    settings = checked_settings(wish)
    check_output(out, grammar)
    grown = grow_now(settings, wish, quiet)
    write_output(out, content_of(out.suffix, grown))
    if not quiet:
        click.echo(grown.summary)
        click.echo(f"open {out}")
    return 0
