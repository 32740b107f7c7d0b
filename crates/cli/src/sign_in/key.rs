//! The key that seals credentials: in the keyring of the system, else in a file that only the user can read.
//!
//! Where it is, is recorded in the folder of the program's state and never changes by itself: the file `credentials.key` is the key, and
//! the file `credentials.keyring` has the name under which the keyring has it. A keyring that does not answer later is an error, since
//! another key would open no login.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use anyport_config::{private_file, private_folder};
use anyport_seal::Key;
use data_encoding::HEXLOWER;

use crate::{state_dir, user_error::UserError};

/// Keeps secrets by name.
pub(super) trait Keyring: Send + Sync + 'static {
    /// The secret of this name; `None` if there is none.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, String>;

    /// Keeps a secret.
    ///
    /// # Errors
    /// Why it cannot be kept.
    fn set(&self, name: &str, secret: &[u8]) -> Result<(), String>;
}

/// The keyring of the system: Secret Service, Keychain, Credential Manager.
pub(super) struct SystemKeyring;

/// The service under which the keyring has the keys.
const SERVICE: &str = "anyport";

impl Keyring for SystemKeyring {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        match entry(name)?.get_secret() {
            Ok(secret) => Ok(Some(secret)),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn set(&self, name: &str, secret: &[u8]) -> Result<(), String> {
        if std::env::var_os(SWITCH).is_some_and(|value| value == "off") {
            return Err(format!("{SWITCH} is off"));
        }
        entry(name)?.set_secret(secret).map_err(|error| error.to_string())
    }
}

fn entry(name: &str) -> Result<keyring::Entry, String> {
    keyring::Entry::new(SERVICE, name).map_err(|error| error.to_string())
}

/// The variable that has the key kept in a file.
const SWITCH: &str = "ANYPORT_KEYRING";

/// How long a keyring may take: a locked one may ask the user.
const PATIENCE: Duration = Duration::from_secs(5);

/// The record that the key is in the keyring: its name there.
const IN_KEYRING: &str = "credentials.keyring";

/// Whether there is a key: whether anybody has signed in.
pub(super) fn exists(folder: &Path) -> bool {
    state_dir::has_credentials_key(folder) || folder.join(IN_KEYRING).exists()
}

/// The key of the folder, which is made when there is none.
///
/// # Errors
/// When it can be neither read nor made.
pub(super) fn key(folder: &Path, keyring: impl Keyring) -> Result<Key> {
    let keyring = Patient(std::sync::Arc::new(keyring), PATIENCE);
    let of_file = || state_dir::credentials_key(folder).map_err(anyhow::Error::from);
    if state_dir::has_credentials_key(folder) {
        return of_file();
    }
    if folder.join(IN_KEYRING).exists() {
        return key_in_keyring(folder, &keyring);
    }
    match make(folder, &keyring) {
        Ok(key) => Ok(key),
        // The record may be there all the same, of another program that has just made it.
        Err(_) if folder.join(IN_KEYRING).exists() => key_in_keyring(folder, &keyring),
        Err(why) => {
            tracing::debug!("no keyring keeps the key of logins, so a file does: {why:#}");
            of_file()
        }
    }
}

/// The key that the record of the folder names.
fn key_in_keyring(folder: &Path, keyring: &Patient) -> Result<Key> {
    let name = fs::read_to_string(folder.join(IN_KEYRING)).context(IN_KEYRING)?;
    read(folder, name.trim(), keyring)
}

/// The key that the keyring has under `name`.
fn read(folder: &Path, name: &str, keyring: &Patient) -> Result<Key> {
    let missing = |why: String| {
        let problem = format!(
            "the key of the stored logins is in the keyring of the system, and cannot be read there: {why}"
        );
        let record = folder.join(IN_KEYRING);
        let help = format!("unlock the keyring; or delete {} and sign in again everywhere", record.display());
        UserError::failed(problem, help)
    };
    let secret =
        keyring.get(name).map_err(missing)?.ok_or_else(|| missing("it has no such entry".to_owned()))?;
    parse(&secret).ok_or_else(|| missing("its entry is no key".to_owned()))
}

/// Makes a key that the keyring keeps, and records that.
fn make(folder: &Path, keyring: &Patient) -> Result<Key> {
    private_folder(folder)?;
    let key = Key::random().map_err(|error| anyhow!("{error}"))?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| anyhow!("{error}"))?;
    // Each folder has an entry of its own.
    let name = format!("logins-{}", HEXLOWER.encode(&id));
    keyring.set(&name, key.as_bytes()).map_err(|why| anyhow!(why))?;
    // Some keep nothing, and say nothing.
    if keyring.get(&name).map_err(|why| anyhow!(why))?.as_deref() != Some(key.as_bytes().as_slice()) {
        return Err(anyhow!("it does not give back what it was given"));
    }
    record(folder, &name)?;
    // Another program may have been first.
    key_in_keyring(folder, keyring)
}

/// Writes the record aside and links it into place, so that two programs that start at once agree on one.
fn record(folder: &Path, name: &str) -> Result<()> {
    let aside = folder.join(format!("{IN_KEYRING}.{}", std::process::id()));
    let _ = fs::remove_file(&aside);
    private_file(&aside)?.write_all(name.as_bytes())?;
    let linked = fs::hard_link(&aside, folder.join(IN_KEYRING));
    let _ = fs::remove_file(&aside);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

fn parse(bytes: &[u8]) -> Option<Key> {
    Some(Key::from_bytes(bytes.try_into().ok()?))
}

/// A keyring that is asked on a thread of its own, for so long: it may wait for its user for ever.
struct Patient(std::sync::Arc<dyn Keyring>, Duration);

impl Patient {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let name = name.to_owned();
        self.ask(move |keyring| keyring.get(&name))
    }

    fn set(&self, name: &str, secret: &[u8]) -> Result<(), String> {
        let (name, secret) = (name.to_owned(), secret.to_owned());
        self.ask(move |keyring| keyring.set(&name, &secret))
    }

    fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Keyring) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let (answer, answered) = mpsc::channel();
        let keyring = self.0.clone();
        thread::spawn(move || answer.send(ask(&*keyring)));
        let late = |_| format!("it has not answered within {} s", self.1.as_secs());
        answered.recv_timeout(self.1).map_err(late)?
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex},
    };

    use super::*;

    /// A keyring in memory, which may be out of order.
    #[derive(Clone, Default)]
    struct Fake {
        secrets: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
        is_away: bool,
        forgets: bool,
    }

    impl Keyring for Fake {
        fn get(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
            match self.is_away {
                true => Err("no session bus".into()),
                false => Ok(self.secrets.lock().unwrap().get(name).cloned()),
            }
        }

        fn set(&self, name: &str, secret: &[u8]) -> Result<(), String> {
            if self.is_away {
                return Err("no session bus".into());
            }
            if !self.forgets {
                self.secrets.lock().unwrap().insert(name.to_owned(), secret.to_owned());
            }
            Ok(())
        }
    }

    fn bytes(folder: &Path, keyring: &Fake) -> Vec<u8> {
        key(folder, keyring.clone()).unwrap().as_bytes().to_vec()
    }

    /// Invariant: Where the key of logins is does not change by itself: neither when the keyring goes away nor when one comes.
    #[test]
    fn the_place_of_the_key_is_chosen_once() {
        let (folder, keyring) = (tempfile::tempdir().unwrap(), Fake::default());
        assert!(!exists(folder.path()));
        let first = bytes(folder.path(), &keyring);
        assert!(exists(folder.path()) && !folder.path().join("credentials.key").exists());
        assert_eq!(bytes(folder.path(), &keyring), first);
        assert_eq!(keyring.secrets.lock().unwrap().len(), 1);
        let away = Fake { is_away: true, ..keyring.clone() };
        let refused = key(folder.path(), away).unwrap_err().to_string();
        assert!(refused.contains("no session bus"), "{refused}");
        assert!(!folder.path().join("credentials.key").exists(), "no other key takes its place");
        keyring.secrets.lock().unwrap().clear();
        assert!(key(folder.path(), keyring).is_err(), "a lost key is not replaced");
    }

    #[test]
    fn without_a_keyring_the_key_is_a_file_and_stays_one() {
        for out_of_order in
            [Fake { is_away: true, ..Fake::default() }, Fake { forgets: true, ..Fake::default() }]
        {
            let folder = tempfile::tempdir().unwrap();
            let first = bytes(folder.path(), &out_of_order);
            assert!(folder.path().join("credentials.key").exists());
            assert_eq!(bytes(folder.path(), &Fake::default()), first);
            assert!(!folder.path().join(IN_KEYRING).exists());
        }
    }

    #[test]
    fn a_keyring_that_waits_for_its_user_is_not_waited_for() {
        struct Locked(Mutex<mpsc::Receiver<()>>);
        impl Keyring for Locked {
            fn get(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
                let _ = self.0.lock().unwrap().recv();
                Ok(None)
            }
            fn set(&self, _: &str, _: &[u8]) -> Result<(), String> {
                Ok(())
            }
        }
        let (_user, prompt) = mpsc::channel();
        let patient = Patient(Arc::new(Locked(Mutex::new(prompt))), Duration::from_millis(10));
        assert!(patient.get("x").unwrap_err().contains("has not answered"));
    }
}
