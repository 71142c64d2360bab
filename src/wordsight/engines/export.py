"""From a model folder's weights to ONNX graphs in its onnx/, each kept only when it gives the model's embeddings.

    report = export(folder, precisions=("int8", "fp32"))

Writes onnx/image.int8.onnx, onnx/text.int8.onnx and so on, and onnx/parity.json, and notes the precisions
in model.json.  Nothing is written when a graph disagrees.  The towers of this package are written from their
weights without PyTorch; those of other packages are exported by it.
"""

import importlib.util
import shutil
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

from wordsight.base.arrays import Embeddings, Pixels, Tokens
from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import draft_folder, read_json, refuse_others, sweep, write_json
from wordsight.base.optional import resolve
from wordsight.base.progress import notice
from wordsight.engines.engine import Engine, needed_lengths
from wordsight.engines.layer_noise import measured_reach, worst_layers
from wordsight.engines.onnx_engine import PARITY, OnnxEngine, graph_path
from wordsight.engines.parity import (
    CLASSES,
    FP32_DIFFERENCE,
    ITSELF,
    LOWEST_MEAN,
    Agreement,
    Naming,
    ParityReport,
    agreement,
    naming,
    prompts,
    some_images,
    some_texts,
)
from wordsight.engines.trial import note_sound
from wordsight.text.open import Tokenizer, open_tokenizer
from wordsight.text.prompts import fill, templates
from wordsight.towers.families import finished
from wordsight.towers.graph.operators import Array, TableBits
from wordsight.towers.graph.precision import PRECISIONS, Precision
from wordsight.towers.graph.write import TOWERS, GraphSource, layers, write_graph, writes
from wordsight.towers.spec import ModelSpec
from wordsight.weights.find import MANIFEST
from wordsight.weights.folder import CARD, read_checkpoint, read_vocabulary, vocabulary_file, write_model_manifest
from wordsight.weights.manifest import ENGINES, read_fingerprint, read_model_manifest
from wordsight.weights.unchanged import digest_of

TRACED = "wordsight.engines.export_traced"  # for towers of other packages
GraphSize = Literal["sound", "small"]
NAMED = 4  # layers of a tower that an error names
CHECKED = 16  # inputs each tower is compared on


def export(
    folder: Path,
    *,
    precisions: Sequence[str] = PRECISIONS,
    out: Path | None = None,
    keep: Sequence[str] = (),
    size: GraphSize = "sound",
    images: Pixels | None = None,
) -> ParityReport:
    """Write the ONNX graphs of the model in `folder` and return how they agree with its towers in fp32.

    With `out` they go there, with the manifest, vocabulary and card beside them: a model folder without
    weights.  `keep` names linear layers that int8 graphs compute in fp32; where int8 loses accuracy, the layers that
    suffer most are kept so without being named.  `size` "small": no others are, and the token table of an int8 graph
    has 4 bits.  `images` uint8 (N, S, S, 3), of the kind that the model is used for, are compared on; drawn ones, the
    default, are harder for int8.  `FormatError` with the figures when fp32 differs by more than 1e-4 anywhere or the
    mean cosine of another precision stays below 0.99; what lay there before is then unchanged.
    """
    wanted = _ordered(precisions)
    target = folder if out is None else out
    manifest = read_model_manifest(folder)
    if finished(manifest.spec):
        raise UsageError(f"{folder} holds finished graphs and no weights", cure="use it as it is")
    sweep(target)
    kept = _kept(target, manifest.fingerprint, wanted)
    with draft_folder(target / ENGINES) as draft:
        write_model_manifest(draft, replace(manifest, files={}))
        made = _Draft(folder, draft, tuple(keep), size, images)
        report = made.fill(wanted)
        _refuse_bad(report, made.suffering)
        _move_in(draft, target, folder)
    report = replace(
        report, agreements=(*report.agreements, *kept.agreements), namings=(*report.namings, *kept.namings)
    )
    write_json(target / ENGINES / PARITY, to_dict(report))
    present = tuple(name for name in PRECISIONS if name in {a.precision for a in report.agreements})
    write_model_manifest(target, replace(manifest, precisions=present, files=recorded_files(target, manifest.spec)))
    return report


def recorded_files(target: Path, spec: ModelSpec) -> dict[str, str]:
    """Return the SHA-256 of the tokenizer's files and the graphs in `target`."""
    graphs = sorted((target / ENGINES).glob("*.onnx"))
    tokenizer = vocabulary_file(spec.tokenizer)
    names = [*([tokenizer] if tokenizer else []), *(path.relative_to(target).as_posix() for path in graphs)]
    return {name: digest_of(target / name) for name in names}


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What towers are compared on; `classes` are the tokens of the task's prompts."""

    images: Pixels
    texts: Tokens
    classes: Tokens


@dataclass(frozen=True, slots=True)
class _Embedded:
    """The embeddings that one engine gives for them."""

    embeddings: dict[str, Embeddings]  # by tower
    classes: Embeddings

    @classmethod
    def by(cls, engine: Engine, inputs: _Inputs) -> "_Embedded":
        embeddings = {"image": engine.embed_images(inputs.images), "text": engine.embed_texts(inputs.texts)}
        return cls(embeddings, engine.embed_texts(inputs.classes))


class _Draft:
    """Graphs in the making, in a folder of their own."""

    def __init__(
        self, folder: Path, draft: Path, keep: tuple[str, ...], size: GraphSize, images: Pixels | None
    ) -> None:
        self.folder, self.draft, self.keep, self.size = folder, draft, keep, size
        manifest = read_model_manifest(folder)
        self.suffering: list[str] = []  # layers that lose most by integers
        self.traced: dict[str, Any] = {}  # by tower: graphs of other packages' towers, which take long to make
        self.spec = manifest.spec
        self.fingerprint = manifest.fingerprint
        bits: TableBits = 4 if size == "small" else 8
        source = GraphSource(self.spec, read_checkpoint(folder).state, self.fingerprint, table_bits=bits)
        tokenizer = open_tokenizer(self.spec.tokenizer, folder)
        self.source = replace(source, reach=_reach(source, tokenizer))
        self.inputs = _Inputs(
            some_images(self.spec, CHECKED) if images is None else images[:CHECKED],
            some_texts(self.spec, CHECKED),
            tokenizer.batch(prompts(), pad_to="longest"),
        )

    def fill(self, precisions: Sequence[Precision]) -> ParityReport:
        """Write all graphs and compare them."""
        true, name = self._reference(precisions)
        agreements: list[Agreement] = []
        namings: list[Naming] = []
        for precision in precisions:
            if precision == "fp32" and name == ITSELF:  # its graphs are there, and there is nothing to compare with
                agreements += [
                    replace(agreement(tower, "fp32", true.embeddings[tower], true.embeddings[tower]), reference=name)
                    for tower in TOWERS
                ]
                continue
            by_tower = {}
            for tower in TOWERS:
                self._write(tower, precision, self._named(tower) if precision == "int8" else ())
            for tower in TOWERS:
                one = replace(self._compare(tower, precision, true), kept=self._named(tower), reference=name)
                if precision == "int8" and not one.sound and self.size == "sound":
                    one = self._mend(one, true)
                by_tower[tower] = one if precision == "int8" else replace(one, kept=())
            agreements += by_tower.values()
            given = _Embedded.by(self._engine(precision), self.inputs)
            namings.append(
                naming(precision, (given.embeddings["image"], given.classes), (true.embeddings["image"], true.classes))
            )
        return ParityReport(self.fingerprint, tuple(agreements), tuple(namings))

    def _named(self, tower: str) -> tuple[str, ...]:
        return tuple(name for name in self.keep if name.startswith("visual.") == (tower == "image"))

    def _reference(self, precisions: Sequence[Precision]) -> tuple[_Embedded, str]:
        """The embeddings of PyTorch, or of fp32 graphs where it is not installed; and the name of what gave them.

        Such graphs are made in the draft where they are wanted, else aside.
        """
        if importlib.util.find_spec("torch") is not None:
            engine: Engine = resolve("wordsight.engines.torch_engine:TorchEngine")(
                self.folder, device="cpu", precision="fp32"
            )
            return _Embedded.by(engine, self.inputs), "PyTorch"
        with tempfile.TemporaryDirectory(dir=self.draft) as name:
            target = self.draft if "fp32" in precisions else Path(name)
            write_model_manifest(target, replace(read_model_manifest(self.folder), files={}))
            for tower in TOWERS:
                self._write(tower, "fp32", (), folder=target)
            return _Embedded.by(OnnxEngine(target, precision="fp32"), self.inputs), ITSELF

    def _engine(self, precision: str) -> OnnxEngine:
        return OnnxEngine(self.draft, precision=precision)

    def _write(self, tower: str, precision: Precision, keep: Collection[str], *, folder: Path | None = None) -> None:
        path = graph_path(folder or self.draft, tower, precision)
        path.parent.mkdir(exist_ok=True)
        if writes(self.spec, tower):
            write_graph(path, self.source, tower, precision, keep=keep)
        else:
            if tower not in self.traced:
                self.traced[tower] = resolve(f"{TRACED}:trace", extra="timm")(self.folder, tower)
            resolve(f"{TRACED}:write_traced")(self.traced[tower], path, precision)
        note_sound(path)  # what is made here is compared here

    def _compare(self, tower: str, precision: str, true: _Embedded) -> Agreement:
        engine = self._engine(precision)
        given = self.inputs
        embeddings = engine.embed_images(given.images) if tower == "image" else engine.embed_texts(given.texts)
        return agreement(tower, precision, embeddings, true.embeddings[tower])

    def _mend(self, plain: Agreement, true: _Embedded) -> Agreement:
        """Keep the layers that suffer most from integers in fp32, twice as many each time, until no embedding is lost.

        At most half of them; the best one stays.  A tower without linear layers is kept where it is not good at all.
        """
        tower = plain.tower
        if not writes(self.spec, tower):
            return plain
        ranked = [name for name, _ in worst_layers(self.source, tower, self._few(tower))]
        if not ranked and not plain.good:
            ranked = layers(self.source, tower)
        self.suffering += ranked[:NAMED]
        best, count = plain, 1
        while ranked and not best.sound and count <= max(len(ranked) // 2, 1):
            keep = tuple(dict.fromkeys((*self._named(tower), *ranked[:count])))
            self._write(tower, "int8", keep)
            tried = self._compare(tower, "int8", true)
            if tried.mean > best.mean:
                best = replace(tried, kept=keep, reference=plain.reference)
            count *= 2
        self._write(tower, "int8", best.kept)
        if best.kept:
            notice(f"{tower} int8: kept in fp32, since they lose most by integers: {', '.join(best.kept)}")
        return best

    def _few(self, tower: str) -> Pixels | Tokens:
        """Inputs to measure layers on, texts no longer than they need be."""
        if tower == "image":
            return self.inputs.images[: CHECKED // 2]
        texts = self.inputs.texts
        return texts[:, : needed_lengths(texts, self.spec).max()]


def _reach(source: GraphSource, tokenizer: Tokenizer) -> dict[str, Array]:
    """Return how far the inputs of the text tower's layers reach, for those that ask: on the prompts of all templates.

    What reaches far are few tokens, such as the full stop, which random ones would miss.
    """
    if not writes(source.spec, "text"):
        return {}

    def texts() -> Tokens:
        pairs = zip(templates("clip"), cycle(CLASSES), strict=False)
        return tokenizer.batch([fill([template], name)[0] for template, name in pairs], pad_to="longest")

    return measured_reach(source, "text", texts)


def _ordered(precisions: Sequence[str]) -> tuple[Precision, ...]:
    unknown = [name for name in precisions if name not in PRECISIONS]
    if unknown or not precisions:
        raise UsageError(f"precisions {', '.join(precisions) or 'none'}", cure=f"use {', '.join(PRECISIONS)}")
    return tuple(name for name in PRECISIONS if name in precisions)


def _refuse_bad(report: ParityReport, suffering: Sequence[str]) -> None:
    bad = [agreement.line() for agreement in report.agreements if not agreement.good]
    if bad:
        named = f"; layers to keep in fp32: {', '.join(suffering)}" if suffering else ""
        raise FormatError(
            f"the export does not agree with the towers: {'; '.join(bad)}{named}",
            cure="use another precision, or the torch engine; fp32 must stay within "
            f"{FP32_DIFFERENCE:.0e}, others reach a mean cosine of {LOWEST_MEAN}",
        )


def _kept(target: Path, fingerprint: str, wanted: Sequence[str]) -> ParityReport:
    """The figures of graphs that lie in `target` already, made from the same weights, in other precisions."""
    if not (target / MANIFEST).is_file():
        if target.is_dir() and any(entry not in refuse_others(target / ENGINES) for entry in target.iterdir()):
            raise UsageError(f"{target} holds other files and no model", cure="choose an empty or a new folder")
        return ParityReport(fingerprint, ())
    if read_fingerprint(target) != fingerprint:
        raise UsageError(
            f"{target} holds another model ({read_fingerprint(target)}, not {fingerprint})",
            cure="choose an empty or a new folder",
        )
    path = target / ENGINES / PARITY
    report = from_dict(ParityReport, read_json(path)) if path.is_file() else ParityReport("", ())
    if report.fingerprint != fingerprint:
        return ParityReport(fingerprint, ())
    return replace(
        report,
        agreements=tuple(one for one in report.agreements if one.precision not in wanted),
        namings=tuple(one for one in report.namings if one.precision not in wanted),
    )


def _move_in(draft: Path, target: Path, source: Path) -> None:
    """Put the graphs in place, and beside them what a model folder needs when it is a new one."""
    (target / ENGINES).mkdir(exist_ok=True)
    for path in sorted((draft / ENGINES).iterdir()):
        path.replace(target / ENGINES / path.name)
    if target != source:
        for name in (*read_vocabulary(source), CARD):
            if (source / name).is_file():
                shutil.copyfile(source / name, target / name)
