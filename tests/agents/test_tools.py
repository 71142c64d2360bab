"""The tools of agents, called as functions and by the official client over the protocol."""

import asyncio
import base64
import io
import json
import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from wordsight.agents.server import server_of
from wordsight.agents.tools import LibraryTools
from wordsight.base.errors import NotFound, UsageError
from wordsight.cli.main import main
from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library

NAMES = ("red", "blue", "green", "white", "pink")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for i, name in enumerate(NAMES):
        (folder / f"{'ab'[i % 2]}").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 + i, 20), COLOURS[name]).save(folder / "ab"[i % 2] / f"{name}.png")
    return folder


@pytest.fixture
def tools(photos):
    with open_library(photos, model=load(engine="fake")) as library:
        library.sync()
        yield LibraryTools(library)


def keys(answer):
    return [hit["key"] for hit in answer["hits"]]


def test_search(tools, photos):
    answer = tools.search("red", count=2)
    assert keys(answer)[0] == "a/red.png"
    assert len(answer["hits"]) == 2
    assert answer["hits"][0].keys() >= {"score", "match", "key", "path", "meta"}
    assert answer["hits"][0]["path"] == str(photos / "a" / "red.png")
    assert sorted(keys(tools.search("red", where="width > 42"))) == ["a/pink.png", "b/white.png"]
    assert tools.search("red", sort="name", count=5)["matching"] == 5
    assert keys(tools.search("red", without="blue")) == keys(tools.search("red", without=["blue"]))
    json.dumps(answer)


def test_words_are_words_whatever_they_name(tools, photos, monkeypatch):
    monkeypatch.chdir(photos)
    shutil.copy(photos / "b" / "blue.png", photos / "red")
    for query in ("red", "1:red", "a/red.png", "https://example.org red"):
        assert len(tools.search(query)["hits"]) == 5


def test_similar_facets_and_about(tools, photos):
    assert "a/red.png" not in keys(tools.similar("a/red.png"))
    facets = tools.facets("red", columns=["folder"])
    assert [(one["value"], one["count"]) for one in facets["folder"]] == [("a", 3), ("b", 2)]
    assert len(tools.search("red", where=facets["folder"][0]["where"])["hits"]) == 3
    about = tools.about()
    assert (about["images"], about["location"], about["model"]) == (5, str(photos), "fake")
    assert about["columns"]["width"]["holds"] == "numbers" and 42 in about["columns"]["width"]["examples"]
    assert about["columns"]["name"]["holds"] == "text"


def test_look_gives_a_small_image(tools):
    image = Image.open(io.BytesIO(tools.look("b/blue.png", side=32)))
    assert (image.format, image.size[0]) == ("JPEG", 32)


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda t: t.search(" "), UsageError, "an empty query"),
        (lambda t: t.search("red", count=101), UsageError, "count 101"),
        (lambda t: t.search("red", where="nothing = 1"), UsageError, "no column nothing"),
        (lambda t: t.search("red", where="("), UsageError, "where"),
        (lambda t: t.search("red", sort="nothing"), UsageError, "nothing"),
        (lambda t: t.search("red", least_match=5), UsageError, "least_match 5"),
        (lambda t: t.facets(""), UsageError, "describe what is to be seen"),
        (lambda t: t.similar("/etc/passwd"), NotFound, "no image '/etc/passwd' in the library"),
        (lambda t: t.look("../../secret.png"), NotFound, "secret"),
        (lambda t: t.look("a/red.png", side=9999), UsageError, "side 9999"),
    ],
)
def test_wrong_calls(tools, call, error, word):
    with pytest.raises(error, match=word):
        call(tools)


def test_it_is_in_step_unless_told_otherwise(tools, photos):
    Image.new("RGB", (30, 30), COLOURS["black"]).save(photos / "new.png")
    still = LibraryTools(tools._library, sync=False)
    assert still.about()["images"] == 5
    assert tools.about()["images"] == 6


def test_without_a_library_nothing_is_made(photos):
    with open_library(photos, model=load(engine="fake")) as library:
        with pytest.raises(NotFound, match="wordsight index"):
            LibraryTools(library).search("red")
    assert not (photos / ".wordsight").exists()


async def asked(target, calls):
    """Ask with the official client; returns the tools' names and the results."""
    from mcp import Client

    async with Client(target) as client:
        listed = await client.list_tools()
        return listed.tools, [await client.call_tool(name, arguments) for name, arguments in calls]


def test_the_official_client_in_this_process(tools):
    calls = [
        ("search", {"query": "red", "count": 1, "without": ["blue"]}),
        ("look", {"key": "a/red.png", "side": 32}),
        ("search", {"query": "red", "where": "nothing = 1"}),
        ("about", {}),
        ("similar", {"key": "a/red.png"}),
        ("facets", {"query": "red", "columns": ["folder"]}),
        ("ask", {"key": "a/red.png", "question": "What colour is it?", "answers": ["red", "blue"]}),
    ]
    listed, results = asyncio.run(asked(server_of(tools), calls))
    assert [tool.name for tool in listed] == ["about", "search", "similar", "facets", "ask", "look"]
    assert all(tool.annotations.read_only_hint and "images" in tool.description for tool in listed[:3])
    search, look, wrong, about, similar, facets, ask = results
    assert [one["answer"] for one in ask.structured_content["answers"]] == ["red", "blue"]
    assert keys(search.structured_content) == ["a/red.png"]
    (image,) = look.content
    assert Image.open(io.BytesIO(base64.b64decode(image.data))).size[0] == 32
    assert wrong.is_error and "no column nothing" in wrong.content[0].text and "columns:" in wrong.content[0].text
    assert about.structured_content["images"] == 5
    assert len(similar.structured_content["hits"]) == 4
    assert facets.structured_content["folder"][0]["count"] == 3


def test_the_official_client_starts_the_program(tools, photos):
    from mcp import StdioServerParameters

    arguments = ["-m", "wordsight", "mcp", str(photos), "--engine", "fake"]
    environment = {name: os.environ[name] for name in ("PYTHONPATH", "PATH", "HOME") if name in os.environ}
    server = StdioServerParameters(command=sys.executable, args=arguments, env=environment)
    _, (search,) = asyncio.run(asked(server, [("search", {"query": "red", "count": 1})]))
    assert keys(search.structured_content) == ["a/red.png"]


def test_a_client_that_goes_away_ends_it_quietly(tools, photos):
    server = subprocess.Popen(
        [sys.executable, "-m", "wordsight", "mcp", str(photos), "--engine", "fake"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    calls = [{"id": 1, "method": "initialize", "params": client}, {"method": "notifications/initialized"}]
    calls += [{"id": n, "method": "tools/call", "params": {"name": "about", "arguments": {}}} for n in range(2, 9)]
    for call in calls:
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **call}) + "\n")
        server.stdin.flush()
        if call.get("id") == 1:
            assert json.loads(server.stdout.readline())["id"] == 1
            server.stdout.close()
    server.stdin.close()
    with server.stderr as errors:
        assert errors.read() == ""
    assert server.wait() in (0, 141)


def test_the_verb_refuses_what_has_no_library(photos, capsys):
    assert main(["mcp", str(photos), "--engine", "fake"]) == 2
    assert "no library of" in capsys.readouterr().err
