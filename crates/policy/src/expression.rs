use cel::{
    Context, ExecutionError, IdedExpr, Value,
    common::{
        ast::{Expr, operators},
        types::CelBool,
        value::CowVal,
    },
    context::VariableResolver,
};

use crate::{
    Budget,
    budget::{self, Spent},
    check::{self, Checked, ExpressionError},
    doubt::{Comparison, Doubt, KnownNames},
    functions::{NAMES, Pattern, environment},
    values::Variables,
};

/// A condition in CEL, checked, and ready to be evaluated.
#[derive(Debug)]
pub struct Expression {
    source: Box<str>,
    program: IdedExpr,
    /// Those of its parts that must all hold and look at the item alone.
    item_parts: Vec<IdedExpr>,
    /// The other parts that must all hold.
    call_parts: Vec<IdedExpr>,
    patterns: Vec<Pattern>,
    comparisons: Vec<Comparison>,
}

/// Why a condition is undecided. No value of a call is in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// It looks at the arguments, which are not known in a list.
    #[error("it looks at the arguments, which are not known")]
    ArgumentsUnknown,
    /// The arguments are larger than conditions may look at: `policy_argument_bytes`.
    #[error("the arguments are larger than `policy_argument_bytes`")]
    ArgumentsTooLarge,
    /// It takes more steps than `policy_steps`.
    #[error("it takes more than `policy_steps`")]
    TooManySteps,
    /// It takes longer than `policy_milliseconds`.
    #[error("it takes longer than `policy_milliseconds`")]
    TooLong,
    /// It is no boolean.
    #[error("its value is no boolean")]
    NotBoolean,
    /// It looks at what is not there, or compares what cannot be compared.
    #[error("{0}")]
    Failed(String),
}

impl Expression {
    /// Parses and checks a condition.
    ///
    /// # Errors
    /// If it is not written in CEL, uses a name that does not exist, or matches a pattern that is no literal.
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        let Checked { program, patterns, comparisons } = check::parse(source)?;
        let mut parts = Vec::new();
        collect_parts(&program, &mut parts);
        let (item_parts, call_parts) = parts.into_iter().partition(is_of_item);
        Ok(Self { source: source.into(), program, item_parts, call_parts, patterns, comparisons })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The comparisons in it that have the same outcome for every call of a gateway with these names.
    pub fn doubts(&self, names: &dyn KnownNames) -> Vec<Doubt> {
        self.comparisons.iter().filter_map(|comparison| comparison.doubt(names)).collect()
    }

    /// Whether it looks at a variable.
    pub(crate) fn reads(&self, variable: &str) -> bool {
        let references = self.program.references();
        let asks_for_argument =
            || references.variables().iter().any(|name| name.starts_with(check::HAS_ARGUMENT));
        references.has_variable(variable) || (variable == "arguments" && asks_for_argument())
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// If that cannot be decided.
    pub(crate) fn holds(&self, variables: &Variables<'_>, budget: &Budget) -> Result<bool, EvaluationError> {
        self.all_hold(std::slice::from_ref(&self.program), variables, budget)
    }

    /// Whether it holds for an item for which its parts about the item do ([`ItemVerdict::Settled`]).
    ///
    /// # Errors
    /// If that cannot be decided.
    pub(crate) fn holds_for_call(
        &self,
        variables: &Variables<'_>,
        budget: &Budget,
    ) -> Result<bool, EvaluationError> {
        self.all_hold(&self.call_parts, variables, budget)
    }

    fn all_hold(
        &self,
        parts: &[IdedExpr],
        variables: &Variables<'_>,
        budget: &Budget,
    ) -> Result<bool, EvaluationError> {
        let (value, spent) = self.value(parts, variables, budget);
        let (is_unknown, is_large) = (variables.took_unknown_arguments(), variables.took_large_arguments());
        match value {
            Ok(Some(holds)) => Ok(holds),
            _ if is_unknown => Err(EvaluationError::ArgumentsUnknown),
            _ if is_large => Err(EvaluationError::ArgumentsTooLarge),
            Ok(None) => Err(EvaluationError::NotBoolean),
            Err(error) => Err(match spent {
                Some(Spent::Steps) => EvaluationError::TooManySteps,
                Some(Spent::Time) => EvaluationError::TooLong,
                None => EvaluationError::Failed(self.without_values(&error)),
            }),
        }
    }
}

impl Expression {
    /// What it says of an item, whoever calls it with whatever arguments.
    pub(crate) fn item_verdict(&self, variables: &Variables<'_>, budget: &Budget) -> ItemVerdict {
        match self.value(&self.item_parts, variables, budget).0 {
            Ok(Some(false)) => ItemVerdict::Excluded,
            Ok(Some(true)) => ItemVerdict::Settled,
            _ => ItemVerdict::Open,
        }
    }

    /// The value of `&&` over the expression or parts of it, if it is a boolean, and what of the budget was spent first. CEL, §Logical Operators:
    /// if one operand of `&&` is false, the result is false, even if the other is an error.
    fn value(
        &self,
        parts: &[IdedExpr],
        variables: &Variables<'_>,
        budget: &Budget,
    ) -> (Result<Option<bool>, ExecutionError>, Option<Spent>) {
        let names = Names { variables, patterns: &self.patterns };
        let mut context = Context::with_env(environment());
        context.set_variable_resolver(&names);
        budget::within(budget, || {
            let mut undecided = None;
            for part in parts {
                let value = Value::resolve_val(part, &context);
                match value.map(|value| value.downcast_ref::<CelBool>().map(|value| *value.inner())) {
                    Ok(Some(true)) => {}
                    Ok(Some(false)) => return Ok(Some(false)),
                    other => undecided = undecided.or(Some(other)),
                }
            }
            undecided.unwrap_or(Ok(Some(true)))
        })
    }

    /// The text of an error, without the values that some of them hold: these may be secrets of a call.
    fn without_values(&self, error: &ExecutionError) -> String {
        match error {
            // A key may be the value of an argument, by which another one is indexed.
            ExecutionError::NoSuchKey(key) if self.source.contains(key.as_str()) => {
                format!("there is no {key:?} (ask with has(...) first)")
            }
            ExecutionError::NoSuchKey(_) => "a member is not there (ask with `in` first)".to_owned(),
            ExecutionError::NoSuchOverload(_) => error.to_string(),
            ExecutionError::FunctionError { function, message } if NAMES.contains(&&**function) => {
                match function.as_str() {
                    "inNetwork" => format!("{function}: {message}"),
                    _ => format!("{function}: it cannot take this value"),
                }
            }
            ExecutionError::UndeclaredReference(name) => format!("there is no {name:?}"),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                "division by zero".to_owned()
            }
            ExecutionError::Overflow(..) => "a number is too large".to_owned(),
            ExecutionError::IndexOutOfBounds(_) => "a list has no such index".to_owned(),
            _ => "values of types that do not fit".to_owned(),
        }
    }
}

/// What a condition says of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemVerdict {
    /// It cannot hold for it.
    Excluded,
    /// All that it asks of the item holds: what else it asks decides.
    Settled,
    /// It cannot be decided without the call.
    Open,
}

/// What is the same for every call of an item.
const ITEM_VARIABLES: &[&str] = &["annotations", "method", "prompt", "tool", "upstream"];

/// Adds the operands of `&&`.
fn collect_parts(part: &IdedExpr, parts: &mut Vec<IdedExpr>) {
    match &part.expr {
        Expr::Call(call) if call.func_name == operators::LOGICAL_AND => {
            call.args.iter().for_each(|operand| collect_parts(operand, parts));
        }
        _ => parts.push(part.clone()),
    }
}

/// Whether a part looks at nothing but the item.
fn is_of_item(part: &IdedExpr) -> bool {
    let is_of_item = |name: &&str| ITEM_VARIABLES.contains(name) || name.starts_with(check::PATTERN);
    part.references().variables().iter().all(is_of_item)
}

/// What an expression can name: the variables, and its own patterns.
struct Names<'a, 'f> {
    variables: &'a Variables<'f>,
    patterns: &'a [Pattern],
}

impl VariableResolver for Names<'_, '_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        match name.strip_prefix(check::PATTERN) {
            Some(number) => Some(CowVal::Borrowed(self.patterns.get(number.parse::<usize>().ok()?)?)),
            None => self.variables.resolve(name),
        }
    }
}

#[cfg(test)]
mod tests;
