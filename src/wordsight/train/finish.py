"""The end of a run: the averaged weights as a model folder with its card, the ONNX graphs, the results."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wordsight.base.arrays import Pixels
from wordsight.base.errors import WordsightError
from wordsight.base.files import read_json
from wordsight.base.nouns import Result
from wordsight.base.optional import resolve
from wordsight.base.progress import notice
from wordsight.base.records import write_results
from wordsight.towers.two import TwoTowers
from wordsight.train.config import ExportConfig, TrainConfig
from wordsight.train.guard import GUARD
from wordsight.train.lineage import Began, card_of, origin, terms
from wordsight.train.pairs import Pairs, tokenizer_files
from wordsight.train.run_folder import BEGAN
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.folder import save_checkpoint
from wordsight.weights.tensors import stored_state

EXPORT = "wordsight.engines.export:export"


class ExportFailed(WordsightError):
    """The towers were saved, but not as ONNX graphs."""

    exit_status = 1


@dataclass(frozen=True, slots=True)
class End:
    """What a run ends with; `images` uint8 (N, S, S, 3), on which int8 graphs are compared with the towers."""

    towers: TwoTowers
    results: Sequence[Result]
    steps: int
    images: Pixels


def finish(config: TrainConfig, end: End, run: Path, *, pairs: Pairs) -> Path:
    """Save the towers in `run`/model, write results.jsonl, export; return the model's folder."""
    folder, towers, results = run / "model", end.towers, end.results
    began = read_json(run / BEGAN)["from"]
    card = model_card(config, towers, results=results, pairs=pairs, steps=end.steps, began=began) + guarded(run)
    files = tokenizer_files(towers.spec, run)
    spec = replace(towers.spec, name=config.name)  # the architecture's name would be that of many models
    checkpoint = Checkpoint(spec, stored_state(towers), files, origin=origin(began), card=card)
    manifest = save_checkpoint(checkpoint, folder)
    write_results(run / "results.jsonl", results, fingerprint=manifest.fingerprint)
    notice(f"saved {folder}, fingerprint {manifest.fingerprint}")
    if config.export.precisions:
        _export(folder, config.export, end.images)
    return folder


def _export(folder: Path, config: ExportConfig, images: Pixels) -> None:
    export = resolve(EXPORT, extra="train")
    try:
        export(folder, precisions=config.precisions, size=config.size, images=images)
    except WordsightError as error:
        problem = f"the model is saved in {folder}, but not its ONNX graphs: {error.problem}"
        raise ExportFailed(problem, cure=error.cure) from error


def model_card(
    config: TrainConfig,
    towers: TwoTowers,
    *,
    results: Sequence[Result],
    pairs: Pairs,
    steps: int,
    began: Began,
) -> str:
    """Return the model's README: what it is, what it began from, what it has seen, what it reaches."""
    spec = towers.spec
    count = sum(parameter.numel() for parameter in towers.parameters())
    weights = sum(source.weight for source in pairs.sources)
    lines = [
        f"# {config.name}",
        "",
        f"Two towers ({spec.name}: {count / 1e6:.1f} million parameters, images of {spec.image.size} pixels, "
        f"texts of {spec.text.context_length} tokens) in a space of {spec.width} dimensions.",
        "",
        *_began(config, began),
        "## Learned from",
        "",
        "| source | path | images | share of the pairs |",
        "|---|---|---|---|",
    ]
    for source in pairs.sources:
        location = config.data.sources[source.name].place
        lines.append(f"| {source.name} | {location} | {source.count():,} | {source.weight / weights:.0%} |")
    lines += ["", f"{steps:,} steps of {config.batch} pairs ({steps * config.batch:,} pairs), seed {config.seed}.", ""]
    if config.loss.widths:
        lines += [_widths(config), ""]
    if results:
        lines += _results(results)
    lines += terms(began)
    return "\n".join(lines) + (f"\n{config.card.strip()}\n" if config.card else "")


def _began(config: TrainConfig, began: Began) -> list[str]:
    """Return the section on what the towers began from, and which of their parts learned."""
    if not began:
        return []
    learned = f'Learned: image tower "{config.train.image}", text tower "{config.train.text}".'
    share = config.average.start
    mixed = f" Of every weight, {share:.0%} is what it began with." if share else ""
    return ["## Began from", "", *card_of(began), "", learned + mixed, ""]


def _widths(config: TrainConfig) -> str:
    cuts = " or ".join(map(str, config.loss.widths))
    return (
        f"The first {cuts} numbers of an embedding, made unit again, were trained to serve for the whole: `wordsight "
        f"convert MODEL OUT --to wordsight --set width={config.loss.widths[0]}` makes the model that gives these alone."
    )


def guarded(run: Path) -> str:
    """Return the card's section on what was watched of a run, and what came of it."""
    if not (run / GUARD).is_file():
        return ""
    guard = read_json(run / GUARD)
    rows = [f"| {name} | {start:.1%} | {end:.1%} |" for name, (start, end) in guard["watched"].items()]
    events = [f"- {event}" for event in guard["events"]] or ["Nothing fell by more than the recipe allows."]
    head = ["", "## Against the model begun from", "", "| watched | at the start | now |", "|---|---|---|"]
    return "\n".join([*head, *rows, "", *events, ""])


def _results(results: Sequence[Result]) -> list[str]:
    """Return the section of results, beside what the towers reached before the first step where that is known."""
    started = any("start" in result.setting for result in results)
    heads = ["measure", *(["before"] if started else []), "value", "95 % interval", "chance"]
    lines = ["## Results", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for result in results:
        low, high = result.interval or (result.value, result.value)
        start, chance = (result.setting.get(key) for key in ("start", "chance"))
        before = [f"{start:.1%}" if isinstance(start, float) else ""] if started else []
        cells = [result.name, *before, f"{result.value:.1%}", f"{low:.1%} to {high:.1%}", f"{float(chance or 0):.1%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]
