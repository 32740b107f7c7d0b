use std::{env, fmt, path::PathBuf, str::FromStr, time::Duration};

use anyhow::Result;
use anyport_knowledge::DocumentTool;

use crate::{gateway, listen, target, user_error::UserError};

/// The arguments of `anyport serve`.
///
/// `-h` shows what most people need on one screen, `--help` all. Values of the environment are never shown: one of
/// them may be a secret in the wrong place.
#[derive(Debug, clap::Args)]
#[command(
    help_template = HELP,
    after_help = "anyport serve --help shows every option.",
    after_long_help = "Every option with a value can stand in the environment too: --max-connections is \
        ANYPORT_MAX_CONNECTIONS. Several values are separated by commas, folders as in PATH."
)]
pub(crate) struct Arguments {
    /// A folder of Markdown, or several, as with --docs.
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// A folder of Markdown, or several; else ./docs, else Anyport's own documentation.
    // The environment has its own way to write several, see `folders`.
    #[arg(long, value_name = "DIR")]
    docs: Vec<PathBuf>,
    /// The servers to serve: an anyport.toml, or the mcp.json of a client; else the nearest anyport.toml, unless folders are
    /// named.
    // The environment comes after folders that are named, see `gateway_file`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["folders", "docs"])]
    config: Option<PathBuf>,
    /// A further ending of documents' names, beside md and markdown; may be given several times.
    #[arg(
        long,
        value_name = "EXT",
        env = "ANYPORT_EXT",
        value_parser = ending,
        value_delimiter = ',',
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) ext: Vec<String>,
    /// A further language that clients can choose, beside those of the documents; may be given several times.
    #[arg(
        long,
        value_name = "WORD",
        env = "ANYPORT_LANGUAGES",
        value_delimiter = ',',
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) languages: Vec<String>,
    /// A further domain, likewise.
    #[arg(
        long,
        value_name = "WORD",
        env = "ANYPORT_DOMAINS",
        value_delimiter = ',',
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) domains: Vec<String>,
    /// A tool that is offered, instead of all; may be given several times, or with commas.
    #[arg(
        long,
        value_name = "TOOL",
        env = "ANYPORT_TOOLS",
        value_delimiter = ',',
        hide_env = true,
        hide_short_help = true
    )]
    tools: Vec<DocumentTool>,
    /// The server's name.
    #[arg(long, default_value = NAME, env = "ANYPORT_NAME", value_parser = name, hide_env = true, hide_short_help = true)]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) listen: listen::Arguments,

    /// Seconds that a call may take, 30 unless given; 600 without progress for a server of --config; the time a person takes
    /// to answer a question does not count.
    #[arg(
        long,
        help_heading = "Limits",
        value_name = "SECONDS",
        env = "ANYPORT_TIMEOUT",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) timeout: Option<Seconds>,
    /// Cache answers of read-only tools for so many seconds, 300 without a number; 0 disables the cache.
    #[arg(
        long,
        help_heading = "Limits",
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "300",
        env = "ANYPORT_CACHE",
        value_parser = clap::value_parser!(u64).range(0..=DAY),
        hide_env = true,
        hide_short_help = true
    )]
    cache: Option<u64>,
}

/// Examples first: most people need one of them, changed a little.
const HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

Examples:
  anyport serve standards           over HTTP on 127.0.0.1:3020
  anyport serve standards --stdio   for a client that starts the program itself
  anyport serve a b --port 8080     several folders, another port
  anyport serve --config mcp.json   every server of a client's file, behind one endpoint

{all-args}{after-help}";

/// The name of a server, unless something else is said.
pub(crate) const NAME: &str = "anyport";
/// How long a call may take, unless something else is said.
pub(crate) const TIMEOUT: Seconds = Seconds(Duration::from_secs(30));
/// In seconds: a longer timeout or cache lifetime makes no sense.
const DAY: u64 = 86_400;

/// A time that may have a fraction, from a millisecond to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let seconds = text.parse().ok().filter(|_| is_decimal);
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let time = time.filter(|time| (Duration::from_millis(1)..=Duration::from_secs(DAY)).contains(time));
        time.map(Self).ok_or_else(|| format!("must be seconds, such as 30 or 0.5, and {DAY} at most"))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}

/// The ending of a name, with or without its dot: no pattern.
fn ending(text: &str) -> Result<String, String> {
    let ending = text.trim_start_matches(['*', '.']);
    match text.contains(['*', '?', '/', '\\']) {
        true if ending.is_empty() || ending.contains(['*', '?', '/', '\\']) => {
            Err("it takes the ending of a name, no pattern: --ext rst".into())
        }
        true => Err(format!("it takes the ending of a name, no pattern: --ext {ending}")),
        false => Ok(text.to_owned()),
    }
}

fn name(text: &str) -> Result<String, String> {
    let named = !text.trim().is_empty() && !text.contains(char::is_control);
    named.then(|| text.to_owned()).ok_or_else(|| "must have letters, and no line breaks".into())
}

impl Arguments {
    /// The folders that were named: as words and by `--docs`, else in `ANYPORT_DOCS`, written as in `PATH`.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let given = [&*self.folders, &*self.docs].concat();
        if !given.is_empty() {
            return given;
        }
        let named = env::var_os("ANYPORT_DOCS").unwrap_or_default();
        env::split_paths(&named).filter(|folder| !folder.as_os_str().is_empty()).collect()
    }

    /// The file of servers that is served: the one that was named, or that of `ANYPORT_CONFIG` or the nearest `anyport.toml` if
    /// no folders were.
    pub(crate) fn gateway_file(&self) -> Option<PathBuf> {
        if self.config.is_some() || !self.folders.is_empty() || !self.docs.is_empty() {
            return self.config.clone();
        }
        let variable = env::var_os("ANYPORT_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let nearest = || self.folders().is_empty().then(gateway::nearest_file).flatten();
        variable.or_else(nearest)
    }

    /// Refuses options of documents, which a file of servers has in a table of its own.
    ///
    /// # Errors
    /// The first of them that was given.
    pub(crate) fn refuse_document_options(&self) -> Result<()> {
        let given = [
            ("--ext", !self.ext.is_empty()),
            ("--languages", !self.languages.is_empty()),
            ("--domains", !self.domains.is_empty()),
            ("--tools", !self.tools.is_empty()),
            ("--cache", self.cache.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((option, _)) => Err(UserError::usage(
                format!("{option} is for folders of documents, and servers of a file are served"),
                format!("leave out {option}, or name the folders with --docs"),
            )),
        }
    }

    /// The time that a call may take.
    pub(crate) fn timeout(&self) -> Seconds {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// The time that a call to a server of a gateway may take without progress, unless the server says something else.
    pub(crate) fn silent_timeout(&self) -> Duration {
        self.timeout.map_or(target::CALL_TIMEOUT, |Seconds(time)| time)
    }

    /// The tools that were chosen; none, if all are offered.
    pub(crate) fn chosen_tools(&self) -> &[DocumentTool] {
        &self.tools
    }

    /// The tools that are offered. In Anyport's own documentation there are no standards.
    pub(crate) fn tools(&self, embedded_docs: bool) -> Vec<DocumentTool> {
        if !self.tools.is_empty() {
            return self.tools.clone();
        }
        let offered = |tool: &DocumentTool| !embedded_docs || *tool != DocumentTool::GetStdlib;
        DocumentTool::ALL.into_iter().filter(offered).collect()
    }

    /// The lifetime of cached answers, if there is a cache.
    pub(crate) fn cache(&self) -> Option<Duration> {
        self.cache.filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }
}
