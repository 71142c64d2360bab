"""The towers in the place of another library's: diffusers' pipelines paint the same pictures, LLaVA says the same.

Tiny pipelines with random weights; nothing is fetched.
"""

import numpy as np
import pytest
import torch
from compare import record
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from huggingface_side import PROCESSORS, clip_tokenizer, make, saved, siglip_tokenizer, small_merges
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from wordsight.towers.features import image_states, text_states
from wordsight.towers.stand_in import ImageStandIn, TextStandIn
from wordsight.weights.folder import load_towers, save_checkpoint
from wordsight.weights.formats.table import read_any

PROMPTS = ["a photo of two red cats", "dog shoe dog shoe dog shoe dog shoe dog shoe"]
NEGATIVE = "a shoe"
LENGTH = 12  # of a text, in tokens


@pytest.fixture(scope="module")
def tokenizer():
    made = clip_tokenizer(small_merges())
    made.model_max_length = LENGTH
    return made


def both(folder, tokenizer, text=None, vision=None, **more):
    """A model of transformers, and our towers read from what it saves."""
    text = {"vocab_size": len(tokenizer), "eos_token_id": len(tokenizer) - 1, "num_hidden_layers": 3} | (text or {})
    model = make("clip", text, vision, **more)
    size = model.config.vision_config.image_size
    processor = PROCESSORS["clip"](size={"shortest_edge": size}, crop_size={"height": size, "width": size})
    saved(folder / "theirs", model, tokenizer, processor)
    save_checkpoint(read_any(folder / "theirs"), folder / "ours")
    return model, load_towers(folder / "ours")


def text_encoder(model, *, layers, projected=False):
    """Their text encoder, cut after `layers` layers."""
    config = model.config.text_config
    config = type(config)(**config.to_dict() | {"num_hidden_layers": layers})
    config.projection_dim = model.config.projection_dim
    made = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    source = model.text_model.state_dict()
    if projected:
        source = {f"text_model.{name}": value for name, value in source.items()}
        source["text_projection.weight"] = model.text_projection.weight
    report = made.load_state_dict(source, strict=False)
    assert not report.missing_keys
    return made.eval()


def painter(width, **more):
    """What follows the text encoder in a pipeline; `width` is that of the states it reads."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        **more,
    )
    vae = AutoencoderKL(
        block_out_channels=[8, 16],
        norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=4,
    )
    with torch.no_grad():  # pictures must depend on what they are told
        for name, value in unet.named_parameters():
            if "attn2" in name:
                value.mul_(4)
    return {"unet": unet.eval(), "vae": vae.eval(), "scheduler": DDIMScheduler(steps_offset=1, clip_sample=False)}


def paint(pipeline, prompts=PROMPTS, **more):
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(
        prompts,
        negative_prompt=[NEGATIVE] * len(prompts),
        num_inference_steps=2,
        guidance_scale=5.0,
        height=16,
        width=16,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
        **more,
    )
    return made.images


def same_images(row, theirs, ours):
    """Identical, and not because the words do not matter."""
    assert np.abs(theirs[0] - theirs[1]).max() > 1e-3
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)  # of 0 to 1
    record(f"{row}: pictures", "diffusers", ours.reshape(len(ours), -1), theirs.reshape(len(theirs), -1))


def sd(encoder, tokenizer, parts):
    return StableDiffusionPipeline(
        text_encoder=encoder,
        tokenizer=tokenizer,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        **parts,
    )


def test_stable_diffusion_1(tokenizer, tmp_path):
    model, towers = both(tmp_path, tokenizer)
    parts = painter(48)
    theirs = paint(sd(text_encoder(model, layers=3), tokenizer, parts))
    ours = paint(sd(TextStandIn(towers), tokenizer, parts))
    same_images("Stable Diffusion 1.x", theirs, ours)
    skipped = paint(sd(TextStandIn(towers), tokenizer, parts), clip_skip=1)
    assert np.abs(skipped - ours).max() > 1e-3


def test_stable_diffusion_2(tokenizer, tmp_path):
    """Its text encoder has lost its last block and kept the final norm."""
    model, towers = both(tmp_path, tokenizer, {"hidden_act": "gelu"})
    parts = painter(48, use_linear_projection=True)
    theirs = paint(sd(text_encoder(model, layers=2), tokenizer, parts))
    pipeline = sd(TextStandIn(towers, leave_out=1), tokenizer, parts)
    same_images("Stable Diffusion 2.x", theirs, paint(pipeline))
    ids = tokenizer(PROMPTS, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt").input_ids
    with torch.no_grad():
        whole = text_states(towers, ids).layer(-2, normed=True)
        assert torch.equal(pipeline.text_encoder(ids)[0], whole)


def test_stable_diffusion_xl(tokenizer, tmp_path):
    first, our_first = both(tmp_path / "1", tokenizer)
    second, our_second = both(
        tmp_path / "2", tokenizer, {"hidden_size": 32, "num_attention_heads": 2, "hidden_act": "gelu"}
    )
    parts = painter(
        48 + 32,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + second.config.projection_dim,
        transformer_layers_per_block=(1, 2),
        use_linear_projection=True,
    )

    def pipeline(one, two):
        return StableDiffusionXLPipeline(
            text_encoder=one,
            text_encoder_2=two,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            add_watermarker=False,
            **parts,
        )

    theirs = pipeline(text_encoder(first, layers=3), text_encoder(second, layers=3, projected=True))
    ours = pipeline(TextStandIn(our_first), TextStandIn(our_second, projected=True))
    same_images("SDXL", paint(theirs), paint(ours))
    same_images("SDXL, one more layer skipped", paint(theirs, clip_skip=1), paint(ours, clip_skip=1))


def test_every_layer_is_that_of_transformers(tokenizer, tmp_path):
    model, towers = both(tmp_path, tokenizer, vision={"num_hidden_layers": 3})
    ids = tokenizer(PROMPTS, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt").input_ids
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        theirs = model.text_model(ids, output_hidden_states=True)
        ours = text_states(towers, ids)
        for number, state in enumerate(theirs.hidden_states):
            torch.testing.assert_close(ours.layer(number), state, atol=1e-5, rtol=0)
        torch.testing.assert_close(ours.last, theirs.last_hidden_state, atol=1e-5, rtol=0)
        torch.testing.assert_close(ours.pooled, theirs.pooler_output, atol=1e-5, rtol=0)
        theirs = model.vision_model(pixels, output_hidden_states=True)
        ours = image_states(towers, pixels)
        for number, state in enumerate(theirs.hidden_states):
            torch.testing.assert_close(ours.layer(number), state, atol=1e-5, rtol=0)
        torch.testing.assert_close(ours.last, theirs.last_hidden_state, atol=1e-5, rtol=0)
        torch.testing.assert_close(ours.pooled, theirs.pooler_output, atol=1e-5, rtol=0)


def llava(vision, words):
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=vision,
        text_config=LlamaConfig(
            vocab_size=words,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=64,
        ),
        image_token_index=words - 1,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    return LlavaForConditionalGeneration(config).eval()


def test_llava(tokenizer, tmp_path):
    model, towers = both(tmp_path, tokenizer, vision={"num_hidden_layers": 3})
    theirs = llava(model.config.vision_config, 50)
    theirs.model.vision_tower.load_state_dict(model.vision_model.state_dict())
    patches = 16
    ids = torch.cat([torch.tensor([[1, 2], [1, 9]]), torch.full((2, patches), 49), torch.tensor([[3, 4], [5, 6]])], 1)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": torch.randn(2, 3, 32, 32)}
    with torch.no_grad():
        expected = theirs(**inputs).logits
        seen = theirs.model.vision_tower(inputs["pixel_values"], output_hidden_states=True).hidden_states[-2][:, 1:]
        said = theirs.generate(**inputs, max_new_tokens=5, do_sample=False)
        theirs.model.vision_tower = ImageStandIn(towers)
        ours = theirs(**inputs).logits
        features = image_states(towers, inputs["pixel_values"], layers=[-2]).patches(-2)
        assert torch.equal(theirs.generate(**inputs, max_new_tokens=5, do_sample=False), said)
    torch.testing.assert_close(features, seen, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    record("LLaVA: patches of the last but one layer", "transformers", features.flatten(0, 1), seen.flatten(0, 1))
    record("LLaVA: logits", "transformers", ours.flatten(1), expected.flatten(1))
    assert (expected[0] - expected[1]).abs().max() > 1e-2


def test_the_image_tower_with_projection(tokenizer, tmp_path):
    """As picture prompts for diffusion models read it: the projected row, and the last but one layer."""
    model, towers = both(tmp_path, tokenizer)
    config = CLIPVisionConfig(**model.config.vision_config.to_dict() | {"projection_dim": model.config.projection_dim})
    theirs = CLIPVisionModelWithProjection(config).eval()
    source = {f"vision_model.{name}": value for name, value in model.vision_model.state_dict().items()}
    theirs.load_state_dict(source | {"visual_projection.weight": model.visual_projection.weight})
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = theirs(pixels, output_hidden_states=True)
        ours = ImageStandIn(towers, projected=True)(pixels, output_hidden_states=True)
    torch.testing.assert_close(ours.image_embeds, expected.image_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.hidden_states[-2], expected.hidden_states[-2], atol=1e-5, rtol=0)


def test_siglip_as_a_vision_tower(tmp_path):
    """Its last hidden state is the normed one, its pooled row the attention head's."""
    model = make("siglip", {"vocab_size": 200})
    towers = siglip_towers(model, tmp_path)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = model.vision_model(pixels, output_hidden_states=True)
        ours = ImageStandIn(towers)(pixels, output_hidden_states=True)
    torch.testing.assert_close(ours.last_hidden_state, expected.last_hidden_state, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.pooler_output, expected.pooler_output, atol=1e-5, rtol=0)
    for a, b in zip(ours.hidden_states, expected.hidden_states, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def siglip_towers(model, folder):
    side = {"height": 32, "width": 32}
    saved(folder / "theirs", model, siglip_tokenizer(folder), PROCESSORS["siglip"](size=side))
    save_checkpoint(read_any(folder / "theirs"), folder / "ours")
    return load_towers(folder / "ours")
