use crate::{Budget, EvaluationError, Expression, expression::ItemVerdict, values::Variables};

/// A condition, and what becomes of the calls for which it holds.
#[derive(Debug)]
pub struct Rule {
    name: String,
    when: Expression,
    effect: Effect,
    reason: Option<String>,
    mode: Mode,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Allows a call. If a policy has such a rule, it refuses what none of them allows.
    Allow,
    /// Refuses a call, and says why. The item is listed only to those for whom the arguments decide.
    Deny,
    /// Refuses a call as if there were no such item, and lists it to nobody for whom the condition holds.
    Hide,
    /// Has the user confirm a call.
    Ask,
    /// Covers data in the result of a call. It decides nothing about the call itself.
    Mask,
}

/// Whether a rule does what it says, or only reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It is reported what it would do.
    Audit,
}

impl Rule {
    /// Makes a rule with a name for logs and reports.
    pub fn new(name: impl Into<String>, when: Expression, effect: Effect) -> Self {
        Self { name: name.into(), when, effect, reason: None, mode: Mode::default() }
    }

    /// Sets what callers are told.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sets the mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// What callers are told, if it was set.
    pub fn told(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Whether it only reports.
    pub fn is_audited(&self) -> bool {
        self.mode == Mode::Audit
    }

    /// Whether its condition looks at a variable.
    pub(crate) fn reads(&self, variable: &str) -> bool {
        self.when.reads(variable)
    }

    /// Whether its condition holds.
    ///
    /// # Errors
    /// If that cannot be decided.
    pub(crate) fn holds(&self, variables: &Variables<'_>, budget: &Budget) -> Result<bool, EvaluationError> {
        self.when.holds(variables, budget)
    }

    /// Whether its condition holds, for a call of an item of which it says `verdict`.
    ///
    /// # Errors
    /// If that cannot be decided.
    pub(crate) fn holds_for(
        &self,
        verdict: ItemVerdict,
        variables: &Variables<'_>,
        budget: &Budget,
    ) -> Result<bool, EvaluationError> {
        match verdict {
            ItemVerdict::Excluded => Ok(false),
            ItemVerdict::Settled => self.when.holds_for_call(variables, budget),
            ItemVerdict::Open => self.when.holds(variables, budget),
        }
    }

    /// What its condition says of this item, whatever else a call is.
    pub(crate) fn item_verdict(&self, variables: &Variables<'_>, budget: &Budget) -> ItemVerdict {
        self.when.item_verdict(variables, budget)
    }

    /// Whether the rule applies: where its condition cannot be decided, it does if it restricts.
    pub(crate) fn applies(&self, held: &Result<bool, EvaluationError>) -> bool {
        match held {
            Ok(holds) => *holds,
            Err(_) => self.effect != Effect::Allow,
        }
    }
}

impl Effect {
    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hide => "hide",
            Self::Ask => "ask",
            Self::Mask => "mask",
        }
    }
}
