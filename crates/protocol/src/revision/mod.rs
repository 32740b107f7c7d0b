//! The revisions, and how a message is converted between them.
//!
//! Inside, everything is written in the newest revision. An older one is described by its difference to the next newer
//! one: a file with two functions, `lift` (older to newer) and `lower` (newer to older). A message of 2024-11-05 is lifted
//! through four of them; one of the newest revision through none. What client and server do differently is a named property
//! of the revision, such as [`Revision::asks_by_result`].
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
mod property;
mod table;
mod tools;
mod tree;
#[cfg(test)]
mod unreleased;
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
use table::revisions;
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
    for step in Step::above(to).iter().rev() {
        run(step.lower, part, &mut tree)?;
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
    for step in Step::above(from) {
        run(step.lift, part, &mut tree)?;
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
    if method != Method::Elicit || from.has_multi_select() {
        return Ok(answer);
    }
    let mut tree = Tree::from(answer);
    elicitation::split_choices(question, &mut tree)?;
    Ok(tree.into_raw())
}

/// The conversion of one step, in place.
type Change = fn(Part, &mut Tree) -> Result<(), Unrepresentable>;

/// The conversions between two neighbouring revisions.
struct Step {
    lift: Change,
    lower: Change,
}

impl Step {
    /// The steps from `revision` to the newest, oldest first.
    fn above(revision: Revision) -> &'static [Self] {
        STEPS.get(revision as usize..).unwrap_or_default()
    }
}

macro_rules! steps {
    (
        $(#[doc = $oldest_doc:literal])* $oldest:ident = $oldest_name:literal;
        $($(#[doc = $doc:literal])* $(#[cfg($cfg:ident)])? $revision:ident = $name:literal, after $older:ident;)*
    ) => {
        /// Every step, oldest first: the first one leads from the oldest revision to the second.
        const STEPS: &[Step] = &[$($(#[cfg($cfg)])? Step { lift: $older::lift, lower: $older::lower }),*];
    };
}

revisions!(steps);

/// Makes `change` to a message, and to the messages and capabilities inside it.
fn run(change: Change, part: Part, tree: &mut Tree) -> Result<(), Unrepresentable> {
    change(part, tree)?;
    if let Some((inner, capabilities)) =
        part.carries().and_then(|inner| Some((inner, tree.member("capabilities")?)))
    {
        change(inner, capabilities)?;
    }
    if !matches!(part, Part::Result(method) if method.may_ask()) {
        return Ok(());
    }
    // The answers in a retry do not say what they answer; a step that changes them recognises them by their members.
    let requests = tree.member("inputRequests").and_then(Tree::object);
    for request in requests.into_iter().flat_map(|requests| requests.values_mut()) {
        let method = request.text("method").and_then(|method| Method::named(&method));
        if let Some((method, params)) = method.zip(request.member("params")) {
            change(Part::ServerRequest(method), params)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
