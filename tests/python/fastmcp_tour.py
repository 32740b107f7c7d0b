"""The server of `examples/tour.rs`, written with FastMCP: what other people's servers answer, through the bridge.

    fastmcp_tour.py                 # on standard streams
    fastmcp_tour.py --http 8000     # at http://127.0.0.1:8000/mcp

FastMCP asks an older client while its call is open, and returns `InputRequiredResult` to a newer one: which of both, a
tool decides for itself.
"""

import base64
import sys
from dataclasses import asdict, dataclass
from typing import Any

import anyio
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.resources import ResourceContent, ResourceResult
from mcp import types

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"
CHAPTERS = {"arrival": "We came by sea.", "market": "They sell figs.", "mountain": "The path is steep."}
LANGUAGES = ("python", "rust", "ruby")

tour = FastMCP("tour", version="1.0.0")


@dataclass
class Measured:
    words: int
    longest: str


@dataclass
class Trip:
    city: str
    nights: int


def booked(trip: dict[str, Any]) -> str:
    return f"Booked: {trip['nights']} nights in {trip['city']}"


def is_modern(context: Context) -> bool:
    return context.request_context.protocol_version == "2026-07-28"


@tour.tool
def greet(name: str) -> str:
    """Says hello."""
    return f"Hello, {name}!"


@tour.tool
def measure(text: str) -> Measured:
    """Counts words."""
    words = text.split()
    return Measured(words=len(words), longest=max(words, key=len))


@tour.tool(output_schema=None)
def picture() -> types.ImageContent:
    """Shows a picture."""
    return types.ImageContent(type="image", data=PIXEL, mime_type="image/png")


@tour.tool
async def count(context: Context, to: int) -> str:
    """Counts, and tells how far it is."""
    # `Context.info` would make an object of the text.
    await context.session.send_log_message("info", "here we go", logger="tour", related_request_id=context.request_id)
    for number in range(1, to + 1):
        await context.report_progress(number, to, f"{number} of {to}")
        await anyio.sleep(0.01)
    return f"counted to {to}"


@tour.tool(output_schema=None)
async def book(context: Context) -> str | types.InputRequiredResult:
    """Books a trip, with the user's help."""
    question = "Where shall it go?"
    if not is_modern(context):
        answer = await context.elicit(question, Trip)
        return booked(asdict(answer.data)) if answer.action == "accept" else "Nothing is booked."
    if (answers := context.input_responses) is None:
        fields = {"city": {"type": "string"}, "nights": {"type": "integer"}}
        schema = {"type": "object", "properties": fields, "required": list(fields)}
        params = types.ElicitRequestFormParams(message=question, requested_schema=schema)
        return types.InputRequiredResult(input_requests={"trip": types.ElicitRequest(params=params)}, request_state="trip")
    return booked(answers["trip"].content)


@tour.tool(output_schema=None)
async def rhyme(context: Context, word: str) -> str | types.InputRequiredResult:
    """Has the client's model find a rhyme."""
    text = types.TextContent(type="text", text=f"What rhymes with {word}?")
    messages = [types.SamplingMessage(role="user", content=text)]
    if not is_modern(context):
        said = await context.session.create_message(
            messages, max_tokens=20, related_request_id=context.request_id
        )
    elif (answers := context.input_responses) is None:
        params = types.CreateMessageRequestParams(messages=messages, max_tokens=20)
        wanted = {"rhyme": types.CreateMessageRequest(params=params)}
        return types.InputRequiredResult(input_requests=wanted, request_state="rhyme")
    else:
        said = answers["rhyme"]
    return f"{word} rhymes with {said.content.text}"


@tour.tool
def fail() -> str:
    """Always fails."""
    raise ToolError("this tool fails, and says so")


@tour.resource("tour:///about", mime_type="text/markdown")
def about() -> str:
    return "# A tour\n\nSome of everything."


@tour.resource("tour:///pixel", mime_type="image/png")
def pixel() -> ResourceResult:
    return ResourceResult([ResourceContent(base64.b64decode(PIXEL), mime_type="image/png")])


@tour.resource("tour:///chapters/{name}", mime_type="text/plain")
def chapter(name: str) -> str:
    return CHAPTERS[name]


@tour.prompt
def explain(language: str) -> str:
    """Explains a language."""
    return f"Explain {language} in one sentence."


@tour.completion
def complete(reference: Any, argument: types.CompletionArgument, _: types.CompletionContext | None) -> list[str]:
    known = LANGUAGES if argument.name == "language" else CHAPTERS
    return [word for word in known if word.startswith(argument.value)]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--http"]:
        tour.run("http", host="127.0.0.1", port=int(sys.argv[2]), show_banner=False)
    else:
        tour.run("stdio", show_banner=False)
