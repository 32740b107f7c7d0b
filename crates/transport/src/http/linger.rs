//! The end of connections whose clients may still be sending. A socket that is closed with bytes unread is reset, and a reset
//! takes away the answer that its client has not read yet (RFC 9112 §9.6).

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::Semaphore,
    time::timeout,
};

/// How long a client may go on sending what was refused.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// The clients that were turned away, and that may take their time to read so.
#[derive(Clone, Debug)]
pub(super) struct Lingers(Arc<Semaphore>);

/// How many there may be.
const MAX_LINGERS: usize = 64;

impl Lingers {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LINGERS)))
    }

    /// Tells a client `answer`, and closes. What it sent is passed over, as far as there is room for that.
    pub(super) async fn refuse(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) {
        let _ = timeout(LINGER, async {
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
            if let Ok(_linger) = self.0.try_acquire() {
                let mut room = [0; 4096];
                while matches!(stream.read(&mut room).await, Ok(read) if read > 0) {}
            }
        })
        .await;
    }
}
