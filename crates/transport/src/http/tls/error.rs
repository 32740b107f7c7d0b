use std::{io, path::PathBuf};

/// Why certificates and keys cannot be used. The texts have nothing of what the files say: one of them is a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A text is cut off, or is not PEM at all.
    #[error("{place} is not valid PEM")]
    Pem {
        /// The file, or what it is.
        place: String,
    },
    /// There is no certificate where one is needed.
    #[error("{place} contains no certificate (BEGIN CERTIFICATE)")]
    NoCertificate {
        /// The file, or what it is.
        place: String,
    },
    /// There is no key where one is needed.
    #[error("{place} contains no private key (BEGIN PRIVATE KEY); an encrypted one cannot be used")]
    NoKey {
        /// The file, or what it is.
        place: String,
    },
    /// The key is that of another certificate.
    #[error("the key in {key} does not belong to the first certificate in {certificate}")]
    Mismatch {
        /// The file of the key, or what it is.
        key: String,
        /// The file of the certificate, or what it is.
        certificate: String,
    },
    /// A certificate or a key of a kind that is not supported, or a broken one.
    #[error("{place} cannot be used: {reason}")]
    Unusable {
        /// The file, or what it is.
        place: String,
        /// What rustls says.
        reason: String,
    },
    /// A listener that demands certificates of clients would no longer do so.
    #[error(
        "the listener was opened to clients with a certificate alone; without a client CA it would be open to all"
    )]
    Open,
}
