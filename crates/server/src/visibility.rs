use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use anyport_layers::panicked;
use anyport_service::Principal;

/// Visibility: a rule over principals.
#[derive(Clone)]
pub(crate) struct VisibilityRule(Arc<Rule>);

type Rule = dyn Fn(&Principal) -> bool + Send + Sync;

impl VisibilityRule {
    pub(crate) fn new(rule: impl Fn(&Principal) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    /// Returns whether `principal` may see it. A rule that panics hides: it also runs when changes are sent, and must not
    /// harm other listeners.
    pub(crate) fn allows(&self, principal: &Principal) -> bool {
        catch_unwind(AssertUnwindSafe(|| (self.0)(principal))).unwrap_or_else(|panic| {
            // It goes to the log.
            let _ = panicked("visible_to", &*panic);
            false
        })
    }

    /// The rule that allows what both allow; `None` allows everybody.
    pub(crate) fn both(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => {
                Some(Self::new(move |principal| one.allows(principal) && other.allows(principal)))
            }
            (one, other) => one.or(other),
        }
    }

    /// The rule that allows what either allows.
    pub(crate) fn either(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let (one, other) = (one?, other?);
        Some(Self::new(move |principal| one.allows(principal) || other.allows(principal)))
    }
}

impl fmt::Debug for VisibilityRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VisibilityRule")
    }
}

/// The audience of a change.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    Everybody,
    /// The callers that one of these rules allows.
    Some(Vec<VisibilityRule>),
}

impl Audience {
    pub(crate) fn has(&self, principal: &Principal) -> bool {
        match self {
            Self::Everybody => true,
            Self::Some(rules) => rules.iter().any(|rule| rule.allows(principal)),
        }
    }

    /// Also the callers that `seen_by` allows.
    pub(crate) fn join(&mut self, seen_by: Option<VisibilityRule>) {
        match (&mut *self, seen_by) {
            (Self::Some(rules), Some(rule)) => rules.push(rule),
            _ => *self = Self::Everybody,
        }
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        match (&mut self, other) {
            (Self::Some(rules), Self::Some(others)) => {
                rules.extend(others);
                self
            }
            _ => Self::Everybody,
        }
    }
}

/// The method `visible_to` of what a server offers.
macro_rules! visible_to {
    ($kind:ident) => {
        impl<H> $kind<H> {
            /// Shows it only to callers for which `rule` returns true. For all others it does not exist: it is not
            /// listed, called, read, completed or subscribed to, and errors are those of something unknown. If called
            /// again, all rules must agree.
            ///
            /// A list that contains anything with a rule is `private` for everybody (2026-07-28, caching §Security:
            /// servers "should ensure that the `cacheScope` correctly reflects the intended visibility of the
            /// primitive"), and so is what is read from a resource that has one.
            ///
            /// The rule runs for each request, so it must be quick and must not block. When its answers change, tell
            /// clients with [`crate::Server::refresh_visibility`]. A rule that panics hides.
            #[must_use]
            pub fn visible_to(
                mut self,
                rule: impl Fn(&anyport_service::Principal) -> bool + Send + Sync + 'static,
            ) -> Self {
                let rule = $crate::visibility::VisibilityRule::new(rule);
                self.visible = $crate::visibility::VisibilityRule::both(self.visible, Some(rule));
                self
            }
        }
    };
}

pub(crate) use visible_to;
