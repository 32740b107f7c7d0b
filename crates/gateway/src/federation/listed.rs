//! A definition as a member lists it.

use std::sync::{Arc, OnceLock};

use anyport_protocol::Raw;
use sha2::{Digest as _, Sha256};

use super::declared_names::DeclaredNames;

/// A definition as a member lists it, with what calls need of it: that is derived once, with the first call. Clones are the same definition.
#[derive(Clone)]
pub(super) struct Listed {
    text: Raw,
    derived: Arc<Derived>,
}

#[derive(Default)]
struct Derived {
    version: OnceLock<u64>,
    names: OnceLock<DeclaredNames>,
}

impl Listed {
    pub(super) fn new(text: Raw) -> Self {
        Self { text, derived: Arc::default() }
    }

    /// The definition.
    pub(super) fn text(&self) -> &Raw {
        &self.text
    }

    /// A number that another definition does not have.
    pub(super) fn version(&self) -> u64 {
        *self.derived.version.get_or_init(|| {
            let digest: [u8; 32] = Sha256::digest(self.text.as_str()).into();
            u64::from_le_bytes(std::array::from_fn(|at| digest[at]))
        })
    }

    /// The names of the arguments of a tool.
    pub(super) fn declared_names(&self) -> &DeclaredNames {
        self.derived.names.get_or_init(|| DeclaredNames::of(&self.text))
    }
}
