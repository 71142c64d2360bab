"""The tools of a library over MCP, the Model Context Protocol, for agents that start programs (standard input, output).

    serve(LibraryTools(library))          # until the other side closes

The protocol is that of the official SDK (package `mcp`).  Every tool only reads, and says so.
"""

import functools
from collections.abc import Callable
from typing import Any

from wordsight import __version__
from wordsight.agents.tools import LibraryTools
from wordsight.base.errors import WordsightError
from wordsight.base.optional import require

EXTRA = "mcp"
INSTRUCTIONS = (
    "A library of images that is searched by what can be seen in them. Begin with about to learn its metadata columns; "
    "search by a short description of what is visible; narrow with where and facets; look at an image before you claim "
    "what it shows."
)


def server_of(tools: LibraryTools) -> Any:
    """Return the `mcp.server.MCPServer` with these tools."""
    mcpserver = require("mcp.server.mcpserver", extra=EXTRA)
    types = require("mcp.types", extra=EXTRA)
    server = mcpserver.MCPServer(
        "wordsight", title="Wordsight", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    reads = types.ToolAnnotations(readOnlyHint=True, openWorldHint=False)
    for tool in (tools.about, tools.search, tools.similar, tools.facets, tools.ask):
        server.add_tool(_in_words(tool), annotations=reads)

    def look(key: str, side: int = 512) -> Any:
        return mcpserver.Image(data=tools.look(key, side=side), format="jpeg")

    look.__doc__ = tools.look.__doc__
    server.add_tool(_in_words(look), annotations=reads)
    return server


def serve(tools: LibraryTools) -> None:
    """Answer on standard input and output until the other side closes them; one that does so early is no failure."""
    try:
        server_of(tools).run("stdio")
    except* BrokenPipeError:
        raise BrokenPipeError from None


def _in_words(tool: Callable[..., Any]) -> Callable[..., Any]:
    """Return a tool whose errors that a user can cause reach the agent in words, with the cure."""
    from mcp.server.mcpserver.exceptions import ToolError

    @functools.wraps(tool)
    def answered(*args: Any, **options: Any) -> Any:
        try:
            return tool(*args, **options)
        except WordsightError as error:
            raise ToolError(str(error)) from error

    return answered
