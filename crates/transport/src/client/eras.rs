use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyport_protocol::Revision;

use super::{error::ConnectError, target::Target};

/// What older servers were found to speak: they are opened by `initialize` at once when they are connected to again.
///
/// 2026-07-28, versioning §Backward Compatibility with Initialization-Based Versions: clients "SHOULD cache the result for
/// the lifetime of the server process (stdio) or origin (HTTP), and MAY persist it across restarts of the same server
/// configuration, re-probing if the cached assumption later fails". Of modern servers nothing needs to be known: what is
/// asked of them first is what they answer.
///
/// Clones are one memory. A server is known by its URL, its command with its arguments and folder, or its socket; a URL
/// says more than its origin, and two servers may stand behind one. At most 1,024 are remembered.
#[derive(Clone, Default)]
pub struct RevisionCache(Arc<Mutex<HashMap<String, Revision>>>);

impl RevisionCache {
    /// What the server at `target` spoke, if it is an older one that was met before.
    pub fn known(&self, target: &Target) -> Option<Revision> {
        self.lock().get(&key(target)?).copied()
    }

    /// Remembers what the server at `target` speaks.
    pub(super) fn learn(&self, target: &Target, revision: Revision) {
        let Some(key) = key(target) else { return };
        let mut known = self.lock();
        if revision.is_stateless() {
            known.remove(&key);
        } else if known.len() < MAX_SERVERS || known.contains_key(&key) {
            known.insert(key, revision);
        }
    }

    /// Forgets what the server at `target` spoke: it does so no more.
    pub(super) fn forget(&self, target: &Target) {
        if let Some(key) = key(target) {
            self.lock().remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Revision>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MAX_SERVERS: usize = 1024;

/// Whether a server that was opened as what it used to be, and failed so, may be another one now.
pub(super) fn may_be_another(error: &ConnectError) -> bool {
    match error {
        ConnectError::Refused { .. }
        | ConnectError::Failed { .. }
        | ConnectError::Revision { .. }
        | ConnectError::Ended(_) => true,
        // What is refused over HTTP is told in words.
        ConnectError::Transport(_) => true,
        _ => false,
    }
}

/// What a server is known by. One of this process needs not be remembered: asking it costs nothing.
fn key(target: &Target) -> Option<String> {
    match target {
        #[cfg(feature = "client-child")]
        Target::Command(command) => Some(format!("{:?}", (&command.program, &command.args, &command.cwd))),
        #[cfg(feature = "client-http")]
        Target::Http(endpoint) => Some(endpoint.url().to_owned()),
        #[cfg(feature = "client-websocket")]
        Target::WebSocket(endpoint) => Some(endpoint.url()),
        #[cfg(all(feature = "client-unix", unix))]
        Target::Unix(path) => Some(format!("{path:?}")),
        // Nothing says that the next stream leads to the same.
        Target::Stream(_) | Target::Service(_) => None,
    }
}

impl fmt::Debug for RevisionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URLs may hold secrets.
        f.debug_struct("RevisionCache").field("servers", &self.lock().len()).finish()
    }
}

#[cfg(all(test, feature = "client-unix", unix))]
mod tests {
    use std::path::Path;

    use anyport_protocol::jsonrpc::code;
    use serde_json::{Value, json};
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::UnixListener,
        sync::mpsc,
    };

    use super::*;
    use crate::client::{ConnectOptions, connect};

    /// Answers on a socket as servers of one revision do, and tells which methods it is asked.
    #[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
    fn server(path: &Path, revision: Revision) -> mpsc::UnboundedReceiver<String> {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let (sender, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            // Whoever drops what it is told of stops the server.
            while let Ok((stream, _)) = tokio::select! {
                accepted = listener.accept() => accepted,
                () = sender.closed() => return,
            } {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let (input, mut output) = stream.into_split();
                    let mut lines = BufReader::new(input).lines();
                    while let Ok(Some(line)) = lines.next_line().await {
                        let message: Value = serde_json::from_str(&line).unwrap();
                        let method = message["method"].as_str().unwrap();
                        let _ = sender.send(method.to_owned());
                        let answer = match (method, revision.is_stateless()) {
                            ("notifications/initialized", _) => continue,
                            ("server/discover", true) => {
                                json!({"result": {"supportedVersions": [revision.as_str()], "capabilities": {}}})
                            }
                            ("initialize", false) => json!({"result": {"protocolVersion": revision.as_str(),
                                "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}}),
                            _ => json!({"error": {"code": code::METHOD_NOT_FOUND, "message": "what?"}}),
                        };
                        let mut answer = answer;
                        answer["jsonrpc"] = "2.0".into();
                        answer["id"] = message["id"].clone();
                        let _ = output.write_all(format!("{answer}\n").as_bytes()).await;
                    }
                });
            }
        });
        asked
    }

    fn all(asked: &mut mpsc::UnboundedReceiver<String>) -> Vec<String> {
        let asked = std::iter::from_fn(|| asked.try_recv().ok());
        asked.filter(|method| !method.starts_with("notifications/")).collect()
    }

    /// Invariant: A legacy server is probed once, and a server that cannot be reached is retried with a
    /// growing delay.
    #[tokio::test]
    async fn an_older_server_is_probed_once_and_again_when_it_is_no_longer_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (target, opening) = (Target::Unix(path.clone()), ConnectOptions::default());
        let mut old = server(&path, Revision::V2025_06_18);
        for methods in [&["server/discover", "initialize"][..], &["initialize"], &["initialize"]] {
            let connection = connect(&target, &opening).await.unwrap();
            assert_eq!(connection.revision(), Revision::V2025_06_18);
            assert_eq!(all(&mut old), methods);
            connection.close().await;
        }
        assert_eq!(opening.eras.known(&target), Some(Revision::V2025_06_18));
        // Another memory knows nothing.
        connect(&target, &ConnectOptions::default()).await.unwrap();
        assert_eq!(all(&mut old), ["server/discover", "initialize"]);
        drop(old);

        // Another old revision, then a modern one.
        let mut older = server(&path, Revision::V2024_11_05);
        assert_eq!(connect(&target, &opening).await.unwrap().revision(), Revision::V2024_11_05);
        assert_eq!(all(&mut older), ["initialize", "server/discover", "initialize"]);
        drop(older);
        let mut new = server(&path, Revision::NEWEST);
        assert_eq!(connect(&target, &opening).await.unwrap().revision(), Revision::NEWEST);
        assert_eq!(all(&mut new), ["initialize", "server/discover"]);
        assert_eq!(opening.eras.known(&target), None);
        assert_eq!(connect(&target, &opening).await.unwrap().revision(), Revision::NEWEST);
        assert_eq!(all(&mut new), ["server/discover"]);
    }

    #[tokio::test]
    async fn what_is_demanded_is_not_overruled_by_what_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let target = Target::Unix(path.clone());
        let opening = ConnectOptions::default();
        let mut old = server(&path, Revision::V2025_06_18);
        connect(&target, &opening).await.unwrap();
        let demanding = opening.clone().revision(Revision::V2025_11_25);
        let refused = connect(&target, &demanding).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Revision { .. }), "{refused}");
        assert_eq!(all(&mut old), ["server/discover", "initialize", "initialize"]);
        assert_eq!(opening.eras.known(&target), Some(Revision::V2025_06_18));
    }
}
