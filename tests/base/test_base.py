"""Errors, checks, grids and chance."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pancreasgen.base import checks, errors
from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, Diagnostic, DiagnosticError, UsageError
from pancreasgen.base.grid import Grid, Quantity, Volume


def test_streams_are_independent_and_repeatable() -> None:
    """A stream depends on seed, case and stage alone; each of them changes it."""
    base = Chance(1, 2, "growth")
    same = Chance(1, 2, "growth").generator().random(8)
    assert np.array_equal(base.generator().random(8), same)
    for other in (Chance(2, 2, "growth"), Chance(1, 3, "growth"), Chance(1, 2, "noise"), base.sub("row0")):
        assert not np.array_equal(other.generator().random(8), same)
        assert other.key != base.key


def test_streams_of_neighbouring_cases_are_uncorrelated() -> None:
    """The first numbers of 2,000 neighbouring cases are uniform: mean 1/2 within four standard errors."""
    firsts = np.array([Chance(0, case, "a").generator().random() for case in range(2000)])
    assert abs(firsts.mean() - 0.5) < 4 / np.sqrt(12 * 2000)
    assert abs(np.corrcoef(firsts[:-1], firsts[1:])[0, 1]) < 4 / np.sqrt(2000)


@pytest.mark.parametrize("seed", [-1, 2**63, float("nan"), True, "x"])
def test_impossible_seeds_are_refused(seed: object) -> None:
    """A seed outside 0 to 2⁶³ − 1 is a usage error that names the range."""
    with pytest.raises(UsageError, match="seed must be a number from 0 to"):
        Chance(seed, 0, "a")  # type: ignore[arg-type]


def test_frozen_arrays_are_copies_that_cannot_be_changed() -> None:
    """The door copies what others may still change, and locks the copy."""
    source = np.zeros((2, 3))
    locked = checks.frozen_array(source, "nodes", (None, 3), "f8")
    source[0, 0] = 5
    assert locked[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        locked[0, 0] = 1
    assert checks.frozen_array(locked, "nodes", (None, 3), "f8") is locked


@pytest.mark.parametrize(
    ("value", "text"),
    [([[1.5, 2, 3]], "type"), ([[1, 2]], "shape"), (3, "shape")],
)
def test_wrong_arrays_are_refused(value: object, text: str) -> None:
    """Wrong kind and wrong shape are named."""
    with pytest.raises(BadInputError, match=text):
        checks.frozen_array(value, "rows", (None, 3), "i4")


def test_nan_is_refused_where_it_is_not_wanted() -> None:
    """NaN passes only through a door that says so."""
    with pytest.raises(BadInputError, match="NaN"):
        checks.frozen_array([np.nan], "values", (None,), "f8")
    assert np.isnan(checks.frozen_array([np.nan], "values", (None,), "f8", finite=False)).all()


@given(st.integers(1, 40), st.floats(0.1, 5), st.floats(-300, 300), st.floats(0, 39))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_index_and_world_are_inverse(count: int, spacing: float, origin: float, place: float) -> None:
    """to_index undoes to_world, and both agree with the affine."""
    grid = Grid((count, 2, 3), (spacing, 1.0, 2.0), (origin, 0.0, -5.0))
    index = np.array([place, 0.5, 1.25])
    world = grid.to_world(index)
    assert np.allclose(grid.to_index(world), index, atol=1e-9)
    assert np.allclose(grid.affine @ [*index, 1.0], [*world, 1.0])
    assert Grid.from_dict(grid.to_dict()) == grid


@pytest.mark.parametrize(
    "arguments",
    [
        ((0, 1, 1), (1, 1, 1), (0, 0, 0)),
        ((1, 1, 1), (0, 1, 1), (0, 0, 0)),
        ((1, 1, 1), (1, float("nan"), 1), (0, 0, 0)),
        ((1000, 1000, 1000), (1, 1, 1), (0, 0, 0)),
        ((1, 1, 1), (1, 1, 1), (5000, 0, 0)),
        ((1, 1), (1, 1), (0, 0)),
    ],
)
def test_impossible_grids_are_refused(arguments: tuple[tuple[float, ...], ...]) -> None:
    """Sizes, spacings and places outside the caps are bad input."""
    with pytest.raises(BadInputError):
        Grid(*arguments)  # type: ignore[arg-type]


def test_a_volume_fits_its_grid() -> None:
    """Data of another shape than the grid's are refused, and data are locked."""
    grid = Grid((2, 3, 4), (1, 1, 1), (0, 0, 0))
    with pytest.raises(BadInputError, match="does not fit"):
        Volume(np.zeros((4, 3, 2)), grid, Quantity.HU)
    assert not Volume(np.zeros((3, 2, 3, 4)), grid, Quantity.DENSITY).data.flags.writeable


def test_errors_have_their_exit_codes() -> None:
    """Exit codes are those of the contract."""
    codes = {name: getattr(errors, name).exit_code for name in dir(errors) if name.endswith("Error")}
    assert codes == {
        "PancreasgenError": 70, "UsageError": 2, "BadInputError": 65, "MissingInputError": 66, "CannotCreateError": 73,
        "DiskError": 74, "LockedError": 75, "NoPermissionError": 77, "DiagnosticError": 65, "NoRoomError": 65,
        "ClusterError": 69, "PlanError": 78,
    }  # fmt: skip


def test_diagnostics_are_cut_at_twenty_and_travel() -> None:
    """Twenty faults are shown, the rest is counted; the error survives the way between processes."""
    error = DiagnosticError([Diagnostic("PG100", f"fault {i}", "a.lsys", i + 1, 1, 1, "x") for i in range(25)])
    assert error.letter().count("error[PG100]") == 20
    assert error.letter().endswith("and 5 more")
    assert pickle.loads(pickle.dumps(error)).diagnostics == error.diagnostics
