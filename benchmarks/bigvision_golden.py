"""What big_vision's flax code computes, for the parity test: small random models, embeddings, preprocessed images.

    python benchmarks/bigvision_golden.py CHECKOUT tests/parity/data/bigvision_tiny.npz

CHECKOUT is one of google-research/big_vision.  Needs jax, flax, einops, ml_collections and tensorflow, which nothing
else here does: run it in an environment of its own.  The file holds numbers that this script made, nothing else:
`MODEL/params/...` as big_vision's checkpoints name them, `MODEL/tokens`, `MODEL/pixels`, `MODEL/images` and
`MODEL/texts` (embeddings), and `pictures/N`, `squashed/N`, `patches/N` for the preprocessing.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]

WIDTH, SIDE, PATCH, VOCABULARY, LENGTH = 16, 32, 8, 60, 10
SIZES = {"width": WIDTH, "depth": 2, "mlp_dim": 40, "num_heads": 2}
MODELS: dict[str, dict[str, Any]] = {
    "flat": {"out_dim": (None, WIDTH), "image": {"patch_size": (PATCH, PATCH)}},
    "stacked": {"out_dim": (None, None), "image": {"patch_size": (PATCH, PATCH), "scan": True}, "text": {"scan": True}},
    "naflex": {
        "out_dim": (None, WIDTH),
        "image_model": "proj.image_text.naflex_vit",
        "image": {"nposemb": 4, "posemb": "learn_2d(20)"},
    },
}
SHAPES = ((40, 23), (19, 50), (32, 32), (7, 90))  # of the pictures
GRIDS = ((4, 4), (2, 7), (9, 1), (3, 5))  # of the patches that the third model is given
MOST = 16  # patches of a prepared picture


def golden(model: str, draw: np.random.Generator) -> Arrays:
    """Return the tensors of one model and what it computes, by name."""
    import flax
    import jax
    import jax.numpy as jnp
    from big_vision.models.proj.image_text import two_towers

    options = dict(MODELS[model])
    image = SIZES | {"pool_type": "map"} | options.pop("image")
    text = SIZES | {"vocab_size": VOCABULARY} | options.pop("text", {})
    towers = two_towers.Model(image=image, text=text, bias_init=-10.0, temperature_init=10.0, **options)
    tokens = draw.integers(0, VOCABULARY, (5, LENGTH)).astype(np.int32)
    pixels = eighths(draw, (4, SIDE, SIDE, 3))
    seen = patches_of(draw) if model == "naflex" else jnp.asarray(pixels)
    params = flax.core.unfreeze(towers.init(jax.random.PRNGKey(0), seen, jnp.asarray(tokens))["params"])
    params = jax.tree.map(lambda leaf: short(np.asarray(leaf) + disturbance(draw, leaf)), params)
    with jax.default_matmul_precision("highest"):
        rows = towers.apply({"params": params}, seen, jnp.asarray(tokens))
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    made = {f"params/{name}": np.asarray(value, np.float32) for name, value in flat.items()}
    if model == "naflex":
        made |= {"patches": np.asarray(seen[0]), "grids": np.array(GRIDS)}
    else:
        made["pixels"] = pixels
    return made | {"tokens": tokens, "images": np.asarray(rows[0]), "texts": np.asarray(rows[1])}


def disturbance(draw: np.random.Generator, leaf: np.ndarray) -> np.ndarray:
    """Return noise that leaves nothing at its initial value."""
    return (draw.standard_normal(np.shape(leaf)) * (0.05 if np.ndim(leaf) > 1 else 0.2)).astype(np.float32)


def short(numbers: np.ndarray) -> np.ndarray:
    """Return float32 numbers that float16 can hold, which take less room when packed."""
    return numbers.astype(np.float16).astype(np.float32)


def eighths(draw: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers between -2 and 2 in steps of an eighth, which take less room when packed."""
    return (draw.integers(-16, 17, shape) / 8).astype(np.float32)


def patches_of(draw: np.random.Generator) -> tuple[Any, ...]:
    """Return patches, kind (1 is a patch), row and column of four images, padded to the longest."""
    import jax.numpy as jnp

    most = max(rows * columns for rows, columns in GRIDS)
    patches = np.zeros((len(GRIDS), most, PATCH * PATCH * 3), np.float32)
    kind, row, column = (np.zeros((len(GRIDS), most), np.int32) for _ in range(3))
    for n, (rows, columns) in enumerate(GRIDS):
        count = rows * columns
        patches[n, :count] = eighths(draw, (count, patches.shape[-1]))
        kind[n, :count] = 1
        row[n, :count], column[n, :count] = np.divmod(np.arange(count), columns)
    return tuple(map(jnp.asarray, (patches, kind, row, column)))


def prepared(draw: np.random.Generator) -> Arrays:
    """Return images and what big_vision's evaluation makes of them, by name."""
    import big_vision.pp.ops_general
    import big_vision.pp.ops_image
    import big_vision.pp.proj.image_text.ops_naflex  # noqa: F401  (all three register what is named below)
    from big_vision.pp.builder import get_preprocess_fn

    squash = get_preprocess_fn(f"resize({SIDE})")
    keep = get_preprocess_fn(f'value_range(-1, 1)|resize_to_sequence({PATCH}, {MOST}, outkey="image")')
    made = {}
    for n, (height, width) in enumerate(SHAPES):
        image = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
        made |= {
            f"pictures/{n}": image,
            f"squashed/{n}": np.asarray(squash({"image": image})["image"]),
            f"patches/{n}": np.asarray(keep({"image": image})["image"], np.float16),
        }
    return made


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    sys.path.insert(0, str(args.checkout))
    draw = np.random.default_rng(0)
    made = prepared(draw)
    for model in MODELS:
        made |= {f"{model}/{name}": value for name, value in golden(model, draw).items()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.out, **made)
    print(f"wrote {args.out}, {args.out.stat().st_size} bytes, {len(made)} arrays")


if __name__ == "__main__":
    main()
