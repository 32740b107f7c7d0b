//! All guards of a gateway, and how they check a call.

use std::sync::Arc;

use anyport_protocol::Raw;

use crate::{
    Check, Guard, GuardLimits, ItemKind, Lookup, Place, Refusal,
    html::SanitizeBudget,
    place::{Pointer, texts, unquoted},
    refusal::Fault,
    text::replaced,
};

/// The guards of a gateway.
pub struct Guards {
    pub(crate) guards: Vec<Guard>,
    pub(crate) limits: GuardLimits,
    lookup: Option<Arc<dyn Lookup>>,
}

/// What a call is of.
#[derive(Clone, Copy, Debug)]
pub struct GuardedItem<'a> {
    /// What it is.
    pub kind: ItemKind,
    /// The name or URI that clients see.
    pub name: &'a str,
}

/// A call that no guard refuses.
#[derive(Debug, Default)]
pub struct CheckedCall {
    /// The arguments, if guards have changed them.
    pub arguments: Option<Raw>,
    /// What guards in audit mode would have refused.
    pub audited: Vec<Refusal>,
}

impl Guards {
    /// Makes guards of a list, which is in order: a guard sees what those before it have made of a value.
    pub fn new(guards: impl IntoIterator<Item = Guard>, limits: GuardLimits) -> Self {
        Self { guards: guards.into_iter().collect(), limits, lookup: None }
    }

    /// Looks up addresses and links by `lookup`. Without this, neither is looked up.
    #[must_use]
    pub fn lookup(mut self, lookup: Arc<dyn Lookup>) -> Self {
        self.lookup = Some(lookup);
        self
    }

    /// These guards, and those of `other` that change nothing: what either refuses is refused.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        self.guards.extend(other.guards.into_iter().filter(|guard| !guard.changes()));
        self
    }

    /// The limits.
    pub fn limits(&self) -> &GuardLimits {
        &self.limits
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.guards.is_empty()
    }

    /// Whether a guard is for the calls of an item.
    pub fn are_for_calls(&self, item: GuardedItem<'_>) -> bool {
        self.of_calls(item).next().is_some() || self.of_unfit(item, item.name).next().is_some()
    }

    /// The guards of resources, if the URI of a resource cannot be compared with what they are for.
    fn of_unfit(&self, item: GuardedItem<'_>, own: &str) -> impl Iterator<Item = &Guard> {
        let is_unfit = item.kind == ItemKind::Resource && !(is_uri(item.name) && is_uri(own));
        self.guards.iter().filter(move |guard| is_unfit && guard.has_resources())
    }

    fn of_calls(&self, item: GuardedItem<'_>) -> impl Iterator<Item = &Guard> {
        let is_of_call = |guard: &&Guard| *guard.place() != Place::Result;
        self.guards.iter().filter(is_of_call).filter(move |guard| guard.is_for(item.kind, item.name))
    }

    /// Checks a call: its arguments, or the URI of a resource as its server receives it.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn call(
        &self,
        item: GuardedItem<'_>,
        arguments: &Raw,
        own_uri: Option<&str>,
    ) -> Result<CheckedCall, Refusal> {
        let mut checked = CheckedCall::default();
        for guard in self.of_unfit(item, own_uri.unwrap_or(item.name)) {
            let refusal = guard.unfit_uri();
            if !guard.is_audited() {
                return Err(refusal);
            }
            checked.audited.push(refusal);
        }
        for guard in self.of_calls(item) {
            let now = checked.arguments.as_ref().unwrap_or(arguments);
            let outcome = match guard.place() {
                Place::Argument(pointer) => self.argument(guard, pointer, item, now).await,
                Place::Arguments => {
                    let place = format!("the whole of the arguments of {:.128}", item.name);
                    self.whole(guard, now, place).map(|()| None)
                }
                Place::Uri => self.uri(guard, own_uri.unwrap_or(item.name)).await.map(|()| None),
                Place::Result => Ok(None),
            };
            match outcome {
                Ok(_) if guard.is_audited() => {}
                Ok(new) => checked.arguments = new.or(checked.arguments),
                Err(refusal) if guard.is_audited() => checked.audited.push(refusal),
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(checked)
    }

    /// Checks what is to be completed: the beginning of an argument. Only its size and a path can be judged by their beginning.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn completion(
        &self,
        item: GuardedItem<'_>,
        argument: &str,
        value: &str,
    ) -> Result<CheckedCall, Refusal> {
        let mut checked = CheckedCall::default();
        for guard in self.of_calls(item) {
            let Place::Argument(pointer) = guard.place() else { continue };
            let can_judge = |check: &&Check| matches!(check, Check::Size(_) | Check::Path(_));
            for check in guard.checks().iter().filter(can_judge).filter(|_| pointer.begins_with(argument)) {
                let fault = match check {
                    Check::Path(_) if value.is_empty() => Ok(None),
                    Check::Size(size) => size.check(Raw::string(value).as_str()).map(|()| None),
                    check => self.text(check, value).await,
                };
                let Err(fault) = fault else { continue };
                let refusal = guard.refusal(check, of_argument(pointer, item), fault);
                if !guard.is_audited() {
                    return Err(refusal);
                }
                checked.audited.push(refusal);
            }
        }
        Ok(checked)
    }

    /// Checks the values of an argument. Returns the arguments if one is changed.
    async fn argument(
        &self,
        guard: &Guard,
        pointer: &Pointer,
        item: GuardedItem<'_>,
        arguments: &Raw,
    ) -> Result<Option<Raw>, Refusal> {
        let mut now: Option<Raw> = None;
        for check in guard.checks() {
            let json = now.as_ref().unwrap_or(arguments);
            let refused = |fault| guard.refusal(check, of_argument(pointer, item), fault);
            let mut changes = Vec::new();
            for value in pointer.values(json.as_str()).map_err(refused)? {
                if let Check::Size(size) = check {
                    size.check(value).map_err(refused)?;
                    continue;
                }
                let mut strings = Vec::new();
                texts(value, &mut strings)
                    .map_err(|()| refused("it is neither a text nor a list of texts".into()))?;
                for string in strings {
                    if let Some(new) = self.text(check, &unquoted(string)).await.map_err(refused)? {
                        changes.push((string, new));
                    }
                }
            }
            now = replaced(json, &changes).or(now);
        }
        Ok(now)
    }

    /// Checks all arguments together.
    fn whole(&self, guard: &Guard, arguments: &Raw, place: String) -> Result<(), Refusal> {
        for check in guard.checks() {
            if let Check::Size(size) = check {
                size.check(arguments.as_str()).map_err(|fault| guard.refusal(check, place.clone(), fault))?;
            }
        }
        Ok(())
    }

    async fn uri(&self, guard: &Guard, uri: &str) -> Result<(), Refusal> {
        for check in guard.checks() {
            let checked = match check {
                Check::Size(size) => size.check(Raw::string(uri).as_str()).map(|()| None),
                check => self.text(check, uri).await,
            };
            checked.map_err(|fault| guard.refusal(check, "the URI".to_owned(), fault))?;
        }
        Ok(())
    }

    /// Checks a text. Returns what takes its place, if something does.
    async fn text(&self, check: &Check, text: &str) -> Result<Option<String>, Fault> {
        let most = self.limits.guard_argument_bytes;
        if text.len() > most {
            let why = format!("it has {} bytes, more than {most} (guard_argument_bytes)", text.len());
            return Err(Fault::of_limit("guard_argument_bytes", why));
        }
        let lookup = self.lookup.as_deref();
        match check {
            Check::Size(_) => Ok(None),
            Check::Match(pattern) => pattern.check(text).map(|()| None),
            Check::Url(url) => url.check(text, lookup).await,
            Check::Path(path) => path.check(text, lookup).await.map(|()| None),
            Check::Statement(statement) => statement.check(text, self.limits.guard_sql_tokens).map(|()| None),
            Check::Literal(literal) => literal.check(text).map(|()| None),
            Check::Html(change) => Ok(change.applied(text, &mut SanitizeBudget::new())),
        }
    }
}

/// Whether a text has only signs of URIs. Parsers leave out others, or read them each in their own way.
///
/// RFC 3986 §2: "A URI is composed from a limited set of characters consisting of digits, letters, and a few graphic symbols."
fn is_uri(text: &str) -> bool {
    let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&sign);
    text.bytes().all(is_sign)
}

fn of_argument(pointer: &Pointer, item: GuardedItem<'_>) -> String {
    format!("the argument {pointer} of {:.128}", item.name)
}

#[cfg(test)]
pub(crate) mod tests;
