"""A client in Python talks to a server.

    interop.py --client mcp --era modern --server documents --transport http --url http://127.0.0.1:3020/mcp
    interop.py --client fastmcp --era legacy --server tour --transport stdio -- target/debug/tour

It ends with a line of JSON that says which revision was negotiated and what works. Else it exits with 1 and says which
expectation did not hold; the traceback of a failure of the client itself is its own explanation.
`cargo xtask interop` runs it in every combination.
"""

import argparse
import json
import sys
from importlib import import_module
from typing import Any

import anyio
from expectation import Broken, equal, expect

REVISIONS = {"modern": "2026-07-28", "legacy": "2025-11-25"}
SERVERS = ("asking", "documents", "everything", "fleet", "tour")

# Which module has them: the environment of one lacks what the other imports.
CLIENTS = {"mcp": "clients", "fastmcp": "clients", "mcp1": "first"}

# A client that waits for ever would hold up whoever waits for this script.
PATIENCE = 120


def negotiation(client: Any, era: str, server: str) -> None:
    equal(client.revision, REVISIONS[era], f"the revision of a {era} client")
    info = client.server
    expect(info is not None and info.name != "" and info.version != "", "the server says its name and version", info)
    capabilities = client.capabilities
    expect(capabilities.tools is not None, "tools are declared", capabilities)
    if server != "asking":
        expect(capabilities.resources is not None, "resources are declared", capabilities)


async def dialogue(options: argparse.Namespace) -> str:
    # `auto` asks for the newest revision as a client in the wild does; naming it would adopt it unasked.
    mode = "auto" if options.era == "modern" else "legacy"
    client_of = import_module(CLIENTS[options.client]).CLIENTS[options.client]
    checks = import_module(options.server).CHECKS
    works = []
    with anyio.fail_after(PATIENCE):
        async with client_of(options.transport, options.url, options.command, mode) as client:
            negotiation(client, options.era, options.server)
            for name, check in checks.items():
                try:
                    await check(client)
                except BaseException as failure:
                    failure.add_note(f"while checking `{name}`")
                    raise
                works.append(name)
            return json.dumps({"revision": client.revision, "works": works})


def first(failure: BaseException) -> BaseException:
    """The failure itself: the client wraps it once for every task group that it passed through."""
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    return failure


def main() -> int:
    parser = argparse.ArgumentParser(description="A client in Python against a server.")
    parser.add_argument("--client", choices=CLIENTS, required=True)
    parser.add_argument("--era", choices=REVISIONS, required=True)
    parser.add_argument("--server", choices=SERVERS, required=True)
    parser.add_argument("--transport", choices=("stdio", "http", "sse"), required=True)
    parser.add_argument("--url", help="the endpoint of a server that runs already; else a command stands after `--`")
    # `argparse` would take the `--` of the command itself, too.
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:at])
    options.command = words[at + 1 :]
    if bool(options.url) == bool(options.command):
        parser.error("either --url or a command after -- says where the server is")
    try:
        print(anyio.run(dialogue, options))
    except BaseException as failure:  # a group may hold a cancellation, which is no `Exception`
        failure = first(failure)
        if isinstance(failure, (Broken, TimeoutError)):
            print(failure or "took too long", *getattr(failure, "__notes__", []), file=sys.stderr)
            return 1
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
