"""Cases as they are needed, without files: what a training loop wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pancreasgen.dataset.attempts import settled_case
from pancreasgen.dataset.build import Case
from pancreasgen.dataset.grammars import DEFAULT, find_grammar
from pancreasgen.dataset.settings import make_settings


def generate(
    num_cases: int | None = None,
    *,
    seed: int = 0,
    population: str | None = None,
    grammar: str = DEFAULT,
    protocol: str = "portal-venous",
    quick: bool = False,
    overrides: Mapping[str, str] | None = None,
) -> Iterator[Case]:
    """Yield cases one after the other; nothing is written. Case k is the same as case k of ``pancreasgen generate``.

    Args:
        num_cases: How many; None for ever.
        seed: Seed of the dataset.
        population: Name of a population of the catalogue; None for the one that the grammar names, else `adult`.
        grammar: Name of a grammar, or path of an ``.lsys`` file.
        protocol: Name of a protocol of the catalogue.
        quick: Coarse numbers.
        overrides: Dotted key → value as text, as for ``--set``.

    Raises:
        PancreasgenError: If a name is unknown or a value impossible; before the first case.
    """
    settings = make_settings(
        find_grammar(grammar), seed=seed, population=population, protocol=protocol, quick=quick, overrides=overrides
    )

    def cases() -> Iterator[Case]:
        index = 0
        while num_cases is None or index < num_cases:
            yield settled_case(settings, index)
            index += 1

    return cases()
