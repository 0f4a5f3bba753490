"""Quality assurance of the virtual tomograph: a CatPhan 604 judged by pylinac, MTF, water, iodine, noise.

    python scripts/qa.py -o qa                     all, about ten minutes on one core; writes docs/tomograph.md
    python scripts/qa.py -o qa --only mtf          one part; others are kept as they were found before
    python scripts/qa.py -o qa --judge PYTHON      an environment that has pylinac; else one is made under the folder

Parts: catphan, mtf, water, iodine, noise. Each leaves FOLDER/PART.json. Exit code 1 if something fails
whose cause is not known (qa_page.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
PYLINAC = "pylinac==3.49.0"  # MIT; only here, so that the program itself needs none of it


def judge_python(folder: Path, given: str | None) -> str:
    """Return a Python that has pylinac; without one given, make its environment once."""
    if given:
        return given
    python = folder / "pylinac" / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        click.echo(f"making an environment with {PYLINAC} in {folder / 'pylinac'}")
        subprocess.run([sys.executable, "-m", "venv", str(folder / "pylinac")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PYLINAC], check=True)
    return str(python)


def catphan(folder: Path, python: str) -> dict[str, Any]:
    """Scan the CatPhan, let pylinac judge it, return what it found."""
    import numpy as np
    from qa_scan import inserts_expected, routine, scan_catphan

    protocol = routine(kernel="standard", fov_mm=250.0)
    inserts = inserts_expected(protocol)
    hu, z_mm = scan_catphan(protocol)
    told = {name: row["expected"] for name, row in inserts.items()}
    np.savez_compressed(
        folder / "catphan.npz", hu=hu, z_mm=z_mm, pixel_mm=protocol.fov_mm / protocol.matrix, kvp=protocol.kvp,
        thickness_mm=protocol.slice_thickness_mm, mas=protocol.mas, kernel=protocol.kernel, fov_mm=protocol.fov_mm,
        expected=json.dumps(told),
    )  # fmt: skip
    script = str(Path(__file__).with_name("qa_dicom.py"))
    subprocess.run([python, script, str(folder / "catphan.npz"), str(folder)], check=True)
    found: dict[str, Any] = json.loads((folder / "pylinac.json").read_text(encoding="utf-8"))
    middle = {"uniformity": -80.0, "low contrast": -40.0, "sensitometry": 0.0, "line pairs": 40.0}
    slices = {name: int(np.argmin(np.abs(z_mm - z))) for name, z in middle.items()}
    np.savez_compressed(folder / "modules.npz", **{name.replace(" ", "_"): hu[k] for name, k in slices.items()})
    return {"inserts": inserts, "protocol": protocol.to_dict(), "ctdi_mgy": protocol.ctdi_vol_mgy(), "pylinac": found}


def parts(folder: Path, judge: str | None) -> dict[str, Callable[[], Any]]:
    """Return what measures each part."""
    import qa_scan

    return {
        "catphan": lambda: catphan(folder, judge_python(folder, judge)),
        "mtf": lambda: list(qa_scan.kernels_measured()),
        "water": qa_scan.water_measured,
        "iodine": qa_scan.iodine_measured,
        "noise": qa_scan.noise_measured,
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder of all that is found.")
@click.option("--only", multiple=True, help="Measure this part alone; may be given again.")
@click.option("--measure/--no-measure", default=True, help="Measure, or write the page of what was found before.")
@click.option("--judge", help="A Python that has pylinac.")
@click.option("--page/--no-page", default=True, help="Write docs/tomograph.md and its pictures.")
def main(output: Path, only: tuple[str, ...], measure: bool, judge: str | None, page: bool) -> None:
    """Measure, let pylinac judge, write the page."""
    folder = output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    measures = parts(folder, judge)
    wrong = sorted(set(only) - set(measures))
    if wrong:
        raise click.UsageError(f"there is no part {wrong[0]}; parts are {', '.join(measures)}")
    for name, part in measures.items():
        if measure and (not only or name in only):
            start = time.perf_counter()
            found = part()
            (folder / f"{name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
            click.echo(f"{name}: {time.perf_counter() - start:.0f} s")
    from qa_page import verdicts, write_page

    found = {name: json.loads((folder / f"{name}.json").read_text("utf-8"))
             for name in measures if (folder / f"{name}.json").exists()}  # fmt: skip
    rows = verdicts(found)
    for row in rows:
        click.echo(f"{row.word.replace('*', '')}  {row.what}: {row.found} ({row.wanted})")
    if page and len(found) == len(measures):
        write_page(found, rows, folder, ROOT / "docs")
    sys.exit(0 if all(row.right or row.known for row in rows) else 1)


if __name__ == "__main__":
    main()
