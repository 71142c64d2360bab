"""What there is to say of a library while it is searched: damage, and probabilities that it has not got."""

from wordsight.base.progress import notice
from wordsight.index.index import Index
from wordsight.search import background
from wordsight.search.contents import index_command
from wordsight.search.open_index import OpenIndex


def say_no_probabilities(opened: OpenIndex) -> None:
    """Say that a library has nothing yet by which a least probability could cut."""
    needed = f"they come with {background.LEAST} images, at the next sync"
    notice(f"{opened.location} has no probabilities to cut by: {needed}")


def say_damage(opened: OpenIndex, index: Index) -> None:
    """Say once what was met damaged in a library, and what mends it."""
    for problem in index.noticed():
        command = index_command(opened.location, opened.folder, "--verify")
        notice(f"{problem} and left out; {command} mends it", once=True)
