"""Clients of other projects at `anyport serve`, which takes tokens of an authorization server of another project.

Three tools need more and more scopes: what each request needs, what only a further agreement of the user allows (step-up), and what
the authorization server gives nobody.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import mcp
from browser import NAME, PASSWORD, Browser
from expectation import equal, expect
from mcp import StdioServerParameters
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from providers import HERE, PATIENCE, Background, DjangoProvider, OidcProvider, Provider, environment, free_port

ALLOWED, STEP_UP, REFUSED = "docs_list_docs", "time_get_current_time", "time_convert_time"
TOOLS = (ALLOWED, STEP_UP, REFUSED)
ARGUMENTS = {STEP_UP: {"timezone": "UTC"}}

# How often the user may be sent to the pages in all. Two times are enough, and a third for what no agreement allows.
LOGINS_AT_MOST = 4

FILE = """
[gateway]
public_url = "http://127.0.0.1:{port}"
[auth]
require = ["notes:read"]
scopes_supported = ["notes:read"]
{auth}
[upstreams.time]
command = ["{time}"]
[upstreams.time.tools.get_current_time]
require = ["notes:write"]
[upstreams.time.tools.convert_time]
require = ["notes:admin"]
[knowledge.docs]
docs = ["{docs}"]
"""

# Tokens of an authorization server of another project: JWTs.
ISSUER = """
[auth.issuers.company]
issuer = "{provider.issuer}"
"""

# Opaque tokens.
INTROSPECTION = """
[auth.issuers.company.introspection]
url = "{provider.introspection}"
client_id = "server"
client_secret = "env:PROVIDER_SECRET"
"""

# Tokens of the server's own, for users of its own.
BUILTIN = """
[auth.server]
scopes = ["notes:read", "notes:write"]
[auth.builtin]
"""

# Tokens of the server's own, for users of a provider.
PROXY = """
[auth.server]
scopes = ["notes:read", "notes:write"]
[auth.proxy]
provider = "oidc"
everyone = true
issuer = "{provider.issuer}"
client_id = "gateway"
client_secret = "env:PROVIDER_SECRET"
"""


class Place:
    """Who gives the tokens, and what the server's file says of that."""

    def __init__(self, provider: Provider | None, auth: str, secret: str = "") -> None:
        self.provider, self.auth, self.secret = provider, auth.format(provider=provider), secret


def place(name: str, options: argparse.Namespace, folder: Path, port: int) -> Place:
    match name:
        case "oidc-provider":
            return Place(OidcProvider(options.node, options.scripts, folder), ISSUER)
        case "django":
            return Place(DjangoProvider(folder), ISSUER + INTROSPECTION, "secret-of-the-server")
        case "builtin":
            words = [options.anyport, "user", "add", NAME]
            subprocess.run(words, env=environment(folder), input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL)
            return Place(None, BUILTIN)
        case "proxy":
            secret = "secret-of-the-gateway"
            callback = f"http://127.0.0.1:{port}/oauth/callback"
            provider = OidcProvider(options.node, options.scripts, folder, {"PROVIDER_SECRET": secret}, callback)
            return Place(provider, PROXY, secret)
    raise ValueError(name)


class Scene:
    """A protected server, and where the client runs."""

    def __init__(self, options: argparse.Namespace, folder: Path, url: str) -> None:
        self.options, self.folder, self.url = options, folder, url

    def node(self, program: str, *words: str) -> list[str]:
        return [self.options.node, str(self.options.scripts / program), *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env=environment(self.folder), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
        )


# What a client hears: for each tool the text of its result, or the error.
Heard = dict[str, str | Exception]


class Unwanted(Exception):
    """An authorization server that does not give what a client asks for."""


class Memory:
    """What the official client in Python remembers."""

    def __init__(self) -> None:
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def through(client: mcp.Client, heard: Heard) -> Heard:
    """Calls each tool."""
    for tool in TOOLS:
        try:
            result = await client.call_tool(tool, ARGUMENTS.get(tool, {}))
            heard[tool] = result.content[0].text
        except Exception as refused:
            heard[tool] = refused
    return heard


def python(scene: Scene) -> Heard:
    """The official client in Python, whose program opens no page, but follows it by itself."""
    answers = []

    async def show(page: str) -> None:
        answers.append(await anyio.to_thread.run_sync(lambda: Browser().authorize(page, bring=False)))

    async def answer() -> AuthorizationCodeResult:
        brought = {name: values[0] for name, values in parse_qs(urlsplit(answers.pop()).query).items()}
        if "code" not in brought:
            raise Unwanted(brought)
        return AuthorizationCodeResult(code=brought["code"], state=brought["state"], iss=brought.get("iss"))

    heard: Heard = {}

    async def talk() -> None:
        metadata = OAuthClientMetadata(client_name="Python SDK", redirect_uris=["http://127.0.0.1:9/callback"])
        auth = OAuthClientProvider(scene.url, metadata, Memory(), show, answer)
        with anyio.fail_after(PATIENCE):
            async with httpx2.AsyncClient(auth=auth, trust_env=False, timeout=30) as http:
                over = streamable_http_client(scene.url, http_client=http)
                async with mcp.Client(over, mode="auto", cache=None) as client:
                    await through(client, heard)

    try:
        anyio.run(talk)
    except* Unwanted as unwanted:
        # It ends with the connection.
        heard[REFUSED] = unwanted
    return heard


def typescript(scene: Scene) -> Heard:
    done = scene.run(*scene.node("signing-in.mjs", scene.url, *TOOLS))
    equal(done.returncode, 0, "the exit code of the client, which wrote " + done.stdout + done.stderr)
    heard: Heard = {}
    for line in done.stdout.splitlines():
        said = json.loads(line)
        heard[said["name"]] = said["text"] if "text" in said else Exception(said["refused"])
    return heard


def mcp_remote(scene: Scene) -> Heard:
    """mcp-remote, which a client starts that knows no OAuth."""

    async def talk() -> Heard:
        words = scene.node("node_modules/mcp-remote/dist/proxy.js", scene.url)
        server = StdioServerParameters(command=words[0], args=words[1:], env=environment(scene.folder))
        with anyio.fail_after(PATIENCE):
            async with mcp.Client(server, mode="legacy", cache=None) as client:
                return await through(client, {})

    return anyio.run(talk)


def mcporter(scene: Scene) -> Heard:
    file = scene.folder / "mcporter.json"
    file.write_text(json.dumps({"mcpServers": {"notes": {"url": scene.url, "auth": "oauth"}}, "imports": []}))
    heard: Heard = {}
    for tool in TOOLS:
        words = [f"{name}={value}" for name, value in ARGUMENTS.get(tool, {}).items()]
        # Without a limit it waits minutes for a user who has nothing to agree to.
        program = scene.node("node_modules/mcporter/dist/cli.js", "--config", str(file), "--oauth-timeout", "20000")
        done = scene.run(*program, "call", f"notes.{tool}", *words)
        heard[tool] = done.stdout if done.returncode == 0 else Exception(done.stdout + done.stderr)
    return heard


CLIENTS: dict[str, Callable[[Scene], Heard]] = {
    "python": python,
    "typescript": typescript,
    "mcp-remote": mcp_remote,
    "mcporter": mcporter,
}

# mcporter has another port for each login, and registers that.
REGISTERS_AGAIN = {"mcporter"}
# It shows the page for further scopes, and ends without waiting for the answer.
NO_STEP_UP = {"mcporter"}


def check(client: str, heard: Heard) -> list[str]:
    """What works, of what a client heard."""
    expect(isinstance(heard[ALLOWED], str), "what the first login allows is allowed", heard[ALLOWED])
    works = ["login", "call"]
    if client in NO_STEP_UP:
        expect(isinstance(heard[STEP_UP], Exception), "step-up is beyond it: else take it off the list", heard[STEP_UP])
    else:
        expect("UTC" in str(heard[STEP_UP]), "the user's further agreement allows more", heard[STEP_UP])
        works.append("step-up")
    expect(isinstance(heard[REFUSED], Exception), "what nobody is allowed is refused", heard[REFUSED])
    return [*works, "refused"]


def check_provider(client: str, provider: Provider) -> None:
    """How often the provider was asked."""
    logins = provider.count(f"{provider.token} authorization_code")
    expect(logins <= LOGINS_AT_MOST, "the user is not sent to the pages again and again", logins)
    registrations = provider.count(provider.registration)
    expect(registrations <= 1 or client in REGISTERS_AGAIN, "one registration is enough", registrations)


def run(options: argparse.Namespace, client: str, where: str, folder: Path) -> list[str]:
    """Lets one client talk to the server; returns what works."""
    port = free_port()
    there = place(where, options, folder, port)
    with there.provider or nullcontext():
        file = folder / "anyport.toml"
        time = Path(sys.executable).with_name("mcp-server-time")
        file.write_text(FILE.format(port=port, auth=there.auth, time=time, docs=HERE.parent / "data" / "docs"))
        words = [options.anyport, "serve", "--config", str(file), "--port", str(port)]
        with Background(words, port, folder, "anyport", {"PROVIDER_SECRET": there.secret}):
            works = check(client, CLIENTS[client](Scene(options, folder, f"http://127.0.0.1:{port}/mcp")))
            if there.provider:
                check_provider(client, there.provider)
            return works
