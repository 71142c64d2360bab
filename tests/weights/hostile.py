"""The pieces of hostile files, made by hand from opcodes and headers, and the pickles: name -> (pickle, what is said).

Nothing in here is executable by itself; what a pickle names would, if it ran, make the file `CANARY`.
"""

import io
import json
import struct
import zipfile
import zlib

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


def zip_of(content, *, size, **said):
    """A zip of one entry whose heads say what they are told to."""
    usual = {"packed": len(content), "method": 8, "entry_name": b"x/data.pkl", "flags": 0, "attributes": 0}
    packed, method, entry_name, flags, attributes = {**usual, **said}.values()
    common = struct.pack("<HHHHLLLHH", flags, method, 0, 33, 0, packed, size, len(entry_name), 0)
    local = b"PK\x03\x04" + struct.pack("<H", 20) + common + entry_name + content
    central = b"PK\x01\x02" + struct.pack("<HH", 0x314, 20) + common + struct.pack("<HHHLL", 0, 0, 0, attributes, 0)
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
