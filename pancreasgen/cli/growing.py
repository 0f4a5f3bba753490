"""What ``grow`` does, once or at every save: from a wish to ducts, and from ducts to a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pancreasgen.cli import options

if TYPE_CHECKING:
    from pancreasgen.dataset.settings import Settings
    from pancreasgen.network.network import DuctNetwork
    from pancreasgen.organ.organ import Organ

PICTURES = (".png", ".html")
"""Suffixes of files that people look at."""


@dataclass(frozen=True, slots=True)
class MaskWish:
    """The mask of an organ that the command line names, and what it says about it; points are texts ``R,A,S``."""

    path: Path
    label: int | None = None
    papilla: str | None = None
    tail: str | None = None
    bridge: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks to be grown."""

    grammar: str
    seed: int
    population: str | None
    overrides: tuple[str, ...]
    index: int
    steps: int | None
    seconds: float
    mask: MaskWish | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """Ducts, the gland that they stand in if there is one, how they came about, and the grammar's title."""

    network: DuctNetwork
    organ: Organ | None
    told: str
    title: str

    @property
    def summary(self) -> str:
        """One line on how much has grown."""
        network = self.network
        return f"{len(network.segments):,} segments, {network.lengths_mm.sum() / 1000:.2f} m, {self.told}"


def checked_settings(wish: Wish) -> Settings:
    """Return the settings of a wish; all its mistakes are found here, before any work."""
    from pancreasgen.base.errors import UsageError
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings, parse_overrides
    from pancreasgen.grammar.uses import needs_organ

    given = parse_overrides(wish.overrides)
    settings = make_settings(find_grammar(wish.grammar), seed=wish.seed, population=wish.population, overrides=given)
    if needs_organ(settings.rules) and wish.steps is not None:
        raise UsageError("--steps is for grammars that need no organ", "this one grows until its organ is full")
    if wish.mask is not None:
        _check_mask(wish.mask, given, needs_organ(settings.rules))
    return settings


def mask_wish(
    path: Path | None, label: int | None, papilla: str | None, tail: str | None, bridge: int | None
) -> MaskWish | None:
    """Return what the options say about a mask; None if there is none.

    Raises:
        UsageError: If an option for a mask is given without one.
    """
    from pancreasgen.base.errors import UsageError

    if path is not None:
        return MaskWish(path, label, papilla, tail, bridge or 0)
    for name, value in (("label", label), ("papilla", papilla), ("tail", tail), ("bridge", bridge)):
        if value is not None:
            raise UsageError(
                f"--{name} says something about a mask, and none is given", "name it with --organ MASK.nii.gz"
            )
    return None


def _check_mask(mask: MaskWish, given: Mapping[str, str], needed: bool) -> None:
    """Refuse what makes no sense together with an organ from a file."""
    from pancreasgen.base.errors import UsageError

    if not needed:
        raise UsageError("--organ is for grammars that need an organ", "this one grows by itself: leave --organ out")
    idle = [key for key in given if not key.startswith("ducts.")]
    if idle:
        raise UsageError(f"`{idle[0]}` has no meaning with --organ: the organ comes from {mask.path}",
                         "only ducts.… may be set")  # fmt: skip
    for name, text in (("--papilla", mask.papilla), ("--tail", mask.tail)):
        point_of(name, text)


def point_of(option: str, text: str | None) -> tuple[float, float, float] | None:
    """Return the point [mm, RAS+] that an option gives as ``R,A,S``; None for None.

    >>> point_of("--tail", "-84, 158.5, 134")
    (-84.0, 158.5, 134.0)
    """
    from pancreasgen.base.checks import checked_number
    from pancreasgen.base.errors import UsageError
    from pancreasgen.base.grid import COORDINATE_LIMIT_MM

    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3:
        raise UsageError(
            f"{option} needs three numbers R,A,S in mm, not `{text}`", f"for example {option}=20,35.5,-110"
        )
    x, y, z = (checked_number(f"{option} {axis}", part.strip(), -COORDINATE_LIMIT_MM, COORDINATE_LIMIT_MM, "mm")
               for axis, part in zip("RAS", parts, strict=True))  # fmt: skip
    return x, y, z


def grow_now(settings: Settings, wish: Wish, quiet: bool) -> Grown:
    """Return the ducts that settings and a wish lead to."""
    from pancreasgen.cli.progress import announce_compilation
    from pancreasgen.grammar.uses import needs_organ

    rules = settings.rules
    if needs_organ(rules):
        announce_compilation(quiet)
        if wish.mask is not None:
            return Grown(*_in_mask(settings, wish, wish.mask, quiet), rules.title or rules.id)
        return Grown(*_in_organ(settings, wish), rules.title or rules.id)
    return Grown(*_free(settings, wish), rules.title or rules.id)


def deadline(seconds: float) -> Callable[[int, Mapping[str, int]], None]:
    """Return a watcher of a derivation that gives up at the first step past a time.

    >>> deadline(60)(1, {})
    """
    from pancreasgen.base.errors import BadInputError

    end = time.monotonic() + seconds

    def watch(step: int, _: Mapping[str, int]) -> None:
        if time.monotonic() > end:
            hint = "take fewer steps, lower the grammar's limits, or give more time with --time-limit"
            raise BadInputError(f"after {seconds:g} s the grammar had come to step {step} and no end", hint)

    return watch


def content_of(suffix: str, grown: Grown) -> bytes:
    """Return the file that a suffix asks for."""
    from pancreasgen.dataset.ducts_io import duct_bytes

    network, organ = grown.network, grown.organ
    if suffix == ".html":
        from pancreasgen.look.grow_page import ducts_page

        return ducts_page(network, grown.title, free=organ is None)
    if suffix == ".png":
        from pancreasgen.look.ducts import ducts_picture, free_picture

        return free_picture(network) if organ is None else ducts_picture(network, organ)
    return duct_bytes(suffix, network, organ)


def _in_organ(settings: Settings, wish: Wish) -> tuple[DuctNetwork, Organ | None, str]:
    from pancreasgen.network.illness import grow_in
    from pancreasgen.organ.gland import shape_organ

    recipe = settings.recipe(wish.index)
    ill, chance = recipe.subject.lesions, recipe.chance("growth")
    organ = shape_organ(recipe.subject.gland, recipe.chance("organ"), ill)
    network, _ = grow_in(settings.rules, organ, recipe.subject.ducts, ill, chance, deadline(wish.seconds))
    return network, organ, f"in a gland of {organ.volume_ml:.0f} mL"


def _in_mask(settings: Settings, wish: Wish, mask: MaskWish, quiet: bool) -> tuple[DuctNetwork, Organ | None, str]:
    import click

    from pancreasgen.base.chance import Chance
    from pancreasgen.dataset.organ_io import read_organ
    from pancreasgen.network.grow import grow
    from pancreasgen.organ.mask import MaskOptions

    points = point_of("--papilla", mask.papilla), point_of("--tail", mask.tail)
    organ, notes = read_organ(mask.path, mask.label, MaskOptions(*points, bridge_mm=mask.bridge))
    if not quiet:
        for note in notes:
            click.echo(f"note: {note}", err=True)
    chance = Chance(settings.seed, wish.index, "growth")
    network = grow(settings.rules, organ, settings.subject(wish.index).ducts, chance, deadline(wish.seconds))
    return network, organ, f"in an organ of {organ.volume_ml:.3g} mL from {mask.path.name}"


def _free(settings: Settings, wish: Wish) -> tuple[DuctNetwork, Organ | None, str]:
    from pancreasgen.base.chance import Chance
    from pancreasgen.dataset.free import grow_free

    key = Chance(settings.seed, wish.index, "growth").key
    values = settings.subject(wish.index).ducts
    network, derivation = grow_free(settings.rules, values, key, wish.steps, deadline(wish.seconds))
    end = {
        "modules": ", the most that its limit of modules allows",
        "depth": ", the most that its limit of depth allows",
    }
    taken = options.counted(derivation.steps, "step")
    return network, None, f"without an organ; {taken}{end.get(derivation.reason, '')}"
