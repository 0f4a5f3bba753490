"""A contact sheet of a dataset: axial, coronal, and the ducts seen through, for many cases on one picture.

    python scripts/contact_sheet.py DATASET -o sheet.png [--cases 24] [--columns 4]

Reads the written files alone. The axial and the coronal slice are those that hold most of the gland.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import nibabel as nib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

GLAND, DUCTS, LESIONS = (1, 2, 3, 4, 5), (6, 7, 8), (10, 11, 43, 44, 45)
WINDOW_HU = (-160.0, 240.0)


def panels(folder: Path) -> tuple[list[Any], str]:
    """Return the three pictures (rows from the head down, the patient's right on the left) and the case's caption."""
    image = nib.as_closest_canonical(nib.load(folder / "ct.nii.gz"))
    labels = np.asarray(nib.as_closest_canonical(nib.load(folder / "labels.nii.gz")).dataobj)
    ducts = np.asarray(nib.as_closest_canonical(nib.load(folder / "ducts_fraction.nii.gz")).dataobj)
    hu, gland = np.asarray(image.dataobj), np.isin(labels, (*GLAND, *DUCTS))
    tall = image.header.get_zooms()[2] / image.header.get_zooms()[0]
    level, depth = int(gland.sum(axis=(0, 1)).argmax()), int(gland.sum(axis=(0, 2)).argmax())
    mass = np.where(np.isin(labels, LESIONS).any(axis=1), 255, 40 * gland.any(axis=1))
    through = np.dstack([ducts.max(axis=1), 90 * gland.any(axis=1), mass]).astype(np.uint8)
    facts = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    subject = facts["recipe"]["subject"]
    lesions = ", ".join(lesion["kind"] for lesion in subject["lesions"]) or "healthy"
    caption = f"{folder.name[-4:]} {subject['person'].get('population', facts['recipe']['population'])}, {lesions}"
    pictures = [(hu[:, :, level].T, 1.0), (hu[:, depth, :].T, tall), (through.transpose(1, 0, 2), tall)]
    return pictures, caption


def main() -> None:
    """Read the command line, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--columns", type=int, default=4)
    options = parser.parse_args()
    folders = sorted(path.parent for path in options.dataset.glob("cases/*/case.json"))[: options.cases]
    rows = -(-len(folders) // options.columns)
    figure, axes = plt.subplots(3 * rows, options.columns, figsize=(4.2 * options.columns, 5.6 * rows), squeeze=False,
                                height_ratios=[2.2, 1.5, 1.5] * rows, facecolor="black")  # fmt: skip
    for axis in axes.flat:
        axis.axis("off")
    for number, folder in enumerate(folders):
        pictures, caption = panels(folder)
        for part, (picture, tall) in enumerate(pictures):
            axis = axes[3 * (number // options.columns) + part, number % options.columns]
            axis.imshow(
                picture[:, ::-1], cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], origin="lower", aspect=tall
            )
        axes[3 * (number // options.columns), number % options.columns].set_title(caption, color="white", fontsize=9)
    figure.tight_layout(pad=0.3)
    figure.savefig(options.out, dpi=70, facecolor="black")
    print(f"{options.out}: {len(folders)} cases")


if __name__ == "__main__":
    main()
