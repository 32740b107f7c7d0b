//! A command that writes a secret: `cmd:COMMAND`.

use std::{
    io::{self, Read as _},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// How long such a command may take: a password manager may ask its user.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most that is read of its output, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The commands that run, by the number of their process, and how each is told to end.
static RUNNING: Mutex<Vec<(u32, mpsc::Sender<io::Result<String>>)>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<(u32, mpsc::Sender<io::Result<String>>)>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of [`RUNNING`], until it is dropped.
struct Registered(u32);

impl Drop for Registered {
    fn drop(&mut self) {
        running().retain(|(process, _)| *process != self.0);
    }
}

/// How long [`end_all`] waits for the commands.
const LEAVE: Duration = Duration::from_secs(2);

/// Ends every command that runs: nothing outlives the program.
pub(crate) async fn end_all() {
    let ended = async {
        while !running().is_empty() {
            for (_, end) in running().iter() {
                let _ = end.send(Err(io::ErrorKind::Interrupted.into()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = tokio::time::timeout(LEAVE, ended).await;
}

/// The standard output of `command`, which is split into words as a shell does, and started without one.
///
/// # Errors
/// When it cannot be started, fails, or does not end in time. The output is not repeated.
pub(crate) fn output(command: &str) -> Result<String, String> {
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let Some((program, arguments)) = words.as_ref().and_then(|words| words.split_first()) else {
        return Err(format!("the command is not closed: {command}"));
    };
    let mut started = Command::new(program);
    started.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = started.spawn().map_err(|error| format!("{program} cannot be started: {error}"))?;
    let (ended, end) = mpsc::channel();
    running().push((child.id(), ended.clone()));
    let _registered = Registered(child.id());
    if let Some(output) = child.stdout.take() {
        thread::spawn(move || {
            let mut text = String::new();
            let read = output.take(LONGEST).read_to_string(&mut text);
            // Nobody waits any more when the time is over.
            let _ = ended.send(read.map(|_| text));
        });
    }
    let read = match end.recv_timeout(PATIENCE) {
        Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
            kill(&mut child);
            return Err(format!("{program} was ended, since the program stops"));
        }
        Ok(read) => read,
        Err(_) => {
            kill(&mut child);
            return Err(format!("{program} did not end within {} s", PATIENCE.as_secs()));
        }
    };
    let status = child.wait().map_err(|error| format!("{program}: {error}"))?;
    match (status.success(), read) {
        (true, Ok(text)) => Ok(text),
        (true, Err(error)) => Err(format!("the output of {program} is no text: {error}")),
        (false, _) => Err(format!("{program} failed: {status}")),
    }
}

/// Ends a command, which may have ended just now.
fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_writes_is_the_secret() {
        assert_eq!(output("printf 'to ken'").unwrap(), "to ken");
        assert!(output("false").unwrap_err().starts_with("false failed"));
        assert!(output("no-such-program-here x").unwrap_err().contains("cannot be started"));
        assert!(output("echo 'open").unwrap_err().contains("not closed"));
    }
}
