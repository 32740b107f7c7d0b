//! When serving ends.

use std::{future::Future, pin::Pin};

use crate::{serve_error::ServeError, signals::Signals};

/// What begins shutdown: signals, or a future of the program.
pub(crate) enum Shutdown {
    Signals(Signals),
    Future(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// The future has completed.
    Done,
}

impl Shutdown {
    /// `at_hangup`: whether SIGHUP is one of the signals.
    pub(crate) fn new(
        until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
        at_hangup: bool,
    ) -> Result<Self, ServeError> {
        let signals = match until {
            Some(future) => return Ok(Self::Future(future)),
            None if at_hangup => Signals::new(),
            None => Signals::without_hangup(),
        };
        signals.map(Self::Signals).map_err(ServeError::io("listen for signals"))
    }

    /// Completes at every signal, with its number; or once, without, when the future completes.
    pub(crate) async fn next(&mut self) -> Option<u8> {
        match self {
            Self::Signals(signals) => Some(signals.next().await),
            Self::Future(future) => {
                future.await;
                *self = Self::Done;
                None
            }
            Self::Done => std::future::pending().await,
        }
    }
}
