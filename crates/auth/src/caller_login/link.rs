//! What the address of a page to connect at says: who connects which server, and until when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyport_seal::Sealer;
use anyport_service::Principal;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// For whom a page is. It is sealed in the page's address, so it outlives a restart, and nobody can make one for somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    /// The name of the server.
    pub(super) server: String,
    issuer: String,
    subject: String,
    /// Scopes that the login before lacked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) lacking: String,
    /// When it ends, in seconds since 1970.
    ends: u64,
}

/// What it is sealed for.
const PURPOSE: &str = "connect";
/// The longest text that is opened.
const LONGEST: usize = 4096;

impl Link {
    /// The link by which `principal` connects `server`, with the scopes `lacking` of the login before; `None` if no browser can show that it is this principal's.
    pub(super) fn new(server: &str, principal: &Principal, lacking: &str, until: SystemTime) -> Option<Self> {
        Some(Self {
            server: server.to_owned(),
            issuer: principal.issuer()?.to_owned(),
            subject: principal.subject()?.to_owned(),
            lacking: lacking.to_owned(),
            ends: seconds(until),
        })
    }

    pub(super) fn seal(&self, sealer: &Sealer) -> Result<String, Error> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        sealer.seal(PURPOSE, &text).map_err(|_| Error::NoRandomness)
    }

    /// The link of an address, unless it has ended or is none of ours.
    pub(super) fn open(sealer: &Sealer, id: &str, now: SystemTime) -> Option<Self> {
        let text = sealer.open(PURPOSE, id.get(..id.len().min(LONGEST))?).ok()?;
        let link: Self = serde_json::from_slice(&text).ok()?;
        (seconds(now) < link.ends).then_some(link)
    }

    /// Who connects.
    pub(super) fn principal(&self) -> Principal {
        Principal::subject_of(self.issuer.as_str(), self.subject.as_str())
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use anyport_seal::Key;

    use super::*;

    #[test]
    fn a_link_is_of_one_principal_and_ends() {
        let (sealer, other) = (Sealer::new(&Key::random().unwrap()), Sealer::new(&Key::random().unwrap()));
        let (ada, at) = (Principal::subject_of("https://i.example", "ada"), |seconds| {
            UNIX_EPOCH + Duration::from_secs(seconds)
        });
        let link = Link::new("far", &ada, "write", at(600)).unwrap();
        let id = link.seal(&sealer).unwrap();
        assert_eq!(Link::open(&sealer, &id, at(599)), Some(link.clone()));
        assert_eq!(link.principal(), ada);
        assert_eq!(Link::open(&sealer, &id, at(600)), None, "it has ended");
        assert_eq!(Link::open(&other, &id, at(0)), None, "another gateway has made it");
        let state = sealer.seal("other", b"{}").unwrap();
        for wrong in [&id[1..], &state, "", "\u{e9}"] {
            assert_eq!(Link::open(&sealer, wrong, at(0)), None, "{wrong}");
        }
        assert_eq!(
            Link::new("far", &Principal::named("key"), "", at(600)),
            None,
            "no browser is that of a key"
        );
    }
}
