"""What a grammar tells the growth engine in its statements, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pancreasgen.base.checks import checked_number, nearest_name
from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.network.dilate import HEALTHY, Disease
from pancreasgen.network.fill import NO_FILLING, Filling


@dataclass(frozen=True, slots=True)
class GrowthRules:
    """Rules of growth that no production can guarantee.

    Attributes:
        gamma: Murray's exponent of the finished tree (``radii: bottom_up(gamma = …)``).
        anchor_mm: Radius at the major papilla [mm] (``radii: bottom_up(anchor = …)``); 0 for what was drawn there.
        factor: A growing duct reserves factor · radius (``reserve: tube(factor = …)``).
        clearance_mm: Least distance between the skins of two ducts [mm] (``reserve: tube(clearance = …)``).
        margin_mm: Least distance of a duct's skin to the capsule [mm] (``reserve: tube(margin = …)``).
        spacing_mm: Tissue points stand this far apart [mm] (``territory: by_branch(spacing = …)``).
        served_mm: A duct serves the tissue this near to it [mm] (``territory: by_branch(served = …)``).
        lobular: Code of the module whose first piece claims a lobule (``lobules: … as Twig``), −1 for none.
        lobule_mm: Tissue is gathered in lobules this wide, each drained by one duct [mm]; 0 for none
            (``lobules: drained(size = …)``).
        septum_mm: Thickness of the walls between lobules, where no duct is wanted [mm]
            (``lobules: drained(septum = …)``).
        filling: What ``fill: buds(…)`` says.
        disease: What ``dilate:`` and ``beads:`` say.
        by_branch: Whether each side branch owns the tissue nearest to it (the statement ``territory`` is there).
    """

    gamma: float = 3.0
    anchor_mm: float = 0.0
    factor: float = 1.2
    clearance_mm: float = 0.15
    margin_mm: float = 0.15
    spacing_mm: float = 1.8
    served_mm: float = 1.4
    by_branch: bool = False
    lobular: int = -1
    lobule_mm: float = 0.0
    septum_mm: float = 0.0
    filling: Filling = NO_FILLING
    disease: Disease = HEALTHY

    @property
    def claim_mm(self) -> float:
        """How far from a twig's end the middle of the lobule may be that it drains [mm]."""
        return 1.6 * self.lobule_mm


_AT, _TO = (0.0, 1.0), (0.2, 15.0)
STATEMENTS: dict[str, dict[str, dict[str, tuple[str, float, float]]]] = {
    "radii": {"bottom_up": {"gamma": ("gamma", 1.5, 5.0), "anchor": ("anchor_mm", 0.1, 10.0)}},
    "reserve": {
        "tube": {
            "factor": ("factor", 1.0, 3.0), "clearance": ("clearance_mm", 0.0, 3.0), "margin": ("margin_mm", 0.0, 3.0),
        },
    },
    "territory": {"by_branch": {"spacing": ("spacing_mm", 0.3, 10.0), "served": ("served_mm", 0.2, 10.0)}},
    "lobules": {"drained": {"size": ("lobule_mm", 1.5, 20.0), "septum": ("septum_mm", 0.0, 3.0)}},
    "fill": {
        "buds": {"within": ("within_mm", 0.3, 10.0), "piece": ("piece_mm", 0.1, 5.0), "r": ("radius_mm", 0.005, 0.5),
                 "room": ("room", 1.0, 5.0)},
    },
    "dilate": {
        "upstream": {"at": ("at", *_AT), "to": ("to_mm", *_TO)},
        "segment": {"start": ("start", *_AT), "end": ("end", *_AT), "to": ("to_mm", *_TO)},
        "branch": {"at": ("at", *_AT), "to": ("to_mm", *_TO)},
    },
    "beads": {"main": {"depth": ("depth", 0.0, 0.9), "every": ("every_mm", 2.0, 60.0)}},
}  # fmt: skip
"""Statement → function → argument → (field, least, greatest value)."""


def growth_rules(grammar: Grammar) -> GrowthRules:
    """Return the numbers of a grammar's statements; what it does not say keeps its default.

    Raises:
        BadInputError: If a statement, its function or an argument is not known here, or out of range.
    """
    values: dict[str, float] = {}
    disease: dict[str, Any] = {}
    filling: dict[str, float] = {}
    for name, statement in grammar.statements.items():
        if name not in STATEMENTS:
            raise BadInputError(f"the growth engine has no statement `{name}:`", f"it knows {', '.join(STATEMENTS)}")
        function, functions = statement.function, STATEMENTS[name]
        if function not in functions:
            wanted = " or ".join(f"`{one}(…)`" for one in functions)
            raise BadInputError(f"`{name}:` wants {wanted}, not `{statement.text}`")
        known = functions[function]
        if name == "dilate":
            disease["kind"] = function
        for key, number in grammar.statement_numbers(name).items():
            if key not in known:
                near = nearest_name(key, known)
                hint = (f"did you mean `{near}`?\n" if near else "") + f"`{function}` takes {', '.join(known)}"
                raise BadInputError(f"`{name}: {function}` has no argument `{key}`", hint)
            field, low, high = known[key]
            target = {"dilate": disease, "beads": disease, "fill": filling}.get(name, values)
            target[field] = checked_number(f"{key} in `{name}:`", number, low, high)
    if disease.get("kind") and "to_mm" not in disease:
        raise BadInputError("`dilate:` does not say how wide", "add the radius, such as to = 3.5 mm")
    lobular = _module(grammar, "lobules") if "lobules" in grammar.statements else -1
    return GrowthRules(
        **values,
        lobular=lobular,
        by_branch="territory" in grammar.statements,
        filling=Filling(**filling),
        disease=Disease(**disease),
    )


def _module(grammar: Grammar, name: str) -> int:
    """Return the code of the module that a statement names with ``as``."""
    module = grammar.statements[name].module
    if module not in grammar.symbols:
        raise BadInputError(
            f"`{name}:` does not say as which module"
            if not module
            else f"`{name}:` names `{module}`, which no rule has",
            "add it, such as `lobules: drained(size = 5 mm) as Twig`: its first piece claims a lobule",
        )
    return grammar.symbols.index(module)
