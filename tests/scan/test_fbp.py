"""Filtered backprojection by shear-and-sum: what the rays of a known body give back."""

import dataclasses
import math

import numpy as np
import pytest

from pancreasgen.base.chance import Chance
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.scan.backproject import backproject_views
from pancreasgen.scan.fbp import WINDOWS, fbp, ramp_taps
from pancreasgen.scan.filtering import Filtering, Views
from pancreasgen.scan.geometry import ArcFan, Parallel
from pancreasgen.scan.project import BLOCK, Plane
from pancreasgen.scan.rebin import parker_weights, plan_rebinning, rebin
from pancreasgen.scan.scan import scan
from tests.scan.bodies import ellipse, small

DISCS = ((15.0, -10.0, 100.0, 1.0), (50.0, 20.0, 30.0, 0.05), (-40.0, -30.0, 20.0, -0.1))  # x, y, radius, density
GRID = Grid.centred((160, 160, 1), (1.6, 1.6, 1.0), (0.0, 0.0, 0.0))


def chords(geometry: Parallel | ArcFan) -> np.ndarray:
    """Return the exact line integrals of the discs (views, bins, 1)."""
    rays = geometry.rays()
    angle, total = rays.view_rad[:, None] + rays.bin_rad[None], np.zeros(geometry.shape[:2])
    for x, y, radius, value in DISCS:
        away = rays.offset_mm[None] - x * np.cos(angle) - y * np.sin(angle)
        total += 2.0 * value * np.sqrt(np.clip(radius**2 - away**2, 0.0, None))
    return total[:, :, None].astype(np.float32)


def parallel(num_views: int = 360, turn: float = math.pi) -> Parallel:
    angles = 0.2 + np.arange(num_views) * (turn / num_views)
    return Parallel(angles, 361, 0.8, 0.0, (0.0, 0.0), 0.0, 1.0, 1)


def fan(num_views: int = 480, measured: int = 0, shift: float = 0.25) -> ArcFan:
    angles = 0.2 + np.arange(measured or num_views) * (2.0 * math.pi / num_views)
    return ArcFan(angles, 300, 0.0018, shift, 500.0, (0.0, 0.0), 0.0, 1.0, 1)


def inside(image: np.ndarray) -> list[tuple[float, float]]:
    """Return mean error and SD inside of each disc, 8 mm away from its edge and from others."""
    x, y, _ = GRID.mesh_mm()
    x, y = x[:, :, 0], y[:, :, 0]
    away = [np.hypot(x - cx, y - cy) - radius for cx, cy, radius, _ in DISCS]
    places = [(away[0] < -8.0) & (away[1] > 8.0) & (away[2] > 8.0), away[1] < -8.0, away[2] < -8.0]
    truth = [1.0, 1.05, 0.9]
    return [(float(image[p].mean() - v), float(image[p].std())) for p, v in zip(places, truth, strict=True)]


@pytest.mark.parametrize(
    "geometry",
    [parallel(), parallel(720, 2.0 * math.pi), fan(), fan(shift=-0.25), fan(shift=0.0), fan(measured=335)],
    ids=["half circle", "circle", "fan", "other quarter", "no shift", "short scan"],
)
def test_discs_made_of_chords_return_their_densities(geometry: Parallel | ArcFan) -> None:
    """From exact chords every disc has its density within 0.001 (1 HU) in the mean, SD under 0.006 (cosine window)."""
    for error, spread in inside(fbp(chords(geometry), geometry, GRID, "cosine")[:, :, 0]):
        assert abs(error) < 1e-3
        assert spread < 6e-3


def test_a_short_scan_gives_the_image_of_the_full_one() -> None:
    """The images of full and short scan differ by less than 0.004 rms inside the body."""
    images = [fbp(chords(geometry), geometry, GRID, "hann")[:, :, 0] for geometry in (fan(), fan(measured=335))]
    x, y, _ = GRID.mesh_mm()
    body = np.hypot(x - 15.0, y + 10.0)[:, :, 0] < 90.0
    assert np.sqrt(((images[0] - images[1])[body] ** 2).mean()) < 4e-3


def test_more_views_err_less() -> None:
    """The rms error outside and inside falls when 45 views become 90 and 180."""
    x, y, _ = GRID.mesh_mm()
    errors = []
    for num_views in (45, 90, 180):
        geometry = parallel(num_views)
        image = fbp(chords(geometry), geometry, GRID, "hann")[:, :, 0]
        flat = (np.hypot(x - 15.0, y + 10.0)[:, :, 0] > 108.0) & (np.hypot(x, y)[:, :, 0] < 125.0)
        errors.append(np.sqrt((image[flat] ** 2).mean()))
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.9 * errors[1]


def test_the_tree_equals_plain_backprojection() -> None:
    """Smooth views: every pixel is the sum of views at its place, within 0.3 % of the largest, oblong pixels too."""
    angles = np.arange(50) * (math.pi / 50) + 0.03
    place = np.arange(400) * 0.8 - 160.0
    profile = np.exp(-(((place[None] - 30.0 * np.sin(3.0 * angles)[:, None]) / 25.0) ** 2))
    sinogram = np.repeat(profile[:, :, None], BLOCK, axis=2).astype(np.float32)
    plane = Plane((90, 70), (1.5, 2.5), (-60.0, -80.0))
    identity = np.zeros(400)
    identity[0] = 1.0
    got = backproject_views(sinogram, Views(angles, -160.0, 0.8, 400), plane, Filtering(identity))[:, :, 7]
    x, y = -60.0 + 1.5 * np.arange(90), -80.0 + 2.5 * np.arange(70)
    truth = np.zeros((70, 90))
    for angle, view in zip(angles, profile, strict=True):
        truth += np.interp(x[None] * math.cos(angle) + y[:, None] * math.sin(angle), place, view, 0.0, 0.0)
    assert np.abs(got - truth).max() < 3e-3 * truth.max()


def test_ramps_have_no_mean() -> None:
    """The taps of a Ram-Lak ramp are 1/(4h), −1/(π²k²h), 0 for even k (Kak and Slaney, eq. 61), times the step."""
    step, taps = 0.7, ramp_taps(40, 0.7, WINDOWS["ram-lak"])
    k = np.arange(1, 40)
    wanted = np.where(k % 2 == 1, -1.0 / (math.pi**2 * k**2 * step), 0.0)
    assert taps[0] == pytest.approx(1.0 / (4.0 * step), rel=1e-3)
    assert np.abs(taps[1:] - wanted).max() < 1e-5


def test_parker_weights_of_opposite_rays_sum_to_one() -> None:
    """The ray (β, γ) and its opposite (β + π + 2γ, −γ) share a weight of 1; a ray measured once has it alone."""
    excess = 0.4
    for beta, gamma in ((0.1, 0.2), (0.5, -0.3), (0.05, 0.35), (1.3, -0.3)):
        both = parker_weights(np.array([beta, beta + math.pi + 2.0 * gamma]), np.array([gamma, -gamma]), excess)
        once = beta > 2.0 * (excess - gamma)
        assert float(both[0, 0] + (0.0 if once else both[1, 1])) == pytest.approx(1.0, abs=1e-6)


def test_rebinning_finds_the_parallel_rays() -> None:
    """Parallel views of a fan of exact chords are exact chords, within 0.4 mm rms of up to 200."""
    for geometry in (fan(), fan(measured=335), fan(shift=0.0)):
        sinogram = np.repeat(chords(geometry), BLOCK, axis=2)
        got, views = rebin(sinogram, geometry)
        beam = Parallel(views.angles_rad, views.num, views.step_mm, 0.0, (0.0, 0.0), 0.0, 1.0, 1)
        middle = np.abs(beam.rays().offset_mm) < 125.0
        error = (got[:, :, 3] - chords(beam)[:, :, 0])[:, middle]
        assert np.sqrt((error**2).mean()) < 0.4


def test_the_fast_scanner_is_the_direct_one() -> None:
    """Noise-free, both methods give a body with bone and a vessel the same means within 1 HU, and SDs within 3 HU."""
    setting = small()
    body = ellipse((150.0, 100.0), (1.0, 0.0, 0.0), 2)
    bone = ellipse((18.0, 18.0), (0.0, 0.5, 0.0), 2, centre_mm=(0.0, -55.0))
    vessel = ellipse((12.0, 12.0), (0.0, 0.0, 0.004), 2, centre_mm=(40.0, 20.0))
    both = dataclasses.replace(body, data=body.data + bone.data + vessel.data)
    grid = setting.image_grid((0.0, 0.0, 0.0), 2)
    fast, direct = (
        scan(both, setting, grid, Chance(1, 0, "noise"), method=method).data[:, :, 1] for method in ("fast", "direct")
    )
    x, y, _ = grid.mesh_mm()
    for cx, cy, radius in ((-60.0, 0.0, 40.0), (0.0, -55.0, 10.0), (40.0, 20.0, 6.0), (0.0, 40.0, 30.0)):
        place = np.hypot(x - cx, y - cy)[:, :, 0] < radius
        assert fast[place].mean() == pytest.approx(direct[place].mean(), abs=1.0)
        assert fast[place].std() == pytest.approx(direct[place].std(), abs=3.0)


def test_wrong_input_gets_a_letter() -> None:
    """Too small a circle, uneven views, unknown windows and slices off the rows are refused."""
    with pytest.raises(BadInputError, match="this fan needs"):
        plan_rebinning(fan(measured=260))
    with pytest.raises(BadInputError, match="evenly spaced"):
        plan_rebinning(ArcFan(np.array([0.0, 0.1, 0.3]), 10, 0.001, 0.0, 500.0, (0.0, 0.0), 0.0, 1.0, 1))
    with pytest.raises(BadInputError, match="half a circle"):
        fbp(chords(parallel(90, 2.0)), parallel(90, 2.0), GRID)
    with pytest.raises(UsageError, match="no window `ramlak`"):
        fbp(chords(parallel(90)), parallel(90), GRID, "ramlak")
    other = Grid.centred((16, 16, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 5.0))
    with pytest.raises(BadInputError, match="one each"):
        fbp(chords(parallel(90)), parallel(90), other)
