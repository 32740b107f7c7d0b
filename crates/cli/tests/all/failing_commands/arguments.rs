//! Words of a command: servers, tools and the arguments of tools.

use super::{Case, Server, check, servers};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "no server",
        words: &["tools"],
        exit: 2,
        what: &["no server was given"],
        place: &["SERVER"],
        next: &["name a URL"],
        ..Case::NEW
    },
    Case {
        name: "no tool",
        words: &["call", "{url}"],
        exit: 2,
        what: &["no TOOL was named"],
        place: &["SERVER TOOL"],
        next: &["anyport tools {url}"],
        ..Case::NEW
    },
    Case {
        name: "the tool before the server",
        words: &["call", "order", "{url}", "item=tea"],
        exit: 2,
        what: &["order is no server"],
        place: &["SERVER comes first"],
        next: &["anyport call {url} order"],
        ..Case::NEW
    },
    Case {
        name: "the tool before the server, to see it",
        words: &["tools", "order", "{url}"],
        exit: 2,
        what: &["order is no server"],
        place: &["SERVER comes first"],
        next: &["anyport tools {url} order"],
        ..Case::NEW
    },
    Case {
        name: "the URI before the server",
        words: &["read", "shop://menu", "{url}"],
        exit: 2,
        what: &["shop://menu is no server"],
        place: &["SERVER comes first"],
        next: &["anyport read {url} shop://menu"],
        ..Case::NEW
    },
    Case {
        name: "the prompt before the server",
        words: &["prompt", "greet", "{url}", "who=you"],
        exit: 2,
        what: &["greet is no server"],
        place: &["SERVER comes first"],
        next: &["anyport prompt {url} greet"],
        ..Case::NEW
    },
    Case {
        name: "the tool before a server of a configuration",
        files: &[(".mcp.json", r#"{"mcpServers": {"shop": {"url": "{url}"}}}"#)],
        words: &["call", "order", "shop"],
        exit: 2,
        what: &["order is no server"],
        place: &["SERVER comes first"],
        next: &["anyport call shop order"],
        ..Case::NEW
    },
    Case {
        name: "the server before the recording",
        files: &[("session.jsonl", "")],
        words: &["replay", "{url}", "session.jsonl"],
        exit: 2,
        what: &["{url} is no recording"],
        place: &["FILE comes first"],
        next: &["anyport replay session.jsonl {url}"],
        ..Case::NEW
    },
    Case {
        name: "a tool that is not there",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "odrer"],
        exit: 2,
        what: &["the server has no tool odrer"],
        place: &["odrer"],
        next: &["did you mean order?"],
        ..Case::NEW
    },
    Case {
        name: "an argument that is missing",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "order", "count=2"],
        exit: 2,
        what: &["item"],
        place: &["order"],
        next: &["order(item"],
        ..Case::NEW
    },
    Case {
        name: "an argument that the tool does not have",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "order", "itme=tea"],
        exit: 2,
        what: &["itme"],
        place: &["order"],
        next: &["item"],
        ..Case::NEW
    },
    Case {
        name: "a number that is none",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "order", "item=tea", "count=many"],
        exit: 2,
        what: &["count", "many"],
        place: &["order"],
        next: &["integer"],
        ..Case::NEW
    },
    Case {
        name: "an argument beyond a limit of the schema",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "order", "item=tea", "count=10"],
        exit: 2,
        what: &["10 is greater than the maximum of 9"],
        place: &["count"],
        next: &["--unchecked"],
        ..Case::NEW
    },
    Case {
        name: "a list as words with commas",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "order", "item=tea", "sizes=a,b"],
        exit: 2,
        what: &["sizes", "list"],
        place: &["order"],
        next: &["key:='[\"a\", \"b\"]'"],
        ..Case::NEW
    },
    Case {
        name: "a word that is no argument",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "order", "tea"],
        exit: 2,
        what: &["tea"],
        place: &["order"],
        next: &["KEY=VALUE"],
        ..Case::NEW
    },
    Case {
        name: "arguments that are no JSON",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "order", "{\"item\": tea}"],
        exit: 2,
        what: &["JSON"],
        place: &["line 1 column 11"],
        next: &["{\"KEY\": \"VALUE\"}"],
        ..Case::NEW
    },
    Case {
        name: "a file of arguments that is not there",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "order", "@no/arguments.json"],
        exit: 2,
        what: &["No such file"],
        place: &["no/arguments.json"],
        next: &["@FILE"],
        ..Case::NEW
    },
    Case {
        name: "a word too many",
        words: &["read", "{url}", "a:b", "c:d"],
        exit: 2,
        what: &["c:d was not expected"],
        place: &["c:d"],
        next: &["name one URI"],
        ..Case::NEW
    },
];

#[test]
fn words_of_commands() {
    check(CASES);
}
