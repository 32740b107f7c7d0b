"""What a check says when it does not hold."""

from typing import Any


class Broken(Exception):
    """An expectation that did not hold."""


def expect(holds: bool, what: str, found: Any) -> None:
    if not holds:
        raise Broken(f"expected that {what}; found {found!r}")


def equal(found: Any, wanted: Any, what: str) -> None:
    expect(found == wanted, f"{what} is {wanted!r}", found)
