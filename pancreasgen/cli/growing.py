"""What ``grow`` does, once or at every save: from a wish to ducts, and from ducts to a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pancreasgen.cli import options

if TYPE_CHECKING:
    from pancreasgen.dataset.settings import Settings
    from pancreasgen.network.network import DuctNetwork
    from pancreasgen.organ.organ import Organ

PICTURES = (".png", ".html")
"""Suffixes of files that people look at."""


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
    return settings


def grow_now(settings: Settings, wish: Wish, quiet: bool) -> Grown:
    """Return the ducts that settings and a wish lead to."""
    from pancreasgen.cli.progress import announce_compilation
    from pancreasgen.grammar.uses import needs_organ

    rules = settings.rules
    if needs_organ(rules):
        announce_compilation(quiet)
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
    from pancreasgen.network.grow import grow
    from pancreasgen.organ.gland import shape_organ

    recipe = settings.recipe(wish.index)
    organ = shape_organ(recipe.subject.gland, recipe.chance("organ"))
    network = grow(settings.rules, organ, recipe.subject.ducts, recipe.chance("growth"), deadline(wish.seconds))
    return network, organ, f"in a gland of {organ.volume_ml:.0f} mL"


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
