"""The images that checks ask about: drawn scenes always, and the labelled sets of the user.

    for task in asked(subject, most=subject.images): ...      # built zero-shot tasks, the user's first

Every one has classes with their prompts and a true text of each image.
"""

from dataclasses import replace

from wordsight.audit.scenes import drawn_scenes, scenes_task
from wordsight.audit.subject import ModelSubject
from wordsight.evaluate.building import build_from
from wordsight.evaluate.classified import PromptedTask


def given(subject: ModelSubject, *, most: int | None = None) -> list[PromptedTask]:
    """Return each labelled set as a built zero-shot task, of at most so many of its images, evenly spread.

    A set without classes raises what `wordsight.evaluate.classified.classes_of` does.
    """
    tasks = []
    for one in subject.data:
        spec = one.task("zero-shot")
        task: PromptedTask = build_from(spec, subject.reader.sets(spec))
        tasks.append(task if most is None else replace(task, classified=task.classified.spread(most)))
    return tasks


def generated(subject: ModelSubject) -> PromptedTask:
    """Return drawn scenes as a built zero-shot task: 64 classes, such as "red circle"."""
    task: PromptedTask = scenes_task("zero-shot", drawn_scenes(subject.images, seed=subject.seed))
    return task


def asked(subject: ModelSubject, *, most: int) -> list[PromptedTask]:
    """Return the labelled sets as `given` does, and drawn scenes behind them."""
    return [*given(subject, most=most), generated(subject)]


def true_texts(task: PromptedTask) -> list[str]:
    """Return a true text of each image: its first caption, else the first prompt of its class."""
    labels = task.classified.labels
    return [
        sample.texts[0] if sample.texts else task.prompts[label][0]
        for sample, label in zip(task.images.samples, labels.tolist(), strict=True)
    ]
