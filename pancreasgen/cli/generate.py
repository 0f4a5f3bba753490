"""``pancreasgen generate``."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pancreasgen.base.errors import printable
from pancreasgen.cli import options

if TYPE_CHECKING:
    from pancreasgen.dataset.batch import Outcome

_MOST_TOLD = 20
EPILOG = "The same command again goes on where the last one stopped; complete cases are never made twice."


@click.command(epilog=EPILOG)
@click.option("-n", "number", type=options.Number(1, 10_000_000), help="How many cases.  [default: 1]")
@options.seed()
@options.out("Folder of the dataset.")
@options.subject()
@options.fidelity()
@click.option("--workers", type=options.Number(1, 1024), help="Processes.  [default: by cores and memory]")
@click.option(
    "--scheme", "schemes", multiple=True, metavar="NAME", help="Write labels in this scheme as well. Repeatable."
)
@click.option("--keep", type=click.Choice(["sinogram"]), multiple=True, help="Keep sinogram.npz with each case.")
@click.option("--only", metavar="7,12", default=None, help="Make these cases, instead of the first -n.")
@click.option("--shard", metavar="I/N", help="Make every N-th case from I on; auto/N asks SLURM or Kubernetes for I.")
@click.option("--scheduler", metavar="ADDRESS", default="", help="Work on a dask cluster: tcp://…, FILE.json or local.")
@click.option("--time-limit", type=options.Number(1, 10**6), default=1800, show_default=True, help="Seconds a case.")
@click.option("--dry-run", is_flag=True, help="Tell memory, disk, files and time; make nothing.")
@options.quiet()
def command(
    number: int | None, seed: int, out: Path, population: str | None, grammar: str, protocol: str, quick: bool,
    overrides: tuple[str, ...], fidelity: str | None, workers: int | None, schemes: tuple[str, ...],
    keep: tuple[str, ...], only: str | None, shard: str | None, scheduler: str, time_limit: int, dry_run: bool,
    quiet: bool,
) -> int:  # fmt: skip
    """Make a dataset: CT images with labels and ducts, a folder per case."""
    from pancreasgen.cli.progress import announce_compilation, progress
    from pancreasgen.dataset import batch, plan
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.layout import Store
    from pancreasgen.dataset.settings import make_settings, parse_overrides
    from pancreasgen.dataset.shard import parse_shard
    from pancreasgen.dataset.store import open_store
    from pancreasgen.look.preview import PAINTERS

    indices = chosen(only, number)
    settings = make_settings(
        find_grammar(grammar), seed=seed, population=population, protocol=protocol, quick=quick,
        overrides=options.with_fidelity(parse_overrides(overrides), fidelity), schemes=schemes, keep=keep,
    )  # fmt: skip
    part = parse_shard(shard, os.environ) if shard else None
    rules = batch.Rules(
        scheduler=scheduler, shard=part, try_again=only is not None, limit_s=time_limit, command=_command_of_one_case()
    )
    mine = part.of(indices) if part else indices
    workers = workers or plan.sensible_workers(settings, len(indices))
    planned = plan.make_plan(settings, Store(out), mine, workers)
    if dry_run:
        click.echo("\n".join(planned.lines()))
    if dry_run or not scheduler:
        plan.refuse_too_much(planned)
    if dry_run:
        return 0
    store = open_store(out, settings, part.name if part else "")
    announce_compilation(quiet)
    started = time.perf_counter()
    with progress(len(mine), quiet) as watch:
        outcome = batch.generate(
            store, settings, indices, workers=workers, painters=PAINTERS, watch=watch, rules=rules
        )  # fmt: skip
    _tell(outcome, out, quiet, time.perf_counter() - started, len(mine))
    if mine and not quiet:
        click.echo(f"open {store.case_folder(mine[0]) / 'preview.png'} or the .nii.gz files beside it in 3D Slicer")
    return 3 if outcome.failures or outcome.skipped else 0


_NOT_OF_A_CASE = {"number", "only", "workers", "shard", "scheduler", "time_limit", "dry_run", "quiet", "out"}


def _command_of_one_case() -> str:
    """Return the words that make one case again by itself, with ``{index}`` for its number."""
    context = click.get_current_context()
    words = ["pancreasgen", "generate"]
    for option in context.command.params:
        name = option.name or ""
        if name in _NOT_OF_A_CASE or context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        if getattr(option, "is_flag", False):
            words.append(option.opts[-1])
            continue
        for item in value if isinstance(value, tuple) else (value,):
            words += [option.opts[-1], str(item)]
    return " ".join([shlex.join(words), "--only {index} --debug -o again"])


def _tell(outcome: Outcome, out: Path, quiet: bool, seconds: float, wanted: int) -> None:
    """Print what came of a batch: what is notable on stderr, the sum on stdout."""
    for record in sorted(outcome.notable, key=lambda item: item.index):
        if record.failed:
            click.echo(f"warning: case {record.index} did not pass: {', '.join(record.failed)}", err=True)
        for attempt, reasons in enumerate(record.rejected):
            click.echo(f"note: case {record.index}, draw {attempt} was drawn again: {'; '.join(reasons)}", err=True)
    lost = {failure.index: failure.reason for failure in outcome.failures} | outcome.skipped
    for index, reason in sorted(lost.items())[:_MOST_TOLD]:
        click.echo(f"error: case {index} is in quarantine: {printable(reason)}", err=True)
    if lost:
        numbers = ",".join(map(str, sorted(lost)[:_MOST_TOLD]))
        hint = f"reports are in {out / '.pancreasgen' / 'quarantine'}; --only {numbers} tries them again"
        click.echo(f"  = help: {options.counted(len(lost), 'case')} could not be made; {hint}", err=True)
    if not quiet:
        made = f"{outcome.num_made} made in {seconds:.0f} s" if outcome.num_made else "nothing left to make"
        click.echo(f"{out}: {options.counted(wanted, 'case')}, {made}")


def chosen(only: str | None, number: int | None) -> Sequence[int]:
    """Return the numbers of the cases that are wanted.

    Args:
        only: Numbers with commas, or None for the first ones.
        number: How many cases, if only is None; None for one.

    Raises:
        click.UsageError: If a number is not one, or both are given.

    >>> chosen("7,12", None)
    [7, 12]
    """
    if only is None:
        return range(number or 1)
    if number is not None:
        raise click.UsageError("give either -n, for the first cases, or --only, for those that it lists; not both")
    words = [word.strip() for word in only.split(",")]
    if not all(word.isdecimal() and len(word) < 10 for word in words):
        raise click.UsageError(f"--only must be whole numbers from 0 to 999999999 with commas between, not {only}")
    return sorted({int(word) for word in words})
