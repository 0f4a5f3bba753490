"""A scanner setting as one frozen value: tube, filters, geometry, detector, dose, kernel, slices, matrix."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import checked_number, unknown_name
from pancreasgen.base.errors import BadInputError, UsageError
from pancreasgen.base.grid import Grid
from pancreasgen.catalogue import entry
from pancreasgen.scan.kernels import KERNELS
from pancreasgen.scan.ranges import DETECTORS, FIDELITIES, PHASES, RANGES, RECONSTRUCTIONS, STRENGTH
from pancreasgen.scan.spectrum import TUBE_VOLTAGES_KV, air_kerma_mgy, tube_spectrum

BODY_CTDI_RATIO = 0.29  # CTDIw of the 32 cm phantom over free air at the isocentre; ImPACT scanner data, recalled


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a scan is made. Lengths along z are at the isocentre.

    Attributes:
        name: Name in the catalogue, or the user's own.
        phase: Phase of the contrast medium, one of PHASES; the scanner only passes it on.
        kvp: Tube voltage [kV]; 70 to 140 in steps of 10.
        mas: Tube current × time of one rotation [mAs]; over the pitch, if there is one, the effective mAs.
        filtration_mm_al: Flat filter with the inherent filtration [mm Al].
        bowtie_diameter_mm: Water cylinder that the bowtie filter makes up for; 0 for no bowtie [mm].
        bowtie_strength: Share of the cylinder's path that the bowtie makes up for, 0 to 1.
        source_to_isocentre_mm: Focus to axis of rotation [mm].
        source_to_detector_mm: Focus to detector arc [mm].
        fan_fov_mm: Diameter of the circle that every view sees whole [mm].
        num_bins: Detector elements along the arc.
        num_views: Views in 360°.
        row_mm: Height of a detector row [mm].
        slice_thickness_mm: A whole number of rows [mm].
        slice_increment_mm: Distance of slices, a whole number of rows [mm].
        kernel: Reconstruction kernel, one of KERNELS.
        matrix: Pixels of a slice along x and y.
        fov_mm: Width of the image [mm].
        scintillator_mm: Thickness of the gadolinium oxysulphide [mm].
        efficiency: Share of the detector's face that is sensitive.
        aperture: Width over which a bin averages, in bins: its cell, and the focal spot unless that is given apart.
        crosstalk: Share of a cell's light that each neighbour gets.
        electronic_noise_kev: Standard deviation of one reading's electronic noise [keV].
        noise: Whether quantum and electronic noise are on.
        pitch: Table feed in a turn over the height of all rows; 0 for a table that stands, row by row without a cone.
        detector_rows: Rows that a helical scan reads at once.
        focal_spot_mm: Width of the focal spot; it blurs at the isocentre by (1 − SID/SDD) of that [mm].
        filtration_mm_sn: Tin filter behind the aluminium [mm Sn].
        detector: One of DETECTORS: light of a scintillator is summed, or quanta are counted in cadmium telluride.
        threshold_kev: Energy from which a quantum is counted; for photon counting [keV].
        scatter: Scatter over primary behind 300 mm of water; 0 for none.
        scatter_correction: Whether expected scatter is subtracted.
        modulation: Strength with which the tube current follows the body's attenuation: 0 not, ½ for the least noise.
        bone_correction: Whether the beam hardening of bone is corrected.
        second_kvp: Tube voltage of the other spectrum of a dual-energy scan; 0 for a single one [kV].
        second_mas: Its current × time of one rotation [mAs].
        second_filtration_mm_sn: Its tin filter [mm Sn].
        mono_kev: Energy of the virtual monoenergetic image of a dual-energy scan [keV].
        breathing_mm: Standard deviation of the body's shift along z from slab to slab; 0 for a held breath [mm].
        slab_mm: Height of what one rotation sees, where the body stands still [mm].
        reconstruction: One of RECONSTRUCTIONS: filtered backprojection, or statistical iterative.
        strength: Share of the noise that the iterative reconstruction takes away where there are no edges, 0 to 0.8.
        fidelity: Whether rays are followed, or pancreasgen.scan.twin makes the image; one of FIDELITIES.

    Raises:
        UsageError: If a value is outside its range; the message names the range.
    """

    name: str
    phase: str
    kvp: float
    mas: float
    filtration_mm_al: float
    bowtie_diameter_mm: float
    bowtie_strength: float
    source_to_isocentre_mm: float
    source_to_detector_mm: float
    fan_fov_mm: float
    num_bins: int
    num_views: int
    row_mm: float
    slice_thickness_mm: float
    slice_increment_mm: float
    kernel: str
    matrix: int
    fov_mm: float
    scintillator_mm: float
    efficiency: float
    aperture: float
    crosstalk: float
    electronic_noise_kev: float
    noise: bool = True
    pitch: float = 0.0
    detector_rows: int = 1
    focal_spot_mm: float = 0.0
    filtration_mm_sn: float = 0.0
    detector: str = DETECTORS[0]
    threshold_kev: float = 0.0
    scatter: float = 0.0
    scatter_correction: bool = True
    modulation: float = 0.0
    bone_correction: bool = False
    second_kvp: float = 0.0
    second_mas: float = 0.0
    second_filtration_mm_sn: float = 0.0
    mono_kev: float = 70.0
    breathing_mm: float = 0.0
    slab_mm: float = 40.0
    reconstruction: str = "fbp"
    strength: float = STRENGTH
    fidelity: str = "full"

    def __post_init__(self) -> None:
        for name, (low, high, unit) in RANGES.items():
            number = checked_number(name, getattr(self, name), low, high, unit)
            if name in ("num_bins", "num_views", "matrix", "detector_rows"):
                if number != int(number):
                    raise UsageError(f"{name} must be a whole number, not {number}")
                number = int(number)
            object.__setattr__(self, name, number)
        if self.kvp not in TUBE_VOLTAGES_KV:
            raise UsageError(f"kvp must be one of {', '.join(map(str, TUBE_VOLTAGES_KV))}, not {self.kvp:g}")
        if self.phase not in PHASES:
            raise unknown_name("phase", self.phase, PHASES)
        if self.fidelity not in FIDELITIES:
            raise unknown_name("fidelity", self.fidelity, FIDELITIES)
        if self.kernel not in KERNELS:
            raise unknown_name("kernel", self.kernel, list(KERNELS))
        if self.detector not in DETECTORS:
            raise unknown_name("detector", self.detector, list(DETECTORS))
        for name in ("noise", "scatter_correction", "bone_correction"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} must be true or false, not {getattr(self, name)!r}")
        if self.second_kvp and (self.second_kvp not in TUBE_VOLTAGES_KV or self.second_mas < 1.0):
            voltages = ", ".join(map(str, TUBE_VOLTAGES_KV))
            raise UsageError(
                f"a dual-energy scan wants second_kvp from {voltages} and second_mas from 1, "
                f"not {self.second_kvp:g} kV and {self.second_mas:g} mAs"
            )
        if self.second_kvp and self.bone_correction:
            raise UsageError("bone_correction is not for two spectra: their mixed image has no beam hardening")
        if self.reconstruction not in RECONSTRUCTIONS:
            raise unknown_name("reconstruction", self.reconstruction, RECONSTRUCTIONS)
        if self.reconstruction == "iterative" and self.second_kvp:
            raise UsageError(
                "reconstruction iterative is for one spectrum: it does not know the noise of two that are mixed",
                "set second_kvp to 0, or reconstruction to fbp",
            )
        if self.reconstruction == "iterative" and self.pitch > 0.0:
            raise UsageError(
                f"reconstruction iterative is for a table that stands, not for a pitch of {self.pitch:g}",
                "set pitch to 0, or reconstruction to fbp",
            )
        if self.source_to_detector_mm <= self.source_to_isocentre_mm:
            raise UsageError("source_to_detector_mm must exceed source_to_isocentre_mm: the body stands between")
        for name in ("slice_thickness_mm", "slice_increment_mm"):
            rows = getattr(self, name) / self.row_mm
            if round(rows) < 1 or abs(rows - round(rows)) > 1e-6:
                raise UsageError(
                    f"{name} must be a whole number of rows of {self.row_mm:g} mm, not {getattr(self, name):g} mm",
                    f"change row_mm too, for example to {getattr(self, name):g}",
                )

    @property
    def rows_per_slice(self) -> int:
        """Rows that are averaged into one slice."""
        return round(self.slice_thickness_mm / self.row_mm)

    @property
    def rows_per_increment(self) -> int:
        """Rows from one slice to the next."""
        return round(self.slice_increment_mm / self.row_mm)

    @property
    def bin_angle_rad(self) -> float:
        """Angle between neighbouring bins as the focus sees them [rad]."""
        return 2.0 * math.asin(self.fan_fov_mm / 2.0 / self.source_to_isocentre_mm) / self.num_bins

    def bin_angles_rad(self) -> NDArray[np.float64]:
        """Return the fan angle of each bin's middle (shape (num_bins,)) [rad].

        The arc is shifted by a quarter bin, so that opposite views interleave and the sampling is twice as fine.
        """
        return (np.arange(self.num_bins, dtype=np.float64) - (self.num_bins - 1) / 2.0 + 0.25) * self.bin_angle_rad

    def view_angles_rad(self) -> NDArray[np.float64]:
        """Return the angle of the focus in each view (shape (num_views,)) [rad]; 0 is in front (+y), then to −x."""
        return np.arange(self.num_views, dtype=np.float64) * (2.0 * math.pi / self.num_views)

    def image_grid(self, centre_mm: tuple[float, float, float], num_slices: int) -> Grid:
        """Return the grid of the reconstructed image around a centre [mm]."""
        pixel = self.fov_mm / self.matrix
        return Grid.centred((self.matrix, self.matrix, num_slices), (pixel, pixel, self.slice_increment_mm), centre_mm)

    def ctdi_vol_mgy(self) -> float:
        """Return an estimate of CTDIvol [mGy], 32 cm body phantom, at the protocol's pitch (1 if it has none).

        Air kerma of the central ray at the isocentre × mAs × 0.29, the ratio of CTDIw to free air; both spectra of a
        dual-energy scan together. Good to about 20 %.

        >>> 8.0 < load_protocol("portal-venous").ctdi_vol_mgy() < 11.0
        True
        """
        at_1_m = air_kerma_mgy(tube_spectrum(self.kvp, self.filtration_mm_al, self.filtration_mm_sn)) * self.mas
        dose = BODY_CTDI_RATIO * at_1_m * (1000.0 / self.source_to_isocentre_mm) ** 2 / (self.pitch or 1.0)
        return dose + self.second().ctdi_vol_mgy() if self.second_kvp else dose

    def second(self) -> Protocol:
        """Return the other spectrum of a dual-energy scan as a protocol of its own."""
        return dataclasses.replace(
            self,
            kvp=self.second_kvp,
            mas=self.second_mas,
            filtration_mm_sn=self.second_filtration_mm_sn,
            second_kvp=0.0,
            second_mas=0.0,
        )

    def quick(self) -> Protocol:
        """Return the same scanner with coarse numbers: 128 × 128 pixels, 240 views, 256 bins, slices of 5 mm."""
        return dataclasses.replace(
            self,
            name=f"{self.name}-quick",
            matrix=128,
            num_views=240,
            num_bins=256,
            row_mm=5.0,
            slice_thickness_mm=5.0,
            slice_increment_mm=5.0,
        )

    def check_measures(self) -> None:
        """Refuse a protocol that makes an image without rays where a sinogram is wanted.

        Raises:
            UsageError: If the fidelity is ``fast``.
        """
        if self.fidelity == "fast":
            raise UsageError(
                "a fast scan follows no rays and has no sinogram", "ask for the CT alone, or scan with --fidelity full"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; :meth:`from_dict` is its inverse."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Protocol:
        """Return the protocol of a dictionary made by :meth:`to_dict`.

        Raises:
            BadInputError: If a field is unknown or missing.
            UsageError: If a value is outside its range.
        """
        known = [field.name for field in fields(cls)]
        needed = {field.name for field in fields(cls) if field.default is dataclasses.MISSING}
        unknown = sorted(set(data) - set(known))
        missing = sorted(needed - set(data))
        if unknown or missing:
            text = [f"unknown: {', '.join(unknown)}"] * bool(unknown) + [f"missing: {', '.join(missing)}"] * bool(
                missing
            )
            raise BadInputError(f"a protocol has wrong fields; {'; '.join(text)}", f"fields are: {', '.join(known)}")
        return cls(**data)


def load_protocol(name: str) -> Protocol:
    """Return a protocol of the catalogue.

    Raises:
        UsageError: If there is none of that name; the message lists those that exist.

    >>> protocol = load_protocol("portal-venous")
    >>> Protocol.from_dict(protocol.to_dict()) == protocol
    True
    """
    data = entry("protocol", name)
    return Protocol.from_dict({"name": name} | {key: item["value"] for key, item in data["settings"].items()})
