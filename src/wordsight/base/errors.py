"""The exception tree.  Every error says what was wrong, with the offending value, and the cure.

WordsightError              exit status 2: the call was wrong
├── UsageError              an argument that cannot be used (empty query, bad expression)
├── ConfigError             an unknown key, a value of the wrong type
├── NotFound                a file, folder or library that is not there
├── UnknownModel            a model name or path that does not lead to a model
├── MissingExtra            an optional package is not installed
├── FormatError             a file that is not what it claims to be
│   └── ShapeMismatch       weights that do not fit the architecture
├── FingerprintMismatch     embeddings of two different models were about to meet
├── InputError              exit status 1: one input (image, row, shard) failed; others go on
│   ├── UnreadableFile      a file that could not be opened just now
│   ├── BrokenImage
│   ├── TooManyPixels
│   └── NoEmbedding         an image or text that a tower gives NaN or zeros for
└── StorageError            exit status 1: the disk is full, read-only or gone
    └── InUse               another process is at it
"""


class WordsightError(Exception):
    """An error with a cure.  `str()` is one line: "what was wrong; the cure"."""

    exit_status = 2

    def __init__(self, problem: str, *, cure: str = "") -> None:
        super().__init__(f"{problem}; {cure}" if cure else problem)
        self.problem = problem
        self.cure = cure


class UsageError(WordsightError):
    """An argument that cannot be used."""


class ConfigError(WordsightError):
    """An unknown configuration key, or a value of the wrong type."""


class NotFound(WordsightError):
    """A file, folder or library that is not there."""


class UnknownModel(WordsightError):
    """A model name or path that does not lead to a model."""


class MissingExtra(WordsightError):
    """An optional package is not installed; the cure is the exact install command."""


class FormatError(WordsightError):
    """A file that is not what it claims to be."""


class ShapeMismatch(FormatError):
    """Weights that do not fit the architecture they are loaded into."""


class FingerprintMismatch(WordsightError):
    """Embeddings made by two different models were about to be compared."""


class InputError(WordsightError):
    """One input failed.  Bulk work lists it and goes on."""

    exit_status = 1


class UnreadableFile(InputError):
    """A file that could not be opened just now: another time it may be."""


class BrokenImage(InputError):
    """An image that cannot be decoded."""


class TooManyPixels(InputError):
    """An image whose header declares more pixels than the limit."""


class NoEmbedding(InputError):
    """An image or text for which a tower gives no embedding: NaN, infinite numbers or zeros."""


class StorageError(WordsightError):
    """The disk is full, read-only or gone."""

    exit_status = 1


class InUse(StorageError):
    """Another process uses a folder or a library that one alone may use: later it is free."""
