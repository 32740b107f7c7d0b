"""What `server-everything` answers, whoever asks: the reference server of the protocol's own project."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from answers import NAME, RHYME
from expectation import equal, expect
from mcp import types


async def listing(client: Any) -> None:
    tools = {tool.name for tool in await client.tools()}
    for name in ("echo", "get-sum", "trigger-elicitation-request", "trigger-sampling-request"):
        expect(name in tools, f"the tool `{name}` is listed", sorted(tools))
    resources = [str(resource.uri) for resource in await client.resources()]
    expect("demo://resource/static/document/architecture.md" in resources, "the documents are resources", resources)
    templates = [template.uri_template for template in await client.templates()]
    kinds = ["text", "blob"]
    equal(templates, [f"demo://resource/dynamic/{kind}/{{resourceId}}" for kind in kinds], "the list of templates")
    prompts = [prompt.name for prompt in await client.prompts()]
    equal(prompts, ["simple-prompt", "args-prompt", "completable-prompt", "resource-prompt"], "the list of prompts")


async def calling(client: Any) -> None:
    result = await client.call("echo", {"message": "grüß dich"})
    equal([block.text for block in result.content], ["Echo: grüß dich"], "the echo")
    result = await client.call("get-structured-content", {"location": "Chicago"})
    expect(result.structured_content["conditions"] == "Light rain / drizzle", "the weather is told", result)
    result = await client.call("get-tiny-image", {})
    images = [(block.mime_type, bool(block.data)) for block in result.content if block.type == "image"]
    equal(images, [("image/png", True)], "the images")


async def reading(client: Any) -> None:
    [document] = await client.read("demo://resource/static/document/architecture.md")
    expect(document.text.startswith("# Everything Server"), "the document has its title", document.text[:80])
    [dynamic] = await client.read("demo://resource/dynamic/text/7")
    expect(dynamic.text.startswith("Resource 7: "), "the resource is the seventh", dynamic)


async def prompting(client: Any) -> None:
    result = await client.prompt("args-prompt", {"city": "Oslo", "state": "Norway"})
    said = [(message.role, message.content.text) for message in result.messages]
    equal(said, [("user", "What's weather in Oslo, Norway?")], "the prompt")


async def completing(client: Any) -> None:
    prompt = types.PromptReference(type="ref/prompt", name="completable-prompt")
    equal(await client.complete(prompt, {"name": "department", "value": "S"}), ["Sales", "Support"], "the departments")


async def asking(client: Any) -> None:
    client.heard.questions.clear()
    result = await client.call("trigger-elicitation-request", {})
    equal(client.heard.questions, ["Please provide inputs for the following fields:"], "what the user was asked")
    said = "\n".join(block.text for block in result.content)
    expect(f"- Name: {NAME}" in said, "the server heard the name", said)


async def sampling(client: Any) -> None:
    client.heard.prompts.clear()
    result = await client.call("trigger-sampling-request", {"prompt": "word", "maxTokens": 20})
    equal(client.heard.prompts, ["Resource trigger-sampling-request context: word"], "what the model was asked")
    said = result.content[0].text
    told = json.loads(said.removeprefix("LLM sampling result: "))
    equal(told["content"], {"type": "text", "text": RHYME}, "what the server heard of the model")


async def progressing(client: Any) -> None:
    client.heard.progress.clear()
    result = await client.call("trigger-long-running-operation", {"duration": 0.3, "steps": 3})
    expect("completed" in result.content[0].text, "the operation ends", result)
    # The server sends its answer right after the last step, and some clients forget a step that has its answer already.
    equal(client.heard.progress[:2], [(1, 3, None), (2, 3, None)], "the progress")


CHECKS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "list": listing,
    "call": calling,
    "read": reading,
    "prompt": prompting,
    "complete": completing,
    "ask": asking,
    "sample": sampling,
    "progress": progressing,
}
