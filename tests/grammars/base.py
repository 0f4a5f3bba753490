"""What every duct grammar of the catalogue must hold; each has a class of its own that adds what it claims."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np

from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.dataset.settings import make_settings
from pancreasgen.grammar.check import check_grammar
from pancreasgen.grammar.syntax import parse_grammar
from pancreasgen.network.grow import grow
from pancreasgen.network.measure import measure
from pancreasgen.network.network import DuctNetwork, Kind
from pancreasgen.organ.gland import shape_organ
from pancreasgen.organ.landmarks import sample_with_gradient
from pancreasgen.organ.organ import Organ


@cache
def grown(name: str, seed: int, **values: str) -> tuple[DuctNetwork, Organ, dict[str, Any]]:
    """The ducts of one person of the grammar's own population, the gland, and the measures."""
    settings = make_settings(find_grammar(name), seed=seed, overrides={f"ducts.{k}": v for k, v in values.items()})
    recipe = settings.recipe(0)
    organ = shape_organ(recipe.subject.gland, recipe.chance("organ"))
    network = grow(settings.rules, organ, recipe.subject.ducts, recipe.chance("growth"))
    return network, organ, measure(network, organ)


def trunk_radii(network: DuctNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Distance along the main duct (M,) and the radius there (M,), both at the segments' distal ends."""
    main = np.flatnonzero(network.kind == Kind.MAIN)
    return np.cumsum(network.lengths_mm[main]), network.capsule_radii_mm[main, 1]


def loops(network: DuctNetwork) -> int:
    """How many nodes two ducts run into."""
    return int((np.bincount(network.segments[:, 1]) > 1).sum())


class DuctGrammar:
    """The shared base; a subclass names its grammar."""

    name: ClassVar[str]
    seeds: ClassVar[tuple[int, ...]] = (1, 2)
    least_side_branches: ClassVar[int] = 20
    reaches: ClassVar[float] = 0.85

    def test_it_passes_the_check_and_cites(self) -> None:
        """No fault and no warning; every parameter has a range, a meaning and a source."""
        found = find_grammar(self.name)
        rules = parse_grammar(found.text, id=self.name, file=found.file)
        assert check_grammar(rules) == ()
        for parameter in rules.parameters.values():
            assert np.isfinite([parameter.low, parameter.high]).all(), parameter.name
            assert parameter.description, parameter.name
            assert parameter.source, parameter.name

    def test_it_fills_its_gland(self) -> None:
        """All tubes lie inside, the main duct spans the gland, side branches leave it, tissue is near a duct."""
        for seed in self.seeds:
            network, organ, found = grown(self.name, seed)
            ends, radii = network.nodes_mm[network.segments], network.capsule_radii_mm
            for share in (0.0, 0.5, 1.0):
                depth, _ = sample_with_gradient(organ.distance, (1 - share) * ends[:, 0] + share * ends[:, 1])
                assert (depth - (1 - share) * radii[:, 0] - share * radii[:, 1]).min() > -0.02
            assert found["num_side_branches"] >= self.least_side_branches
            assert found["main_duct_length_mm"] > self.reaches * organ.length_mm
            assert found["tissue_to_duct_median_mm"] < 1.3
