"""open_clip's models with random weights, as open_clip builds them and as our model folder; shared by benchmarks.

    theirs, folder = built("ViT-B-32-quickgelu", Path("somewhere"))

A tokenizer that only a hub has is replaced by CLIP's: the text tower keeps its shape, its vocabulary is CLIP's.
Needs open_clip_torch.
"""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import normalise
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.folder import save_checkpoint
from wordsight.weights.formats.openclip import format as openclip

_OPERATORS = torch.library.Library("torchvision", "DEF")  # the CPU build of PyTorch has no compiled torchvision
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

MODELS = {  # the names of tables, and open_clip's
    "ViT-B-32": "ViT-B-32-quickgelu",
    "ViT-B-16": "ViT-B-16-quickgelu",
    "ViT-L-14": "ViT-L-14-quickgelu",
    "SigLIP-B-16": "ViT-B-16-SigLIP",
    "RN50": "RN50-quickgelu",
}
CLIP_VOCABULARY = 49408
WHO = "a the one two old young small red green happy".split()
WHAT = "dog child woman bird car house tree boat table horse".split()
WHERE = "in on under behind beside near before across above along".split()


def built(name: str, temporary: Path) -> tuple[Any, Path]:
    """Return open_clip's model of that name, fp32 with random weights, and our model folder with the same."""
    import open_clip

    cfg = copy.deepcopy(open_clip.get_model_config(MODELS.get(name, name)))
    if cfg is None:
        raise SystemExit(f"open_clip has no model {name!r}; names of this script: {', '.join(MODELS)}")
    text = cfg["text_cfg"]
    if text.pop("hf_tokenizer_name", None):
        text["vocab_size"] = CLIP_VOCABULARY
        text.pop("tokenizer_kwargs", None)
    vision = cfg["vision_cfg"]
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    torch.manual_seed(0)
    kind = open_clip.CustomTextCLIP if cfg.get("custom_text") else open_clip.CLIP
    model = kind(**{key: value for key, value in cfg.items() if key != "custom_text"}).eval()
    theirs, ours = temporary / "theirs", temporary / name
    theirs.mkdir(parents=True, exist_ok=True)
    (theirs / "open_clip_config.json").write_text(json.dumps({"model_cfg": cfg, "preprocess_cfg": {}}))
    state = {key: value.contiguous().clone() for key, value in model.state_dict().items()}
    save_file(state, theirs / "open_clip_model.safetensors")
    save_checkpoint(openclip.read(CheckpointFiles(theirs)), ours)
    return model, ours


def normal(pixels: np.ndarray, spec: PreprocessSpec, kind: torch.dtype) -> torch.Tensor:
    """Return what open_clip's image towers take for uint8 (B, S, S, 3)."""
    return torch.from_numpy(normalise(pixels, spec)).to(kind)


def captions(count: int) -> list[str]:
    """Return captions of ten words."""
    random = np.random.default_rng(0)

    def one(choices: list[str]) -> str:
        return choices[random.integers(len(choices))]

    return [
        f"a {one(WHO)} {one(WHAT)} {one(WHERE)} the {one(WHO)} {one(WHAT)} {one(WHERE)} the {one(WHAT)}"
        for _ in range(count)
    ]
