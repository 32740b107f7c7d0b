//! The certificate that a server is shown (mutual TLS).

use anyhow::Result;
use anyport_transport::client::http::{Endpoint, without_secrets};

use super::server::ClientCertificate;
use crate::{render::safe, user_error::UserError};

/// `endpoint`, which is shown `certificate`.
///
/// # Errors
/// When it cannot be read, or its key is that of another one.
pub(crate) fn with_certificate(
    certificate: Option<&ClientCertificate>,
    endpoint: Endpoint,
) -> Result<Endpoint> {
    let Some(ClientCertificate { chain, key }) = certificate else { return Ok(endpoint) };
    let at = safe::text(&without_secrets(endpoint.url()));
    endpoint.client_certificate(chain.as_bytes(), key.0.as_bytes()).map_err(|error| {
        let help = "correct the files of `tls_client_cert` and `tls_client_key`";
        UserError::usage(format!("the certificate for {at}: {error}"), help)
    })
}
