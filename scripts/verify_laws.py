"""Grow many duct networks and judge each by the laws that the engine promises, with scripts/judge.py as the judge.

    python scripts/verify_laws.py --subjects 200 --workers 2 -o laws
    python scripts/verify_laws.py --grammar divisum --subjects 3 -o laws
    python scripts/verify_laws.py --masks -o laws
    python scripts/verify_laws.py --mask labels.nii.gz --label 7 --set ducts.r_head=0.8 -o laws

Subject n is the case of that index in a dataset of the same seed, so that `pancreasgen grow GRAMMAR --seed 1 --index n`
shows the same ducts. Masks are grown with the ducts of case 0. One JSON line a network is kept in the folder, with the
program's fingerprint: what was judged before with the same program is not grown again.

Exit code 1 if a law is broken.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

Row = dict[str, Any]
ROOT = Path(__file__).resolve().parents[1]
PICTURE_OF = 4  # masks and files are drawn, subjects up to this index too


@dataclass(frozen=True, slots=True)
class Job:
    """One network to grow: subject `index`, or the foreign mask or file `mask`."""

    grammar: str
    seed: int
    index: int = 0
    mask: str = ""
    label: int | None = None
    bridge: int = 0
    overrides: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        values = "".join(f" {text}" for text in self.overrides)
        said = f" label {self.label}" if self.label else ""
        said += f" bridge {self.bridge}" if self.bridge else ""
        if not self.mask:
            return f"{self.grammar} {self.seed}:{self.index}{values}"
        return f"{self.grammar} {self.seed}:{self.index} in {Path(self.mask).name}{said}{values}"


@dataclass(frozen=True, slots=True)
class Law:
    """What holds for a network: `value` of its row is at least `low` and at most `high`."""

    name: str
    key: str
    high: float
    unit: str = ""
    low: float = float("-inf")

    def broken(self, row: Row) -> bool:
        return self.key in row and not self.low <= row[self.key] <= self.high

    def far(self, row: Row) -> float:
        """How bad a row is: the worst has the largest."""
        return max(row[self.key] - self.high, self.low - row[self.key])


LAWS = (
    Law("grows", "failed", 0),
    Law("skin points outside the organ", "outside", 0),
    Law("crossings of tubes that are not kin", "crossings", 0),
    Law("Murray's sum, relative error", "murray_error", 1e-9),
    Law("tissue to duct, median", "median_mm", 1.1, "mm"),
    Law("tissue to duct, 95th percentile", "p95_mm", 2.0, "mm"),
    Law("tissue to duct, maximum", "max_mm", 3.5, "mm"),
    Law("nodes not reached from a papilla", "unreached", 0),
    Law("segments of no length, NaN, no radius", "broken", 0),
    Law("number of roots, 1 or 2", "roots", 2, low=1),
)
TOLD = {
    "least margin [mm]": "margin_mm", "forks in two, share": "binary_share", "segments": "segments",
    "shortest segment [mm]": "shortest_mm", "tissue deeper than 0.5 mm to duct, max [mm]": "deep_max_mm",
    "crossings, strict sense of kin": "crossings_strict", "skin outside the mask's voxels, share": "outside_voxels",
    "seconds to grow": "grow_s", "peak memory while growing [MB]": "peak_mb",
}  # fmt: skip


# ---- growing and judging, in a worker


def run_job(job: Job) -> Row:
    """Grow one network and return its row; a letter from the engine is a row too."""
    from pancreasgen.base.errors import PancreasgenError

    row: Row = {"name": job.name, **asdict(job), "failed": 0}
    try:
        return row | _judged(job)
    except PancreasgenError as error:
        return row | {"failed": 1, "letter": error.letter()}


def _judged(job: Job) -> Row:
    import judge

    from pancreasgen.base.chance import Chance
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings, parse_overrides
    from pancreasgen.look.ducts import ducts_picture
    from pancreasgen.network.grow import grow
    from pancreasgen.organ.gland import shape_organ
    from pancreasgen.organ.mask import MaskOptions, organ_from_mask

    settings = make_settings(find_grammar(job.grammar), seed=job.seed, overrides=parse_overrides(job.overrides))
    subject = settings.subject(job.index)
    row: Row = {}
    if job.mask:
        mask, affine = _mask(job)
        organ, notes = organ_from_mask(mask, affine, MaskOptions(bridge_mm=job.bridge))
        row["notes"] = list(notes)
    else:
        organ = shape_organ(subject.gland, Chance(job.seed, job.index, "organ"))
    _forget_peak()
    begin = time.perf_counter()
    network = grow(settings.rules, organ, subject.ducts, Chance(job.seed, job.index, "growth"))
    row |= {"grow_s": round(time.perf_counter() - begin, 2), "peak_mb": _peak_mb()}
    gamma = settings.rules.with_values(dict(subject.ducts)).statement_numbers("radii")["gamma"]
    row |= judge.judge(network, organ, None if "dilate" in settings.rules.statements else gamma)
    if job.mask:
        row["outside_voxels"] = judge.share_outside(judge.tubes_of(network), mask, affine)
    if job.mask or job.index < PICTURE_OF:
        row["picture"] = ducts_picture(network, organ)
    return row


def _mask(job: Job) -> tuple[Any, Any]:
    from judge_masks import FOREIGN

    from pancreasgen.dataset.organ_io import read_mask

    return FOREIGN[job.mask].voxels() if job.mask in FOREIGN else read_mask(Path(job.mask), job.label)


def _forget_peak() -> None:
    """Let the system count this process's peak of memory from now on; Linux alone can."""
    path = Path("/proc/self/clear_refs")
    if path.is_file():
        path.write_text("5", encoding="ascii")


def _peak_mb() -> float | None:
    path = Path("/proc/self/status")
    if not path.is_file():
        return None
    lines = path.read_text(encoding="ascii").splitlines()
    return round(int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024 / 1e6, 1)


def _warm(grammar: str) -> None:
    """Compile the kernels, so that the first subject's time is that of growing."""
    run_job(Job(grammar, 0, overrides=("gland.length_mm=100",)))


# ---- the table


def fingerprint() -> str:
    """Return a name of the program's text: rows of another program are not taken for this one's."""
    digest = hashlib.sha256()
    files = [
        *(ROOT / "pancreasgen").rglob("*.*"),
        *(ROOT / "grammars").glob("*.lsys"),
        *(ROOT / "scripts").glob("*.py"),
    ]
    for path in sorted(path for path in files if path.suffix in (".py", ".toml", ".csv", ".lsys", ".lark")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield one line a law, then what is told without being a law."""
    yield f"{'law':40}{'bound':>12}{'worst':>12}{'broken':>9}  worst at"
    for law in LAWS:
        asked = [row for row in rows if law.key in row]
        if not asked:
            yield f"{law.name:40}{'not judged':>12}"
            continue
        worst = max(asked, key=law.far)
        broken = sum(law.broken(row) for row in asked)
        bound = f"{law.low:g} to {law.high:g}" if law.low > -1e9 else f"≤ {law.high:g}"
        yield (f"{law.name:40}{bound + (' ' + law.unit if law.unit else ''):>12}{worst[law.key]:>12.4g}"
               f"{broken:>5}/{len(asked):<3}  {worst['name']}")  # fmt: skip
    yield ""
    yield f"{'told, no law':48}{'least':>10}{'median':>10}{'most':>10}"
    for name, key in TOLD.items():
        values = sorted(row[key] for row in rows if row.get(key) is not None)
        if values:
            yield f"{name:48}" + "".join(f"{_short(values[k]):>10}" for k in (0, len(values) // 2, -1))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def complaints(row: Row) -> list[str]:
    """Return which laws a row breaks, in words."""
    return [f"{law.name} {row[law.key]:.4g}" for law in LAWS if law.broken(row)]


def judged(jobs: Sequence[Job], folder: Path, workers: int, tell: Callable[[str], None]) -> list[Row]:
    """Return the rows of all jobs, old ones from the folder's file, new ones grown and added to it."""
    folder.mkdir(parents=True, exist_ok=True)
    path, program = folder / "laws.jsonl", fingerprint()
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    known = {row["name"]: row for row in map(json.loads, lines) if row["program"] == program}
    rows = [known[job.name] for job in jobs if job.name in known]
    todo = [job for job in jobs if job.name not in known]
    if rows:
        tell(f"{len(rows)} of {len(jobs)} were judged before; {len(todo)} are left")
    for row in _finished(todo, workers):
        picture = row.pop("picture", None)
        if picture:
            (folder / f"{row['name'].replace(' ', '_').replace(':', '-')}.png").write_bytes(picture)
        row["program"] = program
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        rows.append(row)
        found = "; ".join(complaints(row)) or "ok"
        size = f"{row['segments']:,} segments in {row['grow_s']:.1f} s" if "segments" in row else row["letter"]
        tell(f"{len(rows)}/{len(jobs)}  {row['name']}  {size}  {found}")
    return rows


def _finished(jobs: Sequence[Job], workers: int) -> Iterator[Row]:
    """Yield rows as they come."""
    if not jobs:
        return
    if workers == 1:
        _warm(jobs[0].grammar)
        yield from map(run_job, jobs)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_warm, initargs=(jobs[0].grammar,)) as pool:
        for future in as_completed([pool.submit(run_job, job) for job in jobs]):
            yield future.result()


@click.command()
@click.option("--subjects", type=click.IntRange(0), default=0, help="How many subjects, cases 0 to N − 1.")
@click.option("--grammar", "grammars", multiple=True, default=["human_pancreas"], show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--masks", is_flag=True, help="Grow in ten masks that are not ours.")
@click.option("--mask", type=click.Path(exists=True, dir_okay=False, resolve_path=True), help="Grow in a NIfTI mask.")
@click.option("--label", type=int, help="Which label of the mask is the organ.")
@click.option("--bridge", type=click.IntRange(0, 60), default=0, help="Join pieces of the mask across gaps [mm].")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Give a value instead of drawing it.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the rows."
)
def main(
    subjects: int, grammars: tuple[str, ...], seed: int, masks: bool, mask: str | None, label: int | None, bridge: int,
    overrides: tuple[str, ...], workers: int, out: Path,
) -> None:  # fmt: skip
    """Grow duct networks and judge each by the laws that the engine promises."""
    from judge_masks import FOREIGN

    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    jobs = []
    for name in grammars:
        jobs += [Job(name, seed, index, overrides=overrides) for index in range(subjects)]
        jobs += [Job(name, seed, mask=solid, overrides=overrides) for solid in FOREIGN if masks]
        if mask:
            jobs.append(Job(name, seed, mask=mask, label=label, bridge=bridge, overrides=overrides))
    if not jobs:
        raise click.UsageError("say what to grow: --subjects N, --masks, or --mask FILE")
    rows = judged(jobs, out, workers, lambda text: click.echo(text, err=True))
    click.echo("\n".join(table(rows)))
    broken = [row for row in rows if complaints(row)]
    for row in broken:
        click.echo(f"broken: {row['name']}: {'; '.join(complaints(row))}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
