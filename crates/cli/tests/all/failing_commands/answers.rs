//! What a server answers, or does not, once it speaks MCP.

use serde_json::{Value, json};

use super::{Case, Server, check, servers};
use crate::support::{anyport, folder, scripted::Scripted, to_the_end};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "an error of the server's own, with data",
        server: Server::Http(servers::quota),
        words: &["call", "{url}", "look"],
        exit: 1,
        what: &["answered tools/call with an error", "quota exceeded", "code -32010", r#""resetsAt":"noon""#],
        place: &["{url}"],
        next: &["log"],
        never: &["refused"],
        ..Case::NEW
    },
    Case {
        name: "an internal error of the server",
        server: Server::Http(servers::internal),
        words: &["call", "{url}", "look"],
        exit: 1,
        what: &["division by zero", "code -32603", r#""trace":"line 7""#],
        place: &["{url}"],
        next: &["the server's own log"],
        never: &["refused"],
        ..Case::NEW
    },
    Case {
        name: "arguments that the server finds wrong",
        server: Server::Http(servers::wrong_params),
        words: &["call", "{url}", "look"],
        exit: 1,
        what: &["the city is unknown", "code -32602"],
        place: &["{url}", "tools/call"],
        next: &["anyport tools"],
        ..Case::NEW
    },
    Case {
        name: "a list that the server cannot give",
        server: Server::Http(servers::fails_lists),
        words: &["tools", "{url}"],
        exit: 1,
        what: &["the catalogue is locked", "code -32000", r#""by":"import""#],
        place: &["{url}", "tools/list"],
        next: &["log"],
        never: &["refused"],
        ..Case::NEW
    },
    Case {
        name: "an inspection without lists",
        server: Server::Http(servers::fails_lists),
        words: &["inspect", "{url}"],
        exit: 1,
        what: &["the catalogue is locked", "code -32000"],
        place: &["{url}", "tools/list"],
        next: &["log"],
        never: &["refused"],
        ..Case::NEW
    },
    Case {
        name: "doctor finds a list that the server cannot give",
        server: Server::Http(servers::fails_lists),
        words: &["doctor", "{url}"],
        exit: 1,
        what: &["the catalogue is locked", "code -32000"],
        place: &["failed    list", "tools/list"],
        next: &["log"],
        never: &["refused"],
        ..Case::NEW
    },
    Case {
        name: "a call that is not answered",
        server: Server::Http(servers::silent_for_calls),
        words: &["call", "{url}", "look", "--timeout", "0.3"],
        exit: 4,
        what: &["no answer to tools/call within 0.3 s"],
        place: &["{url}"],
        next: &["--timeout SECONDS"],
        ..Case::NEW
    },
    Case {
        name: "a list that is not answered",
        server: Server::Http(servers::silent_for_lists),
        words: &["tools", "{url}", "--timeout", "0.3"],
        exit: 4,
        what: &["no answer to tools/list within 0.3 s"],
        place: &["{url}"],
        next: &["--timeout SECONDS"],
        ..Case::NEW
    },
    Case {
        name: "doctor finds a list that is not answered",
        server: Server::Http(servers::silent_for_lists),
        words: &["doctor", "{url}", "--timeout", "0.3"],
        exit: 4,
        what: &["no answer to tools/list within 0.3 s"],
        place: &["failed    list"],
        next: &["--timeout SECONDS"],
        ..Case::NEW
    },
    Case {
        name: "an empty answer to a call",
        server: Server::Http(servers::empty_for_calls),
        words: &["call", "{url}", "look"],
        exit: 1,
        what: &["tools/call", "an empty answer"],
        place: &["{url}"],
        next: &["--record FILE"],
        ..Case::NEW
    },
    Case {
        name: "a server that hangs up on a call",
        server: Server::Http(servers::hangs_up),
        words: &["call", "{url}", "look"],
        exit: 4,
        what: &["tools/call", "ended before the answer"],
        place: &["{at}"],
        next: &["find out before you ask again"],
        ..Case::NEW
    },
    Case {
        name: "a revision that a newer server does not know",
        server: Server::Http(crate::support::scripted::modern),
        words: &["tools", "{url}", "--revision", "2025-06-18"],
        exit: 1,
        what: &["does not speak 2025-06-18"],
        place: &["{url}", "--revision 2025-06-18"],
        next: &["leave out --revision"],
        ..Case::NEW
    },
    Case {
        name: "a revision that an older server does not know",
        server: Server::Http(servers::legacy),
        words: &["tools", "{url}", "--revision", "2026-07-28"],
        exit: 1,
        what: &["does not speak 2026-07-28"],
        place: &["{url}", "--revision 2026-07-28"],
        next: &["leave out --revision"],
        ..Case::NEW
    },
    Case {
        name: "another revision than was demanded",
        server: Server::Http(servers::legacy),
        words: &["tools", "{url}", "--revision", "2025-03-26"],
        exit: 1,
        what: &["does not speak 2025-03-26", "2025-11-25"],
        place: &["{url}", "--revision 2025-03-26"],
        next: &["--revision 2025-11-25"],
        ..Case::NEW
    },
    Case {
        name: "a result that does not fit its schema",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "misfit"],
        exit: 1,
        what: &["does not fit its output schema", "total"],
        place: &["{url}", "misfit"],
        next: &["--unchecked"],
        ..Case::NEW
    },
    Case {
        name: "an answer that is no result",
        server: Server::Http(servers::stocked),
        words: &["call", "{url}", "odd"],
        exit: 1,
        what: &["cannot be read", "the server is at fault"],
        place: &["content", "{url}"],
        next: &["--record FILE"],
        ..Case::NEW
    },
    Case {
        name: "a resource that is not there",
        server: Server::Http(servers::stocked),
        words: &["read", "{url}", "shop://menus"],
        exit: 1,
        what: &["Resource not found", "code -32602"],
        place: &["resources/read"],
        next: &["did you mean shop://menu?"],
        ..Case::NEW
    },
    Case {
        name: "a prompt that is not there",
        server: Server::Http(servers::stocked),
        words: &["prompt", "{url}", "great"],
        exit: 2,
        what: &["the server has no prompt great"],
        place: &["great"],
        next: &["did you mean greet?"],
        ..Case::NEW
    },
];

#[test]
fn what_a_server_answers() {
    check(CASES);
}

#[test]
fn the_servers_error_is_given_to_programs_whole() {
    let server = Scripted::start(servers::quota);
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["call", "--json", &server.url(), "look"]).env("HOME", home.path());
    let ended = to_the_end(command);
    let said: Value = serde_json::from_str(&ended.stderr).unwrap();
    let error =
        json!({"code": -32010, "message": "quota exceeded", "data": {"resetsAt": "noon", "used": 12}});
    assert_eq!(said["error"]["server"], error, "{ended:?}");
}
