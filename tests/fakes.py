"""Cases that cost nothing: the write protocol does not care what a case is. Also a program that makes a batch of them.

``python tests/fakes.py FOLDER NUMBER WORKERS [SHARD] [SCHEDULER]`` ends with the exit code of ``generate``.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import sys
import time
from pathlib import Path

from pancreasgen.base.errors import BadInputError, PancreasgenError
from pancreasgen.dataset.batch import Outcome, Rules, generate
from pancreasgen.dataset.build import Report
from pancreasgen.dataset.disk import explained
from pancreasgen.dataset.files import Painters
from pancreasgen.dataset.grammars import GrammarText
from pancreasgen.dataset.settings import Settings, make_settings
from pancreasgen.dataset.shard import parse_shard
from pancreasgen.dataset.store import open_store
from pancreasgen.dataset.work import Made

TEXT = """lsystem 1
title "A stick"
param r_head = 1.6 mm in [0.5, 6] mm "radius at the papilla" source "assumed"
axiom: F
production:
  grow: F --> F F
"""
CRASHES, HANGS, EATS, IS_WRONG, HAS_A_BUG, CRASHES_ONCE = 13, 37, 61, 71, 73, 29
"""Numbers of cases that misbehave when :func:`moody` makes them."""


def fake_settings(seed: int = 3) -> Settings:
    """Return settings that cost nothing."""
    return make_settings(GrammarText("stick", TEXT, "stick.lsys"), seed=seed, quick=True)


def fake(settings: Settings, index: int, painters: Painters, report: Report) -> Made:
    """Make a case of two files that follow from seed and index."""
    report("organ", 0.0)
    drawn = hashlib.sha256(f"{settings.seed} {index}".encode()).digest()
    time.sleep(drawn[0] / 25_600)  # up to 10 ms
    facts = {
        "recipe": {
            "index": index, "seed": settings.seed, "grammar": {"id": "stick"}, "population": "adult", "attempts": [],
            "protocol": {"mas": 100}, "subject": {"lesions": [], "gland": {"length_mm": drawn[1] / 2}},
        },
        "measured": {"gland.volume_ml": drawn[2] / 3} | ({"lesion.size_mm": 5} if index % 7 == 3 else {}),
        "checks": [{"name": "x", "passed": True}],
        "arrays": {"ct": drawn.hex()},
    }  # fmt: skip
    return Made({"a.bin": drawn * 2000, "deep/b.bin": drawn}, facts)


def moody(settings: Settings, index: int, painters: Painters, report: Report) -> Made:
    """Make a case, unless its number is one of those that misbehave."""
    if index == CRASHES:
        ctypes.string_at(0)
    if index == CRASHES_ONCE and "PANCREASGEN_SCRATCH" in os.environ:
        mark = Path(os.environ["PANCREASGEN_SCRATCH"]) / "crashed"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if index == HANGS:
        time.sleep(3600)
    if index == EATS:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9, resource.RLIM_INFINITY))
        return Made({"a.bin": bytes(10**11)}, {})
    if index == IS_WRONG:
        raise BadInputError("case 71: it does not fit", "give another value")
    if index == HAS_A_BUG:
        raise ZeroDivisionError("by design")
    return fake(settings, index, painters, report)


def deadly(settings: Settings, index: int, painters: Painters, report: Report) -> Made:
    """Die, whatever the case."""
    os._exit(9)


def wrong(settings: Settings, index: int, painters: Painters, report: Report) -> Made:
    """Make no case at all."""
    raise BadInputError(f"case {index}: nothing fits", "give other values")


def tree(root: Path) -> dict[str, str]:
    """Return the SHA-256 of every file outside ``.pancreasgen``."""
    every = (path for path in root.rglob("*") if path.is_file() and ".pancreasgen" not in path.parts)
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in every}


def make_fakes(root: Path, number: int, workers: int, shard: str = "", scheduler: str = "") -> Outcome:
    """Make a dataset of fake cases."""
    part = parse_shard(shard, os.environ) if shard else None
    settings = fake_settings()
    store = open_store(root, settings, part.name if part else "")
    rules = Rules(maker=fake, shard=part, scheduler=scheduler)
    return generate(
        store, settings, range(number), workers=workers, painters={}, watch=lambda *_: None, rules=rules
    )  # fmt: skip


def main(words: list[str]) -> int:
    """Make fake cases as the command line does, with its exit codes."""
    try:
        outcome = make_fakes(Path(words[0]), int(words[1]), int(words[2]), *words[3:])
    except PancreasgenError as error:
        print(error.letter(), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        letter = explained(error, Path("a file"), "reach")
        print(letter.letter(), file=sys.stderr)
        return letter.exit_code
    except KeyboardInterrupt:
        return 130
    return 3 if outcome.failures or outcome.skipped else 0


if __name__ == "__main__":
    from tests import fakes  # so that workers find the functions under the name that tests use

    sys.exit(fakes.main(sys.argv[1:]))
