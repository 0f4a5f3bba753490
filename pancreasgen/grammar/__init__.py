"""From text to word: the duct grammar's syntax, its checks, the rewriting engine and the turtle. Knows no pancreas."""
