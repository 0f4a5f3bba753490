"""The rope against a Python list."""

from __future__ import annotations

import numpy as np

from pancreasgen.grammar.rope import Chunk, Rope


def test_random_splices_equal_a_list() -> None:
    """After 40 rounds of replacing random modules by 0 to 4 others, the order is that of list splicing."""
    rng = np.random.default_rng(7)
    rope, plain, named = Rope(1), [0], {0: 0}
    for turn in range(40):
        size = min(len(plain), 1 + turn // 4)
        chosen = sorted(rng.choice(len(plain), size=size, replace=False).tolist())
        counts = rng.integers(1 if turn < 10 else 0, 5, size=size).tolist()
        old = np.array([plain[place] for place in chosen], dtype=np.int64)
        names = 1000 * (turn + 1) + np.arange(sum(counts))
        columns = (np.ones(len(names), np.uint16), names[:, None].astype(np.float64), names.astype(np.uint64))
        ids = rope.add(Chunk(np.repeat(old, counts), *columns), old).tolist()
        named |= dict(zip(ids, names.tolist(), strict=True))
        for number in reversed(range(size)):
            before = sum(counts[:number])
            plain[chosen[number] : chosen[number] + 1] = ids[before : before + counts[number]]
        assert rope.order().tolist() == plain
        assert rope.leaves == len(plain)
        assert rope.column("lineage", rope.order()).tolist() == [named[one] for one in plain]
    assert len(plain) > 20
