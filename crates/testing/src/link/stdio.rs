use std::{
    io::{self, Read, Write},
    sync::mpsc as blocking,
};

use anyport_service::Service;
use anyport_transport::stdio::{Config, serve_on};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{Arrival, Exchange};
use crate::Lost;

/// Standard streams in memory.
#[derive(Debug)]
pub(super) struct Stdio {
    input: blocking::Sender<Vec<u8>>,
    serving: JoinHandle<io::Result<()>>,
}

impl Stdio {
    pub(super) fn serve(
        service: impl Service,
        config: Config,
        out: mpsc::UnboundedSender<(Exchange, Arrival)>,
    ) -> Self {
        let (input, receive) = blocking::channel();
        let pipe = Pipe { parts: receive, rest: Vec::new() };
        let lines = Lines { out, line: Vec::new() };
        let serving = tokio::spawn(serve_on(service, config, std::future::pending(), pipe, lines));
        Self { input, serving }
    }

    pub(super) fn send(&self, text: &str) -> Result<(), Lost> {
        let mut line = text.replace(['\n', '\r'], " ").into_bytes();
        line.push(b'\n');
        self.input.send(line).map_err(|_| Lost::Ended("a reader of standard input".into()))
    }

    pub(super) async fn close(self) -> io::Result<()> {
        drop(self.input);
        self.serving.await.map_err(io::Error::other)?
    }
}

/// The reading end of standard input.
struct Pipe {
    parts: blocking::Receiver<Vec<u8>>,
    rest: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            match self.parts.recv() {
                Ok(part) => self.rest = part,
                Err(_) => return Ok(0),
            }
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

/// The writing end of standard output: a message a line.
struct Lines {
    out: mpsc::UnboundedSender<(Exchange, Arrival)>,
    line: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let arrival = (Exchange::CHANNEL, Arrival::of(&line));
            self.out.send(arrival).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Arrival {
    /// Reads a message.
    pub(super) fn of(text: &[u8]) -> Self {
        match serde_json::from_slice(text) {
            Ok(message) => Self::Message(message, String::from_utf8_lossy(text).into_owned()),
            Err(_) => Self::Garbage(String::from_utf8_lossy(text).into_owned()),
        }
    }
}
