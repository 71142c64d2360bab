"""Measuring: a built task and an encoder to results that state what they were measured with.

measured = run_task(model, task)
measured.results[0].value, measured.results[0].setting
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from wordsight.base.value import Value
from wordsight.evaluate.encode import Encoder
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.tasks import TaskSpec, kind_module

CUT = (  # keys that make another measurement of the same name: every result states them
    *("split", "train", "train_split", "val", "val_split"),
    *("image", "captions", "label", "limit"),
)


def run_task(encoder: Encoder, task: Any, *, missing: int = 0, facts: Mapping[str, Value] | None = None) -> Measured:
    """Measure `encoder` on a built task; `missing` and `facts` as in `with_settings`."""
    measured: Measured = kind_module(task.spec.kind).run(encoder, task)
    return with_settings(measured, encoder, task.spec, missing=missing, facts=facts)


def with_settings(
    measured: Measured,
    encoder: Encoder,
    spec: TaskSpec,
    *,
    missing: int = 0,
    facts: Mapping[str, Value] | None = None,
) -> Measured:
    """Return what a task gave with all of it stating the task, the model's name and its fingerprint.

    `missing` is the number of images that could not be read; `facts` are put into every setting, too.
    """
    stated: dict[str, Value] = {key: getattr(spec, key) for key in CUT if getattr(spec, key) is not None}
    stated |= _own_options(spec)
    if missing:
        stated["missing"] = missing
    name = getattr(encoder, "name", None)
    if name:
        stated["model"] = str(name)
    stated |= facts or {}
    fingerprint = encoder.fingerprint
    return Measured(
        [
            replace(result, fingerprint=result.fingerprint or fingerprint, setting={**stated, **result.setting})
            for result in measured.results
        ],
        [
            replace(detail, fingerprint=detail.fingerprint or fingerprint, setting={**stated, **detail.setting})
            for detail in measured.details
        ],
        measured.pictures,
    )


def _own_options(spec: TaskSpec) -> dict[str, Value]:
    """Return the options of the kind that are not what they are by default, as plain values."""
    stated: dict[str, Value] = {}
    for field in fields(spec.options):
        value = getattr(spec.options, field.name)
        if value != field.default:
            stated[field.name] = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return stated
