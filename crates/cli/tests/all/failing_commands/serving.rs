//! `serve` and `bridge`, when they cannot start.

use super::{Case, Server, check, servers};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a folder of documents that is not there",
        words: &["serve", "--docs", "no/docs"],
        exit: 1,
        what: &["No such file"],
        place: &["no/docs"],
        next: &["--docs"],
        ..Case::NEW
    },
    Case {
        name: "a file in place of a folder of documents",
        files: &[("a.md", "# A")],
        words: &["serve", "--docs", "a.md"],
        exit: 1,
        what: &["Not a directory"],
        place: &["a.md"],
        next: &["--docs"],
        ..Case::NEW
    },
    Case {
        name: "an ending of names as a pattern",
        files: &[("docs/a.rst", "A")],
        words: &["serve", "--docs", "docs", "--ext", "*.rst"],
        exit: 2,
        what: &["*.rst"],
        place: &["--ext"],
        next: &["--ext rst"],
        ..Case::NEW
    },
    Case {
        name: "a port that is in use",
        server: Server::Http(servers::page),
        words: &["serve", "--port", "{port}"],
        exit: 1,
        what: &["is in use"],
        place: &["port {port}"],
        next: &["--port 0"],
        ..Case::NEW
    },
    Case {
        name: "a bridge on a port that is in use",
        server: Server::Http(servers::page),
        words: &["bridge", "--port", "{port}", "{url}"],
        exit: 1,
        what: &["is in use"],
        place: &["port {port}"],
        next: &["--port 0"],
        ..Case::NEW
    },
    Case {
        name: "a certificate without its key",
        words: &["serve", "--tls-cert", "cert.pem"],
        exit: 2,
        what: &["its key is needed"],
        place: &["--tls-cert"],
        next: &["--tls-key FILE"],
        ..Case::NEW
    },
    Case {
        name: "a key without its certificate",
        words: &["serve", "--tls-key", "key.pem"],
        exit: 2,
        what: &["the key of a certificate"],
        place: &["--tls-key"],
        next: &["--tls-cert FILE"],
        ..Case::NEW
    },
    Case {
        name: "certificates of clients without one of the server",
        words: &["bridge", "--tls-client-ca", "ca.pem", "http://127.0.0.1:1/mcp"],
        exit: 2,
        what: &["TLS needs a certificate"],
        place: &["--tls-client-ca"],
        next: &["--tls-cert FILE"],
        ..Case::NEW
    },
    Case {
        name: "a certificate that is not there",
        words: &["serve", "--tls-cert", "no/cert.pem", "--tls-key", "no/key.pem"],
        exit: 1,
        what: &["TLS cannot be served", "No such file"],
        place: &["no/cert.pem"],
        next: &["--tls-cert"],
        ..Case::NEW
    },
    Case {
        name: "a certificate that is none",
        files: &[("cert.pem", "no certificate"), ("key.pem", "no key")],
        words: &["serve", "--tls-cert", "cert.pem", "--tls-key", "key.pem"],
        exit: 1,
        what: &["contains no certificate"],
        place: &["cert.pem"],
        next: &["PEM"],
        ..Case::NEW
    },
    Case {
        name: "a file with a certificate without its key",
        files: &[(
            "anyport.toml",
            "[gateway]\ntls_cert = \"cert.pem\"\n[upstreams.a]\nurl = \"http://127.0.0.1:1/mcp\"\n",
        )],
        words: &["serve"],
        exit: 2,
        what: &["its key is needed"],
        place: &["anyport.toml:2"],
        next: &["tls_key"],
        ..Case::NEW
    },
    Case {
        name: "a port that is none",
        words: &["serve", "--port", "99999"],
        exit: 2,
        what: &["99999"],
        place: &["--port"],
        next: &["65535"],
        ..Case::NEW
    },
    Case {
        name: "an address that is none",
        words: &["serve", "--host", "everywhere"],
        exit: 2,
        what: &["everywhere"],
        place: &["--host"],
        next: &["127.0.0.1"],
        ..Case::NEW
    },
    Case {
        name: "open to everybody without a token",
        words: &["serve", "--host", "0.0.0.0", "--port", "0"],
        exit: 2,
        what: &["0.0.0.0"],
        place: &["0.0.0.0"],
        next: &["--auth-token env:NAME"],
        ..Case::NEW
    },
    Case {
        name: "a limit that there is not",
        words: &["serve", "--limit", "max_dept=1"],
        exit: 2,
        what: &["max_dept"],
        place: &["--limit"],
        next: &["max_depth"],
        ..Case::NEW
    },
    Case {
        name: "a public address that is none",
        words: &["serve", "--public-url", "tools.example"],
        exit: 2,
        what: &["tools.example"],
        place: &["--public-url"],
        next: &["https://mcp.example.com"],
        ..Case::NEW
    },
    Case {
        name: "a log file where none can be written",
        words: &["serve", "--log-file", "no/folder/log"],
        exit: 1,
        what: &["cannot write the log file", "No such file"],
        place: &["no/folder/log"],
        next: &["--log-file"],
        ..Case::NEW
    },
    Case {
        name: "the place of a socket that is not wanted",
        words: &["serve", "--unix-path", "a.sock"],
        exit: 2,
        what: &["none is to be served"],
        place: &["--unix-path"],
        next: &["--transport unix"],
        ..Case::NEW
    },
    Case {
        name: "a socket in place of another file",
        files: &[("a.sock", "words")],
        words: &["serve", "--transport", "unix", "--unix-path", "a.sock"],
        exit: 1,
        what: &["socket"],
        place: &["a.sock"],
        next: &["move it away"],
        ..Case::NEW
    },
    Case {
        name: "a bridge to nobody",
        words: &["bridge"],
        exit: 2,
        what: &["no server was given"],
        place: &["SERVER"],
        next: &["name a URL"],
        ..Case::NEW
    },
    Case {
        name: "an option that serve does not have",
        words: &["serve", "--prot", "80"],
        exit: 2,
        what: &["there is no option --prot"],
        place: &["--prot"],
        next: &["did you mean --port?"],
        ..Case::NEW
    },
    Case {
        name: "a folder without --docs",
        files: &[("notes/a.md", "# A")],
        words: &["serve", "--port", "0", "--no-such", "notes"],
        exit: 2,
        what: &["there is no option --no-such"],
        place: &["--no-such"],
        next: &["anyport serve --help"],
        ..Case::NEW
    },
];

#[test]
fn serving_that_cannot_start() {
    check(CASES);
}
