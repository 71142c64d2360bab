"""open_clip's own trainer on the same data, tower shapes and number of samples seen, measured by our evaluation.

    python benchmarks/open_clip_trainer.py prepare RECIPE --set data.root=DIR --work WORK
    python benchmarks/open_clip_trainer.py train --work WORK --epochs 2 [-- more options of open_clip_train]
    python benchmarks/open_clip_trainer.py evaluate RECIPE --set data.root=DIR --work WORK --tasks T,... --out FILE

`prepare` writes every image of the recipe's sources once and a table with a row for each of its captions (a
class name becomes "a photo of a NAME."); `train` calls `open_clip_train.main` on it, with the model
configuration written from the recipe's towers.  A modified ResNet is the same architecture in both; of a
Vision Transformer width, layers, heads, patch and image size are the same, but patch stem, class token and
positions are open_clip's own.  Its text tower has the same shape and its own 49,408-entry vocabulary.  Needs
open_clip_torch, pandas and a torchvision, in an environment of their own.
"""

import argparse
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from wordsight.base.records import append_line, environment
from wordsight.data.source import open_source
from wordsight.evaluate.building import build_task
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import read_task
from wordsight.text.prompts import clean_class_name
from wordsight.train.config import TrainConfig
from wordsight.train.recipe import read_recipe

NAME = "compared"


def import_open_clip() -> Any:
    """Import open_clip beside a PyTorch for which torchvision's compiled operators do not load."""
    global _library
    if not torch.cuda.is_available():
        _library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import open_clip

    return open_clip


def prepare(config: TrainConfig, work: Path) -> None:
    """Write WORK/pictures, WORK/train.tsv and WORK/models/compared.json."""
    folder_of_images = work / "pictures"
    folder_of_images.mkdir(parents=True, exist_ok=True)
    rows = ["filepath\ttitle"]
    for name, source in config.data.sources.items():
        opened = open_source(Path(config.data.root) / source.place, split=source.split, kind=source.kind)
        for number, sample in enumerate(opened.samples()):
            path = folder_of_images / f"{name}-{number:06d}"
            path.write_bytes(sample.image if isinstance(sample.image, bytes) else Path(str(sample.image)).read_bytes())
            texts = sample.texts or [f"a photo of a {clean_class_name(sample.label or '')[0]}."]
            rows += [f"{path}\t{' '.join(text.replace(chr(34), '').split())}" for text in texts]
    (work / "train.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (work / "models").mkdir(exist_ok=True)
    (work / "models" / f"{NAME}.json").write_text(json.dumps(model_config(config)))
    print(f"{len(rows) - 1} pairs")


def model_config(config: TrainConfig) -> dict[str, Any]:
    """Return open_clip's model configuration of the recipe's towers."""
    image, text = config.model.image, config.model.text
    shape: dict[str, Any] = {"image_size": image.size, "width": image.width}
    if image.kind == "resnet":
        shape |= {"layers": list(image.stages), "head_width": image.width * 32 // image.heads, "patch_size": None}
    else:
        shape |= {"layers": image.layers, "head_width": image.width // image.heads, "patch_size": image.patch}
    return {
        "embed_dim": config.model.width,
        "vision_cfg": shape,
        "text_cfg": {
            "context_length": text.context_length,
            "vocab_size": 49408,
            "width": text.width,
            "heads": text.heads,
            "layers": text.layers,
        },
    }


def train(work: Path, epochs: int, more: list[str]) -> None:
    """Run open_clip's trainer."""
    import_open_clip().add_model_config(work / "models")
    from open_clip_train.main import main as open_clip_main

    options = {
        "model": NAME,
        "train-data": work / "train.tsv",
        "dataset-type": "csv",
        "epochs": epochs,
        "logs": work / "logs",
        "name": NAME,
        "batch-size": 256,
        "precision": "amp_bf16",
        "workers": 1,
        "lr": 1e-3,
        "wd": 0.2,
        "warmup": 80,
        "log-every-n-steps": 20,
    }
    open_clip_main([f"--{key}={value}" for key, value in options.items()] + more)


class OpenClipEncoder:
    """A checkpoint of open_clip's trainer as an encoder, with its own preprocessing and tokenizer."""

    def __init__(self, work: Path, checkpoint: Path) -> None:
        open_clip = import_open_clip()
        open_clip.add_model_config(work / "models")
        self.model, _, self.preprocess = open_clip.create_model_and_transforms(NAME, pretrained=str(checkpoint))
        self.model.eval()
        self.tokenizer = open_clip.get_tokenizer(NAME)
        self.fingerprint = f"open_clip {open_clip.__version__}"

    def embed_images(self, items: list[Any]) -> np.ndarray:
        """Return unit embeddings (n, D) of encoded images."""
        opened = [Image.open(io.BytesIO(item) if isinstance(item, bytes) else item) for item in items]
        with torch.inference_mode():
            rows = self.model.encode_image(torch.stack([self.preprocess(p) for p in opened]), normalize=True)
        return rows.float().numpy()

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        """Return unit embeddings (n, D)."""
        with torch.inference_mode():
            return self.model.encode_text(self.tokenizer(list(texts)), normalize=True).float().numpy()


def evaluate(config: TrainConfig, work: Path, *, checkpoint: Path, tasks: str, out: Path) -> None:
    """Append one line a result to `out`."""
    encoder = OpenClipEncoder(work, checkpoint)
    facts = environment()
    for text in tasks.split(","):
        for result in run_task(encoder, build_task(read_task(text), root=Path(config.data.root))).results:
            print(result.name, round(result.value, 4), result.interval)
            append_line(out, {**json.loads(result.to_json()), "environment": facts})


def main() -> None:
    """Read the command line and do one of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "train", "evaluate"))
    parser.add_argument("recipe", nargs="?", default="wordsight-small")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--tasks", default="retrieval:flickr8k?split=val")
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"))
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    args = parser.parse_args(arguments[:cut])
    if args.step == "train":
        train(args.work, args.epochs, arguments[cut + 1 :])
        return
    config = read_recipe(args.recipe, args.set)
    if args.step == "prepare":
        prepare(config, args.work)
    else:
        checkpoint = args.checkpoint or args.work / "logs" / NAME / "checkpoints" / f"epoch_{args.epochs}.pt"
        evaluate(config, args.work, checkpoint=checkpoint, tasks=args.tasks, out=args.out)


if __name__ == "__main__":
    main()
