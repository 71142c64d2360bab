"""How far guidance lifts the right sentence among 64: pixels by themselves, and a small decoder of drawn scenes.

    python benchmarks/guided.py --model FOLDER [--sentences 16] [--steps 60] [--record FILE]

FOLDER: a small model of drawn scenes, as `wordsight demo DIR` leaves in DIR/run/model.  For each of some of the 64
sentences "a red circle" the pixels of a grey image with noise, and then the input of the decoder, are changed so that
the guidance falls.  The decoder is learned on the spot from 640 drawn scenes: their principal components, whose
coefficients begin near 0, the mean scene.  Prints the rank of the right sentence among all 64 before and after, by the
model that guided and by the bundled model, which did not.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wordsight.data.scenes import all_pairs, scenes
from wordsight.embeddings.model import load
from wordsight.guidance import Guidance, Views, prepared, text_embeddings
from wordsight.text.caption_phrases import article
from wordsight.towers.two import TwoTowers
from wordsight.weights.folder import load_towers

SIDE = 64
COEFFICIENTS = 96
SENTENCES = [f"{article(colour)} {colour} {shape}" for colour, shape in all_pairs()]


class Decoder:
    """The mean scene and the ways in which scenes differ most: coefficients (B, n) to images (B, 3, 64, 64) in 0..1.

    A coefficient is in standard deviations of the scenes.
    """

    def __init__(self, images: Tensor, count: int) -> None:
        flat = images.flatten(1)
        self.mean = flat.mean(dim=0)
        _, sizes, self.ways = torch.pca_lowrank(flat, count, niter=4)  # (n,), (3 x 64 x 64, n)
        self.deviations = sizes / len(images) ** 0.5
        rest = (flat - self.mean).square().mean() - self.deviations.square().sum() / flat.shape[1]
        print(
            f"decoder: {count} coefficients leave {100 * rest / (flat - self.mean).square().mean():.0f} % of variance"
        )

    def __call__(self, coefficients: Tensor) -> Tensor:
        """Draw."""
        flat = self.mean + (coefficients * self.deviations) @ self.ways.T
        return flat.view(-1, 3, SIDE, SIDE).clamp(0, 1)


def guided(
    guidance: Guidance, start: Tensor, image_of: Callable[[Tensor], Tensor], *, steps: int, rate: float
) -> tuple[Tensor, Tensor]:
    """Return the image before and after `steps` of Adam on what it is made of."""
    made_of = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([made_of], lr=rate)
    draw = torch.Generator().manual_seed(1)
    for _ in range(steps):
        optimiser.zero_grad()
        guidance(image_of(made_of), generator=draw).backward()
        optimiser.step()
    with torch.no_grad():
        return image_of(start), image_of(made_of)


def rank_of(cosines: np.ndarray, right: int) -> int:
    return int((cosines > cosines[right]).sum()) + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--sentences", type=int, default=16)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--record", type=Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    begun = time.process_time()
    towers = load_towers(args.model).requires_grad_(False)
    judge = load("bundled")
    drawn = np.array([one.image for one in scenes(640, pairs=all_pairs(), seed=7)])
    images = F.interpolate(torch.from_numpy(drawn).permute(0, 3, 1, 2) / 255, SIDE, mode="bilinear", antialias=True)
    print(f"{time.process_time() - begun:.0f} s: scenes drawn", flush=True)
    decoder = Decoder(images, COEFFICIENTS)
    starts = {
        "pixels": (lambda: 0.5 + 0.05 * torch.randn(1, 3, SIDE, SIDE), lambda x: x.clamp(0, 1), 0.02),
        "decoder": (lambda: 0.3 * torch.randn(1, COEFFICIENTS), decoder, 0.1),
    }
    texts, of_judge = text_embeddings(towers, SENTENCES, folder=args.model), judge.embed_texts(SENTENCES)
    chosen = np.linspace(0, len(SENTENCES) - 1, args.sentences).round().astype(int).tolist()
    for name, (start, image_of, rate) in starts.items():
        ranks = []
        for right in chosen:
            guidance = Guidance(towers, [SENTENCES[right]], views=Views(4, smallest=0.7), folder=args.model)
            pair = guided(guidance, start(), image_of, steps=args.steps, rate=rate)
            ranks.append(
                measured(towers, texts, judge.embed_images(map(as_bytes, pair)) @ of_judge.T, pair=pair, right=right)
            )
        report(name, np.array(ranks), args)
    print(f"{time.process_time() - begun:.0f} s of CPU time")


def measured(
    towers: TwoTowers, texts: Tensor, judged: np.ndarray, *, pair: tuple[Tensor, Tensor], right: int
) -> list[int]:
    """Return the ranks before and after, by the guiding model, and by the judge."""
    own = [(towers.encode_image(prepared(one, towers.spec.preprocess)) @ texts.T)[0].numpy() for one in pair]
    return [*(rank_of(one, right) for one in own), *(rank_of(one, right) for one in judged)]


def as_bytes(image: Tensor) -> np.ndarray:
    return (image[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def report(name: str, ranks: np.ndarray, args: argparse.Namespace) -> None:
    for by, before, after in (("the guiding model", 0, 1), ("the bundled model", 2, 3)):
        row = {
            "made of": name,
            "by": by,
            "sentences": len(ranks),
            "steps": args.steps,
            "mean rank before": round(float(ranks[:, before].mean()), 2),
            "after": round(float(ranks[:, after].mean()), 2),
            "first before": round(float((ranks[:, before] == 1).mean()), 4),
            "first after": round(float((ranks[:, after] == 1).mean()), 4),
        }
        print(json.dumps(row), flush=True)
        if args.record:
            with args.record.open("a") as handle:
                handle.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
