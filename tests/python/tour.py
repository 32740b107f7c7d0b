"""What the server of `examples/tour.rs` answers, whoever asks."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from expectation import equal, expect
from mcp import types

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"
)


async def listing(client: Any) -> None:
    tools = [tool.name for tool in await client.tools()]
    equal(tools, ["greet", "measure", "picture", "count", "book", "rhyme", "fail"], "the list of tools")
    resources = [str(resource.uri) for resource in await client.resources()]
    equal(resources, ["tour:///about", "tour:///pixel"], "the list of resources")
    templates = [template.uri_template for template in await client.templates()]
    equal(templates, ["tour:///chapters/{name}"], "the list of templates")
    prompts = await client.prompts()
    equal([prompt.name for prompt in prompts], ["explain"], "the list of prompts")
    argument = prompts[0].arguments[0]
    equal((argument.name, argument.required), ("language", True), "the prompt's argument")


async def calling(client: Any) -> None:
    result = await client.call("greet", {"name": "Ada"})
    equal([block.text for block in result.content], ["Hello, Ada!"], "the greeting")
    expect(not result.is_error, "the greeting is no error", result)
    result = await client.call("measure", {"text": "three wörds, äh"})
    equal(result.structured_content, {"words": 3, "longest": "wörds,"}, "the measure")
    result = await client.call("picture", {})
    block = result.content[0]
    equal((block.type, block.mime_type, block.data), ("image", "image/png", PIXEL), "the picture")
    result = await client.call("fail", {})
    expect(result.is_error, "a failure is marked as one", result)
    equal(result.content[0].text, "this tool fails, and says so", "the failure")


async def reading(client: Any) -> None:
    [about] = await client.read("tour:///about")
    equal((about.text, about.mime_type), ("# A tour\n\nSome of everything.", "text/markdown"), "the text")
    [pixel] = await client.read("tour:///pixel")
    equal(base64.b64decode(pixel.blob), base64.b64decode(PIXEL), "the bytes")
    [chapter] = await client.read("tour:///chapters/market")
    equal((str(chapter.uri), chapter.text), ("tour:///chapters/market", "They sell figs."), "the chapter")


async def prompting(client: Any) -> None:
    result = await client.prompt("explain", {"language": "rust"})
    said = [(message.role, message.content.text) for message in result.messages]
    equal(said, [("user", "Explain rust in one sentence.")], "the prompt")


async def completing(client: Any) -> None:
    prompt = types.PromptReference(type="ref/prompt", name="explain")
    equal(await client.complete(prompt, {"name": "language", "value": "ru"}), ["rust", "ruby"], "the languages")
    template = types.ResourceTemplateReference(type="ref/resource", uri="tour:///chapters/{name}")
    chapters = await client.complete(template, {"name": "name", "value": "m"})
    equal(chapters, ["market", "mountain"], "the chapters")


async def asking(client: Any) -> None:
    client.heard.questions.clear()
    result = await client.call("book", {})
    equal(client.heard.questions, ["Where shall it go?"], "what the user was asked")
    equal([block.text for block in result.content], ["Booked: 3 nights in Oslo"], "the booking")


async def sampling(client: Any) -> None:
    client.heard.prompts.clear()
    result = await client.call("rhyme", {"word": "word"})
    equal(client.heard.prompts, ["What rhymes with word?"], "what the model was asked")
    equal([block.text for block in result.content], ["word rhymes with bird"], "the rhyme")


async def progressing(client: Any) -> None:
    client.heard.progress.clear()
    result = await client.call("count", {"to": 3})
    equal([block.text for block in result.content], ["counted to 3"], "the count")
    steps = [(1, 3, "1 of 3"), (2, 3, "2 of 3"), (3, 3, "3 of 3")]
    equal(client.heard.progress, steps, "the progress")


async def logging(client: Any) -> None:
    client.heard.logs.clear()
    await client.call("count", {"to": 1})
    equal(client.heard.logs, [("info", "here we go")], "the log")


CHECKS: dict[str, Callable[[Any], Awaitable[None]]] = {
    "list": listing,
    "call": calling,
    "read": reading,
    "prompt": prompting,
    "complete": completing,
    "ask": asking,
    "sample": sampling,
    "progress": progressing,
    "log": logging,
}
