"""The official client as it was in versions 1 of `mcp`, which know no revision after 2025-11-25.

Its results call their members as the wire does (`isError`); what the checks look at are the names of version 2.
"""

from contextlib import AsyncExitStack
from datetime import timedelta
from re import sub
from types import SimpleNamespace
from typing import Any, Self

from answers import Heard
from mcp import ClientSession, StdioServerParameters, stdio_client, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import BaseModel


class First:
    """`mcp.ClientSession` of versions 1."""

    def __init__(self, transport: str, url: str | None, command: list[str], _: str) -> None:
        self.heard = Heard()
        self.open = AsyncExitStack()
        self.over = {
            "stdio": lambda: stdio_client(StdioServerParameters(command=command[0], args=command[1:])),
            "http": lambda: streamable_http_client(url),
            "sse": lambda: sse_client(url),
        }[transport]

    async def __aenter__(self) -> Self:
        async def answer(_: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
            return types.ElicitResult(action="accept", content=self.heard.question(params.message))

        async def model(_: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
            said = types.TextContent(type="text", text=self.heard.prompt(params.messages[0].content.text))
            return types.CreateMessageResult(role="assistant", content=said, model="parrot")

        read, write, *_ = await self.open.enter_async_context(self.over())
        self.session = await self.open.enter_async_context(
            ClientSession(
                read,
                write,
                read_timeout_seconds=timedelta(seconds=30),
                elicitation_callback=answer,
                sampling_callback=model,
                logging_callback=self.heard.log,
            )
        )
        opened = plain(await self.session.initialize())
        self.revision, self.server, self.capabilities = opened.protocol_version, opened.server_info, opened.capabilities
        return self

    async def __aexit__(self, *failure: Any) -> None:
        await self.open.aclose()

    async def tools(self) -> Any:
        return plain(await self.session.list_tools()).tools

    async def call(self, name: str, arguments: dict[str, Any]) -> Any:
        return plain(await self.session.call_tool(name, arguments, progress_callback=self.heard.step))

    async def resources(self) -> Any:
        return plain(await self.session.list_resources()).resources

    async def templates(self) -> Any:
        return plain(await self.session.list_resource_templates()).resource_templates

    async def read(self, uri: str) -> Any:
        return plain(await self.session.read_resource(uri)).contents

    async def prompts(self) -> Any:
        return plain(await self.session.list_prompts()).prompts

    async def prompt(self, name: str, arguments: dict[str, str]) -> Any:
        return plain(await self.session.get_prompt(name, arguments))

    async def complete(self, reference: Any, argument: dict[str, str]) -> list[str]:
        return (await self.session.complete(reference, argument)).completion.values


def plain(found: Any) -> Any:
    """A result with the names of version 2; what is the server's own, such as structured content, stays as it is."""
    if isinstance(found, BaseModel):
        names = {name: sub("([A-Z])", r"_\1", name).lower() for name in type(found).model_fields}
        return SimpleNamespace(**{snake: plain(getattr(found, name)) for name, snake in names.items()})
    return [plain(item) for item in found] if isinstance(found, list) else found


CLIENTS = {"mcp1": First}
