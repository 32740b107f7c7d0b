"""What the servers answer whose tools ask: `fastmcp_asking.py`, `mcp_asking.py` and their twins in other languages.

Each tool is called twice in a row: in which era it can ask, a bridge learns from the first call.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from expectation import equal


async def twice(client: Any, tool: str) -> None:
    for time in ("first", "second"):
        client.heard.questions.clear()
        result = await client.call(tool, {})
        texts = [block.text for block in result.content]
        equal(texts, ["3 nights in Oslo"], f"what `{tool}` answers the {time} time")
        equal(client.heard.questions, ["Where shall it go?"], f"what the user was asked the {time} time")


async def pushing(client: Any) -> None:
    await twice(client, "push")


async def giving(client: Any) -> None:
    await twice(client, "give")


CHECKS: dict[str, Callable[[Any], Awaitable[None]]] = {"push": pushing, "give": giving}
