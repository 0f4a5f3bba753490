"""``pancreasgen grow``."""

from __future__ import annotations

from pathlib import Path

import click

from pancreasgen.cli import options


@click.command()
@click.argument("grammar", metavar="GRAMMAR")
@options.seed()
@options.out("File to write; its suffix decides: .graphml .swc .vtp .ply .png")
@click.option("--population", default="adult", show_default=True, metavar="NAME", help="Who is drawn.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Give a value instead of drawing it.")
@click.option("--index", type=options.Number(0, 2**31), default=0, show_default=True, help="Number of the case.")
@options.quiet()
def command(
    grammar: str, seed: int, out: Path, population: str, overrides: tuple[str, ...], index: int, quiet: bool
) -> int:
    """Grow the ducts of one pancreas with GRAMMAR, a name or a file.

    The gland is that of the case of the same seed and index in a dataset.
    """
    from pancreasgen.base.errors import UsageError
    from pancreasgen.cli.progress import announce_compilation
    from pancreasgen.dataset.disk import write_output
    from pancreasgen.dataset.ducts_io import SUFFIXES, duct_bytes
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings, parse_overrides
    from pancreasgen.network.grow import grow
    from pancreasgen.organ.gland import shape_organ

    if out.suffix not in (*SUFFIXES, ".png"):
        raise UsageError(f"{out} must end in one of {' '.join(SUFFIXES)} .png")
    settings = make_settings(
        find_grammar(grammar), seed=seed, population=population, overrides=parse_overrides(overrides)
    )
    announce_compilation(quiet)
    recipe = settings.recipe(index)
    organ = shape_organ(recipe.subject.gland, recipe.chance("organ"))
    network = grow(settings.rules, organ, recipe.subject.ducts, recipe.chance("growth"))
    if out.suffix == ".png":
        from pancreasgen.look.ducts import ducts_picture

        content = ducts_picture(network, organ)
    else:
        content = duct_bytes(out.suffix, network, organ)
    write_output(out, content)
    if not quiet:
        length = network.lengths_mm.sum() / 1000
        click.echo(f"{len(network.segments):,} segments, {length:.2f} m, in a gland of {organ.volume_ml:.0f} mL")
        click.echo(f"open {out}")
    return 0
