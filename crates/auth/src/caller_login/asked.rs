//! The key of the question that asks a caller to sign in: what was asked, by which its answer is known.

use std::sync::Arc;

use anyport_seal::Sealer;
use anyport_service::Principal;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a caller was asked. It is sealed in the key of the question, so that no server behind a gateway can ask a question whose answer is
/// taken for one to this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedLogin {
    server: String,
    principal: String,
    /// The login that was used when the caller was asked, if another one is wanted.
    pub(super) other_than: Option<String>,
}

/// What it is sealed for.
const PURPOSE: &str = "connect-question";
/// What the key begins with.
const PREFIX: &str = "sign-in-";
/// The longest key that is opened.
const LONGEST: usize = 4096;

impl AskedLogin {
    pub(super) fn new(server: &str, principal: &Principal, other_than: Option<Arc<str>>) -> Self {
        let other_than = other_than.map(|id| id.to_string());
        Self { server: server.to_owned(), principal: principal.to_string(), other_than }
    }

    /// Whether the login that there was is good, and the caller was asked for another one.
    pub fn wants_another(&self) -> bool {
        self.other_than.is_some()
    }

    pub(super) fn key(&self, sealer: &Sealer) -> Result<String, Error> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let sealed = sealer.seal(PURPOSE, &text).map_err(|_| Error::NoRandomness)?;
        Ok(format!("{PREFIX}{sealed}"))
    }

    /// What `principal` was asked about `server` under `key`, if that is such a key.
    pub(super) fn open(sealer: &Sealer, key: &str, server: &str, principal: &Principal) -> Option<Self> {
        let sealed = key.strip_prefix(PREFIX).filter(|sealed| sealed.len() <= LONGEST)?;
        let asked: Self = serde_json::from_slice(&sealer.open(PURPOSE, sealed).ok()?).ok()?;
        (asked.server == server && asked.principal == principal.to_string()).then_some(asked)
    }
}

#[cfg(test)]
mod tests {
    use anyport_seal::Key;

    use super::*;

    #[test]
    fn a_key_is_of_one_server_and_one_caller_and_nobody_else_makes_one() {
        let sealer = Sealer::new(&Key::random().unwrap());
        let [ada, bob] = ["ada", "bob"].map(|name| Principal::subject_of("https://i.example", name));
        let asked = AskedLogin::new("far", &ada, Some("1".into()));
        let key = asked.key(&sealer).unwrap();
        assert_eq!(AskedLogin::open(&sealer, &key, "far", &ada), Some(asked));
        for (key, server, principal) in [
            (&*key, "far", &bob),
            (&key, "other", &ada),
            (&key[..key.len() - 1], "far", &ada),
            ("sign-in-", "far", &ada),
            ("sign-in-x", "far", &ada),
            (&key[PREFIX.len()..], "far", &ada),
        ] {
            assert_eq!(AskedLogin::open(&sealer, key, server, principal), None, "{key}");
        }
    }
}
