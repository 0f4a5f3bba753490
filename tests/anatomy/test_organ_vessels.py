"""Trees of vessels inside liver and kidneys: grown by the ducts' engine, inside, apart, and by Murray's law."""

import itertools

import numpy as np
import pytest

from pancreasgen.anatomy.canvas import Canvas
from pancreasgen.anatomy.fields import Shape, ellipsoid
from pancreasgen.anatomy.organ_vessels import organ_vessels, paint_trees
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import VALUES
from pancreasgen.anatomy.tissues import palette, tissue_index
from pancreasgen.anatomy.tubes import tube
from pancreasgen.anatomy.vessel_trees import hull_field, organ_of_field
from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.dataset.grammars import GrammarText, find_grammar, grammar_names, vessel_grammars
from pancreasgen.dataset.settings import checked_grammar
from pancreasgen.network.crossings import crossings
from pancreasgen.network.tree import Tree

LATTICE = Grid.centred((100, 80, 72), (2.5, 2.5, 2.5), (0.0, 10.0, 0.0))
TUBES = [
    tube("portal_vein", [[20.0, 44, 10], [30.0, 36, 46]], 13.0),
    tube("inferior_vena_cava", [[20.0, 10, -60], [22.0, 22, 100]], 20.0),
]
GRAMMARS = {
    name: checked_grammar(GrammarText(f"vessels/{name}", text, name)) for name, text in vessel_grammars().items()
}


def fields():
    """Return a liver with a bay for the cava, and two kidneys, as smooth bodies without noise."""
    x, y, z = (axis.astype(np.float32) for axis in LATTICE.mesh_mm())
    liver = np.maximum(
        ellipsoid((x, y, z), (80, 5, 20), (60, 80, 70)), ellipsoid((x, y, z), (20, 50, 45), (80, 34, 38))
    )
    liver = np.minimum(liver, -ellipsoid((x, y, z), (10, 0, 0), (32, 24, np.inf)))
    kidneys = {}
    for name, side, level in (("kidney_right", 1, -34.0), ("kidney_left", -1, -20.0)):
        body = ellipsoid((x, y, z), (side * 71, -20, level), (26, 28, 56))
        sinus = ellipsoid((x, y, z), (side * 50, -9, level), (17, 10, 15))
        kidneys[name] = np.minimum(body, -sinus)
    return {"liver": liver, **kidneys}


FIELDS = fields()


def shapes(fields):
    """Return fields on the lattice as shapes."""
    return {name: Shape(field, LATTICE) for name, field in fields.items()}


def grown(index, grammars=GRAMMARS):
    return organ_vessels(shapes(FIELDS), TUBES, Physique(), grammars, Chance(4, index, "vessels"))


@pytest.fixture(scope="module", params=range(3))
def trees(request):
    return grown(request.param)


def test_all_roots_grow_in_a_whole_body(trees):
    """Two portal branches and three hepatic veins, an artery and a vein for each kidney; 300 to 4,000 segments."""
    kinds = [(tree.structure, tree.tissue) for tree in trees]
    assert kinds.count(("hepatic_vessels", "portal_blood")) == 2
    assert kinds.count(("hepatic_vessels", "hepatic_venous_blood")) >= 2  # one may find its way barred
    assert kinds.count(("renal_vessels", "arterial_blood")) == 2
    assert kinds.count(("renal_vessels", "renal_venous_blood")) == 2
    assert 300 < sum(len(tree.network.segments) for tree in trees) < 4000


def test_trees_stay_inside_their_organ(trees):
    """But for the piece that leads there a tree's tubes lie in the liver, or in the hull of a kidney with its sinus."""
    hulls = [hull_field(FIELDS[name], LATTICE) for name in ("kidney_right", "kidney_left")]
    for tree in trees:
        points = tree.network.nodes_mm[tree.network.segments[1:, 1]]
        index = tuple(np.rint(LATTICE.to_index(points)).astype(int).T)
        room = FIELDS["liver"] if tree.structure == "hepatic_vessels" else np.maximum(*hulls)
        assert room[index].min() > -1.0  # the nearest node may lie 2 mm outside
        assert room[index].mean() > 4.0


def test_trees_of_an_organ_never_cross(trees):
    """No tube of one tree meets one of another; the leads may meet where they leave one vessel."""
    for one, two in itertools.combinations(trees, 2):
        if one.structure != two.structure:
            continue  # liver and kidneys overlap here; in a body they do not
        parts = [tree.network for tree in (one, two)]
        starts, ends = (np.vstack([n.nodes_mm[n.segments[1:, end]] for n in parts]) for end in (0, 1))
        radii = np.concatenate([n.radius_mm[n.segments[1:, 1]] for n in parts])
        first = len(parts[0].segments) - 1
        none = np.full(len(starts), -1)
        lone = Tree(starts, ends, none, none.astype(np.int16), none.astype(np.int16), radii, none)
        pairs = crossings(lone, 0.0)
        assert not (len(pairs) and ((pairs[:, 0] < first) != (pairs[:, 1] < first)).any())


def test_murray_holds_at_forks(trees):
    """At every node where a vessel divides r₀^γ = Σ rᵢ^γ, with the grammar's γ = 2.6."""
    checked = 0
    for tree in trees:
        network = tree.network
        for node in np.unique(network.segments[1:, 0]):
            children = network.segments[1:][network.segments[1:, 0] == node, 1]
            if len(children) > 1 and node in network.segments[1:, 1]:
                total = (network.radius_mm[children] ** 2.6).sum() ** (1 / 2.6)
                assert total == pytest.approx(network.radius_mm[node], rel=1e-6)
                checked += 1
    assert checked > 100


def test_trees_begin_as_wide_as_the_body_says(trees):
    """The portal branches share the portal vein's flow by Murray's cube law: about 10.7 and 9.7 mm of 13 mm."""
    widths = sorted(2 * tree.network.radius_mm.max() for tree in trees if tree.tissue == "portal_blood")
    assert widths == pytest.approx([13 * 0.42 ** (1 / 3), 13 * 0.55 ** (1 / 3)])
    assert sum(width**3 for width in widths) < 13**3


def test_the_same_chance_grows_the_same_trees():
    """Equal chance, equal nodes; another chance, others. A changed number in a grammar changes the tree."""
    one, again, other = grown(0), grown(0), grown(1)
    assert all(np.array_equal(a.network.nodes_mm, b.network.nodes_mm) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0].network.nodes_mm, other[0].network.nodes_mm)
    edited = grown(0, {"liver": GRAMMARS["liver"].with_values({"l_twig": 9.0})})
    assert not np.array_equal(one[0].network.nodes_mm, edited[0].network.nodes_mm)


def test_what_the_scan_does_not_hold_grows_nothing():
    """Without organs in the scan there are no trees, without grammars neither; an unknown organ is an error."""
    nothing = {name: np.full_like(field, -5.0) for name, field in FIELDS.items()}
    assert organ_vessels(shapes(nothing), TUBES, Physique(), GRAMMARS, Chance(1, 0, "v")) == []
    assert grown(0, {}) == []
    with pytest.raises(UsageError, match="organ with vessels"):
        grown(0, {"livre": GRAMMARS["liver"]})


def test_a_thin_slab_of_the_liver_still_works():
    """Where the scan holds a slab of 30 mm the trees stay in it."""
    slab = {name: field.copy() for name, field in FIELDS.items()}
    z = LATTICE.axis_mm(2)
    for field in slab.values():
        field[:] = np.minimum(field, (15.0 - np.abs(z - 20.0)).astype(np.float32))
    trees = organ_vessels(shapes(slab), TUBES, Physique(), GRAMMARS, Chance(1, 0, "v"))
    assert trees
    for tree in trees:
        assert np.abs(tree.network.nodes_mm[tree.network.segments[1:, 1], 2] - 20.0).max() < 15.0


def test_a_liver_that_the_scan_cuts_keeps_its_trunks():
    """Where the scan ends at the porta, all five trunks still grow: they may run through the cut."""
    low = {name: field[:, :, :52] for name, field in FIELDS.items()}  # up to z = 38 mm; the portal vein forks at 46
    grid = Grid((*LATTICE.shape[:2], 52), LATTICE.spacing_mm, LATTICE.origin_mm)
    cut = {name: Shape(np.ascontiguousarray(field), grid) for name, field in low.items()}
    trees = organ_vessels(cut, TUBES, Physique(), {"liver": GRAMMARS["liver"]}, Chance(4, 0, "vessels"))
    assert [tree.tissue for tree in trees] == 2 * ["portal_blood"] + 3 * ["hepatic_venous_blood"]


def test_hull_of_a_ball_is_the_ball():
    """A convex body is its own hull within half a node's spacing; a dent is filled."""
    x, y, z = (axis.astype(np.float32) for axis in LATTICE.mesh_mm())
    ball = ellipsoid((x, y, z), (0, 10, 0), (40, 40, 40))
    hull = hull_field(ball, LATTICE)
    near = np.abs(ball) < 10
    assert np.abs(hull - ball)[near & (ball > 0)].max() < 2.5
    dented = np.minimum(ball, -ellipsoid((x, y, z), (40, 10, 0), (20, 12, 12)))
    assert hull_field(dented, LATTICE)[LATTICE.shape[0] // 2 + 12, 32, 36] > 2.0


def test_an_organ_of_a_field_keeps_its_volume():
    """A ball of radius 30 mm as a field gives an organ of 4/3 π 30³ = 113 mL."""
    x, y, z = LATTICE.mesh_mm()
    ball = (30.0 - np.sqrt(x**2 + (y - 10.0) ** 2 + z**2)).astype(np.float32)
    assert organ_of_field(ball, LATTICE, {}).volume_ml == pytest.approx(4 / 3 * np.pi * 27.0, rel=0.03)


def test_painted_volume_is_the_trees_volume(trees):
    """Painted blood fills Σ π l (r₁² + r₁r₂ + r₂²)/3 within 12 %: balls at ends add, overlaps at forks take away."""
    grid = Grid.centred((280, 200, 180), (0.8, 0.8, 0.9), (30.0, 15.0, 20.0))
    colours = np.zeros((len(tissue_index()), 3), np.float32)
    colours[tissue_index()["portal_blood"]] = 1.0
    canvas = Canvas.blank(grid, colours)
    tree = next(tree for tree in trees if tree.tissue == "portal_blood")
    paint_trees(canvas, [tree], "hepatic_vessels")
    r1, r2 = tree.network.capsule_radii_mm.T
    truth = (np.pi * tree.network.lengths_mm * (r1**2 + r1 * r2 + r2**2) / 3).sum() / 1000
    assert canvas.materials[0].sum(dtype=float) * grid.voxel_ml == pytest.approx(truth, rel=0.12)
    assert set(np.unique(canvas.labels)) == {0, VALUES["hepatic_vessels"]}
    assert palette(Physique(), "delayed").shape == colours.shape


def test_grammars_of_vessels_are_shipped_apart():
    """They parse without a warning's worth of missing sources, and `generate` does not offer them as duct grammars."""
    assert sorted(GRAMMARS) == ["kidney", "liver"]
    assert not [name for name in grammar_names() if name.startswith("vessels/")]
    assert all(parameter.source for grammar in GRAMMARS.values() for parameter in grammar.parameters.values())
    with pytest.raises(UsageError):
        find_grammar("vessels/liver")
