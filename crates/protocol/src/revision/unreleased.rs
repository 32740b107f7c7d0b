//! 2026-07-28 beside the revision of the unit tests: the result of `completion/complete` said with `hasMore` whether there
//! are more values, which is `remaining` there; and its params, as well as those of `roots/list`, had `context`, which is
//! `known` there.

use super::{Part, Unrepresentable, tree::Tree};
use crate::{Method, Raw};

/// 2026-07-28 to the revision of the unit tests.
pub(super) fn lift(part: Part, value: &mut Tree) -> Result<(), Unrepresentable> {
    match part {
        Part::Params(Method::Complete) | Part::ServerRequest(Method::ListRoots) => {
            rename(value, "context", "known")
        }
        Part::Result(Method::Complete) => {
            let Some(completion) = value.member("completion") else { return Ok(()) };
            if let Some(more) = completion.remove("hasMore") {
                let remaining = more.into_raw().as_str() == "true";
                completion.set("remaining", Raw::string(if remaining { "some" } else { "none" }).into());
            }
        }
        _ => {}
    }
    Ok(())
}

/// The revision of the unit tests to 2026-07-28.
pub(super) fn lower(part: Part, value: &mut Tree) -> Result<(), Unrepresentable> {
    match part {
        Part::Params(Method::Complete) | Part::ServerRequest(Method::ListRoots) => {
            rename(value, "known", "context")
        }
        Part::Result(Method::Complete) => {
            let Some(completion) = value.member("completion") else { return Ok(()) };
            if let Some(remaining) = completion.remove("remaining") {
                let more = remaining.into_raw().as_str() == "\"some\"";
                completion.set("hasMore", Raw::written(if more { "true" } else { "false" }).into());
            }
        }
        _ => {}
    }
    Ok(())
}

fn rename(value: &mut Tree, from: &str, to: &str) {
    if let Some(member) = value.remove(from) {
        value.set(to, member);
    }
}
