"""What six servers of others answer behind one gateway: filesystem, memory, everything, time and git of the protocol's own
project, and one of FastMCP, all in one `mcp.json`.

Several clients do this at the same time, so what one leaves in the memory has a name of its own.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from expectation import equal, expect

# One tool of each server, as the gateway names it.
TOOLS = {
    "filesystem_read_text_file",
    "memory_create_entities",
    "everything_echo",
    "time_convert_time",
    "git_git_log",
    "tour_greet",
}
# Often enough that the clients meet.
TIMES = 5


def text(result: Any) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


async def listing(client: Any) -> None:
    tools = {tool.name for tool in await client.tools()}
    expect(tools >= TOOLS, "the tools of all six are listed", sorted(tools))


async def calling(client: Any) -> None:
    for _ in range(TIMES):
        equal(text(await client.call("filesystem_read_text_file", {"path": "note.txt"})), "a note\n", "the file")
        equal(text(await client.call("everything_echo", {"message": "grüß dich"})), "Echo: grüß dich", "the echo")
        words = {"source_timezone": "Asia/Tokyo", "time": "12:00", "target_timezone": "UTC"}
        expect("-9.0h" in text(await client.call("time_convert_time", words)), "the difference is told", words)
        expect("the first" in text(await client.call("git_git_log", {"repo_path": "."})), "the commit is told", "no")
        equal(text(await client.call("tour_greet", {"name": "Ada"})), "Hello, Ada!", "the greeting")


async def remembering(client: Any) -> None:
    name = f"a client of {client.revision} in Python"
    entity = {"name": name, "entityType": "client", "observations": ["came"]}
    await client.call("memory_create_entities", {"entities": [entity]})
    found = await client.call("memory_open_nodes", {"names": [name]})
    expect(name in text(found), "what the client left is found", found)


async def asking(client: Any) -> None:
    client.heard.questions.clear()
    said = text(await client.call("everything_trigger-elicitation-request", {}))
    expect("- Name: Ada" in said, "a server that asks while the call is open hears the name", said)
    said = text(await client.call("tour_book", {}))
    equal(said, "Booked: 3 nights in Oslo", "what is booked")
    questions = ["Please provide inputs for the following fields:", "Where shall it go?"]
    equal(client.heard.questions, questions, "what the user was asked")


CHECKS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "list": listing,
    "call": calling,
    "remember": remembering,
    "ask": asking,
}
