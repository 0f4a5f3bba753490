"""What every room needs and no room owns: errors, checks, grids and chance. Knows no pancreas."""
