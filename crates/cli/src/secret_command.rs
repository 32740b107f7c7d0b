//! A command that writes a secret: `cmd:COMMAND`.

use std::{
    io::Read as _,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long such a command may take: a password manager may ask its user.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most that is read of its output, in bytes.
const LONGEST: u64 = 64 * 1024;

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
    if let Some(output) = child.stdout.take() {
        thread::spawn(move || {
            let mut text = String::new();
            let read = output.take(LONGEST).read_to_string(&mut text);
            // Nobody waits any more when the time is over.
            let _ = ended.send(read.map(|_| text));
        });
    }
    let Ok(read) = end.recv_timeout(PATIENCE) else {
        // It may have ended just now.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("{program} did not end within {} s", PATIENCE.as_secs()));
    };
    let status = child.wait().map_err(|error| format!("{program}: {error}"))?;
    match (status.success(), read) {
        (true, Ok(text)) => Ok(text),
        (true, Err(error)) => Err(format!("the output of {program} is no text: {error}")),
        (false, _) => Err(format!("{program} failed: {status}")),
    }
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
