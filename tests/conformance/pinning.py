"""Models that must never change: from a model.json of an earlier version to weights, fingerprint and embeddings.

    python tests/conformance/pinning.py NAME      # adds pinned/NAME.json, the model.json of a new tiny model

Weights are drawn name by name from numpy's generator, so that nothing but a tower's own computation decides the
embeddings.  `pinned/NAME.json` is the model.json, `pinned/embeddings.npz` holds what each model gave when it was
recorded, and `pinned/processor.json` on what: there the bytes must be the same, elsewhere 2e-6 apart at most.  A new
family of towers needs one such model; one that was recorded elsewhere is compared within 2e-6 everywhere.
"""

import json
import platform
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

PLACE = Path(__file__).with_name("pinned")
NAMES = sorted(path.stem for path in PLACE.glob("*.json") if path.stem != "processor")
COUNT = 3  # images and texts of each model


def drawn(shapes):
    """Return weights for names and shapes (of a state dict, or our own table of shapes)."""
    state = {}
    for name, (shape, floating) in shapes.items():
        random = np.random.default_rng(zlib.crc32(name.encode()))
        noise = random.standard_normal(shape).astype(np.float32)
        if not floating:
            state[name] = np.full(shape, 7, np.int64)
        elif name == "logit_scale":
            state[name] = np.float32(2.5).reshape(())
        elif name == "logit_bias":
            state[name] = np.float32(-10.0).reshape(())
        elif name.endswith("running_var"):
            state[name] = 1 + np.abs(noise) / 2
        elif noise.ndim == 1 and name.endswith(("weight", "gamma")):
            state[name] = 1 + noise / 4
        elif noise.ndim < 2:
            state[name] = noise / 5
        else:
            state[name] = noise / np.sqrt(np.float32(noise[0].size))
    return state


def source(name, folder):
    """Build the model `name`, save it in `folder`/new and read it; return what its graphs are made of."""
    register_operators()
    from wordsight.towers.build import build
    from wordsight.weights.checkpoint import Checkpoint
    from wordsight.weights.folder import read_checkpoint, read_model_manifest, save_checkpoint

    (folder / "old").mkdir()
    (folder / "old" / "model.json").write_bytes((PLACE / f"{name}.json").read_bytes())
    spec = read_model_manifest(folder / "old").spec
    tensors = build(spec).state_dict()
    state = drawn({key: (tuple(value.shape), value.is_floating_point()) for key, value in tensors.items()})
    manifest = save_checkpoint(Checkpoint(spec, state, VOCABULARY), folder / "new")
    return graph_source(read_checkpoint(folder / "new"), manifest.fingerprint)


def computed(name, folder):
    """Return the manifest of the model `name`, made in `folder`, and its embeddings by engine."""
    import onnxruntime
    import torch

    made = source(name, folder)
    from wordsight.engines.parity import some_images, some_texts
    from wordsight.engines.torch_engine import TorchEngine
    from wordsight.weights.folder import read_model_manifest

    spec, manifest = made.spec, read_model_manifest(folder / "new")
    torch.set_num_threads(1)
    engine = TorchEngine(folder / "new", device="cpu", precision="fp32")
    pixels, tokens = some_images(spec, COUNT), some_texts(spec, COUNT)
    found = {"torch.image": engine.embed_images(pixels), "torch.text": engine.embed_texts(tokens)}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for tower, inputs in (("image", pixels), ("text", tokens)):
        content = written(made, tower)
        if content is not None:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            found[f"onnx.{tower}"] = session.run(["rows"], {session.get_inputs()[0].name: inputs})[0]
    return manifest, found


_OPERATORS = []


def register_operators():
    """Name torchvision's compiled operators, which the CPU build of PyTorch lacks and transformers' imports ask for."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    _OPERATORS.append(library)  # which takes its operators along when it is collected
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def graph_source(checkpoint, fingerprint):
    from wordsight.towers.graph.write import GraphSource

    return GraphSource(checkpoint.spec, checkpoint.state, fingerprint)


def written(source, tower):
    """Return the fp32 graph of a tower that is written from its weights, None for one that is traced."""
    from wordsight.towers.graph.write import build_graph, writes

    return build_graph(source, tower, "fp32") if writes(source.spec, tower) else None


VOCABULARY = {"merges.txt": b"".join(b"%c %c\n" % pair for pair in [(a, b) for a in b"etaoin" for b in b"etaoin"])}


def processor():
    """Return what decides the last bit of a float32 product: the processor and the libraries."""
    import onnxruntime
    import torch

    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    lines = [line.partition(":")[2].split() for line in info.splitlines() if line.startswith(("flags", "Features"))]
    return {
        "machine": platform.machine(),
        "flags": " ".join(sorted(lines[0])) if lines else "",
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "numpy": np.__version__,
    }


def same_processor(name=""):
    """Return whether the model `name` was recorded on this processor with these libraries."""
    recorded = json.loads((PLACE / "processor.json").read_text())
    return name not in recorded.pop("elsewhere") and recorded == processor()


def record(names):
    """Add what new models give to what is recorded; what is recorded already is never touched."""
    path = PLACE / "embeddings.npz"
    everything = dict(np.load(path))
    for name in names:
        if any(key.startswith(f"{name}/") for key in everything):
            sys.exit(f"{name} is recorded already, and must stay what it is")
        with tempfile.TemporaryDirectory() as place:
            manifest, found = computed(name, Path(place))
            (PLACE / f"{name}.json").write_bytes((Path(place) / "new" / "model.json").read_bytes())
        everything |= {f"{name}/{kind}": embeddings for kind, embeddings in found.items()}
        print(name, manifest.fingerprint, {kind: embeddings.shape for kind, embeddings in found.items()})
    np.savez_compressed(path, **everything)
    recorded = json.loads((PLACE / "processor.json").read_text())
    if not same_processor():
        recorded["elsewhere"] += names
        (PLACE / "processor.json").write_text(json.dumps(recorded, indent=1) + "\n")


if __name__ == "__main__":
    record(sys.argv[1:])
