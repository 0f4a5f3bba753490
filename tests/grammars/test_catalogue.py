"""Each duct grammar of the catalogue: what all must hold, and what it alone claims."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pancreasgen.dataset.grammars import grammar_names
from pancreasgen.network.network import Kind
from tests.grammars.base import DuctGrammar, grown, loops, trunk_radii

PAGE = Path(__file__).parents[2] / "docs" / "gallery.md"


class TestHumanPancreas(DuctGrammar):
    name = "human_pancreas"

    def test_the_accessory_duct_joins_the_main_duct(self) -> None:
        """Who has one has one loop; it opens 15 to 55 mm from the papilla (published 32.7 ± 12.5)."""
        for seed in self.seeds:
            network, _, found = grown(self.name, seed, p_acc="1", p_open="1", p_div="0")
            assert loops(network) == 1
            assert 12 < found["accessory_duct_length_mm"] < 50
            node = int(np.argmax(np.bincount(network.segments[:, 1])))
            main = network.segments[network.kind == Kind.MAIN]
            assert 15 < trunk_radii(network)[0][np.flatnonzero(main[:, 1] == node)[0]] < 55
            assert loops(grown(self.name, seed, p_acc="0")[0]) == 0


class TestChild(DuctGrammar):
    name = "child"

    def test_a_child_is_smaller(self) -> None:
        """Gland and main duct are smaller than an adult's; the duct is 1.2 to 2.3 mm wide at the most."""
        for seed in self.seeds:
            child, adult = grown(self.name, seed)[2], grown("human_pancreas", seed)[2]
            assert child["gland_volume_ml"] < 0.6 * adult["gland_volume_ml"]
            assert 1.2 < child["main_duct_head_diameter_mm"] < 2.3


class TestElderly(DuctGrammar):
    name = "elderly"

    def test_ducts_widen_with_age(self) -> None:
        """The duct of the head is 3.5 to 7 mm wide (published 5.3 above 70 years), wider than a younger adult's."""
        for seed in self.seeds:
            old, adult = grown(self.name, seed)[2], grown("human_pancreas", seed)[2]
            assert 3.5 < old["main_duct_head_diameter_mm"] < 7
            assert old["main_duct_head_diameter_mm"] > 1.2 * adult["main_duct_head_diameter_mm"]


class TestDivisum(DuctGrammar):
    name = "divisum"

    def test_two_ducts_that_do_not_meet(self) -> None:
        """The main duct begins at the minor papilla, a short one at the major papilla, and nothing joins them."""
        for seed in self.seeds:
            network, organ, _ = grown(self.name, seed)
            main = network.nodes_mm[network.segments[network.kind == Kind.MAIN][0, 0]]
            ventral = network.nodes_mm[network.segments[network.kind == Kind.ACCESSORY][0, 0]]
            assert np.allclose(main, organ.landmarks["minor_papilla"][0], atol=0.01)
            assert np.allclose(ventral, organ.landmarks["major_papilla"][0], atol=0.01)
            assert loops(network) == 0
            assert network.lengths_mm[network.kind == Kind.ACCESSORY].sum() < 25


class TestAnsa(DuctGrammar):
    name = "ansa"

    def test_the_accessory_duct_makes_a_loop(self) -> None:
        """It opens into the main duct after a way at least 1.2 times as long as the straight one."""
        for seed in self.seeds:
            network, organ, found = grown(self.name, seed)
            assert loops(network) == 1
            node = network.nodes_mm[int(np.argmax(np.bincount(network.segments[:, 1])))]
            straight = np.linalg.norm(node - organ.landmarks["minor_papilla"][0])
            assert found["accessory_duct_length_mm"] > 1.2 * straight


class TestLongSantorini(DuctGrammar):
    name = "santorini_long"

    def test_the_junction_lies_beyond_the_common_one(self) -> None:
        """It opens into the main duct further from the papilla than in the common type."""
        for seed in self.seeds:
            network, _, found = grown(self.name, seed)
            assert loops(network) == 1
            assert (
                found["accessory_duct_length_mm"]
                > grown("human_pancreas", seed, p_acc="1")[2]["accessory_duct_length_mm"]
            )


class TestLoop(DuctGrammar):
    name = "loop"

    def test_the_main_duct_turns_once_around(self) -> None:
        """It is 15 to 35 mm longer than the same gland's ordinary main duct: 15 pieces of 2 mm, less their rise."""
        for seed in self.seeds:
            found, plain = grown(self.name, seed)[2], grown("human_pancreas", seed, p_acc="0")[2]
            assert 15 < found["main_duct_length_mm"] - plain["main_duct_length_mm"] < 35


class TestObstruction(DuctGrammar):
    name = "obstruction"

    def test_wide_upstream_alone(self) -> None:
        """Upstream of the stop the duct is as wide as asked (radius 3 mm), downstream no wider than an ordinary one."""
        for seed in self.seeds:
            arc, radius = trunk_radii(grown(self.name, seed)[0])
            place = arc / arc[-1]
            assert radius[(place > 0.33) & (place < 0.45)].max() > 2.8
            assert radius[place < 0.27].max() <= trunk_radii(grown("human_pancreas", seed)[0])[1].max() + 1e-9


class TestChronicPancreatitis(DuctGrammar):
    name = "chronic_pancreatitis"

    def test_strictures_and_beads_alternate(self) -> None:
        """The radius along the main duct has many maxima, each well above the minimum after it."""
        for seed in self.seeds:
            _, radius = trunk_radii(grown(self.name, seed)[0])
            turns = np.flatnonzero((np.diff(radius)[1:] < 0) & (np.diff(radius)[:-1] > 0)) + 1
            assert len(turns) >= 5
            assert radius.max() > 2.5

    def test_the_accessory_duct_joins_the_wide_one(self) -> None:
        """Only the main duct keeps the room of the disease free, so the accessory duct fits beside it and joins."""
        for seed in (*self.seeds, 3, 4):
            assert loops(grown(self.name, seed, p_acc="1", p_open="1")[0]) == 1


class TestMainDuctIpmn(DuctGrammar):
    name = "ipmn_main"

    def test_a_stretch_is_wide(self) -> None:
        """The middle is about 10 mm wide, both ends are not."""
        for seed in self.seeds:
            arc, radius = trunk_radii(grown(self.name, seed)[0])
            place = arc / arc[-1]
            assert radius[(place > 0.45) & (place < 0.6)].max() > 4
            assert radius[(place < 0.28) | (place > 0.78)].max() < 2.3


class TestBranchDuctIpmn(DuctGrammar):
    name = "ipmn_branch"

    def test_one_branch_is_cystic(self) -> None:
        """A side branch of the head widens beyond the main duct, which stays as it is."""
        for seed in self.seeds:
            network, _, found = grown(self.name, seed)
            side = np.isin(network.kind, [Kind.SIDE, Kind.LOBULAR])
            assert network.capsule_radii_mm[side].max() > 2.5
            assert found["main_duct_head_diameter_mm"] < 4.5


class TestAnnular(DuctGrammar):
    name = "annular"

    def test_a_duct_goes_around_the_ring(self) -> None:
        """Ducts lie in each quarter of the ring, and the hole is free of tissue."""
        for seed in self.seeds:
            network, organ, _ = grown(self.name, seed)
            ring = organ.landmarks["ring"]
            centre = ring.mean(axis=0)
            far = np.linalg.norm(network.nodes_mm[:, None] - ring[None, ::6], axis=2).min(axis=0)
            assert (far < 4).all()
            index = np.rint(organ.distance.grid.to_index(centre[None])).astype(int)[0]
            assert organ.distance.data[tuple(index)] < -5


class TestDorsalAgenesis(DuctGrammar):
    name = "dorsal_agenesis"
    least_side_branches = 10
    reaches = 0.8

    def test_there_is_no_tail(self) -> None:
        """The gland is shorter than 90 mm, and the main duct ends with it."""
        for seed in self.seeds:
            _, organ, found = grown(self.name, seed)
            assert organ.length_mm < 90
            assert found["main_duct_tail_diameter_mm"] is None


def test_every_grammar_has_its_class_and_its_picture() -> None:
    """No duct grammar is without a test, and none of the catalogue is missing in the gallery."""
    tested = {kind.name for kind in DuctGrammar.__subclasses__()}
    assert {name for name in grammar_names() if "/" not in name} == tested
    shown = re.findall(r"^## (\S+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(shown) == grammar_names()
    for name in shown:
        assert (PAGE.parent / "images" / "grammars" / f"{name.replace('/', '_')}.png").is_file(), name
