"""What is served: models, libraries, and what each library holds."""

from typing import Any

import msgspec

from wordsight.index.database import NAME
from wordsight.search.about import described_columns
from wordsight.search.unasked import ORDERS
from wordsight.serve.hosting.host import Host
from wordsight.serve.own.hits import public_values
from wordsight.serve.own.syncing import GONE
from wordsight.serve.route import HttpCall
from wordsight.serve.safety.admission import Asker, asker_of


class ServedModel(msgspec.Struct):
    """A model that is served.

    `name`: the name by which it is asked.  `width`: how many numbers its embeddings have.  `loss`: "softmax" or
    "sigmoid", with which it was trained.
    """

    name: str
    width: int
    fingerprint: str
    loss: str


class NamedLibrary(msgspec.Struct):
    """A library and how many images it holds.

    `name`: the name by which it is asked.  `images`: how many images it holds.
    """

    name: str
    images: int


class StatusAnswer(msgspec.Struct):
    """`urls`: whether images may be named by web addresses.  `scopes`: what the asker may.

    `key_needed`: whether others than the asker need a key.
    """

    version: str
    models: list[ServedModel]
    libraries: list[NamedLibrary]
    urls: bool
    scopes: list[str]
    key_needed: bool


class ColumnAnswer(msgspec.Struct):
    """A metadata column.

    `name`: the name of the column.  `holds`: "numbers", "text" or "numbers and text".  `examples`: some of its values.
    """

    name: str
    holds: str
    examples: list[Any]


class OrderAnswer(msgspec.Struct):
    """An order of results.  `sort`: what to give as `sort`.  `words`: what it means, in words."""

    sort: str
    words: str


class LibraryAnswer(msgspec.Struct):
    """What a library holds.

    `name`: the name by which it is asked.  `images`: how many images there are.  `failed`: how many images cannot be
    read.  `absent`: how many images were not there when last looked.  `model`: the name of the model that it was made
    with.  `calibrated`: whether hits have probabilities.  `columns`: the metadata columns that hold anything.
    `notices`: what whoever runs the server should know.
    """

    name: str
    images: int
    failed: int
    absent: int
    model: str
    fingerprint: str
    calibrated: bool
    columns: list[ColumnAnswer]
    orders: list[OrderAnswer]
    notices: list[str]


async def status(call: HttpCall[None]) -> StatusAnswer:
    """Say what is served."""
    return await status_of_server(call.host, asker_of(call.request))


async def status_of_server(host: Host, asker: Asker) -> StatusAnswer:
    """Return what is served, for somebody who asks."""
    from wordsight import __version__

    models = [
        ServedModel(one.name, one.model.spec.width, one.model.fingerprint, one.model.spec.loss)
        for one in await host.models.all()
    ]
    libraries = await host.libraries.run(_counted, host)
    scopes = sorted(asker.scopes)
    return StatusAnswer(__version__, models, libraries, host.settings.urls, scopes, host.safety.keys.in_force)


def _counted(host: Host) -> list[NamedLibrary]:
    return [NamedLibrary(name, len(host.libraries.named(name))) for name in host.libraries.names]


async def library(call: HttpCall[None]) -> LibraryAnswer:
    """Say what a library holds."""
    return await call.host.libraries.run(_described, call.host, call.path["library"])


def _described(host: Host, name: str) -> LibraryAnswer:
    from wordsight.search import background

    served = host.libraries.named(name)
    columns = described_columns(served)
    with served.reading() as index:
        states = index.files.states()
    known = {column.name for column in columns}
    model = served.model
    return LibraryAnswer(
        name,
        len(served),
        sum(bool(state.error) and not state.absent for state in states.values()),
        sum(state.absent and not state.error for state in states.values()),
        model.name,
        model.fingerprint,
        background.read(served.folder, model.fingerprint) is not None,
        [ColumnAnswer(one.name, one.holds, public_values(one.name, one.examples)) for one in columns],
        [OrderAnswer(sort, words) for sort, words in ORDERS.items() if sort.lstrip("-") in known],
        [] if (served.folder / NAME).exists() else [f"{GONE}: searches go on from open files, a sync makes it anew"],
    )
