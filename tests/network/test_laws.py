"""The judge of scripts/judge.py finds what it must on small things, and no fault in what the engine grows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Grid, Quantity, Volume
from pancreasgen.dataset.grammars import find_grammar
from pancreasgen.dataset.settings import make_settings
from pancreasgen.network.grow import grow
from pancreasgen.network.network import DuctNetwork
from pancreasgen.organ.gland import shape_organ
from pancreasgen.organ.mask import organ_from_mask

SCRIPTS = str(Path(__file__).parents[2] / "scripts")


@pytest.fixture(scope="module")
def rooms():
    """Import the judge's files, which stand beside the package, and let them go again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        import judge
        import judge_crossings
        import judge_masks
        import judge_tubes

        yield judge, judge_crossings, judge_tubes, judge_masks
        for name in ("judge", "judge_crossings", "judge_masks", "judge_tubes", "verify_laws"):
            sys.modules.pop(name, None)


@pytest.fixture
def judge(rooms):
    return rooms[0]


def ducts(nodes, radii, segments, order=None) -> DuctNetwork:
    order = [0] * len(segments) if order is None else order
    return DuctNetwork(nodes, radii, segments, [1 if n == 0 else 3 for n in order], order)


def random_ducts(count: int) -> DuctNetwork:
    """Separate tapered pieces, strewn at random: wide and narrow, long and short."""
    rng = np.random.default_rng(3)
    start = rng.uniform(0, 12, (count, 3))
    end = start + rng.normal(0, 1, (count, 3)) * rng.choice([0.3, 1.0, 4.0], (count, 1))
    radii = rng.choice([0.1, 0.3, 1.2], 2 * count) * rng.uniform(0.7, 1.0, 2 * count)
    pairs = np.column_stack([np.arange(count), count + np.arange(count)])
    return ducts(np.vstack([start, end]), radii, pairs)


def ball_volume() -> Volume:
    """A ball of 10 mm around the origin."""
    grid = Grid.centred((49, 49, 49), (0.5, 0.5, 0.5), (0.0, 0.0, 0.0))
    x, y, z = grid.mesh_mm()
    return Volume((10.0 - np.sqrt(x * x + y * y + z * z)).astype(np.float32), grid, Quantity.DISTANCE)


# ---- crossings


@pytest.mark.parametrize(("height", "found"), [(0.99, 1), (1.01, 0)])
def test_two_crossing_capsules_are_found(judge, height, found):
    """Two tubes of 0.5 mm that pass at right angles cross if their middles pass nearer than 1 mm, and only then."""
    nodes = [[-5, 0, 0], [5, 0, 0], [0, -5, height], [0, 5, height]]
    result = judge.crossings(judge.tubes_of(ducts(nodes, [0.5] * 4, [[0, 1], [2, 3]])))
    assert result["crossings"] == found
    assert result["deepest_mm"] == pytest.approx(max(1.0 - height, 0.0))


def test_touching_kin_are_not_crossings(judge):
    """A branch within its parent's tube, and pieces in a row shorter than they are wide, are no crossings."""
    nodes = [[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0], [1, 0.6, 0], [1, 3, 0]]
    bend = ducts(nodes, [1, 1, 1, 1, 0.3, 0.3], [[0, 1], [1, 2], [2, 3], [1, 4], [4, 5]], [0, 0, 0, 1, 1])
    assert judge.crossings(judge.tubes_of(bend))["crossings"] == 0


def test_a_duct_that_comes_back_is_a_crossing(judge):
    """A duct that runs in a wide curve back into its own beginning crosses it, although they are of one branch."""
    angle = np.linspace(0, 2 * np.pi, 17)
    nodes = np.column_stack([6 * np.cos(angle), 6 * np.sin(angle), 0.02 * angle])
    curl = ducts(nodes, [0.3] * 17, [[n, n + 1] for n in range(16)])
    result = judge.crossings(judge.tubes_of(curl))
    assert result["crossings"] >= 1
    open_curl = ducts(nodes[:15], [0.3] * 15, [[n, n + 1] for n in range(14)])
    assert judge.crossings(judge.tubes_of(open_curl))["crossings"] == 0


def test_all_overlapping_pairs_are_found(rooms):
    """The pairs of strewn capsules that overlap are those that a slow twin finds, which asks scipy for each pair."""
    _, crossings, tubes, _ = rooms
    strewn = tubes.tubes_of(random_ducts(60))

    def gap(i: int, j: int) -> float:
        def at(shares):
            (p, a), (q, b) = (strewn.along(np.array([n]), np.array([s])) for n, s in zip((i, j), shares, strict=True))
            return float(np.linalg.norm(p - q) - a[0] - b[0])

        starts = [(s, t) for s in (0.1, 0.9) for t in (0.1, 0.9)]
        return min(minimize(at, start, bounds=[(0, 1), (0, 1)]).fun for start in starts)

    one, two, deep = crossings.overlapping(strewn)
    found = {(min(i, j), max(i, j)): g for i, j, g in zip(one.tolist(), two.tolist(), deep.tolist(), strict=True)}
    assert len(found) == len(one)
    near = [(i, j) for i in range(60) for j in range(i + 1, 60)]
    middles = 0.5 * (strewn.start_mm + strewn.end_mm)
    reach = 0.5 * strewn.length_mm + strewn.widest_mm
    near = [(i, j) for i, j in near if np.linalg.norm(middles[i] - middles[j]) < reach[i] + reach[j]]
    truth = {pair: gap(*pair) for pair in near}
    assert {pair for pair, g in truth.items() if g < -1e-5} <= set(found)
    assert set(found) <= {pair for pair, g in truth.items() if g < 1e-5}
    assert len(found) > 15
    for pair, deepest in found.items():
        assert deepest <= truth[pair] + 1e-5


def test_the_way_along_ducts_is_counted_from_the_nearest_ends(rooms):
    """Between the tips of a fork lie the ways from its middle; beyond the limit the way is endless."""
    _, crossings, tubes, _ = rooms
    nodes = [[0, 0, 0], [2, 0, 0], [5, 0, 0], [2, 4, 0], [2, 4, 7]]
    fork = tubes.tubes_of(ducts(nodes, [0.1] * 5, [[0, 1], [1, 2], [1, 3], [3, 4]]))
    one, two = np.array([0, 1, 0]), np.array([1, 3, 3])
    assert crossings.way_along_ducts(fork, one, two, 50.0).tolist() == [0.0, 4.0, 4.0]
    assert crossings.way_along_ducts(fork, one, two, 3.0).tolist() == [0.0, np.inf, np.inf]


# ---- the organ, Murray's sum, coverage, wholeness


def test_a_duct_that_pokes_out_is_found(judge):
    """A duct whose round end reaches 0.05 mm beyond a ball is outside, with that margin; 0.05 mm shorter it is not."""
    ball = ball_volume()
    for tip, out in ((9.55, True), (9.45, False)):
        result = judge.containment(judge.tubes_of(ducts([[0, 0, 0], [0, 0, tip]], [0.5, 0.5], [[0, 1]])), ball)
        assert (result["outside"] > 0) == out
        assert result["margin_mm"] == pytest.approx(9.5 - tip, abs=0.02)


def test_a_thick_side_is_found(judge):
    """A tube that runs past the middle, so that only its side leaves the ball, is found by its rings."""
    side = ducts([[0, 7, -3], [0, 7, 3]], [3.2, 3.2], [[0, 1]])
    result = judge.containment(judge.tubes_of(side), ball_volume())
    assert result["outside"] > 0
    assert result["outside_at"][0]["segments"] == [0]


def test_murray_is_asked_at_forks(judge):
    """Where two ducts leave, their powers must add up; the first piece of a branch counts with its own radius."""
    good = (0.5**2.7 + 0.3**2.7) ** (1 / 2.7)
    for root, error in ((good, 0.0), (1.1 * good, 1.0 - 1.1**-2.7)):
        nodes = [[0, 0, 0], [3, 0, 0], [6, 0, 0], [3, 3, 0]]
        fork = ducts(nodes, [root, root, 0.5, 0.3], [[0, 1], [1, 2], [1, 3]], [0, 0, 1])
        result = judge.murray(judge.tubes_of(fork), 2.7)
        assert result["murray_error"] == pytest.approx(error, abs=1e-12)
        assert (result["forks"], result["binary_share"]) == (1, 1.0)


def test_coverage_is_the_way_to_the_middle_line(judge):
    """In a ball with a duct along its diameter the way from tissue to the duct is the distance from that line."""
    ball = ball_volume()
    line = judge.tubes_of(ducts([[-10, 0, 0], [10, 0, 0]], [0.5, 0.5], [[0, 1]]))
    _, y, z = np.broadcast_arrays(*ball.grid.mesh_mm())
    truth = np.hypot(y, z)[ball.data > 0]
    result = judge.coverage(line, ball)
    assert result["median_mm"] == pytest.approx(np.median(truth), abs=0.003)
    assert result["p95_mm"] == pytest.approx(np.percentile(truth, 95), abs=0.003)
    assert result["max_mm"] == pytest.approx(truth.max(), abs=0.003)


def test_what_hangs_on_no_papilla_is_found(judge):
    """A duct that begins far from every papilla is not reached, with all that leaves it; so is an empty piece."""
    nodes = np.array([[0, 0, 0], [4, 0, 0], [0, 30, 0], [4, 30, 0], [4, 30, 0]], dtype=float)
    tubes = judge.tubes_of(ducts(nodes, [0.5] * 5, [[0, 1], [2, 3], [3, 4]]))
    result = judge.wholeness(tubes, nodes, np.zeros((1, 3)))
    assert (result["roots"], result["unreached"], result["broken"]) == (2, 3, 1)
    assert judge.wholeness(tubes, nodes, np.array([[0, 0, 0], [0, 29, 0]]))["unreached"] == 0


# ---- the script


def test_rows_of_the_same_program_are_not_grown_again(rooms, tmp_path, monkeypatch):
    """A second run takes the first one's rows; with another program all are grown anew; broken laws are told."""
    import verify_laws

    grown = []
    row = {"failed": 0, "outside": 2, "segments": 5, "grow_s": 0.1}
    monkeypatch.setattr(verify_laws, "run_job", lambda job: grown.append(job.name) or {"name": job.name, **row})
    monkeypatch.setattr(verify_laws, "_warm", lambda _: None)
    jobs = [verify_laws.Job("human_pancreas", 1, index) for index in range(3)]
    for program, some, count in (("a", jobs[:2], 2), ("a", jobs, 3), ("b", jobs, 6)):
        monkeypatch.setattr(verify_laws, "fingerprint", lambda program=program: program)
        rows = verify_laws.judged(some, tmp_path, 1, lambda _: None)
        assert [row["name"] for row in rows] == [job.name for job in some]
        assert len(grown) == count
    assert verify_laws.complaints(rows[0]) == ["skin points outside the organ 2"]
    assert any("3/3" in line and "skin points" in line for line in verify_laws.table(rows))


# ---- what the engine grows


SETTINGS = make_settings(find_grammar("human_pancreas"), seed=1)


def assert_lawful(result: dict) -> None:
    for key in ("outside", "crossings", "unreached", "broken"):
        assert result[key] == 0, (key, result)
    assert result["murray_error"] < 1e-9
    assert result["roots"] in (1, 2)
    assert result["median_mm"] <= 1.1
    assert result["p95_mm"] <= 2.0
    assert result["max_mm"] <= 3.5


@pytest.mark.parametrize("index", [1, 3, 4])
def test_grown_ducts_keep_the_laws(judge, index):
    """In a procedural gland: tubes inside, no crossings, Murray's sum, tissue served, all of one piece."""
    subject = SETTINGS.subject(index)
    organ = shape_organ(subject.gland, Chance(1, index, "organ"))
    network = grow(SETTINGS.rules, organ, subject.ducts, Chance(1, index, "growth"))
    assert_lawful(judge.judge(network, organ, subject.ducts["gamma"]))


@pytest.mark.parametrize("name", ["banana_thick_slices", "torus_turned"])
def test_ducts_in_masks_keep_the_laws(rooms, name):
    """The same in masks of other shapes and voxels; and hardly a skin point lies outside the mask's own voxels."""
    judge, _, _, masks = rooms
    mask, affine = masks.FOREIGN[name].voxels()
    organ, _ = organ_from_mask(mask, affine)
    subject = SETTINGS.subject(0)
    network = grow(SETTINGS.rules, organ, subject.ducts, Chance(1, 0, "growth"))
    assert_lawful(judge.judge(network, organ, subject.ducts["gamma"]))
    assert judge.share_outside(judge.tubes_of(network), mask, affine) < 1e-3
