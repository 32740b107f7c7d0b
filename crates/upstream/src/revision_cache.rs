use std::{collections::HashMap, fmt, sync::Arc};

use anyport_protocol::Revision;
use anyport_service::sync::Lock;
use anyport_transport::client::{ConnectError, ConnectOptions, Connection, Target, connect};

/// The revisions of legacy servers that were connected to, which need no second probe.
///
/// 2026-07-28, versioning §Backward Compatibility with Initialization-Based Versions: clients "SHOULD cache the result for
/// the lifetime of the server process (stdio) or origin (HTTP), and MAY persist it across restarts of the same server
/// configuration, re-probing if the cached assumption later fails". Of modern servers nothing needs to be known: the first
/// request that they get is one that they answer.
///
/// Clones are the same cache. A server is known by its [`Target::identity`]: its URL says more than its origin, and two
/// servers may stand behind one. The cache holds at most 1,024 servers; beyond that one is
/// forgotten for each new one.
#[derive(Clone, Default)]
pub struct RevisionCache(Arc<Lock<HashMap<String, Revision>>>);

const MAX_SERVERS: usize = 1024;

impl RevisionCache {
    /// Connects to the server at `target`, without a probe if it is known as a legacy server. If it is no longer what it
    /// was, it is probed again.
    ///
    /// # Errors
    /// As for [`connect`].
    pub async fn connect(
        &self,
        target: &Target,
        options: &ConnectOptions,
    ) -> Result<Connection, ConnectError> {
        if options.revision.is_some() {
            return connect(target, options).await;
        }
        let identity = target.identity();
        if let (Some(identity), Some(known)) = (&identity, self.known(target)) {
            match connect(target, &options.clone().revision(known)).await {
                Err(error) if may_be_another(&error) => {
                    tracing::debug!(%error, "the server is no longer what it was; it is probed again");
                    self.0.lock().remove(identity);
                }
                opened => return opened,
            }
        }
        if options.legacy_first {
            return legacy_first(target, options).await;
        }
        let connection = connect(target, options).await?;
        if let Some(identity) = identity {
            self.learn(identity, connection.revision());
        }
        Ok(connection)
    }

    /// The revision of the server at `target`, if it is known as a legacy server.
    pub fn known(&self, target: &Target) -> Option<Revision> {
        self.0.lock().get(&target.identity()?).copied()
    }

    fn learn(&self, identity: String, revision: Revision) {
        let mut known = self.0.lock();
        if revision.is_stateless() {
            known.remove(&identity);
        } else {
            // Any of them: the one that is forgotten is probed once more.
            if known.len() >= MAX_SERVERS
                && !known.contains_key(&identity)
                && let Some(forgotten) = known.keys().next().cloned()
            {
                known.remove(&forgotten);
            }
            known.insert(identity, revision);
        }
    }
}

/// Connects with `initialize` first. A server that does not refuse it in a way of the protocol's, over HTTP, may still be a
/// modern one.
///
/// Nothing is learned of it: that a server speaks a legacy revision does not say that it speaks no other.
async fn legacy_first(target: &Target, options: &ConnectOptions) -> Result<Connection, ConnectError> {
    match connect(target, options).await {
        Err(error @ (ConnectError::Status { .. } | ConnectError::Transport(_))) => {
            tracing::debug!(%error, "the server was not opened with initialize; it is probed");
            connect(target, &options.clone().legacy_first(false)).await
        }
        opened => opened,
    }
}

/// Whether the server may be another one, or of another revision, since it could not be opened in the known one.
fn may_be_another(error: &ConnectError) -> bool {
    match error {
        ConnectError::Refused { .. }
        | ConnectError::Failed { .. }
        | ConnectError::Revision { .. }
        | ConnectError::Ended(_) => true,
        // What is refused over HTTP is told in words.
        ConnectError::Status { .. } | ConnectError::Transport(_) => true,
        _ => false,
    }
}

impl fmt::Debug for RevisionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URLs may hold secrets.
        f.debug_struct("RevisionCache").field("servers", &self.0.lock().len()).finish()
    }
}

#[cfg(all(test, unix))]
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

    #[test]
    fn a_full_cache_forgets_a_server_for_each_new_one() {
        let cache = RevisionCache::default();
        for number in 0..=MAX_SERVERS {
            cache.learn(number.to_string(), Revision::V2025_11_25);
        }
        let known = cache.0.lock();
        assert_eq!(known.len(), MAX_SERVERS);
        assert!(known.contains_key(&MAX_SERVERS.to_string()), "the newest is known");
    }

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
        let cache = RevisionCache::default();
        let mut old = server(&path, Revision::V2025_06_18);
        for methods in [&["server/discover", "initialize"][..], &["initialize"], &["initialize"]] {
            let connection = cache.connect(&target, &opening).await.unwrap();
            assert_eq!(connection.revision(), Revision::V2025_06_18);
            assert_eq!(all(&mut old), methods);
            connection.close().await;
        }
        assert_eq!(cache.known(&target), Some(Revision::V2025_06_18));
        // Another cache knows nothing.
        RevisionCache::default().connect(&target, &opening).await.unwrap();
        assert_eq!(all(&mut old), ["server/discover", "initialize"]);
        drop(old);

        // Another old revision, then a modern one.
        let mut older = server(&path, Revision::V2024_11_05);
        assert_eq!(cache.connect(&target, &opening).await.unwrap().revision(), Revision::V2024_11_05);
        assert_eq!(all(&mut older), ["initialize", "server/discover", "initialize"]);
        drop(older);
        let mut new = server(&path, Revision::NEWEST);
        assert_eq!(cache.connect(&target, &opening).await.unwrap().revision(), Revision::NEWEST);
        assert_eq!(all(&mut new), ["initialize", "server/discover"]);
        assert_eq!(cache.known(&target), None);
        assert_eq!(cache.connect(&target, &opening).await.unwrap().revision(), Revision::NEWEST);
        assert_eq!(all(&mut new), ["server/discover"]);
    }

    #[tokio::test]
    async fn what_is_demanded_is_not_overruled_by_what_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let target = Target::Unix(path.clone());
        let (opening, cache) = (ConnectOptions::default(), RevisionCache::default());
        let mut old = server(&path, Revision::V2025_06_18);
        cache.connect(&target, &opening).await.unwrap();
        let demanding = opening.clone().revision(Revision::V2025_11_25);
        let refused = cache.connect(&target, &demanding).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Revision { .. }), "{refused}");
        assert_eq!(all(&mut old), ["server/discover", "initialize", "initialize"]);
        assert_eq!(cache.known(&target), Some(Revision::V2025_06_18));
    }
}
