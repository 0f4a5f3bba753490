"""Grow a duct network: a grammar, an organ and chance become ducts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import NoRoomError
from pancreasgen.grammar.grammar import Grammar
from pancreasgen.grammar.rewrite import Watch, derive
from pancreasgen.network.dilate import HEALTHY, Disease
from pancreasgen.network.environment import GrowthEnvironment
from pancreasgen.network.fill import close_gaps, fill_gaps
from pancreasgen.network.ledger import Clearances, Ledger
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.network.prune import diseased, settle
from pancreasgen.network.radii import Calibre
from pancreasgen.network.rules import GrowthRules, growth_rules
from pancreasgen.network.tissue import Sowing, Tissue, sow
from pancreasgen.network.tree import Tree, main_tree
from pancreasgen.organ.organ import Organ

_TURNS, _FILLS = 8, 2
_TOLERABLE = 2.0  # a gap of so many bounds that was cut open again is not worth another turn
LOBULAR_RADIUS_MM = 0.1  # intralobular ducts are 0.02–0.1 mm wide, interlobular ones 0.1–0.5 (reference)


def grow(
    grammar: Grammar, organ: Organ, values: Mapping[str, float], chance: Chance, watch: Watch | None = None,
    disease: Disease = HEALTHY,
) -> DuctNetwork:  # fmt: skip
    """Grow the ducts of one gland.

    The grammar's rules propose; the organ and the ducts that are already there dispose. Afterwards radii are assigned
    from the ends up (``radii:``), and what would not fit with them is cut.

    Args:
        grammar: Rules with their parameters.
        organ: Where ducts may lie.
        values: Values of parameters that replace the grammar's defaults, in each parameter's own unit.
        chance: Stream of the growth.
        watch: Told after every step; see :func:`pancreasgen.grammar.rewrite.derive`.
        disease: What is wrong with the ducts; a grammar that says so itself (``dilate:``, ``beads:``) is believed.

    Returns:
        The network: every tube inside the organ, one tree for each ``@start``. A duct that joined another ends in a
        node of it, so the graph has a loop there. The main duct is the longest one that starts at a papilla.

    Raises:
        PancreasgenError: If a value is out of range, the grammar names what the organ does not have, or nothing grows.
    """
    grammar = grammar.with_values(dict(values))
    rules = growth_rules(grammar)
    rules = replace(rules, disease=disease) if rules.disease.healthy else rules
    how = Sowing(rules.spacing_mm, 0.0, rules.lobule_mm, rules.septum_mm)
    tissue = sow(organ, how, chance.sub("tissue"))
    keep = Clearances(rules.factor, rules.clearance_mm, rules.margin_mm, rules.claim_mm)
    ledger = Ledger(organ, tissue, keep)
    environment = GrowthEnvironment(organ, ledger, rules)
    derive(grammar, key=chance.key, environment=environment, watch=watch)
    if not ledger.count:
        raise NoRoomError(
            f"the grammar `{grammar.id}` grew no duct in this organ",
            f"pieces refused: {', '.join(f'{count} {why}' for why, count in environment.refused.items())}\n"
            "does its axiom reach a rule with @start? In a thin organ a narrower duct may fit: --set ducts.r_head=0.5",
        )
    tree = _finish(environment, organ, rules, chance)
    return _network(diseased(tree, organ, rules, chance))


def _finish(environment: GrowthEnvironment, organ: Organ, rules: GrowthRules, chance: Chance) -> Tree:
    """Fill gaps, settle the radii, and close the gaps that this has cut, a few times."""
    ledger, calibre = environment.ledger, Calibre(rules.gamma, _anchors(environment, rules))
    for turn in range(_TURNS):
        noise = _noise(ledger.tissue, chance.sub(f"fill {turn}"))
        if turn < _FILLS:
            fill_gaps(ledger, rules.filling, calibre, noise)
        if turn:
            close_gaps(ledger, rules.filling, calibre, noise)
        tree, stayed = settle(environment.tree(), organ, calibre, rules)
        if not rules.filling.within_mm or turn == _TURNS - 1 or (turn and stayed.all()):
            break
        environment.keep(stayed)
        if turn and ledger.tissue.far_mm.max(initial=0.0) <= _TOLERABLE * rules.filling.within_mm:
            break
    return tree


def _anchors(environment: GrowthEnvironment, rules: GrowthRules) -> dict[int, float]:
    """Return the radius at the root of each tree: that of the major papilla as asked, others as they were drawn."""
    tree, main = environment.tree(), environment.places.number("major_papilla")
    firsts = {int(number): int(np.flatnonzero(tree.landmark == number)[0]) for number in np.unique(tree.landmark)}
    drawn = {number: float(tree.radius_mm[row]) for number, row in firsts.items()}
    return {**drawn, main: rules.anchor_mm} if main in drawn and rules.anchor_mm > 0.0 else drawn


def _noise(tissue: Tissue, chance: Chance) -> NDArray[np.float64]:
    return chance.generator().standard_normal((len(tissue.points_mm), 4))


def _network(tree: Tree) -> DuctNetwork:
    """Number the nodes: the roots first, then the end of each segment that does not end in another's."""
    roots, own = np.flatnonzero(tree.parent < 0), np.flatnonzero(tree.joint < 0)
    number = np.full(len(tree.parent), -1, np.int64)
    number[roots] = np.arange(len(roots))
    end = np.empty(len(tree.parent), np.int64)
    end[own] = len(roots) + np.arange(len(own))
    end = np.where(tree.joint >= 0, end[np.maximum(tree.joint, 0)], end)
    proximal = np.where(tree.parent < 0, number, end[np.maximum(tree.parent, 0)])
    return DuctNetwork(
        nodes_mm=np.vstack([tree.start_mm[roots], tree.end_mm[own]]),
        radius_mm=np.concatenate([tree.radius_mm[roots], tree.radius_mm[own]]),
        segments=np.column_stack([proximal, end]).astype(np.int32),
        kind=_kinds(tree),
        order=tree.order,
    )


def _kinds(tree: Tree) -> NDArray[np.uint8]:
    kind = np.where(tree.radius_mm < LOBULAR_RADIUS_MM, Kind.LOBULAR, Kind.SIDE)
    trunk = np.where(tree.landmark == main_tree(tree), Kind.MAIN, Kind.ACCESSORY)
    return np.where(tree.order == 0, trunk, kind).astype(np.uint8)
