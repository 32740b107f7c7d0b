use std::{io, sync::Arc, time::Duration};

use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::http::credential::ClientCertificate;

/// Why a connection is not one of TLS.
pub(in crate::http) enum Failed {
    /// The client sent HTTP without TLS.
    Plain(TcpStream),
    /// The client closed before it sent anything, as probes of a port do.
    Closed,
    /// The time is over.
    Late,
    /// The two sides do not agree; an alert says so to the client.
    Refused(TcpStream, io::Error),
}

/// Opens TLS on `stream` within `limit`, and says with which certificate the client came.
pub(in crate::http) async fn handshake(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    limit: Duration,
) -> Result<(TlsStream<TcpStream>, Option<ClientCertificate>), Failed> {
    let agreed = async {
        match first_byte(&stream).await {
            None => return Err(Failed::Closed),
            // Every method begins with a letter, and no record of TLS does.
            Some(first) if first.is_ascii_alphabetic() => return Err(Failed::Plain(stream)),
            Some(_) => {}
        }
        let opening = TlsAcceptor::from(tls).accept(stream).into_fallible();
        opening.await.map_err(|(error, stream)| Failed::Refused(stream, error))
    };
    let limit = limit.min(crate::LONGEST_WAIT);
    let stream = timeout(limit, agreed).await.unwrap_or(Err(Failed::Late))?;
    let certificate = client_certificate(&stream);
    Ok((stream, certificate))
}

/// The first byte that the client sends, which stays to be read.
async fn first_byte(stream: &TcpStream) -> Option<u8> {
    let mut first = [0];
    (stream.peek(&mut first).await.ok()? == 1).then_some(first[0])
}

fn client_certificate(stream: &TlsStream<TcpStream>) -> Option<ClientCertificate> {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates()?.first()?;
    Some(ClientCertificate { sha256: Sha256::digest(certificate).into() })
}
