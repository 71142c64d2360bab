"""The forms in which a library can be written: `FORMS`, one row each.

    written = export(library, Path("out"), "clip-retrieval", where="price < 50")

A form is a function of groups of `Exported` and a folder, which it fills; the folder is whole, or not there.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wordsight.base.errors import NotFound, UsageError
from wordsight.base.files import new_folder
from wordsight.base.optional import resolve
from wordsight.base.progress import notice
from wordsight.base.suggest import suggest
from wordsight.base.value import Value
from wordsight.images.fragments import is_fragment

if TYPE_CHECKING:
    from wordsight.base.arrays import Embeddings
    from wordsight.search.library import Library


class ExportForm(NamedTuple):
    """The function that writes a form, what it holds in a sentence, and the extra that it needs ("" for none).

    `of_files`: it can name files alone, so images inside films and documents are left out.
    """

    target: str
    holds: str
    extra: str = ""
    of_files: bool = False


FORMS = {
    "clip-retrieval": ExportForm(
        "wordsight.search.exports.clip_retrieval:write",
        "img_emb/*.npy and metadata/*.parquet, as clip-retrieval and autofaiss read them",
        "data",
    ),
    "npy": ExportForm("wordsight.search.exports.npy:write", "embeddings.npy, metadata.parquet", "data"),
    "fiftyone": ExportForm("wordsight.search.exports.fiftyone:write", "a dataset that FiftyOne imports", of_files=True),
    "datacomp": ExportForm("wordsight.search.exports.datacomp:write", "the uids as DataComp's resharder reads them"),
}


class Exported(NamedTuple):
    """One image: its key, its file (None inside a table or shard), its embedding (width,) and its metadata."""

    key: str
    path: Path | None
    embedding: "Embeddings"
    meta: Mapping[str, Value]


Groups = Iterator[Sequence[Exported]]
FormWriter = Callable[[Groups, Path], None]


def export(library: "Library", out: Path, form: str, *, where: str | None = None) -> int:
    """Write the images that satisfy a condition into a new folder, and return how many they are.

    Raises `UsageError` for a form that is none and a folder that holds files, `NotFound` where no image is left,
    `WhereError` for a condition that does not fit.
    """
    if form not in FORMS:
        raise UsageError(f"no form {form!r}", cure=suggest(form, FORMS))
    write: FormWriter = resolve(FORMS[form].target, extra=FORMS[form].extra)
    count = inside = 0

    def counted(groups: Groups) -> Groups:
        nonlocal count, inside
        for group in groups:
            named = [one for one in group if not (FORMS[form].of_files and is_fragment(one.key))]
            count += len(named)
            inside += len(group) - len(named)
            if named:
                yield named

    with new_folder(out) as folder, closing(exported(library, where)) as groups:
        write(counted(groups), folder)
        if inside and not count:
            problem = f"all {inside:,} images lie inside films and documents, and {form} names files"
            raise NotFound(problem, cure="wordsight search --extract writes them to files")
        if not count:
            raise NotFound("no image to export", cure="widen --where" if where else "index the place again")
    if inside:
        notice(f"{inside:,} images inside films and documents are left out: {form} names files (--extract of search)")
    return count


def exported(library: "Library", where: str | None = None) -> Generator[Sequence[Exported]]:
    """Yield all images of one state of a library that satisfy a condition, in groups without empty ones."""
    from wordsight.index.where import parse
    from wordsight.search.walk import walk

    contents = library.contents
    condition = parse(where) if where else None
    with library.reading() as index, index.one_look(), closing(walk(index, condition)) as walked:
        for entries in walked:
            if entries:
                yield [Exported(one.key, contents.path(one.key, one.meta), one.embedding, one.meta) for one in entries]
