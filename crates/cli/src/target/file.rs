//! An `mcp.json`, in the shapes of the programs that write them.
//!
//! Servers are under `mcpServers` (Claude, Cursor, Gemini CLI) or `servers` (VS Code), each a command or a URL. Only
//! the requested entry is read, so that an invalid entry does not affect others.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::{Map, Value};

use super::{
    Server,
    redact::SecretValue,
    variables::{Surroundings, Unexpanded, expand},
};

/// A fault of a file, or of the requested entry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("cannot read {path}: {error}", path = .0.display(), error = .1)]
    Unreadable(PathBuf, std::io::Error),
    /// It is no JSON, with or without comments.
    #[error("{path} is no JSON: {reason}", path = .0.display(), reason = .1)]
    NoJson(PathBuf, String),
    /// What it says is not of the expected shape.
    #[error("{key} in {path} is {found}, and an object was expected", path = .path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The key, or that it is the whole file.
        key: &'static str,
        /// The kind of its value.
        found: &'static str,
    },
    /// The entry is not a server.
    #[error("the server {name} in {path} is wrong: {reason}", path = .path.display())]
    Entry {
        /// Its name.
        name: String,
        /// Where it stands.
        path: PathBuf,
        /// The fault, with its key.
        reason: String,
        /// The advice.
        help: String,
    },
}

impl FileError {
    /// The advice.
    pub(super) fn help(&self) -> &str {
        match self {
            Self::Unreadable(..) => "name an mcp.json as FILE#NAME",
            Self::NoJson(..) => "correct the file",
            Self::Shape { .. } => "correct the file: {\"mcpServers\": {\"NAME\": {\"command\": \"...\"}}}",
            Self::Entry { help, .. } => help,
        }
    }
}

/// The servers of a file, by name.
#[derive(Debug)]
pub(crate) struct McpFile {
    path: PathBuf,
    servers: IndexMap<String, Value>,
}

impl McpFile {
    /// Reads the file at `path`; `cwd` chooses among the projects of Claude Code's own file.
    pub(crate) fn read(path: &Path, cwd: &Path) -> Result<Self, FileError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| FileError::Unreadable(path.to_owned(), error))?;
        Self::parse(path, &text, cwd)
    }

    fn parse(path: &Path, text: &str, cwd: &Path) -> Result<Self, FileError> {
        // Some editors begin files with a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let options = ParseOptions { allow_comments: true, allow_trailing_commas: true, ..STRICT };
        let no_json = |reason: String| FileError::NoJson(path.to_owned(), reason);
        let value: Option<Value> =
            parse_to_serde_value(text, &options).map_err(|error| no_json(error.to_string()))?;
        let shape = |key, found: &Value| FileError::Shape { path: path.to_owned(), key, found: kind(found) };
        let file = match value {
            Some(Value::Object(file)) => file,
            Some(other) => return Err(shape("the whole", &other)),
            None => return Err(no_json("an object with mcpServers or servers was expected".into())),
        };
        for key in KEYS {
            if let Some(wrong) = file.get(key).filter(|servers| !servers.is_object() && !servers.is_null()) {
                return Err(shape(key, wrong));
            }
        }
        Ok(Self { path: path.to_owned(), servers: servers(&file, cwd) })
    }

    /// The names, as they stand in the file.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(String::as_str)
    }

    /// Returns how to reach the server `name`, or `None` if there is no such server.
    pub(crate) fn server(
        &self,
        name: &str,
        surroundings: &Surroundings,
        workspace: &Path,
    ) -> Option<Result<Server, FileError>> {
        let entry = self.servers.get(name)?;
        let server = Entry::read(entry).and_then(|entry| entry.server(surroundings, workspace));
        Some(server.map_err(|Fault { reason, help }| FileError::Entry {
            name: name.to_owned(),
            path: self.path.clone(),
            reason,
            help,
        }))
    }
}

/// JSON as it stands in the standard; what more is allowed is said where it is read.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Every server of a file, those of the project in front: Claude Code's own file keeps them by folder, and "local"
/// wins over "user" there.
fn servers(file: &Map<String, Value>, cwd: &Path) -> IndexMap<String, Value> {
    let mut all = IndexMap::new();
    let mut take = |of: &Map<String, Value>| {
        for key in KEYS {
            let entries = of.get(key).and_then(Value::as_object).into_iter().flatten();
            for (name, entry) in entries.filter(|(_, entry)| !entry.is_null()) {
                all.entry(name.clone()).or_insert_with(|| entry.clone());
            }
        }
    };
    if let Some(projects) = file.get("projects").and_then(Value::as_object) {
        let project = |folder: &Path| projects.get(folder.to_str()?)?.as_object();
        cwd.ancestors().filter_map(project).for_each(&mut take);
    }
    take(file);
    // VS Code's settings have them one level down.
    if let Some(inner) = file.get("mcp").and_then(Value::as_object) {
        take(inner);
    }
    all
}

/// The keys under which servers stand.
const KEYS: [&str; 2] = ["mcpServers", "servers"];

/// The kind of a value, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What is wrong with an entry, with its key, and what to do.
struct Fault {
    reason: String,
    help: String,
}

impl Fault {
    fn new(reason: String) -> Self {
        Self { reason, help: "correct the file".into() }
    }

    fn kind(key: &str, found: &Value, expected: &str) -> Self {
        Self::new(format!("its `{key}` is {}, and {expected} was expected", kind(found)))
    }

    /// A `${...}` of `key` means nothing here.
    fn unexpanded(key: &str, why: &Unexpanded) -> Self {
        let help = match why {
            Unexpanded::Unset(variable) => {
                format!("export {variable}=..., or write ${{{variable}:-DEFAULT}} in the file")
            }
            Unexpanded::Input { variable, .. } => format!("export {variable}=..."),
            Unexpanded::NoHome | Unexpanded::Foreign(_) => "write the value into the file".into(),
        };
        Self { reason: format!("in its `{key}`, {why}"), help }
    }
}

/// The values of `type`.
const TYPES: [&str; 9] = [
    "stdio",
    "http",
    "sse",
    "streamable-http",
    "streamableHttp",
    "streamable_http",
    "ws",
    "websocket",
    "local",
];

/// One server as it stands in the file.
#[derive(Debug, Default)]
struct Entry {
    kind: Option<String>,
    command: Option<String>,
    args: Vec<String>,
    env: IndexMap<String, Value>,
    env_file: Option<String>,
    cwd: Option<String>,
    /// With its key.
    url: Option<(&'static str, String)>,
    headers: IndexMap<String, String>,
}

impl Entry {
    fn read(entry: &Value) -> Result<Self, Fault> {
        let Value::Object(entry) = entry else {
            return Err(Fault::new(format!("it is {}, and an object was expected", kind(entry))));
        };
        let given = |key: &str| entry.get(key).filter(|value| !value.is_null());
        let text_of = |key: &str, value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            other => Err(Fault::kind(key, other, "a text")),
        };
        let text = |key: &str| given(key).map(|value| text_of(key, value)).transpose();
        let object = |key: &str| match given(key) {
            None => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(other) => Err(Fault::kind(key, other, "an object")),
        };
        let args = match given("args") {
            None => Vec::new(),
            Some(Value::Array(words)) => {
                words.iter().map(|word| text_of("args[]", word)).collect::<Result<_, _>>()?
            }
            Some(other) => return Err(Fault::kind("args", other, "a list")),
        };
        let mut headers = IndexMap::new();
        for (name, value) in object("headers")? {
            let value = text_of(&format!("headers.{name}"), &value)?;
            headers.insert(name, value);
        }
        let mut url = None;
        for key in ["url", "httpUrl", "serverUrl"] {
            url = url.or(text(key)?.map(|text| (key, text)));
        }
        let kind = text("type")?;
        if let Some(kind) = kind.as_deref().filter(|kind| !TYPES.contains(kind)) {
            let known = TYPES.join(", ");
            return Err(Fault::new(format!("its `type` is {kind:?}, which is not known; there are {known}")));
        }
        Ok(Self {
            kind,
            command: text("command")?,
            args,
            env: object("env")?.into_iter().collect(),
            env_file: text("envFile")?,
            cwd: text("cwd")?,
            url,
            headers,
        })
    }

    fn server(self, surroundings: &Surroundings, workspace: &Path) -> Result<Server, Fault> {
        let expand = |key: &str, text: &str| {
            expand(text, surroundings, workspace).map_err(|why| Fault::unexpanded(key, &why))
        };
        let path = |key: &str, text: &str| expand(key, text).map(|path| workspace.join(path));
        match (&self.command, &self.url, self.kind.as_deref()) {
            (Some(command), _, None | Some("stdio" | "local")) | (Some(command), None, _) => {
                let word = |(at, word): (usize, &String)| expand(&format!("args[{at}]"), word);
                Ok(Server::Command {
                    program: expand("command", command)?,
                    arguments: self.args.iter().enumerate().map(word).collect::<Result<_, _>>()?,
                    environment: self.environment(&expand, &path)?,
                    cwd: self.cwd.as_deref().map(|cwd| path("cwd", cwd)).transpose()?,
                })
            }
            (_, Some((key, url)), _) => {
                let header = |(name, value): (&String, &String)| {
                    let value = expand(&format!("headers.{name}"), value)?;
                    Ok((name.clone(), SecretValue::new(value)))
                };
                let headers = self.headers.iter().map(header).collect::<Result<_, Fault>>()?;
                Server::url(&expand(key, url)?, headers)
                    .map_err(|error| Fault::new(format!("its `{key}`: {error}")))
            }
            (None, None, _) => Err(Fault {
                reason: "it has neither a command nor a url".into(),
                help: "correct the file: a server has a \"command\" or a \"url\"".into(),
            }),
        }
    }

    fn environment(
        &self,
        expand: &impl Fn(&str, &str) -> Result<String, Fault>,
        path: &impl Fn(&str, &str) -> Result<PathBuf, Fault>,
    ) -> Result<Vec<(String, SecretValue)>, Fault> {
        let mut environment = IndexMap::new();
        if let Some(file) = &self.env_file {
            let file = path("envFile", file)?;
            let wrong =
                |error: dotenvy::Error| Fault::new(format!("its envFile {}: {error}", file.display()));
            for pair in dotenvy::from_path_iter(&file).map_err(wrong)? {
                let (name, value) = pair.map_err(wrong)?;
                environment.insert(name, value);
            }
        }
        for (name, value) in &self.env {
            let value = match value {
                Value::String(text) => expand(&format!("env.{name}"), text)?,
                Value::Null => continue,
                value => value.to_string(),
            };
            environment.insert(name.clone(), value);
        }
        Ok(environment.into_iter().map(|(name, value)| (name, SecretValue::new(value))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            cwd: "/home/me/project/inner".into(),
            home: Some("/home/me".into()),
            variables: [("TOKEN".to_owned(), "t0p".to_owned())].into(),
        }
    }

    fn file(text: &str) -> McpFile {
        McpFile::parse(Path::new("mcp.json"), text, &surroundings().cwd).unwrap()
    }

    fn server(file: &McpFile, name: &str) -> Result<Server, FileError> {
        file.server(name, &surroundings(), Path::new("/home/me/project")).unwrap()
    }

    fn command(program: &str, arguments: &[&str], environment: &[(&str, &str)], cwd: Option<&str>) -> Server {
        let hidden = |&(name, value): &(&str, &str)| (name.to_owned(), SecretValue(value.to_owned()));
        Server::Command {
            program: program.into(),
            arguments: arguments.iter().map(|&word| word.into()).collect(),
            environment: environment.iter().map(hidden).collect(),
            cwd: cwd.map(PathBuf::from),
        }
    }

    fn http(url: &str, headers: &[(&str, &str)]) -> Server {
        let hidden = |&(name, value): &(&str, &str)| (name.to_owned(), SecretValue(value.to_owned()));
        Server::url(url, headers.iter().map(hidden).collect()).unwrap()
    }

    #[test]
    fn servers_of_claude_and_cursor() {
        let file = file(
            r#"{"mcpServers": {
                "files": {"command": "npx", "args": ["-y", "files", "${workspaceFolder}"], "env": {"T": "${env:TOKEN}"}},
                "remote": {"type": "http", "url": "https://a.example/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}},
                "inferred": {"url": "http://localhost:1/sse"}
            }}"#,
        );
        assert_eq!(file.names().collect::<Vec<_>>(), ["files", "remote", "inferred"]);
        let files = command("npx", &["-y", "files", "/home/me/project"], &[("T", "t0p")], None);
        assert_eq!(server(&file, "files").unwrap(), files);
        let remote = http("https://a.example/mcp", &[("Authorization", "Bearer t0p")]);
        assert_eq!(server(&file, "remote").unwrap(), remote);
        assert_eq!(server(&file, "inferred").unwrap(), http("http://localhost:1/sse", &[]));
    }

    #[test]
    fn servers_of_vs_code_with_comments_and_an_environment_file() {
        let folder = tempfile::tempdir().unwrap();
        let dotenv = folder.path().join(".env");
        std::fs::write(&dotenv, "# keys\nA=1\nB=\"two words\"\n").unwrap();
        let text = format!(
            "{{ // mine\n \"inputs\": [], \"servers\": {{ /* one */ \"a\": {{\"type\": \"stdio\", \"command\": \"a\", \
             \"envFile\": {dotenv:?}, \"env\": {{\"A\": 3, \"N\": null}}, \"cwd\": \"sub\"}}, }} }}"
        );
        let a = command("a", &[], &[("A", "3"), ("B", "two words")], Some("/home/me/project/sub"));
        assert_eq!(server(&file(&text), "a").unwrap(), a);
    }

    #[test]
    fn claude_codes_own_file_has_servers_by_project() {
        let file = file(
            r#"{"mcpServers": {"a": {"command": "user"}, "b": {"command": "b"}},
                "projects": {"/home/me/project": {"mcpServers": {"a": {"command": "local"}}},
                             "/elsewhere": {"mcpServers": {"c": {"command": "c"}}}}}"#,
        );
        assert_eq!(server(&file, "a").unwrap(), command("local", &[], &[], None));
        assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn gemini_calls_its_url_otherwise() {
        let file = file(r#"{"mcpServers": {"g": {"httpUrl": "https://g.example/mcp"}}}"#);
        assert_eq!(server(&file, "g").unwrap(), http("https://g.example/mcp", &[]));
    }

    #[test]
    fn one_wrong_entry_spoils_no_other_and_is_named() {
        let file = file(
            r#"{"mcpServers": {"no": {}, "list": {"command": ["a"]}, "null": null, "u": {"url": "x://y"},
                "unset": {"command": "${NONE}"}, "good": {"command": "a"}}}"#,
        );
        assert_eq!(server(&file, "good").unwrap(), command("a", &[], &[], None));
        assert!(file.server("null", &surroundings(), Path::new("/")).is_none());
        let said = |name| server(&file, name).unwrap_err().to_string();
        assert_eq!(said("no"), "the server no in mcp.json is wrong: it has neither a command nor a url");
        assert!(
            said("list").contains("its `command` is a list, and a text was expected"),
            "{}",
            said("list")
        );
        assert!(said("u").contains("x://y"), "{}", said("u"));
        assert!(said("unset").contains("${NONE} is not set"), "{}", said("unset"));
    }

    #[test]
    fn what_is_no_json_is_said_with_its_place() {
        let wrong =
            |text| McpFile::parse(Path::new("mcp.json"), text, Path::new("/")).unwrap_err().to_string();
        assert!(
            wrong("{\"servers\": }").starts_with("mcp.json is no JSON: "),
            "{}",
            wrong("{\"servers\": }")
        );
        assert!(wrong("[]").contains("mcpServers"), "{}", wrong("[]"));
        assert!(wrong("").contains("mcpServers"), "{}", wrong(""));
    }
}
