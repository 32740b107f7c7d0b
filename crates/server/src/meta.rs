//! The metadata of what a server offers.

use anyport_protocol::{meta::key, types::MetaObject};

/// What is wrong with the names of the members.
pub(crate) fn problems(meta: Option<&MetaObject>) -> impl Iterator<Item = String> {
    let names = meta.into_iter().flat_map(MetaObject::keys);
    names.filter(|name| !key::is_valid(name)).map(|name| {
        format!(
            "{name:.80?} is no name of metadata: write it as `com.example/name`, with letters and digits, and `-`, `_` and `.` between them"
        )
    })
}
