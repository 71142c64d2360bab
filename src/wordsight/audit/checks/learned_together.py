"""What goes together in the captions that a model was learned from: the check of a library, asked of those captions."""

from dataclasses import replace

from wordsight.audit.checks.goes_together import of_samples
from wordsight.audit.finding import Finding, Skipped
from wordsight.audit.subject import ModelSubject, training_samples

CHECK, TITLE = "learned-together", "What went together in the training captions"


def run(subject: ModelSubject) -> Finding | Skipped:
    """Return what goes together in the captions and columns that a model was learned from."""
    if not subject.captions:
        reason = "it is not known what the model was learned from"
        return Skipped(CHECK, TITLE, reason, "name its training captions: --captions PLACE")
    samples = list(training_samples(subject.captions))
    finding = of_samples(samples, ", ".join(subject.captions))
    renamed = replace(finding, check=CHECK, title=TITLE)
    if isinstance(renamed, Skipped):
        return renamed
    return replace(renamed, claims=[replace(one, check=CHECK) for one in renamed.claims])
