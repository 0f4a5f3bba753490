"""Settings that cost nothing to make."""

from __future__ import annotations

import pytest

from pancreasgen.dataset.grammars import GrammarText
from pancreasgen.dataset.settings import Settings, make_settings

TEXT = """lsystem 1
title "A stick"
param r_head = 1.6 mm in [0.5, 6] mm "radius at the papilla" source "assumed"
param spread = 40 deg in [10, 80] deg "angle" source "assumed"
axiom: F
production:
  grow: F --> F F
"""


@pytest.fixture
def grammar() -> GrammarText:
    """Return a grammar with two parameters."""
    return GrammarText("stick", TEXT, "stick.lsys")


@pytest.fixture
def settings(grammar: GrammarText) -> Settings:
    """Return coarse settings."""
    return make_settings(grammar, seed=3, quick=True)
