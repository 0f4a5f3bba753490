"""Grow synthetic pancreases with an L-system grammar and scan them in a virtual CT."""
