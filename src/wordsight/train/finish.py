"""The end of a run: the averaged weights as a model folder with its card, the ONNX graphs, the results."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wordsight.base.errors import WordsightError
from wordsight.base.files import atomic_write
from wordsight.base.nouns import Result
from wordsight.base.optional import resolve
from wordsight.base.progress import notice
from wordsight.base.records import environment
from wordsight.towers.two import TwoTowers
from wordsight.train.config import TrainConfig
from wordsight.train.pairs import MERGES, Pairs
from wordsight.weights.folder import save_model

EXPORT = "wordsight.engines.export:export"


class ExportFailed(WordsightError):
    """The towers were saved, but not as ONNX graphs."""

    exit_status = 1


def finish(
    config: TrainConfig, towers: TwoTowers, run: Path, *, results: Sequence[Result], pairs: Pairs, steps: int
) -> Path:
    """Save `towers` in `run`/model, write results.jsonl, export; return the model's folder."""
    folder = run / "model"
    learned = towers.spec.tokenizer.vocabulary == "own"
    merges = (run / MERGES).read_text(encoding="utf-8") if learned else None
    card = model_card(config, towers, results=results, pairs=pairs, steps=steps)
    manifest = save_model(towers, folder, merges=merges, card=card)
    facts = environment()
    with atomic_write(run / "results.jsonl", "w") as handle:
        for result in results:
            handle.write(replace(result, fingerprint=manifest.fingerprint, environment=facts).to_json() + "\n")
    notice(f"saved {folder}, fingerprint {manifest.fingerprint}")
    if config.export.precisions:
        _export(folder, config.export.precisions)
    return folder


def _export(folder: Path, precisions: tuple[str, ...]) -> None:
    export = resolve(EXPORT, extra="train")
    try:
        export(folder, precisions=precisions)
    except WordsightError as error:
        problem = f"the model is saved in {folder}, but not its ONNX graphs: {error.problem}"
        raise ExportFailed(problem, cure=error.cure) from error


def model_card(config: TrainConfig, towers: TwoTowers, *, results: Sequence[Result], pairs: Pairs, steps: int) -> str:
    """Return the model's README: what it is, what it has seen, what it reaches."""
    spec = towers.spec
    count = sum(parameter.numel() for parameter in towers.parameters())
    weights = sum(source.weight for source in pairs.sources)
    lines = [
        f"# {config.name}",
        "",
        f"Two towers ({spec.name}: {count / 1e6:.1f} million parameters, images of {spec.image.size} pixels, "
        f"texts of {spec.text.context_length} tokens) in a space of {spec.width} dimensions.",
        "",
        "## Learned from",
        "",
        "| source | path | images | share of the pairs |",
        "|---|---|---|---|",
    ]
    for source in pairs.sources:
        location = config.data.sources[source.name].place
        lines.append(f"| {source.name} | {location} | {source.count():,} | {source.weight / weights:.0%} |")
    lines += ["", f"{steps:,} steps of {config.batch} pairs ({steps * config.batch:,} pairs), seed {config.seed}.", ""]
    if results:
        lines += ["## Results", "", "| measure | value | 95 % interval | chance |", "|---|---|---|---|"]
        lines += [_row(result) for result in results]
        lines.append("")
    return "\n".join(lines) + (f"\n{config.card.strip()}\n" if config.card else "")


def _row(result: Result) -> str:
    low, high = result.interval or (result.value, result.value)
    chance = float(result.setting.get("chance") or 0.0)
    return f"| {result.name} | {result.value:.1%} | {low:.1%} to {high:.1%} | {chance:.1%} |"
