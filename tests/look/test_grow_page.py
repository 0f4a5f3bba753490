"""The page with ducts in space: what it holds is what grew, and nothing in it can come alive that should not."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.typing import NDArray

from pancreasgen.look.ducts import COLOURS
from pancreasgen.look.grow_page import DARK, LIGHT, ducts_page, tree_fields
from pancreasgen.network.network import DuctNetwork

EVIL = '</title></script><script>alert(1)</script><img src=x onerror=alert(2)> \u202e & "quoted" $TREE'


def _network(count: int = 40, size_mm: float = 200.0) -> DuctNetwork:
    chance = np.random.default_rng(3)
    nodes = chance.uniform(0, size_mm, (count + 1, 3))
    nodes[:2, 0] = 0, size_mm
    segments = np.column_stack([[chance.integers(0, k + 1) for k in range(count)], np.arange(1, count + 1)])
    kind = chance.integers(1, 5, count).astype("u1")
    return DuctNetwork(nodes, chance.uniform(0.02, 2, count + 1), segments, kind, chance.integers(0, 9, count))


def _array(text: str, dtype: str) -> NDArray[np.int64]:
    return np.frombuffer(base64.b64decode(text), dtype).astype(np.int64)


class _Reader(HTMLParser):
    """Collects the elements of a page, their addresses, and the text of scripts."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.tags[-1] if self.tags else "", []).append(data)


def test_the_page_holds_the_ducts() -> None:
    """Unpacked as its script does, positions are right to 0.01 mm, radii to 0.1 µm, ends and orders exactly."""
    network = _network()
    fields = tree_fields(network)
    low, high = network.nodes_mm.min(axis=0), network.nodes_mm.max(axis=0)
    nodes = (_array(fields["nodes"], "<u2").reshape(-1, 3) - 32767.5) * fields["step_mm"] + 0.5 * (low + high)
    assert np.abs(nodes - network.nodes_mm).max() < 0.01
    assert (_array(fields["segments"], "<u4").reshape(-1, 2) == network.segments).all()
    radii = _array(fields["radii"], "<u2").reshape(-1, 2) * fields["radius_step_mm"]
    assert np.abs(radii - network.capsule_radii_mm).max() < 1e-4
    groups = _array(fields["groups"], "u1")
    assert (groups == np.where(network.kind == 2, 6, np.minimum(network.order, 5))).all()
    assert fields["present"] == sorted(set(groups.tolist()))


def test_lines_without_a_gland_stay_slim() -> None:
    """Where no grammar gives a radius, no line is wider than a fifth of the median length."""
    network = _network(size_mm=2.0)
    fields = tree_fields(network, free=True)
    assert _array(fields["radii"], "<u2").max() * fields["radius_step_mm"] == pytest.approx(
        0.1 * np.median(network.lengths_mm)
    )


def test_a_large_tree_stays_small() -> None:
    """30,000 segments take less than 1 MB, and the page is the same for the same ducts."""
    network = _network(30_000)
    page = ducts_page(network, "large")
    assert len(page) < 1_000_000
    assert page == ducts_page(network, "large")


def test_text_from_a_grammar_is_inert() -> None:
    """Whatever a title or letter holds, the page has the same elements as with plain words."""
    plain = _Reader(ducts_page(_network(), "plain", error="plain", reload=True))
    evil = _Reader(ducts_page(_network(), EVIL, error=EVIL, reload=True))
    assert evil.tags == plain.tags
    assert [name for name, _ in evil.attributes] == [name for name, _ in plain.attributes]
    assert "alert(1)" in "".join(evil.texts["h1"])
    assert "\u202e" not in "".join(evil.texts["h1"])
    assert evil.texts["script"] == plain.texts["script"]


def test_nothing_is_loaded_from_elsewhere() -> None:
    """No element has an address, and the policy allows the page's own script by its hash and nothing else."""
    page = ducts_page(_network(), "t")
    reader = _Reader(page)
    assert not {"src", "href", "srcset", "data", "action"} & {name for name, _ in reader.attributes}
    assert not {"link", "img", "iframe", "object", "form", "base"} & set(reader.tags)
    assert b"http" not in re.sub(rb"http-equiv", b"", page)
    (policy,) = (value for name, value in reader.attributes if name == "content" and value and "script-src" in value)
    script = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0]).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_a_page_before_anything_grew() -> None:
    """It has the letter and no tree; without a letter it has no alert; it reloads only where that is wanted."""
    page = ducts_page(None, "t", error="error: x", reload=True).decode()
    assert '<pre id="error" role="alert">error: x</pre>' in page
    (data,) = re.findall(r'id="tree">(.*?)</script>', page)
    assert json.loads(data) == {"reload_s": 2}
    still = ducts_page(_network(), "t").decode()
    assert 'role="alert"' not in still
    assert "refresh" not in still[: still.index("<style>")]


def test_colours_are_those_of_the_picture_and_can_be_seen() -> None:
    """On the dark ground they are the PNG's; on either ground each has a contrast of at least 3 to 1 (WCAG 1.4.11)."""
    assert DARK[:-1] == COLOURS
    for colours, ground in ((DARK, "#101216"), (LIGHT, "#ffffff")):
        for colour in colours:
            low, high = sorted((_luminance(colour), _luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 3, colour


def _luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
