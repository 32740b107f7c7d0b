use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::Failure;

/// Reads `/metrics` of a gateway each second until it is stopped.
pub(super) struct Reader {
    stop: Sender<()>,
    reading: JoinHandle<Result<(), String>>,
}

/// Far more often than Prometheus reads them.
const EVERY: Duration = Duration::from_secs(1);

impl Reader {
    /// Starts to read, with these lines of headers.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn start(port: u16, headers: &str) -> Result<Self, Failure> {
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}Connection: close\r\n\r\n");
        read(port, &request)?;
        let (stop, stopped) = mpsc::channel();
        let reading = thread::spawn(move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                read(port, &request)?;
            }
            Ok(())
        });
        Ok(Self { stop, reading })
    }

    /// Ends.
    ///
    /// # Errors
    /// When the metrics could not be read meanwhile.
    pub(super) fn stop(self) -> Result<(), Failure> {
        drop(self.stop);
        Ok(self.reading.join().map_err(|_| "the reader of metrics panicked")??)
    }
}

fn read(port: u16, request: &str) -> Result<(), String> {
    let read = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    let answer = read().map_err(|error| format!("the metrics cannot be read: {error}"))?;
    let is_good = answer.starts_with("HTTP/1.1 200") && answer.ends_with("# EOF\n");
    is_good
        .then_some(())
        .ok_or_else(|| format!("no metrics, but\n{}", answer.chars().take(500).collect::<String>()))
}
