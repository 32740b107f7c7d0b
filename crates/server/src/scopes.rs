use anyport_protocol::Error;
use anyport_service::{Authorization, is_scope};

/// The scopes that a caller needs for something that a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequiredScopes(Vec<String>);

impl RequiredScopes {
    pub(crate) fn add(&mut self, scope: String) {
        if !self.0.contains(&scope) {
            self.0.push(scope);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that the caller has them all.
    ///
    /// # Errors
    /// 40300, which names all of them: 2026-07-28, authorization §Runtime Insufficient Scope Errors: "servers SHOULD include all
    /// scopes required for the current operation in a single challenge."
    pub(crate) fn check(&self, caller: &Authorization) -> Result<(), Error> {
        match self.0.iter().all(|scope| caller.allows(scope)) {
            true => Ok(()),
            false => Err(Error::insufficient_scope(self.0.iter().map(String::as_str))),
        }
    }

    /// What is wrong with them.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        let wrong = self.0.iter().filter(|scope| !is_scope(scope));
        wrong.map(|scope| {
            format!("require: {scope:?} is no scope: visible ASCII without spaces, quotes and backslashes")
        })
    }
}

/// The method `require` of what a server offers.
macro_rules! require {
    ($kind:ident) => {
        impl<H> $kind<H> {
            /// Requires a scope of the caller's credential; if called again, another one as well. A caller without it sees the entry
            /// in lists, so that it can ask for the scope, and is refused when it uses it: over HTTP with 403 and a challenge that
            /// names all required scopes, elsewhere with the error 40300. Callers without scopes, such as those of a static token and
            /// of standard input, may do everything.
            #[must_use]
            pub fn require(mut self, scope: impl Into<String>) -> Self {
                self.scopes.add(scope.into());
                self
            }
        }
    };
}

pub(crate) use require;
