"""Ducts → tissue on a grid: the gland, its ducts and an abdomen around them."""
