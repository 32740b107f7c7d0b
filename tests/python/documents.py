"""What `anyport serve` answers over the documents in `tests/data/docs`, whoever asks."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

from expectation import Broken, expect
from mcp import MCPError

DOCUMENTS = {"python/testing.md", "rust/errors.md", "guides/release checklist.md"}
SENTENCE = "Tests are named for the behaviour that they hold, not for the function that they call."
UPDATED = datetime(2026, 3, 14, 9, 30, tzinfo=timezone.utc)


async def tools(client: Any) -> None:
    listed = {tool.name: tool for tool in await client.tools()}
    for name in ("get_stdlib", "search_docs", "list_docs", "get_doc", "health_check"):
        expect(name in listed, f"the tool `{name}` is listed", sorted(listed))
    tool = listed["get_stdlib"]
    expect(bool(tool.description), "`get_stdlib` has a description", tool)
    expect(
        {"language", "domain"} <= set(tool.input_schema.get("properties", {})),
        "`get_stdlib` takes a language and a domain",
        tool.input_schema,
    )
    expect(tool.output_schema is not None, "`get_stdlib` says what it returns", tool)


async def get_stdlib(client: Any) -> None:
    result = await client.call("get_stdlib", {"language": "python", "domain": "testing"})
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


async def get_stdlib_misses(client: Any) -> None:
    result = await client.call("get_stdlib", {"language": "python", "domain": "security"})
    found = result.structured_content
    expect(isinstance(found, dict) and found.get("found") is False, "a document that is not there is not found", result)


async def search_docs(client: Any) -> None:
    while (result := await client.call("search_docs", {"query": "named for the behaviour"})).structured_content["indexing"]:
        pass
    hits = result.structured_content["hits"]
    expect(bool(hits) and hits[0]["path"] == "python/testing.md", "`search_docs` finds what is said", result)
    section = await client.read(hits[0]["uri"])
    expect("behaviour" in section[0].text, "a hit leads to its section", section)


async def list_docs(client: Any) -> None:
    result = await client.call("list_docs", {})
    expect(not result.is_error, "`list_docs` answers", result.content)
    # `ensure_ascii` would hide whether the letters arrived as they are.
    answer = json.dumps(result.structured_content, ensure_ascii=False)
    for part in (*DOCUMENTS, "Python Testing Standards", "Errors in Rust", "Release checklist – Prüfliste"):
        expect(part in answer, f"`list_docs` names {part!r}", answer)


async def resources(client: Any) -> None:
    listed = [str(resource.uri) for resource in await client.resources()]
    paths = {unquote(uri.removeprefix("docs:///")) for uri in listed if uri.startswith("docs:///")}
    expect(DOCUMENTS <= paths, "every document is a resource", listed)
    expect(not any(" " in uri for uri in listed), "the URIs are percent-encoded", listed)

    for uri in listed:
        contents = await client.read(uri)
        expect(len(contents) == 1 and bool(contents[0].text), f"{uri} can be read as text", contents)
        expect(str(contents[0].uri) == uri, f"{uri} answers by its own name", contents[0].uri)
    contents = await client.read("docs:///python/testing.md")
    expect(SENTENCE in contents[0].text, "the resource is the document", contents)
    expect(contents[0].mime_type == "text/markdown", "the document is Markdown", contents[0].mime_type)


# Invariant: Nothing outside the served folder can be read, also while a file is replaced by a link.
async def no_resource(client: Any) -> None:
    for uri in ("docs:///python/nothing.md", "docs:///../../Cargo.toml", "docs:///%2e%2e/%2e%2e/Cargo.toml"):
        try:
            result = await client.read(uri)
        except MCPError as error:
            # 2026-07-28 says -32602 for what is not there, the revisions before it -32002. A path that leaves the
            # folder may be called invalid in any of them.
            modern = client.revision == "2026-07-28"
            codes = {-32602} if modern else {-32002, -32602} if ".." in unquote(uri) else {-32002}
            expect(error.code in codes, f"{uri} is refused with one of {codes}", error)
        else:
            raise Broken(f"expected that {uri} does not exist; found {result!r}")


async def prompts(client: Any) -> None:
    if client.capabilities.prompts is None:
        try:
            result = await client.prompts()
        except MCPError as error:
            expect(error.code == -32601, "prompts that are not declared are no method", error)
        else:
            expect(result == [], "no prompt is listed where none is declared", result)
    else:
        for prompt in await client.prompts():
            expect(bool(prompt.name) and bool(prompt.description), "a prompt has a name and a description", prompt)


CHECKS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "tools": tools,
    "get_stdlib": get_stdlib,
    "get_stdlib_misses": get_stdlib_misses,
    "search_docs": search_docs,
    "list_docs": list_docs,
    "resources": resources,
    "no_resource": no_resource,
    "prompts": prompts,
}
