use std::{collections::VecDeque, io::Write as _, sync::Arc};

use anyport_service::sync::Lock;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    task::spawn_blocking,
};

/// The last line that a program has written to its standard error so far. Clones are the same line.
///
/// It is for people who wait: [`Command::last_line`](super::Command::last_line).
#[derive(Clone, Debug, Default)]
pub struct LastLine(Arc<Lock<String>>);

impl LastLine {
    /// The line, without the spaces around it; empty if nothing was written. A program that returns to the beginning of a
    /// line begins a new one.
    pub fn get(&self) -> String {
        self.0.lock().clone()
    }

    fn set(&self, text: &str) {
        if let Some(line) = text.split(['\n', '\r']).map(str::trim).rfind(|line| !line.is_empty()) {
            line.clone_into(&mut self.0.lock());
        }
    }
}

/// Makes what reads the standard error of each process that a command starts. It is called with each piece as it comes, and dropped
/// at the end. Clones are the same.
#[derive(Clone)]
pub struct StderrReader(Arc<dyn Fn(u32) -> ReadPiece + Send + Sync>);

type ReadPiece = Box<dyn FnMut(&[u8]) + Send>;

impl StderrReader {
    /// Each call of `process`, with the number of a process, makes what reads its standard error.
    pub fn new<R: FnMut(&[u8]) + Send + 'static>(process: impl Fn(u32) -> R + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |number| Box::new(process(number))))
    }

    pub(super) fn of_process(&self, number: u32) -> ReadPiece {
        (self.0)(number)
    }
}

/// The last bytes of a process's standard error.
#[derive(Clone)]
pub(super) struct Ring {
    bytes: Arc<Lock<VecDeque<u8>>>,
    room: usize,
    last_line: Option<LastLine>,
}

impl Ring {
    pub(super) fn new(room: usize) -> Self {
        Self { bytes: Arc::default(), room, last_line: None }
    }

    /// Notes the last line in `line`, too.
    pub(super) fn last_line(mut self, line: Option<LastLine>) -> Self {
        self.last_line = line;
        self
    }

    /// Keeps what is written until the stream ends, gives it to `reader`, and writes it to our standard error if `forward`. It is always read on: a
    /// process that nobody reads stops.
    pub(super) async fn fill(
        self,
        mut stream: impl AsyncRead + Unpin,
        forward: bool,
        mut reader: Option<ReadPiece>,
    ) {
        let mut piece = vec![0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut piece).await {
            tracing::debug!(target: "anyport::stderr", "{}", piece[..read].escape_ascii());
            self.push(&piece[..read]);
            if let Some(reader) = &mut reader {
                reader(&piece[..read]);
            }
            if let Some(line) = &self.last_line {
                line.set(&self.text());
            }
            if forward {
                let piece = piece[..read].to_vec();
                // It may block. That ours is closed is no reason to stop reading.
                let _ = spawn_blocking(move || std::io::stderr().write_all(&piece)).await;
            }
        }
    }

    fn push(&self, piece: &[u8]) {
        let piece = &piece[piece.len().saturating_sub(self.room)..];
        let mut bytes = self.bytes.lock();
        let over = (bytes.len() + piece.len()).saturating_sub(self.room);
        bytes.drain(..over);
        bytes.extend(piece);
    }

    /// What is kept, as text; a first line that is cut is left out.
    pub(super) fn text(&self) -> String {
        let mut bytes = self.bytes.lock();
        let cut = bytes.len() == self.room;
        let kept = bytes.make_contiguous();
        let start = kept.iter().position(|byte| *byte == b'\n').filter(|_| cut).map_or(0, |end| end + 1);
        String::from_utf8_lossy(&kept[start..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept_whole() {
        let ring = Ring::new(12);
        ring.clone().fill(&b"first line\nsecond\nlast"[..], false, None).await;
        assert_eq!(ring.text(), "second\nlast");
        let ring = Ring::new(100);
        ring.clone().fill(&b"first line\nsecond"[..], false, None).await;
        assert_eq!(ring.text(), "first line\nsecond");
        let line = LastLine::default();
        let ring = Ring::new(100).last_line(Some(line.clone()));
        ring.fill(&b"first\n 10 %\r 20 % \r\n\n"[..], false, None).await;
        assert_eq!(line.get(), "20 %");
        let ring = Ring::new(4);
        ring.push(&[b'x'; 10_000]);
        assert_eq!((ring.text().len(), ring.bytes.lock().len()), (4, 4));
    }
}
