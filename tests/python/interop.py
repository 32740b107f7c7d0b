"""A client in Python talks to one of our servers.

    interop.py --client mcp --era modern --server documents --transport http --url http://127.0.0.1:3020/mcp
    interop.py --client fastmcp --era legacy --server tour --transport stdio --stdio target/debug/tour

It ends with a line of JSON that says which revision was negotiated and what works. Else it exits with 1 and says which
expectation did not hold; the traceback of a failure of the client itself is its own explanation.
`cargo xtask interop` runs it in every combination.
"""

import argparse
import json
import sys
from typing import Any

import anyio
import documents
import tour
from clients import CLIENTS
from expectation import Broken, equal, expect

REVISIONS = {"modern": "2026-07-28", "legacy": "2025-11-25"}
SERVERS = {"documents": documents.CHECKS, "tour": tour.CHECKS}

# A client that waits for ever would hold up whoever waits for this script.
PATIENCE = 60


def negotiation(client: Any, era: str) -> None:
    equal(client.revision, REVISIONS[era], f"the revision of a {era} client")
    info = client.server
    expect(info is not None and info.name != "" and info.version != "", "the server says its name and version", info)
    capabilities = client.capabilities
    expect(capabilities.tools is not None, "tools are declared", capabilities)
    expect(capabilities.resources is not None, "resources are declared", capabilities)


async def dialogue(options: argparse.Namespace) -> str:
    # `auto` asks for the newest revision as a client in the wild does; naming it would adopt it unasked.
    mode = "auto" if options.era == "modern" else "legacy"
    works = []
    with anyio.fail_after(PATIENCE):
        async with CLIENTS[options.client](options.transport, options.url, options.stdio, mode) as client:
            negotiation(client, options.era)
            for name, check in SERVERS[options.server].items():
                await check(client)
                works.append(name)
            return json.dumps({"revision": client.revision, "works": works})


def first(failure: BaseException) -> BaseException:
    """The failure itself: the client wraps it once for every task group that it passed through."""
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    return failure


def main() -> int:
    parser = argparse.ArgumentParser(description="A client in Python against one of our servers.")
    parser.add_argument("--client", choices=CLIENTS, required=True)
    parser.add_argument("--era", choices=REVISIONS, required=True)
    parser.add_argument("--server", choices=SERVERS, required=True)
    parser.add_argument("--transport", choices=("stdio", "http", "sse"), required=True)
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--url", help="the endpoint of a server that runs already")
    server.add_argument("--stdio", nargs=argparse.REMAINDER, help="the command that starts a server")
    options = parser.parse_args()
    if not options.url and not options.stdio:
        parser.error("--stdio needs a command")
    try:
        print(anyio.run(dialogue, options))
    except BaseException as failure:  # a group may hold a cancellation, which is no `Exception`
        failure = first(failure)
        if isinstance(failure, (Broken, TimeoutError)):
            print(failure or "took too long", file=sys.stderr)
            return 1
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
