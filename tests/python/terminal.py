"""A terminal that a program runs in, so that it asks its user."""

import os
import pty
import re
import select
import signal
import time
from typing import Any, Self

from expectation import Broken

# What moves the cursor or changes colours.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>()][A-Z0-9]?")

PATIENCE = 30


class Terminal:
    def __init__(self, words: list[str], env: dict[str, str]) -> None:
        self.shown = ""
        self.from_here = 0
        self.process, self.file = pty.fork()
        if self.process == 0:
            os.execvpe(words[0], words, {**env, "TERM": "xterm-256color", "COLUMNS": "200", "LINES": "50"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: Any) -> None:
        if self.process:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        os.close(self.file)

    def send(self, keys: str) -> None:
        os.write(self.file, keys.encode())

    def read(self, seconds: float) -> bool:
        """Takes what is shown next; whether the program goes on."""
        if not select.select([self.file], [], [], seconds)[0]:
            return True
        try:
            said = os.read(self.file, 65536)
        except OSError:
            # So Linux says that the program has gone.
            said = b""
        text = said.decode(errors="replace")
        # Who asks where the cursor is waits for an answer.
        if "\x1b[6n" in text:
            self.send("\x1b[1;1R")
        self.shown += CONTROL.sub("", text)
        return bool(said)

    def expect(self, text: str) -> None:
        """Waits until the text is shown, after what was waited for before."""
        self.until(text)

    def until(self, text: str, keys: str = "") -> None:
        """Waits until the text is shown, and sends the keys as often as the program waits meanwhile."""
        end = time.monotonic() + PATIENCE
        goes_on = True
        while (at := self.shown.find(text, self.from_here)) < 0:
            if time.monotonic() > end or not goes_on:
                raise Broken(f"expected that the terminal shows {text!r}; found {self.shown!r}")
            before = len(self.shown)
            goes_on = self.read(0.2)
            if keys and len(self.shown) == before:
                self.send(keys)
        self.from_here = at + len(text)

    def end(self) -> int:
        """Waits for the end of the program, and says its exit code."""
        end = time.monotonic() + PATIENCE
        while self.read(0.2):
            if time.monotonic() > end:
                raise Broken(f"expected that the program ends; found {self.shown!r}")
        _, status = os.waitpid(self.process, 0)
        self.process = 0
        return os.waitstatus_to_exitcode(status)
