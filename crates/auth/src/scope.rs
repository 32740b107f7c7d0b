//! Which scopes are asked for.

/// A set of scopes, in the order in which they were met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads a list that spaces separate (RFC 6749 §3.3).
    pub fn parse(text: &str) -> Self {
        text.split(' ').filter(|scope| !scope.is_empty()).collect()
    }

    /// The scopes of a first login; empty if the parameter is left out.
    ///
    /// 2026-07-28, authorization §Scope Selection Strategy: "1. **Use `scope` parameter** from the initial `WWW-Authenticate`
    /// header in the 401 response, if provided 2. **If `scope` is not available**, use all scopes defined in `scopes_supported`
    /// from the Protected Resource Metadata document, omitting the `scope` parameter if `scopes_supported` is undefined."
    pub fn of_login(challenged: Option<&str>, of_resource: Option<&[String]>) -> Self {
        match challenged {
            Some(challenged) => Self::parse(challenged),
            None => of_resource.unwrap_or_default().iter().cloned().collect(),
        }
    }

    /// These scopes, and those that a request lacks.
    ///
    /// 2026-07-28, authorization §Step-Up Authorization Flow: "Determine required scopes by computing the union of the client's
    /// previously requested scope set and the scopes from the current challenge."
    #[must_use]
    pub fn and(&self, challenged: &Self) -> Self {
        self.0.iter().chain(&challenged.0).cloned().collect()
    }

    /// Adds `offline_access` where the authorization server lists it.
    ///
    /// 2026-07-28, authorization §Refresh Tokens: clients "**MAY** add `offline_access` to the `scope` parameter of the
    /// authorization and token requests when the Authorization Server metadata contains it in `scopes_supported`". An empty list
    /// stays empty: without the parameter, the authorization server chooses its own scopes.
    #[must_use]
    pub fn offline(self, is_offered: bool) -> Self {
        match is_offered && !self.0.is_empty() {
            true => self.and(&Self(vec!["offline_access".to_owned()])),
            false => self,
        }
    }

    /// The value of the parameter `scope`; `None` if it is left out.
    pub fn parameter(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join(" "))
    }

    /// Whether all of `others` are among these.
    pub fn has_all(&self, others: &Self) -> bool {
        others.0.iter().all(|scope| self.0.contains(scope))
    }
}

impl FromIterator<String> for Scopes {
    fn from_iter<I: IntoIterator<Item = String>>(scopes: I) -> Self {
        let mut all = Vec::new();
        for scope in scopes {
            if !all.contains(&scope) {
                all.push(scope);
            }
        }
        Self(all)
    }
}

impl<'a> FromIterator<&'a str> for Scopes {
    fn from_iter<I: IntoIterator<Item = &'a str>>(scopes: I) -> Self {
        scopes.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_challenge_comes_before_the_metadata() {
        let supported = ["a".to_owned(), "b".to_owned()];
        let of = |challenged, supported| Scopes::of_login(challenged, supported).parameter();
        assert_eq!(of(Some("x  y x"), Some(&supported[..])).as_deref(), Some("x y"));
        assert_eq!(of(None, Some(&supported[..])).as_deref(), Some("a b"));
        assert_eq!(of(None, None), None);
        assert_eq!(of(None, Some(&[])), None);
    }

    #[test]
    fn offline_access_joins_only_a_list_and_only_where_it_is_offered() {
        let of = |scopes: &str, is_offered| Scopes::parse(scopes).offline(is_offered).parameter();
        assert_eq!(of("a", true).as_deref(), Some("a offline_access"));
        assert_eq!(of("a", false).as_deref(), Some("a"));
        assert_eq!(of("", true), None);
        assert_eq!(of("offline_access a", true).as_deref(), Some("offline_access a"));
    }

    proptest! {
        #[test]
        fn a_step_up_loses_no_scope(before in "[a-c ]{0,9}", challenged in "[a-e ]{0,9}") {
            let (before, challenged) = (Scopes::parse(&before), Scopes::parse(&challenged));
            let both = before.and(&challenged);
            prop_assert!(both.has_all(&before) && both.has_all(&challenged));
            prop_assert!(before.0.len() + challenged.0.len() >= both.0.len());
        }
    }
}
