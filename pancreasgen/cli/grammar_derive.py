"""``pancreasgen grammar derive``: the strings of a grammar, step by step, and which rules made them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from pancreasgen.cli import options

if TYPE_CHECKING:
    from pancreasgen.grammar.grammar import Grammar, Word

_MOST_STEPS = 1000
_END = {
    "fixpoint": "no rule matches any more",
    "modules": "the next step would pass the limit of modules",
    "depth": "the next step would pass the limit of depth",
}


@click.command("derive")
@click.argument("grammar", metavar="NAME|FILE")
@click.option("--steps", type=options.Number(0, _MOST_STEPS), help="Number of steps; the file's own limit if small.")
@options.seed()
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Value of a parameter. Repeatable.")
@click.option(
    "--max-modules", type=options.Number(1, 2_000_000), default=2000, show_default=True, help="Where strings are cut."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    grammar: str, steps: int | None, seed: int, overrides: tuple[str, ...], max_modules: int, as_json: bool
) -> int:
    """Print the string of every step, and which rules matched how often.

    Lengths are in mm, angles in degrees. The strings are those that `grow` draws with the same seed.
    """
    from pancreasgen.base.chance import Chance
    from pancreasgen.base.errors import BadInputError, printable
    from pancreasgen.dataset.grammars import find_grammar
    from pancreasgen.dataset.settings import make_settings, parse_overrides
    from pancreasgen.grammar.predict import expected_steps
    from pancreasgen.grammar.uses import needs_organ
    from pancreasgen.look.words import matches_text, word_text

    given = {f"ducts.{key.removeprefix('ducts.')}": value for key, value in parse_overrides(overrides).items()}
    settings = make_settings(find_grammar(grammar), seed=seed, overrides=given)
    if needs_organ(settings.rules):
        raise BadInputError(
            f"the grammar `{settings.rules.id}` needs an organ; derive prints grammars that need none",
            f"pancreasgen grow {grammar} -o ducts.png grows it in one",
        )
    rules = settings.rules.with_values(settings.subject(0).ducts)
    count = expected_steps(rules) if steps is None else steps
    rows = []
    for step, word, matched, reason in derivation_steps(rules, Chance(seed, 0, "growth").key, count):
        text, cut = word_text(word, rules, max_modules), max(len(word) - max_modules, 0)
        if as_json:
            rows.append({"step": step, "num_modules": len(word), "rules": matched, "string": text, "num_cut": cut})
        else:
            made = "axiom" if step == 0 else matches_text(list(matched.items()))
            click.echo(f"step {step}: {options.counted(len(word), 'module')}; {printable(made)}")
            click.echo(f"  {printable(text)}" + (f" … and {cut:,} more (--max-modules)" if cut else ""))
            if reason in _END:
                click.echo(f"here it ends: {_END[reason]}")
    if as_json:
        click.echo(json.dumps({"grammar": rules.id, "seed": seed, "steps": rows}, indent=1, ensure_ascii=False))
    return 0


def derivation_steps(
    grammar: Grammar, key: int, steps: int
) -> Iterator[tuple[int, Word, dict[str, int], str]]:  # fmt: skip
    r"""Yield each step's number, its string, how often each rule matched, and why the derivation ends there.

    The reason is empty where another step follows, and ``steps`` after the last one wanted.

    >>> from pancreasgen.grammar.syntax import parse_grammar
    >>> algae = parse_grammar("lsystem 1\naxiom: A\nproduction:\na: A --> AB\nb: B --> A")
    >>> [(step, len(word), matched) for step, word, matched, _ in derivation_steps(algae, 0, 2)][1:]
    [(1, 2, {'a': 1}), (2, 3, {'a': 1, 'b': 1})]
    """
    from pancreasgen.grammar.rewrite import derive

    matched: dict[int, dict[str, int]] = {}

    def watch(step: int, counts: Mapping[str, int]) -> None:
        matched[step] = dict(counts)

    whole = derive(grammar, key=key, steps=steps, watch=watch)
    for step in range(whole.steps):
        yield step, derive(grammar, key=key, steps=step).word, matched[step] if step else {}, ""
    yield whole.steps, whole.word, matched[whole.steps] if whole.steps else {}, whole.reason
