"""Containers of tensors, each read without executing anything from it; `table.py` lists them."""
