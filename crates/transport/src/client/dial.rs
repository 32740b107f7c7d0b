use std::{fmt, future::Future, io, pin::Pin, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};

/// Makes streams of bytes to a server in a way that is not ours: through a tunnel, over a serial line, within the process.
///
/// ```
/// use anyport_transport::client::{Dial, Target};
///
/// # fn spawn(_: tokio::io::DuplexStream) {}
/// let within = Target::Stream(Dial::new(|| async {
///     let (ours, theirs) = tokio::io::duplex(64 * 1024);
///     spawn(theirs);
///     Ok(ours)
/// }));
/// ```
#[derive(Clone)]
pub struct Dial(Arc<dyn Fn() -> Dialling + Send + Sync>);

type Dialling = Pin<Box<dyn Future<Output = io::Result<Dialled>> + Send>>;

/// A stream that was made.
pub(crate) type Dialled = Box<dyn Bytes>;

/// What carries bytes both ways.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytes for S {}

impl Dial {
    /// Each call of `dial` makes a new stream; ends it, too, when the stream is dropped.
    pub fn new<F, S>(dial: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self(Arc::new(move || {
            let dialling = dial();
            Box::pin(async { dialling.await.map(|stream| Box::new(stream) as Dialled) })
        }))
    }

    pub(crate) async fn dial(&self) -> io::Result<Dialled> {
        (self.0)().await
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial(..)")
    }
}
