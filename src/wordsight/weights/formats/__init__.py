"""Public checkpoint formats: one file each with `recognise`, `read` and `write`; `table.py` lists them."""
