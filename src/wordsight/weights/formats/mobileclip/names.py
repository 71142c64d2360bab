"""Apple's names for the parts of MobileCLIP beside timm's and ours (github.com/apple/ml-mobileclip, `mobileclip/`)."""

IMAGE, TEXT = "image_encoder.model.", "text_encoder."
# Apple's name for a part -> timm's; the first that fits is used, in this order, at every position
FASTVIT = (
    ("patch_embed.", "stem."),
    ("rbr_conv.", "conv_kxk."),
    ("rbr_scale.", "conv_scale."),
    ("rbr_skip.", "identity."),
    ("conv_exp.", "final_conv."),
    ("lkb_origin.", "large_conv."),
    ("lkb_reparam.", "reparam_conv."),
    ("convffn.", "mlp."),
    ("final_conv.se.reduce.", "final_conv.se.fc1."),  # the large kernels' are timm's own, with timm's names
    ("final_conv.se.expand.", "final_conv.se.fc2."),
)
BLOCK = (
    ("pre_norm_mha.0.", "norm1."),
    ("pre_norm_mha.1.qkv_proj.", "attn.qkv."),
    ("pre_norm_mha.1.out_proj.", "attn.proj."),
    ("pre_norm_ffn.0.", "norm2."),
    ("pre_norm_ffn.1.", "mlp.fc1."),
    ("pre_norm_ffn.4.", "mlp.fc2."),
)
VIT_PARTS = (("block.conv.", "conv."), ("block.norm.", "bn."), ("patch_emb.", "patch_embed.backbone."))
TEXT_BLOCK = (
    ("pre_norm_mha.0.", "ln_1."),
    ("pre_norm_mha.1.qkv_proj.", "attn.in_proj_"),
    ("pre_norm_mha.1.out_proj.", "attn.out_proj."),
    ("pre_norm_ffn.0.", "ln_2."),
    ("pre_norm_ffn.1.", "mlp.c_fc."),
    ("pre_norm_ffn.4.", "mlp.c_proj."),
)
TEXT_WHOLE = {
    "embedding_layer.weight": "token_embedding.weight",
    "positional_embedding.pos_embed.pos_embed": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
    "projection_layer": "text_projection",
}


def renamed(name: str, table: tuple[tuple[str, str], ...], *, back: bool = False) -> str:
    """Return `name` with each of Apple's parts of `table` exchanged for the other; `back`: the other way."""
    for apple, other in reversed(table) if back else table:
        name = name.replace(other, apple) if back else name.replace(apple, other)
    return name
