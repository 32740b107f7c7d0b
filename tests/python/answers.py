"""What the user and the model at a client say when a server asks, and what a client hears beside its answers."""

import re
from typing import Any

# To the tour's question.
TRIP = {"city": "Oslo", "nights": 3}
# To that of `server-everything`, whose form wants no more.
NAME = "Ada"
# What the model says, whatever it is asked.
RHYME = "bird"


class Heard:
    """What reached the client beside its answers."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.prompts: list[str] = []
        self.logs: list[tuple[str, Any]] = []
        self.progress: list[tuple[float, float | None, str | None]] = []

    def question(self, message: str) -> dict[str, Any]:
        """Notes a question to the user, and answers it. A gateway says in it which of its servers asks."""
        message = re.sub(r"^(asked|everything|tour): ", "", message)
        self.questions.append(message)
        return TRIP if message == "Where shall it go?" else {"name": NAME}

    def prompt(self, text: str) -> str:
        """Notes a prompt to the model, and answers it."""
        self.prompts.append(text)
        return RHYME

    async def log(self, message: Any) -> None:
        self.logs.append((message.level, message.data))

    async def step(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress.append((progress, total, message))
