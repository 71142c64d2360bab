"""Public checkpoint formats: a folder each, whose `format.py` reads and writes; `table.py` lists them."""
