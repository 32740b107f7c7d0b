"""Authorization servers of other projects, and programs that run beside a check."""

import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent

# How long a program may take until it listens, on a busy machine.
PATIENCE = 60

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


# Below the ports that systems give to connections (RFC 6335, section 6, and Linux from 32768): nothing takes one by chance before the
# program listens that it is for, which takes seconds on a busy machine.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def environment(folder: Path) -> dict[str, str]:
    """That of a user whose home is `folder` and whose browser agrees to everything: nothing of whoever runs this."""
    kept = {name: os.environ[name] for name in ("LANG", "SystemRoot") if name in os.environ}
    bin_ = folder / "bin"
    return {
        **kept,
        "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
        "BROWSER": str(bin_ / "xdg-open"),
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        # The keyring belongs to whoever runs this.
        "ANYPORT_KEYRING": "off",
    }


def install_browser(folder: Path) -> None:
    """Makes `browser.py` the program that opens pages."""
    script = folder / "bin" / "xdg-open"
    script.parent.mkdir(parents=True)
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -B "{HERE / "browser.py"}" "$@" >> "{folder}/browser.log" 2>&1\n')
    script.chmod(0o755)


class Background:
    """A program that listens on `port`, and ends with the block."""

    def __init__(self, words: list[str], port: int, folder: Path, name: str, variables: dict[str, str] = {}) -> None:
        self.words, self.port, self.folder, self.variables = words, port, folder, variables
        self.log = folder / f"{name}.log"

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment(self.folder), **self.variables},
            )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        self.__exit__()
        raise RuntimeError(f"{self.words[-3:]} does not listen; it wrote:\n{self.log.read_text()}")

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.wait()


class Provider:
    """An authorization server that counts what it is asked, and its settings."""

    # What its metadata and FastMCP call it.
    issuer: str
    registration: str
    token: str
    revocation: str

    def __init__(self, words: list[str], port: int, folder: Path, name: str, variables: dict[str, str] = {}) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.program = Background(words, port, folder, name, variables)

    def __enter__(self) -> Self:
        self.program.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self.program.__exit__(*failure)

    def get(self, path: str) -> Any:
        with DIRECT.open(f"{self.issuer}{path}", timeout=PATIENCE) as answer:
            return json.loads(answer.read())

    def count(self, name: str) -> int:
        """How often something was asked, such as `POST /token refresh_token`."""
        return self.get("/counts").get(f"POST {name}", 0)

    def life(self, seconds: int) -> None:
        """How long the tokens live that it gives from now on."""
        self.get(f"/life/{seconds}")


class OidcProvider(Provider):
    registration, token, revocation = "/reg", "/token", "/token/revocation"

    def __init__(
        self, node: str, scripts: Path, folder: Path, secret: dict[str, str] = {}, callback: str | None = None
    ) -> None:
        """`callback` is the redirect URI of its client `gateway`, whose secret is in the variable PROVIDER_SECRET of `secret`."""
        port = free_port()
        words = [node, str(scripts / "oidc-provider.mjs"), str(port), *([callback] if callback else [])]
        super().__init__(words, port, folder, "oidc-provider", secret)
        self.keys = f"{self.issuer}/jwks"


class DjangoProvider(Provider):
    registration, token, revocation = "/o/register/", "/o/token/", "/o/revoke_token/"

    def __init__(self, folder: Path) -> None:
        port = free_port()
        words = [sys.executable, "-B", str(HERE / "django_provider.py"), str(port), str(folder)]
        super().__init__(words, port, folder, "django")
        self.introspection = f"{self.issuer}/o/introspect/"
