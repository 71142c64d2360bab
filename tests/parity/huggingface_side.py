"""Both sides of the transformers tests: tiny models with nothing at its initial value, pictures, texts, rows of each."""

import io

import numpy as np
import sentencepiece
import torch
from compare import TEXTS, record
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import ByteLevel, Metaspace
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoTokenizer,
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    MetaClip2Config,
    MetaClip2Model,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2Model,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipModel,
    SiglipTokenizer,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from wordsight.images.transform import load_pixels, normalise
from wordsight.text.open import open_tokenizer
from wordsight.weights.folder import load_towers, save_checkpoint
from wordsight.weights.formats.table import read_any, write_as

MODELS = {"clip": CLIPModel, "metaclip_2": MetaClip2Model, "siglip": SiglipModel, "siglip2": Siglip2Model}
CONFIGS = {"clip": CLIPConfig, "metaclip_2": MetaClip2Config, "siglip": SiglipConfig, "siglip2": Siglip2Config}
PROCESSORS = {
    "clip": CLIPImageProcessorPil,
    "metaclip_2": CLIPImageProcessorPil,
    "siglip": SiglipImageProcessorPil,
    "siglip2": Siglip2ImageProcessorPil,
}
TEXT = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 12,
}
VISION = {"hidden_size": 64, "intermediate_size": 100, "num_hidden_layers": 2, "num_attention_heads": 2}


def odd_images():
    """Odd sizes and every mode that pictures come in."""
    draw = np.random.default_rng(3)

    def noise(height, width, channels=3):
        return Image.fromarray(draw.integers(0, 256, (height, width, channels), dtype=np.uint8).squeeze())

    return [
        noise(90, 31),
        noise(33, 120),
        noise(41, 40, 1),
        noise(50, 47, 4),
        noise(45, 60).quantize(17),
        noise(64, 64).convert("LA"),
        noise(1, 9),
        noise(7, 1),
        noise(1, 1),
        noise(32, 32),
        noise(70, 33).convert("1"),
    ]


def disturb(model, seed=0):
    """Move every parameter away from where it starts."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=draw)
            if name == "logit_scale":
                value.fill_(3.1)
            elif name == "logit_bias":
                value.fill_(-4.2)
            elif value.ndim == 1:
                value.copy_(
                    name.endswith("norm.weight") + name.endswith(("norm1.weight", "norm2.weight")) + 0.3 * noise
                )
            else:
                value.copy_(noise * 0.7 / value.shape[-1] ** 0.5 + 0.02 * noise)
    return model.eval()


def make(layout, text=None, vision=None, **more):
    """A model of transformers, disturbed; sizes other than the usual small ones by keyword."""
    sides = {"num_patches": 16} if layout == "siglip2" else {"image_size": 32}
    if "clip" not in layout:
        more_text = {"projection_size": 64}
    else:
        more_text, more = {}, {"projection_dim": 40} | more
    config = CONFIGS[layout](
        text_config=TEXT | more_text | (text or {}),
        vision_config=VISION | {"patch_size": 8} | sides | (vision or {}),
        **more,
    )
    return disturb(MODELS[layout](config))


def clip_tokenizer(merges):
    """transformers' CLIPTokenizer with CLIP's order of ids."""
    signs = sorted(ByteLevel.alphabet(), key=lambda sign: (ord(sign) > 255, ord(sign)))
    tokens = [*signs, *(sign + "</w>" for sign in signs), *("".join(pair) for pair in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=merges)


def small_merges():
    """A few merges that the texts use."""
    lines = "p h|o t|ph ot|phot o</w>|d o|do g</w>|r e|re d</w>|t w|c a|t s</w>|ca ts</w>|s h|o e</w>|sh oe</w>"
    return [tuple(line.split(" ")) for line in lines.split("|")]


def sentencepiece_bytes(vocabulary=120):
    """A SentencePiece model trained on the texts: unknown, end, then pieces, as T5's."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text.lower() for text in TEXTS if text] * 20),
        model_writer=written,
        vocab_size=vocabulary,
        hard_vocab_limit=False,
        pad_id=-1,
        bos_id=-1,
        unk_id=2,
        eos_id=1,
        control_symbols=[],
        user_defined_symbols=[],
        minloglevel=2,
    )
    return written.getvalue()


def siglip_tokenizer(folder, **more):
    (folder / "made.model").write_bytes(sentencepiece_bytes())
    return SiglipTokenizer(str(folder / "made.model"), model_max_length=12, model_input_names=["input_ids"], **more)


def gemma_tokenizer(**more):
    """SigLIP 2's tokenizer class with a small vocabulary."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += [*sorted(set("".join(TEXTS).lower()) - {" "}), "▁d", "og", "▁dog"]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    merges = [("▁", "d"), ("o", "g"), ("▁d", "og")]
    options = {
        "add_bos_token": False,
        "add_eos_token": True,
        "padding_side": "right",
        "model_input_names": ["input_ids"],
    }
    return Siglip2Tokenizer(vocab=vocabulary, merges=merges, model_max_length=12, **(options | more))


def theirs(layout, folder):
    """Rows of pictures and texts, and the tokens, as transformers makes them of a folder; it is read strictly."""
    model, said = MODELS[layout].from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    assert not any(said[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), said
    prepared = PROCESSORS[layout].from_pretrained(folder)(images=odd_images(), return_tensors="pt")
    tokens = their_tokens(layout, folder)
    with torch.no_grad():
        images = model.eval().get_image_features(**prepared).pooler_output
        texts = model.get_text_features(input_ids=tokens).pooler_output
    return images.numpy(), texts.numpy()


def their_tokens(layout, folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    filled = True if "clip" in layout else "max_length"
    return tokenizer(TEXTS, padding=filled, truncation=True, max_length=12, return_tensors="pt")["input_ids"]


def ours(path, folder):
    """The same from us: (checkpoint, image rows, text rows); `folder` becomes our model folder."""
    checkpoint = read_any(path)
    assert checkpoint.origin["format"] == "huggingface"
    spec = checkpoint.spec
    save_checkpoint(checkpoint, folder)
    towers = load_towers(folder)
    seen = [
        normalise(load_pixels(one, spec.preprocess, quality="exact")[None], spec.preprocess) for one in odd_images()
    ]
    tokens = open_tokenizer(spec.tokenizer, folder).batch(TEXTS)
    with torch.no_grad():
        images = torch.cat([towers.encode_image(torch.from_numpy(one)) for one in seen]).numpy()
        texts = towers.encode_text(torch.from_numpy(tokens)).numpy()
    return checkpoint, images, texts


def both_ways(row, layout, folder, tmp_path):
    """Read a folder and compare; write it back, let transformers read that strictly, and compare again."""
    images, texts = theirs(layout, folder)
    checkpoint, our_images, our_texts = ours(folder, tmp_path / "ours")
    record(f"{row}: pictures", "transformers", our_images, images)
    record(f"{row}: texts", "transformers", our_texts, texts)
    write_as(checkpoint, tmp_path / "back", "huggingface")
    again_images, again_texts = theirs(layout, tmp_path / "back")
    record(f"{row}: pictures, written back", "transformers", our_images, again_images)
    record(f"{row}: texts, written back", "transformers", our_texts, again_texts)
    assert read_any(tmp_path / "back").spec.image == checkpoint.spec.image
    return checkpoint


def saved(folder, model, tokenizer, processor):
    """A folder as transformers saves it."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def unigram_tokenizer():
    """A tokenizer as XLM-R's and XLM-V's: SentencePiece's unigrams in a `tokenizer.json`; start 0, padding 1, end 2."""
    letters = sorted(set("".join(TEXTS)) - {" "})
    scores = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁a", -2.5), ("▁dog", -3.0)]
    backend = Tokenizer(Unigram([*scores, *((letter, -5.0) for letter in letters)], unk_id=3, byte_fallback=False))
    backend.pre_tokenizer = Metaspace()
    backend.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=12,
    )
