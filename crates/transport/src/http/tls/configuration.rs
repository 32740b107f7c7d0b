use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use anyport_service::sync::Lock;
use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use tokio::{task::spawn_blocking, time::sleep};

use super::{
    certificates::{HTTP1, TlsCertificates},
    error::TlsError,
    files::TlsFiles,
};

/// TLS of a listener: see [`Config::tls`](crate::http::Config::tls). Clones share the certificates, which may be replaced while
/// connections are served: new connections get the new ones, open connections go on.
///
/// ```no_run
/// use anyport_transport::http::{Config, Tls, TlsFiles};
///
/// # fn main() -> Result<(), anyport_transport::http::TlsError> {
/// let tls = Tls::from_files(TlsFiles::new("server.pem", "server.key").client_ca("clients.pem"))?;
/// let config = Config::default().tls(tls);
/// # let _ = config;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    now: Lock<Arc<ServerConfig>>,
    demands_client_certificates: bool,
    files: Option<Followed>,
}

/// Files that are looked at again while a listener serves.
struct Followed {
    files: TlsFiles,
    state: Lock<FileState>,
}

/// What was found in the files.
#[derive(Debug)]
struct FileState {
    /// The digest of what is in use.
    used: [u8; 32],
    /// The digest of what cannot be used.
    faulty: Option<[u8; 32]>,
    /// Whether the log says so.
    is_logged: bool,
}

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

impl Tls {
    /// TLS with these certificates, until they are replaced.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(certificates: &TlsCertificates) -> Result<Self, TlsError> {
        Self::of(certificates, None)
    }

    /// TLS with the certificates in these files. While a listener serves, it looks at them once a second: what has changed is
    /// used for new connections. What cannot be used changes nothing, and the log says why.
    ///
    /// # Errors
    /// When they cannot be read or used.
    pub fn from_files(files: TlsFiles) -> Result<Self, TlsError> {
        let is_followed = files.are_files();
        let certificates = files.read()?;
        let state = FileState { used: certificates.digest(), faulty: None, is_logged: false };
        let followed = is_followed.then(|| Followed { files, state: Lock::new(state) });
        Self::of(&certificates, followed)
    }

    fn of(certificates: &TlsCertificates, files: Option<Followed>) -> Result<Self, TlsError> {
        let now = Lock::new(Arc::new(certificates.server_config()?));
        let demands_client_certificates = certificates.demands_client_certificates();
        Ok(Self(Arc::new(Inner { now, demands_client_certificates, files })))
    }

    /// Uses these certificates for new connections.
    ///
    /// # Errors
    /// When they cannot be used; nothing changes then. Clients that must have a certificate must go on having one.
    pub fn replace(&self, certificates: &TlsCertificates) -> Result<(), TlsError> {
        if self.0.demands_client_certificates && !certificates.demands_client_certificates() {
            return Err(TlsError::Open);
        }
        *self.0.now.lock() = Arc::new(certificates.server_config()?);
        Ok(())
    }

    /// Whether only clients with a certificate can open a connection.
    pub fn demands_client_certificates(&self) -> bool {
        self.0.demands_client_certificates
    }

    /// What a connection is opened with now.
    pub(super) fn now(&self) -> Arc<ServerConfig> {
        self.0.now.lock().clone()
    }

    /// The same; without `http2` for HTTP/1.1 alone.
    pub(super) fn now_with(&self, http2: bool) -> Arc<ServerConfig> {
        let now = self.now();
        if http2 {
            return now;
        }
        let mut without = (*now).clone();
        without.alpn_protocols = vec![HTTP1.to_vec()];
        Arc::new(without)
    }

    /// Replaces the certificates whenever their files have changed.
    pub(in crate::http) async fn follow(&self) -> Infallible {
        let Some(followed) = &self.0.files else { return std::future::pending().await };
        loop {
            sleep(LOOK).await;
            let files = followed.files.clone();
            // Reading may take its time, such as on a network's file system.
            if let Ok(read) = spawn_blocking(move || files.read()).await {
                self.changed(followed, read);
            }
        }
    }

    /// Takes over what the files say now.
    fn changed(&self, followed: &Followed, read: Result<TlsCertificates, TlsError>) {
        let found = match &read {
            Ok(certificates) => certificates.digest(),
            Err(error) => Sha256::digest(error.to_string()).into(),
        };
        let mut state = followed.state.lock();
        if found == state.used {
            state.faulty = None;
            return;
        }
        match read.and_then(|certificates| self.replace(&certificates)) {
            Ok(()) => {
                tracing::info!("the TLS certificate was read again; new connections get it");
                *state = FileState { used: found, faulty: None, is_logged: false };
            }
            // Certificate and key are written one after the other: what will be right at the next look is no fault.
            Err(_) if state.faulty != Some(found) => {
                state.faulty = Some(found);
                state.is_logged = false;
            }
            Err(_) if state.is_logged => {}
            Err(error) => {
                tracing::warn!(
                    "the TLS certificate was read again and cannot be used, so the earlier one stays in use: {error}"
                );
                state.is_logged = true;
            }
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("demands_client_certificates", &self.0.demands_client_certificates)
            .field("files", &self.0.files.as_ref().map(|followed| &followed.files))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A certificate and its key, in PEM.
    fn pair() -> (String, String) {
        let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        (certified.cert.pem(), certified.signing_key.serialize_pem())
    }

    fn write(folder: &Path, (certificate, key): (&str, &str)) {
        std::fs::write(folder.join("cert.pem"), certificate).unwrap();
        std::fs::write(folder.join("key.pem"), key).unwrap();
    }

    fn files(folder: &Path) -> TlsFiles {
        TlsFiles::new(folder.join("cert.pem"), folder.join("key.pem"))
    }

    /// Looks at the files once, and says whether new connections are opened with something else since.
    fn look(tls: &Tls) -> bool {
        let (before, followed) = (tls.now(), tls.0.files.as_ref().unwrap());
        tls.changed(followed, followed.files.read());
        !Arc::ptr_eq(&before, &tls.now())
    }

    fn is_logged(tls: &Tls) -> bool {
        tls.0.files.as_ref().unwrap().state.lock().is_logged
    }

    #[test]
    fn a_changed_pair_is_taken_over_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let ((old, old_key), (new, new_key)) = (pair(), pair());
        write(folder.path(), (&old, &old_key));
        let tls = Tls::from_files(files(folder.path())).unwrap();
        assert!(!look(&tls));
        // The certificate is written before its key: that is a fault only if it stays so.
        write(folder.path(), (&new, &old_key));
        assert!(!look(&tls) && !is_logged(&tls));
        assert!(!look(&tls) && is_logged(&tls));
        write(folder.path(), (&new, &new_key));
        assert!(look(&tls) && !is_logged(&tls) && !look(&tls));
        std::fs::remove_file(folder.path().join("key.pem")).unwrap();
        assert!(!look(&tls) && !look(&tls) && is_logged(&tls));
        // What is in use comes back.
        write(folder.path(), (&new, &new_key));
        assert!(!look(&tls));
        write(folder.path(), (&old, &old_key));
        assert!(look(&tls));
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_looked_at_once_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pair();
        write(folder.path(), (&certificate, &key));
        let tls = Tls::from_files(files(folder.path())).unwrap();
        let (before, followed) = (tls.now(), tls.clone());
        let (certificate, key) = pair();
        write(folder.path(), (&certificate, &key));
        let following = tokio::spawn(async move { followed.follow().await });
        while Arc::ptr_eq(&before, &tls.now()) {
            sleep(LOOK).await;
        }
        following.abort();
    }

    #[test]
    fn what_cannot_be_used_is_told_without_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let ((certificate, key), (_, other_key)) = (pair(), pair());
        let broken = format!("-----BEGIN PRIVATE KEY-----{}", key.lines().nth(1).unwrap());
        let cut = &key[..key.len() / 2];
        for (pair, told) in [
            (("", key.as_str()), "cert.pem contains no certificate"),
            ((key.as_str(), key.as_str()), "cert.pem contains no certificate"),
            ((certificate.as_str(), certificate.as_str()), "key.pem contains no private key"),
            ((&certificate, &other_key), "does not belong to the first certificate in"),
            ((&certificate, &broken), "key.pem is not valid PEM"),
            ((&certificate, cut), "key.pem is not valid PEM"),
        ] {
            write(folder.path(), pair);
            let error = Tls::from_files(files(folder.path())).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
            assert!(!key.lines().any(|line| error.contains(line)), "{error}");
        }
        write(folder.path(), (&certificate, &key));
        let both = files(folder.path()).client_ca(folder.path().join("none.pem"));
        let error = Tls::from_files(both).unwrap_err().to_string();
        assert!(error.contains("cannot read") && error.contains("none.pem"), "{error}");
        // One file may contain both.
        write(folder.path(), (&format!("{key}{certificate}"), ""));
        let one = folder.path().join("cert.pem");
        Tls::from_files(TlsFiles::new(&one, &one)).unwrap();
    }

    #[test]
    fn a_listener_that_demands_certificates_goes_on_demanding_them() {
        let (certificate, key) = pair();
        let open = TlsCertificates::new(certificate.as_str(), key.as_str());
        let closed = open.clone().client_ca(certificate.as_str());
        let tls = Tls::new(&closed).unwrap();
        assert!(tls.demands_client_certificates());
        assert!(matches!(tls.replace(&open), Err(TlsError::Open)));
        tls.replace(&closed).unwrap();
        let tls = Tls::new(&open).unwrap();
        tls.replace(&closed).unwrap();
    }
}
