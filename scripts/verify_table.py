"""Judge measured subjects against one published row, and print the outcomes as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

MEAN_SD, SD_RATIO, POINTS = 0.3, (0.7, 1.3), 1.5
HEADS = ("Quantity", "Published", "Source", "Ours", "n", "Δ mean / SD", "SD ratio", "Verdict")


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of one row.

    Attributes:
        row: The published row.
        values: Our values (N,); for a share whether each subject counts.
        mean: Our mean; our share in percent.
        spread: Our SD; for a share the 95 % interval in percent.
        verdict: ``right``, ``wrong`` or ``not measured``.
    """

    row: dict[str, Any]
    values: NDArray[np.float64]
    mean: float
    spread: tuple[float, ...]
    verdict: str

    @property
    def distance(self) -> float | None:
        """Distance of the means in published SD."""
        return (self.mean - self.row["mean"]) / self.row["sd"] if "sd" in self.row and len(self.values) else None

    @property
    def ratio(self) -> float | None:
        """Our SD by the published one."""
        return self.spread[0] / self.row["sd"] if "sd" in self.row and len(self.values) > 1 else None


def judge(row: dict[str, Any], subjects: list[dict[str, Any]]) -> Outcome:
    """Return the outcome of a row; a measure that no subject has is not measured."""
    chosen = [values for values in subjects if all(_counts(item, values) for item in row.get("where", []))]
    known = [values for values in chosen if values.get(row["measure"]) is not None]
    if not known:
        return Outcome(row, np.zeros(0), np.nan, (), "not measured")
    if "percent" in row:
        hits = np.array([_counts(row, values) for values in known], dtype=np.float64)
        interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, "exact")
        low, high, share = 100 * interval.low, 100 * interval.high, 100 * float(hits.mean())
        right = low <= row["percent"] <= high or abs(share - row["percent"]) <= POINTS
        return Outcome(row, hits, share, (low, high), "right" if right else "wrong")
    numbers = np.array([values[row["measure"]] for values in known], dtype=np.float64)
    mean, sd = float(numbers.mean()), float(numbers.std(ddof=1)) if len(numbers) > 1 else np.nan
    if "sd" in row:
        right = abs(mean - row["mean"]) <= MEAN_SD * row["sd"] and SD_RATIO[0] <= sd / row["sd"] <= SD_RATIO[1]
    else:
        right = row["low"] <= mean <= row["high"]
    return Outcome(row, numbers, mean, (sd,), "right" if right else "wrong")


def _counts(item: dict[str, Any], values: dict[str, Any]) -> bool:
    """Whether a subject's value is what is asked for; one without a value is not."""
    value = values.get(item["measure"])
    if value is None:
        return False
    if "equals" in item:
        return bool(value == item["equals"])
    return bool(value > item["above"]) if "above" in item else bool(value < item["below"])


def published(row: dict[str, Any]) -> str:
    """Return what is published, in words."""
    if "percent" in row:
        return f"{row['percent']:g} %"
    unit = f" {row['unit']}" if row["unit"] else ""
    return f"{row['mean']:g} ± {row['sd']:g}{unit}" if "sd" in row else f"{row['low']:g}–{row['high']:g}{unit}"


def ours(outcome: Outcome) -> str:
    """Return what was measured, in words."""
    if not len(outcome.values):
        return "—"
    if "percent" in outcome.row:
        return f"{outcome.mean:.1f} % ({outcome.spread[0]:.1f}–{outcome.spread[1]:.1f})"
    return f"{outcome.mean:.{_digits(outcome)}f} ± {outcome.spread[0]:.{_digits(outcome)}f}"


def _digits(outcome: Outcome) -> int:
    return 2 if outcome.mean < 10 else 1


def cells(outcome: Outcome) -> list[str]:
    """Return the cells of one line of the table."""
    distance, ratio = outcome.distance, outcome.ratio
    return [
        outcome.row["quantity"],
        published(outcome.row),
        outcome.row["source"],
        ours(outcome),
        str(len(outcome.values)),
        "" if distance is None else f"{distance:+.2f}",
        "" if ratio is None else f"{ratio:.2f}",
        outcome.verdict,
    ]


def plain_table(outcomes: list[Outcome]) -> str:
    """Return the table for a terminal."""
    rows = [list(HEADS), *map(cells, outcomes)]
    for row in rows:
        row[2] = row[2] if len(row[2]) <= 34 else row[2][:33] + "…"
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(size) for cell, size in zip(row, wide, strict=True)).rstrip() for row in rows)


def markdown(outcomes: list[Outcome], subjects: int, failed: int, command: str) -> str:
    """Return the page: what was done, the table, the picture, and notes on rows that need one."""
    right = sum(outcome.verdict == "right" for outcome in outcomes)
    missing = sum(outcome.verdict == "not measured" for outcome in outcomes)
    lines = [
        "# Grown adults against published morphometry",
        "",
        f"{subjects:,} subjects of the population `adult` were grown with `human_pancreas` (`{command}`); "
        f"{failed} could not be grown. **{right} of {len(outcomes)} rows are right**"
        + (f"; {missing} are not measured" if missing else "")
        + ".",
        "",
        f"A row with mean ± SD is right if the means differ by at most {MEAN_SD} published SD and the SDs' ratio lies "
        f"within {SD_RATIO[0]} … {SD_RATIO[1]}; a range, if our mean lies in it; a share, if the exact 95 % interval "
        f"of ours holds it or both differ by at most {POINTS} points. The rows, and why they were chosen, stand in "
        "`pancreasgen/catalogue/reference.toml`.",
        "",
        "![Our distribution over the published one, for each quantity](images/verification.png)",
        "",
        "| " + " | ".join(HEADS) + " |",
        "|---|---|---|---|--:|--:|--:|---|",
        *("| " + " | ".join(_bold_if_wrong(cells(outcome))) + " |" for outcome in outcomes),
        "",
        "Whom the published numbers describe, and what to bear in mind:",
        "",
        *(f"- {item.row['quantity']}: {item.row['population']}.{_note(item.row)}" for item in outcomes),
    ]
    return "\n".join(lines) + "\n"


def _bold_if_wrong(line: list[str]) -> list[str]:
    return [*line[:-1], f"**{line[-1]}**" if line[-1] == "wrong" else line[-1]]


def _note(row: dict[str, Any]) -> str:
    return f" {row['note']}" if "note" in row else ""
