//! Servers that are started as a child process and speak on its standard streams.
//!
//! 2026-07-28, stdio §Shutdown: "The client SHOULD initiate shutdown by: 1. Closing the input stream to the child process
//! 2. Waiting for the server to exit. 3. If the server does not exit within a reasonable time, forcibly terminating the
//! process". The process leads a group of its own (on Windows, a job), so that what it has started ends with it.

#[cfg(unix)]
mod guard;
mod process;
mod stderr;
#[cfg(test)]
mod tests;

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::PathBuf,
    time::Duration,
};

#[cfg(unix)]
pub use self::guard::Guard;
pub use self::stderr::{LastLine, StderrReader};

/// A program to start, and how.
///
/// Its environment is not this process's: it has the variables of [`Command::INHERITED`], those that [`Command::inherit`]
/// names, or all after [`Command::inherit_all`], and those of [`Command::env`]. What it writes to standard error is kept in part for errors
/// and logged at the level `debug` for the target `anyport::stderr`; [`Command::forward_stderr`] also writes it to this
/// process's standard error.
///
/// ```
/// use anyport_transport::client::child::Command;
///
/// let server = Command::new("uvx").arg("mcp-server-time").inherit("SSL_CERT_FILE").forward_stderr(true);
/// # let _ = server;
/// ```
#[derive(Clone)]
pub struct Command {
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables that it is given. Beside these it has those of [`Command::INHERITED`] and no others: secrets of this
    /// process's environment are not for every program that it starts.
    pub env: Vec<(OsString, OsString)>,
    /// Further variables of this process that it may have, by name.
    pub inherit: Vec<OsString>,
    /// Whether it has all variables of this process, secrets included. Default `false`.
    pub inherit_all: bool,
    /// The folder that it runs in. Default this process's.
    pub cwd: Option<PathBuf>,
    /// How long it may take to end once its input was closed (`linger`). Then it is told to. Default 2 s.
    pub linger: Duration,
    /// How long it may take to end once it was told to (`grace`). Then it is killed. Default 2 s.
    pub grace: Duration,
    /// How many of the last bytes that it writes to standard error are kept to be told in errors (`stderr_kept`). Default
    /// 8 KiB.
    pub stderr_kept: usize,
    /// Whether what it writes to standard error is also written to this process's. Default `false`.
    pub forward_stderr: bool,
    /// Where the last line that it writes to standard error is noted. Default nowhere.
    pub last_line: Option<LastLine>,
    /// What reads all that it writes to standard error. Default nothing.
    pub stderr_reader: Option<StderrReader>,
    /// What ends it, and what it has started, should this process be killed without being asked. Default nothing: then a
    /// program is left that does not end with its input. On Windows the job that it runs in sees to that.
    #[cfg(unix)]
    pub guard: Option<Guard>,
}

impl Command {
    /// The variables of this process that every program has, if they are set.
    pub const INHERITED: &[&str] = if cfg!(windows) {
        &[
            "APPDATA",
            "COMSPEC",
            "HOMEDRIVE",
            "HOMEPATH",
            "LOCALAPPDATA",
            "PATH",
            "PATHEXT",
            "PROCESSOR_ARCHITECTURE",
            "PROGRAMFILES",
            "SYSTEMDRIVE",
            "SYSTEMROOT",
            "TEMP",
            "TMP",
            "USERNAME",
            "USERPROFILE",
        ]
    } else {
        &[
            "HOME",
            "LANG",
            "LC_ALL",
            "LC_CTYPE",
            "LOGNAME",
            "PATH",
            "SHELL",
            "TERM",
            "TMPDIR",
            "TZ",
            "USER",
            "XDG_CACHE_HOME",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_RUNTIME_DIR",
        ]
    };

    /// This program, without arguments.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            inherit: Vec::new(),
            inherit_all: false,
            cwd: None,
            linger: Duration::from_secs(2),
            grace: Duration::from_secs(2),
            stderr_kept: 8 * 1024,
            forward_stderr: false,
            last_line: None,
            stderr_reader: None,
            #[cfg(unix)]
            guard: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Gives it a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Gives it the variable `name` of this process, if that is set.
    #[must_use]
    pub fn inherit(mut self, name: impl Into<OsString>) -> Self {
        self.inherit.push(name.into());
        self
    }

    /// Gives it all variables of this process, secrets included.
    #[must_use]
    pub fn inherit_all(mut self) -> Self {
        self.inherit_all = true;
        self
    }

    /// Sets whether what it writes to standard error is also written to this process's.
    #[must_use]
    pub fn forward_stderr(mut self, forward: bool) -> Self {
        self.forward_stderr = forward;
        self
    }

    /// Notes the last line that it writes to standard error in `line`.
    #[must_use]
    pub fn last_line(mut self, line: LastLine) -> Self {
        self.last_line = Some(line);
        self
    }

    /// Sets the folder that it runs in.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// The variables of this process that it has.
    fn inherited(&self) -> Vec<(OsString, OsString)> {
        if self.inherit_all {
            return std::env::vars_os().collect();
        }
        let always = Self::INHERITED.iter().map(OsStr::new);
        let names = always.chain(self.inherit.iter().map(OsString::as_os_str));
        names.filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?))).collect()
    }
}

/// Without the values of its variables, which are where programs are given their secrets.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &self.env.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}
