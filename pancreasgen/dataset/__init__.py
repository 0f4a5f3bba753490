"""Recipes, cases and their files: the only room that touches the disk."""
