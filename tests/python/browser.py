"""A browser without a window, whose user agrees to whatever a page asks.

    browser.py URL

It follows redirects, keeps cookies, and fills in the forms of login and consent pages, until it is where the authorization request
sends the answer. `cargo xtask interop` and `cargo xtask conformance` give it to programs as `xdg-open`.
"""

import sys
import time
import urllib.error
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

NAME, PASSWORD = "ada", "correct horse battery"

# A login and a consent take four pages at the most.
PAGES = 12

# How many seconds a program may take until it listens for the answer.
PATIENCE = 10

# What the user agrees by, and what he does not press.
AGREEMENT = ("authorize", "allow", "approve", "accept", "continue", "sign-in", "sign in", "log in", "login", "yes", "consent")
REFUSAL = ("deny", "cancel", "abort", "decline", "refuse", "no")


class Lost(Exception):
    """A page that leads nowhere."""


class Form:
    """A form of a page."""

    def __init__(self, attributes: dict[str, str | None]) -> None:
        self.action, self.method = attributes.get("action") or "", (attributes.get("method") or "get").lower()
        self.fields: dict[str, str] = {}
        # The names and values of buttons that send it, and their words.
        self.buttons: list[tuple[str | None, str, str]] = []

    def field(self, attributes: dict[str, str | None]) -> None:
        name, kind, value = attributes.get("name"), attributes.get("type") or "text", attributes.get("value") or ""
        if kind == "submit":
            self.buttons.append((name, value, value))
        elif name and kind == "password":
            self.fields[name] = PASSWORD
        elif name and (kind in ("hidden", "radio", "checkbox") or value):
            # What is offered to tick is ticked, "remember" aside: each login shall be asked.
            if kind not in ("radio", "checkbox") or "remember" not in name:
                self.fields[name] = value or "on"
        elif name:
            self.fields[name] = NAME

    def filled(self) -> dict[str, str]:
        """What is sent: the fields, and the button by which the user agrees."""
        def agrees(button: tuple[str | None, str, str]) -> bool:
            words = " ".join(word for word in button if word).lower()
            return any(word in words for word in AGREEMENT)

        def refuses(button: tuple[str | None, str, str]) -> bool:
            return any(word and word.strip().lower() in REFUSAL for word in button)

        rest = [button for button in self.buttons if not refuses(button)]
        pressed = next((button for button in rest if agrees(button)), rest[0] if rest else None)
        return {**self.fields, **({pressed[0]: pressed[1]} if pressed and pressed[0] else {})}


class Page(HTMLParser):
    """The forms of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.button: dict[str, str | None] | None = None
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self.forms.append(Form(attributes))
        elif tag == "input" and self.forms:
            self.forms[-1].field(attributes)
        elif tag == "button" and self.forms and (attributes.get("type") or "submit") == "submit":
            self.button, self.words = attributes, ""

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self.button is not None:
            name, value = self.button.get("name"), self.button.get("value") or ""
            self.forms[-1].buttons.append((name, value, self.words.strip()))
            self.button = None


class Redirects(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to the browser, which looks where they lead."""

    def redirect_request(self, *_: object) -> None:
        return None


class Browser:
    """One user's browser: his cookies last as long as this."""

    def __init__(self) -> None:
        # A browser takes the cookies of `localhost` for what they are.
        cookies = CookieJar(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainLiberal))
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(cookies), Redirects()
        )
        # What was shown, for whoever looks for a mistake.
        self.visited: list[str] = []
        self.pages: list[str] = []

    def open(self, url: str, form: dict[str, str] | None = None) -> tuple[int, str, str | None]:
        """The status, text and `Location` of a page."""
        body = urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(url, body)
        request.add_header("Accept", "text/html")
        if form is not None:
            there = urlsplit(self.visited[-1])
            request.add_header("Origin", f"{there.scheme}://{there.netloc}")
            request.add_header("Referer", self.visited[-1])
            request.add_header("Sec-Fetch-Site", "same-origin")
        self.visited.append(url)
        try:
            answer = self.opener.open(request, timeout=60)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            return answer.status, answer.read().decode(errors="replace"), answer.headers.get("Location")

    def bring(self, answer: str) -> None:
        """Opens the URL of an answer. A user takes longer to agree than this browser does: some programs listen only after they have
        shown the page."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.open(answer)
                return
            except urllib.error.URLError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def authorize(self, url: str, bring: bool = True) -> str:
        """Agrees to an authorization request, and returns the URL of the answer, which is opened unless `bring` is false."""
        [back] = parse_qs(urlsplit(url).query)["redirect_uri"]
        here, form = url, None
        for _ in range(PAGES):
            status, text, location = self.open(here, form)
            if location is not None:
                here, form = urljoin(here, location), None
                if here.split("?")[0] == back.split("?")[0]:
                    if bring:
                        self.bring(here)
                    return here
                continue
            self.pages.append(text)
            forms = [one for one in Page(text).forms if one.method == "post"]
            if status >= 400 or not forms:
                raise Lost(f"{here} is a page with status {status} that asks nothing:\n{text}")
            # Pages that let the user turn back have that as a form of its own behind the one that goes on.
            here, form = urljoin(here, forms[0].action), forms[0].filled()
        raise Lost(f"no answer after {PAGES} pages: {self.visited}")


if __name__ == "__main__":
    Browser().authorize(sys.argv[1])
