"""Public architectures at their true sizes: other libraries build them with random weights, we read what they save.

    python benchmarks/parity.py                                     # every row
    python benchmarks/parity.py ViT-B-32 transformers/siglip --out benchmarks/results

Each row: the other library builds and saves the model, `read_any` reads it, images go through both preprocessings (ours
pixel-exact), token ids through both text towers; the largest difference between numbers of unit embeddings is printed
and must be at most 1e-5.  Small vocabularies stand in for tokenizers that only a hub has (their rows compare token ids,
not texts).  Needs open_clip_torch, timm, transformers and clip-anytorch.
"""

import argparse
import importlib.metadata
import json
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import packaging.version
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

_OPERATORS = torch.library.Library("torchvision", "DEF")  # the CPU build of PyTorch has no compiled torchvision
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from wordsight.base.records import append_line, environment
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels, normalise
from wordsight.weights.formats.table import read_any
from wordsight.weights.tensors import fit

LIMIT = 1e-5
COUNT = 4  # pictures, and texts
Embeddings = np.ndarray


@dataclass
class Neighbour:
    """A model that another library built and saved at `path`."""

    distribution: str
    path: Path
    images: Callable[[list[Image.Image]], torch.Tensor]
    texts: Callable[[torch.Tensor], torch.Tensor]


def shake(model: torch.nn.Module) -> torch.nn.Module:
    """Move every number off its initial value, so that no part is an identity."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not value.is_floating_point():
                continue
            if name.endswith("running_var"):
                value.mul_(torch.rand_like(value) * 0.2 + 0.9)
            elif (value.ndim <= 1 and "logit" not in name and "temperature" not in name) or bool((value == 0).all()):
                value.add_(torch.randn_like(value) * 0.02)
    return model.eval()


def settle(tower: torch.nn.Module, size: int) -> None:
    """Give batch norms the statistics of some images: with others a deep random tower maps all to one point."""
    norms = [part for part in tower.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    if norms:
        with torch.no_grad():
            coarse = torch.randn(16, 3, size // 16, size // 16)  # patches of colour, as the pictures that follow
            tower(torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear"))
    tower.eval()


def vocabulary(size: int) -> str:
    """Return the JSON of a tokenizer with `size` tokens."""
    special = ["[PAD]", "[UNK]", "[SEP]", "[CLS]"]
    words = {name: number for number, name in enumerate([*special, *(f"w{temporary}" for temporary in range(4, size))])}
    made = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made.to_str()


def openclip(name: str, folder: Path) -> Neighbour:
    """Build one of open_clip's configurations and save it as a hub folder."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    torch.manual_seed(0)
    model = shake(open_clip.create_model(name, pretrained=None))
    side = model.visual.image_size
    settle(model.visual, side if isinstance(side, int) else side[0])
    config = open_clip.get_model_config(name)
    tags = list_pretrained_tags_by_model(name)
    published = get_pretrained_cfg(name, tags[0]) if tags else {}
    kept = ("mean", "std", "interpolation", "resize_mode")
    cfg = {key: published[key] for key in kept if published.get(key) is not None}
    preprocess = open_clip.transform.PreprocessCfg(size=model.visual.image_size, **cfg)
    values = {"model_cfg": config, "preprocess_cfg": cfg}
    (folder / "open_clip_config.json").write_text(json.dumps(values))
    if config["text_cfg"].get("hf_tokenizer_name") or config["text_cfg"].get("hf_model_name"):
        (folder / "tokenizer.json").write_text(vocabulary(1000))
        if config["text_cfg"].get("hf_model_name"):
            (folder / "config.json").write_text(model.text.config.to_json_string())
    save_file(
        {key: value.contiguous().clone() for key, value in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    transform = open_clip.transform.image_transform_v2(preprocess, is_train=False)
    return Neighbour(
        "open_clip_torch",
        folder,
        lambda originals: model.encode_image(torch.stack([transform(one) for one in originals])),
        model.encode_text,
    )


def openai(name: str, folder: Path) -> Neighbour:
    """Build OpenAI's model at the sizes of ViT-B/32 or RN50 and save its state dict."""
    sys.modules.setdefault(
        "pkg_resources", types.ModuleType("pkg_resources")
    ).packaging = packaging  # gone since setuptools 81
    from clip.model import CLIP
    from torchvision import transforms as t

    layers, width, patch = {"ViT-B-32": (12, 768, 32), "RN50": ((3, 4, 6, 3), 64, None)}[name]
    embed = 512 if patch else 1024
    torch.manual_seed(0)
    model = shake(CLIP(embed, 224, layers, width, patch, 77, 49408, 512, 8, 12))
    path = folder / f"{name}.pt"
    stated = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}  # which OpenAI's own files hold
    torch.save({**model.state_dict(), **{key: torch.tensor(value) for key, value in stated.items()}}, path)
    spec = PreprocessSpec()
    steps = [t.Resize(224, t.InterpolationMode.BICUBIC), t.CenterCrop(224), lambda one: one.convert("RGB")]
    transform = t.Compose([*steps, t.ToTensor(), t.Normalize(spec.mean, spec.std)])  # clip/clip.py, _transform
    return Neighbour(
        "clip-anytorch",
        path,
        lambda originals: model.encode_image(torch.stack([transform(one) for one in originals])),
        model.encode_text,
    )


def huggingface(name: str, folder: Path) -> Neighbour:
    """Build one of transformers' models at the sizes of its default configuration and save it with its processor."""
    import transformers as t

    kinds: dict[str, tuple[Any, Any, Any]] = {
        "clip": (t.CLIPModel, t.CLIPConfig, t.CLIPImageProcessorPil),
        "siglip": (t.SiglipModel, t.SiglipConfig, t.SiglipImageProcessorPil),
        "chinese_clip": (t.ChineseCLIPModel, t.ChineseCLIPConfig, t.ChineseCLIPImageProcessorPil),
        "align": (t.AlignModel, t.AlignConfig, t.EfficientNetImageProcessorPil),
    }
    kind, config, processor = kinds[name]
    torch.manual_seed(0)
    model = shake(kind(config()))
    settle(model.vision_model, model.config.vision_config.image_size)
    model.save_pretrained(folder)
    pixels = processor()
    pixels.save_pretrained(folder)
    size = model.config.text_config.vocab_size
    if name != "clip":
        (folder / "tokenizer.json").write_text(vocabulary(min(size, 1000)))
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"pad_token": "[PAD]", "tokenizer_class": "BertTokenizer"})
        )

    def images(originals: list[Image.Image]) -> torch.Tensor:
        batch = pixels([one.convert("RGB") for one in originals], return_tensors="pt")
        return rows(model.get_image_features(**batch))

    def texts(tokens: torch.Tensor) -> torch.Tensor:
        mask = (tokens != 0).long() if name in ("chinese_clip", "align") else None
        return rows(model.get_text_features(input_ids=tokens.long(), attention_mask=mask))

    return Neighbour("transformers", folder, images, texts)


def rows(output: Any) -> torch.Tensor:
    """Return the embeddings in transformers' output, which is themselves in older versions."""
    result: torch.Tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    return result


CASES: dict[str, tuple[Callable[[str, Path], Neighbour], str]] = {
    **{
        name: (openclip, name)
        for name in (
            "ViT-B-32 ViT-B-16 RN50 ViT-L-14-CLIPA ViT-B-16-SigLIP ViT-B-16-SigLIP2 coca_ViT-B-32 EVA02-B-16 "
            "PE-Core-B-16 PE-Core-S-16-384 MobileCLIP-S1 MobileCLIP-S2 MobileCLIP-B MobileCLIP2-S0 "
            "convnext_base_w ViTamin-S"
        ).split()
    },
    "openai/ViT-B-32": (openai, "ViT-B-32"),
    "openai/RN50": (openai, "RN50"),
    **{f"transformers/{name}": (huggingface, name) for name in ("clip", "siglip", "chinese_clip", "align")},
}


def compare(name: str) -> dict[str, Any]:
    """Build, save, read and compare one row."""
    build, kind = CASES[name]
    with tempfile.TemporaryDirectory() as temporary, torch.inference_mode():
        neighbour = build(kind, Path(temporary))
        start = time.perf_counter()
        checkpoint = read_any(neighbour.path)
        towers = fit(checkpoint.spec, checkpoint.state, where=name)
        seconds = time.perf_counter() - start
        spec = checkpoint.spec
        originals, tokens = some_images(), some_tokens(spec)
        pixels = np.stack([load_pixels(one, spec.preprocess, quality="exact") for one in originals])
        worst = {
            "image": differ(
                towers.encode_image(torch.from_numpy(normalise(pixels, spec.preprocess))), neighbour.images(originals)
            ),
            "text": differ(towers.encode_text(tokens), neighbour.texts(tokens)),
        }
    parameters = sum(value.numel() for value in towers.parameters()) / 1e6
    version = importlib.metadata.version(neighbour.distribution)
    return {
        "row": name,
        "neighbour": f"{neighbour.distribution} {version}",
        "parameters": round(parameters, 1),
        "read_s": round(seconds, 1),
        **worst,
    }


def some_images() -> list[Image.Image]:
    """Return images of odd sizes and modes."""
    random = np.random.default_rng(0)
    sizes = [(301, 517), (640, 413), (97, 301), (224, 224)][:COUNT]
    made = []
    for height, width in sizes:
        coarse = random.integers(0, 255, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
        made.append(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    made[1] = made[1].convert("L")
    return made


def some_tokens(spec: Any) -> torch.Tensor:
    """Return random ids (B, L), ended and padded as the model's texts are."""
    random = np.random.default_rng(0)
    length, size = spec.text.context_length, spec.text.vocabulary_size
    tokens = np.full((COUNT, length), spec.tokenizer.pad_id)
    end = spec.text.end_id if spec.text.end_id is not None else size - 1
    for row, count in zip(tokens, (3, 9, length // 2, length - 1), strict=True):
        row[:count] = random.integers(5, min(size - 10, 900), count)
        row[count] = end
    return torch.from_numpy(tokens.astype(np.int32))


def differ(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the largest difference between unit embeddings; equal ones for all inputs would show nothing."""
    theirs = torch.nn.functional.normalize(theirs.float(), dim=-1)
    spread = float((theirs - theirs.mean(dim=0)).abs().max())
    assert spread > 10 * LIMIT, f"the neighbour's rows are all alike ({spread:.1e})"
    return float((ours - theirs).abs().max())


def main() -> int:
    """Run the rows asked for, print them, and return 1 when one is worse than the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help="names of rows (default: all)", choices=[*CASES, []])
    parser.add_argument("--out", type=Path, help="a folder to add a line of results to")
    args = parser.parse_args()
    wanted = [name for name in CASES if not args.rows or name in args.rows]
    results = []
    for name in wanted:
        results.append(compare(name))
        print(json.dumps(results[-1]), flush=True)
    if args.out:
        append_line(args.out / "parity.jsonl", {"environment": environment(), "rows": results})
    return int(any(max(row["image"], row["text"]) > LIMIT for row in results))


if __name__ == "__main__":
    sys.exit(main())
