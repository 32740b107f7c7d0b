use std::{io::ErrorKind, path::Path, process::Stdio, sync::Arc, time::Duration};

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use tokio::{task::JoinHandle, time::timeout};

#[cfg(unix)]
use super::guard::Guarded;
use super::{Command, stderr::Ring};
use crate::client::{
    CloseReason, ConnectError,
    duplex::{Channel, Duplex, Open, Opening, read, write},
};

impl Open for Command {
    async fn open(&self, opening: Opening) -> Result<Channel, ConnectError> {
        let mut child = self.wrapped().spawn().map_err(|error| self.refused(error))?;
        #[cfg(unix)]
        let guarded = self.guard.as_ref().zip(child.id()).map(|(guard, group)| guard.guarded(group));
        let (stdin, stdout, stderr) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
        let (channel, connection, outbox) = Channel::new(opening);
        let ring = Ring::new(self.stderr_kept).last_line(self.last_line.clone());
        let mut streams = Streams::default();
        if let Some(stdin) = stdin {
            streams.input = Some(tokio::spawn(async move {
                // A process that does not read is told in its own way: by its end, or by timeouts.
                let _ = write(stdin, outbox).await;
            }));
        }
        if let Some(stdout) = stdout {
            let connection = connection.clone();
            streams.output = Some(tokio::spawn(async move {
                read(stdout, connection).await;
            }));
        }
        if let Some(stderr) = stderr {
            let reader = self.stderr_reader.as_ref().zip(child.id());
            let reader = reader.map(|(reader, process)| reader.of_process(process));
            streams.error = Some(tokio::spawn(ring.clone().fill(stderr, self.forward_stderr, reader)));
        }
        let process = Process {
            child: Kill(child),
            #[cfg(unix)]
            _guarded: guarded,
            connection,
            streams,
            ring,
            linger: self.linger,
            grace: self.grace,
        };
        tokio::spawn(process.watch());
        Ok(channel)
    }
}

impl Command {
    fn wrapped(&self) -> CommandWrap {
        let mut command = CommandWrap::with_new(&self.program, |command| {
            command.args(&self.args).env_clear().envs(self.inherited());
            command.envs(self.env.iter().map(|(name, value)| (name, value)));
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            if let Some(cwd) = &self.cwd {
                command.current_dir(cwd);
            }
        });
        // Should the runtime end before the process; what it has started is killed by ours.
        command.wrap(KillOnDrop);
        #[cfg(unix)]
        command.wrap(process_wrap::tokio::ProcessGroup::leader());
        #[cfg(windows)]
        command.wrap(process_wrap::tokio::JobObject);
        command
    }

    /// Why the program could not be started, and what may help.
    fn refused(&self, source: std::io::Error) -> ConnectError {
        let program = Path::new(&self.program).to_owned();
        if source.kind() != ErrorKind::NotFound {
            return ConnectError::Spawn { source: explained(&program, source), program };
        }
        let hint = match (&self.cwd, self.program.to_str()) {
            (Some(cwd), _) if !cwd.is_dir() => {
                format!("the folder to run it in does not exist: {}", cwd.display())
            }
            // The system says the same where it is there, and what its first line names is not.
            _ if program.components().count() > 1 && program.exists() => {
                "the file is there, but what runs it is not: check its first line (#!)".to_owned()
            }
            _ if program.components().count() > 1 => "no such file; check the path".to_owned(),
            (_, Some("npx" | "npm" | "node")) => "install Node.js, or add its folder to PATH".to_owned(),
            (_, Some("uvx" | "uv")) => "install uv, or add its folder to PATH".to_owned(),
            _ => "it is in no folder of PATH; install it, or give its whole path".to_owned(),
        };
        ConnectError::NoProgram { program, hint }
    }
}

/// What the system says, and what is meant by it.
fn explained(program: &Path, source: std::io::Error) -> std::io::Error {
    let hint = match source.kind() {
        ErrorKind::PermissionDenied if program.is_dir() => "it is a folder",
        ErrorKind::PermissionDenied if program.is_file() => "may it be executed (chmod +x)?",
        ErrorKind::ExecutableFileBusy => "it is being written",
        _ => return source,
    };
    std::io::Error::new(source.kind(), format!("{source}; {hint}"))
}

/// A running process, and what carries its streams.
struct Process {
    child: Kill,
    /// Given up after the process.
    #[cfg(unix)]
    _guarded: Option<Guarded>,
    connection: Arc<Duplex>,
    streams: Streams,
    ring: Ring,
    linger: Duration,
    grace: Duration,
}

/// A process that is killed with all that it has started when nobody watches it any more: the runtime has ended.
struct Kill(Box<dyn ChildWrapper>);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.start_kill();
    }
}

/// The tasks of the three streams; they end with what watches the process.
#[derive(Default)]
struct Streams {
    input: Option<JoinHandle<()>>,
    output: Option<JoinHandle<()>>,
    error: Option<JoinHandle<()>>,
}

/// How long what a process wrote last is read on once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[cfg(unix)]
const SIGTERM: i32 = 15;

impl Process {
    /// Waits for the end of the process, or brings it about; then ends the connection.
    async fn watch(mut self) {
        let connection = self.connection.clone();
        let ended = tokio::select! {
            ended = self.child.0.wait() => ended.map(Some).unwrap_or(None),
            () = connection.closing() => self.shut_down().await,
            // It closed its output, so it will say nothing more. 2026-07-28, stdio §Shutdown: "The server MAY initiate
            // shutdown by closing its output stream to the client and exiting."
            () = over(self.streams.output.as_mut()) => {
                self.streams.output = None;
                connection.close_input();
                self.shut_down().await
            }
        };
        // What it has started and left behind.
        let _ = self.child.0.start_kill();
        for stream in [self.streams.output.take(), self.streams.error.take()].into_iter().flatten() {
            let mut stream = stream;
            if timeout(LAST_WORDS, &mut stream).await.is_err() {
                // Something that has left the group holds it open.
                stream.abort();
            }
        }
        let closed = connection.was_closed();
        let exited = CloseReason::Exited { status: ended, stderr: self.ring.text().into() };
        drop(self);
        connection.end(if closed { CloseReason::Closed } else { exited });
    }

    /// Closes its input and waits; then tells it to end; then kills it.
    async fn shut_down(&mut self) -> Option<std::process::ExitStatus> {
        let (linger, grace) = (self.linger, self.grace);
        if let Some(mut input) = self.streams.input.take()
            && timeout(linger, &mut input).await.is_err()
        {
            // It does not read: the input is closed all the same.
            input.abort();
        }
        if let Ok(status) = timeout(linger, self.child.0.wait()).await {
            return status.ok();
        }
        #[cfg(unix)]
        {
            let _ = self.child.0.signal(SIGTERM);
            if let Ok(status) = timeout(grace, self.child.0.wait()).await {
                return status.ok();
            }
        }
        let _ = self.child.0.start_kill();
        self.child.0.wait().await.ok()
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        for task in [&self.input, &self.output, &self.error].into_iter().flatten() {
            task.abort();
        }
    }
}

async fn over(task: Option<&mut JoinHandle<()>>) {
    match task {
        Some(task) => {
            let _ = task.await;
        }
        None => std::future::pending().await,
    }
}
