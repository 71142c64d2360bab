"""Embeddings by EVA-CLIP's and Perception Encoder's own code, kept for the parity tests: tests/parity/data/*.json.

    python benchmarks/golden_towers.py eva        CHECKOUT_OF_BAAIVISION_EVA         5623d08
    python benchmarks/golden_towers.py perception CHECKOUT_OF_PERCEPTION_MODELS      3e352cc

Needs einops beside what the tests need.  Tiny models, weights from a seed (tests/parity/golden_side.py).  EVA's code
wants xformers for some options: in its absence attention is PyTorch's, by the same formula.
"""

import importlib
import json
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL.Image import Image

_OPERATORS = torch.library.Library("torchvision", "DEF")  # see tests/parity/conftest.py
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

TESTS = Path(__file__).parent.parent / "tests" / "parity"
sys.path.insert(0, str(TESTS))

from golden_side import DATA, TEXTS, drawn, odd_images

EMBED = 16
LARGER = 48  # pixels, where pictures of 32 were trained on
VISION = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8, "eva_model_name": "x"}
VISION |= {"drop_path_rate": 0}
TEXT = {"width": 64, "heads": 1, "layers": 2}
EVA02 = {"rope": True, "pt_hw_seq_len": 16, "intp_freq": True, "naiveswiglu": True, "subln": True, "mlp_ratio": 2.6667}
RMS = {"qkv_bias": False, "use_rms_norm": True, "mlp_ratio": 5}
# row: (package, vision_cfg, text_cfg, what the width of a published tower says: heads and the order of norms)
EVA = {
    "EVA-01, layer scale": ("EVA-CLIP/rei", {"ls_init_value": 0.1}, {}, [2, "pre"]),
    "EVA-01 g": ("EVA-CLIP/rei", {"mlp_ratio": 4.3637, "xattn": True}, {}, [2, "pre"]),
    "EVA-02 B and L": ("EVA-CLIP/rei", EVA02 | {"xattn": True}, {"xattn": True}, None),
    "EVA-02 E": ("EVA-CLIP/rei", {"postnorm": True, "mlp_ratio": 8.571428571428571}, {}, [2, "post"]),
    "EVA-02, mean of all tokens": ("EVA-CLIP/rei", EVA02 | {"global_average_pool": True}, {}, None),
    "EVA-CLIP-8B": ("EVA-CLIP-18B/shinji", RMS, {}, [2, "pre"]),
    "EVA-CLIP-18B": ("EVA-CLIP-18B/shinji", RMS | {"postnorm": True, "xattn": True}, {}, [2, "post"]),
}


def main() -> None:
    family, checkout, version = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    made = {"eva": eva, "perception": perception}[family](checkout, version)
    DATA.mkdir(exist_ok=True)
    (DATA / f"{family}.json").write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")


def eva(checkout: Path, version: str) -> dict[str, object]:
    xformers = types.ModuleType("xformers")
    xformers.ops = types.SimpleNamespace(memory_efficient_attention=_attention, LowerTriangularMask=object)
    sys.modules |= {"xformers": xformers, "xformers.ops": xformers.ops}
    made: dict[str, object] = {}
    for row, (package, vision, text, known) in EVA.items():
        for name in [name for name in sys.modules if name.split(".")[0] == "eva_clip"]:
            del sys.modules[name]
        sys.path.insert(0, str(checkout / package))
        model_file, transform = importlib.import_module("eva_clip.model"), importlib.import_module("eva_clip.transform")
        tokenize = importlib.import_module("eva_clip.tokenizer").tokenize
        model = model_file.CLIP(EMBED, VISION | vision, TEXT | text).eval()
        larger = model_file.CLIP(EMBED, VISION | vision | {"image_size": LARGER}, TEXT | text).eval()
        resize = importlib.import_module("eva_clip.utils").resize_evaclip_pos_embed
        sys.path.pop(0)
        case = {"neighbour": f"baaivision/EVA {version}", "known": known} | shapes_of(model)
        case |= run(model, case, transform.image_transform(VISION["image_size"], is_train=False), tokenize)
        state = {name: torch.from_numpy(value) for name, value in drawn(case).items() if ".freqs_" not in name}
        resize(state, larger)  # as its load_checkpoint does, which leaves the stored tables out, too
        larger.load_state_dict(state, strict=False)
        made[row] = case | {"larger": rows(larger, transform.image_transform(LARGER, is_train=False))}
    return made


def perception(checkout: Path, version: str) -> dict[str, object]:
    sys.path.insert(0, str(checkout))
    pe = importlib.import_module("core.vision_encoder.pe")
    transforms = importlib.import_module("core.vision_encoder.transforms")
    config = importlib.import_module("core.vision_encoder.config")
    vision = replace(
        config.PE_VISION_CONFIG["PE-Core-B16-224"],
        image_size=32, patch_size=8, width=128, layers=2, heads=2, mlp_ratio=2.5, output_dim=EMBED,
    )  # fmt: skip
    text = replace(config.PE_TEXT_CONFIG["PE-Core-B16-224"], width=64, heads=1, layers=2, output_dim=EMBED)
    kinds = {
        "PE-Core, class token": (vision, text),
        "PE-Core G, no class token": (replace(vision, use_cls_token=False), replace(text, context_length=72)),
    }
    made: dict[str, object] = {}
    for row, (image, text_config) in kinds.items():
        model = pe.CLIP(image, text_config).eval()
        case = {"neighbour": f"facebookresearch/perception_models {version}"} | shapes_of(model)
        tokenize = transforms.get_text_tokenizer(text_config.context_length)
        case |= run(model, case, transforms.get_image_transform(32), tokenize)
        made[row] = case | {"larger": rows(model, transforms.get_image_transform(LARGER))}
    return made


def shapes_of(model: torch.nn.Module) -> dict[str, object]:
    """Return the names and shapes of a model's weights, and its fixed tables, which are the same in every block."""
    state = model.state_dict()
    tables = {name.rpartition(".")[2]: value.tolist() for name, value in state.items() if ".freqs_" in name}
    return {"shapes": {name: list(value.shape) for name, value in state.items()}, "tables": tables}


def run(model: torch.nn.Module, case: dict, prepare: Callable, tokenize: Callable) -> dict[str, object]:
    """Load the weights of a case and return the reference's unit embeddings of the images and texts."""
    model.load_state_dict({name: torch.from_numpy(value) for name, value in drawn(case).items()}, strict=True)
    with torch.no_grad():
        texts = model.encode_text(tokenize(TEXTS), normalize=True)
    return {"images": rows(model, prepare), "texts": listed(texts)}


def rows(model: torch.nn.Module, prepare: Callable[[Image], torch.Tensor]) -> list[list[float]]:
    """Return the reference's unit embeddings of the images."""
    with torch.no_grad():
        return listed(model.encode_image(torch.stack([prepare(image) for image in odd_images()]), normalize=True))


def listed(result: torch.Tensor) -> list[list[float]]:
    """Return numbers as they are stored."""
    kept: list[list[float]] = np.round(result.double().numpy(), 9).tolist()
    return kept


def _attention(q, k, v, p=0.0, scale=None, attn_bias=None):  # noqa: ANN001, ANN202 - xformers' own signature
    query, key, value = (x.transpose(1, 2) for x in (q, k, v))
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=attn_bias is not None, scale=scale)
    return mixed.transpose(1, 2)


if __name__ == "__main__":
    main()
