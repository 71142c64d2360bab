"""The corpus: name -> (file name, bytes or {file name: bytes}, what the error says).  `hostile.py` has the pieces."""

import io
import json
import struct

import numpy as np
from hostile import (
    CANARY,
    COMMAND,
    NAMED,
    PICKLES,
    PROTO,
    STOP,
    STORAGE,
    call,
    deflated,
    entry,
    legacy,
    name,
    npy,
    npz,
    overlapping,
    replaced,
    safe,
    state,
    tensor,
    text,
    torch_zip,
    whole,
    zip_of,
    zipped,
)


def files():
    """Return the corpus: name -> (file name, bytes or {file name: bytes}, what the error says)."""
    found = {
        f"names-{m}.{a}": ("x.pt", torch_zip(PROTO + call(m, a, *more) + STOP), f"names {m}.{a}")
        for m, a, *more in NAMED
    }
    found |= {
        f"legacy-names-{m}.{a}": ("x.pth", legacy(PROTO + call(m, a, *more) + STOP), f"names {m}.{a}")
        for m, a, *more in NAMED[:4]
    }
    found |= {f"pickle-{label}": ("x.pt", torch_zip(pickle), said) for label, (pickle, said) in PICKLES.items()}
    return found | torch_files() | zips() | safetensors() | arrays() | indexes() | configurations()


def torch_files():
    view = STORAGE.replace(b"tQ", b"(" + text("v") + whole(2) + whole(9) + b"ttQ")
    whole_storage = STORAGE.replace(b"tQ", b"NtQ")
    code = {
        "x/code/__torch__.py": f"import os\nos.system('touch {CANARY}')\n".encode(),
        "x/constants.pkl": b"\x80\x02).",
    }
    script = name("__torch__", "Model") + b")\x81}" + text("forward") + name("os", "system") + b"sb"
    good = legacy(state(tensor(storage=whole_storage)))
    return {
        "pickle-alone": ("x.pt", PROTO + call("os", "system", COMMAND) + STOP, "of no kind that weights are stored in"),
        "pickle-alone-as-bin": ("pytorch_model.bin", b"cos\nsystem\n(S'x'\ntR.", "of no kind that weights"),
        "script-with-a-name": ("x.pt", torch_zip(PROTO + script + STOP, **code), "names os.system"),
        "script-class-of-python": (
            "x.pt",
            torch_zip(PROTO + name("torch__", "M") + b")\x81" + STOP, **code),
            "names torch__.M",
        ),
        "legacy-view": ("x.pt", legacy(state(tensor(storage=view))), "misuses|damaged"),
        "legacy-length": ("x.pt", replaced(good, struct.pack("<q", 4), struct.pack("<q", 5)), "has 5 numbers, not 4"),
        "legacy-truncated": ("x.pt", good[:-4], "ends before its numbers do"),
        "legacy-labels": ("x.pt", legacy(state(tensor(storage=whole_storage)), labels=b"]."), "storages are not those"),
        "legacy-protocol": ("x.pt", replaced(good, b"M\xe9\x03.", b"M\xe9\x04."), "unknown version"),
        "byte-order": ("x.pt", torch_zip(state(tensor()), **{"x/byteorder": b"middle"}), "no known byte order"),
        "pickle-twice": ("x.pt", torch_zip(state(tensor()), **{"y/data.pkl": b"."}), "2 files data.pkl"),
        "pickle-missing": ("x.pt", zipped({"x/data/0": bytes(16)}), "0 files data.pkl"),
        "pickle-of-70-megabytes": ("x.pt", torch_zip(bytes(70 * 2**20)), "bytes, more than"),
    }


def zips():
    good = torch_zip(state(tensor()))
    bomb = deflated(300)
    names = {"parent": "../data.pkl", "inner": "x/../../data.pkl", "absolute": "/etc/data.pkl", "drive": "C:/data.pkl"}
    names |= {"backslash": "x\\data.pkl", "nul": "x/data.pkl\0.txt"}
    found = {
        f"zip-name-{label}": ("x.pt", zip_of(b".", size=1, method=0, entry_name=entry_name.encode()), "leads out of")
        for label, entry_name in names.items()
    }
    return found | {
        "zip-bomb": ("x.pt", zip_of(bomb, size=300 * 2**20), "would unpack to 314572800"),
        "zip-bomb-that-says-little": ("x.pt", zip_of(bomb, size=100), "does not unpack to what the directory says"),
        "zip-bomb-that-says-much": ("x.pt", zip_of(b"\x03\x00", size=2**31), "would unpack to"),
        "zip-bomb-of-arrays": ("x.npz", zip_of(bomb, size=300 * 2**20, entry_name=b"params.npy"), "would unpack to"),
        "zip-garbage-packed": ("x.pt", zip_of(b"\xff" * 9, size=100), "cannot be unpacked"),
        "zip-two-sizes": ("x.pt", zip_of(b"." * 9, size=100, method=0), "two sizes"),
        "zip-longer-than-the-file": ("x.pt", zip_of(b"." * 9, size=2**30, packed=2**30, method=0), "lies outside"),
        "zip-encrypted": ("x.pt", zip_of(b".", size=1, method=0, flags=1), "is encrypted"),
        "zip-link": ("x.pt", zip_of(b"/etc", size=4, method=0, attributes=0o120777 << 16), "is a link"),
        "zip-method": ("x.pt", zip_of(b".", size=1, method=14), "packed by method 14"),
        "zip-overlapping": ("x.pt", overlapping(), "described in two ways"),
        "zip-twice": (
            "x.pt",
            replaced(good, b"x/version", b"x/data/00"[:9]).replace(b"x/data/00", b"x/data/0\0"),
            "leads out of",
        ),
        "zip-two-names": ("x.pt", replaced(good, b"x/data.pkl", b"y/data.pkl", 1), "described in two ways"),
        "zip-truncated": ("x.pt", good[:-30], "its directory is missing"),
        "zip-of-many": ("x.pt", good[:-12] + struct.pack("<H", 60000) + good[-10:], "does not lie where it should"),
        "zip-checksum": ("x.pt", replaced(good, text("weight"), text("weighs")), "damaged"),
        "zip-end-only": ("x.pt", b"PK\x05\x06" + bytes(18), "0 files data.pkl|of no kind"),
        "zip-start-only": ("x.pt", b"PK\x03\x04" + bytes(100), "its directory is missing"),
    }


def safetensors():
    one = {"weight": entry()}
    said = "is not a whole safetensors file"
    made = {
        "longer-than-the-file": safe(one, length=10**6),
        "of-2-to-the-63": safe(one, length=2**63),
        "of-200-megabytes": safe(one, length=200 * 2**20),
        "overlap": safe({"weight": entry(), "twin": entry(offsets=(8, 24))}, bytes(24)),
        "gap": safe({"weight": entry(), "late": entry(offsets=(32, 48))}, bytes(48)),
        "negative": safe({"weight": entry(offsets=(-16, 0))}),
        "backwards": safe({"weight": entry(offsets=(16, 0))}),
        "beyond-the-end": safe({"weight": entry(shape=(200, 200), offsets=(0, 160000))}),
        "other-type": safe({"weight": entry(dtype="F33")}),
        "shape-larger": safe({"weight": entry(shape=(2, 3))}),
        "shape-overflowing": safe({"weight": entry(shape=(2**40, 2**40))}),
        "shape-negative": safe({"weight": entry(shape=(-2, -2))}),
        "shape-of-fractions": safe({"weight": entry(shape=(2.0, 2.0))}),
        "no-json": safe(b"\x80\x02cos\nsystem\n"),
        "no-object": safe([1, 2]),
        "deep-json": safe(b'{"a":' + b"[" * 100_000),
        "twice": safe(b'{"w":' + json.dumps(entry()).encode() + b',"w":' + json.dumps(entry(offsets=(16, 32))).encode() + b"}", bytes(32)),
        "unaccounted": safe(one, bytes(99)),
        "empty": b"",
        "eight-bytes": bytes(8),
    }  # fmt: skip
    found = {f"safetensors-{label}": ("model.safetensors", content, said) for label, content in made.items()}
    eight = safe({"weight": entry(dtype="F8_E4M3", offsets=(0, 4))}, bytes(4))
    return found | {"safetensors-eight-bits": ("model.safetensors", eight, "is of type F8_E4M3")}


def arrays():
    refused = "no array of numbers"
    shape = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }\n"
    objects = io.BytesIO()
    np.savez(objects, params=np.array([{"a": 1}], dtype=object))
    return {
        "npz-objects": ("x.npz", objects.getvalue(), refused),
        "npz-structured": ("x.npz", npz("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n"), refused),
        "npz-code": ("x.npz", npz(f"{{'descr': __import__('os').system('touch {CANARY}'), 'shape': (1,), }}\n"), refused),
        "npz-code-in-shape": ("x.npz", npz(shape % "9**9**9,"), refused),
        "npz-nested": ("x.npz", npz("{'descr': " + "(" * 3000 + ")" * 3000), refused),
        "npz-shape-huge": ("x.npz", npz(shape % "1000000000, 1000000000"), "not those of shape"),
        "npz-shape-negative": ("x.npz", npz(shape % "-4,", bytes(16)), refused),
        "npz-shape-short": ("x.npz", npz(shape % "3,", bytes(16)), "not those of shape"),
        "npz-head-longer": ("x.npz", zipped({"a.npy": b"\x93NUMPY\x01\x00\xff\xff{}"}), refused),
        "npz-no-array": ("x.npz", zipped({"a.npy": b"\x80\x02cos\nsystem\n."}), refused),
        "npz-other-member": ("x.npz", zipped({"a.npy": npy(shape % "1,", bytes(4)), "b.py": b"import os"}), "data.pkl"),
    }  # fmt: skip


def indexes():
    shard = safe({"weight": entry()})
    said = "points to .*no file beside it"
    made = {
        "parent": ("../secret.safetensors", said),
        "absolute": ("/etc/passwd", said),
        "windows": ("..\\secret.safetensors", said),
        "drive": ("C:secret.safetensors", said),
        "nul": ("a\0b", said),
        "below": ("x/a.safetensors", said),
        "itself": ("model.safetensors.index.json", said),
        "number": (5, "no weight_map"),
        "missing": ("gone.safetensors", "no file"),
        "unlisted": ("a.safetensors", "does not hold what"),
    }
    found = {}
    for label, (place, why) in made.items():
        index = json.dumps(
            {"weight_map": {"weight": place, **({"more": place} if label == "unlisted" else {})}}
        ).encode()
        content = {"model.safetensors.index.json": index, "a.safetensors": shard}
        found[f"index-{label}"] = ("model.safetensors.index.json", content, why)
    for label, text_of in {"no-map": b"{}", "no-json": b"{", "list": b"[]", "deep": b"[" * 100_000}.items():
        why = "not JSON" if label in ("no-json", "deep") else "no weight_map"
        found[f"index-{label}"] = ("model.safetensors.index.json", {"model.safetensors.index.json": text_of}, why)
    return found


def configurations():
    """Folders whose small files lie; the weights beside them are harmless."""
    shard = safe({"weight": entry()})
    base = {"format": "wordsight-model", "version": 1, "fingerprint": "0", "scale": 1.0}
    ours = {
        "width": ({"name": "x", "width": 10**9}, "width = 1000000000"),
        "layers": ({"name": "x", "image": {"layers": 10**9}}, "image.layers = 1000000000"),
        "stages": ({"name": "x", "image": {"kind": "resnet", "stages": [10**9] * 4}}, "image.stages = 1000000000"),
        "vocabulary": ({"name": "x", "text": {"vocabulary_size": 10**12}}, "vocabulary_size = 1000000000000"),
        "not-a-number": ({"name": "x", "scale": float("nan")}, "scale = nan"),
        "infinite": ({"name": "x", "text": {"mlp_ratio": float("inf")}}, "mlp_ratio = inf"),
        "kind": ({"name": "x", "image": {"kind": "os.system"}}, "image.kind = 'os.system'"),
        "type": ({"name": ["x"]}, "spec.name"),
        "size": ({"name": "x", "image": {"size": 0}}, "image.size = 0"),
    }
    found = {
        f"model-{label}": (
            ".",
            {"model.json": json.dumps({**base, "spec": spec}).encode(), "weights.safetensors": shard},
            why,
        )
        for label, (spec, why) in ours.items()
    }
    found["model-deep"] = (".", {"model.json": b'{"a":' * 100_000, "weights.safetensors": shard}, "not JSON")
    found["model-digits"] = (".", {"model.json": b'{"a":' + b"9" * 100_000 + b"}"}, "not JSON")
    return found | configurations_of_others()


def configurations_of_others():
    """Public configurations that cannot be read, beside weights that are what each format recognises."""
    keys = ("visual.class_embedding", "visual.conv1.weight", "token_embedding.weight", "text_projection", "logit_scale")
    theirs = ("text_model.embeddings.token_embedding.weight", "vision_model.embeddings.patch_embedding.weight")
    contents = {
        "deep": (b'{"a":' * 100_000, "not JSON"),
        "list": (b"[]", "holds no JSON object"),
        "binary": (b"\xff\xfe\x00", "not JSON"),
        "digits": (b'{"model_type": "clip", "width": ' + b"9" * 5000 + b"}", "not JSON"),
    }
    found = {}
    for config, names in (("open_clip_config.json", keys), ("config.json", theirs)):
        shard = safe({key: entry(offsets=(16 * i, 16 * i + 16)) for i, key in enumerate(names)}, bytes(16 * len(names)))
        for label, (content, why) in contents.items():
            found[f"{config}-{label}"] = (".", {config: content, "model.safetensors": shard}, why)
    return found
