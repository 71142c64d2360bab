"""Label sets: labels with several phrases each, in text files that people read and edit.

    labels = label_set("moderation")                # by name, or the path of a file
    [label.name for label in labels.section("watched")]
    labels.labels[0].phrases                        # "a naked person", "a nude body", ...

A line is a label and its phrases, `weapons: a pistol | a rifle`; a label without phrases is its own phrase, so that a
plain list of labels is a label set.  `[watched]` begins a section; what stands before the first has none.  `#` begins a
remark.  Does not know what labels are used for.
"""

from dataclasses import dataclass
from pathlib import Path

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.suggest import suggest
from wordsight.text.lines import listed_lines

CURE = "write   label: phrase | phrase   or a label alone"
FOLDER = Path(__file__).parent / "label_sets"


@dataclass(frozen=True, slots=True)
class Label:
    """A label with the phrases that stand for it; `section` is "" before the first section."""

    name: str
    phrases: tuple[str, ...]
    section: str = ""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of a file in its order; no name occurs twice."""

    name: str
    labels: tuple[Label, ...]

    @property
    def sections(self) -> tuple[str, ...]:
        """The names of the sections in order."""
        return tuple(dict.fromkeys(label.section for label in self.labels))

    def section(self, name: str) -> tuple[Label, ...]:
        """Return the labels of a section; one that is not there raises `UsageError`."""
        if name not in self.sections:
            raise UsageError(f"the label set {self.name} has no section [{name}]", cure=suggest(name, self.sections))
        return tuple(label for label in self.labels if label.section == name)


def label_set_names(folder: Path = FOLDER, *, but: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the sets that ship with the package, `but` some; of another folder, its own."""
    return sorted(path.stem for path in folder.glob("*.txt") if path.stem not in but)


def label_set(name_or_file: str | Path) -> LabelSet:
    """Return a label set by its name, or of a text file.

    A line that is none raises `FormatError` with its number, a file that is not there `NotFound`.
    """
    name = str(name_or_file)
    if name in label_set_names():
        return _read(FOLDER / f"{name}.txt", name)
    path = Path(name_or_file)
    if not path.exists() and not path.suffix:
        raise NotFound(f"no label set {name!r}", cure=f"{suggest(name, label_set_names())}, or give a text file")
    return _read(path, path.stem)


def _read(path: Path, name: str) -> LabelSet:
    labels: dict[str, Label] = {}
    section = ""
    for number, line in listed_lines(path):
        if line.startswith("["):
            section = _section(line, f"{path}, line {number}")
            continue
        label = _label(line, section, f"{path}, line {number}")
        if label.name in labels:
            raise FormatError(
                f"{path}, line {number}: {label.name!r} is there twice", cure="put its phrases on one line"
            )
        labels[label.name] = label
    if not labels:
        raise FormatError(f"{path} has no labels", cure=CURE)
    return LabelSet(name, tuple(labels.values()))


def _section(line: str, where: str) -> str:
    section = line[1:-1].strip()
    if not line.endswith("]") or not section:
        raise FormatError(f"{where}: {line!r} is no section", cure="write [name]")
    return section


def _label(line: str, section: str, where: str) -> Label:
    """Read "label: phrase | phrase"; a colon without a space behind it is part of the label, as in "16:9"."""
    name, colon, rest = (f"{line} ").partition(": ")
    if not name.strip():
        raise FormatError(f"{where}: {line!r} has no label", cure=CURE)
    if not colon:
        return Label(line, (line,), section)
    phrases = tuple(phrase.strip() for phrase in rest.split("|"))
    if not all(phrases):
        raise FormatError(f"{where}: {name!r} has an empty phrase", cure=CURE)
    if len(set(phrases)) < len(phrases):
        raise FormatError(f"{where}: {name!r} has a phrase twice", cure="give every phrase once")
    return Label(name.strip(), phrases, section)
