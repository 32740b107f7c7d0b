//! The identity of a server.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use anyport_seal::Key;
use sha2::{Digest as _, Sha256};

use crate::target::{SecretValue, Server};

/// Returns the cache file of a server's lists: one per server and credential, since a server may offer something else
/// to each. The name is hashed under `key`, so that a secret cannot be found out by guessing.
pub(crate) fn file_name(server: &Server, key: &Key) -> String {
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
        Server::Http { url, headers } | Server::WebSocket { url, headers } => {
            add(url);
            given(headers, &mut add);
        }
        Server::Unix(path) => add(&path.to_string_lossy()),
        Server::Command { program, arguments, environment, cwd } => {
            add(program);
            arguments.iter().for_each(|argument| add(argument));
            add(&cwd.as_deref().map(|folder| folder.to_string_lossy()).unwrap_or_default());
            given(environment, &mut add);
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    let digest: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}.json")
}

/// Removes old files from `folder`: of servers that are no longer used, or that have another token now. A failure is
/// ignored.
pub(crate) fn forget_old(folder: &Path) {
    let Ok(files) = std::fs::read_dir(folder) else { return };
    for file in files.flatten() {
        let written = file.metadata().and_then(|metadata| metadata.modified());
        let age = written.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age > OLD) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

/// The age at which a file is removed: reading the lists again costs little.
const OLD: Duration = Duration::from_secs(90 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant: A bridge's stored lists are separate for each credential, and do not grow without bound.
    #[test]
    fn every_server_has_a_file_of_its_own_and_so_has_everyone_it_is_asked_as() {
        let key = Key::from_bytes([7; 32]);
        let hidden = |name: &str, value: &str| vec![(name.to_owned(), SecretValue(value.to_owned()))];
        let command = |program: &str, arguments: &[&str], environment| Server::Command {
            program: program.into(),
            arguments: arguments.iter().map(|&argument| argument.into()).collect(),
            environment,
            cwd: None,
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
        let names: Vec<_> = servers.iter().map(|server| file_name(server, &key)).collect();
        for (index, name) in names.iter().enumerate() {
            assert_eq!(name.len(), 37);
            assert!(!names[..index].contains(name), "{:?}", servers[index]);
        }
        assert_eq!(names[0], file_name(&servers[0], &key));
        assert_ne!(names[0], file_name(&servers[0], &Key::from_bytes([8; 32])), "nobody else can tell");
    }

    #[test]
    fn what_was_not_written_for_long_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age) in [("old.json", OLD * 2), ("new.json", OLD / 2)] {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        forget_old(folder.path());
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, ["new.json"]);
        forget_old(&folder.path().join("missing"));
    }
}
