//! Conditions of the policy that no call can fulfil.

use std::borrow::Cow;

use anyport_config::gateway::{self, GatewayConfig};
use anyport_policy::{Expression, KnownNames};

use super::{
    contexts,
    file::{GatewayFile, rule_name},
    member_names,
};
use crate::{logging, render::safe};

/// Shortened names end with a hash, so that it cannot be told what they begin with.
const SHORTENED: usize = 48;

impl GatewayFile {
    /// Warns of comparisons in conditions that have the same outcome for every call: a rule that denies what nothing is called denies
    /// nothing.
    pub(crate) fn warn_of_policy_doubts(&self) {
        self.policy_doubts().iter().for_each(|doubt| logging::notice(format_args!("warning: {doubt}")));
    }

    /// What [`Self::warn_of_policy_doubts`] warns of: where the condition is, and what is the same for every call.
    pub(crate) fn policy_doubts(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (number, rule) in self.config.policy.iter().enumerate() {
            // A condition that is wrong is an error elsewhere.
            let Ok(when) = Expression::parse(&rule.when) else { continue };
            for doubt in when.doubts(&Names(&self.config)) {
                let at = doubt.at.and_then(|at| rule.when.get(..at)).map(|before| before.chars().count() + 1);
                let at = at.map_or_else(String::new, |at| format!(", at its character {at}"));
                let name = rule_name(rule.name.as_deref(), number);
                // What is no file, such as a pipe, gives its text only once.
                let place = || gateway::place(&self.path, &["policy", &number.to_string(), "when"]);
                let place = self.path.is_file().then(place).flatten();
                let place = place.map_or_else(String::new, |place| place.to_string());
                warnings.push(format!(
                    "{place}the condition of {}{at}: {}",
                    safe::line(&name),
                    safe::line(&doubt.message)
                ));
            }
        }
        warnings
    }
}

/// The names that the calls of a gateway can have. Servers that are disabled have theirs.
struct Names<'a>(&'a GatewayConfig);

impl Names<'_> {
    /// What stands before the names of each server's items.
    fn prefixes(&self) -> impl Iterator<Item = &str> {
        let upstreams = self.0.upstreams.iter();
        let upstreams = upstreams.map(|(name, upstream)| upstream.prefix.as_deref().unwrap_or(name));
        let knowledge = self.0.knowledge.iter();
        upstreams.chain(knowledge.map(|(name, knowledge)| knowledge.prefix.as_deref().unwrap_or(name)))
    }

    fn has_item(&self, name: &str) -> bool {
        name.len() > SHORTENED || self.prefixes().any(|prefix| begins(name, prefix))
    }
}

impl KnownNames for Names<'_> {
    fn upstreams(&self) -> Vec<&str> {
        let health = self.0.health.tool.then_some(member_names::HEALTH);
        let contexts = self.0.contexts.tools.then_some(member_names::CONTEXTS);
        let all = self.0.upstreams.keys().chain(self.0.knowledge.keys());
        all.map(String::as_str).chain(health).chain(contexts).collect()
    }

    fn has_tool(&self, name: &str) -> bool {
        let mut tools = self.0.upstreams.values().flat_map(|upstream| upstream.tools.values());
        let is_renamed = tools.any(|tool| tool.name.as_deref() == Some(name));
        let is_own = (self.0.health.tool && name == crate::health::TOOL)
            || (self.0.contexts.tools && contexts::TOOLS.contains(&name));
        is_renamed || is_own || self.has_item(name)
    }

    fn has_prompt(&self, name: &str) -> bool {
        self.has_item(name)
    }
}

/// Whether a name can begin with a prefix and `_`. What clients do not accept in names is replaced.
fn begins(name: &str, prefix: &str) -> bool {
    let accepted = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let prefix: Cow<'_, str> = match prefix.chars().all(accepted) {
        true => prefix.into(),
        false => prefix.chars().map(|letter| if accepted(letter) { letter } else { '_' }).collect(),
    };
    prefix.is_empty() || name.strip_prefix(&*prefix).is_some_and(|rest| rest.starts_with('_'))
}
