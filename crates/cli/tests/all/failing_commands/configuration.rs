//! Files that list servers.

use super::{Case, check};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a file that is not there",
        words: &["tools", "nofile.json"],
        exit: 2,
        what: &["there is no file"],
        place: &["nofile.json"],
        next: &["correct the path"],
        never: &["no server is called", "http://nofile"],
        ..Case::NEW
    },
    Case {
        name: "a server of a file that is not there",
        words: &["call", "nofile.json#shop", "order"],
        exit: 2,
        what: &["there is no file"],
        place: &["nofile.json"],
        next: &["correct the path"],
        ..Case::NEW
    },
    Case {
        name: "a folder in place of a file",
        files: &[("config.json/a", "")],
        words: &["tools", "config.json"],
        exit: 2,
        what: &["is a folder"],
        place: &["config.json"],
        next: &["name the file"],
        ..Case::NEW
    },
    Case {
        name: "a file that is no JSON",
        files: &[("servers.json", "{\n  \"mcpServers\": {\n    \"shop\": }\n}")],
        words: &["tools", "servers.json"],
        exit: 2,
        what: &["no JSON"],
        place: &["servers.json", "line 3"],
        next: &["correct"],
        ..Case::NEW
    },
    Case {
        name: "JSON that is a list",
        files: &[("servers.json", "[{\"url\": \"{url}\"}]")],
        words: &["tools", "servers.json"],
        exit: 2,
        what: &["a list"],
        place: &["servers.json"],
        next: &["correct the file"],
        never: &["is no JSON"],
        ..Case::NEW
    },
    Case {
        name: "JSON of something else",
        files: &[("package.json", r#"{"name": "shop", "dependencies": {}}"#)],
        words: &["tools", "package.json"],
        exit: 2,
        what: &["has no servers"],
        place: &["package.json"],
        next: &["mcpServers"],
        ..Case::NEW
    },
    Case {
        name: "servers in a list",
        files: &[("servers.json", r#"{"mcpServers": [{"name": "shop", "url": "{url}"}]}"#)],
        words: &["tools", "servers.json#shop"],
        exit: 2,
        what: &["a list"],
        place: &["servers.json", "mcpServers"],
        next: &["correct the file"],
        ..Case::NEW
    },
    Case {
        name: "a server that is a text",
        files: &[("servers.json", r#"{"mcpServers": {"shop": "{url}"}}"#)],
        words: &["tools", "servers.json#shop"],
        exit: 2,
        what: &["a text", "an object"],
        place: &["servers.json", "shop"],
        next: &["correct the file"],
        ..Case::NEW
    },
    Case {
        name: "a server that says nothing",
        files: &[("servers.json", r#"{"mcpServers": {"shop": {"args": []}}}"#)],
        words: &["tools", "servers.json"],
        exit: 2,
        what: &["neither a command nor a url"],
        place: &["servers.json", "shop"],
        next: &["correct the file"],
        ..Case::NEW
    },
    Case {
        name: "arguments of a program as a text",
        files: &[(
            "servers.json",
            r#"{"mcpServers": {"shop": {"command": "no-such-program", "args": "-y shop"}}}"#,
        )],
        words: &["tools", "servers.json"],
        exit: 2,
        what: &["a text", "a list"],
        place: &["servers.json", "shop", "args"],
        next: &["correct"],
        ..Case::NEW
    },
    Case {
        name: "a value of a wrong type among others",
        files: &[(
            "servers.json",
            r#"{"mcpServers": {"shop": {"url": "{url}", "headers": {"X-Key": ["7"]}}}}"#,
        )],
        words: &["tools", "servers.json"],
        exit: 2,
        what: &["a list", "a text"],
        place: &["servers.json", "shop", "headers.X-Key"],
        next: &["correct"],
        ..Case::NEW
    },
    Case {
        name: "a type that nobody knows",
        files: &[("servers.json", r#"{"servers": {"shop": {"type": "carrier-pigeon", "url": "{url}"}}}"#)],
        words: &["tools", "servers.json#shop"],
        exit: 2,
        what: &["carrier-pigeon"],
        place: &["servers.json", "shop", "type"],
        next: &["there are stdio"],
        ..Case::NEW
    },
    Case {
        name: "a variable that is not set, in a header",
        files: &[(
            "servers.json",
            r#"{"mcpServers": {"shop": {"url": "{url}", "headers": {"Authorization": "Bearer ${SHOP_KEY}"}}}}"#,
        )],
        words: &["tools", "servers.json"],
        exit: 2,
        what: &["SHOP_KEY", "is not set"],
        place: &["servers.json", "shop", "headers.Authorization"],
        next: &["${SHOP_KEY:-DEFAULT}"],
        ..Case::NEW
    },
    Case {
        name: "a variable that is not set, in an argument",
        files: &[(
            ".mcp.json",
            r#"{"mcpServers": {"shop": {"command": "no-such-program", "args": ["-y", "--key=${SHOP_KEY}"]}}}"#,
        )],
        words: &["call", "shop", "order"],
        exit: 2,
        what: &["SHOP_KEY", "is not set"],
        place: &["{home}/.mcp.json", "shop", "args"],
        next: &["${SHOP_KEY:-DEFAULT}"],
        ..Case::NEW
    },
    Case {
        name: "an input that its editor asks for",
        files: &[(
            ".vscode/mcp.json",
            r#"{"inputs": [{"id": "key"}], "servers": {"shop": {"command": "no-such-program", "env": {"KEY": "${input:key}"}}}}"#,
        )],
        words: &["tools", ".vscode/mcp.json"],
        exit: 2,
        what: &["${input:key}", "VS Code asks"],
        place: &[".vscode/mcp.json", "shop", "env.KEY"],
        next: &["ANYPORT_INPUT_KEY"],
        ..Case::NEW
    },
    Case {
        name: "a file of variables that is not there",
        files: &[(
            "servers.json",
            r#"{"servers": {"shop": {"command": "no-such-program", "envFile": "no.env"}}}"#,
        )],
        words: &["tools", "servers.json"],
        exit: 2,
        what: &["no.env", "No such file"],
        place: &["servers.json", "shop", "envFile"],
        next: &["correct"],
        ..Case::NEW
    },
    Case {
        name: "a URL that leads to no server",
        files: &[("servers.json", r#"{"mcpServers": {"shop": {"url": "shop.example/mcp"}}}"#)],
        words: &["tools", "servers.json"],
        exit: 2,
        what: &["shop.example/mcp is not the URL of a server"],
        place: &["servers.json", "shop", "url"],
        next: &["correct the file"],
        ..Case::NEW
    },
    Case {
        name: "a server that the file does not have",
        files: &[("servers.json", r#"{"mcpServers": {"shop": {"url": "{url}"}}}"#)],
        words: &["tools", "servers.json#shpo"],
        exit: 2,
        what: &["has no server shpo"],
        place: &["servers.json"],
        next: &["did you mean shop?"],
        ..Case::NEW
    },
    Case {
        name: "one of several servers of a file",
        files: &[("servers.json", r#"{"mcpServers": {"a": {"command": "a"}, "b": {"command": "b"}}}"#)],
        words: &["tools", "servers.json"],
        exit: 2,
        what: &["has 2 servers"],
        place: &["servers.json"],
        next: &["servers.json#NAME", "a, b"],
        ..Case::NEW
    },
    Case {
        name: "a name that nobody has configured",
        files: &[(".mcp.json", r#"{"mcpServers": {"shop": {"url": "{url}"}}}"#)],
        words: &["tools", "shpo"],
        exit: 2,
        what: &["no server is called shpo"],
        place: &["{home}/.mcp.json"],
        next: &["did you mean shop?"],
        ..Case::NEW
    },
    Case {
        name: "a name while there is no configuration at all",
        words: &["doctor", "shop"],
        exit: 2,
        what: &["no server is called shop"],
        place: &["no mcp.json was found"],
        next: &["-- shop"],
        ..Case::NEW
    },
    Case {
        name: "a project's file that every user can write",
        files: &[(".mcp.json", r#"{"mcpServers": {"shop": {"command": "no-such-program"}}}"#)],
        modes: &[(".mcp.json", 0o666)],
        words: &["tools", "shop"],
        exit: 2,
        what: &["no server is called shop", "every user can write to"],
        place: &["{home}/.mcp.json"],
        next: &["chmod o-w", "FILE#NAME"],
        never: &["no-such-program"],
        ..Case::NEW
    },
    Case {
        name: "a project's folder in which every user can replace files",
        files: &[(".vscode/mcp.json", r#"{"servers": {"shop": {"command": "no-such-program"}}}"#)],
        modes: &[(".vscode", 0o777)],
        words: &["call", "shop", "order"],
        exit: 2,
        what: &["no server is called shop", "every user can write to"],
        place: &["{home}/.vscode"],
        next: &["chmod o-w", "ANYPORT_TRUSTED_FOLDERS"],
        never: &["no-such-program"],
        ..Case::NEW
    },
    Case {
        name: "a file of more than a configuration has",
        files: &[("big.json", "{}")],
        words: &["tools", "/dev/zero#shop"],
        exit: 2,
        what: &["larger than 16 MiB"],
        place: &["/dev/zero"],
        next: &["another file"],
        ..Case::NEW
    },
    Case {
        name: "a key of a gateway's file that nobody knows",
        files: &[(
            "anyport.toml",
            "[upstreams.shop]\nurl = \"https://shop.example/mcp\"\nbaerer = \"env:T\"\n",
        )],
        words: &["config", "check"],
        exit: 2,
        what: &["there is no key `baerer` here"],
        place: &["{home}/anyport.toml:3:1", "3 | baerer = \"env:T\"", "^^^^^^"],
        next: &["did you mean bearer?"],
        ..Case::NEW
    },
    Case {
        name: "a limit of a gateway's file that nobody knows",
        files: &[("a.toml", "[upstreams.shop]\nurl = \"https://shop.example/mcp\"\n[limits]\nruonds = 3\n")],
        words: &["config", "check", "a.toml"],
        exit: 2,
        what: &["ruonds"],
        place: &["in [limits] of", "a.toml"],
        next: &["did you mean rounds?", "the page on limits"],
        ..Case::NEW
    },
    Case {
        name: "no file of a gateway",
        words: &["config", "check"],
        exit: 2,
        what: &["there is no anyport.toml"],
        place: &["in this folder or above it"],
        next: &["anyport config check FILE"],
        ..Case::NEW
    },
    Case {
        name: "a bridge to a server that is not configured",
        words: &["bridge", "nofile.json#shop"],
        exit: 2,
        what: &["there is no file"],
        place: &["nofile.json"],
        next: &["correct the path"],
        ..Case::NEW
    },
];

#[test]
fn files_that_list_servers() {
    check(CASES);
}
