//! Logs and notices, on standard error and in a file.
//!
//! - [`line`]: an event as one line, for people or for programs.
//! - [`queue`]: lets no caller wait for the reader of the lines.
//! - [`filter`]: which lines are logged, by module.
//! - [`file`]: the log file, which makes room by itself.
//! - [`status`]: the line of a terminal that says what is waited for.

mod file;
pub(crate) mod filter;
mod format;
mod line;
mod queue;
pub(crate) mod status;

use std::{
    borrow::Cow,
    fmt,
    io::{self, IsTerminal as _, Write as _},
    panic,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use anyhow::Result;
use anyport_config::gateway::LogConfig;
use anyport_metrics::Metrics;
use clap::ValueEnum;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, filter::Targets, fmt::MakeWriter, layer::SubscriberExt as _, registry::LookupSpan,
};

pub(crate) use self::file::LogLimits;
use self::{
    file::{LogFile, Rotation},
    format::Format,
    queue::Queue,
};
use crate::{target::redacted_for_log, user_error::UserError};

/// How much to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Level {
    #[value(alias = "critical")]
    Error,
    #[value(alias = "warning")]
    Warn,
    Info,
    Debug,
    Trace,
}

/// Where logs go, and which.
// Part of each command, not `global`: for those clap reads the environment before it looks at the command's arguments, and
// refuses a variable that the command line has overruled.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logs")]
#[group(skip)]
pub(crate) struct Arguments {
    /// How much to log on standard error: error, warn, info, debug or trace.
    #[arg(
        long,
        value_name = "LEVEL",
        env = "ANYPORT_LOG_LEVEL",
        default_value = "warn",
        ignore_case = true,
        hide_env = true,
        hide_possible_values = true
    )]
    log_level: Level,
    /// Format of log lines: for people (human, the default) or programs (json).
    #[arg(
        long,
        value_name = "FORMAT",
        env = "ANYPORT_LOG_FORMAT",
        ignore_case = true,
        hide_env = true,
        hide_possible_values = true,
        hide_short_help = true
    )]
    log_format: Option<Format>,
    /// A file that receives the logs too; a full file becomes PATH.1 and a new one begins.
    #[arg(long, value_name = "PATH", env = "ANYPORT_LOG_FILE", hide_env = true, hide_short_help = true)]
    log_file: Option<PathBuf>,
    /// When the log file is moved aside: when it is full (size, the default), or also each day (day).
    #[arg(
        long,
        value_name = "WHEN",
        env = "ANYPORT_LOG_ROTATION",
        ignore_case = true,
        hide_env = true,
        hide_possible_values = true,
        hide_short_help = true
    )]
    log_rotation: Option<Rotation>,
}

/// Begins to log to standard error, for commands that a person waits for: warnings, none with `quiet`, more the more
/// `verbose`.
pub(crate) fn to_errors(quiet: bool, verbose: u8) {
    // Logs of other libraries do not help to find a fault of a server.
    let (others, ours) = match (quiet, verbose) {
        (true, _) => (LevelFilter::ERROR, LevelFilter::ERROR),
        (false, 0 | 1) => (LevelFilter::WARN, LevelFilter::WARN),
        (false, 2) => (LevelFilter::WARN, LevelFilter::DEBUG),
        (false, _) => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_target(verbose > 1)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_writer(|| Errors);
    let filter = filter::capped(Targets::new().with_default(others).with_target("anyport", ours));
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    // A test may have set one before.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Where everything goes that the program says.
struct Sinks {
    format: Format,
    errors: Queue,
    file: Option<Queue>,
}

static SINKS: OnceLock<Sinks> = OnceLock::new();

/// Begins to log, on standard error and, if one is named, in a file: standard output belongs to the protocol. What `arguments` do not
/// say, `config` says, whose paths are relative to `folder`.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn start(
    arguments: &Arguments,
    config: &LogConfig,
    folder: &Path,
    limits: LogLimits,
) -> Result<()> {
    let format = arguments.log_format.or(config.format.map(Format::from)).unwrap_or_default();
    let rotation = arguments.log_rotation.or(config.rotation.map(Rotation::from)).unwrap_or_default();
    let path = arguments.log_file.clone().or_else(|| config.file.as_ref().map(|file| folder.join(file)));
    let file =
        path.map(|path| LogFile::open(&path, limits, rotation).map_err(|error| refused(&path, &error)));
    let errors = Queue::new("standard error", format, limits.queue, io::stderr());
    let file = file.transpose()?.map(|file| Queue::new("log file", format, limits.queue, file));
    let level = match arguments.log_level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    // Only a terminal gets colours; else a line is written once for both.
    let colours = format == Format::Human && io::stderr().is_terminal();
    let (first, second) = match (colours, file.clone()) {
        (true, file) => (Outlet(errors.clone(), None), file.map(|file| Outlet(file, None))),
        (false, file) => (Outlet(errors.clone(), file), None),
    };
    let _ = SINKS.set(Sinks { format, errors, file });
    let subscriber = tracing_subscriber::registry()
        .with(filter::starting_at(level))
        .with(layer(format, colours, first))
        .with(second.map(|outlet| layer(format, false, outlet)));
    // There is one only in the tests of this very process.
    let _ = tracing::subscriber::set_global_default(subscriber);
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panicked: {message}");
    }));
    Ok(())
}

fn layer<S>(format: Format, colours: bool, outlet: Outlet) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // The layer itself would tell of its failures with `eprintln!`, which panics where standard error is closed.
    let layer = tracing_subscriber::fmt::layer().log_internal_errors(false).with_writer(outlet);
    match format {
        Format::Human => layer.with_ansi(colours).fmt_fields(line::Human).boxed(),
        Format::Json => layer.with_ansi(false).fmt_fields(line::Json).event_format(line::Json).boxed(),
    }
}

fn refused(path: &Path, error: &io::Error) -> anyhow::Error {
    UserError::failed(
        format!("cannot write the log file {}: {error}", path.display()),
        "name a file in a folder that exists and that you may write to, with --log-file or `file` of [log], or leave it out",
    )
}

/// Counts lines that are lost in `metrics`.
pub(crate) fn count_in(metrics: &Metrics) {
    queue::count_in(metrics);
}

/// Writes a notice for the person who started the program, at every log level: to standard error in one piece, and to
/// the log file line by line.
///
/// A missing reader, or a full disk, is not a reason to stop serving.
pub(crate) fn notice(text: impl fmt::Display) {
    let text = text.to_string();
    let text = redacted_for_log(&text);
    let Some(sinks) = SINKS.get() else {
        let _ = status::instead(|| io::stderr().write_all(format!("{text}\n").as_bytes()));
        return;
    };
    // Colours are for the terminal alone.
    let plain = anstream::adapter::strip_str(&text).to_string();
    match sinks.format {
        Format::Human => {
            sinks.errors.push(format!("{text}\n").into_bytes());
            if let Some(file) = &sinks.file {
                plain.lines().for_each(|text| file.push(line::notice(text)));
            }
        }
        Format::Json => {
            let line = line::json_notice(&plain);
            if let Some(file) = &sinks.file {
                file.push(line.clone());
            }
            sinks.errors.push(line);
        }
    }
}

/// Waits until all lines are written, but not long: a missing reader must not keep the program from ending.
pub(crate) fn flush() {
    const PATIENCE: Duration = Duration::from_secs(1);
    if let Some(sinks) = SINKS.get() {
        sinks.errors.flush(PATIENCE);
        if let Some(file) = &sinks.file {
            file.flush(PATIENCE);
        }
    }
}

/// Where the lines of one form go.
#[derive(Clone)]
struct Outlet(Queue, Option<Queue>);

impl<'a> MakeWriter<'a> for Outlet {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Each event is written in one piece.
impl io::Write for Outlet {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let redacted = without_secrets(line);
        if let Some(queue) = &self.1 {
            queue.push(redacted.to_vec());
        }
        self.0.push(redacted.into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error, for commands that a person waits for.
struct Errors;

impl io::Write for Errors {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A missing reader is not a reason to fail.
        let _ = status::instead(|| io::stderr().write_all(&without_secrets(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn without_secrets(line: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(line).map(redacted_for_log) {
        Ok(Cow::Owned(line)) => Cow::Owned(line.into_bytes()),
        _ => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_logged_where_it_happened_and_on_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let log_file = Some(folder.path().join("log"));
        let arguments = Arguments { log_level: Level::Error, log_format: None, log_file, log_rotation: None };
        start(&arguments, &LogConfig::default(), Path::new("."), LogLimits::default()).unwrap();
        let result = std::thread::spawn(|| panic!("first\nsecond")).join();
        // Other tests fail in the usual way.
        let _ = panic::take_hook();
        assert!(result.is_err());
        flush();
        let text = std::fs::read_to_string(folder.path().join("log")).unwrap();
        // Other tests may have said something meanwhile.
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("panicked")).collect();
        let [line] = lines[..] else { panic!("{text}") };
        assert!(line.contains("panicked: first\\nsecond") && line.contains("logging/mod.rs:"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("second")), "{text}");
    }
}
