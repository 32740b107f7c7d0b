//! TLS of what is served over HTTP.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use anyport_config::gateway::GatewaySettings;
use anyport_transport::http::{Tls, TlsFiles};

use crate::user_error::UserError;

/// The files of TLS, as options or the section `[gateway]` of a file have them.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct TlsArguments {
    /// File of the TLS certificate, with those of its intermediate issuers, in PEM: HTTP is served over TLS alone.
    #[arg(long, help_heading = "Transports", value_name = "FILE", env = "ANYPORT_TLS_CERT", hide_env = true)]
    tls_cert: Option<PathBuf>,
    /// File of the private key of the certificate, in PEM.
    #[arg(long, help_heading = "Transports", value_name = "FILE", env = "ANYPORT_TLS_KEY", hide_env = true)]
    tls_key: Option<PathBuf>,
    /// File of the issuers of clients' certificates, in PEM: clients without such a certificate cannot connect.
    #[arg(
        long,
        help_heading = "Transports",
        value_name = "FILE",
        env = "ANYPORT_TLS_CLIENT_CA",
        hide_env = true,
        hide_short_help = true
    )]
    tls_client_ca: Option<PathBuf>,
    /// For so many seconds browsers that have come over TLS come over TLS alone (Strict-Transport-Security).
    #[arg(
        long,
        help_heading = "Transports",
        value_name = "SECONDS",
        env = "ANYPORT_HSTS",
        hide_env = true,
        hide_short_help = true
    )]
    hsts: Option<u64>,
    /// Speak HTTP/1.1 alone, without HTTP/2.
    #[arg(
        long,
        help_heading = "Transports",
        env = "ANYPORT_NO_HTTP2",
        hide_env = true,
        hide_short_help = true
    )]
    no_http2: bool,
    /// What the section `[gateway]` of a file said when it was started.
    #[arg(skip)]
    of_file: Said,
}

/// What the section `[gateway]` of a file says of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    /// The certificate, its key, and the issuers of clients' certificates.
    files: [Option<String>; 3],
    hsts: Option<u64>,
    http2: Option<bool>,
}

impl TlsArguments {
    /// Whether any of them is given.
    pub(super) fn are_given(&self) -> bool {
        self.tls_cert.is_some() || self.tls_key.is_some() || self.tls_client_ca.is_some()
    }

    /// Whether clients must have a certificate.
    pub(super) fn demand_client_certificates(&self) -> bool {
        self.tls_client_ca.is_some()
    }

    /// Checks that they go together.
    pub(super) fn check(&self) -> Result<()> {
        let (problem, help) = match (&self.tls_cert, &self.tls_key, &self.tls_client_ca) {
            (Some(_), None, _) => {
                ("--tls-cert is the certificate alone, and its key is needed", "name it with --tls-key FILE")
            }
            (None, Some(_), _) => (
                "--tls-key is the key of a certificate, and there is none",
                "name the certificate with --tls-cert FILE",
            ),
            (None, None, Some(_)) => (
                "--tls-client-ca is about clients over TLS, and TLS needs a certificate of the server",
                "add --tls-cert FILE and --tls-key FILE",
            ),
            _ => return Ok(()),
        };
        Err(UserError::usage(problem, help))
    }

    /// Takes over what `[gateway]` of a file in `folder` says, unless options say something.
    pub(super) fn adopt(&mut self, settings: &GatewaySettings, folder: &Path) {
        self.of_file = said(settings);
        self.hsts = self.hsts.or(settings.hsts);
        self.no_http2 |= settings.http2 == Some(false);
        if self.are_given() {
            return;
        }
        let [cert, key, client_ca] = said(settings).files.map(|path| path.map(|path| folder.join(path)));
        (self.tls_cert, self.tls_key, self.tls_client_ca) = (cert, key, client_ca);
    }

    /// Whether a file says something else than when it was started.
    pub(super) fn differ_from(&self, settings: &GatewaySettings) -> bool {
        self.of_file != said(settings)
    }

    /// The time for which browsers come over TLS alone.
    pub(super) fn hsts(&self) -> Option<Duration> {
        self.hsts.map(Duration::from_secs)
    }

    /// Whether clients may speak HTTP/2.
    pub(super) fn http2(&self) -> bool {
        !self.no_http2
    }

    /// TLS with the certificates in these files, which are followed.
    ///
    /// # Errors
    /// If they cannot be used.
    pub(super) fn tls(&self) -> Result<Option<Tls>> {
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            if self.hsts.is_some() {
                let help = "add --tls-cert FILE and --tls-key FILE; a proxy that speaks TLS for this server says it itself";
                return Err(UserError::usage("--hsts is said over TLS alone, which is not spoken", help));
            }
            return Ok(None);
        };
        let mut files = TlsFiles::new(cert, key);
        if let Some(client_ca) = &self.tls_client_ca {
            files = files.client_ca(client_ca);
        }
        let tls = Tls::from_files(files).map_err(|error| {
            UserError::failed(
                format!("TLS cannot be served: {error}"),
                "--tls-cert names the certificate of the server, --tls-key its key and --tls-client-ca the issuers of clients' \
                 certificates, each a file in PEM; in anyport.toml they are tls_cert, tls_key and tls_client_ca of [gateway]",
            )
        })?;
        Ok(Some(tls))
    }
}

/// Checks that TLS can be served as `[gateway]` of a file in `folder` says.
///
/// # Errors
/// If its files cannot be used.
pub(crate) fn check_tls(settings: &GatewaySettings, folder: &Path) -> Result<()> {
    let mut tls = TlsArguments::default();
    tls.adopt(settings, folder);
    tls.tls().map(drop)
}

fn said(settings: &GatewaySettings) -> Said {
    let files = [settings.tls_cert.clone(), settings.tls_key.clone(), settings.tls_client_ca.clone()];
    Said { files, hsts: settings.hsts, http2: settings.http2 }
}
