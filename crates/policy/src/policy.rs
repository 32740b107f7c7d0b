use crate::{
    Budget, Effect, EvaluationError, Facts, Rule,
    item_rules::{ItemRules, ItemVerdicts},
    values::Variables,
};

/// Rules, and how they decide together: `hide` before `deny` before `allow` before `ask`, whatever their order is.
///
/// ```
/// use anyport_policy::{Decision, Effect, Expression, Policy, Rule};
///
/// let when = Expression::parse(r#"tool.name.startsWith("files_") && !("files:write" in principal.permissions)"#)?;
/// let policy = Policy::new([Rule::new("writers", when, Effect::Deny).reason("writing needs files:write")]);
/// # let _ = policy;
/// # Ok::<(), anyport_policy::ExpressionError>(())
/// ```
#[derive(Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    budget: Budget,
    items: ItemRules,
}

/// What becomes of a call.
#[derive(Debug)]
pub enum Decision<'p> {
    /// It goes on.
    Allow,
    /// It goes on once the user has confirmed it.
    Ask(&'p Rule),
    /// It is refused: by a rule, or because no rule allows it.
    Deny(Option<&'p Rule>),
    /// It is refused as if there were no such item.
    Hide(&'p Rule),
}

impl Policy {
    /// Makes a policy of rules.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { rules: rules.into_iter().collect(), budget: Budget::default(), items: ItemRules::default() }
    }

    /// Sets what the evaluation of one condition may cost.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// What evaluations may cost.
    pub fn limits(&self) -> &Budget {
        &self.budget
    }

    /// The rules of both policies, within the budget of this one: what either refuses is refused.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        self.rules.extend(other.rules);
        self.items = ItemRules::default();
        self
    }

    /// Whether it has no rules, so that everything is allowed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether the condition of a rule looks at a variable.
    pub fn reads(&self, variable: &str) -> bool {
        self.rules.iter().any(|rule| rule.reads(variable))
    }

    /// The rules that cover data in the result of a call; those that cannot be decided do. `report` is told each of them.
    pub fn masks<'p>(&'p self, facts: &Facts<'_>, mut report: impl FnMut(Report<'p>)) -> Vec<&'p Rule> {
        if !self.rules.iter().any(|rule| rule.effect() == Effect::Mask) {
            return Vec::new();
        }
        let variables = Variables::of(facts, self.budget.policy_argument_bytes);
        let verdicts = self.verdicts(facts, &variables);
        let mut masks = Vec::new();
        for (place, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.effect() == Effect::Mask) {
            let held = rule.holds_for(verdicts.at(place), &variables, &self.budget);
            if rule.applies(&held) {
                report(Report { rule, undecided: held.err() });
                masks.extend((!rule.is_audited()).then_some(rule));
            }
        }
        masks
    }

    /// Decides on a call. `report` is told each rule that applies or would apply, and each that cannot be decided.
    pub fn decide<'p>(&'p self, facts: &Facts<'_>, mut report: impl FnMut(Report<'p>)) -> Decision<'p> {
        let variables = Variables::of(facts, self.budget.policy_argument_bytes);
        let verdicts = self.verdicts(facts, &variables);
        let (mut allow, mut first) = (Allowed::default(), Strictest::default());
        for (place, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.effect() != Effect::Mask) {
            let held = rule.holds_for(verdicts.at(place), &variables, &self.budget);
            let applies = rule.applies(&held);
            if applies || held.is_err() {
                report(Report { rule, undecided: held.err() });
            }
            match rule.effect() {
                _ if rule.is_audited() => {}
                Effect::Allow => allow.note(applies),
                effect if applies => first.note(rule, effect),
                _ => {}
            }
        }
        match (first, allow.is_refused()) {
            (Strictest { hide: Some(rule), .. }, _) => Decision::Hide(rule),
            (Strictest { deny: Some(rule), .. }, _) => Decision::Deny(Some(rule)),
            (_, true) => Decision::Deny(None),
            (Strictest { ask: Some(rule), .. }, _) => Decision::Ask(rule),
            _ => Decision::Allow,
        }
    }

    /// Whether an item is in the lists of a caller: one that every call of his would be refused is not. `facts` have no
    /// arguments; an item is listed if these decide. `report` is told each rule that cannot be decided for another reason.
    pub fn is_listed<'p>(&'p self, facts: &Facts<'_>, mut report: impl FnMut(Report<'p>)) -> bool {
        let variables = Variables::of(facts, self.budget.policy_argument_bytes);
        let mut allow = Allowed::default();
        for rule in self.rules.iter().filter(|rule| !rule.is_audited() && rule.effect() != Effect::Mask) {
            let held = rule.holds(&variables, &self.budget);
            let may_be = matches!(held, Err(EvaluationError::ArgumentsUnknown));
            let applies = rule.applies(&held);
            if let Some(why) = held.err().filter(|_| !may_be) {
                report(Report { rule, undecided: Some(why) });
            }
            match rule.effect() {
                Effect::Allow => allow.note(may_be || applies),
                Effect::Deny | Effect::Hide if !may_be && applies => return false,
                _ => {}
            }
        }
        !allow.is_refused()
    }
}

impl Policy {
    /// What the rules say of the item of a call.
    fn verdicts(&self, facts: &Facts<'_>, variables: &Variables<'_>) -> ItemVerdicts {
        let rules = self.rules.iter();
        let find = || ItemVerdicts::of(rules.map(|rule| rule.item_verdict(variables, &self.budget)));
        self.items.verdicts(facts, find)
    }
}

/// A rule that applies to a call, or cannot be decided for it.
#[derive(Debug)]
pub struct Report<'p> {
    /// The rule.
    pub rule: &'p Rule,
    /// Why it cannot be decided.
    pub undecided: Option<EvaluationError>,
}

/// What the rules that allow say.
#[derive(Default)]
struct Allowed {
    is_asked: bool,
    is_given: bool,
}

impl Allowed {
    fn note(&mut self, applies: bool) {
        self.is_asked = true;
        self.is_given |= applies;
    }

    fn is_refused(&self) -> bool {
        self.is_asked && !self.is_given
    }
}

/// The first rule of each restricting effect that applies.
#[derive(Default)]
struct Strictest<'p> {
    hide: Option<&'p Rule>,
    deny: Option<&'p Rule>,
    ask: Option<&'p Rule>,
}

impl<'p> Strictest<'p> {
    fn note(&mut self, rule: &'p Rule, effect: Effect) {
        let place = match effect {
            Effect::Hide => &mut self.hide,
            Effect::Deny => &mut self.deny,
            Effect::Ask => &mut self.ask,
            Effect::Allow | Effect::Mask => return,
        };
        place.get_or_insert(rule);
    }
}

#[cfg(test)]
mod tests {
    use anyport_protocol::{Raw, Revision};
    use anyport_service::{Authorization, Principal};

    use super::*;
    use crate::{Expression, Item, Mode};

    fn rule(name: &str, when: &str, effect: Effect) -> Rule {
        Rule::new(name, Expression::parse(when).unwrap(), effect)
    }

    fn facts<'a>(caller: &'a Authorization, name: &'a str, arguments: Option<&'a Raw>) -> Facts<'a> {
        Facts {
            caller,
            method: "tools/call",
            upstream: "files",
            item: Item::Tool { name, own_name: name },
            definition: None,
            arguments,
            client: None,
            revision: Revision::V2025_06_18,
            address: None,
        }
    }

    /// A part about another item decides, whatever the parts about the call are.
    #[test]
    fn rules_about_other_items_do_not_apply() {
        let policy = Policy::new([
            rule("first", "tool.name == 'rm' && arguments.path == '/'", Effect::Deny),
            rule(
                "last",
                "arguments.path == '/' && upstream == 'files' && tool.name.matches('^r')",
                Effect::Deny,
            ),
            rule("any", "arguments.path == '/' || tool.name == 'rm'", Effect::Hide),
        ]);
        for _ in 0..2 {
            assert_eq!(
                decided(&policy, "rm", r#"{"path":"/x"}"#),
                ("hide any".to_owned(), vec!["any".to_owned()])
            );
            assert_eq!(decided(&policy, "ls", "{}").1, ["any?"], "it alone is undecided");
            assert_eq!(decided(&policy, "ls", r#"{"path":"/x"}"#).1.len(), 0);
            assert_eq!(decided(&policy, "rm", "{}").1, ["first?", "last?", "any"]);
        }
    }

    /// Invariant: What a rule says of a call does not depend on the calls before it.
    #[test]
    fn a_policy_that_was_asked_before_decides_as_a_new_one() {
        let conditions = [
            "has(arguments.path)",
            "has(arguments.path) && arguments.path.startsWith('/etc')",
            "!has(arguments.path)",
            "has(arguments.path) && arguments.path.matches('^/etc')",
            "tool.name.matches('^r') && has(arguments.path)",
            "tool.name == 'rm' && 'path' in arguments",
            "arguments.path == '/etc/x'",
            "['path'].all(name, name in arguments)",
            "['path'].exists(name, has(arguments.path))",
            "has(arguments.path) ? tool.name == 'rm' : tool.name == 'ls'",
            "size(arguments) == 0",
            "true",
        ];
        let calls = ["{}", r#"{"path":"/etc/x"}"#, r#"{"path":"/x"}"#, r#"{"other":1}"#];
        for condition in conditions {
            let policy = || Policy::new([rule("one", condition, Effect::Deny)]);
            for (before, name) in calls.iter().flat_map(|before| [(before, "rm"), (before, "ls")]) {
                for arguments in calls {
                    let asked = policy();
                    decided(&asked, name, before);
                    let (after, alone) =
                        (decided(&asked, name, arguments), decided(&policy(), name, arguments));
                    assert_eq!(after, alone, "{condition} of {name} {arguments}, after {before}");
                }
            }
        }
    }

    /// What becomes of a call of `name` with `arguments`, with the names of the rules that were reported.
    fn decided(policy: &Policy, name: &str, arguments: &str) -> (String, Vec<String>) {
        let (caller, arguments) =
            (Authorization::unlimited(Principal::local()), Raw::trusted_text(arguments.into()));
        let mut reports = Vec::new();
        let decision = policy.decide(&facts(&caller, name, Some(&arguments)), |report| {
            reports.push(format!(
                "{}{}",
                report.rule.name(),
                if report.undecided.is_some() { "?" } else { "" }
            ));
        });
        let decision = match decision {
            Decision::Allow => "allow".to_owned(),
            Decision::Ask(rule) => format!("ask {}", rule.name()),
            Decision::Deny(rule) => format!("deny {}", rule.map_or("", Rule::name)),
            Decision::Hide(rule) => format!("hide {}", rule.name()),
        };
        (decision, reports)
    }

    fn is_listed(policy: &Policy, name: &str) -> bool {
        policy.is_listed(&facts(&Authorization::unlimited(Principal::local()), name, None), |_| {})
    }

    #[test]
    fn the_strictest_rule_that_applies_decides_whatever_the_order_is() {
        let rules = || {
            [
                rule("asking", "tool.name.startsWith('x')", Effect::Ask),
                rule("denying", "tool.name.startsWith('xy')", Effect::Deny),
                rule("hiding", "tool.name.startsWith('xyz')", Effect::Hide),
            ]
        };
        let mut turned = rules();
        turned.reverse();
        for policy in [Policy::new(rules()), Policy::new(turned)] {
            let of = |name| decided(&policy, name, "{}").0;
            assert_eq!(
                ["a", "x", "xy", "xyz"].map(of),
                ["allow", "ask asking", "deny denying", "hide hiding"]
            );
            assert_eq!(
                ["a", "x", "xy", "xyz"].map(|name| is_listed(&policy, name)),
                [true, true, false, false]
            );
        }
    }

    #[test]
    fn where_a_rule_allows_what_none_allows_is_refused() {
        let policy = Policy::new([
            rule("readers", "tool.name == 'read'", Effect::Allow),
            rule("small", "tool.name == 'write' && size(arguments.text) < 3", Effect::Allow),
        ]);
        assert_eq!(decided(&policy, "read", "{}").0, "allow");
        assert_eq!(decided(&policy, "write", r#"{"text":"ab"}"#).0, "allow");
        assert_eq!(decided(&policy, "write", r#"{"text":"abc"}"#).0, "deny ");
        assert_eq!(decided(&policy, "drop", "{}").0, "deny ");
        assert_eq!(["read", "write", "drop"].map(|name| is_listed(&policy, name)), [true, true, false]);
    }

    /// Invariant: a condition that cannot be decided refuses, and never allows.
    #[test]
    fn a_condition_that_cannot_be_decided_never_allows() {
        let undecided = "arguments.path.startsWith('/srv')";
        for (effect, decision) in [
            (Effect::Deny, "deny it"),
            (Effect::Hide, "hide it"),
            (Effect::Ask, "ask it"),
            (Effect::Allow, "deny "),
        ] {
            let policy = Policy::new([rule("it", undecided, effect)]);
            assert_eq!(decided(&policy, "write", "{}"), (decision.to_owned(), vec!["it?".to_owned()]));
        }
    }

    #[test]
    fn an_audited_rule_is_reported_and_changes_nothing() {
        let audited = [Effect::Deny, Effect::Hide, Effect::Ask, Effect::Allow]
            .map(|effect| rule(effect.as_str(), "tool.name == 'drop'", effect).mode(Mode::Audit));
        let policy = Policy::new(audited);
        let (decision, reports) = decided(&policy, "drop", "{}");
        assert_eq!(
            (decision.as_str(), reports),
            ("allow", ["deny", "hide", "ask", "allow"].map(String::from).to_vec())
        );
        assert_eq!(decided(&policy, "read", "{}").0, "allow");
        assert!(is_listed(&policy, "drop"));
    }

    #[test]
    fn a_rule_that_masks_decides_nothing_else() {
        let policy = Policy::new([
            rule("people", "tool.name == 'people'", Effect::Mask),
            rule("path", "arguments.path == '/'", Effect::Mask),
            rule("audited", "true", Effect::Mask).mode(Mode::Audit),
        ]);
        assert_eq!(decided(&policy, "people", "{}"), ("allow".to_owned(), vec![]));
        assert!(is_listed(&policy, "people"));
        let (caller, mut reports) = (Authorization::unlimited(Principal::local()), Vec::new());
        let arguments = Raw::EMPTY_OBJECT;
        let masks = policy.masks(&facts(&caller, "people", Some(&arguments)), |report| {
            reports.push((report.rule.name(), report.undecided.is_some()));
        });
        assert_eq!(masks.iter().map(|rule| rule.name()).collect::<Vec<_>>(), ["people", "path"]);
        assert_eq!(reports, [("people", false), ("path", true), ("audited", false)]);
    }

    #[test]
    fn an_item_whose_arguments_decide_is_listed() {
        let policy = Policy::new([
            rule("roots", "tool.name == 'read' && arguments.path == '/'", Effect::Deny),
            rule("none", "tool.name == 'drop' || arguments.path == '/'", Effect::Hide),
        ]);
        assert_eq!(["read", "drop", "list"].map(|name| is_listed(&policy, name)), [true, false, true]);
    }
}
