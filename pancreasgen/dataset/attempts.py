"""No monsters: a draw that does not pass its checks is drawn again, with its reasons kept in the recipe.

The next attempt draws from streams of its own, so a case stays a pure function of (seed, index): whoever makes it, and
with whatever cases beside it, meets the same rejected draws and comes to the same one.
"""

from __future__ import annotations

from pancreasgen.base.errors import BadInputError, NoRoomError
from pancreasgen.dataset.build import Case, Report, build_case, silent
from pancreasgen.dataset.checks import failures
from pancreasgen.dataset.settings import Settings

MOST = 8
"""How many draws one case may take. If one in five were rejected, one case in 400,000 would need more."""


def settled_case(settings: Settings, index: int, report: Report = silent) -> Case:
    """Build a case that passes its checks.

    What no body can have is always drawn again. What is only unusual, or has no room for its main duct, is drawn again
    where all numbers are those of the catalogue; a user's own grammar, population or `--set` is obeyed: the case says
    which checks it did not pass, or why nothing grew.

    Args:
        settings: What all cases share.
        index: Number of the case.
        report: Told about each stage's progress.

    Raises:
        BadInputError: If no draw passes; the letter lists the reasons of the last ones.
        PancreasgenError: If the grammar cannot grow, or a number is impossible.
    """
    rejected: list[tuple[str, ...]] = []
    while len(rejected) < MOST:
        recipe = settings.recipe(index, tuple(rejected))
        try:
            case = build_case(recipe, report, keep_sinogram="sinogram" in settings.keep)
        except NoRoomError as error:  # a main duct that is wide beyond this gland, about one draw in 500
            if not settings.as_published:
                raise
            rejected.append((error.message,))
            continue
        reasons = failures(case.checks, monsters_only=not settings.as_published)
        if not reasons:
            return case
        rejected.append(reasons)
    lines = [f"draw {number}: {'; '.join(reasons)}" for number, reasons in enumerate(rejected)]
    hint = "the grammar, the population or values given with --set do not fit together"
    raise BadInputError(f"case {index}: none of {MOST} draws passed its checks", "\n".join([*lines[-3:], hint]))
