//! The servers of one file, whichever client's it is.
//!
//! Servers are under `mcpServers` (most clients), `servers` (VS Code), `mcp_servers` (Codex), `context_servers` (Zed), `extensions`
//! (Goose) or `mcp` (opencode). Only the requested entry is read, so that an invalid entry does not affect others.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::{
    document::Language,
    entry::{self, Dialect},
    error::ConfigError,
    server::ServerConfig,
    store,
    value_kind::kind,
};

/// The servers of a file, by name.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    dialect: Dialect,
    servers: IndexMap<String, Entry>,
}

/// An entry, and the key that it stands under.
#[derive(Debug)]
struct Entry {
    section: String,
    value: Value,
}

impl Language {
    /// The language of a file, by its ending: JSON unless it says otherwise.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(OsStr::to_str) {
            Some("toml") => Self::Toml,
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Json,
        }
    }

    /// Whether a path looks like that of a configuration file.
    pub fn is_known(path: &Path) -> bool {
        let ending = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
        ending.is_some_and(|ending| ["json", "jsonc", "toml", "yaml", "yml"].contains(&ending.as_str()))
    }
}

impl ConfigFile {
    /// Reads the file at `path`; `cwd` chooses among the projects of Claude Code's own file.
    ///
    /// # Errors
    /// When it cannot be read or parsed, or what it says cannot be servers.
    pub fn read(path: &Path, cwd: &Path) -> Result<Self, ConfigError> {
        let text = Self::text(path)?.ok_or_else(|| {
            ConfigError::Unreadable(path.to_owned(), std::io::Error::from(std::io::ErrorKind::NotFound))
        })?;
        Self::parse(path, &text, cwd)
    }

    /// The text of the file at `path`; `None` if it is not there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn text(path: &Path) -> Result<Option<String>, ConfigError> {
        store::read(path).map_err(|error| ConfigError::unreadable(path.to_owned(), error))
    }

    /// Reads `text`, which is that of the file at `path`.
    ///
    /// # Errors
    /// When it cannot be parsed, or what it says cannot be servers.
    pub fn parse(path: &Path, text: &str, cwd: &Path) -> Result<Self, ConfigError> {
        let language = Language::of(path);
        let root =
            language.parse(text).map_err(|error| ConfigError::syntax(path.to_owned(), language, error))?;
        let shape = |key: &str, value: &Value, expected| ConfigError::Shape {
            path: path.to_owned(),
            key: key.to_owned(),
            found: kind(value),
            expected,
        };
        let root = match root {
            Value::Object(root) => root,
            // A file with nothing but comments.
            Value::Null if language != Language::Json => Map::new(),
            other => return Err(shape("the root", &other, "an object with mcpServers or servers")),
        };
        let mut sections = Sections { language, servers: IndexMap::new() };
        if let Some(projects) = root.get("projects").and_then(Value::as_object) {
            // Claude Code's own file keeps servers by folder, and "local" wins over "user" there.
            for folder in cwd.ancestors().filter_map(Path::to_str) {
                let Some(project) = projects.get(folder).and_then(Value::as_object) else { continue };
                sections
                    .take(&format!("projects.{folder}."), project)
                    .map_err(|(key, value)| shape(&key, value, "an object"))?;
            }
        }
        sections.take("", &root).map_err(|(key, value)| shape(&key, value, "an object"))?;
        if let Some(upstreams) = upstreams(path, &root) {
            sections.add("upstreams", upstreams.iter());
        }
        if let Some(inner) = root.get("mcp").and_then(Value::as_object) {
            // opencode has servers among its own settings there, and version 2 of it one level down, as VS Code's settings do.
            sections.take("mcp.", inner).map_err(|(key, value)| shape(&key, value, "an object"))?;
            sections.add("mcp", inner.iter().filter(|(_, entry)| entry::is_server(entry)));
        }
        Ok(Self { path: path.to_owned(), dialect: dialect(path, &root), servers: sections.servers })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is the file of a gateway, by its keys.
    pub(crate) fn is_of_gateway(&self) -> bool {
        self.dialect == Dialect::Gateway
    }

    /// The names, as they stand in the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(String::as_str)
    }

    /// The key that an entry stands under, from the root.
    pub fn key(&self, name: &str) -> Option<String> {
        self.servers.get(name).map(|entry| format!("{}.{name}", entry.section))
    }

    /// The server `name`, or `None` if there is no such server.
    pub fn server(&self, name: &str) -> Option<Result<ServerConfig, ConfigError>> {
        let entry = self.servers.get(name)?;
        let server = entry::server(&entry.value, self.dialect);
        Some(server.map_err(|reason| self.wrong(name, reason)))
    }

    /// The error of an entry.
    pub fn wrong(&self, name: &str, reason: String) -> ConfigError {
        ConfigError::Entry { name: name.to_owned(), path: self.path.clone(), reason }
    }
}

/// The servers of a gateway, if the file is one's.
fn upstreams<'a>(path: &Path, root: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
    root.get("upstreams").filter(|_| Language::of(path) == Language::Toml)?.as_object()
}

/// The dialect of the references in a file, by its name and its keys.
fn dialect(path: &Path, root: &Map<String, Value>) -> Dialect {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).and_then(OsStr::to_str);
    let is_open_code = |mcp: &Value| {
        let servers = mcp.as_object().into_iter().flatten().map(|(_, entry)| entry);
        servers
            .filter_map(|entry| entry.get("type")?.as_str())
            .any(|kind| kind == "local" || kind == "remote")
    };
    match root.get("mcp") {
        _ if upstreams(path, root).is_some() => Dialect::Gateway,
        _ if name.starts_with("opencode.json") => Dialect::OpenCode,
        _ if name.starts_with("mcporter.json") => Dialect::Mcporter,
        _ if folder == Some(".gemini") => Dialect::Gemini,
        Some(mcp) if is_open_code(mcp) => Dialect::OpenCode,
        _ => Dialect::Usual,
    }
}

/// The servers that are found, the nearest first.
struct Sections {
    language: Language,
    servers: IndexMap<String, Entry>,
}

impl Sections {
    /// Takes the servers of an object; `prefix` leads to it.
    ///
    /// # Errors
    /// The key and the value that is not an object of servers.
    fn take<'a>(&mut self, prefix: &str, of: &'a Map<String, Value>) -> Result<(), (String, &'a Value)> {
        for key in ["mcpServers", "servers", "mcp_servers"] {
            match of.get(key) {
                None | Some(Value::Null) => {}
                // Where opencode has servers among other settings, one may have this name.
                Some(entry) if prefix == "mcp." && entry::is_itself_server(entry) => {}
                Some(Value::Object(entries)) => {
                    self.add(&format!("{prefix}{key}"), entries.iter().filter(|(_, entry)| !entry.is_null()));
                }
                Some(other) => return Err((format!("{prefix}{key}"), other)),
            }
        }
        // Among these there are entries of other kinds.
        let mixed = match self.language {
            Language::Yaml => "extensions",
            _ => "context_servers",
        };
        let entries = of.get(mixed).and_then(Value::as_object).into_iter().flatten();
        self.add(&format!("{prefix}{mixed}"), entries.filter(|(_, entry)| entry::is_server(entry)));
        Ok(())
    }

    fn add<'a>(&mut self, section: &str, entries: impl Iterator<Item = (&'a String, &'a Value)>) {
        for (name, value) in entries {
            self.servers
                .entry(name.clone())
                .or_insert_with(|| Entry { section: section.to_owned(), value: value.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Endpoint;

    fn file(path: &str, text: &str) -> ConfigFile {
        ConfigFile::parse(Path::new(path), text, Path::new("/home/me/project/inner")).unwrap()
    }

    /// What a server is, in a line: its words, its variables, its headers.
    fn said(file: &ConfigFile, name: &str) -> String {
        let shown = |texts: &IndexMap<String, String>| {
            texts.iter().map(|(name, text)| format!(" {name}={text}")).collect::<String>()
        };
        let server = file.server(name).unwrap().unwrap();
        let disabled = if server.disabled { " (disabled)" } else { "" };
        let line = match server.endpoint {
            Endpoint::Command { program, args, env, env_file, cwd } => {
                let rest = [env_file, cwd].into_iter().flatten().map(|text| format!(" in {text}"));
                format!("{program} {}{}{}", args.join(" "), shown(&env), rest.collect::<String>())
            }
            Endpoint::Url { url, headers, sse } => {
                format!("{url}{}{}", if sse { " (sse)" } else { "" }, shown(&headers))
            }
        };
        line + disabled
    }

    #[test]
    fn servers_of_claude_cursor_and_windsurf() {
        let file = file(
            ".mcp.json",
            r#"{"mcpServers": {
                "files": {"command": "npx", "args": ["-y", "files", "${workspaceFolder}"], "env": {"T": "${env:TOKEN}", "N": 3}},
                "remote": {"type": "http", "url": "https://a.example/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}},
                "old": {"type": "sse", "url": "http://localhost:1/sse"},
                "windsurf": {"serverUrl": "https://w.example/mcp", "disabled": true}
            }}"#,
        );
        assert_eq!(file.names().collect::<Vec<_>>(), ["files", "remote", "old", "windsurf"]);
        assert_eq!(said(&file, "files"), "npx -y files ${workspaceFolder} T=${env:TOKEN} N=3");
        assert_eq!(said(&file, "remote"), "https://a.example/mcp Authorization=Bearer ${TOKEN}");
        assert_eq!(said(&file, "old"), "http://localhost:1/sse (sse)");
        assert_eq!(said(&file, "windsurf"), "https://w.example/mcp (disabled)");
        assert_eq!(file.key("old").unwrap(), "mcpServers.old");
    }

    #[test]
    fn servers_of_vs_code_with_comments() {
        let file = file(
            ".vscode/mcp.json",
            r#"{ // mine
                "inputs": [{"id": "key"}], "servers": { /* one */
                "a": {"type": "stdio", "command": "a", "envFile": ".env", "cwd": "sub", "env": {"K": "${input:key}", "N": null}}, } }"#,
        );
        assert_eq!(said(&file, "a"), "a  K=${input:key} in .env in sub");
    }

    #[test]
    fn claude_codes_own_file_has_servers_by_project() {
        let file = file(
            ".claude.json",
            r#"{"mcpServers": {"a": {"command": "user"}, "b": {"command": "b"}},
                "projects": {"/home/me/project": {"mcpServers": {"a": {"command": "local"}}},
                             "/elsewhere": {"mcpServers": {"c": {"command": "c"}}}}}"#,
        );
        assert_eq!(said(&file, "a"), "local ");
        assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(file.key("a").unwrap(), "projects./home/me/project.mcpServers.a");
    }

    #[test]
    fn servers_of_codex() {
        let file = file(
            "config.toml",
            "model = \"m\"\n[mcp_servers.a]\ncommand = \"npx\"\nargs = [\"-y\", \"a\"]\nenv = { A = \"1\" }\nenv_vars = [\"KEY\", { name = \"OTHER\" }]\n\
             [mcp_servers.b]\nurl = \"https://b/mcp\"\nbearer_token_env_var = \"TOKEN\"\nenabled = false\n\
             [mcp_servers.b.env_http_headers]\nX-A = \"XA\"\n[mcp_servers.b.http_headers]\nX-B = \"2\"\n",
        );
        assert_eq!(said(&file, "a"), "npx -y a KEY=${env:KEY} OTHER=${env:OTHER} A=1");
        assert_eq!(
            said(&file, "b"),
            "https://b/mcp X-B=2 X-A=${env:XA} Authorization=Bearer ${TOKEN} (disabled)"
        );
    }

    #[test]
    fn keys_of_a_server_beside_servers_hide_none() {
        let file = file("config.toml", "[mcp_servers]\ncommand = \"x\"\n[mcp_servers.a]\ncommand = \"a\"\n");
        assert_eq!(said(&file, "a"), "a ");
        assert!(file.server("command").unwrap().is_err());
    }

    #[test]
    fn servers_of_zed() {
        let file = file(
            "settings.json",
            r#"{"theme": "x", "context_servers": {
                "a": {"source": "custom", "command": "a", "args": ["b"], "env": {}},
                "old": {"command": {"path": "o", "args": ["p"], "env": {"K": "v"}}, "settings": {}},
                "url": {"url": "https://z/mcp", "headers": {"A": "b"}},
                "extension": {"settings": {"x": 1}}, // not ours
            }}"#,
        );
        assert_eq!(file.names().collect::<Vec<_>>(), ["a", "old", "url"]);
        assert_eq!((said(&file, "a"), said(&file, "old")), ("a b".into(), "o p K=v".into()));
        assert_eq!(said(&file, "url"), "https://z/mcp A=b");
    }

    #[test]
    fn servers_of_opencode_of_both_versions() {
        let text = r#"{"mcp": {
            "l": {"type": "local", "command": ["bun", "x", "l"], "environment": {"K": "{env:KEY}"}, "enabled": false},
            "r": {"type": "remote", "url": "https://r/mcp", "headers": {"Authorization": "Bearer {env:T}"}},
            "organization": {"enabled": true}}}"#;
        let first = file("opencode.json", text);
        assert_eq!(first.names().collect::<Vec<_>>(), ["l", "r"]);
        assert_eq!(said(&first, "l"), "bun x l K=${env:KEY} (disabled)");
        assert_eq!(said(&first, "r"), "https://r/mcp Authorization=Bearer ${env:T}");
        let second = file(
            "opencode.jsonc",
            &text.replace("{\"mcp\": {", "{\"mcp\": {\"timeout\": 5, \"servers\": {").replace("}}}", "}}}}"),
        );
        assert_eq!(said(&second, "l"), "bun x l K=${env:KEY} (disabled)");
        assert_eq!(second.key("l").unwrap(), "mcp.servers.l");
    }

    #[test]
    fn servers_of_goose() {
        let file = file(
            "config.yaml",
            "GOOSE_MODEL: m\nextensions:\n  developer:\n    type: builtin\n    name: developer\n    enabled: true\n\
             \x20 a:\n    type: stdio\n    cmd: npx\n    args: [-y, a]\n    envs: {A: '1'}\n    env_keys:\n    - KEY\n\
             \x20 b:\n    type: streamable_http\n    uri: https://b/mcp\n    headers:\n      X: ${T}\n    enabled: false\n",
        );
        assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(said(&file, "a"), "npx -y a KEY=${env:KEY} A=1");
        assert_eq!(said(&file, "b"), "https://b/mcp X=${T} (disabled)");
    }

    #[test]
    fn servers_of_cline_gemini_and_mcporter() {
        let cline = file(
            "cline_mcp_settings.json",
            r#"{"mcpServers": {"a": {"type": "streamableHttp", "url": "https://a/mcp", "autoApprove": [], "timeout": 60}}}"#,
        );
        assert_eq!(said(&cline, "a"), "https://a/mcp");
        let gemini = file(
            ".gemini/settings.json",
            r#"{"mcp": {"allowed": ["a"]}, "mcpServers": {"a": {"httpUrl": "https://a/mcp", "headers": {"K": "$KEY"}},
                "b": {"command": "b", "env": {"K": "$KEY"}, "trust": true}}}"#,
        );
        assert_eq!(
            (said(&gemini, "a"), said(&gemini, "b")),
            ("https://a/mcp K=${KEY}".into(), "b  K=${KEY}".into())
        );
        let mcporter = file(
            "mcporter.json",
            r#"{"imports": [], "mcpServers": {"a": {"baseUrl": "https://a/mcp", "bearerTokenEnv": "T", "headers": {"X": "$env:XX"}},
                "b": {"command": ["npx", "-y", "b"]}}}"#,
        );
        assert_eq!(said(&mcporter, "a"), "https://a/mcp X=${XX} Authorization=Bearer ${T}");
        assert_eq!(said(&mcporter, "b"), "npx -y b");
    }

    #[test]
    fn one_wrong_entry_spoils_no_other_and_is_named() {
        let file = file(
            "mcp.json",
            r#"{"mcpServers": {"no": {}, "number": {"command": 5}, "null": null, "text": "npx", "kind": {"type": "grpc", "url": "http://a"},
                "env": {"command": "a", "env": {"A": []}}, "good": {"command": "a"}}}"#,
        );
        assert_eq!(said(&file, "good"), "a ");
        assert!(file.server("null").is_none());
        let wrong = |name| file.server(name).unwrap().unwrap_err().to_string();
        assert_eq!(wrong("no"), "the server no in mcp.json is wrong: it has neither a command nor a url");
        assert!(wrong("number").ends_with("its `command` is a number, and a text or a list was expected"));
        assert!(wrong("text").ends_with("it is a text, and an object was expected"));
        assert!(wrong("env").ends_with("its `env.A` is a list, and a text was expected"));
        assert!(
            wrong("kind").contains("its `type` is \"grpc\", which is not known; there are stdio, "),
            "{}",
            wrong("kind")
        );
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        let wrong =
            |path, text| ConfigFile::parse(Path::new(path), text, Path::new("/")).unwrap_err().to_string();
        let said = wrong("mcp.json", "{\n  \"servers\": }");
        assert!(said.starts_with("mcp.json is no JSON: ") && said.ends_with("on line 2 column 14"), "{said}");
        for text in ["[]", ""] {
            assert!(wrong("mcp.json", text).contains("mcpServers"), "{}", wrong("mcp.json", text));
        }
        assert_eq!(
            wrong("mcp.json", "{\"mcpServers\": []}"),
            "mcpServers in mcp.json is a list, and an object was expected"
        );
        assert!(wrong("config.toml", "[a\n").starts_with("config.toml is no TOML: "));
        assert!(wrong("config.yaml", "a: [\n").starts_with("config.yaml is no YAML: "));
    }
}
