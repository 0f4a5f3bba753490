"""Lobules, fat and texture of the gland: what is measured in the phantom is what the physique says."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from pancreasgen.anatomy.canvas import Canvas
from pancreasgen.anatomy.fat import spared
from pancreasgen.anatomy.lobules import in_cells, lobule_middles, wall_mm
from pancreasgen.anatomy.parenchyma import paint_gland
from pancreasgen.anatomy.physique import Physique
from pancreasgen.anatomy.structures import PARENCHYMA, VALUES
from pancreasgen.anatomy.texture import TEXTURE_MM, paint_texture
from pancreasgen.anatomy.tissues import PHASES, palette, tissue_index
from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.gland import Gland, shape_organ
from pancreasgen.organ.organ import Region
from pancreasgen.scan.materials import basis_attenuation

CHANCE = Chance(11, 0, "tissue").sub("gland")
EMPTY = DuctNetwork(np.zeros((1, 3)), [1.0], np.zeros((0, 2), "i4"), np.zeros(0, "u1"), np.zeros(0, "i2"))


@pytest.fixture(scope="module")
def organ():
    return shape_organ(Gland(), Chance(11, 0, "organ"))


def around(organ, spacing):
    """A grid that holds the whole gland."""
    found = np.argwhere(organ.distance.data > 0)
    low, high = organ.distance.grid.to_world(np.stack([found.min(axis=0), found.max(axis=0)]))
    shape = tuple(np.ceil((high - low + 8) / spacing).astype(int))
    return Grid.centred(shape, spacing, tuple((low + high) / 2))


def painted(organ, physique, grid, network=EMPTY, bile_ducts=(), phase="unenhanced"):
    """Return the canvas, and the share of each voxel that is fat, of a gland in a world of lobules without fat."""
    canvas = Canvas.blank(grid, palette(physique, phase))
    lobule, fat = canvas.palette[[tissue_index()["pancreas"], tissue_index()["fat"]]]
    canvas.materials[:] = lobule[:, None, None, None]
    paint_gland(canvas, organ, network, physique, bile_ducts, CHANCE)
    return canvas, (canvas.materials[0] - lobule[0]) / (fat[0] - lobule[0])


@pytest.mark.parametrize("wanted", [0.01, 0.06, 0.15, 0.4])
@pytest.mark.parametrize("spacing", [(0.9, 0.9, 1.1), (0.8, 0.8, 2.5)])
def test_fat_fraction_is_the_physiques(organ, wanted, spacing):
    """Fat in the gland, over the gland's volume, is the drawn fraction within 3 % of it, on whatever voxels."""
    canvas, fat = painted(organ, Physique(pancreatic_fat_fraction=wanted), around(organ, spacing))
    gland = np.isin(canvas.labels, PARENCHYMA)
    assert fat.sum(dtype=float) / np.count_nonzero(gland) == pytest.approx(wanted, rel=0.03)
    assert fat.min() > -1e-4
    assert fat.max() < 1 + 1e-4


def test_half_a_gland_is_as_fat(organ):
    """A scan that holds the tail alone shows the same fat in it, voxel by voxel, as one of the whole gland."""
    whole = around(organ, (1.0, 1.0, 1.5))
    part = replace(whole, shape=(whole.shape[0] // 2, *whole.shape[1:]))
    physique = Physique(pancreatic_fat_fraction=0.1)
    _, all_of_it = painted(organ, physique, whole)
    _, half = painted(organ, physique, part)
    assert np.abs(half - all_of_it[: part.shape[0]]).max() < 1e-3


@pytest.mark.parametrize("lobulation", [0.0, 0.6, 1.5])
def test_gland_keeps_its_volume(organ, lobulation):
    """Clefts in the surface take what lobules bulge: the gland's volume is the organ's within 4 %."""
    grid = around(organ, (0.9, 0.9, 1.1))
    canvas, _ = painted(organ, Physique(lobulation_mm=lobulation, pancreatic_fat_fraction=0.05), grid)
    volume = np.isin(canvas.labels, PARENCHYMA).sum() * grid.voxel_ml
    assert volume == pytest.approx(organ.volume_ml, rel=0.04)


def test_clefts_roughen_the_surface(organ):
    """Deeper clefts give more faces between gland and surroundings: the contour is lobulated."""
    faces = []
    for lobulation in (0.0, 1.5, 4.0):
        canvas, _ = painted(organ, Physique(lobulation_mm=lobulation), around(organ, (0.7, 0.7, 1.0)))
        gland = np.isin(canvas.labels, PARENCHYMA)
        faces.append(sum(np.count_nonzero(np.diff(gland, axis=axis)) for axis in range(3)))
    assert 1.1 * faces[0] < 1.1 * faces[1] < faces[2]


def test_fat_spares_the_posterior_head(organ):
    """With full sparing the posterior head and what lies around the bile duct hold less than a quarter of the fat."""
    grid = around(organ, (1.0, 1.0, 1.5))
    course = organ.axis_mm[[0, 0]] + [[0, 0, -25], [0, 0, 25]]
    spare = spared(organ, [course])
    assert spare.min() >= 0
    assert spare.max() <= 1
    index = np.rint(organ.distance.grid.to_index(course.mean(axis=0))).astype(int)
    assert spare[tuple(index)] > 0.9
    tail = organ.regions.data == Region.TAIL
    assert spare[tail].max() < 0.02
    plain, full = (
        painted(organ, Physique(pancreatic_fat_fraction=0.1, fat_sparing=value), grid, bile_ducts=[course])[1]
        for value in (0.0, 0.95)
    )
    there = np.stack(np.meshgrid(*(grid.axis_mm(axis) for axis in range(3)), indexing="ij"))
    at = organ.distance.grid.to_index(there.reshape(3, -1).T).T
    chosen = ndimage.map_coordinates(spare, at, order=1).reshape(grid.shape) > 0.9
    assert full[chosen].sum() < 0.25 * plain[chosen].sum()
    assert full.sum() == pytest.approx(plain.sum(), rel=0.05)


@pytest.mark.parametrize("size", [2.5, 4.0])
def test_lobules_are_as_many_as_fit(organ, size):
    """Without ducts there is one lobule in each size³ of the gland; with ducts each lobule is drained by one."""
    grid = organ.distance.grid
    wanted = organ.volume_ml * 1000 / size**3
    bare = lobule_middles(organ, EMPTY, size, 5)
    depth = ndimage.map_coordinates(organ.distance.data, grid.to_index(bare).T, order=1)
    assert np.count_nonzero(depth > 0) == pytest.approx(wanted, rel=0.1)
    draw = np.random.default_rng(1)
    inner = np.argwhere(organ.distance.data > 1.0)
    ends = grid.to_world(draw.permutation(inner)[:3000] + draw.uniform(-0.5, 0.5, (3000, 3)))
    # a comb: ends in the order of x hang in nines on a backbone of twigs
    ends = ends[np.argsort(ends[:, 0])]
    stems = ends.reshape(-1, 6, 3).mean(axis=1)
    nodes = np.vstack([stems, ends])
    links = [[n, n + 1] for n in range(len(stems) - 1)] + [[n // 6, len(stems) + n] for n in range(len(ends))]
    comb = DuctNetwork(nodes, np.full(len(nodes), 0.1), links, [4] * len(links), [1] * len(links))
    found = lobule_middles(organ, comb, size, 5)
    near = cKDTree(found).query(ends)[0]
    assert np.median(near) < size


def test_wall_against_brute_force():
    """The distance to a lobule's wall is half the difference of the distances to the two nearest middles."""
    draw = np.random.default_rng(3)
    middles = draw.uniform(0, 20, (400, 3))
    cells = in_cells(middles, 4.0)
    for place in draw.uniform(3, 17, (200, 3)):
        first, second = np.sort(np.linalg.norm(middles - place, axis=1))[:2]
        assert wall_mm(*place, cells) == pytest.approx((second - first) / 2, abs=1e-9)
    assert wall_mm(500.0, 0.0, 0.0, cells) == 1000.0


@pytest.mark.parametrize(
    ("phase", "low", "high"), [("unenhanced", 40, 50), ("pancreatic", 112, 128), ("portal-venous", 80, 110)]
)
def test_contrast_by_phase(organ, phase, low, high):
    """The gland's median at 70 keV lies where it is published in each phase (portal-venous: recalled, 95 ± 15)."""
    canvas, _ = painted(organ, Physique(), around(organ, (1.0, 1.0, 1.5)), phase=phase)
    mu = basis_attenuation()[:, 60]
    hu = 1000 * (np.tensordot(mu, canvas.materials, 1) / mu[0] - 1)
    assert phase in PHASES
    assert low <= np.median(hu[np.isin(canvas.labels, PARENCHYMA)]) <= high


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (0.5, 0.5, 2.0)])
def test_texture_has_a_length_in_mm(spacing):
    """The texture's autocorrelation falls to one half where its kernel's does, whatever the voxels; its SD is as asked.

    Noise that is interpolated between independent nodes with a kernel has, over all places, the autocorrelation of the
    kernel; here that is 1 − 3u² + 2u³.
    """
    physique = Physique(texture_hu=10)
    shape = tuple(int(60 / s) for s in spacing)
    canvas = Canvas.blank(Grid.centred(shape, spacing, (0.0, 0.0, 0.0)), palette(physique, "unenhanced"))
    canvas.labels[:] = VALUES["liver"]
    canvas.materials[0] = 1.0
    paint_texture(canvas, physique, Chance(4, 0, "tissue"))
    values = canvas.materials[0] - canvas.materials[0].mean()
    assert values.std() == pytest.approx(0.010, rel=0.15)
    steps = np.arange(1, int(4.0 / spacing[0]))
    kept = [(values[:-n] * values[n:]).mean() / values.var() for n in steps]
    half = np.interp(-0.5, -np.concatenate([[1.0], kept]), np.concatenate([[0], steps]) * spacing[0])
    u = np.linspace(-2, 2, 4001)
    kernel = np.where(np.abs(u) < 1, 1 - 3 * u**2 + 2 * np.abs(u) ** 3, 0)
    wanted = np.correlate(kernel, kernel, "full")[4000:]
    length = np.interp(-0.5, -wanted / wanted[0], np.arange(4001) * 0.001)
    assert half == pytest.approx(length * TEXTURE_MM, rel=0.1)
