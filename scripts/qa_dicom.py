"""Write a stack of CT images as DICOM and let pylinac judge it; runs in an environment of its own.

    python scripts/qa_dicom.py IMAGES.npz FOLDER        writes FOLDER/dicom, FOLDER/pylinac.json, FOLDER/pylinac.png

Needs pylinac and what it brings (numpy, pydicom, matplotlib); nothing of pancreasgen.
IMAGES.npz holds `hu` (slices, rows, columns) as an image is seen, `z_mm`, `pixel_mm`, `thickness_mm`, `kvp`, `mas`,
`kernel`, `fov_mm`, and `expected`, a JSON text: HU of each insert's material.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

LOWEST_HU = -1024


def write_dicom(images: Any, folder: Path) -> None:
    """Write one CT file a slice."""
    import numpy as np
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    kind = "1.2.840.10008.5.1.4.1.1.2"  # CT image storage
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    folder.mkdir(parents=True, exist_ok=True)
    half = (images["hu"].shape[2] - 1) / 2.0 * float(images["pixel_mm"])
    for number, (plane, z_mm) in enumerate(zip(images["hu"], images["z_mm"], strict=True), 1):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{number:04d}.dcm"
        file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        file.is_little_endian, file.is_implicit_VR = True, False
        file.SOPClassUID, file.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
        file.StudyInstanceUID, file.SeriesInstanceUID, file.FrameOfReferenceUID = study, series, frame
        file.Modality, file.Manufacturer, file.PatientName, file.PatientID = "CT", "pancreasgen", "CatPhan 604", "QA"
        file.StudyDate = file.SeriesDate = file.AcquisitionDate = file.ContentDate = "20240101"
        file.StudyTime = file.SeriesTime = file.AcquisitionTime = file.ContentTime = "120000"
        file.SeriesNumber, file.InstanceNumber, file.PatientPosition = 1, number, "HFS"
        file.ImageOrientationPatient, file.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-half, -half, float(z_mm)]
        file.SliceLocation, file.SliceThickness = float(z_mm), float(images["thickness_mm"])
        file.SpacingBetweenSlices = float(images["z_mm"][1] - images["z_mm"][0])
        file.PixelSpacing = [float(images["pixel_mm"])] * 2
        file.KVP, file.ConvolutionKernel = float(images["kvp"]), str(images["kernel"])
        file.Exposure, file.ReconstructionDiameter = round(float(images["mas"])), float(images["fov_mm"])
        file.Rows, file.Columns = plane.shape
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
        file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 0
        file.RescaleIntercept, file.RescaleSlope, file.RescaleType = LOWEST_HU, 1, "HU"
        stored = np.clip(np.round(plane) - LOWEST_HU, 0, 65535).astype("<u2")
        file.PixelData = stored.tobytes()
        file.save_as(path, write_like_original=False)


def judge(folder: Path, expected: dict[str, float]) -> dict[str, Any]:
    """Return what pylinac's CatPhan604 finds, and save its picture.

    It judges twice: with its own nominal HU and tolerance (40 HU), and with the HU of the materials (10 HU).
    """
    import warnings

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import pylinac

    warnings.simplefilter("ignore", FutureWarning)  # names that scikit-image gives new ones
    phantom = pylinac.CatPhan604(str(folder / "dicom"))
    limits = {"scaling_tolerance": 0.5, "thickness_tolerance": 0.3}
    phantom.analyze(**limits)
    found: dict[str, Any] = {"pylinac": pylinac.__version__, "own": json.loads(phantom.results_data(as_json=True))}
    found["rmtf"] = {str(level): float(phantom.ctp528.mtf.relative_resolution(level)) for level in (80, 50, 30)}
    phantom.analyze(**limits, hu_tolerance=10, expected_hu_values=expected)
    phantom.plot_analyzed_image(show=False, figsize=(16, 8))
    plt.savefig(folder / "pylinac.png", dpi=90)
    found["materials"] = json.loads(phantom.results_data(as_json=True))
    found["text"] = phantom.results()
    return found


def main() -> None:
    import numpy as np

    images, folder = np.load(sys.argv[1]), Path(sys.argv[2])
    expected = json.loads(str(images["expected"]))
    write_dicom(images, folder / "dicom")
    (folder / "pylinac.json").write_text(json.dumps(judge(folder, expected), indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
