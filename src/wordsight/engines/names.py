"""What devices and precisions are called, and the refusal of names that are none.

Whether a device is there, and what an engine computes in, is the business of each engine.
"""

from wordsight.base.errors import UsageError
from wordsight.base.suggest import suggest

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")  # PyTorch's; a number may follow: cuda:1
PRECISIONS = ("auto", "int8", "fp16", "bf16", "fp32")


def check_device(name: str) -> None:
    """Raise `UsageError` for a name that no device has."""
    kind, colon, number = name.partition(":")
    if kind.lower() == "gpu":
        raise UsageError(f"no device {name!r}", cure="use cuda for a GPU of NVIDIA or AMD, mps for one of Apple")
    if kind not in DEVICES:
        raise UsageError(f"no device {name!r}", cure=suggest(kind, DEVICES))
    if colon and not number.isdecimal():
        raise UsageError(f"no device {name!r}", cure=f"give a number, for example {kind}:0")


def check_precision(name: str) -> None:
    """Raise `UsageError` for a name that no precision has."""
    if name not in PRECISIONS:
        raise UsageError(f"no precision {name!r}", cure=suggest(name, PRECISIONS))
