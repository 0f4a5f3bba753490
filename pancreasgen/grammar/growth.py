"""Growth: a module gets its frame when it is written, a line goes to the environment, and what is refused is cut."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pancreasgen.base.checks import nearest_name
from pancreasgen.base.errors import BadInputError
from pancreasgen.grammar.chancekeys import Keys, mix_keys
from pancreasgen.grammar.environment import Candidates, Environment, Frames
from pancreasgen.grammar.grammar import COMMANDS, TURNS
from pancreasgen.grammar.kernels import CHILD
from pancreasgen.grammar.match import Match, Moment, find_matches
from pancreasgen.grammar.moves import ahead, level, orthonormal, query_columns, turn, turn_around
from pancreasgen.grammar.program import CODE, DRAWS_LINE, Literal, Program, Rule
from pancreasgen.grammar.uses import organ_functions

MAX_INTERPRETATION_DEPTH = 16
SHORTEST_MM, LONGEST_MM = 0.0005, 10_000.0
MAX_WORK = 20_000
"""Most items that the turtle may walk for all rules of one step, each for all its matches at once."""


@dataclass(slots=True)
class Batch:
    """Lines drawn by one command for many matches, before they are numbered in string order."""

    match: int
    place: int
    row: NDArray[np.int64]
    owner: NDArray[np.int64]
    columns: dict[str, Any]
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Tips:
    """Turtles that walk together: their frames, their rows in the match, the lineages of the item they stand at."""

    frames: Frames
    index: NDArray[np.int64]
    lineage: Keys


class Growth:
    """Lays what the rules write. Holds the running number of segments; everything else is handed in.

    Args:
        program: The grammar made ready.
        environment: The world.

    Raises:
        BadInputError: If the grammar uses a target or function that the environment does not know.
    """

    def __init__(self, program: Program, environment: Environment) -> None:
        """Check the names that the grammar uses against those the environment knows."""
        self.program, self.environment = program, environment
        self.work = 0  # items walked in this step
        self.first = self.next = 0  # number of the first segment of this step, and of the next segment
        self.symbols = program.grammar.symbols
        for kind, used, known in (
            ("target", program.grammar.targets, environment.targets),
            ("function", organ_functions(program.grammar), environment.functions),
        ):
            for name in used:
                if name not in known:
                    near = nearest_name(name, known)
                    hint = f"did you mean `{near}`?\n" if near else ""
                    text = f"{hint}{kind}s that exist: {', '.join(sorted(known))}"
                    raise BadInputError(f"the organ has no {kind} `{name}`", text)

    def lay(
        self, matches: list[Match], values: list[list[list[Any]]], frames: Frames, now: Moment
    ) -> tuple[list[list[Frames]], list[NDArray[np.bool_]]]:
        """Walk all successors of a step, hand the lines over, and cut.

        Returns:
            For each match a list of frames, one a position of its successor, and which modules stay (m, positions).
        """
        self.work = 0
        walks = [_Walk(self, number, match, now) for number, match in enumerate(matches)]
        found = [walk.run(values[number], frames) for number, walk in enumerate(walks)]
        batches = [batch for walk in walks for batch in walk.batches]
        kept = [np.ones((len(match.rows), len(match.branch.literals)), dtype=bool) for match in matches]
        for number, walk in enumerate(walks):
            for start, stop in walk.cuts:
                kept[number][:, start:stop] = False
        if batches:
            accepted, renumber = self._commit(batches)
            for batch in batches:
                reach = int(matches[batch.match].branch.reach[batch.place])
                refused = batch.row[~accepted[renumber[batch.numbers - self.first]]]
                kept[batch.match][refused, batch.place : reach] = False
            for steps in found:
                for place, part in enumerate(steps):
                    fresh = part.segment >= self.first
                    if fresh.any():
                        segment = part.segment.copy()
                        segment[fresh] = self.first + renumber[segment[fresh] - self.first]
                        steps[place] = replace(part, segment=segment)
        else:
            self.environment.commit(Candidates.none())
        self.first = self.next
        return found, kept

    def _commit(self, batches: list[Batch]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Number the lines in string order and ask the environment; return accepted (C,) and old number → new place."""
        numbers = np.concatenate([batch.numbers for batch in batches]) - self.first
        owner = np.concatenate([batch.owner for batch in batches])
        place = np.concatenate([np.full(len(batch.row), batch.place) for batch in batches])
        sort = np.lexsort((numbers, place, owner))
        renumber = np.empty(len(sort), dtype=np.int64)
        renumber[numbers[sort]] = np.arange(len(sort))
        columns = {
            name: np.concatenate([batch.columns[name] for batch in batches])[sort] for name in batches[0].columns
        }
        parent = columns["parent"]
        fresh = parent >= self.first
        parent[fresh] = self.first + renumber[parent[fresh] - self.first]
        ids = np.arange(self.first, self.first + len(sort), dtype=np.int64)
        accepted = np.asarray(self.environment.commit(Candidates(ids, **columns)), dtype=bool)
        if accepted.shape != ids.shape:
            raise BadInputError(f"the environment answered {accepted.shape} for {len(ids)} candidates")
        if (accepted[fresh] & ~accepted[parent[fresh] - self.first]).any():
            raise BadInputError("the environment accepted a segment whose parent it had refused")
        return accepted, renumber


class _Walk:
    """The walk along one successor, for all modules that it replaces at once."""

    def __init__(self, growth: Growth, number: int, match: Match, now: Moment) -> None:
        self.growth, self.number, self.match, self.now = growth, number, match, now
        self.place, self.batches = 0, list[Batch]()
        self.cuts: list[tuple[int, int]] = []

    def run(self, values: list[list[Any]], frames: Frames) -> list[Frames]:
        """Return the frames before each position."""
        rows = self.match.rows
        code = max(self.match.rule.code, 0)
        current = frames.take(rows.rows)
        current = replace(current, origin=np.full(len(rows), code, np.int16))
        index = np.arange(len(rows))
        laid = self.match.rule.code in self.growth.program.draws
        saved: list[Frames] = []
        found: list[Frames] = []
        cut = -1
        for place, literal in enumerate(self.match.branch.literals):
            self.place = place
            found.append(current)
            if literal.code in self.growth.program.queries:
                values[place][:] = query_columns(current, self.growth.symbols[literal.code])
            if place < cut:
                continue  # behind a %: neither drawn nor kept
            if literal.code == CODE["%"]:
                cut = int(self.match.branch.reach[place])
                self.cuts.append((place + 1, cut))
            elif not laid:
                lineage = mix_keys(rows.lineage, CHILD + place)
                current = self.step(literal, values[place], Tips(current, index, lineage), saved)
        return found

    def step(self, literal: Literal, values: list[Any], tips: Tips, saved: list[Frames], depth: int = 0) -> Frames:
        """Return the frames after one item; brackets push to and pop from ``saved``."""
        self.growth.work += 1
        if self.growth.work > MAX_WORK:
            rule = self.match.rule
            message = f"rule `{rule.label}`, step {self.now.step}: drawing takes more than {MAX_WORK:,} turtle steps"
            raise BadInputError(message, "interpretation rules that lead to each other multiply: make them shorter")
        code, frames = literal.code, tips.frames
        symbol = self.growth.symbols[code]
        if symbol == "[":
            saved.append(frames)
            return replace(frames, order=(frames.order + 1).astype(np.int16))
        if symbol == "]":
            return saved.pop()
        rules = self.growth.program.interpretation.get(code)
        if rules:
            return self.interpret(rules, values, tips, depth)
        if symbol in TURNS:
            return turn(frames, symbol, values[0])
        if symbol in DRAWS_LINE:
            return self.draw(self.checked(values[0], "length"), tips)
        if symbol in COMMANDS:
            return self.command(symbol, self.growth.program.grammar.targets[literal.target], values, tips)
        if symbol == "!" and np.all(np.isnan(values[0])):
            return replace(frames, radius_mm=frames.radius_mm * self.growth.program.taper)
        if symbol == "!":
            radius = np.broadcast_to(self.checked(values[0], "radius"), (len(frames),)).astype(np.float64)
            return replace(frames, radius_mm=radius)
        if symbol == "f":
            return replace(frames, position_mm=ahead(frames, values[0]), segment=np.full(len(frames), -1, np.int64))
        return {"|": turn_around, "$": level}.get(symbol, lambda same: same)(frames)

    def checked(self, value: Any, what: str) -> Any:
        if np.any(np.asarray(value) < 0):
            rule = self.match.rule
            message = f"rule `{rule.label}`, module `{rule.predecessor}`, step {self.now.step}: a {what} below 0 mm"
            raise BadInputError(message, "guard the rule with a condition, or use max(…, 0)")
        if np.any(np.asarray(value) > LONGEST_MM):
            rule = self.match.rule
            message = f"rule `{rule.label}`, module `{rule.predecessor}`, step {self.now.step}: a {what} above 10 m"
            raise BadInputError(message, "lengths are in mm")
        return value

    def draw(self, length: Any, tips: Tips, *, end: Any = None) -> Frames:
        """Hand a line over and return the frames at its end. ``end`` is given for a join."""
        frames, joins = tips.frames, end is not None
        stop = ahead(frames, length) if end is None else end
        moved = np.abs(stop - frames.position_mm).max(axis=1, initial=0.0) > SHORTEST_MM
        numbers = np.full(len(frames), -1, np.int64)
        numbers[moved] = np.arange(self.growth.next, self.growth.next + int(moved.sum()))
        self.growth.next += int(moved.sum())
        columns = {
            "start_mm": frames.position_mm[moved],
            "end_mm": stop[moved],
            "radius_start_mm": frames.radius_mm[moved],
            "radius_end_mm": frames.radius_mm[moved],
            "parent": frames.segment[moved],
            "order": frames.order[moved],
            "origin": frames.origin[moved],
            "lineage": tips.lineage[moved],
            "joins": np.full(int(moved.sum()), joins),
        }
        row = tips.index[moved]
        owner = self.match.rows.rows[row]
        if len(row):
            self.batches.append(Batch(self.number, self.place, row, owner, columns, numbers[moved]))
        return replace(frames, position_mm=stop, segment=np.where(moved, numbers, frames.segment))

    def command(self, symbol: str, target: str, values: list[Any], tips: Tips) -> Frames:
        frames, weight = tips.frames, None
        if not np.all(np.isnan(values[1])):
            weight = np.broadcast_to(np.asarray(values[1], dtype=np.float64), (len(frames),))
        answer = self.growth.environment.steer(symbol[1:], target, frames, weight)
        if len(answer) != len(frames):
            raise BadInputError(f"the environment answered {symbol} with {len(answer)} frames instead of {len(frames)}")
        position = np.round(answer.position_mm * 1000.0) / 1000.0
        if symbol == "@join":
            drawn = self.draw(0.0, tips, end=position)
            return orthonormal(replace(answer, position_mm=drawn.position_mm, segment=drawn.segment))
        return orthonormal(replace(answer, position_mm=position))

    def interpret(self, rules: tuple[Rule, ...], values: list[Any], tips: Tips, depth: int) -> Frames:
        """Return the frames after what the interpretation rules make of a module."""
        if depth >= MAX_INTERPRETATION_DEPTH:
            message = f"interpretation rule `{rules[0].label}` goes deeper than {MAX_INTERPRETATION_DEPTH} levels"
            raise BadInputError(message, "an interpretation rule must not lead back to its own module")
        frames, count = tips.frames, len(tips.frames)
        args = np.zeros((count, len(values)))
        for place, value in enumerate(values):
            args[:, place] = value
        for match in find_matches(rules, args, tips.lineage, np.arange(count), self.now):
            chosen = match.rows.rows
            whole = len(chosen) == count
            part = frames if whole else frames.take(chosen)
            saved: list[Frames] = []
            for place, literal in enumerate(match.branch.literals):
                inner = [self.now.value(one, match.rows, match.rule) for one in literal.arguments]
                child = mix_keys(match.rows.lineage, CHILD + place)
                part = self.step(literal, inner, Tips(part, tips.index[chosen], child), saved, depth + 1)
            frames = part if whole else frames.put(chosen, part)
        return frames
