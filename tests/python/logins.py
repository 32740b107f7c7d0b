"""`anyport login`, `call`, `bridge` and `logout` at a server of another project, behind an authorization server of another project."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import mcp
from expectation import equal, expect
from mcp import StdioServerParameters
from providers import HERE, PATIENCE, Background, DjangoProvider, OidcProvider, Provider, environment, free_port

# Processes that find the token expired at the same time.
AT_ONCE = 5

# What the commands end with if the user must sign in.
NEEDS_LOGIN = 3


class Program:
    """`anyport`, of a user who may have signed in at `url`."""

    def __init__(self, program: str, folder: Path, url: str) -> None:
        self.program, self.folder, self.url = program, folder, url

    def words(self, *words: str) -> list[str]:
        return [self.program, *words]

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.words(*words),
            env=environment(self.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
        said, told = process.communicate(timeout=PATIENCE)
        log = self.folder / "browser.log"
        browser = log.read_text() if log.exists() else ""
        expect(process.returncode == code, f"`anyport {process.args[1:]}` ends with {code}", (process.returncode, said, told, browser))
        # A token of `oidc-provider` begins so.
        expect("eyJ" not in said + told, "no token is shown", (said, told))
        return said, told

    def run(self, *words: str, code: int = 0) -> tuple[str, str]:
        return self.end(self.start(*words), code)

    def whoami(self) -> str:
        return self.run("call", self.url, "whoami")[0].strip()


def refused(program: Program, _: Provider) -> None:
    """Without a login: an exit code of its own, and the command to type."""
    told = program.run("call", program.url, "whoami", code=NEEDS_LOGIN)[1]
    expect(f"anyport login {program.url}" in told, "the command is named", told)


def login(program: Program, provider: Provider) -> None:
    """By the browser. The program registers itself, and asks for the scopes that the server names."""
    said = program.run("login", program.url)[0]
    expect(said.startswith(f"signed in to {program.url} as default\n"), "the login is told", said)
    expect("notes:read" in said and "notes:write" not in said, "the scopes are told", said)
    equal(provider.count(provider.registration), 1, "the registrations")
    [account] = json.loads(program.run("accounts", "--json")[0])["accounts"]
    equal((account["server"], account["state"]), (program.url, "signed in"), "the account")


def call(program: Program, provider: Provider) -> None:
    """By processes of their own: each finds the login of the one before, and nobody registers or signs in again."""
    for _ in range(2):
        equal(program.whoami(), "you are ada", "the caller")
    equal(provider.count(provider.registration), 1, "the registrations")
    equal(provider.count(f"{provider.token} authorization_code"), 1, "the codes")


def bridge(program: Program, _: Provider) -> None:
    """A client without OAuth, which starts a bridge that uses the login."""
    equal(anyio.run(through_bridge, program, nothing), ["you are ada"] * 2, "the caller, twice")


async def nothing() -> None:
    pass


async def through_bridge(program: Program, between: Callable[[], Any]) -> list[str]:
    """What a client hears from the server through a bridge, before and after `between`."""
    words = program.words("bridge", "--stdio", program.url)
    server = StdioServerParameters(command=words[0], args=words[1:], env=environment(program.folder))
    heard = []
    with anyio.fail_after(PATIENCE):
        async with mcp.Client(server, cache=None) as client:
            for step in (nothing, between):
                await step()
                [block] = (await client.call_tool("whoami", {})).content
                heard.append(block.text)
    return heard


def refresh(program: Program, provider: Provider) -> None:
    """A token that has expired is renewed once, whoever finds it so: a bridge that runs, and processes at the same time."""
    life = 2
    provider.life(life)
    program.run("login", program.url)
    provider.life(3600)
    grant = f"{provider.token} refresh_token"
    before = provider.count(grant)

    async def expire() -> None:
        await anyio.sleep(life + 0.5)
        processes = [program.start("call", program.url, "whoami") for _ in range(AT_ONCE - 1)]
        # Its own call comes next; theirs end while it waits.
        ends.extend(processes)

    ends: list[subprocess.Popen[str]] = []
    equal(anyio.run(through_bridge, program, expire), ["you are ada"] * 2, "the caller, before and after")
    for process in ends:
        equal(program.end(process)[0].strip(), "you are ada", "the caller of a process")
    equal(provider.count(grant) - before, 1, f"the refreshes of {AT_ONCE} processes")
    # The renewed login serves the next process.
    equal(program.whoami(), "you are ada", "the caller after it")
    equal(provider.count(grant) - before, 1, "the refreshes after it")


def restart(program: Program, provider: Provider) -> None:
    """A bridge that is started again goes on with the login, also if its token has expired meanwhile."""
    registrations, codes = provider.count(provider.registration), provider.count(f"{provider.token} authorization_code")
    for _ in range(2):
        equal(anyio.run(through_bridge, program, nothing)[0], "you are ada", "the caller")
    equal(provider.count(provider.registration), registrations, "the registrations")
    equal(provider.count(f"{provider.token} authorization_code"), codes, "the codes")


def logout(program: Program, provider: Provider) -> None:
    """The authorization server takes the tokens back, and the program forgets them."""
    before = provider.count(provider.revocation)
    said, told = program.run("logout", program.url)
    expect(provider.count(provider.revocation) > before, "the tokens are taken back", said + told)
    program.run("call", program.url, "whoami", code=NEEDS_LOGIN)
    equal(json.loads(program.run("accounts", "--json")[0])["accounts"], [], "the accounts")


CHECKS = [refused, login, call, bridge, refresh, restart, logout]


def run(anyport: str, provider: Provider, folder: Path) -> list[str]:
    """Everything, at a server that suits the provider; returns what works."""
    port = free_port()
    match provider:
        case OidcProvider():
            server = ["fastmcp_protected.py", str(port), provider.issuer, provider.keys]
        case DjangoProvider():
            server = ["mcp_protected.py", str(port), provider.issuer, provider.introspection]
    words = [sys.executable, "-B", str(HERE / server[0]), *server[1:]]
    works = []
    with provider, Background(words, port, folder, "server"):
        program = Program(anyport, folder, f"http://127.0.0.1:{port}/mcp")
        for check in CHECKS:
            begun = time.monotonic()
            try:
                check(program, provider)
            except BaseException as failure:
                failure.add_note(f"while checking `{check.__name__}`")
                raise
            print(f"{check.__name__}: {time.monotonic() - begun:.1f} s", file=sys.stderr)
            works.append(check.__name__)
    return works
