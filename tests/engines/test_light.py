"""A folder of weights is used where PyTorch cannot be imported: graphs are made there, and give the towers' rows."""

import subprocess
import sys

import numpy as np

from wordsight.engines.torch_engine import TorchEngine

CODE = """
import sys

class Absent:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("torch", "onnxscript", "openvino"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Absent())
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else real(name, *rest)

import numpy as np
import wordsight

model = wordsight.load(sys.argv[1], device="cpu")
picture = np.arange(40 * 50 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 50, 3)
np.savez(sys.argv[2], images=model.embed_images([picture]), texts=model.embed_texts(["a tree", "the hat"]),
         pixels=model.load_pixels(picture), tokens=model.tokenizer.batch(["a tree", "the hat"]))
assert "torch" not in sys.modules
print(model.engine.precision)
"""


def test_a_light_install_makes_and_uses_graphs(plain, tmp_path):
    out = tmp_path / "rows.npz"
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(plain), str(out)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "int8\n"
    assert "making the int8 graphs of tiny" in done.stderr
    assert (plain / "onnx" / "parity.json").is_file()
    found, engine = np.load(out), TorchEngine(plain, device="cpu")
    images, texts = engine.embed_images(found["pixels"][None]), engine.embed_texts(found["tokens"])
    assert (found["images"] * images).sum(axis=1).min() > 0.99
    assert (found["texts"] * texts).sum(axis=1).min() > 0.99
