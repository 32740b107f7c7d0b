//! A server in another process, on its standard streams.

use std::{io, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    Arrival, Exchange,
    channel::{Channel, Out},
};

/// How long a process may take to end by itself once its input is at its end.
const GRACE: Duration = Duration::from_secs(5);

impl Channel {
    pub(super) fn child(mut command: Command, out: Out) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let lacks = || io::Error::other("a process without standard streams");
        let mut input = child.stdin.take().ok_or_else(lacks)?;
        let output = child.stdout.take().ok_or_else(lacks)?;
        let (to, mut from) = mpsc::unbounded_channel::<String>();
        let carrying = tokio::spawn(async move {
            let sending = async move {
                while let Some(text) = from.recv().await {
                    let line = format!("{}\n", text.replace(['\n', '\r'], " "));
                    if input.write_all(line.as_bytes()).await.is_err() {
                        return;
                    }
                }
            };
            let receiving = async move {
                let mut lines = BufReader::new(output).split(b'\n');
                while let Ok(Some(line)) = lines.next_segment().await {
                    let _ = out.send((Exchange::CHANNEL, Arrival::of(&line)));
                }
            };
            tokio::join!(sending, receiving);
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let status = tokio::select! {
                status = child.wait() => status?,
                _ = stopped => match timeout(GRACE, child.wait()).await {
                    Ok(status) => status?,
                    Err(_) => {
                        child.kill().await?;
                        return Err(io::Error::other("the process did not end with its input, and was killed"));
                    }
                },
            };
            if status.success() {
                Ok(())
            } else {
                Err(io::Error::other(format!("the process ended with {status}")))
            }
        });
        Ok(Self::new(to, carrying, stop, serving))
    }
}
