"""`wordsight convert IN OUT --to FORMAT`: a model in another form.

IN is anything that leads to a model: a folder of ours, a public checkpoint, a name.  "onnx" writes the graphs of the
light install (into IN itself when OUT is the same folder), "wordsight" a fresh model folder, every other
format what the program it is named for loads.
"""

import os
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError
from wordsight.base.files import refuse_others, require_new
from wordsight.base.optional import resolve
from wordsight.base.progress import notice
from wordsight.base.reading import read_file
from wordsight.base.suggest import suggest
from wordsight.base.terminal import say

if TYPE_CHECKING:
    from wordsight.weights.checkpoint import Checkpoint
    from wordsight.weights.find import ModelLocation

OURS = ("wordsight", "onnx")
PUBLIC = ("openai", "openclip", "huggingface", "bigvision", "eva", "mobileclip", "perception")  # for the help
# what weights change for: positions are interpolated, projections cut
RESIZED = {"image.size": "size", "text.context_length": "context_length", "width": "width"}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare IN, OUT, --to and what the formats can be asked for."""
    parser.add_argument("source", metavar="IN", help="a model: a folder, a file of weights, or a name")
    parser.add_argument("target", metavar="OUT", type=Path, help="what to write; may be IN for --to onnx")
    parser.add_argument("--to", required=True, metavar="FORMAT", help=f"one of {', '.join(OURS + PUBLIC)}")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="A.B=C",
        help="set a fact that the file does not state, or another image.size; again for more",
    )
    parser.add_argument("--tokenizer", type=Path, metavar="FILE", help="the tokenizer file, where IN has none")
    parser.add_argument(
        "--part", default="", metavar="NAME", help="which weights of a training checkpoint with several"
    )
    parser.add_argument(
        "--precision",
        action="append",
        choices=["int8", "fp16", "fp32"],
        help="of --to onnx; again for more (default: int8)",
    )
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="LAYER",
        help="of --to onnx: a linear layer that stays in fp32 in int8 graphs; again for more",
    )
    parser.add_argument("--half", action="store_true", help="store the weights in 16 bits")


def run(args: Namespace) -> int:
    """Convert, say what was written on standard output."""
    from wordsight.weights.find import locate
    from wordsight.weights.formats.table import write_as, written

    known = (*OURS, *written())
    if args.to not in known:
        raise UsageError(f"no format {args.to!r}", cure=suggest(args.to, known))
    location = locate(args.source)
    if args.to == "onnx":
        return to_onnx(location, args)
    if os.path.realpath(args.target) == os.path.realpath(location.path):
        raise UsageError(f"OUT is IN, {args.target}", cure="choose another folder")
    if args.to != "wordsight" and not args.target.is_file():
        require_new(args.target)
    checkpoint = checkpoint_of(location, args)
    if args.to == "wordsight":
        from wordsight.weights.folder import save_checkpoint

        manifest = save_checkpoint(checkpoint, args.target)
        say(f"wrote {args.target}, fingerprint {manifest.fingerprint}")
    else:
        write_as(checkpoint, args.target, args.to)
        say(f"wrote {args.target}")
    return 0


def to_onnx(location: "ModelLocation", args: Namespace) -> int:
    """Write the graphs and how well they agree with the towers."""
    changed = args.set or args.tokenizer or args.part or args.half
    with tempfile.TemporaryDirectory() as aside:
        if changed:
            from wordsight.weights.folder import save_checkpoint

            source = Path(aside) / "model"
            save_checkpoint(checkpoint_of(location, args), source)
        else:
            from wordsight.weights.find import find_model

            source = find_model(args.source)
        notice(f"exporting {location.name or location.path} and comparing with the towers ...")
        refuse_others(args.target / "onnx")
        out = None if os.path.realpath(args.target) == os.path.realpath(source) else args.target
        export = resolve("wordsight.engines.export:export", extra="models")
        options = {"keep": args.keep} if args.keep else {}
        report = export(source, precisions=args.precision or ["int8"], out=out, **options)
    for line in report.lines():
        say(line)
    say(f"wrote {args.target / 'onnx'}")
    return 0


def checkpoint_of(location: "ModelLocation", args: Namespace) -> "Checkpoint":
    """Return the model in memory, with what the command line says."""
    from wordsight.weights.folder import read_checkpoint
    from wordsight.weights.formats.table import read_any
    from wordsight.weights.licences import mention_of

    checkpoint = read_checkpoint(location.path) if location.ours else read_any(location.path, part=args.part)
    if location.name:
        checkpoint = replace(checkpoint, spec=replace(checkpoint.spec, name=location.name))
    mention_of(checkpoint.spec.name, checkpoint.origin)
    checkpoint = changed(checkpoint, args.set)
    if args.tokenizer is not None:
        checkpoint = with_vocabulary(checkpoint, args.tokenizer)
    if args.half:
        halves = {
            name: array.astype("float16") if array.dtype.kind == "f" and array.ndim else array
            for name, array in checkpoint.state.items()
        }
        checkpoint = replace(checkpoint, state=halves)
    for assumption in checkpoint.assumed:
        notice(f"assumed: {assumption}")
    return checkpoint


def with_vocabulary(checkpoint: "Checkpoint", file: Path) -> "Checkpoint":
    """Return a checkpoint with `file` as its tokenizer's; a SentencePiece model may also come as a `.json`."""
    from wordsight.weights.folder import vocabulary_file

    tokenizer = checkpoint.spec.tokenizer
    if tokenizer.kind == "sentencepiece" and file.suffix == ".json":
        tokenizer = replace(tokenizer, kind="tokenizers")
    name = vocabulary_file(tokenizer)
    if name is None or not file.is_file():
        why = "comes with the published vocabulary" if name is None else f"needs {name}"
        raise UsageError(f"--tokenizer {file}: the model {why}", cure="leave it out, or name a file")
    spec = replace(checkpoint.spec, tokenizer=tokenizer)
    return replace(checkpoint, spec=spec, tokenizer_files={name: read_file(file)})


def changed(checkpoint: "Checkpoint", assignments: Sequence[str]) -> "Checkpoint":
    """Return a checkpoint with fields of its spec set; sizes by interpolation; what was assumed of them is dropped."""
    from wordsight.base.config import from_dict, override, to_dict
    from wordsight.towers.check import check_spec
    from wordsight.towers.spec import ModelSpec

    sizes = [text for text in assignments if text.partition("=")[0].strip() in RESIZED]
    for text in sizes:
        from wordsight.weights.resize import resize_checkpoint

        name, _, value = text.partition("=")
        if not value.strip().isdecimal():
            raise UsageError(f"--set {text}", cure="give a whole number")
        checkpoint = resize_checkpoint(checkpoint, **{RESIZED[name.strip()]: int(value)})
    others = [text for text in assignments if text not in sizes]
    spec = from_dict(ModelSpec, override(to_dict(checkpoint.spec), others))
    check_spec(spec)
    names = [f"--set {text.partition('=')[0].strip()}=" for text in others]
    assumed = tuple(assumption for assumption in checkpoint.assumed if not any(name in assumption for name in names))
    return replace(checkpoint, spec=spec, assumed=assumed)
