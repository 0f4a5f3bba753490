"""Protocols from files: every fault is told with its line; the catalogue reads as it always did."""

from __future__ import annotations

import pytest

from pancreasgen.base.errors import DiagnosticError
from pancreasgen.catalogue import entries, entry
from pancreasgen.dataset.protocol_file import find_protocol, parse_protocol
from pancreasgen.scan.protocol import load_protocol


@pytest.mark.parametrize("name", entries("protocol"))
def test_the_catalogue_reads_the_same_by_both_doors(name: str) -> None:
    """Name, numbers, and a source for each number that the file gives."""
    found = find_protocol(name)
    assert found.protocol == load_protocol(name)
    assert set(found.sources) == set(entry("protocol", name)["settings"])
    assert all(found.sources.values())


def test_a_file_that_extends_changes_only_what_it_gives() -> None:
    """All other numbers and sources are the base's."""
    text = 'extends = "portal-venous"\n[settings]\nmas = 40\nkvp = { value = 100, source = "card" }\n'
    found, base = parse_protocol("mine", text, "mine.toml"), find_protocol("portal-venous")
    told, old = found.protocol.to_dict(), base.protocol.to_dict()
    assert {key for key in told if told[key] != old[key]} == {"name", "mas", "kvp"}
    assert found.sources["kvp"] == "card"
    assert found.sources["mas"] == "not stated"
    assert found.sources["fov_mm"] == base.sources["fov_mm"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('extends = "thin"\n[settings]\nmass = 3\n', 3, "no setting `mass`"),
        ('extends = "thin"\ntitel = "x"\n', 2, "no field `titel`"),
        ('extends = "tin"\n', 1, "no protocol `tin`"),
        ('extends = "thin"\n[settings]\nkvp = 65\n', 3, "kvp must be a number from 70 to 140"),
        ('extends = "thin"\n[settings]\nkvp = 115\n', 3, "kvp must be one of 70"),
        ('extends = "thin"\n[settings]\nkernel = "sort"\n', 3, "no kernel `sort`"),
        ('extends = "thin"\n[settings]\nmas = "many"\n', 3, "mas must be a number"),
        ('extends = "thin"\n[settings.mas]\nvalue = 3\nsorce = "x"\n', 4, "unknown field `sorce`"),
        ('extends = "thin"\n[settings.mas]\nunit = "mAs"\n', 2, "has no value"),
        ("settings = 3\n", 1, "must be a table"),
        ("a = = 3\n", 1, "not TOML"),
        ("", 0, "missing"),
    ],
)
def test_faults_are_told_with_their_line(text: str, line: int, words: str) -> None:
    """Unknown keys, voltages without a spectrum, wrong values and missing ones."""
    with pytest.raises(DiagnosticError) as caught:
        parse_protocol("mine", text, "mine.toml")
    found = [item for item in caught.value.diagnostics if words in item.message]
    assert found, caught.value.letter()
    assert found[0].line == line
