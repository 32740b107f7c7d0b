//! Replies: results are checked, and data is covered in everything that a call says.

use std::{borrow::Cow, sync::Arc};

use anyport_guards::{GuardedItem, ItemKind, Mask, Refusal};
use anyport_protocol::{Error, Method, Raw, failure::Failure, json::Splice};
use anyport_service::{Event, Notification, Outcome, ServerRequest};
use bytestring::ByteString;

use super::{guarding::Guarding, refused::refused};
use crate::federation::edits::Edits;

/// What the reply of a call of one item passes.
#[derive(Clone)]
pub(in crate::federation) struct Protection {
    guarding: Arc<Guarding>,
    kind: ItemKind,
    name: ByteString,
    mask: Option<Arc<Mask>>,
}

impl Guarding {
    /// What the reply of a call of an item passes; `None` if it passes as it is.
    pub(in crate::federation) fn protection(
        self: &Arc<Self>,
        kind: ItemKind,
        name: &str,
    ) -> Option<Protection> {
        let mask = self.masking.always(name).cloned();
        let is_checked = self.guards.are_for_results(GuardedItem { kind, name });
        (is_checked || mask.is_some()).then(|| Protection::new(self.clone(), kind, name, mask))
    }

    /// The same, with the mask of a rule of the policy.
    pub(in crate::federation) fn masked_by<'r>(
        self: &Arc<Self>,
        protection: Option<Protection>,
        (kind, name): (ItemKind, &str),
        rules: impl IntoIterator<Item = &'r str>,
    ) -> Option<Protection> {
        rules.into_iter().fold(protection, |protection, rule| {
            let mask = self.masking.of_rule(rule);
            let protection = protection.unwrap_or_else(|| Protection::new(self.clone(), kind, name, None));
            Some(protection.with(&mask))
        })
    }
}

impl Protection {
    fn new(guarding: Arc<Guarding>, kind: ItemKind, name: &str, mask: Option<Arc<Mask>>) -> Self {
        Self { guarding, kind, name: name.into(), mask }
    }

    /// The same with a further mask.
    fn with(self, mask: &Arc<Mask>) -> Self {
        let mask = match &self.mask {
            Some(known) => Arc::new(known.joined(mask)),
            None => mask.clone(),
        };
        Self { mask: Some(mask), ..self }
    }

    /// A result of `method` as the caller receives it; an error that says why it is refused.
    pub(in crate::federation) fn result(
        &self,
        result: Raw,
        method: Method,
        upstream: &str,
        meta: &Raw,
    ) -> Outcome {
        // A completion has no result that a guard could be for.
        let checked =
            if method == Method::Complete { Ok(None) } else { self.checked(&result, method, upstream) };
        let result = match checked {
            Ok(new) => new.unwrap_or(result),
            Err(refusal) => {
                self.guarding.report(&refusal, method, upstream, false);
                return refused(&refusal, method, meta);
            }
        };
        let covered = self.mask.as_ref().and_then(|mask| mask.result(&result));
        self.count_masked(covered.is_some());
        Outcome::Result(covered.unwrap_or(result))
    }

    fn checked(&self, result: &Raw, method: Method, upstream: &str) -> Result<Option<Raw>, Refusal> {
        let (size, most) = (result.as_str().len(), self.guarding.guards.limits().guard_result_bytes);
        if self.mask.is_some() && size > most {
            return Err(Refusal {
                guard: "the mask".to_owned(),
                check: "mask",
                place: format!("the result of {:.128}", self.name),
                why: format!("it has {size} bytes, more than {most} (guard_result_bytes)"),
                accepted: "results that can be read as a whole; ask for less".to_owned(),
                limit: Some("guard_result_bytes"),
            });
        }
        let item = GuardedItem { kind: self.kind, name: &self.name };
        let audit = |refusal: Refusal| self.guarding.report(&refusal, method, upstream, true);
        let changed = self.guarding.guards.result(item, result, audit)?;
        if changed.is_some() {
            self.guarding.counters.changed.increment();
        }
        Ok(changed)
    }

    /// An error with data covered.
    pub(in crate::federation) fn error(&self, mut error: Error) -> Error {
        let Some(mask) = &self.mask else { return error };
        let (message, data) =
            (mask.text(&error.message), error.data.as_ref().and_then(|data| mask.value(data)));
        self.count_masked(matches!(message, Cow::Owned(_)) || data.is_some());
        if let Cow::Owned(message) = message {
            error.message = message.into();
        }
        error.data = data.or(error.data);
        error
    }

    /// A failure as it is; the error that it becomes, if that has data to cover.
    pub(in crate::federation) fn failure(&self, failure: Failure) -> Outcome {
        let Some(mask) = &self.mask else { return failure.into() };
        let error = failure.to_error();
        let has_data = matches!(mask.text(&error.message), Cow::Owned(_))
            || error.data.as_ref().is_some_and(|data| mask.value(data).is_some());
        if has_data { Outcome::Error(self.error(error)) } else { failure.into() }
    }

    /// An `InputRequiredResult` with the questions covered; states stay as they are.
    pub(in crate::federation) fn input_required(&self, required: Raw) -> Raw {
        let requests = required.member("inputRequests");
        let covered = requests.zip(self.mask.as_ref()).and_then(|(requests, mask)| mask.value(&requests));
        self.count_masked(covered.is_some());
        match covered {
            Some(covered) => Splice::retain(&required, |key| key != "inputRequests")
                .with("inputRequests", &covered)
                .finish(),
            None => required,
        }
    }

    /// A notification or server request of the call with data covered.
    pub(in crate::federation) fn event(&self, event: Event) -> Event {
        let Some(mask) = &self.mask else { return event };
        match event {
            Event::Notification(Notification { method: method @ Method::LogMessage, params }) => {
                let params = self.covered(mask, params, &["data", "logger"]);
                Event::Notification(Notification { method, params })
            }
            Event::Notification(Notification { method: method @ Method::Progress, params }) => {
                let params = self.covered(mask, params, &["message"]);
                Event::Notification(Notification { method, params })
            }
            Event::ServerRequest(ServerRequest { method, params, responder }) => {
                let params = self.covered(mask, params, &["message", "messages", "systemPrompt"]);
                Event::ServerRequest(ServerRequest { method, params, responder })
            }
            // What its members mean is not known, so that any of them may have data.
            Event::Unknown { method, params } => {
                let covered = mask.value(&params);
                self.count_masked(covered.is_some());
                Event::Unknown { method, params: covered.unwrap_or(params) }
            }
            event => event,
        }
    }

    fn covered(&self, mask: &Mask, params: Raw, keys: &[&str]) -> Raw {
        let mut edits = Edits::of(&params);
        let object = edits.text();
        let mut is_covered = false;
        for key in keys {
            if let Some(new) = params.member(key).and_then(|value| mask.value(&value)) {
                edits.set(object, key, &new);
                is_covered = true;
            }
        }
        self.count_masked(is_covered);
        edits.finish()
    }

    fn count_masked(&self, is_masked: bool) {
        if is_masked {
            self.guarding.counters.masked.increment();
        }
    }
}
