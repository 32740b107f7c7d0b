"""The program `anyport` on the command line, with servers that nobody here wrote.

    program.py --anyport target/debug/anyport --server time -- mcp-server-time
    program.py --anyport target/debug/anyport --server everything -- node server-everything.js

It ends with a line of JSON that says what works. Else it exits with 1 and says which expectation did not hold.
`cargo xtask interop` runs it with every server.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from expectation import Broken, equal, expect
from terminal import Terminal

# A program that waits for ever would hold up whoever waits for this script.
PATIENCE = 120


class Program:
    """`anyport`, with one server."""

    def __init__(self, program: str, command: list[str], folder: Path) -> None:
        self.program, self.command, self.folder = program, command, folder
        self.options: list[str] = []
        # Neither the state nor the configuration of whoever runs this.
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TERM", "SystemRoot") if name in os.environ}
        self.env = {**kept, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}

    def words(self, *words: str) -> list[str]:
        return [self.program, *words, *self.options, "--", *self.command]

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.words(*words), env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
        )
        what = f"`anyport {' '.join(words)}` ends with {code}"
        expect(done.returncode == code, what, (done.returncode, done.stdout, done.stderr))
        return done

    def says(self, *words: str, code: int = 0) -> str:
        return self.run(*words, code=code).stdout

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.says(*words, "--json", code=code))

    def call(self, tool: str, *words: str, code: int = 0) -> Any:
        return self.json("call", tool, *words, code=code)

    def names(self, what: str) -> list[str]:
        return [one["name"] for one in self.json(what)[what]]

    def slips(self, *words: str) -> str:
        """What is said of a mistake in the words, which is found before the server is asked."""
        return self.run(*words, code=2).stderr

    def in_terminal(self, *words: str) -> Terminal:
        return Terminal(self.words(*words), self.env)


def texts(result: Any) -> str:
    return "\n".join(block.get("text", "") for block in result["content"])


class Everything:
    """`server-everything`: the reference server of the protocol's own project."""

    @staticmethod
    def list(program: Program) -> None:
        expect({"echo", "get-sum"} <= set(program.names("tools")), "the tools are listed", program.says("tools"))
        expect("get-sum(a: number, b: number)" in program.says("tools"), "people see how a tool is called", "it")
        uris = [resource["uri"] for resource in program.json("resources")["resources"]]
        expect("demo://resource/static/document/features.md" in uris, "the resources are listed", uris)
        equal(program.names("prompts")[:2], ["simple-prompt", "args-prompt"], "the beginning of the prompts")

    @staticmethod
    def call(program: Program) -> None:
        equal(program.says("call", "echo", "message=grüß dich"), "Echo: grüß dich\n", "the echo")
        equal(texts(program.call("get-sum", "a=2", "b=3")), "The sum of 2 and 3 is 5.", "the sum of what was words")
        weather = program.call("get-structured-content", "location=Chicago")["structuredContent"]
        equal(weather["conditions"], "Light rain / drizzle", "the weather")
        shown = program.says("call", "get-tiny-image", "--output", str(program.folder / "out"))
        image = program.folder / "out" / "image-1.png"
        expect(str(image) in shown and image.read_bytes().startswith(b"\x89PNG"), "the image is saved", shown)

    @staticmethod
    def read(program: Program) -> None:
        document = program.says("read", "demo://resource/static/document/features.md")
        expect(document.startswith("# Everything Server"), "the document is shown", document[:80])
        [blob] = program.json("read", "demo://resource/dynamic/blob/3")["contents"]
        expect("blob" in blob and "text" not in blob, "bytes are bytes", blob)

    @staticmethod
    def prompt(program: Program) -> None:
        said = program.says("prompt", "args-prompt", "city=Oslo", "state=Norway")
        equal(said, "user:\nWhat's weather in Oslo, Norway?\n", "the prompt")

    @staticmethod
    def progress(program: Program) -> None:
        done = program.run("call", "trigger-long-running-operation", "duration=0.3", "steps=3", "--verbose")
        for step in ("1/3", "2/3"):
            expect(f"progress {step}" in done.stderr, f"the step {step} is told", done.stderr)

    @staticmethod
    def ask(program: Program) -> None:
        declined = program.run("call", "trigger-elicitation-request")
        expect("no terminal to ask in" in declined.stderr, "it says why it declined", declined.stderr)
        expect('"action": "decline"' in declined.stdout, "the server heard that it was declined", declined.stdout)
        with program.in_terminal("call", "trigger-elicitation-request") as terminal:
            terminal.expect("Please provide inputs for the following fields:")
            terminal.expect("Your answer?")
            terminal.send("\r")
            terminal.expect("String")
            terminal.send("Ada\r")
            # What has a default or may be left out is gone over.
            terminal.until("Send this?", "\r")
            terminal.send("\r")
            terminal.expect("- Name: Ada")
            equal(terminal.end(), 0, "the exit code")

    @staticmethod
    def visit(program: Program) -> None:
        with program.in_terminal("call", "trigger-url-elicitation", "url=https://example.com/pay") as terminal:
            terminal.expect("https://example.com/pay")
            terminal.expect("Do you open it in your browser?")
            terminal.send("y\r")
            terminal.expect("accept")
            equal(terminal.end(), 0, "the exit code")

    @staticmethod
    def sample(program: Program) -> None:
        # Whoever types a command is no model.
        refused = program.run("call", "trigger-sampling-request", "prompt=hi", code=5)
        expect("no model" in refused.stdout, "the server is told that there is no model", refused.stdout)

    @staticmethod
    def roots(program: Program) -> None:
        said = program.says("call", "get-roots-list", "--root", str(program.folder))
        expect(program.folder.as_uri() in said, "the server hears of the folder", said)

    @staticmethod
    def slip(program: Program) -> None:
        said = program.slips("call", "ecko", "message=hi")
        expect("did you mean echo" in said, "the near name is told", said)
        said = program.slips("call", "get-sum", "a=two", "b=3")
        expect("a: a number was expected, not two" in said, "the argument is told", said)


class Filesystem:
    """`server-filesystem`, which asks for roots as soon as it is initialized."""

    @staticmethod
    def prepare(program: Program) -> None:
        (program.folder / "files" / "sub").mkdir(parents=True)
        (program.folder / "files" / "a.txt").write_text("hello\nyou\n")
        (program.folder / "elsewhere").mkdir()
        program.command.append(str(program.folder / "files"))

    @staticmethod
    def list(program: Program) -> None:
        expect({"read_text_file", "edit_file"} <= set(program.names("tools")), "the tools are listed", "others")

    @staticmethod
    def call(program: Program) -> None:
        file = program.folder / "files" / "a.txt"
        equal(program.says("call", "read_text_file", f"path={file}", "head=1"), "hello\n", "the file, shown once")
        edits = json.dumps([{"oldText": "you", "newText": "ye"}])
        shown = program.says("call", "edit_file", f"path={file}", f"edits={edits}", "dryRun=yes")
        equal(shown.count("+ye"), 1, "how often the change is shown")
        equal(file.read_text(), "hello\nyou\n", "the file, as nothing was to be changed")
        program.says("call", "edit_file", f"path={file}", f"edits={edits}")
        equal(file.read_text(), "hello\nye\n", "the file that was changed")
        both = program.says("call", "read_multiple_files", f"paths={file}", f"paths={file}.no")
        expect("hello" in both and "ENOENT" in both, "a key given twice is a list", both)

    @staticmethod
    def refusal(program: Program) -> None:
        said = program.says("call", "read_text_file", "path=/etc/passwd", code=5)
        expect("outside allowed directories" in said, "the server refuses", said)
        said = program.slips("call", "list_directory")
        expect("the argument path is missing" in said, "what is missing is told", said)

    @staticmethod
    def roots(program: Program) -> None:
        # The server takes them in place of its own folder, once it has heard of them.
        elsewhere = program.folder / "elsewhere"
        said = program.says("call", "list_directory", f"path={elsewhere}", code=5)
        expect("outside allowed directories" in said, "nothing else is allowed", said)
        program.says("call", "list_directory", f"path={elsewhere}", "--root", str(elsewhere))


class Memory:
    """`server-memory`."""

    @staticmethod
    def prepare(program: Program) -> None:
        program.options = ["--env", f"MEMORY_FILE_PATH={program.folder / 'memory.json'}"]

    @staticmethod
    def list(program: Program) -> None:
        expect("create_entities" in program.names("tools"), "the tools are listed", program.names("tools"))

    @staticmethod
    def call(program: Program) -> None:
        ada = {"name": "Ada", "entityType": "person", "observations": ["wrote programs"]}
        program.call("create_entities", json.dumps({"entities": [ada]}))
        found = program.call("search_nodes", "query=programs")["structuredContent"]
        equal(found["entities"], [ada], "what another process finds")
        file = program.folder / "relations.json"
        file.write_text(json.dumps({"relations": [{"from": "Ada", "to": "Ada", "relationType": "knows"}]}))
        program.call("create_relations", f"@{file}")
        equal(len(program.call("read_graph")["structuredContent"]["relations"]), 1, "the number of relations")


class Time:
    """`mcp-server-time`."""

    @staticmethod
    def list(program: Program) -> None:
        equal(program.names("tools"), ["get_current_time", "convert_time"], "the tools")
        about = program.json("inspect")
        equal(about["revision"], "2026-07-28", "the revision that it speaks")

    @staticmethod
    def call(program: Program) -> None:
        words = ("source_timezone=Asia/Tokyo", "time=12:00", "target_timezone=UTC")
        converted = program.call("convert_time", *words)["structuredContent"]
        equal(converted["time_difference"], "-9.0h", "the difference")
        shown = program.says("call", "convert_time", *words)
        equal(shown.count("time_difference"), 1, "how often the result is shown")

    @staticmethod
    def refusal(program: Program) -> None:
        said = program.says("call", "get_current_time", "timezone=Nowhere", code=5)
        expect("Invalid timezone" in said, "the server refuses", said)
        said = program.slips("call", "get_current_time", "timezon=UTC")
        expect("did you mean timezone" in said, "the near name is told", said)

    @staticmethod
    def older(program: Program) -> None:
        about = program.json("inspect", "--revision", "2025-06-18")
        equal(about["revision"], "2025-06-18", "the revision that was demanded")


class Git:
    """`mcp-server-git`."""

    @staticmethod
    def prepare(program: Program) -> None:
        repository = program.folder / "repository"
        repository.mkdir()
        commit = ["-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--allow-empty"]
        for words in (["init", "--quiet"], [*commit, "--message", "the first"]):
            subprocess.run(["git", "-C", str(repository), *words], check=True)
        (repository / "new.txt").write_text("new\n")
        program.command += ["--repository", str(repository)]

    @staticmethod
    def list(program: Program) -> None:
        expect({"git_status", "git_log"} <= set(program.names("tools")), "the tools are listed", program.names("tools"))

    @staticmethod
    def call(program: Program) -> None:
        where = f"repo_path={program.folder / 'repository'}"
        expect("new.txt" in program.says("call", "git_status", where), "the new file is seen", "no new file")
        program.says("call", "git_add", where, "files=new.txt")
        staged = program.says("call", "git_diff_staged", where)
        expect("+new" in staged, "it is staged", staged)
        log = program.says("call", "git_log", where, "max_count=1")
        expect("the first" in log, "the log has the commit", log)

    @staticmethod
    def refusal(program: Program) -> None:
        said = program.says("call", "git_status", "repo_path=/", code=5)
        expect("outside" in said or "not a valid" in said or "Error" in said, "the server refuses", said)


SERVERS = {"everything": Everything, "filesystem": Filesystem, "memory": Memory, "time": Time, "git": Git}


def checks(server: type) -> dict[str, Callable[[Program], None]]:
    methods = {name: getattr(server, name) for name in vars(server) if not name.startswith("_")}
    return {name: method for name, method in methods.items() if callable(method) and name != "prepare"}


def main() -> int:
    parser = argparse.ArgumentParser(description="The program `anyport` with a server of others.")
    parser.add_argument("--anyport", required=True)
    parser.add_argument("--server", choices=SERVERS, required=True)
    # `argparse` would take the `--` of the command itself, too.
    at = sys.argv.index("--")
    options = parser.parse_args(sys.argv[1:at])
    works = []
    # A link in the way to the folder, as macOS has, would be followed by some servers.
    with tempfile.TemporaryDirectory() as folder:
        program = Program(options.anyport, sys.argv[at + 1 :], Path(folder).resolve())
        server = SERVERS[options.server]
        if hasattr(server, "prepare"):
            server.prepare(program)
        for name, check in checks(server).items():
            try:
                check(program)
            except Broken as failure:
                print(failure, f"while checking `{name}`", file=sys.stderr)
                return 1
            works.append(name)
    print(json.dumps({"revision": "", "works": works}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
