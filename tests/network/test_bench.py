"""The bench of growth measures the network that it says, and tells truly what was met, missed and not run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pancreasgen.network.coverage import coverage_measures
from pancreasgen.network.grow import grow

SCRIPTS = str(Path(__file__).parents[2] / "scripts")


@pytest.fixture(scope="module")
def bench():
    """Import the bench of growth, which stands beside the package, and let it go again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        import bench_network

        yield bench_network
        for name in ("bench_network", "bench_grammar"):
            sys.modules.pop(name, None)


def _growth(bench, segments: int, seconds: list[float], megabytes: float = 100.0):
    return bench.Growth(segments, seconds, seconds, megabytes, (0.8, 1.5, 2.1))


@pytest.mark.parametrize("power", [0.5, 1.0, 1.25, 2.0])
def test_the_exponent_is_that_of_a_power_law(bench, power):
    """Times that follow t = c·n^p have exponent p, whatever c and the sizes are."""
    small, large = ((n, 3e-5 * n**power) for n in (25_000, 203_000))
    assert bench.exponent(small, large) == pytest.approx(power, abs=1e-12)


def test_a_fresh_process_grows_the_same_network(bench):
    """What is measured in a process of its own is the network that the same grain grows here: size and coverage."""
    given = bench.gland_and_rules(bench.WARM_GRAIN)
    network = grow(*given)
    told = bench.grown(bench.Size("coarse", bench.WARM_GRAIN, 2))
    here = coverage_measures(network, given[1])
    assert told.segments == len(network.segments)
    assert told.coverage_mm == tuple(here[f"tissue_to_duct_{name}_mm"] for name in ("median", "p95", "max"))
    assert len(told.wall_s) == len(told.cpu_s) == 2
    assert all(0.0 < cpu < 1.05 * wall + 0.02 for wall, cpu in zip(told.wall_s, told.cpu_s, strict=True))  # one core
    assert 50.0 < told.peak_mb < 2000.0


def test_a_finer_grain_grows_more_by_its_cube(bench):
    """Half the grain is eight times the structures: a sixth less gives 1.2³ times as many segments, within a third."""
    counts = [len(grow(*bench.gland_and_rules(grain)).segments) for grain in (3.0, 2.5)]
    assert counts[1] / counts[0] == pytest.approx(1.2**3, rel=0.33)


def test_goals_are_met_and_missed_as_they_should_be(bench):
    """The median counts, not the mean; time, memory and exponent are each judged by their own limit."""
    adult, fine = bench.SIZES
    quick = [(adult, _growth(bench, 25_000, [1.0, 1.1, 9.0])), (fine, _growth(bench, 200_000, [9.0, 9.5, 9.2]))]
    assert all(goal.met for goal in bench.goals_of(quick))
    slow = [(adult, _growth(bench, 19_999, [1.6], 501.0)), (fine, _growth(bench, 200_000, [30.0]))]
    missed = [goal.name for goal in bench.goals_of(slow) if not goal.met]
    assert missed == [
        "size of the adult network",
        "growing 19,999 segments",
        "memory of 19,999 segments",
        "growing 200,000 segments",
        "exponent from 19,999 to 200,000 segments",
    ]
    assert str(bench.goals_of(slow)[-1]).endswith("1.27, wanted under 1.2")


def test_a_peer_that_is_not_there_is_told(bench):
    """A Python without svv gives the reason in words, not a figure."""
    told = bench.in_fresh_process(bench.svv_speed, sys.executable, 9)
    assert told == f"svv not measured with {sys.executable}: ModuleNotFoundError: No module named 'svv'"


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_a_peer_is_given_the_gland_and_its_answer_is_read(bench, tmp_path):
    """The peer gets script, saved gland, segments and seed; its last line counts, whatever it prints before."""
    peer = tmp_path / "python"
    numbers = '"version": "9", "segments": 12, "wall_s": 2.0, "cpu_s": 1.5, "fit_s": 0.5'
    told = f'{{{numbers}, "gland": "\'$(test -f $3; echo $?)\'"}}'
    peer.write_text(f"#!/bin/sh\necho growing $2 $4 $5\necho '{told}'\n", encoding="utf-8")
    peer.chmod(0o755)
    answer = bench.in_fresh_process(bench.svv_speed, str(peer), 9)
    assert (answer["segments"], answer["wall_s"], answer["gland"]) == (12, 2.0, "0")


def test_a_busy_neighbour_feigns_no_better_exponent(bench, capsys):
    """Wall times that are longer than CPU times are told, and the exponent is that of the CPU times."""
    adult, fine = bench.SIZES
    slowed = bench.Growth(25_000, [1.8], [1.2], 100.0, (0.8, 1.5, 2.1))
    named = [(adult, slowed), (fine, _growth(bench, 200_000, [1.2 * 8**1.25]))]
    assert bench.goals_of(named)[-1].got == pytest.approx(1.25)
    bench.print_growth(named)
    said = capsys.readouterr().out
    assert "adult: 1.50 times as long as its CPU time" in said
    assert "fine: " not in said


def test_published_figures_are_told_apart_from_measured_ones(bench, capsys):
    """Peers that were not run stand below a line that says so; only what was run gets a ratio, of CPU times."""
    own = _growth(bench, 1000, [0.2])
    bench.print_peers(own, "svv not run: no --peers PYTHON was given")
    said = capsys.readouterr().out
    measured, published = said.split("published, other machines, not run here:")
    assert "svv not run" in measured
    assert "times as many" not in said
    assert all(name in published and name not in measured for name, _, _ in bench.PUBLISHED)
    runs = [{"version": "9", "segments": 50, "wall_s": 9.0, "cpu_s": cpu, "fit_s": 1.0} for cpu in (2.0, 1.0, 7.0)]
    bench.print_peers(own, runs)
    assert "pancreasgen grows 200 times as many segments per CPU second as svv" in capsys.readouterr().out
