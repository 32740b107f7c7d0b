//! Reads the file of a gateway, and names the place of a fault.

use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
};

use serde_json::Value;
use toml_edit::{Document, Item};

use super::{
    model::{GatewayConfig, UpstreamConfig},
    rates::RateConfig,
    required_scopes::check_required,
};
use crate::{document::Language, error::ConfigError, file::ConfigFile, name, store};

/// Reads the file of a gateway: `anyport.toml`, or the configuration file of a client, whose servers become upstreams; `cwd`
/// chooses among the projects of Claude Code's own file.
///
/// An entry that describes no server is among the upstreams, too: [`UpstreamConfig::server`] says what is wrong with it. The others are
/// not to suffer from it.
///
/// # Errors
/// When it cannot be read or parsed, has a key that is not known, or a name that no server can have.
pub fn read(path: &Path, cwd: &Path) -> Result<GatewayConfig, GatewayError> {
    let text = store::read(path).and_then(|text| text.ok_or_else(|| io::ErrorKind::NotFound.into()));
    let text = text.map_err(|error| ConfigError::unreadable(path.to_owned(), error))?;
    if is_of_gateway(path, &text) {
        return parse_entries(path, &text);
    }
    let file = ConfigFile::parse(path, &text, cwd)?;
    let names: Vec<String> = file.names().map(str::to_owned).collect();
    let mut config = GatewayConfig { is_of_client: true, ..GatewayConfig::default() };
    for own in names {
        let Some(server) = file.server(&own) else { continue };
        // Clients allow more in a name than may stand before those of tools.
        let name = free(name::valid(&own), &config);
        let upstream = match server {
            Ok(server) => server.into(),
            Err(ConfigError::Entry { reason, .. }) => {
                UpstreamConfig { fault: Some(reason), ..UpstreamConfig::default() }
            }
            Err(error) => return Err(error.into()),
        };
        config.upstreams.insert(name, UpstreamConfig { title: Some(own), ..upstream });
    }
    Ok(config)
}

/// Whether the file at `path` is one that only a gateway reads: TOML, such as `anyport.toml`, and not the file of a client.
pub fn is_gateway_file(path: &Path) -> bool {
    let is_toml = Language::of(path) == Language::Toml;
    is_toml && store::read(path).is_ok_and(|text| text.is_some_and(|text| is_of_gateway(path, &text)))
}

fn is_of_gateway(path: &Path, text: &str) -> bool {
    Language::of(path) == Language::Toml && !is_of_codex(text)
}

/// Whether a TOML file is Codex' own, which has servers under `mcp_servers`.
fn is_of_codex(text: &str) -> bool {
    Language::Toml.parse(text).is_ok_and(|root: Value| root.get("mcp_servers").is_some())
}

/// `name`, or the first of `name-2` and so on that is not taken.
fn free(name: String, config: &GatewayConfig) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| !config.upstreams.contains_key(name)).unwrap_or(name)
}

/// Reads `text`, which is that of the `anyport.toml` at `path`.
///
/// # Errors
/// When it cannot be parsed, has a key that is not known, or one that contradicts another.
pub fn parse(path: &Path, text: &str) -> Result<GatewayConfig, GatewayError> {
    let config = parse_entries(path, text)?;
    for (own, upstream) in &config.upstreams {
        upstream.server().map_err(|(key, reason)| {
            let range = span(text, &["upstreams", own, key]).unwrap_or(0..0);
            let place = FaultPlace::new(path, text, range);
            let error = GatewayError::Fault { place, reason, expected: Vec::new() };
            match ["bearer", "headers"].contains(&key) {
                true => error.showing(FaultPlace::without_values),
                false => error,
            }
        })?;
    }
    Ok(config)
}

/// The same, whatever the entries of the upstreams say together.
fn parse_entries(path: &Path, text: &str) -> Result<GatewayConfig, GatewayError> {
    let fault = |range: Option<Range<usize>>, reason: String, expected: Vec<String>| GatewayError::Fault {
        place: FaultPlace::new(path, text, range.unwrap_or(0..0)),
        reason,
        expected,
    };
    let config: GatewayConfig = toml::from_str(text).map_err(|error| {
        let (reason, expected) = explained(error.message());
        fault(error.span(), reason, expected).showing(FaultPlace::with_hidden_values)
    })?;
    let place = |keys: &[&str]| span(text, keys);
    for own in config.upstreams.keys() {
        check_name(own).map_err(|reason| fault(place(&["upstreams", own]), reason, Vec::new()))?;
    }
    for own in config.servers.keys() {
        check_name(own).map_err(|reason| fault(place(&["servers", own]), reason, Vec::new()))?;
    }
    if is_empty_table(text, "auth") {
        let reason =
            "it is empty, so that everyone may call: say who may, or leave the section out".to_owned();
        return Err(fault(place(&["auth"]), reason, Vec::new()));
    }
    let auth = config.auth.check(config.gateway.public_url.as_deref());
    let auth = auth.map_err(|(keys, reason)| (["auth".to_owned()].into_iter().chain(keys).collect(), reason));
    auth.and_then(|()| check_required(&config)).map_err(|(keys, reason): (Vec<String>, String)| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        fault(place(&keys), reason, Vec::new()).showing(FaultPlace::without_values)
    })?;
    let own = config.gateway.check_tls().and_then(|()| config.gateway.check_trusted_proxies());
    own.map_err(|(key, reason)| fault(place(&["gateway", key]), reason, Vec::new()))?;
    let telemetry = config.telemetry.check();
    telemetry.map_err(|(key, reason)| fault(place(&["telemetry", key]), reason, Vec::new()))?;
    config.store.check().map_err(|(key, reason)| {
        fault(place(&["store", key]), reason, Vec::new()).showing(FaultPlace::without_values)
    })?;
    check_rates(&config).map_err(|(keys, reason)| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        fault(place(&keys), reason, Vec::new())
    })?;
    for (own, knowledge) in &config.knowledge {
        check_name(own).map_err(|reason| fault(place(&["knowledge", own]), reason, Vec::new()))?;
        if knowledge.docs.is_empty() {
            let reason = "it has no `docs`: name a folder of documents".to_owned();
            return Err(fault(place(&["knowledge", own]), reason, Vec::new()));
        }
        if config.upstreams.contains_key(own) {
            let reason = format!("there is an upstream {own}, too: names are of one kind only");
            return Err(fault(place(&["knowledge", own]), reason, Vec::new()));
        }
    }
    Ok(config)
}

/// The place of `keys`, or of the last of them that is there, in the `anyport.toml` at `path`, without the values beside them;
/// `None` if it is no such file.
pub fn place(path: &Path, keys: &[&str]) -> Option<FaultPlace> {
    let text = store::read(path).ok().flatten().filter(|text| is_of_gateway(path, text))?;
    span(&text, keys).map(|range| FaultPlace::new(path, &text, range).without_values())
}

/// Checks how often calls may be made. The error is the keys, and what is wrong.
fn check_rates(config: &GatewayConfig) -> Result<(), (Vec<String>, String)> {
    let of_all = config.limits.rates();
    let of_all = of_all.map(|(name, rate)| (vec!["limits".to_owned(), name.to_owned()], rate));
    let of_upstreams = config.upstreams.iter().flat_map(|(own, upstream)| {
        let keys =
            |rest: &[&str]| ["upstreams", own].iter().chain(rest).map(|key| (*key).to_owned()).collect();
        let of_tools = upstream.tools.iter();
        let of_tools = of_tools
            .filter_map(move |(tool, config)| Some((keys(&["tools", tool, "rate"]), config.rate.as_ref()?)));
        upstream.rate.as_ref().map(|rate| (keys(&["rate"]), rate)).into_iter().chain(of_tools)
    });
    let mut rates = of_all.into_iter().chain(of_upstreams);
    rates.try_for_each(|(mut keys, rate): (Vec<String>, &RateConfig)| {
        rate.check().map_err(|(key, reason)| {
            keys.push(key.to_owned());
            (keys, reason)
        })
    })
}

fn check_name(own: &str) -> Result<(), String> {
    match name::is_valid(own) {
        true => Ok(()),
        false => {
            Err(format!("a name has letters, digits, `-` and `_` only, 64 at most: {}", name::valid(own)))
        }
    }
}

/// The message for a key that is not known, and the keys that are: the parser names both in one sentence.
/// What a parser says of a fault, without the value that is wrong: it may be a secret. Behind it, the keys that may stand there.
fn explained(message: &str) -> (String, Vec<String>) {
    let without_value =
        ["invalid type: ", "invalid value: ", "unknown variant "].into_iter().find_map(|fault| {
            let (value, expected) = message.strip_prefix(fault)?.rsplit_once(", expected ")?;
            // The name of a type of ours says nothing to who writes a file.
            let expected =
                if expected.starts_with("struct ") { "a table: { key = value }" } else { expected };
            let kind = value.split(' ').next().filter(|_| fault == "invalid type: ").unwrap_or_default();
            Some(match kind {
                "" => format!("it must be {expected}"),
                "sequence" => format!("it is a list, and must be {expected}"),
                "map" => format!("it is a table, and must be {expected}"),
                "integer" | "floating" => format!("it is a number, and must be {expected}"),
                "string" => format!("it is a text, and must be {expected}"),
                kind => format!("it is a {kind}, and must be {expected}"),
            })
        });
    match without_value {
        Some(reason) => (reason, Vec::new()),
        None => unknown_key(message),
    }
}

fn unknown_key(message: &str) -> (String, Vec<String>) {
    let Some(rest) = message.strip_prefix("unknown field `") else { return (message.to_owned(), Vec::new()) };
    let Some((key, rest)) = rest.split_once('`') else { return (message.to_owned(), Vec::new()) };
    let expected = rest.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    (format!("there is no key `{key}` here"), expected)
}

/// Whether a table is there, and nothing in it.
fn is_empty_table(text: &str, key: &str) -> bool {
    let document = Document::parse(text).ok();
    let table = document.as_ref().and_then(|document| document.get(key)?.as_table_like());
    table.is_some_and(|table| table.is_empty())
}

/// Where the value of `keys`, or of the last of them that is there, stands in `text`. Behind the key of an array of tables is the number
/// of a table.
fn span(text: &str, keys: &[&str]) -> Option<Range<usize>> {
    let document = Document::parse(text).ok()?;
    let mut item: &Item = document.as_item();
    let mut found = None;
    let mut keys = keys.iter();
    while let Some(key) = keys.next() {
        let table = item.as_table_like()?;
        let Some((name, inner)) = table.get_key_value(key) else { break };
        found = name.span().or_else(|| inner.span()).or(found);
        item = inner;
        if let Some(tables) = inner.as_array_of_tables() {
            // The next key is the number of one of its tables, and the one behind it is a key of that.
            let table = tables.get(keys.next()?.parse().ok()?)?;
            found = table.span().or(found);
            let Some((name, inner)) = table.get_key_value(keys.next()?) else { break };
            found = name.span().or(found);
            item = inner;
        } else if let Some(array) = inner.as_array() {
            // So it is of tables that stand inline; what a list of other values has is at the place of the list.
            let value = keys.next().and_then(|number| array.get(number.parse().ok()?));
            found = value.and_then(|value| value.span()).or(found);
            let key = keys.next();
            let inner = value.and_then(|value| value.as_inline_table()?.get_key_value(key?));
            let Some((name, inner)) = inner else { break };
            found = name.span().or(found);
            item = inner;
        }
    }
    found
}

/// A line whose values are as many asterisks: any of them may be a secret, whether it is a text, or was to be one. References, numbers
/// and keys stay.
fn hidden(line: &str) -> String {
    let is_key = |text: &str| {
        let mut letters = text.trim().chars().peekable();
        letters.peek().is_some() && letters.all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    let (mut out, mut rest) = match line.split_once('=') {
        Some((key, value)) if is_key(key) => (format!("{key}="), value),
        // The name of a table.
        _ if line.trim_start_matches('[').starts_with(|c: char| c.is_ascii_alphanumeric())
            && line.starts_with('[') =>
        {
            return line.to_owned();
        }
        // A line of a text or a list.
        _ => (String::new(), line),
    };
    while let Some(start) = rest.find(['"', '\'']) {
        let (before, text) = rest.split_at(start + 1);
        let end = text.find(&rest[start..=start]).unwrap_or(text.len());
        let is_reference = ["env:", "file:", "cmd:"].iter().any(|source| text.starts_with(source));
        out.push_str(&without_words(before));
        match is_reference {
            true => out.push_str(&text[..end]),
            false => out.extend(text[..end].chars().map(|_| '*')),
        }
        out.extend(text[end..].chars().next());
        rest = text.get(end + 1..).unwrap_or_default();
    }
    out + &without_words(rest)
}

/// What stands beside texts: words are as many asterisks, but for `true`, `false`, numbers and keys.
fn without_words(text: &str) -> String {
    let is_in_word = |c: char| !c.is_whitespace() && !"=,{}[]#\"'".contains(c);
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find(is_in_word) {
        let end = rest[start..].find(|c| !is_in_word(c)).map_or(rest.len(), |end| start + end);
        let word = &rest[start..end];
        let is_plain = ["true", "false"].contains(&word) || word.parse::<f64>().is_ok();
        out.push_str(&rest[..start]);
        match is_plain || rest[end..].trim_start().starts_with('=') {
            true => out.push_str(word),
            false => out.extend(word.chars().map(|_| '*')),
        }
        rest = &rest[end..];
    }
    out + rest
}

/// A fault in the file of a gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The file cannot be read, or is a client's and wrong.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// It says what no gateway can do.
    #[error("{place}{reason}")]
    Fault {
        /// Where it stands.
        place: FaultPlace,
        /// What is wrong.
        reason: String,
        /// The keys that could stand there, where one stands that is not known.
        expected: Vec<String>,
    },
}

impl GatewayError {
    /// The same, with its place as `less` shows it: without what may be secret.
    fn showing(self, less: fn(FaultPlace) -> FaultPlace) -> Self {
        match self {
            Self::Fault { place, reason, expected } => Self::Fault { place: less(place), reason, expected },
            error @ Self::File(_) => error,
        }
    }
}

/// Where a fault is in a file: path, line and column, and the line with the place underlined.
#[derive(Debug)]
pub struct FaultPlace {
    path: PathBuf,
    line: usize,
    column: usize,
    text: String,
    found: String,
}

impl FaultPlace {
    fn new(path: &Path, text: &str, range: Range<usize>) -> Self {
        let start = text.floor_char_boundary(range.start.min(text.len()));
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let stop = text.floor_char_boundary(range.end.clamp(start, end));
        Self {
            path: path.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[begin..start].chars().count() + 1,
            text: text[begin..end].trim_end().to_owned(),
            found: text[start..stop].to_owned(),
        }
    }
}

impl FaultPlace {
    /// The same, with the values of its line hidden.
    fn with_hidden_values(self) -> Self {
        Self { text: hidden(&self.text), ..self }
    }

    /// The same, with nothing of its line but what is underlined.
    fn without_values(self) -> Self {
        Self { text: format!("{}{}", " ".repeat(self.column - 1), self.found), ..self }
    }

    /// The text that is underlined.
    pub fn found(&self) -> &str {
        &self.found
    }
}

impl fmt::Display for FaultPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, text, found } = self;
        let (margin, marks) = (" ".repeat(line.to_string().len()), "^".repeat(found.chars().count().max(1)));
        writeln!(f, "{}:{line}:{column}", path.display())?;
        writeln!(f, "{line} | {text}")?;
        writeln!(f, "{margin} | {}{marks}", " ".repeat(column - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gateway::{Isolation, Pin, Start, Words},
        server::Endpoint,
    };

    fn parsed(text: &str) -> GatewayConfig {
        parse(Path::new("anyport.toml"), text).unwrap()
    }

    fn refused(text: &str) -> String {
        parse(Path::new("anyport.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_file_in_its_own_order() {
        let config = parsed(
            r#"
            [upstreams.files]
            command = ["npx", "-y", "files", "."]
            start = "eager"
            pin = "strict"
            [upstreams.a]
            command = "a"
            args = ["b"]
            [upstreams.a.tools.write]
            hidden = true
            arguments = { mode = "safe", depth = 3 }
            [upstreams.tracker]
            url = "https://tracker.example/mcp"
            bearer = "env:TRACKER_TOKEN"
            prefix = ""
            isolation = "caller"
            [servers.readonly]
            include = ["files_read*"]
            [knowledge.standards]
            docs = ["standards"]
            [limits]
            rounds = 3
            "#,
        );
        assert_eq!(config.upstreams.keys().collect::<Vec<_>>(), ["files", "a", "tracker"]);
        let [files, a, tracker] = ["files", "a", "tracker"].map(|name| &config.upstreams[name]);
        assert_eq!(files.command, Some(Words::List(["npx", "-y", "files", "."].map(str::to_owned).into())));
        assert_eq!((files.start, tracker.isolation), (Start::Eager, Isolation::Caller));
        assert_eq!((config.gateway.pin, files.pin, tracker.pin), (Pin::Report, Some(Pin::Strict), None));
        let Endpoint::Command { program, args, .. } = a.server().unwrap().endpoint else { panic!("{a:?}") };
        assert_eq!((program.as_str(), &*args), ("a", &["b".to_owned()][..]));
        assert_eq!(a.tools["write"].arguments["depth"], 3);
        assert_eq!(tracker.prefix.as_deref(), Some(""));
        assert_eq!(config.limits.named["rounds"], 3);
    }

    #[test]
    fn a_fault_shows_no_text_that_may_be_secret() {
        for text in [
            "[upstreams.a]\nbearer = \"SECRET",
            "[upstreams.a]\nheaders = { \"X\" = \"SECRET\", \"Y\" = }\n",
            "[upstreams.a]\nbaerer = 'SECRET'\n",
            "[upstreams.a]\nenv = { A = \"x\", B = 'SECRET' } nonsense\n",
            "[upstreams.a]\nbearer = SECRET\n",
            "[upstreams.a]\nbearer SECRET\n",
            "[upstreams.a]\nenv = { A = SECRET, B = \"x\" }\n",
            "[upstreams.a]\nargs = [\n  \"--token=SECRET\" nonsense\n]\n",
            "[upstreams.a]\nargs = [\n  \"--token\", SECRET,\n]\n",
            "[auth]\nsecret = \"SECRET, expected x\"\n",
            "[auth]\nkeys = \"SECRET\"\n",
            "[upstreams.a]\nurl = \"x\"\nauth = \"SECRET\"\n",
            "[auth.issuers.a]\nintrospection = \"SECRET\"\n",
        ] {
            assert!(!refused(text).contains("SECRET"), "{}", refused(text));
        }
        assert_eq!(hidden("a = \"env:T\", b = 'xyz' # c"), "a = \"env:T\", b = '***' # *");
        assert_eq!(hidden("a = {b = true, c = -1.5, d = late}"), "a = {b = true, c = -1.5, d = ****}");
        assert_eq!(hidden("[upstreams.\"a b\"]"), "[upstreams.\"a b\"]");
    }

    #[test]
    fn a_fault_is_shown_in_its_place() {
        let error = parse(Path::new("anyport.toml"), "[upstreams.a]\ncommand = \"a\"\nbaerer = \"env:T\"\n")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "anyport.toml:3:1\n3 | baerer = \"env:T\"\n  | ^^^^^^\nthere is no key `baerer` here"
        );
        let GatewayError::Fault { expected, place, .. } = error else { panic!("{error}") };
        assert!(expected.iter().any(|key| key == "bearer") && place.found() == "baerer", "{expected:?}");
        for (text, said) in [
            (
                "[upstreams.a]\ntitle = \"x\"\n",
                "anyport.toml:1:12\n1 | [upstreams.a]\n  |            ^\nit has neither",
            ),
            (
                "[upstreams.a]\nurl = \"x\"\ncommand = \"y\"\n",
                "2 | url = \"x\"\n  | ^^^\nthere is a `command`, too",
            ),
            ("[upstreams.a]\nurl = \"x\"\nenv = {A = \"b\"}\n", "3 | env = "),
            ("[upstreams.a]\nurl = \"unix:/s\"\nbearer = \"env:T\"\n", "3 | bearer\n  | ^^^^^^\n"),
            (
                "[upstreams.a]\nurl = \"unix:/s\"\nheaders = {A = \"b\"}\n",
                "nothing on a Unix socket has headers",
            ),
            ("[upstreams.\"a b\"]\nurl = \"x\"\n", "64 at most: a-b"),
            ("[knowledge.a]\n", "it has no `docs`"),
            ("[knowledge.a]\ndocs = [\"x\"]\n[upstreams.a]\nurl = \"y\"\n", "there is an upstream a, too"),
            ("[upstreams.a]\nstart = \"late\"\nurl = \"x\"\n", "it must be `on-demand` or `eager`"),
            ("[upstreams.a]\ncommand = 3\n", "a text or a list of texts"),
            ("[auth]\nsecret = \"x\"\n", "it is a text, and must be a table"),
            ("[auth]\nkeys = \"x\"\n", "it is a text, and must be a boolean"),
            ("[gateway]\n[auth]\n", "2 | [auth]\n"),
            ("[upstreams.a\n", "anyport.toml:1:"),
            ("[limits]\nrounds = -1\n", "2 | rounds = -1"),
        ] {
            assert!(refused(text).contains(said), "{text}\n{}", refused(text));
        }
    }

    #[test]
    fn the_file_of_a_client_becomes_upstreams() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp.json");
        let text = r#"{"mcpServers": {"my files": {"command": "npx", "args": ["files"]}, "my/files": {"url": "https://a.example/mcp"}}}"#;
        std::fs::write(&path, text).unwrap();
        let config = read(&path, folder.path()).unwrap();
        assert_eq!(config.upstreams.keys().collect::<Vec<_>>(), ["my-files", "my-files-2"]);
        assert_eq!(config.upstreams["my-files-2"].title.as_deref(), Some("my/files"));
        let text = r#"{"mcpServers": {"a": {"command": "npx"}, "b": {"env": {"KEY": "SECRET"}}}}"#;
        let path = folder.path().join("one-wrong.json");
        std::fs::write(&path, text).unwrap();
        let config = read(&path, folder.path()).unwrap();
        assert!(config.upstreams["a"].server().is_ok(), "one wrong entry spoils no other");
        let (_, fault) = config.upstreams["b"].server().unwrap_err();
        assert!(fault.contains("neither") && !fault.contains("SECRET"), "{fault}");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "model = \"x\"\n[mcp_servers.a]\ncommand = \"b\"\n").unwrap();
        assert_eq!(read(&path, folder.path()).unwrap().upstreams.keys().collect::<Vec<_>>(), ["a"]);
        assert!(read(&folder.path().join("none.toml"), folder.path()).is_err());
    }

    #[test]
    fn a_server_with_a_login_of_each_caller_has_no_cache() {
        let of = |auth: &str, cache: &str| {
            let text = format!(
                "[upstreams.x]\nurl = \"https://x.example/mcp\"\nauth = \"{auth}\"\ncache = {cache}\n"
            );
            parse(Path::new("anyport.toml"), &text).err().map(|fault| fault.to_string())
        };
        for auth in ["per_user", "token_exchange"] {
            let refused = of(auth, "true").unwrap();
            assert!(refused.contains("cache") && refused.contains("outlive that login"), "{refused}");
        }
        assert_eq!((of("per_user", "false"), of("oauth", "true")), (None, None));
    }
}
