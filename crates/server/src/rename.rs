//! Changes in JSON text that leave the rest of it as it is.

use anyport_protocol::Raw;

/// `object` with its member `name` set to `name`, in the place where it stood.
pub(crate) fn renamed(object: &Raw, name: &str) -> Raw {
    let old = object.members().filter(|member| member.is("name")).last().map(|member| member.value);
    replaced(object, old, &Raw::string(name))
}

/// `json` with `part`, which is borrowed from it, replaced.
pub(crate) fn replaced(json: &Raw, part: Option<&str>, with: &Raw) -> Raw {
    let Some(part) = part else { return json.clone() };
    let text = json.as_str();
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    let mut out = Vec::with_capacity(text.len() - part.len() + with.as_str().len());
    out.extend_from_slice(&text.as_bytes()[..start]);
    out.extend_from_slice(with.as_str().as_bytes());
    out.extend_from_slice(&text.as_bytes()[start + part.len()..]);
    Raw::trusted(out)
}
