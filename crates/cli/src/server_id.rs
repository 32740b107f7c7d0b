//! The identity of a server.

use std::path::Path;

use anyport_config::gateway::UpstreamConfig;
use anyport_seal::Key;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::target::{GatewayServer, SecretValue, Server};

/// Returns the id under which the lists of a server are stored: one per server and credential, since a server may offer something
/// else to each. It is a hash under `key`, so that a secret cannot be found out by guessing.
pub(crate) fn server_id(server: &Server, key: &Key) -> String {
    let mut hash = Sha256::new_with_prefix(key.as_bytes());
    let mut add = |part: &str| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    let given = |pairs: &[(String, SecretValue)], add: &mut dyn FnMut(&str)| {
        pairs.iter().for_each(|(name, value)| {
            add(name);
            add(&value.0);
        });
    };
    match server {
        Server::Http { url, headers, .. } | Server::WebSocket { url, headers } => {
            add(url);
            given(headers, &mut add);
        }
        Server::Unix(path) => add(&path.to_string_lossy()),
        // Its limits say nothing of what it offers.
        Server::Command { program, arguments, environment, cwd, confinement: _ } => {
            add(program);
            arguments.iter().for_each(|argument| add(argument));
            add(&cwd.as_deref().map(|folder| folder.to_string_lossy()).unwrap_or_default());
            given(environment, &mut add);
        }
        Server::Gateway(GatewayServer { file, name, .. }) => return upstream_id(file, name, key),
    }
    hex(hash)
}

/// Returns the same for an upstream of a gateway's file, whose secrets need not be read for it.
pub(crate) fn upstream_id(file: &Path, name: &str, key: &Key) -> String {
    id_of(&["upstream", &file.to_string_lossy(), name], key)
}

/// Returns an id of the entry `name` of the file `file`, as long as `config` says the same of its connections. References in it are not
/// followed.
pub(crate) fn entry_id(file: &str, name: &str, config: &UpstreamConfig, key: &Key) -> String {
    // It came from a text.
    let text = serde_json::to_string(&config.connection()).unwrap_or_default();
    id_of(&["entry", file, name, &text], key)
}

fn id_of(parts: &[&str], key: &Key) -> String {
    let mut hash = Sha256::new_with_prefix(key.as_bytes());
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hex(hash)
}

fn hex(hash: Sha256) -> String {
    let digest: [u8; 32] = hash.finalize().into();
    HEXLOWER.encode(&digest[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant: A bridge's stored lists are separate for each credential, and do not grow without bound.
    #[test]
    fn every_server_has_an_id_of_its_own_and_so_has_everyone_it_is_asked_as() {
        let key = Key::from_bytes([7; 32]);
        let hidden = |name: &str, value: &str| vec![(name.to_owned(), SecretValue(value.to_owned()))];
        let command = |program: &str, arguments: &[&str], environment| Server::Command {
            program: program.into(),
            arguments: arguments.iter().map(|&argument| argument.into()).collect(),
            environment,
            cwd: None,
            confinement: None,
        };
        let url = |headers| Server::url("http://a/mcp?token=secret", headers).unwrap();
        let servers = [
            command("a", &["b", "c"], Vec::new()),
            command("a", &["bc"], Vec::new()),
            command("ab", &["c"], Vec::new()),
            command("a", &["b", "c"], hidden("PROFILE", "home")),
            command("a", &["b", "c"], hidden("PROFILE", "work")),
            Server::Unix("a".into()),
            url(Vec::new()),
            url(hidden("authorization", "Bearer ada")),
            url(hidden("authorization", "Bearer bob")),
        ];
        let ids: Vec<_> = servers.iter().map(|server| server_id(server, &key)).collect();
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(id.len(), 32);
            assert!(!ids[..index].contains(id), "{:?}", servers[index]);
        }
        assert_eq!(ids[0], server_id(&servers[0], &key));
        assert_ne!(ids[0], server_id(&servers[0], &Key::from_bytes([8; 32])), "nobody else can tell");
    }
}
