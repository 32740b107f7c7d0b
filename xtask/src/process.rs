//! Running other programs: to their end, or beside us for a while.

use std::{
    fs::File,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::Failure;

/// How long a server may take until it accepts connections. A dev build on a busy machine is slow, and so are some programs of other
/// projects; a server that never starts should not hold up CI.
const START: Duration = Duration::from_secs(60);

/// Runs `command` to its end, with its output shown.
///
/// # Errors
/// When it cannot start or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdin(Stdio::null()).status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", show(command)).into()) }
}

/// Runs `command` to its end and returns what it wrote to its standard output; errors are shown.
///
/// # Errors
/// When it cannot start or does not succeed.
pub(crate) fn stdout(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let (written, ended) = output(command)?;
    ended.map(|()| written)
}

/// Runs `command` to its end and returns what it wrote to its standard output, and whether it succeeded; errors are shown.
///
/// # Errors
/// When it cannot start.
pub(crate) fn output(command: &mut Command) -> Result<(Vec<u8>, Result<(), Failure>), Failure> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| cannot_start(command, &error))?;
    let ended = if output.status.success() {
        Ok(())
    } else {
        Err(format!("`{}` ended with {}", show(command), output.status).into())
    };
    Ok((output.stdout, ended))
}

/// `command`, with the variables that it sets, and with these words before its own; without any, as it is.
pub(crate) fn below(words: &[&str], command: &Command) -> Command {
    let program = command.get_program();
    let mut below = match words {
        [] => Command::new(program),
        [first, others @ ..] => {
            let mut below = Command::new(first);
            below.args(others).arg(program);
            below
        }
    };
    below.args(command.get_args());
    below.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    below
}

/// Returns an unused TCP port of this machine.
///
/// # Errors
/// When the system has none.
pub(crate) fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A server that runs beside us and ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command`, writes all its output to `log`, and waits until it listens on `port`.
    ///
    /// # Errors
    /// When it cannot start, ends at once, or does not listen in time; the error shows the end of the log.
    pub(crate) fn start(command: &mut Command, port: u16, log: &Path) -> Result<Self, Failure> {
        Self::start_watched(command, port, log, Duration::from_millis(50))
    }

    /// As [`Server::start`], for those who need to know soon that it listens: it looks anew after each `pause`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start_watched(
        command: &mut Command,
        port: u16,
        log: &Path,
        pause: Duration,
    ) -> Result<Self, Failure> {
        let file = File::create(log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().map_err(|error| cannot_start(command, &error))?;
        let mut server = Self { child, log: log.into() };
        match server.wait_for(port, pause) {
            Ok(()) => Ok(server),
            Err(what) => {
                Err(format!("`{}` {what}; it wrote:\n{}", show(command), server.last_words()).into())
            }
        }
    }

    fn wait_for(&mut self, port: u16, pause: Duration) -> Result<(), String> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let start = Instant::now();
        while start.elapsed() < START {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended with {status}"));
            }
            if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                return Ok(());
            }
            sleep(pause);
        }
        Err(format!("did not listen on port {port} within {} s", START.as_secs()))
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as a terminal or a supervisor does, and waits until it has.
    ///
    /// # Errors
    /// When it cannot be asked, or does not end in time.
    pub(crate) fn terminate(mut self) -> Result<(), Failure> {
        run(Command::new("kill").args(["-TERM", &self.pid().to_string()]))?;
        let start = Instant::now();
        while start.elapsed() < START {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(Duration::from_millis(10));
        }
        Err(format!("process {} goes on although it was told to end", self.pid()).into())
    }

    /// The last lines of the log.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // They fail only for what has ended already, which is what is wanted. The first is for a server with workers that was started
        // as a group of its own: they would go on without it.
        let group = format!("-{}", self.pid());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "there is no runtime here whose worker could be blocked")]
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// The run's seed, with which it can be repeated, and what must not have happened: the end of a long log says them again.
pub(crate) fn violations(report: &str) -> String {
    let told =
        report.lines().filter(|line| ["seed ", "VIOLATION: "].iter().any(|word| line.starts_with(word)));
    told.map(|line| format!("\n  {line}")).collect()
}

fn cannot_start(command: &Command, error: &io::Error) -> Failure {
    format!("cannot start `{}`: {error}", command.get_program().display()).into()
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text += " ";
        text += &argument.to_string_lossy();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cargo(argument: &str) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap());
        command.arg(argument);
        command
    }

    #[test]
    fn a_program_that_fails_is_an_error_that_names_it() {
        assert!(stdout(&mut cargo("--version")).unwrap().starts_with(b"cargo "));
        let failure = stdout(&mut cargo("--no-such-option")).unwrap_err().to_string();
        assert!(failure.contains("--no-such-option` ended with"), "{failure}");
        let failure = run(&mut Command::new("no-such-program")).unwrap_err().to_string();
        assert!(failure.starts_with("cannot start `no-such-program`"), "{failure}");
    }

    #[test]
    fn what_runs_below_another_program_keeps_its_words() {
        let command = cargo("--version");
        let words = |words: &[&str]| show(&below(words, &command));
        assert_eq!(words(&[]), show(&command));
        assert!(words(&["valgrind", "-q"]).starts_with("valgrind -q "));
        assert!(words(&["valgrind", "-q"]).ends_with("cargo --version"));
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error_with_its_last_words() {
        let log = std::env::temp_dir().join(format!("xtask-{}.log", std::process::id()));
        let started = Server::start(&mut cargo("--no-such-option"), free_port().unwrap(), &log);
        let Err(failure) = started else { panic!("it cannot have started") };
        assert!(failure.to_string().contains("--no-such-option` ended with"), "{failure}");
        assert!(failure.to_string().contains("unexpected argument"), "{failure}");
        std::fs::remove_file(&log).unwrap();
    }

    #[test]
    fn a_failure_tells_the_seed_and_the_violations() {
        let report = "seed 7\na modern server  echo  9  answered\nVIOLATION: two answers";
        assert_eq!(violations(report), "\n  seed 7\n  VIOLATION: two answers");
    }
}
