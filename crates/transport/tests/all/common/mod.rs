//! What the tests of a transport stand on: a service whose calls a test can watch and steer, and HTTP as bytes.

pub(crate) mod client;
pub(crate) mod fake;
#[cfg(feature = "http2")]
pub(crate) mod http2;
pub(crate) mod schema;

use std::{net::SocketAddr, time::Duration};

use anyport_metrics::Metrics;
#[cfg(any(feature = "client-http", feature = "client-websocket"))]
use anyport_protocol::Error;
#[cfg(any(feature = "client-http", feature = "client-websocket"))]
use anyport_service::Outcome;
use anyport_transport::{
    BufferLimits, BufferedBytes,
    http::{Config, Limits, Listener},
};
use tokio::{sync::oneshot, task::JoinHandle};

use client::{Connection, Response, Verb};
use fake::Fake;

/// The error of a call that failed, as it is written.
#[cfg(any(feature = "client-http", feature = "client-websocket"))]
pub(crate) fn refused(outcome: Outcome) -> Error {
    match outcome {
        Outcome::Error(error) => error,
        Outcome::Failed(failure) => failure.to_error(),
        outcome => panic!("{outcome:?}"),
    }
}

/// What no test waits longer for: a test that would hang fails instead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A listener on loopback that serves a [`Fake`].
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Fake,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start(config: Config) -> Self {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), config, false).await.unwrap();
        let address = listener.address().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let fake = Fake::default();
        let serving = tokio::spawn(listener.serve(fake.clone(), async {
            let _ = stopped.await;
        }));
        Self { address, fake, stop: Some(stop), serving }
    }

    pub(crate) async fn limited(limits: Limits) -> Self {
        Self::start(Config::default().limits(limits)).await
    }

    /// A server whose refusals are counted.
    pub(crate) async fn counted(config: Config) -> (Self, Metrics) {
        let metrics = Metrics::new();
        let buffers = BufferedBytes::new(BufferLimits::default(), &metrics);
        (Self::start(config.buffers(buffers)).await, metrics)
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Sends one request on a connection of its own and reads the answer.
    pub(crate) async fn ask(&self, request: &Verb) -> Response {
        let mut connection = self.connect().await;
        connection.send(&request.bytes()).await;
        connection.response().await
    }

    /// Tells the listener to stop, as a program does: the service ends what has no end of its own.
    pub(crate) fn stop(&mut self) {
        self.fake.close();
        drop(self.stop.take());
    }

    /// Waits until the listener has stopped.
    pub(crate) async fn stopped(self) {
        within(self.serving).await.unwrap().unwrap();
    }

    /// A call that must succeed whatever was done to the server before.
    pub(crate) async fn canary(&self) {
        let answer = self
            .ask(&client::modern(1, "tools/call", r#"{"name":"echo","arguments":{"text":"canary"}}"#))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.text().contains("canary"), "{answer:?}");
    }
}

/// Waits, but not for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("the test waited too long")
}
