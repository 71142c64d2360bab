"""Pictures of several shapes in one batch: SigLIP 2's patches, masks and shapes, as transformers' model reads them."""

import torch
from compare import record
from huggingface_side import PROCESSORS, gemma_tokenizer, make, odd_images, saved

from wordsight.weights.folder import load_towers, save_checkpoint
from wordsight.weights.formats.table import read_any

PATCHES, PATCH = 20, 8


def test_patches_masks_and_shapes(tmp_path):
    tokenizer = gemma_tokenizer()
    model = make("siglip2", {"vocab_size": len(tokenizer)})
    processor = PROCESSORS["siglip2"](max_num_patches=PATCHES, patch_size=PATCH, do_convert_rgb=True)
    saved(tmp_path / "theirs", model, tokenizer, processor)
    save_checkpoint(read_any(tmp_path / "theirs"), tmp_path / "ours")
    towers = load_towers(tmp_path / "ours")
    inputs = processor(images=odd_images(), return_tensors="pt")
    assert len({tuple(shape) for shape in inputs["spatial_shapes"].tolist()}) > 4
    with torch.no_grad():
        theirs = model.vision_model(**inputs).pooler_output
        given = inputs["pixel_values"], inputs["pixel_attention_mask"], inputs["spatial_shapes"]
        together = towers.encode_patches(*given)
        alone = []
        for patches, mask, (height, width) in zip(given[0], given[1], given[2].tolist(), strict=True):
            grid = patches[mask.bool()].view(height, width, PATCH, PATCH, 3)
            alone.append(towers.encode_image(grid.permute(4, 0, 2, 1, 3).reshape(1, 3, height * PATCH, width * PATCH)))
    record("SigLIP 2 NaFlex, several shapes at once", "transformers", together, theirs)
    record("SigLIP 2 NaFlex, one shape at a time", "transformers", torch.cat(alone), theirs)
