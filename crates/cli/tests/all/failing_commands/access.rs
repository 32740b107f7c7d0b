//! Tokens and headers: missing, wrong, expired, and where they come from.

use super::{Case, Server, check, servers};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "no token for a server that wants one",
        server: Server::Http(servers::wants_token),
        words: &["tools", "{url}"],
        exit: 3,
        what: &["wants to know who calls", "401"],
        place: &["{url}"],
        next: &["--bearer env:NAME"],
        never: &["expired"],
        ..Case::NEW
    },
    Case {
        name: "a token of a variable is rejected",
        server: Server::Http(servers::wants_token),
        variables: &[("TOKEN", "an-old-token-of-the-test")],
        words: &["tools", "{url}", "--bearer", "env:TOKEN"],
        exit: 3,
        what: &["does not take the token", "401", "invalid_token"],
        place: &["{url}", "--bearer env:TOKEN"],
        next: &["may have expired"],
        never: &["an-old-token"],
        ..Case::NEW
    },
    Case {
        name: "a token of a file is rejected",
        server: Server::Http(servers::wants_token),
        files: &[("token", "an-old-token-of-the-test\n")],
        words: &["tools", "{url}", "--bearer", "file:token"],
        exit: 3,
        what: &["does not take the token"],
        place: &["{url}", "--bearer file:token"],
        next: &["may have expired"],
        never: &["an-old-token"],
        ..Case::NEW
    },
    Case {
        name: "a token of a header is rejected",
        server: Server::Http(servers::wants_token),
        words: &["inspect", "{url}", "--header", "Authorization: Bearer an-old-token-of-the-test"],
        exit: 3,
        what: &["does not take the token"],
        place: &["{url}", "--header Authorization"],
        next: &["may have expired"],
        never: &["an-old-token"],
        ..Case::NEW
    },
    Case {
        name: "a key in another header is rejected",
        server: Server::Http(servers::wants_token),
        words: &["tools", "{url}", "--header", "X-Api-Key: an-old-token-of-the-test"],
        exit: 3,
        what: &["wants to know who calls", "401"],
        place: &["{url}", "--header X-Api-Key"],
        next: &["--bearer env:NAME"],
        never: &["an-old-token"],
        ..Case::NEW
    },
    Case {
        name: "a token of a configuration is rejected",
        server: Server::Http(servers::wants_token),
        files: &[(
            "servers.json",
            r#"{"mcpServers": {"web": {"url": "{url}", "headers": {"Authorization": "Bearer an-old-token-of-the-test"}}}}"#,
        )],
        words: &["call", "servers.json#web", "look"],
        exit: 3,
        what: &["does not take the token"],
        place: &["{url}", "servers.json", "headers.Authorization of web"],
        next: &["may have expired"],
        never: &["an-old-token"],
        ..Case::NEW
    },
    Case {
        name: "a token is rejected in the middle of the work",
        server: Server::Http(servers::wants_token_for_calls),
        variables: &[("TOKEN", "an-old-token-of-the-test")],
        words: &["call", "{url}", "look", "--bearer", "env:TOKEN"],
        exit: 3,
        what: &["does not take the token", "tools/call", "401"],
        place: &["{url}", "--bearer env:TOKEN"],
        next: &["may have expired"],
        never: &["an-old-token"],
        ..Case::NEW
    },
    Case {
        name: "doctor says which token is rejected",
        server: Server::Http(servers::wants_token),
        variables: &[("TOKEN", "an-old-token-of-the-test")],
        words: &["doctor", "{url}", "--bearer", "env:TOKEN"],
        exit: 3,
        what: &["does not take the token", "401"],
        place: &["{at}", "--bearer env:TOKEN"],
        next: &["expired", "get a new one"],
        never: &["an-old-token"],
        ..Case::NEW
    },
    Case {
        name: "a server that lets nobody in",
        server: Server::Http(servers::forbids),
        words: &["resources", "{url}"],
        exit: 3,
        what: &["403", "not from here"],
        place: &["{url}"],
        next: &["ask whoever runs the server"],
        ..Case::NEW
    },
    Case {
        name: "a call that is not allowed",
        server: Server::Http(servers::forbids_calls),
        variables: &[("TOKEN", "a-weak-token-of-the-test")],
        words: &["call", "{url}", "look", "--bearer", "env:TOKEN"],
        exit: 3,
        what: &["refused", "403", "tools/call"],
        place: &["{url}", "--bearer env:TOKEN"],
        next: &["ask whoever runs the server"],
        never: &["a-weak-token"],
        ..Case::NEW
    },
    Case {
        name: "a token on the command line",
        words: &["tools", "{url}", "--bearer", "a-token-that-nobody-may-see"],
        exit: 2,
        what: &["never the token itself"],
        place: &["--bearer"],
        next: &["--bearer env:NAME"],
        never: &["a-token-that"],
        ..Case::NEW
    },
    Case {
        name: "the variable of a token is not set",
        words: &["tools", "{url}", "--bearer", "env:NOPE"],
        exit: 2,
        what: &["is not set"],
        place: &["--bearer env:NOPE"],
        next: &["export NOPE="],
        ..Case::NEW
    },
    Case {
        name: "the file of a token is not there",
        words: &["tools", "{url}", "--bearer", "file:no/token"],
        exit: 2,
        what: &["cannot be read", "No such file"],
        place: &["--bearer file:no/token"],
        next: &["write there the token"],
        ..Case::NEW
    },
    Case {
        name: "the variable of a token for clients is not set",
        words: &["serve", "--auth-token", "env:NOPE"],
        exit: 2,
        what: &["is not set"],
        place: &["--auth-token env:NOPE"],
        next: &["openssl rand"],
        ..Case::NEW
    },
    Case {
        name: "the variable of a bridge's token for clients is not set",
        words: &["bridge", "--auth-token", "env:NOPE", "{url}"],
        exit: 2,
        what: &["is not set"],
        place: &["--auth-token env:NOPE"],
        next: &["openssl rand"],
        ..Case::NEW
    },
    Case {
        name: "a token for clients that anybody can guess",
        variables: &[("SHORT", "abc123")],
        words: &["serve", "--auth-token", "env:SHORT"],
        exit: 2,
        what: &["shorter than 16 characters"],
        place: &["--auth-token env:SHORT"],
        next: &["openssl rand"],
        never: &["abc123"],
        ..Case::NEW
    },
    Case {
        name: "a token for clients on the command line",
        words: &["serve", "--auth-token", "a-token-that-nobody-may-see"],
        exit: 2,
        what: &["never the token itself"],
        place: &["--auth-token"],
        next: &["env:NAME"],
        never: &["a-token-that"],
        ..Case::NEW
    },
    Case {
        name: "a header without a colon",
        words: &["tools", "{url}", "--header", "A: b", "--header", "a-token-that-nobody-may-see"],
        exit: 2,
        what: &["no colon"],
        place: &["the second --header"],
        next: &["--header 'Name: value'"],
        never: &["a-token-that"],
        ..Case::NEW
    },
    Case {
        name: "a header of a variable that is not set",
        words: &["tools", "{url}", "--header", "X-Key: ${NOPE}"],
        exit: 2,
        what: &["${NOPE} is not set"],
        place: &["the first --header"],
        next: &["${NOPE:-DEFAULT}"],
        ..Case::NEW
    },
];

#[test]
fn tokens_and_headers() {
    check(CASES);
}
