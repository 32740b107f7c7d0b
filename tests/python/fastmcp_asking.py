"""A server written with FastMCP whose tools ask, in both ways in which FastMCP can.

    fastmcp_asking.py                 # on standard streams
    fastmcp_asking.py --http 8000     # at http://127.0.0.1:8000/mcp

`Context.elicit` works on a connection of 2025-11-25 or earlier alone, and `InputRequiredResult` on one of 2026-07-28
alone: FastMCP converts neither.
"""

import sys
from dataclasses import dataclass

from fastmcp import Context, FastMCP
from mcp import types

QUESTION = "Where shall it go?"

server = FastMCP("asking", version="1.0.0")


@dataclass
class Trip:
    city: str
    nights: int


@server.tool(output_schema=None, annotations={"readOnlyHint": True})
async def push(context: Context) -> str:
    """Asks while its call is open."""
    answer = await context.elicit(QUESTION, Trip)
    return f"{answer.data.nights} nights in {answer.data.city}" if answer.action == "accept" else "nothing"


@server.tool(output_schema=None)
async def give(context: Context) -> str | types.InputRequiredResult:
    """Ends with its question, and is called again with the answer."""
    if (answers := context.input_responses) is None:
        fields = {"city": {"type": "string"}, "nights": {"type": "integer"}}
        schema = {"type": "object", "properties": fields, "required": list(fields)}
        params = types.ElicitRequestFormParams(message=QUESTION, requested_schema=schema)
        wanted = {"trip": types.ElicitRequest(params=params)}
        return types.InputRequiredResult(input_requests=wanted, request_state="trip")
    trip = answers["trip"].content
    return f"{trip['nights']} nights in {trip['city']}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--http"]:
        server.run("http", host="127.0.0.1", port=int(sys.argv[2]), show_banner=False)
    else:
        server.run("stdio", show_banner=False)
