"""Derived words as people write them: names with their arguments, lengths in mm, angles in degrees."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pancreasgen.grammar.arity import argument_dims
from pancreasgen.grammar.grammar import COMMANDS, Grammar, Word


def word_text(word: Word, grammar: Grammar, most: int) -> str:
    r"""Return a word as text that reads like the right side of a rule.

    Names of one letter and signs stand next to each other, as in ABOP; longer names are set apart by blanks.

    Args:
        word: The string.
        grammar: The grammar that it was derived with.
        most: Number of modules after which the text is cut, without a mark.

    >>> from pancreasgen.grammar.rewrite import derive
    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> fork = parse_grammar("lsystem 1\nmodule Tip(l: cm)\naxiom: F(2)[+(90)Tip(3 cm)]Tip(1 mm)")
    >>> word_text(derive(fork, key=0).word, fork, 99)
    'F(2)[+(90) Tip(30)] Tip(1)'
    """
    names, degrees = grammar.symbols, 180.0 / math.pi
    pieces: list[str] = []
    before = ""
    for code, first, last in zip(
        word.symbol[:most].tolist(), word.offset[:-1][:most].tolist(), word.offset[1:][:most].tolist(), strict=True
    ):
        name, values = names[code], word.args[first:last].tolist()
        if name in COMMANDS:
            inside = [f'"{grammar.targets[int(values[0])]}"', *map(_number, values[1:])]
        else:
            dims = argument_dims(grammar, name)
            scales = [degrees if dim.angle == 1.0 else 1.0 for dim in dims] + [1.0] * len(values)
            inside = [_number(value * scale) for value, scale in zip(values, scales, strict=False)]
        inside = [text for text in inside if text]
        if pieces and before != "[" and name != "]" and (len(before) > 1 or len(name) > 1):
            pieces.append(" ")
        pieces.append(name + (f"({', '.join(inside)})" if inside else ""))
        before = name
    return "".join(pieces)


def _number(value: float) -> str:
    """Return six digits; nothing for a weight that was not given (NaN)."""
    return "" if math.isnan(value) else f"{round(value, 9) + 0.0:.6g}"


def matches_text(matches: Sequence[tuple[str, int]]) -> str:
    """Return which rules matched how often.

    >>> matches_text([("trunk", 1), ("left", 12)]), matches_text([])
    ('trunk × 1, left × 12', 'no rule')
    """
    return ", ".join(f"{label} × {count:,}" for label, count in matches) or "no rule"
