"""A ViT-B/32 CLIP with random weights, in the form of Hugging Face and in ours: what servers are compared by.

    huggingface, ours = made(Path("keep"))

Made by transformers with the published sizes and tokenizer, and a fixed seed; ours is what `wordsight convert` makes
of it.
"""

import subprocess
import sys
from pathlib import Path

IMAGES = {  # as published with the weights of this size
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 224},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_convert_rgb": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def made(keep: Path) -> tuple[Path, Path]:
    """Return the two folders, made where they are not there."""
    huggingface, ours = keep / "vit-b-32", keep / "vit-b-32-wordsight"
    if not (huggingface / "tokenizer.json").is_file():
        write_huggingface(huggingface)
    if not ours.is_dir():
        program = [sys.executable, "-m", "wordsight", "convert"]
        subprocess.run([*program, str(huggingface), str(ours), "--to", "wordsight"], check=True)
        subprocess.run([*program, str(ours), str(ours), "--to", "onnx"], check=True)
    return huggingface, ours


def write_huggingface(folder: Path) -> None:
    import torch
    from transformers import CLIPConfig, CLIPModel

    from wordsight.weights.formats.tokenizers import clip_bpe as bpe

    torch.manual_seed(0)
    config = CLIPConfig()
    ids = bpe.clip_vocabulary(merges := bpe.published_merges())
    config.text_config.bos_token_id, config.text_config.eos_token_id = ids[bpe.START], ids[bpe.END]
    model = CLIPModel(config)
    model.save_pretrained(folder)
    special = {"bos_token": bpe.START, "eos_token": bpe.END, "unk_token": bpe.END, "pad_token": bpe.END}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    files = {
        "preprocessor_config.json": bpe.as_bytes(IMAGES),
        "vocab.json": bpe.as_bytes(ids),
        "merges.txt": f"{bpe.VERSION}\n".encode() + bpe.merges_text(merges),
        "tokenizer_config.json": bpe.as_bytes(settings),
        "special_tokens_map.json": bpe.as_bytes(special),
        "tokenizer.json": bpe.as_bytes(bpe.clip_file(ids, merges)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
