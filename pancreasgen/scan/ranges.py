"""What the numbers and names of a protocol may be."""

from __future__ import annotations

from collections.abc import Mapping

FIDELITIES = ("full", "fast")
PHASES = ("unenhanced", "arterial", "pancreatic", "portal-venous", "delayed")
RECONSTRUCTIONS = ("fbp", "iterative")
# Default of the share of the noise that iterative takes away. With `standard`, thin slices then have half of FBP's
# noise, as HIR 18.4 of FBP's 37.5 HU (PMC6220000, table 2); 0.5 is like MIR there, 11.4 HU.
STRENGTH = 0.2
RANGES: Mapping[str, tuple[float, float, str]] = {
    "kvp": (70, 140, "kV"),
    "mas": (1, 2000, "mAs per rotation"),
    "filtration_mm_al": (2, 20, "mm Al"),
    "bowtie_diameter_mm": (0, 450, "mm"),
    "bowtie_strength": (0, 1, ""),
    "source_to_isocentre_mm": (400, 800, "mm"),
    "source_to_detector_mm": (700, 1400, "mm"),
    "fan_fov_mm": (200, 600, "mm"),
    "num_bins": (64, 2048, ""),
    "num_views": (90, 4000, ""),
    "row_mm": (0.25, 10, "mm"),
    "slice_thickness_mm": (0.25, 20, "mm"),
    "slice_increment_mm": (0.25, 20, "mm"),
    "matrix": (32, 1024, "pixels"),
    "fov_mm": (100, 600, "mm"),
    "scintillator_mm": (0.5, 5, "mm"),
    "efficiency": (0.1, 1, ""),
    "aperture": (0, 1, "of a bin"),
    "crosstalk": (0, 0.2, ""),
    "electronic_noise_kev": (0, 10_000, "keV"),
    "pitch": (0, 1.5, ""),
    "detector_rows": (1, 320, ""),
    "focal_spot_mm": (0, 3, "mm"),
    "filtration_mm_sn": (0, 2, "mm Sn"),
    "threshold_kev": (0, 60, "keV"),
    "scatter": (0, 1, "of the primary"),
    "modulation": (0, 1, ""),
    "second_kvp": (0, 140, "kV"),
    "second_mas": (0, 2000, "mAs per rotation"),
    "second_filtration_mm_sn": (0, 2, "mm Sn"),
    "mono_kev": (40, 140, "keV"),
    "breathing_mm": (0, 30, "mm"),
    "slab_mm": (1, 200, "mm"),
    "strength": (0, 0.8, ""),
}
DETECTORS = ("scintillator", "photon-counting")
