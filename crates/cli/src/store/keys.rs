//! The keys that seal what travels through clients and what is secret in a shared store: those of a file that all gateways have.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use anyport_seal::{Key, Sealer};
use data_encoding::{BASE64, BASE64URL};
use tokio::time::sleep;

use crate::user_error::UserError;

/// The keys of a program. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct StateKeys {
    /// The first key when the program was started, which names lists of servers.
    pub(crate) first: Key,
    /// Seals with the first, and opens with all.
    pub(crate) sealer: Sealer,
    /// The file that is read again when it changes.
    file: Option<PathBuf>,
}

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The largest file in bytes, and so the most keys.
const LARGEST: usize = 64 << 10;

impl StateKeys {
    /// The only key of a program, which does not change.
    pub(crate) fn only(key: Key) -> Self {
        Self { sealer: Sealer::new(&key), first: key, file: None }
    }

    /// The keys in `file`: 32 bytes, or Base64 of 32 bytes on each line, of which the first seals and all open.
    ///
    /// # Errors
    /// When it cannot be read, or has something else.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let keys = read(file).map_err(|why| {
            let problem = format!(
                "the key {} (--state-key, or state_key of [store]) cannot be used: {why}",
                file.display()
            );
            UserError::usage(
                problem,
                "make one with: openssl rand -base64 32; every gateway of the store has the same",
            )
        })?;
        let (first, older) = keys;
        let sealer = Sealer::new(&first);
        sealer.set_keys(&first, &older);
        Ok(Self { first, sealer, file: Some(file.to_owned()) })
    }

    /// Reads the file again whenever it changes, for as long as the program runs. A file with a fault changes nothing.
    pub(crate) fn follow(&self) {
        let Some(file) = self.file.clone() else { return };
        let sealer = self.sealer.clone();
        tokio::spawn(async move {
            let mut seen = fs::read(&file).ok();
            loop {
                sleep(LOOK).await;
                let found = fs::read(&file).ok();
                if found == seen {
                    continue;
                }
                seen = found;
                match read(&file) {
                    Ok((first, older)) => {
                        sealer.set_keys(&first, &older);
                        tracing::info!(keys = 1 + older.len(), "the state key was read again");
                    }
                    Err(why) => {
                        tracing::warn!(file = %file.display(), why, "the state key is kept as it was")
                    }
                }
            }
        });
    }
}

/// The keys of a file.
fn read(file: &Path) -> Result<(Key, Vec<Key>), String> {
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    if is_open_to_others(file) {
        tracing::warn!("other users can read {0}, which is a secret: chmod 600 {0}", file.display());
    }
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<(Key, Vec<Key>), String> {
    if let Ok(key) = <[u8; 32]>::try_from(bytes) {
        return Ok((Key::from_bytes(key), Vec::new()));
    }
    if bytes.len() > LARGEST {
        return Err(format!("it has more than {LARGEST} bytes"));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| "it has neither 32 bytes nor lines of Base64".to_owned())?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let mut keys = lines.map(|(number, line)| {
        let decoded = BASE64.decode(line.as_bytes()).or_else(|_| BASE64URL.decode(line.as_bytes()));
        let key = decoded.ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
        key.map(Key::from_bytes).ok_or_else(|| format!("its line {} is not Base64 of 32 bytes", number + 1))
    });
    let first = keys.next().ok_or("it is empty")??;
    Ok((first, keys.collect::<Result<_, _>>()?))
}

/// Whether the permissions of a file let others than its owner read or change it. A group may read it: containers mount secrets so.
#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o027 != 0)
}

/// Elsewhere a file has the permissions of its folder.
#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(file: &[u8]) -> Result<Vec<[u8; 32]>, String> {
        parse(file)
            .map(|(first, older)| std::iter::once(&first).chain(&older).map(|key| *key.as_bytes()).collect())
    }

    #[test]
    fn a_file_has_one_raw_key_or_one_in_each_line() {
        let (one, two) = (BASE64.encode(&[1; 32]), BASE64.encode(&[255; 32]));
        assert_eq!(bytes(&[7; 32]), Ok(vec![[7; 32]]));
        assert_eq!(bytes(one.as_bytes()), Ok(vec![[1; 32]]));
        assert_eq!(bytes(format!("{two}\n\n {one}\r\n").as_bytes()), Ok(vec![[255; 32], [1; 32]]));
        for wrong in ["", "\n", "short", &format!("{one}\n{}", &two[1..]), &BASE64.encode(&[1; 31])] {
            let refused = bytes(wrong.as_bytes()).unwrap_err();
            assert!(!refused.contains(&one), "{refused}");
        }
        assert!(bytes(&[255; 33]).is_err() && bytes(&vec![b'a'; LARGEST + 1]).is_err());
    }

    /// Invariant: A key is changed while processes run: what the older key sealed opens until that key is taken away.
    #[tokio::test(start_paused = true)]
    async fn a_changed_file_changes_the_keys_of_all_clones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.key");
        let (one, two) = (BASE64.encode(&[1; 32]), BASE64.encode(&[2; 32]));
        fs::write(&file, &one).unwrap();
        let keys = StateKeys::read(&file).unwrap();
        keys.follow();
        let (sealed, clone) = (keys.sealer.seal("x", b"text").unwrap(), keys.sealer.clone());
        tokio::task::yield_now().await;
        let opened_by_two = Sealer::new(&Key::from_bytes([2; 32]));
        fs::write(&file, format!("{two}\n{one}\n")).unwrap();
        while opened_by_two.open("x", &clone.seal("x", b"new").unwrap()).is_err() {
            sleep(LOOK).await;
        }
        assert_eq!(clone.open("x", &sealed).unwrap(), b"text");
        fs::write(&file, "no key").unwrap();
        sleep(LOOK * 3).await;
        assert_eq!(clone.open("x", &sealed).unwrap(), b"text", "a fault changes nothing");
        fs::write(&file, &two).unwrap();
        while clone.open("x", &sealed).is_ok() {
            sleep(LOOK).await;
        }
    }
}
