use std::{convert::Infallible, sync::Arc, time::Duration};

use anyport_metrics::Counter;
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::server::TlsStream;

use super::{
    configuration::Tls,
    handshake::{Failed, handshake},
    warnings::Warnings,
};
use crate::http::{credential::ClientCertificate, linger::Lingers, state::State};

/// Opens TLS on the connections of a listener.
pub(in crate::http) struct Opener {
    tls: Tls,
    /// Whether clients may choose HTTP/2.
    http2: bool,
    limit: Duration,
    late: Counter,
    lingers: Lingers,
    warnings: Warnings,
}

/// A connection on which TLS is spoken, and the certificate of its client.
type Opened = (TlsStream<TcpStream>, Option<ClientCertificate>);

/// For those who type `http://` where `https://` is served.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 53\r\n\
    Connection: close\r\n\r\nThis port speaks TLS: use https:// in place of http:\n";

impl Opener {
    /// For a listener with this state, if TLS is spoken there.
    pub(in crate::http) fn of(state: &State) -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            tls: state.config.tls.clone()?,
            http2: state.config.http2,
            limit: state.config.limits.tls_handshake_timeout,
            late: state.config.buffers.refusals().tls_handshakes.clone(),
            lingers: Lingers::new(),
            warnings: Warnings::default(),
        }))
    }

    /// Opens TLS, within `limit` if that is shorter than the `tls_handshake_timeout`, unless the listener stops before. Who does not come so far is told why, as far as that can be.
    pub(in crate::http) async fn open(
        &self,
        stream: TcpStream,
        limit: Option<Duration>,
        stopping: &mut watch::Receiver<bool>,
    ) -> Option<Opened> {
        let limit = limit.map_or(self.limit, |limit| limit.min(self.limit));
        let opened = tokio::select! {
            opened = handshake(stream, self.tls.now_with(self.http2), limit) => opened,
            _ = stopping.wait_for(|stopping| *stopping) => return None,
        };
        match opened {
            Ok(opened) => return Some(opened),
            Err(Failed::Closed) => {}
            Err(Failed::Late) => {
                self.late.increment();
                self.warnings.log("a client did not finish its TLS handshake (tls_handshake_timeout)");
            }
            Err(Failed::Plain(stream)) => {
                self.warnings.log("a client sent HTTP without TLS to the TLS port, and got 400; its URL must begin with https://");
                self.lingers.refuse(stream, PLAIN).await;
            }
            Err(Failed::Refused(stream, error)) => {
                self.warnings.log(&format!("a TLS handshake failed: {error}"));
                self.lingers.refuse(stream, b"").await;
            }
        }
        None
    }

    /// Follows the files of the certificate while the listener serves.
    pub(in crate::http) async fn follow(&self) -> Infallible {
        self.tls.follow().await
    }
}
