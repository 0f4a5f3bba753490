"""Grow many adults and hold what they measure against published morphometry, quantity by quantity.

    python scripts/verify.py -o FOLDER [--subjects N] [--workers N] [--seed N] [--part all|gland] [--docs FOLDER]

Subject i of a seed is the same person as case i of a dataset of that seed; no CT is made. Each finished subject is a
line of FOLDER/subjects.jsonl, and a run that was stopped goes on where it ended. The published rows are those of
pancreasgen/catalogue/reference.toml. A row passes

* with a mean and an SD: if the means differ by at most 0.3 published SD and the SDs' ratio lies within 0.7 … 1.3,
* with a range: if our mean lies in it,
* with a share: if the 95 % interval of ours (Clopper-Pearson) holds it, or they differ by at most 1.5 points.

The table and a picture of all quantities go to docs/verification.md and docs/images/verification.png. Exit code 1 if a
row fails or a subject could not be grown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from verify_picture import draw_picture
from verify_table import Outcome, judge, markdown, plain_table

ROOT = Path(__file__).parents[1]
GRAMMAR, POPULATION = "human_pancreas", "adult"

Values = dict[str, Any]


@cache
def settings(seed: int) -> Any:
    """Return the settings that the subjects of a seed share."""
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings

    return make_settings(find_grammar(GRAMMAR), seed=seed, population=POPULATION)


def measure_subject(seed: int, index: int, part: str) -> Values:
    """Return everything that is measured in one subject, by dotted name; ``error`` where it could not be grown."""
    from pancreasgen.base.errors import PancreasgenError
    from pancreasgen.network.grow import grow
    from pancreasgen.network.measure import measure
    from pancreasgen.organ.gland import ABSENT, HYPOPLASTIC, shape_organ
    from pancreasgen.organ.measure import measure_gland

    recipe = settings(seed).recipe(index)
    gland = recipe.subject.gland
    found: Values = {"index": index, **{f"drawn.{name}": value for name, value in asdict(gland).items()}}
    found |= {f"drawn.{name}": value for name, value in recipe.subject.person.items()}
    small = "hypoplastic" if gland.uncinate < HYPOPLASTIC else "normal"
    found["drawn.uncinate_is"] = "absent" if gland.uncinate < ABSENT else small
    organ = shape_organ(gland, recipe.chance("organ"))
    found |= {f"gland.{name}": value for name, value in measure_gland(organ).items()}
    if part == "all":
        try:
            network = grow(settings(seed).rules, organ, recipe.subject.ducts, recipe.chance("growth"))
        except PancreasgenError as error:
            return {**found, "error": str(error)}
        found |= {f"ducts.{name}": value for name, value in measure(network, organ).items()}
    return found


def fingerprint(seed: int, part: str) -> str:
    """Return a hash of all that decides a subject: the program's rooms, the population's laws and the grammar."""
    state = hashlib.sha256(f"{seed} {part} {GRAMMAR} {POPULATION}".encode())
    rooms = [ROOT / "pancreasgen" / room for room in ("base", "grammar", "organ", "network")]
    files = [file for room in rooms for file in room.rglob("*.py")]
    files += [ROOT / "pancreasgen/catalogue/populations" / f"{POPULATION}.toml", ROOT / "grammars" / f"{GRAMMAR}.lsys"]
    files += [ROOT / "pancreasgen/dataset" / name for name in ("population.py", "settings.py")]
    for file in sorted(files):
        state.update(file.read_bytes())
    return state.hexdigest()


def kept(folder: Path, mark: str) -> dict[int, Values]:
    """Return the subjects that the folder holds already.

    Raises:
        SystemExit: If they were grown by another version of the program.
    """
    folder.mkdir(parents=True, exist_ok=True)
    label, lines = folder / "fingerprint.txt", folder / "subjects.jsonl"
    if lines.exists() and (not label.exists() or label.read_text(encoding="ascii") != mark):
        sys.exit(f"{folder} holds subjects of another seed, part or version of the program; choose another folder")
    label.write_text(mark, encoding="ascii")
    if not lines.exists():
        return {}
    rows = lines.read_text(encoding="utf-8").splitlines(keepends=True)
    if rows and not rows[-1].endswith("\n"):  # a run was stopped while it wrote
        rows.pop()
        lines.write_text("".join(rows), encoding="utf-8")
    return {values["index"]: values for values in map(json.loads, rows)}


def grown(folder: Path, options: argparse.Namespace) -> list[Values]:
    """Grow what is missing, write each subject as it is done, and return all in order."""
    known = kept(folder, fingerprint(options.seed, options.part))
    missing = [index for index in range(options.subjects) if index not in known]
    began = time.perf_counter()
    with (folder / "subjects.jsonl").open("a", encoding="utf-8") as lines:
        for count, values in enumerate(measured(missing, options), 1):
            known[values["index"]] = values
            lines.write(json.dumps(values) + "\n")
            lines.flush()
            if count % 10 == 0 or count == len(missing):
                rest = (time.perf_counter() - began) / count * (len(missing) - count)
                print(f"\r{count} of {len(missing)} grown, {rest / 60:.1f} min to go ", end="", file=sys.stderr)
    print(file=sys.stderr)
    return [known[index] for index in range(options.subjects)]


def measured(missing: list[int], options: argparse.Namespace) -> Iterator[Values]:
    if options.workers == 1:
        yield from (measure_subject(options.seed, index, options.part) for index in missing)
        return
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(measure_subject, options.seed, index, options.part) for index in missing]
        yield from (job.result() for job in as_completed(jobs))


def reference() -> dict[str, Values]:
    """Return the published rows by id."""
    from pancreasgen.catalogue import table_text

    return {name: row for name, row in tomllib.loads(table_text("reference.toml")).items() if isinstance(row, dict)}


def main() -> int:
    parser = argparse.ArgumentParser(description="Hold grown adults against published morphometry.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder that keeps the measured subjects")
    parser.add_argument("--subjects", type=int, default=1000, help="how many to grow (1,000)")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=("all", "gland"), default="all", help="`gland` grows no ducts")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where verification.md is written (docs)")
    options = parser.parse_args()
    began = time.perf_counter()
    subjects = grown(options.output, options)
    failed = [values for values in subjects if "error" in values]
    outcomes: list[Outcome] = [judge(row, subjects) for row in reference().values()]
    print(plain_table(outcomes))
    for values in failed:
        print(f"subject {values['index']} could not be grown: {values['error']}")
    (options.docs / "images").mkdir(parents=True, exist_ok=True)
    draw_picture(outcomes, options.docs / "images" / "verification.png")
    command = f"python scripts/verify.py -o FOLDER --subjects {options.subjects} --seed {options.seed}"
    (options.docs / "verification.md").write_text(markdown(outcomes, len(subjects), len(failed), command), "utf-8")
    counts = [sum(outcome.verdict == word for outcome in outcomes) for word in ("right", "wrong", "not measured")]
    print(f"{counts[0]} right, {counts[1]} wrong, {counts[2]} not measured ({time.perf_counter() - began:.0f} s)")
    return 1 if counts[1] or failed else 0


if __name__ == "__main__":
    sys.exit(main())
