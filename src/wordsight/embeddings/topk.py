"""Exact nearest rows, blockwise: `top_k(queries, rows, k)`.

It is the index's own search over plain arrays, offered here because rows are what this room makes.
"""

from wordsight.index.topk import Nearest, top_k

__all__ = ["Nearest", "top_k"]
