//! Servers in configuration files: every client's file is read, written, and left alone where it cannot be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Ended, anyport, documents, folder, to_the_end};

/// A home folder with a project in it.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = folder(&[]);
        fs::create_dir_all(home.path().join("project/.git")).unwrap();
        Self(home)
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = anyport(&self.path("project"));
        command.args(arguments).env("HOME", self.0.path()).env("TOKEN", "t0p-secret-token");
        for variable in ["XDG_CONFIG_HOME", "CODEX_HOME", "NO_SUCH_VARIABLE"] {
            command.env_remove(variable);
        }
        to_the_end(command)
    }

    /// Runs it to a good end, and returns what it wrote.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.stdout
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    /// Every file below the home folder, with its text; without the lock in the state folder.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, files)
                } else if path.file_name().unwrap() != "edit.lock" {
                    files.push((path.clone(), fs::read(&path).unwrap()))
                }
            }
        }
        let mut files = Vec::new();
        walk(self.0.path(), &mut files);
        files.sort();
        files
    }
}

/// A client, its file below the home folder on Linux, a file of it with comments and other keys, and what must stay of that.
struct Case {
    client: &'static str,
    path: &'static str,
    text: &'static str,
    kept: &'static [&'static str],
}

const JSON_KEPT: &[&str] = &["\"mine\": {\"x\": [1, 2]}", "\"old\": {\"command\": \"old\""];

const CASES: &[Case] = &[
    Case {
        client: "anyport",
        path: ".config/anyport/mcp.json",
        text: "{\n  // my servers\n  \"mine\": {\"x\": [1, 2]},\n  \"mcpServers\": {\n    \"old\": {\"command\": \"old\"}, // stays\n  }\n}\n",
        kept: JSON_KEPT,
    },
    Case {
        client: "claude-code",
        path: ".claude.json",
        text: "{\n  \"mine\": {\"x\": [1, 2]},\n  \"projects\": {\"/x\": {\"mcpServers\": {}}},\n  \"mcpServers\": {\n    \"old\": {\"command\": \"old\"}\n  }\n}\n",
        kept: JSON_KEPT,
    },
    Case {
        client: "claude-desktop",
        path: ".config/Claude/claude_desktop_config.json",
        text: "{\n  \"mcpServers\": {\n    \"old\": {\"command\": \"old\"}\n  },\n  \"mine\": {\"x\": [1, 2]}\n}\n",
        kept: JSON_KEPT,
    },
    Case {
        client: "vscode",
        path: ".config/Code/User/mcp.json",
        text: "{\n  /* asked for */ \"inputs\": [{\"id\": \"key\"}],\n  \"mine\": {\"x\": [1, 2]},\n  \"servers\": {\n    \"old\": {\"command\": \"old\"} // stays\n  }\n}\n",
        kept: &[
            "/* asked for */ \"inputs\": [{\"id\": \"key\"}]",
            "// stays",
            "\"old\": {\"command\": \"old\"}",
        ],
    },
    Case {
        client: "cursor",
        path: ".cursor/mcp.json",
        text: "{\"mine\": {\"x\": [1, 2]}, \"mcpServers\": {\"old\": {\"command\": \"old\"}}}",
        kept: JSON_KEPT,
    },
    Case {
        client: "codex",
        path: ".codex/config.toml",
        text: "# mine\nmodel = \"m\" # the model\n\n[mcp_servers.old]\ncommand = \"old\" # stays\n\n[tui]\nnotifications = true\n",
        kept: &[
            "# mine\nmodel = \"m\" # the model\n",
            "command = \"old\" # stays\n",
            "[tui]\nnotifications = true\n",
        ],
    },
    Case {
        client: "windsurf",
        path: ".codeium/windsurf/mcp_config.json",
        text: "{\n\t\"mcpServers\": {\n\t\t\"old\": {\"command\": \"old\", \"disabled\": true}\n\t},\n\t\"mine\": {\"x\": [1, 2]}\n}\n",
        kept: JSON_KEPT,
    },
    Case {
        client: "zed",
        path: ".config/zed/settings.json",
        text: "// Zed settings\n{\n  \"mine\": {\"x\": [1, 2]},\n  \"context_servers\": {\n    // an extension\n    \"ext\": {\"settings\": {}},\n    \"old\": {\"command\": \"old\", \"args\": []},\n  },\n}\n",
        kept: &[
            "// Zed settings\n",
            "// an extension\n    \"ext\": {\"settings\": {}}",
            "\"mine\": {\"x\": [1, 2]}",
        ],
    },
    Case {
        client: "opencode",
        path: ".config/opencode/opencode.json",
        text: "{\n  \"$schema\": \"https://opencode.ai/config.json\", // schema\n  \"mcp\": {\n    \"old\": {\"type\": \"local\", \"command\": [\"old\"]},\n  },\n}\n",
        kept: &["\"$schema\": \"https://opencode.ai/config.json\", // schema", "\"command\": [\"old\"]}"],
    },
    Case {
        client: "goose",
        path: ".config/goose/config.yaml",
        text: "# mine\nGOOSE_MODEL: m # the model\nextensions:\n  developer: # built in\n    type: builtin\n    name: developer\n  old:\n    type: stdio\n    cmd: old\n    args: []\n\n# after\nkeyring: true\n",
        kept: &[
            "# mine\nGOOSE_MODEL: m # the model\n",
            "  developer: # built in\n    type: builtin\n",
            "\n# after\nkeyring: true\n",
        ],
    },
    Case {
        client: "cline",
        path: ".cline/data/settings/cline_mcp_settings.json",
        text: "{\"mine\": {\"x\": [1, 2]}, \"mcpServers\": {\"old\": {\"command\": \"old\", \"autoApprove\": [\"x\"]}}}\n",
        kept: JSON_KEPT,
    },
    Case {
        client: "gemini",
        path: ".gemini/settings.json",
        text: "{\n  \"mine\": {\"x\": [1, 2]},\n  \"mcp\": {\"allowed\": [\"old\"]},\n  \"mcpServers\": {\"old\": {\"command\": \"old\", \"trust\": true}}\n}\n",
        kept: JSON_KEPT,
    },
    Case {
        client: "mcporter",
        path: ".mcporter/mcporter.json",
        text: "{\n  // imports\n  \"mine\": {\"x\": [1, 2]},\n  \"imports\": [],\n  \"mcpServers\": {\"old\": {\"command\": \"old\"}}\n}\n",
        kept: &["// imports", "\"mine\": {\"x\": [1, 2]}", "\"old\": {\"command\": \"old\"}"],
    },
];

#[test]
fn every_clients_file_is_read_written_and_restored() {
    for Case { client, path, text, kept } in CASES {
        let home = Home::new();
        home.write(path, text);
        let listed = home.json(&["servers", "--json"]);
        let names: Vec<&Value> =
            listed["servers"].as_array().unwrap().iter().map(|server| &server["name"]).collect();
        assert_eq!(names, ["old"], "{client}");

        let url = ["install", client, "https://mcp.linear.app/mcp", "--bearer", "env:TOKEN"];
        let program = ["install", client, "--", "npx", "-y", "@modelcontextprotocol/server-everything"];
        let said = home.done(&url);
        assert!(said.contains("installed linear in ~/") && said.contains(".bak"), "{client}: {said}");
        home.done(&program);
        let written = home.read(path);
        for kept in *kept {
            assert!(written.contains(kept), "{client} lost {kept}: {written}");
        }
        assert_eq!(home.read(&format!("{path}.bak")), *text, "{client}");

        // Twice is once: neither the file nor its backups change.
        let files = home.files();
        for again in [&url[..], &program] {
            assert!(home.done(again).contains(" already"), "{client}");
        }
        assert_eq!(home.files(), files, "{client}");

        let found = home.json(&["get", "everything", "--json"]);
        assert_eq!(found["args"][1], "@modelcontextprotocol/server-everything", "{client}: {found}");
        for name in ["linear", "everything"] {
            home.done(&["remove", name, "--client", client]);
        }
        let restored = home.read(path);
        for kept in *kept {
            assert!(restored.contains(kept), "{client} lost {kept}: {restored}");
        }
        assert!(!restored.contains("linear") && !restored.contains("everything"), "{client}: {restored}");
    }
}

#[test]
fn a_file_that_cannot_be_parsed_is_left_alone() {
    for Case { client, path, text, .. } in CASES {
        let home = Home::new();
        let broken = format!("{text}\n[ {{ : broken");
        home.write(path, &broken);
        for command in
            [&["install", client, "http://a.example/mcp"][..], &["remove", "old", "--client", client]]
        {
            let ended = home.run(command);
            assert_eq!(ended.code, Some(2), "{client}: {ended:?}");
            let place = format!("{} is no ", home.path(path).display());
            assert!(
                ended.stderr.contains(&place) && ended.stderr.contains(" on line "),
                "{client}: {ended:?}"
            );
        }
        assert_eq!(home.read(path), broken, "{client}");
        assert_eq!(home.files().len(), 1, "{client}: {:?}", home.files());
        // It is no reason not to list what is elsewhere.
        home.write(".cursor/mcp.json.other", "");
        assert!(home.run(&["servers"]).stderr.contains(" is no "), "{client}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_said_and_nothing_changes() {
    let home = Home::new();
    home.write(".cursor", "a file where a folder should be");
    let ended = home.run(&["install", "cursor", "http://a.example/mcp"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("cannot read"), "{ended:?}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        home.write(".gemini/settings.json", "{}");
        let folder = home.path(".gemini");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
        // The administrator may write everywhere.
        if fs::write(folder.join("probe"), "").is_err() {
            let ended = home.run(&["install", "gemini", "http://a.example/mcp"]);
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert!(
                ended.stderr.contains("cannot write") && ended.stderr.contains("nothing was changed"),
                "{ended:?}"
            );
            assert_eq!(home.read(".gemini/settings.json"), "{}");
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn servers_of_ones_own_are_added_shown_called_and_removed() {
    let home = Home::new();
    let docs = documents();
    let program = env!("CARGO_BIN_EXE_anyport");
    home.done(&[
        "add",
        "guides",
        "-e",
        "KEY=env:TOKEN",
        "--",
        program,
        "serve",
        "--stdio",
        "--docs",
        docs.to_str().unwrap(),
    ]);
    home.done(&["add", "web", "http://127.0.0.1:9/mcp", "--header", "X-Key: s3cret-value"]);
    assert!(home.read(".config/anyport/mcp.json").contains("\"KEY\": \"${TOKEN}\""));
    let shown = home.done(&["get", "guides"]);
    assert!(
        shown.contains("KEY=${TOKEN}") && shown.contains("~/.config/anyport/mcp.json (Anyport)"),
        "{shown}"
    );
    let shown = home.done(&["get", "web"]) + &home.done(&["servers", "--json"]);
    assert!(shown.contains("X-Key=<hidden>") && !shown.contains("s3cret"), "{shown}");
    assert!(home.done(&["tools", "-q", "guides"]).contains("search_docs\n"));
    assert_eq!(home.done(&["servers", "-q"]), "guides\nweb\n");

    let again = home.run(&["add", "web", "http://127.0.0.1:8/mcp"]);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("another server web") && again.stderr.contains("--force"), "{again:?}");
    home.done(&["add", "web", "http://127.0.0.1:8/mcp", "--force"]);
    home.done(&["add", "shared", "https://a.example/mcp", "--scope", "project"]);
    assert!(home.path("project/.mcp.json").is_file());
    home.write(".cursor/mcp.json", r#"{"mcpServers": {"my files": {"command": "a"}}}"#);
    let spaced = home.run(&["remove", "my files"]);
    assert!(spaced.stderr.contains("anyport remove 'my files' --client cursor"), "{spaced:?}");
    fs::remove_file(home.path(".cursor/mcp.json")).unwrap();
    let absent = home.run(&["remove", "shared"]);
    assert!(absent.stderr.contains("--scope project"), "{absent:?}");
    home.done(&["remove", "shared", "--scope", "project"]);
    for (name, expected) in [("http://a.example", "a-example"), ("a b", "a-b")] {
        let refused = home.run(&["add", name, "http://a.example/mcp"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(expected), "{refused:?}");
    }
}

#[test]
fn commands_that_edit_a_file_at_once_lose_nothing() {
    let home = Home::new();
    home.write(".cursor/mcp.json", "{\"mcpServers\": {}}");
    let names: Vec<String> = (0..12).map(|number| format!("server-{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| home.done(&["install", "cursor", "https://a.example/mcp", "--name", name]));
            scope.spawn(|| home.done(&["add", name, "https://a.example/mcp"]));
        }
    });
    for path in [".cursor/mcp.json", ".config/anyport/mcp.json"] {
        let file: Value = serde_json::from_str(&home.read(path)).unwrap();
        let found = file["mcpServers"].as_object().unwrap();
        assert!(names.iter().all(|name| found.contains_key(name)), "{path}: {found:?}");
    }
    let backups = home.files().into_iter().filter(|(path, _)| path.to_string_lossy().contains(".bak"));
    assert_eq!(backups.count(), 10, "five for each file");
}

#[cfg(unix)]
#[test]
fn a_secret_in_a_file_that_others_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let mode = |path: &str| fs::metadata(home.path(path)).unwrap().permissions().mode() & 0o777;
    let cursor = ".cursor/mcp.json";
    home.write(cursor, "{}");
    fs::set_permissions(home.path(cursor), fs::Permissions::from_mode(0o644)).unwrap();
    let install = |name: &str, header: &str| {
        let url = "https://a.example/mcp";
        let ended = home.run(&["install", "cursor", url, "--name", name, "--header", header]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stderr
    };
    let said = install("a", "X-Api-Key: s3cret-value");
    assert!(said.contains("can read ~/.cursor/mcp.json"), "{said}");
    assert!(said.contains("chmod 600 ~/.cursor/mcp.json") && !said.contains("s3cret"), "{said}");
    assert_eq!(install("b", "X-Api-Key: env:TOKEN"), "");
    assert_eq!(install("c", "X-Trace: on"), "");
    assert_eq!(mode(cursor), 0o644, "the owner chooses");
    fs::set_permissions(home.path(cursor), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(install("d", "X-Api-Key: s3cret-value"), "");
    // A client without references gets the value.
    home.write(".config/zed/settings.json", "{}");
    fs::set_permissions(home.path(".config/zed/settings.json"), fs::Permissions::from_mode(0o644)).unwrap();
    let said =
        home.run(&["install", "zed", "https://a.example/mcp", "--header", "X-Trace: env:TOKEN"]).stderr;
    assert!(said.contains("chmod 600 ~/.config/zed/settings.json"), "{said}");
    // A new file is its owner's alone, but a project's file is everybody's.
    assert_eq!(home.run(&["add", "a", "https://a.example/mcp", "--header", "X-Api-Key: s3cret"]).stderr, "");
    assert_eq!(mode(".config/anyport/mcp.json"), 0o600);
    let words = ["add", "a", "https://a.example/mcp", "--header", "X-Api-Key: s3cret", "--scope", "project"];
    let said = home.run(&words).stderr;
    assert!(said.contains("belongs to the project") && said.contains("env:NAME"), "{said}");
}

#[test]
fn a_repository_has_no_backups() {
    let home = Home::new();
    home.write("project/.mcp.json", "{\"mcpServers\": {}}");
    let said = home.done(&["add", "web", "https://a.example/mcp", "--scope", "project"]);
    assert!(
        said.contains("/project/state/anyport/backups/") && said.contains("project/.mcp.json.bak"),
        "{said}"
    );
    assert!(!home.path("project/.mcp.json.bak").exists());
    // Nor where a link leads to one.
    home.write("dotfiles/.git/HEAD", "");
    home.write("dotfiles/cursor.json", "{}");
    fs::create_dir(home.path(".cursor")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../dotfiles/cursor.json", home.path(".cursor/mcp.json")).unwrap();
    home.done(&["install", "cursor", "https://a.example/mcp"]);
    assert_eq!(fs::read_dir(home.path("dotfiles")).unwrap().count(), 2);
}

#[test]
fn each_server_is_checked_side_by_side() {
    let home = Home::new();
    let entry = |command: &str, args: &[&str]| json!({"command": command, "args": args});
    let docs = documents();
    let servers = json!({"mcpServers": {
        "good": entry(env!("CARGO_BIN_EXE_anyport"), &["serve", "--stdio", "--docs", docs.to_str().unwrap()]),
        "gone": entry("no-such-program-anywhere", &[]),
        "silent": entry("sleep", &["60"]),
        "mute": entry("sleep", &["60"]),
        "off": {"command": "sleep", "args": ["60"], "disabled": true},
        "strange": {"type": "grpc", "url": "http://a"},
        "unset": entry("${NO_SUCH_VARIABLE}", &[]),
    }});
    home.write("project/.mcp.json", &servers.to_string());
    home.write(".cursor/mcp.json", "{\"mcpServers\": {\"good\": {\"command\": \"other\"}}}");
    let started = std::time::Instant::now();
    let ended = home.run(&["servers", "--check", "--project", "--timeout", "6", "--json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        started.elapsed().as_secs() < 18,
        "two silent servers took longer than one: {:?}",
        started.elapsed()
    );
    let listed: Value = serde_json::from_str(&ended.stdout).unwrap();
    let check = |at: usize, name: &str| {
        let server = &listed["servers"][at];
        assert_eq!(server["name"], name, "{listed}");
        server["check"].clone()
    };
    let good = check(0, "good");
    assert_eq!((&good["status"], &good["era"]), (&json!("ok"), &json!("modern")), "{good}");
    assert!(good["tools"].as_u64().unwrap() > 0, "{good}");
    let failed = |at, name, why: &str| {
        let check = check(at, name);
        assert!(check["error"].as_str().unwrap_or_default().contains(why), "{name}: {check}");
    };
    failed(1, "gone", "no-such-program-anywhere");
    failed(2, "silent", "6 s");
    failed(3, "mute", "6 s");
    assert_eq!(check(4, "off")["reason"], "disabled");
    failed(5, "strange", "its `type` is \"grpc\"");
    failed(6, "unset", "${NO_SUCH_VARIABLE} is not set");
    assert_eq!(check(7, "good")["status"], "skipped");
    let list = home.run(&["list", "--check", "--project", "--timeout", "6"]);
    assert!(list.stdout.contains("modern") && list.stdout.lines().count() == 9, "{list:?}");
}

#[test]
fn the_keys_of_the_json_are_documented() {
    fn keys(value: &Value, depth: usize, found: &mut Vec<String>) {
        match value {
            Value::Object(members) if depth < 4 => members.iter().for_each(|(key, value)| {
                found.push(key.clone());
                // These are in the words of a client.
                if !["env", "headers", "entry"].contains(&key.as_str()) {
                    keys(value, depth + 1, found);
                }
            }),
            Value::Array(items) => items.iter().for_each(|item| keys(item, depth, found)),
            _ => {}
        }
    }
    let home = Home::new();
    home.write(".gemini/settings.json", "{ broken");
    let program = ["add", "local", "-e", "A=1", "--cwd", ".", "--json", "--", "no-such-program", "-y"];
    let url = ["add", "web", "https://a.example/mcp", "--sse", "--header", "X: 1", "--json"];
    let mut found = Vec::new();
    for words in [
        &program[..],
        &url,
        &["get", "local", "--json"],
        &["get", "web", "--json"],
        &["install", "cursor", "web", "--json"],
        &["remove", "web", "--json"],
        &["import", "cursor", "--json"],
        &["servers", "--json"],
    ] {
        keys(&home.json(words), 0, &mut found);
    }
    let checked = home.run(&["servers", "--check", "--timeout", "5", "--json"]);
    keys(&serde_json::from_str(&checked.stdout).unwrap(), 0, &mut found);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/servers.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, page) = page.split_once("## For programs").unwrap();
    let missing: Vec<_> = found.iter().filter(|key| !page.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty() && found.len() > 40, "{missing:?}");
}

#[test]
fn servers_of_a_project_are_started_only_where_that_is_wanted() {
    let home = Home::new();
    let starts = |mark: &str| json!({"command": "touch", "args": [home.path(mark)]});
    home.write("project/.mcp.json", &json!({"mcpServers": {"shop": starts("of-project")}}).to_string());
    home.write(
        ".cursor/mcp.json",
        &json!({"mcpServers": {"shop": starts("of-user"), "own": starts("own")}}).to_string(),
    );
    let ended = home.run(&["servers", "--check", "--timeout", "5"]);
    assert!(!home.path("of-project").exists() && home.path("own").exists(), "{ended:?}");
    assert!(!home.path("of-user").exists(), "it is hidden");
    assert!(ended.stderr.contains("note: shop of the project's files was not checked"), "{ended:?}");
    assert!(ended.stderr.contains("--project") && ended.stdout.contains("not checked"), "{ended:?}");
    let listed: Value =
        serde_json::from_str(&home.run(&["servers", "--check", "--timeout", "5", "--json"]).stdout).unwrap();
    assert_eq!(listed["servers"][0]["check"]["status"], "skipped", "{listed}");
    // Whoever names it wants it, and hears that it is not the user's own.
    let ended = home.run(&["tools", "shop", "--timeout", "5"]);
    assert!(home.path("of-project").exists(), "{ended:?}");
    let note = format!("note: shop is that of the project, in {}", home.path("project/.mcp.json").display());
    assert!(ended.stderr.contains(&note) && ended.stderr.contains(".cursor/mcp.json (Cursor)"), "{ended:?}");
    home.run(&["servers", "--check", "--project", "--timeout", "5"]);
    // The same server in both is no surprise.
    home.write(".cursor/mcp.json", &home.read("project/.mcp.json"));
    assert!(!home.run(&["tools", "shop", "--timeout", "5"]).stderr.contains("note: "));
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_write_is_passed_over_with_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    home.write("project/.mcp.json", "{\"mcpServers\": {\"shop\": {\"command\": \"false\"}}}");
    home.write(".cursor/mcp.json", "{\"mcpServers\": {\"shop\": {\"command\": \"of-user\"}}}");
    let file = home.path("project/.mcp.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let said = home.run(&["tools", "shop"]).stderr;
    let warning =
        format!("warning: {0} is not used: every user can write to {0}; take that right", file.display());
    assert_eq!(said.matches(&warning).count(), 1, "{said}");
    assert!(said.contains("of-user"), "{said}");
    let said = home.run(&["servers"]);
    assert!(said.stderr.contains(&warning) && !said.stdout.contains("false"), "{said:?}");
    assert_eq!(home.json(&["servers", "--json"])["broken"][0]["file"], json!(file));
    assert!(home.run(&["import", "claude-code"]).stderr.contains("every user can write"));
    assert_eq!(home.run(&["__complete", "--", "anyport", "tools", "sh"]).stderr, "");
    // By its path it is named on purpose.
    assert!(home.run(&["tools", ".mcp.json#shop"]).stderr.contains("false"));
}

#[test]
fn the_file_of_a_gateway_is_checked_and_has_a_schema() {
    let home = Home::new();
    home.write(
        "project/anyport.toml",
        "[upstreams.shop]\nurl = \"https://shop.example/mcp\"\n[upstreams.off]\ncommand = \"off\"\ndisabled = true\n\
         [knowledge.notes]\ndocs = [\"notes\"]\n[servers.small]\ninclude = [\"shop_*\"]\n",
    );
    let said = home.done(&["config", "check"]);
    assert!(
        said.contains("anyport.toml is right") && said.contains("shop") && !said.contains("off"),
        "{said}"
    );
    let found = home.json(&["config", "check", "--json"]);
    assert_eq!(found["upstreams"], json!(["shop"]));
    assert_eq!((&found["knowledge"], &found["servers"]), (&json!(["notes"]), &json!(["small"])));
    let schema: Value = serde_json::from_str(&home.done(&["config", "schema"])).unwrap();
    assert_eq!(schema["title"], "anyport.toml");
    assert!(schema["properties"]["upstreams"].is_object(), "{schema}");
    home.write("mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"a\"}}}");
    assert_eq!(home.json(&["config", "check", "../mcp.json", "--json"])["upstreams"], json!(["a"]));
}

#[test]
fn a_clients_servers_are_copied_with_their_references() {
    let home = Home::new();
    home.write(
        ".config/opencode/opencode.json",
        r#"{"mcp": {"search": {"type": "remote", "url": "https://s.example/mcp", "headers": {"Authorization": "Bearer {env:TOKEN}"}},
            "local": {"type": "local", "command": ["npx", "-y", "local"]}}}"#,
    );
    home.write(
        "project/.vscode/mcp.json",
        r#"{"servers": {"here": {"command": "${workspaceFolder}/run", "cwd": "sub"}}}"#,
    );
    let copied = home.json(&["import", "opencode", "--json"]);
    assert_eq!(copied["servers"].as_array().unwrap().len(), 2, "{copied}");
    home.done(&["import", "VS Code", "here"]);
    let own: Value = serde_json::from_str(&home.read(".config/anyport/mcp.json")).unwrap();
    assert_eq!(own["mcpServers"]["search"]["headers"]["Authorization"], "Bearer ${env:TOKEN}");
    assert_eq!(own["mcpServers"]["local"]["args"], json!(["-y", "local"]));
    let project = home.path("project");
    assert_eq!(own["mcpServers"]["here"]["command"], json!(format!("{}/run", project.display())));
    assert_eq!(own["mcpServers"]["here"]["cwd"], json!(project.join("sub")));
    assert!(home.done(&["import", "opencode"]).contains("search is in ~/.config/anyport/mcp.json already"));
    let unknown = home.run(&["import", "curser"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean cursor?"), "{unknown:?}");
    assert!(home.run(&["import", "zed"]).stderr.contains("Zed has no servers"));
}

#[test]
fn the_servers_of_any_file_are_copied_into_that_of_the_gateway_or_of_a_client() {
    let home = Home::new();
    home.write(
        "shared/.vscode/mcp.json",
        r#"{"servers": { // theirs
            "My files": {"type": "stdio", "command": "${workspaceFolder}/run", "env": {"KEY": "${env:TOKEN}"}},
            "web": {"type": "http", "url": "https://web.example/mcp", "headers": {"Authorization": "Bearer s3cret-of-mine"}}}}"#,
    );
    home.write(
        "shared/goose.yaml",
        "extensions:\n  notes:\n    type: stdio\n    cmd: notes\n    enabled: false\n",
    );
    home.write("shared/codex.toml", "[mcp_servers.codex]\ncommand = \"codex\"\nargs = [\"--here\"]\n");
    home.write("shared/anyport.toml", "[upstreams.other]\ncommand = [\"./other\"]\n");
    home.write("project/anyport.toml", "# Mine.\n[gateway]\nname = \"shop\"\n");
    let file = "../shared/.vscode/mcp.json";
    // Nothing is written, and nothing secret is shown.
    let shown = home.done(&["import", file, "--dry-run"]);
    assert!(shown.contains("would copy My-files to ") && shown.contains("\"${env:TOKEN}\""), "{shown}");
    assert!(shown.contains("would copy web to ") && !shown.contains("s3cret"), "{shown}");
    assert_eq!(home.read("project/anyport.toml"), "# Mine.\n[gateway]\nname = \"shop\"\n");

    assert!(home.done(&["import", file]).contains("copied My-files to "));
    for other in ["../shared/goose.yaml", "../shared/codex.toml", "../shared/anyport.toml"] {
        assert!(home.done(&["import", other]).starts_with("copied "), "{other}");
    }
    assert!(home.done(&["import", file, "web"]).contains("web is in "), "it is there already");
    let text = home.read("project/anyport.toml");
    let shared = home.path("shared");
    for expected in [
        "# Mine.".to_owned(),
        format!("command = [\"{}/run\"]", shared.display()),
        "[upstreams.web]".to_owned(),
        "disabled = true".to_owned(),
        "command = [\"codex\", \"--here\"]".to_owned(),
        format!("cwd = \"{}\"", shared.display()),
    ] {
        assert!(text.contains(&expected), "{expected}: {text}");
    }
    home.done(&["config", "check"]);

    // Into a client, in its own words.
    home.done(&["import", file, "My files", "--client", "claude-code", "--scope", "project"]);
    let project: Value = serde_json::from_str(&home.read("project/.mcp.json")).unwrap();
    assert_eq!(project["mcpServers"]["My-files"]["env"]["KEY"], "${TOKEN}");
    let ended = home.run(&["import", "../shared/goose.yaml", "--client", "cursor"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stdout.contains("cannot copy notes: it is disabled, which Cursor keeps elsewhere"),
        "{ended:?}"
    );
    home.done(&["import", "../shared/goose.yaml", "--client", "codex"]);
    assert!(home.read(".codex/config.toml").contains("enabled = false"));

    let absent = home.run(&["import", "../shared/none.json"]);
    assert!(absent.code == Some(2) && absent.stderr.contains("none.json"), "{absent:?}");
    home.write("shared/empty.json", "{}");
    let empty = home.run(&["import", "../shared/empty.json"]);
    assert!(
        empty.stderr.contains("empty.json has no servers") && empty.stderr.contains("mcpServers"),
        "{empty:?}"
    );
}

#[test]
fn the_bridge_stands_before_a_server_that_a_client_cannot_reach() {
    let home = Home::new();
    home.done(&["add", "web", "https://web.example/mcp", "--bearer", "env:TOKEN"]);
    let ended = home.run(&["install", "claude-desktop", "web"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("Claude Desktop only starts programs"), "{ended:?}");
    assert!(ended.stderr.contains("the value of TOKEN is written into it"), "{ended:?}");
    assert!(!ended.stderr.contains("t0p-secret") && !ended.stdout.contains("t0p-secret"), "{ended:?}");
    let file: Value = serde_json::from_str(&home.read(".config/Claude/claude_desktop_config.json")).unwrap();
    let own = home.path(".config/anyport/mcp.json");
    let expected = json!({"command": env!("CARGO_BIN_EXE_anyport"),
        "args": ["bridge", "--stdio", format!("{}#web", own.display())], "env": {"TOKEN": "t0p-secret-token"}});
    assert_eq!(file["mcpServers"]["web"], expected);
    // A client with variables gets a reference; the bridge is there because it was asked for.
    home.done(&["install", "cursor", "web", "--bridge"]);
    let file: Value = serde_json::from_str(&home.read(".cursor/mcp.json")).unwrap();
    assert_eq!(file["mcpServers"]["web"]["env"]["TOKEN"], "${env:TOKEN}");
    let shown = home.done(&["install", "zed", "web", "--dry-run"]);
    assert!(shown.contains("would install web") && !shown.contains("t0p-secret"), "{shown}");
    assert!(!home.path(".config/zed/settings.json").exists());
    let refused = home.run(&["install", "goose", "web", "--scope", "project"]);
    assert!(refused.stderr.contains("Goose has no file in projects"), "{refused:?}");
}

#[cfg(unix)]
#[test]
fn a_linked_file_is_written_where_it_is_with_its_permissions() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let home = Home::new();
    home.write("dotfiles/cursor.json", "{}");
    fs::set_permissions(home.path("dotfiles/cursor.json"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(home.path(".cursor")).unwrap();
    symlink("../dotfiles/cursor.json", home.path(".cursor/mcp.json")).unwrap();
    home.done(&["install", "cursor", "https://a.example/mcp"]);
    assert!(fs::symlink_metadata(home.path(".cursor/mcp.json")).unwrap().is_symlink());
    assert!(home.read("dotfiles/cursor.json").contains("https://a.example/mcp"));
    let mode = fs::metadata(home.path("dotfiles/cursor.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(home.read("dotfiles/cursor.json.bak"), "{}");
}

#[test]
fn the_banner_of_a_bridge_has_a_name_that_clients_accept() {
    let home = folder(&[("weather/server.py", "")]);
    let script = home.path().join("weather/server.py");
    let check = |arguments: &[&str], expected: &str| {
        let mut command = anyport(home.path());
        command.args(["bridge", "--port", "0"]).args(arguments);
        let mut program = crate::support::Program::start(command);
        let line = program.error_line(|line| line.starts_with("{\"mcpServers\""));
        let banner: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            banner["mcpServers"].as_object().unwrap().keys().collect::<Vec<_>>(),
            [expected],
            "{line}"
        );
    };
    check(&["--", "npx", "-y", "@modelcontextprotocol/server-everything"], "everything");
    check(&["--", "python3", script.to_str().unwrap()], "weather");
    check(&["https://mcp.linear.app/mcp"], "linear");
    check(&["http://127.0.0.1:9/soak/mcp"], "soak");
}
