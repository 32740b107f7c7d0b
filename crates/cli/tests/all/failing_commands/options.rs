//! Commands and options that there are not, and values that no option takes.

use super::{Case, check};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "ls",
        words: &["ls", "{url}"],
        exit: 2,
        what: &["there is no command ls"],
        place: &["ls"],
        next: &["anyport tools SERVER"],
        ..Case::NEW
    },
    Case {
        name: "run",
        words: &["run", "{url}", "order"],
        exit: 2,
        what: &["there is no command run"],
        place: &["run"],
        next: &["anyport call SERVER TOOL"],
        ..Case::NEW
    },
    Case {
        name: "another word for login",
        words: &["auth", "{url}"],
        exit: 2,
        what: &["there is no command auth"],
        place: &["auth"],
        next: &["anyport login SERVER", "--bearer env:NAME"],
        ..Case::NEW
    },
    Case {
        name: "a slip in a command",
        words: &["isnpect", "{url}"],
        exit: 2,
        what: &["there is no command isnpect"],
        place: &["isnpect"],
        next: &["did you mean inspect?"],
        ..Case::NEW
    },
    Case {
        name: "a command that nobody knows",
        words: &["frobnicate"],
        exit: 2,
        what: &["there is no command frobnicate"],
        place: &["frobnicate"],
        next: &["anyport --help"],
        ..Case::NEW
    },
    Case {
        name: "an argument of a tool as an option",
        words: &["call", "{url}", "order", "--item", "tea"],
        exit: 2,
        what: &["there is no option --item"],
        place: &["--item"],
        next: &["item=VALUE"],
        ..Case::NEW
    },
    Case {
        name: "an argument of a tool as an option with its value",
        words: &["call", "{url}", "order", "--item=tea"],
        exit: 2,
        what: &["there is no option --item"],
        place: &["--item"],
        next: &["item=VALUE"],
        ..Case::NEW
    },
    Case {
        name: "a slip in an option",
        words: &["call", "{url}", "order", "--timout", "5"],
        exit: 2,
        what: &["there is no option --timout"],
        place: &["--timout"],
        next: &["did you mean --timeout?"],
        ..Case::NEW
    },
    Case {
        name: "an option of another command",
        words: &["tools", "{url}", "--strict"],
        exit: 2,
        what: &["there is no option --strict"],
        place: &["--strict"],
        next: &["anyport inspect", "anyport tools --help"],
        ..Case::NEW
    },
    Case {
        name: "an option of a program before the --",
        words: &["tools", "npx", "-y", "@example/server"],
        exit: 2,
        what: &["there is no option -y"],
        place: &["-y"],
        next: &["-- COMMAND"],
        ..Case::NEW
    },
    Case {
        name: "an option without its value",
        words: &["tools", "{url}", "--timeout"],
        exit: 2,
        what: &["a value is required"],
        place: &["--timeout <SECONDS>"],
        next: &["anyport tools --help"],
        ..Case::NEW
    },
    Case {
        name: "a time that is none",
        words: &["tools", "{url}", "--timeout", "soon"],
        exit: 2,
        what: &["soon", "a number of seconds"],
        place: &["--timeout"],
        next: &["anyport tools --help"],
        ..Case::NEW
    },
    Case {
        name: "a revision that there is not",
        words: &["tools", "{url}", "--revision", "2020-01-01"],
        exit: 2,
        what: &["2020-01-01"],
        place: &["--revision"],
        next: &["2026-07-28", "2025-11-25"],
        ..Case::NEW
    },
    Case {
        name: "options that contradict each other",
        words: &["tools", "{url}", "--quiet", "--verbose"],
        exit: 2,
        what: &["cannot be used with"],
        place: &["--quiet", "--verbose"],
        next: &["anyport tools --help"],
        ..Case::NEW
    },
    Case {
        name: "an option for programs with a URL",
        words: &["tools", "{url}", "-e", "A=1"],
        exit: 2,
        what: &["is for a command"],
        place: &["-e"],
        next: &["leave it out"],
        ..Case::NEW
    },
    Case {
        name: "a root that is not there",
        server: super::Server::Http(crate::support::scripted::modern),
        words: &["tools", "{url}", "--root", "no/folder"],
        exit: 2,
        what: &["is no folder"],
        place: &["--root no/folder"],
        next: &["name one that exists"],
        ..Case::NEW
    },
    Case {
        name: "a recording where none can be written",
        words: &["tools", "{url}", "--record", "no/folder/session"],
        exit: 1,
        what: &["cannot record", "No such file"],
        place: &["no/folder/session"],
        next: &["a folder that exists"],
        ..Case::NEW
    },
    Case {
        name: "a recording that is not there",
        words: &["replay", "no-session", "{url}"],
        exit: 2,
        what: &["No such file"],
        place: &["no-session"],
        next: &["--record FILE"],
        ..Case::NEW
    },
    Case {
        name: "a recording that is none",
        files: &[("session", "{\"sent\": {}}\nhello\n")],
        words: &["replay", "session", "{url}"],
        exit: 2,
        what: &["no JSON"],
        place: &["line 2 of session"],
        next: &["--record FILE"],
        ..Case::NEW
    },
    Case {
        name: "a shell that nobody knows",
        words: &["completions", "tcsh"],
        exit: 2,
        what: &["tcsh"],
        place: &["SHELL"],
        next: &["bash"],
        ..Case::NEW
    },
];

#[test]
fn commands_and_options() {
    check(CASES);
}
