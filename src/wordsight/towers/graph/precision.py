"""The precisions that graphs are made in."""

from typing import Literal

Precision = Literal["int8", "fp32", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("int8", "fp32", "fp16")  # the preferred one first
SUMS = "16-bit"  # what an int8 graph states as its "sums" when 16 bits hold those of two products, on any processor
