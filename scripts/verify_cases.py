"""Look for monsters in a dataset's files, with none of the program's code: nibabel, SciPy and networkx alone.

    python scripts/verify_cases.py DATASET [--markdown]

Reads the NIfTI volumes, GraphML and JSON of every case as a stranger would, and prints a table of what no body can
have, the CT numbers by organ and phase, the volumes of whole organs, and whether every label scheme holds exactly the
values that are published for it. rc 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import sys
from pathlib import Path

import networkx as nx
import nibabel as nib
import numpy as np
from scipy import ndimage
from verify_cases_lists import DUCTS, FILLING, HU, ID, LESIONS, NATIVE, ONE_PIECE, PARENCHYMA, SHUTTING, WHOLE_ML
from verify_cases_schemes import check_schemes

FULL = np.ones((3, 3, 3))


class Case:
    """The files of one case and what is wrong in them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.found = folder, []
        self.facts = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        self.images = {name: nib.load(folder / f"{name}.nii.gz")
                       for name in ("ct", "labels", "ducts_fraction", "centerline")}  # fmt: skip
        self.ct, self.labels, self.fraction, self.line = (np.asarray(i.dataobj) for i in self.images.values())
        self.affine = self.images["ct"].affine
        self.voxel_ml = abs(np.linalg.det(self.affine[:3, :3])) / 1000
        self.phase = self.facts["recipe"]["protocol"]["phase"]

    def wrong(self, name: str, detail: object = "") -> None:
        self.found.append((name, f"{self.folder.name}: {detail}" if detail != "" else self.folder.name))

    def mask(self, *names: str) -> np.ndarray:
        return np.isin(self.labels, [ID[name] for name in names])


def check_geometry(case: Case) -> None:
    for name, image in case.images.items():
        if image.shape != case.images["ct"].shape or not np.array_equal(image.affine, case.affine):
            case.wrong("volumes on different grids", name)
    if case.labels.max() >= len(NATIVE):
        case.wrong("a label that is in no table", int(case.labels.max()))
    if case.ct.min() < -1024 or not np.isfinite(case.ct).all():
        case.wrong("impossible CT numbers", float(case.ct.min()))


def largest_share(mask: np.ndarray) -> float:
    """Share of the largest piece; a border of ones above and below joins what the image cuts."""
    padded = np.pad(mask, ((0, 0), (0, 0), (1, 1)), constant_values=True)
    pieces, _ = ndimage.label(padded, FULL)
    pieces = pieces[:, :, 1:-1]
    both_ends = {int(v) for v in (pieces[:, :, 0].max(), pieces[:, :, -1].max()) if v}
    counts = np.bincount(pieces[mask])
    return max(counts.max(), sum(counts[v] for v in both_ends if v < len(counts))) / mask.sum()


def check_organs(case: Case) -> None:
    gland = np.isin(case.labels, [*PARENCHYMA, *DUCTS, *LESIONS, *FILLING])
    if not gland.any():
        case.wrong("no pancreas")
        return
    if (share := largest_share(gland)) < 0.95:
        case.wrong("a pancreas in pieces", f"{share:.3f}")
    for name in ONE_PIECE:
        mask = case.mask(name, "hepatic_vessels") if name == "liver" else case.mask(name)
        if mask.sum() >= 30 and (share := largest_share(mask)) < 0.95:
            case.wrong("an organ in pieces", f"{name} {share:.3f}")
    inner = np.isin(case.labels, [*PARENCHYMA, *DUCTS, *(ID[name] for name in ONE_PIECE)])
    if (ndimage.binary_dilation(case.labels == 0) & inner).any():
        case.wrong("an organ that touches the air")


def check_ducts(case: Case) -> None:
    duct = np.isin(case.labels, DUCTS)
    filled = duct | np.isin(case.labels, SHUTTING)
    on_line = np.isin(case.line, (1, 2))
    for name, count in (
        ("a centreline outside the duct labels", (on_line & ~filled).sum()),
        ("lumen without a duct label", ((case.fraction >= 128) & ~(duct | np.isin(case.labels, FILLING))).sum()),
        ("a stray duct label", (duct & (case.fraction == 0) & (case.line == 0)).sum()),
    ):
        if count:
            case.wrong(name, int(count))
    main = case.labels == ID["main_duct"]
    pieces, _ = ndimage.label(main | np.isin(case.labels, SHUTTING))
    if main.any() and len(np.unique(pieces[main])) != 1:
        case.wrong("a main duct in pieces", len(np.unique(pieces[main])))
    around = ndimage.binary_dilation(np.isin(case.labels, [*PARENCHYMA, *LESIONS]), FULL)
    pieces, count = ndimage.label(duct, FULL)
    if count != len(np.setdiff1d(np.unique(pieces[duct & around]), [0])):
        case.wrong("a duct outside the gland")


def check_graph(case: Case) -> None:
    graph = nx.read_graphml(case.folder / "ducts.graphml")
    if not nx.is_weakly_connected(graph) and nx.number_weakly_connected_components(graph) > 2:
        case.wrong("ducts in more than two trees")
    at = {n: np.array([d["x_mm"], d["y_mm"], d["z_mm"]]) for n, d in graph.nodes(data=True)}
    to_voxel = np.linalg.inv(case.affine)
    outside, resolvable_lost = 0, 0
    pixel = np.abs(np.diag(case.affine)[:3]).max()
    for a, b, facts in graph.edges(data=True):
        if facts["radius_start_mm"] <= 0 or facts["radius_end_mm"] <= 0:
            case.wrong("a duct without width")
        count = max(2, int(np.ceil(4 * facts["length_mm"] / np.abs(np.diag(case.affine)[:3]).min())))
        way = at[a] + ((np.arange(count) + 0.5) / count)[:, None] * (at[b] - at[a])
        place = way @ to_voxel[:3, :3].T + to_voxel[:3, 3]
        index = np.rint(place).astype(int)
        good = np.all((index >= 0) & (index < case.labels.shape) & (np.abs(place - index) < 0.499), axis=1)
        missed = ~np.isin(case.labels[tuple(index[good].T)], [*DUCTS, *SHUTTING])
        if facts["kind"] in ("main", "accessory"):
            outside += int(missed.sum())
        elif min(facts["radius_start_mm"], facts["radius_end_mm"]) > 0.87 * pixel:  # a voxel on its axis is all lumen
            resolvable_lost += int(missed.sum())
    if outside:
        case.wrong("main or accessory duct of the graph without a label", outside)
    if resolvable_lost:
        case.wrong("a resolvable duct without a label", resolvable_lost)


def check_upstream(case: Case) -> None:
    """Where a carcinoma stops and widens the main duct, the duct is wider towards the tail than towards the papilla."""
    lesions = case.facts["recipe"]["subject"].get("lesions", [])
    stops = [item for item in lesions if item["kind"] == "pdac" and item["duct_mm"] > 0]
    if not stops:
        return
    graph = nx.read_graphml(case.folder / "ducts.graphml")
    main = nx.DiGraph((a, b, d) for a, b, d in graph.edges(data=True) if d["kind"] == "main")
    way = nx.dag_longest_path(main, weight="length_mm")
    lengths = [main.edges[pair]["length_mm"] for pair in itertools.pairwise(way)]
    place = np.concatenate([[0], np.cumsum(lengths)]) / sum(lengths)
    radius = np.array([graph.nodes[name]["radius_mm"] for name in way])
    for item in stops:
        half = 0.5 * item["diameter_mm"] / sum(lengths) + 0.05  # the axis and the duct are not equally long
        above, below = radius[place > item["at"] + half], radius[(place < item["at"] - half) & (place > 0.02)]
        if len(above) and len(below) and above.max() < below.max():
            case.wrong("a duct that is not wider upstream of its tumour", f"{above.max():.2f} {below.max():.2f} mm")


def check_vessels(case: Case) -> None:
    """A vessel runs through a duct where a bare duct voxel has the same vessel on both sides."""
    vessels = [ID[n] for n in NATIVE if n.endswith(("_vein", "_artery", "aorta", "vena_cava", "trunk"))]
    tissue = np.isin(case.labels, [*PARENCHYMA, *LESIONS])
    for place in np.argwhere(np.isin(case.labels, (6, 7))):
        if (place == 0).any() or (place == np.array(case.labels.shape) - 1).any():
            continue
        box = tuple(slice(p - 1, p + 2) for p in place)
        around, covered = case.labels[box], tissue[box]
        if covered[0, 1, 1] or covered[2, 1, 1] or covered[1, 0, 1] or covered[1, 2, 1] or covered[1, 1, [0, 2]].any():
            continue
        flat = around.ravel()
        if any(flat[i] == flat[26 - i] and flat[i] in vessels for i in range(13)):
            case.wrong("a vessel through a duct", place.tolist())


def numbers(case: Case) -> dict[str, float]:
    """Median CT number of organs away from their border, and volumes of organs that the image holds whole."""
    values: dict[str, float] = {}
    masks = {name: case.mask(name) for name in (*ONE_PIECE, "muscle")}
    masks["pancreas"] = np.isin(case.labels, list(PARENCHYMA))
    for name, mask in masks.items():
        core = ndimage.binary_erosion(mask, border_value=1)
        core = core if core.sum() >= 20 else mask
        if core.sum() >= 20:
            values[f"HU {case.phase} {name}"] = float(np.median(case.ct[core]))
        faces = [np.take(mask, place, axis).any() for axis in range(3) for place in (0, -1)]
        if name in WHOLE_ML and mask.any() and not any(faces):
            values[f"mL {name}"] = float(mask.sum() * case.voxel_ml)
    return values


def check_numbers(case: Case, values: dict[str, float]) -> None:
    kvp = case.facts["recipe"]["protocol"]["kvp"]
    for key, value in values.items():
        kind, name = key.split(" ", 1)
        if kind == "mL":
            low, high = WHOLE_ML[name]
        else:
            phase, organ = name.rsplit(" ", 1)
            if organ not in HU.get(phase, {}) or not 110 <= kvp <= 130:
                continue
            low, high = HU[phase][organ]
        if not low <= value <= high:
            case.wrong("outside the published range", f"{key} = {value:.1f}, {low} to {high}")


def check_story(case: Case) -> None:
    """What case.json tells: no failed check; attempts numbered, each with a reason."""
    failed = [item["name"] for item in case.facts["checks"] if not item["passed"]]
    if failed:
        case.wrong("a failed check that was kept", failed)
    attempts = case.facts["recipe"]["attempts"]
    if [a["attempt"] for a in attempts] != list(range(len(attempts))) or not all(a["reasons"] for a in attempts):
        case.wrong("attempts without a reason")


def look(folder: Path) -> tuple[Case, dict[str, float]]:
    case = Case(folder)
    check_geometry(case)
    for check in (check_organs, check_ducts, check_graph, check_upstream, check_vessels, check_schemes, check_story):
        check(case)
    values = numbers(case)
    check_numbers(case, values)
    return case, values


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    options = parser.parse_args()
    bar = " | " if options.markdown else "  "
    found, table, redrawn, people = [], collections.defaultdict(list), 0, collections.Counter()
    folders = sorted(path for path in (options.dataset / "cases").iterdir() if (path / "case.json").is_file())
    for count, folder in enumerate(folders, 1):
        case, values = look(folder)
        print(f"\r{count} of {len(folders)} looked at ", end="" if count < len(folders) else "\n", file=sys.stderr)
        found += case.found
        redrawn += bool(case.facts["recipe"]["attempts"])
        people[case.facts["recipe"]["subject"]["person"].get("population", case.facts["recipe"]["population"])] += 1
        for key, value in values.items():
            table[key].append(value)
    print(f"{len(folders)} cases, {redrawn} drawn more than once; {dict(people.most_common())}")
    print(
        bar.join(("measure".ljust(40), "n".rjust(5), "mean".rjust(8), "sd".rjust(7), "least".rjust(8), "most".rjust(8)))
    )
    for key in sorted(table):
        v = np.array(table[key])
        row = (
            key.ljust(40),
            f"{len(v):5d}",
            f"{v.mean():8.1f}",
            f"{v.std():7.1f}",
            f"{v.min():8.1f}",
            f"{v.max():8.1f}",
        )
        print(bar.join(row))
    by_kind = collections.defaultdict(list)
    for kind, place in found:
        by_kind[kind].append(place)
    print(f"\nmonsters: {len(found)}")
    for kind, places in sorted(by_kind.items()):
        print(f"  {kind}: {len(places)}   {'; '.join(places[:4])}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
