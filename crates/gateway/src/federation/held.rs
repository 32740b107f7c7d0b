//! Items that are held back until their definitions are accepted.

use std::sync::Arc;

use anyport_protocol::{Error, Raw, json::Splice, jsonrpc::Reason};
use bytestring::ByteString;

use super::{
    list_kind::ListKind,
    member::MemberEntry,
    member_list::{ListEntry, Verdict},
    pins::Pins,
};

/// An item that is held back.
#[derive(Clone)]
pub(super) struct HeldItem {
    pub(super) member: Arc<MemberEntry>,
    /// What the member calls it.
    own: ByteString,
    why: Verdict,
}

impl HeldItem {
    /// The entry of a list, if it is held back.
    pub(super) fn of(member: &Arc<MemberEntry>, entry: &ListEntry) -> Option<Self> {
        let why = entry.held?;
        Some(Self { member: member.clone(), own: entry.key.clone(), why })
    }

    /// The item that `member` calls `own`, if a definition of it is not accepted, for whatever callers.
    pub(super) fn of_any_caller(member: &Arc<MemberEntry>, kind: ListKind, own: &ByteString) -> Option<Self> {
        let why = member.core.pins.as_ref()?.held(kind, own)?;
        Some(Self { member: member.clone(), own: own.clone(), why })
    }

    /// What its member calls it.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    /// The refusal of a request for it, which is counted.
    pub(super) fn refusal(&self, kind: ListKind) -> Error {
        let (upstream, own) = (&*self.member.core.name, &*self.own);
        let why = match self.why {
            Verdict::Suspicious => return self.suspicious(kind),
            Verdict::New => "it is new",
            _ => "its definition has changed since it was accepted",
        };
        self.member.core.pins.iter().for_each(Pins::count_refusal);
        let noun = kind.noun();
        // Whoever reads the command may copy it into a shell, and the member has chosen the name.
        let is_word = |letter: u8| letter.is_ascii_alphanumeric() || b"_-./:".contains(&letter);
        let name = if own.len() <= 128 && own.bytes().all(is_word) { own } else { "NAME" };
        let message = format!(
            "the {noun} {own:.128} of {upstream} is quarantined: {why}. Whoever runs the gateway can compare the definitions \
             (anyport pins diff {upstream}) and accept the new one (anyport pins accept {upstream} {name})"
        );
        let data = Splice::new().with("upstream", &Raw::string(upstream)).finish();
        Error::invalid_params(message).with_data(data).with_reason(Reason::Quarantined)
    }

    fn suspicious(&self, kind: ListKind) -> Error {
        let (upstream, noun, own) = (&*self.member.core.name, kind.noun(), &*self.own);
        let message = format!(
            "the {noun} {own:.128?} of {upstream} is quarantined: its definition has hidden instructions or invisible characters. Whoever runs the \
             gateway finds them in `anyport status`"
        );
        let data = Splice::new().with("upstream", &Raw::string(upstream)).finish();
        Error::invalid_params(message).with_data(data).with_reason(Reason::Quarantined)
    }
}
