"""A server written with the official Python SDK whose tools ask, in each way in which it can.

    mcp_asking.py                 # on standard streams
    mcp_asking.py --http 8000     # at http://127.0.0.1:8000/mcp

`Context.elicit` works on a connection of 2025-11-25 or earlier alone; what a `Resolve` asks, the SDK converts by itself.
"""

import sys
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, Resolve
from mcp.types import ToolAnnotations
from pydantic import BaseModel

QUESTION = "Where shall it go?"

server = MCPServer("asking", version="1.0.0")


class Trip(BaseModel):
    city: str
    nights: int


async def trip() -> Elicit[Trip]:
    return Elicit(QUESTION, Trip)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def push(context: Context) -> str:
    """Asks while its call is open."""
    answer = await context.elicit(QUESTION, Trip)
    return f"{answer.data.nights} nights in {answer.data.city}" if answer.action == "accept" else "nothing"


@server.tool()
async def give(trip: Annotated[Trip, Resolve(trip)]) -> str:
    """Leaves its question to the SDK."""
    return f"{trip.nights} nights in {trip.city}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--http"]:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run()
