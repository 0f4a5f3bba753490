"""Interpretation rules: what a module looks like to the turtle, without a change of the word itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar import kernels
from pancreasgen.grammar.grammar import MAX_MODULES, Word
from pancreasgen.grammar.growth import MAX_INTERPRETATION_DEPTH
from pancreasgen.grammar.match import Match, Moment, find_matches
from pancreasgen.grammar.program import Program
from pancreasgen.grammar.strand import Strand
from pancreasgen.grammar.successors import Live, write_successors


def expanded(word: Word, program: Program, *, key: int = 0) -> Word:
    """Return the word with interpretation rules applied until none matches: what the turtle draws.

    Args:
        word: A word of the program's grammar.
        program: The grammar made ready.
        key: Key of draws in interpretation rules.

    Raises:
        BadInputError: If rules lead back to themselves (more than 16 levels), or the word gets too long.
    """
    if not program.interpretation:
        return word
    live_codes = np.zeros_like(program.live)
    live_codes[list(program.interpretation)] = True
    program = replace(program, live=live_codes)
    strand = Strand(word.symbol, word.args, word.lineage, program.arity)
    live = _live(word, program)
    limit = max(MAX_MODULES, len(word))
    for depth in range(1, MAX_INTERPRETATION_DEPTH + 2):
        now = Moment(program.grammar, program.parameters, key, depth)
        matches: list[Match] = []
        for code, rules in program.interpretation.items():
            index = np.flatnonzero(live.symbol == code)
            if len(index):
                matches += find_matches(rules, live.args[index], live.lineage[index], index, now)
        if not matches:
            live = replace(live, ids=strand.lay_flat(program.live, len(live)))
            return _word(strand)
        grown = sum(len(match.rows) * (len(match.branch.literals) - 1) for match in matches)
        if grown > 0 and strand.leaves + grown > limit:
            raise BadInputError(f"the interpretation rules make more than {limit:,} modules", "derive fewer steps")
        live = write_successors(program, strand, live, matches, None, now)
        if strand.crowded:
            live = replace(live, ids=strand.lay_flat(program.live, len(live)))
    message = f"the interpretation rules go deeper than {MAX_INTERPRETATION_DEPTH} levels"
    raise BadInputError(message, "an interpretation rule must not lead back to its own module")


def _live(word: Word, program: Program) -> Live:
    ids = np.flatnonzero(program.live[word.symbol])
    symbol = word.symbol[ids]
    slots = np.arange(program.width)[None, :]
    used = slots < program.arity[symbol][:, None]
    args = np.zeros((len(ids), program.width))
    args[used] = word.args[(word.offset[ids][:, None] + slots)[used]]
    return Live(ids, symbol, args, word.lineage[ids], np.zeros(len(ids), np.int16), None)


def _word(strand: Strand) -> Word:
    offset = kernels.argument_places(strand.symbol, strand.arity)
    return Word(strand.symbol, strand.args, offset, strand.lineage)
