"""Other people's clients, each with the same few methods, so that the checks are written once.

What a method returns is the client's own: results of the official types, lists where the answer is a list.
"""

from typing import Any, Self

import fastmcp
import mcp
from answers import Heard
from fastmcp.client.elicitation import ElicitResult as Answered
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport
from mcp import StdioServerParameters, types
from mcp.client.sse import sse_client

class Official:
    """The official client, `mcp.Client`."""

    def __init__(self, transport: str, url: str | None, command: list[str], mode: str) -> None:
        self.heard = Heard()
        over = {
            "stdio": lambda: StdioServerParameters(command=command[0], args=command[1:]),
            "http": lambda: url,
            "sse": lambda: sse_client(url),
        }

        async def answer(_: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
            return types.ElicitResult(action="accept", content=self.heard.question(params.message))

        async def model(_: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
            said = self.heard.prompt(params.messages[0].content.text)
            return types.CreateMessageResult(
                role="assistant", content=types.TextContent(type="text", text=said), model="parrot"
            )

        # No cache: every question of a check is to reach the server.
        self.client = mcp.Client(
            over[transport](),
            mode=mode,
            cache=None,
            elicitation_callback=answer,
            sampling_callback=model,
            logging_callback=self.heard.log,
            log_level="info",
        )

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *failure: Any) -> None:
        await self.client.__aexit__(*failure)

    @property
    def revision(self) -> str | None:
        return self.client.protocol_version

    @property
    def server(self) -> Any:
        return self.client.server_info

    @property
    def capabilities(self) -> Any:
        return self.client.server_capabilities

    async def tools(self) -> list[types.Tool]:
        return (await self.client.list_tools()).tools

    async def call(self, name: str, arguments: dict[str, Any]) -> Any:
        return await self.client.call_tool(name, arguments, progress_callback=self.heard.step)

    async def resources(self) -> list[types.Resource]:
        return (await self.client.list_resources()).resources

    async def templates(self) -> list[types.ResourceTemplate]:
        return (await self.client.list_resource_templates()).resource_templates

    async def read(self, uri: str) -> list[Any]:
        return (await self.client.read_resource(uri)).contents

    async def prompts(self) -> list[types.Prompt]:
        return (await self.client.list_prompts()).prompts

    async def prompt(self, name: str, arguments: dict[str, str]) -> types.GetPromptResult:
        return await self.client.get_prompt(name, arguments)

    async def complete(self, reference: Any, argument: dict[str, str]) -> list[str]:
        return (await self.client.complete(reference, argument)).completion.values


class FastMCP:
    """The client of FastMCP, `fastmcp.Client`."""

    def __init__(self, transport: str, url: str | None, command: list[str], mode: str) -> None:
        self.heard = Heard()
        over = {
            # A process that outlives its dialogue would be left to the next one.
            "stdio": lambda: StdioTransport(command[0], command[1:], keep_alive=False),
            "http": lambda: StreamableHttpTransport(url),
            "sse": lambda: SSETransport(url),
        }

        async def answer(message: str, _: Any, params: Any, context: Any) -> Any:
            return Answered(action="accept", content=self.heard.question(message))

        async def model(messages: list[types.SamplingMessage], _: Any, context: Any) -> str:
            return self.heard.prompt(messages[0].content.text)

        self.client = fastmcp.Client(
            over[transport](),
            mode=mode,
            cache=False,
            elicitation_handler=answer,
            sampling_handler=model,
            log_handler=self.heard.log,
            progress_handler=self.heard.step,
        )

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *failure: Any) -> None:
        await self.client.__aexit__(*failure)

    @property
    def revision(self) -> str | None:
        return self.client.protocol_version

    @property
    def server(self) -> Any:
        return self.client.server_info

    @property
    def capabilities(self) -> Any:
        return self.client.server_capabilities

    async def tools(self) -> list[types.Tool]:
        return await self.client.list_tools()

    async def call(self, name: str, arguments: dict[str, Any]) -> Any:
        return await self.client.call_tool(name, arguments, raise_on_error=False)

    async def resources(self) -> list[types.Resource]:
        return await self.client.list_resources()

    async def templates(self) -> list[types.ResourceTemplate]:
        return await self.client.list_resource_templates()

    async def read(self, uri: str) -> list[Any]:
        return await self.client.read_resource(uri)

    async def prompts(self) -> list[types.Prompt]:
        return await self.client.list_prompts()

    async def prompt(self, name: str, arguments: dict[str, str]) -> types.GetPromptResult:
        return await self.client.get_prompt(name, arguments)

    async def complete(self, reference: Any, argument: dict[str, str]) -> list[str]:
        return (await self.client.complete(reference, argument)).values


CLIENTS = {"mcp": Official, "fastmcp": FastMCP}
