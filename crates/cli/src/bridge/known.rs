//! What a server is known by.

use sha2::{Digest as _, Sha256};

use crate::target::Server;

/// The file of what a server was last known to offer: another for every server, and no secret is in its name.
pub(super) fn file_name(server: &Server) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    match server {
        Server::Http { url, .. } | Server::WebSocket { url, .. } => add(url),
        Server::Unix(path) => add(&path.to_string_lossy()),
        Server::Command { program, arguments, cwd, .. } => {
            add(program);
            arguments.iter().for_each(|argument| add(argument));
            add(&cwd.as_deref().map(|folder| folder.to_string_lossy()).unwrap_or_default());
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    let digest: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_has_a_file_of_its_own() {
        let command = |program: &str, arguments: &[&str]| Server::Command {
            program: program.into(),
            arguments: arguments.iter().map(|&argument| argument.into()).collect(),
            environment: Vec::new(),
            cwd: None,
        };
        let names = [
            file_name(&command("a", &["b", "c"])),
            file_name(&command("a", &["bc"])),
            file_name(&command("ab", &["c"])),
            file_name(&Server::Unix("a".into())),
            file_name(&Server::url("http://a/mcp?token=secret", Vec::new()).unwrap()),
        ];
        for (index, name) in names.iter().enumerate() {
            assert_eq!(name.len(), 37);
            assert!(!names[..index].contains(name));
        }
        assert_eq!(names[0], file_name(&command("a", &["b", "c"])));
    }
}
