"""``pancreasgen grow``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pancreasgen.cli import options

if TYPE_CHECKING:
    from pancreasgen.dataset.settings import Settings
    from pancreasgen.network.network import DuctNetwork
    from pancreasgen.organ.organ import Organ


@click.command()
@click.argument("grammar", metavar="GRAMMAR")
@options.seed()
@options.out("File to write; its suffix decides: .graphml .swc .vtp .ply .png")
@click.option("--population", default="adult", show_default=True, metavar="NAME", help="Who is drawn.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Give a value instead of drawing it.")
@click.option("--index", type=options.Number(0, 2**31), default=0, show_default=True, help="Number of the case.")
@click.option("--steps", type=options.Number(0, 10_000), help="Steps, for a grammar that needs no organ.")
@options.quiet()
def command(
    grammar: str, seed: int, out: Path, population: str, overrides: tuple[str, ...], index: int,
    steps: int | None, quiet: bool,
) -> int:  # fmt: skip
    """Grow the ducts of one pancreas with GRAMMAR, a name or a file.

    The gland is that of the case of the same seed and index in a dataset. A grammar that needs no organ, such as
    abop/plant, grows by itself.
    """
    from pancreasgen.base.errors import UsageError
    from pancreasgen.cli.progress import announce_compilation
    from pancreasgen.dataset.disk import check_output, write_output
    from pancreasgen.dataset.ducts_io import SUFFIXES, duct_bytes
    from pancreasgen.dataset.free import needs_organ
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings, parse_overrides

    if out.suffix not in (*SUFFIXES, ".png"):
        raise UsageError(f"{out} must end in one of {' '.join(SUFFIXES)} .png")
    settings = make_settings(
        find_grammar(grammar), seed=seed, population=population, overrides=parse_overrides(overrides)
    )
    organic = needs_organ(settings.rules)
    if organic and steps is not None:
        raise UsageError("--steps is for grammars that need no organ", "this one grows until its organ is full")
    check_output(out, grammar)
    announce_compilation(quiet)
    network, organ, told = _in_organ(settings, index) if organic else _free(settings, index, steps)
    if out.suffix == ".png":
        from pancreasgen.look.ducts import ducts_picture, free_picture

        content = free_picture(network) if organ is None else ducts_picture(network, organ)
    else:
        content = duct_bytes(out.suffix, network, organ)
    write_output(out, content)
    if not quiet:
        click.echo(f"{len(network.segments):,} segments, {network.lengths_mm.sum() / 1000:.2f} m, {told}")
        click.echo(f"open {out}")
    return 0


def _in_organ(settings: Settings, index: int) -> tuple[DuctNetwork, Organ | None, str]:
    from pancreasgen.network.grow import grow
    from pancreasgen.organ.gland import shape_organ

    recipe = settings.recipe(index)
    organ = shape_organ(recipe.subject.gland, recipe.chance("organ"))
    network = grow(settings.rules, organ, recipe.subject.ducts, recipe.chance("growth"))
    return network, organ, f"in a gland of {organ.volume_ml:.0f} mL"


def _free(settings: Settings, index: int, steps: int | None) -> tuple[DuctNetwork, Organ | None, str]:
    from pancreasgen.base.chance import Chance
    from pancreasgen.dataset.free import grow_free

    key = Chance(settings.seed, index, "growth").key
    network, derivation = grow_free(settings.rules, settings.subject(index).ducts, key, steps)
    end = {
        "modules": ", the most that its limit of modules allows",
        "depth": ", the most that its limit of depth allows",
    }
    taken = options.counted(derivation.steps, "step")
    return network, None, f"without an organ; {taken}{end.get(derivation.reason, '')}"
