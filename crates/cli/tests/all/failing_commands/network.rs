//! The way to a server over the network, and what is there that is no MCP server.

use super::{Case, Server, check, servers};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "nobody listens",
        words: &["tools", "{url}"],
        exit: 4,
        what: &["refuses the connection"],
        place: &["{at}"],
        next: &["is the server running"],
        ..Case::NEW
    },
    Case {
        name: "a host that nobody knows",
        words: &["tools", "http://no-such-name.invalid/mcp"],
        exit: 4,
        what: &["is not known"],
        place: &["no-such-name.invalid"],
        next: &["check how it is written"],
        ..Case::NEW
    },
    Case {
        name: "a web page",
        server: Server::Http(servers::page),
        words: &["tools", "http://{at}/"],
        exit: 4,
        what: &["a web page", "text/html", "200"],
        place: &["http://{at}/"],
        next: &["most servers answer at /mcp", "http://{at}/mcp"],
        ..Case::NEW
    },
    Case {
        name: "a web page at the usual path",
        server: Server::Http(servers::page),
        words: &["call", "{url}", "look"],
        exit: 4,
        what: &["a web page", "text/html"],
        place: &["{url}"],
        next: &["most servers answer at /mcp", "anyport doctor"],
        ..Case::NEW
    },
    Case {
        name: "doctor finds a web page",
        server: Server::Http(servers::page),
        words: &["doctor", "{url}"],
        exit: 4,
        what: &["a web page", "text/html"],
        place: &["{url}"],
        next: &["/mcp", "/sse"],
        ..Case::NEW
    },
    Case {
        name: "a redirect to another host",
        server: Server::Http(servers::elsewhere),
        words: &["tools", "{url}"],
        exit: 4,
        what: &["sends on to", "another host"],
        place: &["{url}", "http://localhost:{port}/other"],
        next: &["name http://localhost:{port}/other as the server"],
        ..Case::NEW
    },
    Case {
        name: "http to a port that speaks TLS",
        server: Server::Tls(servers::page),
        words: &["tools", "http://localhost:{port}/mcp"],
        exit: 4,
        what: &["speaks TLS"],
        place: &["http://localhost:{port}/mcp"],
        next: &["https://localhost:{port}/mcp"],
        ..Case::NEW
    },
    Case {
        name: "a WebSocket to a port that speaks TLS",
        server: Server::Tls(servers::page),
        words: &["tools", "ws://localhost:{port}/ws"],
        exit: 4,
        what: &["speaks TLS"],
        place: &["ws://localhost:{port}/ws"],
        next: &["wss://localhost:{port}/ws"],
        ..Case::NEW
    },
    Case {
        name: "https to a port that does not speak TLS",
        server: Server::Http(servers::page),
        words: &["tools", "https://{at}/mcp"],
        exit: 4,
        what: &["while agreeing on TLS"],
        place: &["{at}"],
        next: &["try http://"],
        ..Case::NEW
    },
    Case {
        name: "a certificate that nobody vouches for",
        server: Server::Tls(servers::page),
        words: &["tools", "https://localhost:{port}/mcp"],
        exit: 4,
        what: &["no secure connection", "certificate"],
        place: &["localhost:{port}"],
        next: &["SSL_CERT_FILE"],
        ..Case::NEW
    },
    Case {
        name: "an empty answer",
        server: Server::Http(servers::empty),
        words: &["tools", "{url}"],
        exit: 4,
        what: &["an empty answer", "200"],
        place: &["{url}"],
        next: &["anyport doctor"],
        ..Case::NEW
    },
    Case {
        name: "an empty answer without a type",
        server: Server::Http(servers::accepted),
        words: &["prompts", "{url}"],
        exit: 4,
        what: &["an empty answer", "200"],
        place: &["{url}"],
        next: &["most servers answer at /mcp"],
        ..Case::NEW
    },
    Case {
        name: "JSON of another interface",
        server: Server::Http(servers::other_json),
        words: &["tools", "{url}"],
        exit: 4,
        what: &["no JSON-RPC"],
        place: &["{url}"],
        next: &["most servers answer at /mcp"],
        ..Case::NEW
    },
    Case {
        name: "JSON that breaks off",
        server: Server::Http(servers::broken_json),
        words: &["tools", "{url}"],
        exit: 4,
        what: &["no JSON-RPC"],
        place: &["{url}"],
        next: &["most servers answer at /mcp"],
        ..Case::NEW
    },
    Case {
        name: "a path that the server does not know",
        server: Server::Http(servers::not_found),
        words: &["tools", "http://{at}/mpc"],
        exit: 4,
        what: &["404", "no MCP endpoint at this path"],
        place: &["http://{at}/mpc"],
        next: &["most servers answer at /mcp", "http://{at}/mcp"],
        ..Case::NEW
    },
    Case {
        name: "a server that is broken",
        server: Server::Http(servers::broken),
        words: &["tools", "{url}"],
        exit: 4,
        what: &["500", "database is down"],
        place: &["{url}"],
        next: &["log"],
        ..Case::NEW
    },
    Case {
        name: "a server that is asked too often",
        server: Server::Http(servers::busy),
        words: &["tools", "{url}"],
        exit: 4,
        what: &["429", "too often", "Retry-After: 30"],
        place: &["{url}"],
        next: &["later"],
        ..Case::NEW
    },
    Case {
        name: "a server that does not answer",
        server: Server::Http(servers::silent),
        words: &["tools", "{url}", "--timeout", "0.3"],
        exit: 4,
        what: &["did not answer", "0.3 s"],
        place: &["{url}"],
        next: &["--timeout SECONDS"],
        ..Case::NEW
    },
    Case {
        name: "doctor finds that a server does not answer",
        server: Server::Http(servers::silent),
        words: &["doctor", "{url}", "--timeout", "0.3"],
        exit: 4,
        what: &["did not answer", "0.3 s"],
        place: &["failed    speak", "{url}"],
        next: &["--timeout SECONDS"],
        ..Case::NEW
    },
    Case {
        name: "a server that answers no WebSocket",
        server: Server::Http(servers::not_found),
        words: &["tools", "ws://{at}/mcp"],
        exit: 4,
        what: &["WebSocket", "404"],
        place: &["ws://{at}/mcp"],
        next: &["http://{at}/mcp"],
        ..Case::NEW
    },
    Case {
        name: "a socket that is not there",
        words: &["tools", "unix:{home}/no.sock"],
        exit: 4,
        what: &["cannot be reached", "No such file"],
        place: &["{home}/no.sock"],
        next: &["is the server running"],
        ..Case::NEW
    },
    Case {
        name: "a proxy that is not there",
        variables: &[("HTTP_PROXY", "http://127.0.0.1:{port}")],
        words: &["tools", "http://tools.example/mcp"],
        exit: 4,
        what: &["does not connect", "Connection refused"],
        place: &["the proxy 127.0.0.1:{port}", "tools.example"],
        next: &["HTTP_PROXY", "NO_PROXY"],
        ..Case::NEW
    },
    Case {
        name: "a scheme that leads to no server",
        words: &["tools", "ftp://tools.example/mcp"],
        exit: 2,
        what: &["servers are reached by http, https, ws, wss or unix"],
        place: &["ftp://tools.example/mcp"],
        next: &["https://host/mcp"],
        ..Case::NEW
    },
    Case {
        name: "a URL without its scheme",
        words: &["tools", "{at}/mcp"],
        exit: 2,
        what: &["no server is called"],
        place: &["{at}/mcp"],
        next: &["http://{at}/mcp"],
        ..Case::NEW
    },
];

#[test]
fn the_way_to_a_server() {
    check(CASES);
}
