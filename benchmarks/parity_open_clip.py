"""Our towers against open_clip's, with the same random weights.

    python benchmarks/parity_open_clip.py [--models ViT-B-32-quickgelu=ViT-B-32 RN50-quickgelu=RN50]

For each pair THEIRS=OURS: builds open_clip's model with random weights (gains, biases and batch-norm
statistics too, and attention made sharp, so that no part is an identity or averages everything), loads its
state dict into ours, strictly, and prints the largest absolute difference of the unit embeddings.  Needs
open_clip_torch; downloads nothing.
"""

import argparse
import importlib
import json
import sys
from typing import Any

import torch

from wordsight.base.records import environment
from wordsight.towers.catalogue import architecture
from wordsight.towers.two import TwoTowers
from wordsight.weights.tensors import fit

PAIRS = ["ViT-B-32-quickgelu=ViT-B-32", "RN50-quickgelu=RN50"]
END = 49407


def scramble(model: torch.nn.Module) -> None:
    """Make every part matter: random gains, biases and statistics, queries and keys four times as large."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.ndim == 1 and name.endswith(("weight", "running_var")):
                value.uniform_(0.5, 1.5)
            elif value.ndim == 1 and name.endswith(("bias", "running_mean")):
                value.normal_(std=0.1)
            elif name.endswith("in_proj_weight"):
                value[: 2 * value.shape[1]] *= 4
            elif name.endswith(("q_proj.weight", "k_proj.weight")):
                value *= 4


def random_tokens(count: int, length: int) -> torch.Tensor:
    """Return (count, length) token rows with one end token each, at different positions in the first half."""
    tokens = torch.zeros(count, length, dtype=torch.int64)
    for row, end in enumerate(torch.randint(4, length // 2, (count,)).tolist()):
        tokens[row, :end] = torch.randint(1, END - 1, (end,))
        tokens[row, 0], tokens[row, end] = END - 1, END
    return tokens


def differences(theirs: Any, ours: TwoTowers, count: int) -> dict[str, float]:
    """Return the largest absolute differences of the unit embeddings."""
    size = ours.spec.image.size
    pixels, tokens = torch.randn(count, 3, size, size), random_tokens(count, ours.spec.text.context_length)
    with torch.inference_mode():
        image = (theirs.encode_image(pixels, normalize=True) - ours.encode_image(pixels)).abs().max()
        text = (theirs.encode_text(tokens, normalize=True) - ours.encode_text(tokens)).abs().max()
        whole = (ours.encode_text(tokens) - ours.encode_text(tokens, trim=False)).abs().max()
    return {"image": float(image), "text": float(text), "trimmed_vs_full_text": float(whole)}


def main() -> int:
    """Print one JSON line for each pair; exit 1 if a difference is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=PAIRS, metavar="THEIRS=OURS")
    parser.add_argument("--count", type=int, default=4, help="pictures and texts compared")
    parser.add_argument("--limit", type=float, default=1e-5)
    args = parser.parse_args()
    open_clip: Any = importlib.import_module("open_clip")

    worst = 0.0
    for pair in args.models:
        name, _, own = pair.partition("=")
        torch.manual_seed(0)
        theirs = open_clip.create_model(name, pretrained=None).eval()
        scramble(theirs)
        ours = fit(architecture(own), theirs.state_dict(), where=f"open_clip's {name}")
        measured = differences(theirs, ours, args.count)
        worst = max(worst, *measured.values())
        print(json.dumps({"theirs": name, "ours": own, "open_clip": open_clip.__version__, **measured}), flush=True)
    print(json.dumps(environment()))
    return 0 if worst <= args.limit else 1


if __name__ == "__main__":
    sys.exit(main())
