"""The official Python client talks to `anyport serve` over the documents in `tests/data/docs`.

    interop.py --era modern --url http://127.0.0.1:3020/mcp
    interop.py --era legacy --stdio anyport serve --stdio --docs tests/data/docs

It exits with 1 and says which expectation did not hold; the traceback of a failure of the client itself is its own
explanation. `cargo xtask interop` runs it in every combination.
"""

import argparse
import json
import sys
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

import anyio
from mcp import Client, MCPError, StdioServerParameters

REVISIONS = {"modern": "2026-07-28", "legacy": "2025-11-25"}

# A client that waits for ever would hold up whoever waits for this script.
PATIENCE = 60

DOCUMENTS = {"python/testing.md", "rust/errors.md", "guides/release checklist.md"}
SENTENCE = "Tests are named for the behaviour that they hold, not for the function that they call."
UPDATED = datetime(2026, 3, 14, 9, 30, tzinfo=timezone.utc)


class Broken(Exception):
    """An expectation that did not hold."""


def expect(holds: bool, what: str, found: Any) -> None:
    if not holds:
        raise Broken(f"expected that {what}; found {found!r}")


async def negotiation(client: Client, era: str) -> None:
    revision = client.protocol_version
    expect(revision == REVISIONS[era], f"a {era} client ends up at {REVISIONS[era]}", revision)
    info = client.server_info
    expect(info is not None and info.name != "" and info.version != "", "the server says its name and version", info)
    capabilities = client.server_capabilities
    expect(capabilities.tools is not None, "tools are declared", capabilities)
    expect(capabilities.resources is not None, "resources are declared", capabilities)


async def tools(client: Client) -> None:
    listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    for name in ("get_stdlib", "list_docs"):
        expect(name in listed, f"the tool `{name}` is listed", sorted(listed))
    tool = listed["get_stdlib"]
    expect(bool(tool.description), "`get_stdlib` has a description", tool)
    expect(
        {"language", "domain"} <= set(tool.input_schema.get("properties", {})),
        "`get_stdlib` takes a language and a domain",
        tool.input_schema,
    )
    expect(tool.output_schema is not None, "`get_stdlib` says what it returns", tool)


async def get_stdlib(client: Client) -> None:
    result = await client.call_tool("get_stdlib", {"language": "python", "domain": "testing"})
    expect(not result.is_error, "`get_stdlib` finds python/testing", result.content)
    found = result.structured_content
    expect(isinstance(found, dict), "the answer is structured", result)
    wanted = {
        "found": True,
        "language": "python",
        "domain": "testing",
        "title": "Python Testing Standards",
        "tags": ["python", "testing", "pytest"],
        "path": "python/testing.md",
    }
    for member, value in wanted.items():
        expect(found.get(member) == value, f"`{member}` is {value!r}", found)
    expect(SENTENCE in found.get("content", ""), "`content` is the document", found)
    updated = datetime.fromisoformat(found.get("last_updated", "").replace("Z", "+00:00"))
    expect(updated == UPDATED, "`last_updated` is what the document says", found)
    expect(bool(result.content), "a client that reads only text gets some", result)


async def get_stdlib_misses(client: Client) -> None:
    result = await client.call_tool("get_stdlib", {"language": "python", "domain": "security"})
    found = result.structured_content
    expect(isinstance(found, dict) and found.get("found") is False, "a document that is not there is not found", result)


async def list_docs(client: Client) -> None:
    result = await client.call_tool("list_docs", {})
    expect(not result.is_error, "`list_docs` answers", result.content)
    # `ensure_ascii` would hide whether the letters arrived as they are.
    answer = json.dumps(result.structured_content, ensure_ascii=False)
    for part in (*DOCUMENTS, "Python Testing Standards", "Errors in Rust", "Release checklist – Prüfliste"):
        expect(part in answer, f"`list_docs` names {part!r}", answer)


async def resources(client: Client) -> None:
    listed = [str(resource.uri) for resource in (await client.list_resources()).resources]
    paths = {unquote(uri.removeprefix("docs:///")) for uri in listed if uri.startswith("docs:///")}
    expect(DOCUMENTS <= paths, "every document is a resource", listed)
    expect(not any(" " in uri for uri in listed), "the URIs are percent-encoded", listed)

    for uri in listed:
        contents = (await client.read_resource(uri)).contents
        expect(len(contents) == 1 and bool(contents[0].text), f"{uri} can be read as text", contents)
        expect(str(contents[0].uri) == uri, f"{uri} answers by its own name", contents[0].uri)
    contents = (await client.read_resource("docs:///python/testing.md")).contents
    expect(SENTENCE in contents[0].text, "the resource is the document", contents)
    expect(contents[0].mime_type == "text/markdown", "the document is Markdown", contents[0].mime_type)


async def no_resource(client: Client) -> None:
    for uri in ("docs:///python/nothing.md", "docs:///../../Cargo.toml", "docs:///%2e%2e/%2e%2e/Cargo.toml"):
        try:
            result = await client.read_resource(uri)
        except MCPError as error:
            # 2026-07-28 says -32602 for what is not there, the revisions before it -32002. A path that leaves the
            # folder may be called invalid in any of them.
            modern = client.protocol_version == REVISIONS["modern"]
            codes = {-32602} if modern else {-32002, -32602} if ".." in unquote(uri) else {-32002}
            expect(error.code in codes, f"{uri} is refused with one of {codes}", error)
        else:
            raise Broken(f"expected that {uri} does not exist; found {result!r}")


async def prompts(client: Client) -> None:
    if client.server_capabilities.prompts is None:
        try:
            result = await client.list_prompts()
        except MCPError as error:
            expect(error.code == -32601, "prompts that are not declared are no method", error)
        else:
            expect(result.prompts == [], "no prompt is listed where none is declared", result)
    else:
        for prompt in (await client.list_prompts()).prompts:
            expect(bool(prompt.name) and bool(prompt.description), "a prompt has a name and a description", prompt)


async def dialogue(server: str | StdioServerParameters, era: str) -> None:
    # `auto` asks for the newest revision as a client in the wild does; naming it would adopt it unasked.
    mode = "auto" if era == "modern" else "legacy"
    with anyio.fail_after(PATIENCE):
        # No cache: every question below is to reach the server.
        async with Client(server, mode=mode, cache=None) as client:
            await negotiation(client, era)
            for check in (tools, get_stdlib, get_stdlib_misses, list_docs, resources, no_resource, prompts):
                await check(client)


def first(failure: BaseException) -> BaseException:
    """The failure itself: the client wraps it once for every task group that it passed through."""
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    return failure


def main() -> int:
    parser = argparse.ArgumentParser(description="The official Python client against `anyport serve`.")
    parser.add_argument("--era", choices=REVISIONS, required=True)
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--url", help="the endpoint of a server that runs already")
    server.add_argument("--stdio", nargs=argparse.REMAINDER, help="the command that starts a server")
    options = parser.parse_args()

    if options.url:
        name, target = "http", options.url
    else:
        if not options.stdio:
            parser.error("--stdio needs a command")
        command, *arguments = options.stdio
        name, target = "stdio", StdioServerParameters(command=command, args=arguments)
    try:
        anyio.run(dialogue, target, options.era)
    except BaseException as failure:  # a group may hold a cancellation, which is no `Exception`
        failure = first(failure)
        if isinstance(failure, (Broken, TimeoutError)):
            print(f"python, {name}, {options.era}: {failure or 'took too long'}", file=sys.stderr)
            return 1
        raise
    print(f"python, {name}, {options.era}: as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
