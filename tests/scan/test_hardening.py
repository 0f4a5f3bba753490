import numpy as np

from pancreasgen.base.chance import Chance
from pancreasgen.base.grid import Quantity, Volume
from pancreasgen.scan.hardening import bone_table, correct_bone
from pancreasgen.scan.project import BLOCK, Plane
from pancreasgen.scan.scan import scan
from tests.scan.bodies import ellipse, small

CHANCE = Chance(3, 1, "noise")
BONES = ((-90.0, 0.0), (90.0, 0.0), (0.0, -70.0))


def bony(**changes: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the image of three bones of 40 mm in water, and x and y of its pixels."""
    body = ellipse((160.0, 110.0), (1.0, 0.0, 0.0))
    data = body.data.copy()
    for place in BONES:
        data += ellipse((20.0, 20.0), (0.05, 0.35, 0.0), centre_mm=place).data
    setting = small(**changes)
    grid = setting.image_grid((0.0, 0.0, 0.0), 1)
    x, y, _ = grid.mesh_mm()
    image = scan(Volume(data, body.grid, Quantity.DENSITY), setting, grid, CHANCE).data[:, :, 0]
    return image, *np.broadcast_arrays(x[:, :, 0], y[:, :, 0])


def between(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    spots = ((0.0, 0.0), (45.0, -35.0), (-45.0, -35.0), (50.0, 0.0))
    return np.array([image[np.hypot(x - a, y - b) < 10.0].mean() for a, b in spots])


def test_the_dark_bands_between_bones_go() -> None:
    """Water between three bones is darkened by 3 to 10 HU somewhere, and by less than 1.5 HU after the correction."""
    plain, corrected = between(*bony()), between(*bony(bone_correction=True))
    assert 3.0 < -plain.min() < 10.0
    assert np.abs(corrected).max() < 1.5


def test_bones_of_like_matter_become_alike() -> None:
    """After the correction the three bones, at different depths, agree within 1 %."""
    image, x, y = bony(bone_correction=True)
    values = [image[np.hypot(x - a, y - b) < 12.0].mean() for a, b in BONES]
    assert (max(values) - min(values)) / np.mean(values) < 0.01


def test_the_table_is_nothing_where_there_is_no_bone_and_grows_with_it() -> None:
    """Readings without bone stay; with 200 mm of water behind it, much bone reads too little."""
    table = bone_table(small())
    assert np.abs(table[:, :, 0]).max() < 0.01
    assert (np.diff(table[8, 40:80], axis=1) > 0.0).all()


def test_an_image_without_bone_is_left_alone() -> None:
    """The sinogram of soft tissue comes back itself."""
    setting = small()
    sinogram = np.zeros((setting.num_views, setting.num_bins, BLOCK), dtype=np.float32)
    image = np.full((64, 64, BLOCK), 60.0, dtype=np.float32)
    assert correct_bone(sinogram, image, Plane((64, 64), (4.0, 4.0), (-126.0, -126.0)), setting) is sinogram
