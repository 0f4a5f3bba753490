"""Variation: what may change while something else must not."""
