"""Results as CLIP_benchmark writes them: one JSON object a task, and a CSV with a row for each.

    record = record_of(results)       # {"dataset", "model", "pretrained", "task", "metrics", "language"}, or None
    text = csv_text([record, ...])

Its metrics are shares in 0..1 under its own names; tasks that it does not know are left out.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from wordsight.base.nouns import Result

METRICS: Mapping[str, tuple[str, Mapping[str, str]]] = {  # kind: its task, and its names of our metrics
    "zero-shot": (
        "zeroshot_classification",
        {"top-1": "acc1", "top-5": "acc5", "mean-per-class": "mean_per_class_recall"},
    ),
    "text_to_image": ("zeroshot_retrieval", {f"R@{k}": f"image_retrieval_recall@{k}" for k in (1, 5, 10)}),
    "image_to_text": ("zeroshot_retrieval", {f"R@{k}": f"text_retrieval_recall@{k}" for k in (1, 5, 10)}),
    "multi-label": ("zeroshot_classification", {"mean-average-precision": "mean_average_precision"}),
    "adamw-probe": (
        "linear_probe",
        {
            "top-1": "lp_acc1",
            "top-5": "lp_acc5",
            "mean-per-class": "lp_mean_per_class_recall",
            "weight-decay": "weight_decay",
        },
    ),
    "selection": ("image_caption_selection", {"image": "image_acc", "text": "text_acc", "group": "acc"}),
}
FIRST = (  # columns, as in the table that CLIP_benchmark has in its repository; others follow
    *("acc1", "acc5", "mean_per_class_recall", "dataset", "model", "pretrained", "task", "mean_average_precision"),
    *("image_retrieval_recall@5", "text_retrieval_recall@5", "model_fullname", "language"),
)


def record_of(results: Sequence[Result]) -> dict[str, Any] | None:
    """Return the record of one task's results, or None where CLIP_benchmark has no such task."""
    metrics: dict[str, float] = {}
    task = ""
    for result in results:
        parts = result.name.rsplit("/", 2)
        if len(parts) == 3 and parts[1] in METRICS and parts[2] in METRICS[parts[1]][1]:
            task, names = METRICS[parts[1]]
            metrics[names[parts[2]]] = result.value
    if not task:
        return None
    first = results[0]
    model, _, pretrained = str(first.setting.get("model") or "").partition("/")
    asked = [str(first.setting[key]) for key in ("engine", "precision", "pixels") if key in first.setting]
    return {
        "dataset": first.name.rsplit("/", 2)[0],
        "model": model or first.fingerprint,
        "pretrained": " ".join([pretrained or first.fingerprint, *asked]),
        "task": task,
        "metrics": metrics,
        "language": "en",
    }


def csv_text(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the records as a table; columns that CLIP_benchmark's own table has come first."""
    rows = [
        {
            **record["metrics"],
            **{key: record[key] for key in ("dataset", "model", "pretrained", "task", "language")},
            "model_fullname": f"{record['model']} {record['pretrained']}",
        }
        for record in records
    ]
    further = sorted({key for row in rows for key in row} - set(FIRST))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIRST, *further], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
