//! Servers that are programs: missing, broken, silent, and those that crash during a call.

use super::{Case, check};

/// A server of 2025-11-25 whose tools end it, kill it, or hang.
const SERVER: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *tools/list*) answer "$id" '{"tools":[{"name":"crash","inputSchema":{"type":"object"}},{"name":"die","inputSchema":{"type":"object"}},{"name":"hang","inputSchema":{"type":"object"}}]}' ;;
    *'"name":"crash"'*) echo 'loading model' >&2; echo 'out of memory' >&2; exit 7 ;;
    *'"name":"die"'*) echo 'about to die' >&2; kill -SEGV $$ ;;
    *'"name":"hang"'*|*notifications/*) ;;
    *) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
  esac
done
"#;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a program that is not there",
        words: &["tools", "--", "pyhton3-of-the-test", "server.py"],
        exit: 4,
        what: &["is in no folder of PATH"],
        place: &["pyhton3-of-the-test"],
        next: &["install it"],
        ..Case::NEW
    },
    Case {
        name: "a program whose runtime is not installed",
        variables: &[("PATH", "{home}")],
        words: &["tools", "--", "npx", "-y", "@example/server"],
        exit: 4,
        what: &["is in no folder of PATH"],
        place: &["npx"],
        next: &["install Node.js"],
        ..Case::NEW
    },
    Case {
        name: "a program with a slip in its name",
        files: &[("bin/weather-server", "")],
        variables: &[("PATH", "{home}/bin")],
        words: &["call", "now", "--", "wether-server"],
        exit: 4,
        what: &["is in no folder of PATH"],
        place: &["wether-server"],
        next: &["did you mean weather-server?"],
        ..Case::NEW
    },
    Case {
        name: "a file that may not be run",
        files: &[("server.sh", "#!/bin/sh\n")],
        words: &["tools", "--", "./server.sh"],
        exit: 4,
        what: &["is no program that may be run"],
        place: &["./server.sh"],
        next: &["chmod +x ./server.sh"],
        ..Case::NEW
    },
    Case {
        name: "a program that ends at once",
        words: &["tools", "--", "sh", "-c", "echo 'no licence' >&2; exit 3"],
        exit: 4,
        what: &["exit status: 3"],
        place: &["no licence"],
        next: &["-e NAME=VALUE"],
        ..Case::NEW
    },
    Case {
        name: "a program that ends at once and says nothing",
        words: &["tools", "--", "sh", "-c", "exit 0"],
        exit: 4,
        what: &["exit status: 0"],
        place: &["wrote nothing to standard error"],
        next: &["--stdio"],
        ..Case::NEW
    },
    Case {
        name: "a program that writes what is no MCP",
        words: &["tools", "--timeout", "1", "--", "sh", "-c", "echo 'Listening on port 80'; exec sleep 30"],
        exit: 4,
        what: &["did not answer within 1 s"],
        place: &["sh"],
        next: &["--stdio"],
        ..Case::NEW
    },
    Case {
        name: "a program that is silent",
        words: &["tools", "--timeout", "0.3", "--", "sleep", "30"],
        exit: 4,
        what: &["did not answer", "0.3 s"],
        place: &["sleep"],
        next: &["--timeout SECONDS"],
        ..Case::NEW
    },
    Case {
        name: "doctor finds a program that is silent",
        words: &["doctor", "--timeout", "0.3", "--", "sleep", "30"],
        exit: 4,
        what: &["did not answer", "0.3 s"],
        place: &["failed    speak"],
        next: &["--timeout SECONDS"],
        ..Case::NEW
    },
    Case {
        name: "a crash during a call",
        words: &["call", "crash", "--", "sh", "-c", SERVER],
        exit: 4,
        what: &["tools/call", "exit status: 7"],
        place: &["loading model\nout of memory"],
        next: &["find out before you ask again"],
        ..Case::NEW
    },
    Case {
        name: "a crash by a signal during a call",
        words: &["call", "die", "--", "sh", "-c", SERVER],
        exit: 4,
        what: &["tools/call", "signal: 11"],
        place: &["about to die"],
        next: &["find out before you ask again"],
        ..Case::NEW
    },
    Case {
        name: "doctor finds a crash during a call",
        words: &["doctor", "--call", "crash", "--", "sh", "-c", SERVER],
        exit: 4,
        what: &["exit status: 7"],
        place: &["failed    call", "out of memory"],
        next: &["find out before you ask again"],
        ..Case::NEW
    },
    Case {
        name: "a program that does not answer a call",
        words: &["call", "hang", "--timeout", "0.3", "--", "sh", "-c", SERVER],
        exit: 4,
        what: &["no answer to tools/call within 0.3 s"],
        place: &["sh"],
        next: &["--timeout SECONDS"],
        ..Case::NEW
    },
    Case {
        name: "a folder to run in that is not there",
        words: &["tools", "--cwd", "no/folder", "--", "sh"],
        exit: 2,
        what: &["is no folder"],
        place: &["--cwd no/folder"],
        next: &["name one that exists"],
        ..Case::NEW
    },
    Case {
        name: "a variable for the program without a value",
        words: &["tools", "-e", "KEY", "--", "sh"],
        exit: 2,
        what: &["NAME=VALUE"],
        place: &["-e"],
        next: &["for example -e"],
        ..Case::NEW
    },
    Case {
        name: "a server and a program",
        words: &["inspect", "{url}", "--", "sh"],
        exit: 2,
        what: &["both SERVER and a command"],
        place: &["--"],
        next: &["leave out SERVER"],
        ..Case::NEW
    },
];

#[test]
fn servers_that_are_programs() {
    check(CASES);
}
