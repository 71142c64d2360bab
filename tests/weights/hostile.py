"""The corpus of hostile files, made by hand from opcodes and headers: name -> (file name, bytes, what must be said).

Nothing in here is executable by itself; what a pickle names would, if it ran, make the file `CANARY`.
"""

import io
import json
import struct
import zipfile
import zlib

import numpy as np

CANARY = "canary-that-must-not-appear"
PROTO, STOP = b"\x80\x02", b"."
MAGIC = b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little")


def text(value):
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def whole(value):
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def call(module, attribute, *arguments):
    return name(module, attribute) + b"(" + b"".join(arguments) + b"tR"


COMMAND = text(f"touch {CANARY}")
STORAGE = b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + whole(4) + b"tQ"
HOOKS = name("collections", "OrderedDict") + b")R"


def tensor(offset=0, size=(2, 2), stride=(2, 1), storage=STORAGE):
    def numbers(values):
        return b"(" + b"".join(whole(value) for value in values) + b"t"

    arguments = storage + whole(offset) + numbers(size) + numbers(stride) + b"\x89" + HOOKS
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + arguments + b"tR"


def state(value):
    return PROTO + b"}" + text("weight") + value + b"s" + STOP


def zipped(entries, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for entry, content in entries.items():
            archive.writestr(zipfile.ZipInfo(entry) if method == zipfile.ZIP_STORED else entry, content)
    return buffer.getvalue()


def torch_zip(pickle, numbers=bytes(16), **more):
    return zipped({"x/data.pkl": pickle, "x/data/0": numbers, "x/version": b"3\n", **more})


def legacy(pickle, labels=b"](" + text("0") + b"e.", numbers=struct.pack("<q", 4) + bytes(16)):
    head = PROTO + MAGIC + STOP + PROTO + b"M\xe9\x03." + PROTO + b"}" + STOP
    return head + pickle + PROTO + labels + numbers


def replaced(content, old, new, count=-1):
    assert old in content and len(old) == len(new)
    return content.replace(old, new, count)


def safe(header, data=bytes(16), length=None):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + data


def entry(dtype="F32", shape=(2, 2), offsets=(0, 16)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def npy(header, data=b""):
    encoded = header.encode() if isinstance(header, str) else header
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(encoded)) + encoded + data


def npz(header, data=b"", method=zipfile.ZIP_STORED):
    return zipped({"params.npy": npy(header, data)}, method)


def deflated(megabytes):
    packer = zlib.compressobj(1, wbits=-15)
    return b"".join([packer.compress(bytes(2**20)) for _ in range(megabytes)] + [packer.flush()])


def zip_of(content, *, size, packed=None, method=8, entry_name=b"x/data.pkl", flags=0, made=0x314, attributes=0):
    """A zip of one entry whose heads say what they are told to."""
    packed = len(content) if packed is None else packed
    common = struct.pack("<HHHHLLLHH", flags, method, 0, 33, 0, packed, size, len(entry_name), 0)
    local = b"PK\x03\x04" + struct.pack("<H", 20) + common + entry_name + content
    central = b"PK\x01\x02" + struct.pack("<HH", made, 20) + common + struct.pack("<HHHLL", 0, 0, 0, attributes, 0)
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, len(central + entry_name), len(local), 0)
    return local + central + entry_name + end


def overlapping():
    """Two entries of the directory that share one body."""
    content = torch_zip(state(tensor()))
    at = content.rindex(b"PK\x01\x02")
    first = content.index(b"PK\x01\x02")
    width = at - content[:at].rindex(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    central = content[first:end]
    twin = central[:width].replace(b"x/data.pkl", b"y/data.pkl")
    tail = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 4, 4, len(central + twin), first, 0)
    return content[:first] + central + twin + tail


def laughs(kind):
    """A billion lists (or texts in lists) from few: each level holds ten times the one before."""
    parts = [PROTO, b"](" + text("ha" * 500) * 10 + b"e" if kind == "text" else b"]", b"q\x00"]
    for level in range(1, 20):
        parts.append(b"](" + b"h" + bytes([level - 1]) + (b"h" + bytes([level - 1])) * 9 + b"eq" + bytes([level]))
    return b"".join(parts) + STOP


def deep(count):
    return PROTO + b"]" * count + b"a" * (count - 1) + STOP


NAMED = [
    ("os", "system", COMMAND),
    ("posix", "system", COMMAND),
    ("nt", "system", COMMAND),
    ("builtins", "eval", text(f"open('{CANARY}', 'w')")),
    ("builtins", "exec", text(f"open('{CANARY}', 'w')")),
    ("__builtin__", "execfile", COMMAND),
    ("builtins", "compile", COMMAND),
    ("builtins", "open", text(CANARY), text("w")),
    ("builtins", "getattr", text("a"), text("__class__")),
    ("builtins", "__import__", text("os")),
    ("importlib", "import_module", text("os")),
    ("subprocess", "Popen", COMMAND),
    ("subprocess", "check_output", COMMAND),
    ("runpy", "run_path", COMMAND),
    ("webbrowser", "open", COMMAND),
    ("functools", "partial", COMMAND),
    ("operator", "attrgetter", text("system")),
    ("operator", "methodcaller", text("system")),
    ("pickle", "loads", COMMAND),
    ("torch", "load", text(CANARY)),
    ("torch.serialization", "load", text(CANARY)),
    ("torch.jit", "load", text(CANARY)),
    ("torch.hub", "load", text(CANARY)),
    ("torch._utils", "_rebuild_device_tensor_from_numpy", COMMAND),
    ("torch._dynamo.guards", "GuardBuilder", COMMAND),
    ("numpy", "load", text(CANARY)),
    ("numpy.testing._private.utils", "runstring", COMMAND),
    ("shutil", "rmtree", text(CANARY)),
    ("socket", "create_connection", COMMAND),
    ("ctypes", "CDLL", COMMAND),
    ("types", "FunctionType", COMMAND),
    ("copyreg", "add_extension", text("os"), text("system"), whole(1)),
    ("_pickle", "Unpickler", COMMAND),
    ("collections", "OrderedDict.__init__.__globals__"),
    ("transformers.training_args", "TrainingArguments"),
]
PICKLES = {
    "inst": (PROTO + b"(" + COMMAND + b"ios\nsystem\n" + STOP, "names os.system"),
    "obj": (PROTO + b"(" + name("os", "system") + COMMAND + b"o" + STOP, "names os.system"),
    "newobj": (PROTO + name("os", "system") + b"(" + COMMAND + b"t\x81" + STOP, "names os.system"),
    "newobj-ex": (PROTO + name("os", "system") + b")}\x92" + STOP, "names os.system"),
    "newobj-ex-named": (PROTO + name("collections", "OrderedDict") + b")}" + COMMAND + b"Ns\x92" + STOP, "calls"),
    "stack-global": (PROTO + text("os") + text("system") + b"\x93(" + COMMAND + b"tR" + STOP, "names os.system"),
    "stack-global-dotted": (PROTO + text("builtins") + text("dict.fromkeys") + b"\x93" + STOP, "names builtins.dict.f"),
    "stack-global-of-numbers": (PROTO + whole(1) + whole(2) + b"\x93" + STOP, "names 1.2"),
    "extension": (PROTO + b"\x82\x01" + STOP, "opcode 0x82"),
    "extension-4": (PROTO + b"\x84\x01\x00\x00\x00" + STOP, "opcode 0x84"),
    "next-buffer": (b"\x80\x05\x97" + STOP, "opcode 0x97"),
    "unknown-protocol": (b"\x80\x09N" + STOP, "a protocol after the fifth"),
    "call-a-text": (PROTO + COMMAND + b")R" + STOP, "calls str"),
    "call-a-label": (PROTO + name("torch", "FloatStorage") + b")R" + STOP, "calls torch.FloatStorage"),
    "build-a-list": (PROTO + b"]" + COMMAND + b"b" + STOP, "changes list"),
    "build-a-name": (PROTO + name("collections", "OrderedDict") + b"}b" + STOP, "changes Name"),
    "reconstruct": (PROTO + call("copyreg", "_reconstructor", COMMAND, COMMAND, b"N") + STOP, "misuses copyreg"),
    "factory": (PROTO + call("collections", "defaultdict", name("os", "system")) + STOP, "names os.system"),
    "type-of-tensor": (
        PROTO
        + call("torch._tensor", "_rebuild_from_type_v2", name("collections", "OrderedDict"), b"N", b")", b"N")
        + STOP,
        "misuses torch._tensor",
    ),
    "numpy-objects": (PROTO + call("numpy", "dtype", text("O8"), b"K\x00", b"K\x01") + STOP, "misuses numpy.dtype"),
    "codec": (PROTO + call("_codecs", "encode", text("x"), text("rot13")) + STOP, "misuses _codecs.encode"),
    "persistent-text": (PROTO + b"Pstorage\n" + STOP, "no storage"),
    "persistent-number": (PROTO + whole(5) + b"Q" + STOP, "no storage"),
    "persistent-class": (
        PROTO
        + b"("
        + text("storage")
        + name("collections", "OrderedDict")
        + text("0")
        + text("cpu")
        + whole(4)
        + b"tQ"
        + STOP,
        "no storage",
    ),
    "memo-unknown": (PROTO + b"h\x07" + STOP, "recalls 7"),
    "memo-huge": (PROTO + b"Nr\xff\xff\xff\xff" + STOP, "no known format"),
    "text-of-2-to-the-62": (PROTO + b"\x8d" + struct.pack("<Q", 2**62) + b"ab" + STOP, "ends early"),
    "bytes-of-2-to-the-40": (PROTO + b"\x8e" + struct.pack("<Q", 2**40) + b"ab" + STOP, "ends early"),
    "bytearray-of-2-to-the-40": (PROTO + b"\x96" + struct.pack("<Q", 2**40) + b"ab" + STOP, "ends early"),
    "whole-of-2-to-the-31": (PROTO + b"\x8b\xff\xff\xff\x7f" + STOP, "a whole number of"),
    "whole-of-negative-length": (PROTO + b"\x8b\xff\xff\xff\xff" + STOP, "a whole number of"),
    "whole-of-a-million-digits": (PROTO + b"I" + b"9" * 10**6 + b"\n" + STOP, "of 1000000 digits"),
    "quoted": (PROTO + b"S'\\x41'\n" + STOP, "not plainly quoted"),
    "truncated": (PROTO + text("a")[:-1], "ends early"),
    "no-stop": (PROTO + b"N", "ends early"),
    "pops-nothing": (PROTO + b"0" + STOP, "takes more than"),
    "mark-missing": (PROTO + b"t" + STOP, "has not begun"),
    "deep-lists": (deep(100_000), "more than 100 deep"),
    "deep-tuples": (PROTO + b")" + b"\x85" * 100_000 + STOP, "more than 100 deep"),
    "holds-itself": (PROTO + b"]q\x00h\x00a" + STOP, "holds itself"),
    "billion-lists": (laughs("list"), "parts"),
    "billion-texts": (laughs("text"), "parts"),
    "tuples-as-key": (PROTO + b"}" + b")" + b"q\x00h\x00\x86" * 40 + b"Ns" + STOP, "damaged"),
    "colliding-keys": (PROTO + b"}" + whole((2**61 - 1) * 3) + b"Ns" + STOP, "damaged"),
    "list-as-key": (PROTO + b"}]Ns" + STOP, "damaged"),
    "odd-items": (PROTO + b"}(Nu" + STOP, "damaged"),
    "steps-without-end": (PROTO + b"N0" * 1_600_000 + STOP, "more than 3000000 steps"),
    "dicts-without-end": (PROTO + b"}0" * 600_000 + STOP, "more than 500000 lists"),
    "offset-negative": (state(tensor(offset=-1)), "no whole number of 0 or more"),
    "size-negative": (state(tensor(size=(-2, 2))), "no whole number of 0 or more"),
    "stride-negative": (state(tensor(stride=(2, -1))), "no whole number of 0 or more"),
    "offset-beyond": (state(tensor(offset=1)), "reaches beyond its storage"),
    "size-beyond": (state(tensor(size=(2, 3), stride=(3, 1))), "reaches beyond its storage"),
    "size-overflowing": (state(tensor(size=(2**40, 2**40), stride=(2**40, 1))), "reaches beyond its storage"),
    "size-of-zero-strides": (state(tensor(size=(2**40, 2**30), stride=(0, 0))), "reaches beyond its storage"),
    "strides-missing": (state(tensor(stride=(1,))), "do not belong together"),
    "axes-without-end": (state(tensor(size=(1,) * 40, stride=(1,) * 40)), "do not belong together"),
    "storage-is-a-dict": (state(tensor(storage=b"}")), "a tensor of no storage"),
    "storage-missing": (state(tensor(storage=STORAGE.replace(text("0"), text("7")))), "has nothing there"),
    "storage-elsewhere": (state(tensor(storage=STORAGE.replace(text("0"), text("../../0")))), "has nothing there"),
    "storage-too-long": (state(tensor(storage=STORAGE.replace(whole(4), whole(5)))), "has 16 bytes there"),
    "storage-negative": (state(tensor(storage=STORAGE.replace(whole(4), whole(-4)))), "no storage"),
}


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
    for name, names in (("open_clip_config.json", keys), ("config.json", theirs)):
        shard = safe({key: entry(offsets=(16 * i, 16 * i + 16)) for i, key in enumerate(names)}, bytes(16 * len(names)))
        for label, (content, why) in contents.items():
            found[f"{name}-{label}"] = (".", {name: content, "model.safetensors": shard}, why)
    return found
