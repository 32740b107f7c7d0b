use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    certificates::{Pem, TlsCertificates},
    error::TlsError,
};

/// The files of a server's certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// The file of the certificate, followed by those of its intermediate issuers, and the file of its private key; both may be
    /// in one.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into(), client_ca: None }
    }

    /// The file of the issuers of clients' certificates: see [`TlsCertificates::client_ca`].
    #[must_use]
    pub fn client_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(file.into());
        self
    }

    /// Reads them.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn read(&self) -> Result<TlsCertificates, TlsError> {
        let client_ca = self.client_ca.as_deref().map(pem).transpose()?;
        Ok(TlsCertificates::of(pem(&self.certificate)?, pem(&self.key)?, client_ca))
    }

    /// Whether they can be read again. What is no file, such as a pipe, gives its text only once.
    pub(super) fn are_files(&self) -> bool {
        [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()]
            .into_iter()
            .flatten()
            .all(|path| path.is_file())
    }
}

fn pem(path: &Path) -> Result<Pem, TlsError> {
    let text = fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    Ok(Pem { place: path.display().to_string(), text })
}
