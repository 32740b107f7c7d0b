//! A client, as a value: its files, its keys, and edits of its entries.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    places::Place,
    values::{NotWritable, Values},
    write,
};
use crate::{
    document::{EditError, Language, lookup},
    entry::{Dialect, is_itself_server},
    error::ConfigError,
    references::Syntax,
    server::{Endpoint, ServerConfig},
    variables::Surroundings,
};

/// A client, its files, and how it writes a server.
#[derive(Debug)]
pub struct McpClient {
    /// Its name on a command line.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The page that describes its format.
    pub documentation: &'static str,
    /// The language of its files.
    pub language: Language,
    /// The keys that lead to its servers.
    pub(crate) section: &'static [&'static str],
    /// The keys that lead to them in files of another version, if they are there.
    pub(crate) other_section: Option<&'static [&'static str]>,
    /// Its files in a project.
    pub(crate) project: &'static [&'static str],
    /// Its files of a user.
    pub(crate) user: &'static [Place],
    /// How it refers to variables of the environment.
    pub(crate) syntax: Syntax,
    /// What it can express.
    pub(crate) supports: Supports,
    /// Its key of a server that is not used, if it has one.
    pub(crate) switch: Option<Switch>,
    /// Writes the entry of a server.
    pub(crate) entry: WriteEntry,
}

/// Writes the entry of a server of a name.
pub(crate) type WriteEntry =
    fn(&str, &ServerConfig, &mut Values<'_>) -> Result<Map<String, Value>, NotWritable>;

/// What a client can express, beside programs with arguments and variables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Supports {
    /// Servers at URLs, over Streamable HTTP.
    pub(crate) url: bool,
    /// Servers that speak HTTP+SSE only.
    pub(crate) sse: bool,
    /// The folder of a program.
    pub(crate) cwd: bool,
    /// A file of variables.
    pub(crate) env_file: bool,
}

/// The key with which a client leaves a server out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    /// `disabled = true`.
    Disabled,
    /// `enabled = false`.
    Enabled,
}

/// For whom a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody who works on the project.
    Project,
    /// One user, in all projects.
    User,
}

impl McpClient {
    /// The entry of a server in this client's keys, and the variables whose values had to be written out.
    ///
    /// # Errors
    /// When the client cannot express the server, or a variable has no value.
    pub fn entry(
        &self,
        name: &str,
        server: &ServerConfig,
        surroundings: &Surroundings,
    ) -> Result<(Map<String, Value>, Vec<String>), NotWritable> {
        let lacks = |lacks| Err(NotWritable::Unsupported { client: self.title, lacks });
        match &server.endpoint {
            Endpoint::Command { env_file: Some(_), .. } if !self.supports.env_file => {
                return lacks("reads no files of variables");
            }
            Endpoint::Command { cwd: Some(_), .. } if !self.supports.cwd => {
                return lacks("cannot be told the folder of a program");
            }
            Endpoint::Url { .. } if !self.supports.url => return lacks("only starts programs"),
            Endpoint::Url { sse: true, .. } if !self.supports.sse => {
                return lacks("speaks no HTTP+SSE of 2024-11-05");
            }
            Endpoint::Url { url, .. }
                if !self.is_own() && !url.starts_with("http") && !url.starts_with("${") =>
            {
                return lacks("only reaches URLs of http and https");
            }
            _ => {}
        }
        let mut values = Values { surroundings, syntax: self.syntax, written_out: Vec::new() };
        let entry = (self.entry)(name, server, &mut values)?;
        Ok((entry, values.written_out))
    }

    /// The keys that lead to its servers in a file.
    pub(crate) fn section_in(&self, root: &Value) -> &'static [&'static str] {
        // A server of the usual section may have the name of the other one.
        let is_section = |value: &Value| value.is_object() && !is_itself_server(value);
        let is_there = |section: &&[&str]| {
            section.iter().try_fold(root, |value, key| value.get(key)).is_some_and(is_section)
        };
        self.other_section.filter(is_there).unwrap_or(self.section)
    }

    /// `text`, the content of the file at `path`, with a server; `None` if it has this server already. Keys of the entry that say
    /// nothing about how to reach the server are kept.
    ///
    /// # Errors
    /// When `text` cannot be parsed or edited, or when it has another server of this name, or this one disabled, and `replace` is
    /// false.
    pub fn set(
        &self,
        path: &Path,
        text: &str,
        name: &str,
        entry: &Map<String, Value>,
        replace: bool,
    ) -> Result<Option<String>, ConfigError> {
        let root = self.language.parse(text).map_err(|error| self.failed(path, EditError::Syntax(error)))?;
        let section = self.section_in(&root);
        let old = lookup(&root, section, name);
        let mut merged = entry.clone();
        if let Some(old) = old {
            if write::is_same(old, entry, self.dialect()) {
                return Ok(None);
            }
            if !replace {
                let is_disabled = write::is_disabled(old, entry, self.dialect());
                return Err(ConfigError::Taken { name: name.to_owned(), path: path.to_owned(), is_disabled });
            }
            merged = write::merged(old, entry);
        }
        let edited = self.language.edit(text, section, name, Some(&merged));
        edited.map(Some).map_err(|error| self.failed(path, error))
    }

    /// `text`, the content of the file at `path`, without a server; `None` if it has none of this name.
    ///
    /// # Errors
    /// When `text` cannot be parsed or edited.
    pub fn remove(&self, path: &Path, text: &str, name: &str) -> Result<Option<String>, ConfigError> {
        let root = self.language.parse(text).map_err(|error| self.failed(path, EditError::Syntax(error)))?;
        let section = self.section_in(&root);
        if lookup(&root, section, name).is_none() {
            return Ok(None);
        }
        self.language.edit(text, section, name, None).map(Some).map_err(|error| self.failed(path, error))
    }

    /// Whether a server can be disabled in its files.
    pub fn can_disable(&self) -> bool {
        self.switch.is_some()
    }

    /// Writes into the entry of a server that it is disabled. Returns `false` if the client keeps that elsewhere.
    pub fn disable(&self, entry: &mut Map<String, Value>) -> bool {
        match self.switch {
            Some(Switch::Disabled) => _ = entry.insert("disabled".into(), true.into()),
            Some(Switch::Enabled) => _ = entry.insert("enabled".into(), false.into()),
            None => return false,
        }
        true
    }

    /// `text`, the content of the file at `path`, with a server enabled or disabled; `None` if it is so already, if the file has no such
    /// server, or if the client has no key for it.
    ///
    /// # Errors
    /// When `text` cannot be parsed or edited.
    pub fn enable(
        &self,
        path: &Path,
        text: &str,
        name: &str,
        is_enabled: bool,
    ) -> Result<Option<String>, ConfigError> {
        let root = self.language.parse(text).map_err(|error| self.failed(path, EditError::Syntax(error)))?;
        let section = self.section_in(&root);
        let (Some(Value::Object(old)), Some(switch)) = (lookup(&root, section, name), self.switch) else {
            return Ok(None);
        };
        // Both keys are read in every file.
        let flag = |key| old.get(key).and_then(Value::as_bool);
        let was_enabled = flag("disabled") != Some(true) && flag("enabled") != Some(false);
        if was_enabled == is_enabled {
            return Ok(None);
        }
        let mut entry = old.clone();
        match (switch, is_enabled) {
            (_, true) => {
                entry.shift_remove("disabled");
                if let Some(flag) = entry.get_mut("enabled") {
                    *flag = true.into();
                }
            }
            (Switch::Disabled | Switch::Enabled, false) => _ = self.disable(&mut entry),
        }
        let edited = self.language.edit(text, section, name, Some(&entry));
        edited.map(Some).map_err(|error| self.failed(path, error))
    }

    /// Whether it is Anyport itself, which reaches servers over every transport.
    fn is_own(&self) -> bool {
        ["anyport", "gateway"].contains(&self.id)
    }

    /// How the entries of its files are read.
    fn dialect(&self) -> Dialect {
        match self.id {
            "gateway" => Dialect::Gateway,
            _ => Dialect::Usual,
        }
    }

    fn failed(&self, path: &Path, error: EditError) -> ConfigError {
        let path = path.to_owned();
        match error {
            EditError::Syntax(error) => ConfigError::syntax(path, self.language, error),
            EditError::Shape { key, found } => ConfigError::Shape { path, key, found, expected: "an object" },
            EditError::Unsafe(reason) => ConfigError::Uneditable { path, reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entry;
    use crate::{CLIENTS, ConfigFile, entry::Dialect, expand, server::Endpoint};

    fn surroundings() -> Surroundings {
        let variables =
            [("TOKEN", "t0p"), ("KEY", "k1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Surroundings { cwd: "/here".into(), home: Some("/home/me".into()), variables: variables.into() }
    }

    fn server(entry: Value) -> ServerConfig {
        entry::server(&entry, Dialect::Usual).unwrap()
    }

    fn program() -> ServerConfig {
        server(json!({"command": "npx", "args": ["-y", "a"], "env": {"KEY": "${KEY}", "MODE": "fast"}}))
    }

    fn remote() -> ServerConfig {
        server(
            json!({"url": "https://a.example/mcp", "headers": {"Authorization": "Bearer ${TOKEN}", "X-A": "1"}}),
        )
    }

    fn written(id: &str, server: &ServerConfig) -> Value {
        crate::client(id).unwrap().entry("a", server, &surroundings()).unwrap().0.into()
    }

    #[test]
    fn every_client_reads_what_was_written_for_it() {
        for client in CLIENTS {
            for server in [program(), remote()] {
                let (entry, written_out) = match client.entry("a", &server, &surroundings()) {
                    Ok(written) => written,
                    Err(error) => {
                        assert_eq!(
                            (client.id, error.to_string().as_str()),
                            ("claude-desktop", "Claude Desktop only starts programs")
                        );
                        continue;
                    }
                };
                let place = client.user[0].resolve(&surroundings(), "linux").unwrap();
                let text = client.set(&place, "", "a", &entry, false).unwrap().unwrap();
                let file = ConfigFile::parse(&place, &text, std::path::Path::new("/")).unwrap();
                let found = file.server("a").unwrap().unwrap();
                let plain = |server: &ServerConfig| {
                    server
                        .try_map(|_, text| expand(text, &surroundings(), std::path::Path::new("/")))
                        .unwrap()
                };
                assert_eq!(sorted(plain(&found)), sorted(plain(&server)), "{}: {text}", client.title);
                assert_eq!(
                    text.contains("t0p") || text.contains("k1"),
                    !written_out.is_empty(),
                    "{}: {text}",
                    client.title
                );
                assert_eq!(client.set(&place, &text, "a", &entry, false).unwrap(), None, "{}", client.title);
                let removed = client.remove(&place, &text, "a").unwrap().unwrap();
                assert!(
                    ConfigFile::parse(&place, &removed, std::path::Path::new("/"))
                        .unwrap()
                        .server("a")
                        .is_none()
                );
            }
        }
    }

    /// The same, with variables and headers in order: some clients have two places for them.
    fn sorted(mut server: ServerConfig) -> ServerConfig {
        match &mut server.endpoint {
            Endpoint::Command { env, .. } => env.sort_keys(),
            Endpoint::Url { headers, .. } => headers.sort_keys(),
        }
        server
    }

    #[test]
    fn references_are_written_in_the_clients_syntax() {
        let header = |id, key: &str| written(id, &remote())[key]["Authorization"].clone();
        assert_eq!(header("claude-code", "headers"), "Bearer ${TOKEN}");
        assert_eq!(header("vscode", "headers"), "Bearer ${env:TOKEN}");
        assert_eq!(header("opencode", "headers"), "Bearer {env:TOKEN}");
        assert_eq!(header("goose", "headers"), "Bearer ${TOKEN}");
        assert_eq!(header("zed", "headers"), "Bearer t0p");
        assert_eq!(
            written("codex", &remote()),
            json!({"url": "https://a.example/mcp", "http_headers": {"X-A": "1"}, "bearer_token_env_var": "TOKEN"})
        );
        assert_eq!(written("codex", &program())["env_vars"], json!(["KEY"]));
        assert_eq!(written("goose", &program())["env_keys"], json!(["KEY"]));
        let (_, out) = crate::client("zed").unwrap().entry("a", &remote(), &surroundings()).unwrap();
        assert_eq!(out, ["TOKEN"]);
        let unset = server(json!({"url": "https://a", "headers": {"A": "${env:NONE}"}}));
        assert!(crate::client("zed").unwrap().entry("a", &unset, &surroundings()).is_err());
    }

    #[test]
    fn urls_stand_under_the_clients_key() {
        for (id, key, kind) in [
            ("windsurf", "serverUrl", Value::Null),
            ("gemini", "httpUrl", Value::Null),
            ("mcporter", "baseUrl", Value::Null),
            ("cline", "url", json!("streamableHttp")),
            ("opencode", "url", json!("remote")),
            ("goose", "uri", json!("streamable_http")),
        ] {
            let entry = written(id, &remote());
            assert_eq!((&entry[key], &entry["type"]), (&json!("https://a.example/mcp"), &kind), "{id}");
        }
    }

    #[test]
    fn another_server_of_the_name_is_kept_unless_it_is_to_be_replaced() {
        let client = crate::client("cline").unwrap();
        let path = std::path::Path::new("cline_mcp_settings.json");
        let text = "{\"mcpServers\": {\"a\": {\"command\": \"old\", \"env\": {}, \"autoApprove\": [\"x\"]}}}";
        let (entry, _) = client.entry("a", &remote(), &surroundings()).unwrap();
        let error = client.set(path, text, "a", &entry, false).unwrap_err();
        assert!(matches!(error, crate::ConfigError::Taken { .. }), "{error}");
        let replaced = client.set(path, text, "a", &entry, true).unwrap().unwrap();
        assert!(
            replaced.contains("autoApprove") && !replaced.contains("old") && !replaced.contains("env"),
            "{replaced}"
        );
    }

    #[test]
    fn a_server_that_is_disabled_is_enabled_only_where_it_is_replaced() {
        let client = crate::client("cursor").unwrap();
        let path = std::path::Path::new("mcp.json");
        let (entry, _) = client.entry("a", &program(), &surroundings()).unwrap();
        for (key, value) in [("disabled", true), ("enabled", false)] {
            let mut disabled = entry.clone();
            disabled.insert(key.into(), value.into());
            let text = client.set(path, "", "a", &disabled, false).unwrap().unwrap();
            let error = client.set(path, &text, "a", &entry, false).unwrap_err();
            assert!(matches!(error, crate::ConfigError::Taken { .. }), "{error}");
            let enabled = client.set(path, &text, "a", &entry, true).unwrap().unwrap();
            assert!(!enabled.contains("abled"), "{enabled}");
            assert_eq!(client.set(path, &text, "a", &disabled, false).unwrap(), None);
        }
    }

    #[test]
    fn a_server_may_have_the_name_of_a_section() {
        let client = crate::client("opencode").unwrap();
        let path = std::path::Path::new("opencode.json");
        let add = |text: &str, name: &str, server: &ServerConfig| {
            let (entry, _) = client.entry(name, server, &surroundings()).unwrap();
            client.set(path, text, name, &entry, false).unwrap().unwrap()
        };
        for server in [program(), remote()] {
            let text = add(&add("", "servers", &server), "b", &remote());
            let file = ConfigFile::parse(path, &text, std::path::Path::new("/")).unwrap();
            assert_eq!(file.names().collect::<Vec<_>>(), ["servers", "b"], "{text}");
            assert_eq!(file.key("servers").unwrap(), "mcp.servers");
            assert!(file.server("servers").unwrap().is_ok(), "{text}");
            let removed = client.remove(path, &text, "servers").unwrap().unwrap();
            let file = ConfigFile::parse(path, &removed, std::path::Path::new("/")).unwrap();
            assert_eq!(file.names().collect::<Vec<_>>(), ["b"], "{removed}");
        }
        // Of version 2, a server that is called like a key.
        let text = add("{\"mcp\": {\"servers\": {}}}", "command", &program());
        let file = ConfigFile::parse(path, &text, std::path::Path::new("/")).unwrap();
        assert_eq!(file.key("command").unwrap(), "mcp.servers.command");
    }

    #[test]
    fn what_a_client_has_no_word_for_is_said() {
        let refused = |id, entry| {
            crate::client(id).unwrap().entry("a", &server(entry), &surroundings()).unwrap_err().to_string()
        };
        assert_eq!(
            refused("cursor", json!({"command": "a", "cwd": "/x"})),
            "Cursor cannot be told the folder of a program"
        );
        assert_eq!(
            refused("zed", json!({"command": "a", "envFile": "/x"})),
            "Zed reads no files of variables"
        );
        assert_eq!(
            refused("codex", json!({"type": "sse", "url": "http://a/sse"})),
            "Codex speaks no HTTP+SSE of 2024-11-05"
        );
        assert_eq!(
            refused("vscode", json!({"url": "ws://a/ws"})),
            "VS Code only reaches URLs of http and https"
        );
    }
}
