//! The five revisions, and how a message is carried between them.
//!
//! Inside, everything speaks the newest revision. An older one is written as its difference to the next newer
//! one: a module with two functions, `lift` (older to newer) and `lower` (newer to older). A message of
//! 2024-11-05 is lifted through four of them; one of the newest revision through none.
//!
//! Three principles hold for all:
//! - What belongs to one hop (`resultType`, cache hints, reserved members of `_meta`) is removed or set anew.
//! - A member that the older schema does not know but does not contradict stays. Only contradictions are
//!   converted, and whatever no rule touches keeps its very bytes.
//! - What an older revision cannot say at all is [`Unrepresentable`], never dropped in silence.
//!
//! Conversions that need more than the message belong to the session: ids and tokens, the `_meta` of a modern request,
//! `elicitationId`, core tasks, `completions` of a 2024-11-05 server.

mod content;
mod elicitation;
mod error;
mod hop;
mod part;
mod tools;
mod tree;
mod unrepresentable;
mod v2024_11_05;
mod v2025_03_26;
mod v2025_06_18;
mod v2025_11_25;
mod version;

pub use error::{lift_error, lower_error};
pub use part::Part;
pub use unrepresentable::Unrepresentable;
pub use version::{Revision, UnknownRevision};

use crate::{Method, Raw};
use tree::Tree;

/// Carries `raw`, said in the newest revision, to the revision `to`.
///
/// For [`Revision::NEWEST`] this is `raw` itself, unread.
///
/// # Errors
/// When `to` has no words for it.
pub fn lower(part: Part, to: Revision, raw: Raw) -> Result<Raw, Unrepresentable> {
    if to == Revision::NEWEST {
        return Ok(raw);
    }
    if let Some(method) = part.method().filter(|method| method.entry().since > to) {
        return Err(Unrepresentable::Method { method, to });
    }
    let mut tree = Tree::from(raw);
    for step in STEPS.iter().rev().filter(|step| step.older >= to) {
        step.run(step.lower, part, &mut tree)?;
    }
    Ok(tree.into_raw())
}

/// Carries `raw`, said in the revision `from`, to the newest revision.
///
/// Messages that only older revisions have (such as `notifications/roots/list_changed`) pass, because they may be meant
/// for another legacy peer. The answer to an elicitation goes through [`lift_answer`] instead.
///
/// # Errors
/// None of today's rules refuses on the way up; a step may.
pub fn lift(part: Part, from: Revision, raw: Raw) -> Result<Raw, Unrepresentable> {
    if from == Revision::NEWEST {
        return Ok(raw);
    }
    Ok(lifted(part, from, raw)?.into_raw())
}

fn lifted(part: Part, from: Revision, raw: Raw) -> Result<Tree, Unrepresentable> {
    let mut tree = Tree::from(raw);
    for step in STEPS.iter().filter(|step| step.older >= from) {
        step.run(step.lift, part, &mut tree)?;
    }
    Ok(tree)
}

/// Carries the result of `method`, as [`lift`] does, and adds the members of `meta` to its `_meta`: in the same pass, since
/// a result is written anew on its way up in any case.
///
/// # Errors
/// As [`lift`].
pub fn lift_result(
    method: Method,
    from: Revision,
    raw: Raw,
    meta: Option<&Raw>,
) -> Result<Raw, Unrepresentable> {
    if from == Revision::NEWEST {
        return Ok(raw);
    }
    let mut tree = lifted(Part::Result(method), from, raw)?;
    if let Some(meta) = meta {
        match tree.member("_meta") {
            None => tree.set("_meta", meta.clone().into()),
            Some(own) => {
                meta.members().for_each(|member| own.set(&member.key(), meta.slice(member.value).into()))
            }
        }
    }
    Ok(tree.into_raw())
}

/// Carries a client's answer to a question to the newest revision, given the question's params as they were
/// *before* they were lowered for that client.
///
/// Before 2025-11-25 a field could not have several values: such a field is lowered to a string, and the string in the
/// answer is split again here.
///
/// # Errors
/// When the client chose what was not offered, or too few or too many; ask again, or treat it as "cancel".
pub fn lift_answer(
    from: Revision,
    method: Method,
    question: &Raw,
    answer: Raw,
) -> Result<Raw, Unrepresentable> {
    let answer = lift(Part::Answer(method), from, answer)?;
    if method != Method::Elicit || from >= Revision::V2025_11_25 {
        return Ok(answer);
    }
    let mut tree = Tree::from(answer);
    elicitation::split_choices(question, &mut tree)?;
    Ok(tree.into_raw())
}

/// The conversion of one step, in place.
type Change = fn(Part, &mut Tree) -> Result<(), Unrepresentable>;

/// The step between two neighbours, known by its older side.
struct Step {
    older: Revision,
    lift: Change,
    lower: Change,
}

/// Every step, oldest first.
const STEPS: [Step; 4] = [
    Step { older: Revision::V2024_11_05, lift: v2024_11_05::lift, lower: v2024_11_05::lower },
    Step { older: Revision::V2025_03_26, lift: v2025_03_26::lift, lower: v2025_03_26::lower },
    Step { older: Revision::V2025_06_18, lift: v2025_06_18::lift, lower: v2025_06_18::lower },
    Step { older: Revision::V2025_11_25, lift: v2025_11_25::lift, lower: v2025_11_25::lower },
];

impl Step {
    /// Makes `change`, one of this step's two, to the message and to the capabilities that it carries.
    fn run(&self, change: Change, part: Part, tree: &mut Tree) -> Result<(), Unrepresentable> {
        change(part, tree)?;
        match part.carries().and_then(|inner| Some((inner, tree.member("capabilities")?))) {
            Some((inner, capabilities)) => change(inner, capabilities),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
