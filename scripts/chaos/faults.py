"""Injects I/O errors into a batch with strace, one at a time, and looks at what is left.

    python scripts/chaos/faults.py --number 200

Each time a copy of this process makes one case of a dataset, and the Nth system call of a kind fails. Right is: one
letter and an exit code of the contract, or success; no traceback; no half case; and the same command again, without
faults, gives the tree of an undisturbed run.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import fakes

CALLS = {
    "openat": ("ENOSPC", "EACCES", "EMFILE", "EROFS", "EIO"),
    "write": ("ENOSPC", "EIO", "EDQUOT"),
    "fsync": ("EIO", "ENOSPC", "EDQUOT"),
    "rename": ("EACCES", "ENOSPC", "EIO", "EROFS"),
    "mkdir": ("ENOSPC", "EACCES", "EROFS", "EDQUOT"),
    "close": ("EIO",),
    "unlink": ("EACCES", "EIO"),
    "flock": ("ENOLCK",),
}
RIGHT_CODES = {0, 73, 74, 77}


def run(out: Path, told: Path, inject: str = "") -> int:
    """Make one case in a copy of this process, under strace if something is to be injected; return its exit code."""
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.close(go)
            handle = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, 2)
            os.read(ready, 1)
            code = fakes.main([str(out), "1", "1"])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(ready)
    tracer = None
    if inject:
        words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={inject}", "-p", str(child)]
        tracer = subprocess.Popen(words, stderr=subprocess.PIPE)
        while "TracerPid:\t0\n" in Path(f"/proc/{child}/status").read_text() and tracer.poll() is None:
            time.sleep(0.005)
    os.write(go, b"x")
    os.close(go)
    _, status = os.waitpid(child, 0)
    if tracer:
        tracer.communicate()
    return os.waitstatus_to_exitcode(status)


def main() -> int:
    """Inject faults and print a table; rc 1 if one of them was not met as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    fakes.fake_settings()  # so that the program's own files are read before faults are counted
    chance, codes, wrong = random.Random(given.seed), Counter[tuple[str, int]](), 0
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        run(whole, Path(folder) / "told")
        wanted = fakes.tree(whole)
        for number in range(given.number):
            call = chance.choice(list(CALLS))
            inject = f"{call}:error={chance.choice(CALLS[call])}:when={chance.randint(1, 14)}"
            out, told = Path(folder) / str(number), Path(folder) / f"{number}.txt"
            code = run(out, told, inject)
            text = told.read_text() if told.exists() else ""
            cases = [path for path in out.glob("cases/*") if path.is_dir()]
            half = [path for path in cases if fakes.tree(path) != fakes.tree(whole / "cases" / path.name)]
            healed = run(out, Path(folder) / "again") == 0 and fakes.tree(out) == wanted
            codes[call, code] += 1
            if code not in RIGHT_CODES or "Traceback" in text or half or not healed:
                wrong += 1
                print(f"{inject}: rc {code}, half cases {len(half)}, healed {healed}\n{text[-1500:]}")
    for (call, code), count in sorted(codes.items()):
        print(f"{call:<8} rc {code:<3} {count}")
    print(f"{given.number} faults, {wrong} not met as promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
