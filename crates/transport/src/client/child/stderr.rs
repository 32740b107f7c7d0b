use std::{collections::VecDeque, io::Write as _, sync::Arc};

use anyport_service::sync::Lock;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    task::spawn_blocking,
};

/// The last bytes of a process's standard error.
#[derive(Clone)]
pub(super) struct Ring {
    bytes: Arc<Lock<VecDeque<u8>>>,
    room: usize,
}

impl Ring {
    pub(super) fn new(room: usize) -> Self {
        Self { bytes: Arc::default(), room }
    }

    /// Keeps what is written until the stream ends, and writes it to our standard error if `forward`. It is always read on: a
    /// process that nobody reads stops.
    pub(super) async fn fill(self, mut stream: impl AsyncRead + Unpin, forward: bool) {
        let mut piece = vec![0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut piece).await {
            tracing::debug!(target: "anyport::stderr", "{}", piece[..read].escape_ascii());
            self.push(&piece[..read]);
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
        ring.clone().fill(&b"first line\nsecond\nlast"[..], false).await;
        assert_eq!(ring.text(), "second\nlast");
        let ring = Ring::new(100);
        ring.clone().fill(&b"first line\nsecond"[..], false).await;
        assert_eq!(ring.text(), "first line\nsecond");
        let ring = Ring::new(4);
        ring.push(&[b'x'; 10_000]);
        assert_eq!((ring.text().len(), ring.bytes.lock().len()), (4, 4));
    }
}
