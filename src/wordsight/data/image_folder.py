"""A folder of images and all that is known of them: the one description that sources and libraries share.

    folder = ImageFolder(list_folder(Path("photos")))
    folder.facts("a/red.jpg").texts         # the captions of its rows, of its .json and of its .txt
    folder.problems, folder.remarks         # what could not be read, and what was left alone, so far

Opens tables and the files beside images, each when it is first asked for; no image.
"""

from collections.abc import Callable
from functools import cached_property

from wordsight.base.errors import InputError
from wordsight.base.reading import read_file
from wordsight.data import fields
from wordsight.data.facts import Facts, of_json
from wordsight.data.folder_names import folder_names
from wordsight.data.joined import Joined, join_tables
from wordsight.data.json_lines import parse_object
from wordsight.data.listing import LARGEST, FolderListing
from wordsight.data.source import Columns
from wordsight.data.takeout import is_takeout
from wordsight.data.text_lines import encoding_of


class ImageFolder:
    """One listing.  `columns` names the columns of its tables where they are not the known ones.

    It is an error that no table has them where they are `required`.
    """

    def __init__(self, listing: FolderListing, columns: Columns | None = None, *, required: bool = True) -> None:
        self.listing = listing
        self._columns = columns or Columns()
        self._required = required
        self._class_part = listing.class_part()

    @cached_property
    def _joined(self) -> Joined:
        return join_tables(self.listing, self._columns, required=self._required and not self._columns.masks)

    @cached_property
    def _class_names(self) -> dict[str, str]:
        part = self._class_part
        folders = [] if part is None else sorted({image.split("/")[part] for image in self.listing.images})
        return folder_names(self.listing.root, folders) if folders else {}

    def read(self) -> None:
        """Read the tables now; a required column that none of them has raises `FormatError`."""
        _ = self._joined

    def tables_in_use(self) -> set[str]:
        """Return the tables that tell of images."""
        return set(self._joined.images_of)

    def broken(self) -> set[str]:
        """Return the tables that could not be read, or not every row of them."""
        return self._joined.broken

    def tells(self, table: str, image: str) -> bool:
        """Say whether a table tells of an image."""
        return image in self._joined.images_of.get(table, ())

    @property
    def problems(self) -> list[InputError]:
        """One error for each folder that cannot be read and each row that cannot be used."""
        unreadable = [
            InputError(
                f"the folder {self.listing.root / path} cannot be read",
                cure="check its permissions, or shorten its path",
            )
            for path in sorted(self.listing.passed.unreadable)
        ]
        return [*unreadable, *self._joined.problems]

    @property
    def remarks(self) -> list[str]:
        """One line for each thing in the folder that was left alone."""
        root, linked = self.listing.root, sorted(self.listing.passed.linked)
        more = f" and {len(linked) - 5} more" if len(linked) > 5 else ""
        links = [f"links to folders in {root} are not followed: {', '.join(linked[:5])}{more}"] if linked else []
        others = [f"{root / name} is left alone: {root} is a folder of images" for name in sorted(self.listing.others)]
        unread = [f"{root}: {self.listing.passed.text()}"] if self.listing.passed.kinds else []
        return [*links, *others, *unread, *self._joined.remarks]

    def facts(self, image: str) -> tuple[Facts, list[InputError]]:
        """Return what is known of an image, and an error for each file beside it that cannot be read."""
        facts = self._joined.facts.get(image, Facts())
        problems = []
        for suffix, read in ((".json", self._from_json), (".txt", self._from_text)):
            try:
                facts = facts.also(self._beside(image, suffix, read))
            except InputError as error:
                problems.append(error)
        part, folders = self._class_part, image.split("/")[:-1]
        if part is None or len(folders) <= part:  # a video may lie beside the folders that are classes
            return facts, problems
        folder = folders[part]
        return facts.also(Facts(label=self._class_names.get(folder, folder))), problems

    def _beside(self, image: str, suffix: str, read: Callable[[str, str, str], Facts]) -> Facts:
        name = self.listing.beside(image, suffix)
        if name is None:
            return Facts()
        path = self.listing.root / name
        try:
            data = read_file(path, limit=LARGEST)
            return read(data.decode(encoding_of(data)), image, str(path))
        except UnicodeDecodeError:
            raise InputError(f"{path} is not UTF-8", cure="save the captions as UTF-8") from None
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}", cure="mend it, or take it away") from None

    def _from_text(self, text: str, image: str, where: str) -> Facts:
        del image, where
        return Facts(fields.lines(text))

    def _from_json(self, text: str, image: str, where: str) -> Facts:
        if not text.lstrip().startswith("{"):
            return Facts()  # a list is of something else
        listed = self._columns.label if self._columns.masks else None
        stem = image.rpartition("/")[2].rpartition(".")[0]
        values = parse_object(text, where)
        if is_takeout(values):
            return Facts()  # its title is the name of a file
        return of_json(values, stem, where=where, listed=listed)
