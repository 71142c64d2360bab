"""How far guidance lifts the right sentence among 64: pixels by themselves, and a small decoder of drawn scenes.

    python benchmarks/guided.py --model FOLDER [--sentences 16] [--steps 60] [--record FILE]

FOLDER: a small model of drawn scenes, as `wordsight demo DIR` leaves in DIR/run/model.  For each of some of the 64
sentences "a red circle" the pixels of a grey image with noise, and then the input of the decoder, are changed so that
the guidance falls.  The decoder learned on the spot to draw scenes from their embeddings (mean squared error); its
input begins as the mean embedding of the scenes with noise, in their standard deviations.  Prints the rank of the
right sentence among all 64 before and after, by the model that guided and by the bundled model, which did not.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wordsight.data.scenes import all_pairs, scenes
from wordsight.embeddings.model import load
from wordsight.guidance import Guidance, Views, prepared, text_embeddings
from wordsight.text.caption_phrases import article
from wordsight.towers.two import TwoTowers
from wordsight.weights.folder import load_towers

SIDE = 64
SENTENCES = [f"{article(colour)} {colour} {shape}" for colour, shape in all_pairs()]


class Decoder(nn.Module):
    """Embeddings, less their mean and in their standard deviations, (B, E), to images (B, 3, 64, 64) in 0..1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, 64 * 8 * 8)
        self.rest = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(64, 32, 3, padding=1), nn.GELU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, padding=1), nn.GELU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(16, 3, 3, padding=1),
        )  # fmt: skip

    def forward(self, embeddings: Tensor) -> Tensor:
        """Draw."""
        return torch.sigmoid(self.rest(F.gelu(self.first(embeddings)).view(-1, 64, 8, 8)))


def learned_decoder(images: Tensor, embeddings: Tensor, steps: int) -> Decoder:
    decoder = Decoder(embeddings.shape[1])
    optimiser = torch.optim.Adam(decoder.parameters(), lr=4e-3)
    draw = torch.Generator().manual_seed(0)
    for _ in range(steps):
        batch = torch.randint(len(images), (16,), generator=draw)
        loss = F.mse_loss(decoder(embeddings[batch]), images[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"decoder: mean squared error {loss.item():.4f}, of the mean image {images.var(dim=0).mean():.4f}")
    return decoder.requires_grad_(False)


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
    embeddings = torch.cat([towers.encode_image(prepared(part, towers.spec.preprocess)) for part in images.split(100)])
    standard = (embeddings - embeddings.mean(dim=0)) / embeddings.std(dim=0)
    decoder = learned_decoder(images, standard, 300)
    starts = {
        "pixels": (lambda: 0.5 + 0.05 * torch.randn(1, 3, SIDE, SIDE), lambda x: x.clamp(0, 1), 0.02),
        "decoder": (lambda: 0.3 * torch.randn_like(standard[:1]), decoder, 0.1),
    }
    texts, of_judge = text_embeddings(towers, SENTENCES, folder=args.model), judge.embed_texts(SENTENCES)
    chosen = np.linspace(0, len(SENTENCES) - 1, args.sentences).round().astype(int).tolist()
    for name, (start, image_of, rate) in starts.items():
        ranks = []
        for right in chosen:
            guidance = Guidance(towers, [SENTENCES[right]], views=Views(4, smallest=0.7), folder=args.model)
            pair = guided(guidance, start(), image_of, steps=args.steps, rate=rate)
            ranks.append(measured(towers, texts, judge.embed_images(map(as_bytes, pair)) @ of_judge.T, pair, right))
        report(name, np.array(ranks), args)
    print(f"{time.process_time() - begun:.0f} s of CPU time")


def measured(towers: TwoTowers, texts: Tensor, judged: np.ndarray, pair: tuple[Tensor, Tensor], right: int) -> list:
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
