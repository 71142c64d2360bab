"""From a model folder's weights to ONNX graphs in its onnx/, each kept only when it gives PyTorch's rows.

    report = export(folder, precisions=("int8", "fp32"))

Writes onnx/image.int8.onnx, onnx/text.int8.onnx and so on, and onnx/parity.json, and notes the precisions
in model.json.  Nothing is written when a graph disagrees.  The graphs are built from the weights by
`graph_*.py`; PyTorch (extra "train") is needed to read the towers and to compare.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import atomic_write, read_json, storage_errors, write_json
from wordsight.engines.engine import Engine
from wordsight.engines.graph import Graph
from wordsight.engines.graph_resnet import resnet_graph
from wordsight.engines.graph_text import text_graph
from wordsight.engines.graph_transformer import Weights
from wordsight.engines.graph_vit import vit_graph
from wordsight.engines.onnx_engine import PRECISIONS, OnnxEngine, Precision, graph_path
from wordsight.engines.parity import (
    FP32_DIFFERENCE,
    INT8_COSINE,
    Agreement,
    ParityReport,
    agreement,
    some_pictures,
    some_texts,
)
from wordsight.engines.torch_engine import TorchEngine
from wordsight.towers.spec import ModelSpec
from wordsight.towers.two import TwoTowers
from wordsight.weights.find import MANIFEST
from wordsight.weights.folder import (
    CARD,
    ENGINES,
    MERGES,
    load_towers,
    read_fingerprint,
    read_manifest,
    write_manifest,
)

GRAPHS: dict[str, Callable[[Graph, Weights, ModelSpec], None]] = {"vit": vit_graph, "resnet": resnet_graph}
TOWERS = ("image", "text")
CHECKED = 16  # inputs each tower is compared on
PARITY = "parity.json"


def export(
    folder: Path, *, precisions: Sequence[str] = PRECISIONS, out: Path | None = None, threads: int | None = None
) -> ParityReport:
    """Write the ONNX graphs of the model in `folder` and return how they agree with PyTorch in fp32.

    With `out` they go there, with the manifest, vocabulary and card beside them: a model folder without
    weights.  `FormatError` with the figures when fp32 differs by more than 1e-4 anywhere or the mean cosine
    of int8 is below 0.99; what lay there before is then unchanged.
    """
    wanted = _ordered(precisions)
    target = folder if out is None else out
    towers = load_towers(folder)
    manifest = read_manifest(folder)
    kept = _kept(target, manifest.fingerprint, wanted)
    with storage_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".export-") as place:
            draft = Path(place)
            write_manifest(draft, manifest)
            for precision in wanted:
                _write_graphs(towers, draft, precision, manifest.fingerprint)
            report = compare(draft, towers, precisions=wanted, threads=threads)
            _refuse_bad(report)
            _move_in(draft, target, folder)
    report = ParityReport(report.fingerprint, (*report.agreements, *kept))
    write_json(target / ENGINES / PARITY, to_dict(report))
    present = tuple(name for name in PRECISIONS if name in {a.precision for a in report.agreements})
    write_manifest(target, replace(manifest, precisions=present))
    return report


def build_graph(towers: TwoTowers, tower: str, precision: Precision, fingerprint: str) -> bytes:
    """Return one serialised graph: tower "image" takes "pixels", tower "text" takes "tokens", both give "rows"."""
    spec = towers.spec
    graph = Graph(precision)
    state = {name: tensor.detach().cpu().numpy() for name, tensor in _named_tensors(towers)}
    if tower == "image":
        weights = Weights({name: array for name, array in state.items() if name.startswith("visual.")})
        GRAPHS[spec.image.kind](graph, weights, spec)
    else:
        aside = ("visual.", "logit_")
        weights = Weights({name: array for name, array in state.items() if not name.startswith(aside)})
        text_graph(graph, weights, spec)
    weights.check_all_taken()
    return graph.model({"fingerprint": fingerprint, "tower": tower, "precision": precision, "model": spec.name})


def compare(folder: Path, towers: TwoTowers, *, precisions: Sequence[str], threads: int | None = None) -> ParityReport:
    """Run the graphs in `folder` and the towers on the same generated inputs."""
    fingerprint = read_fingerprint(folder)
    reference: Engine = TorchEngine.of(towers, fingerprint=fingerprint)
    pictures, texts = some_pictures(towers.spec, CHECKED), some_texts(towers.spec, CHECKED)
    true = {"image": reference.embed_images(pictures), "text": reference.embed_texts(texts)}
    agreements = []
    for precision in precisions:
        engine = OnnxEngine(folder, precision=precision, threads=threads)
        rows = {"image": engine.embed_images(pictures), "text": engine.embed_texts(texts)}
        agreements += [agreement(tower, precision, rows[tower], true[tower]) for tower in TOWERS]
    return ParityReport(fingerprint, tuple(agreements))


def _named_tensors(towers: TwoTowers) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers, the fixed positions (which no checkpoint holds) among them."""
    yield from towers.named_parameters()
    yield from towers.named_buffers()


def _ordered(precisions: Sequence[str]) -> tuple[Precision, ...]:
    unknown = [name for name in precisions if name not in PRECISIONS]
    if unknown or not precisions:
        raise UsageError(f"precisions {', '.join(precisions) or 'none'}", cure=f"use {' and '.join(PRECISIONS)}")
    return tuple(name for name in PRECISIONS if name in precisions)


def _write_graphs(towers: TwoTowers, folder: Path, precision: Precision, fingerprint: str) -> None:
    for tower in TOWERS:
        with atomic_write(graph_path(folder, tower, precision)) as handle:
            handle.write(build_graph(towers, tower, precision, fingerprint))


def _refuse_bad(report: ParityReport) -> None:
    bad = [agreement.line() for agreement in report.agreements if not agreement.good]
    if bad:
        raise FormatError(
            f"the export does not agree with PyTorch: {'; '.join(bad)}",
            cure="use another precision, or the torch engine; fp32 must stay within "
            f"{FP32_DIFFERENCE:.0e}, int8 reach a mean cosine of {INT8_COSINE}",
        )


def _kept(target: Path, fingerprint: str, wanted: Sequence[str]) -> tuple[Agreement, ...]:
    """The figures of graphs that lie in `target` already, made from the same weights, in other precisions."""
    if not (target / MANIFEST).is_file():
        if target.is_dir() and any(target.iterdir()):
            raise UsageError(f"{target} holds other files and no model", cure="choose an empty or a new folder")
        return ()
    if read_fingerprint(target) != fingerprint:
        raise UsageError(
            f"{target} holds another model ({read_fingerprint(target)}, not {fingerprint})",
            cure="choose an empty or a new folder",
        )
    path = target / ENGINES / PARITY
    if not path.is_file():
        return ()
    report = from_dict(ParityReport, read_json(path))
    return tuple(a for a in report.agreements if report.fingerprint == fingerprint and a.precision not in wanted)


def _move_in(draft: Path, target: Path, source: Path) -> None:
    """Put the graphs in place, and beside them what a model folder needs when it is a new one."""
    (target / ENGINES).mkdir(exist_ok=True)
    for path in sorted((draft / ENGINES).iterdir()):
        path.replace(target / ENGINES / path.name)
    if target != source:
        for name in (MERGES, CARD):
            if (source / name).is_file():
                shutil.copyfile(source / name, target / name)
