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
    patterns: Vec<Pattern>,
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
        let Checked { program, patterns } = check::parse(source)?;
        let mut item_parts = Vec::new();
        collect_item_parts(&program, &mut item_parts);
        Ok(Self { source: source.into(), program, item_parts, patterns })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it looks at a variable.
    pub(crate) fn reads(&self, variable: &str) -> bool {
        self.program.references().has_variable(variable)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// If that cannot be decided.
    pub(crate) fn holds(&self, variables: &Variables<'_>, budget: &Budget) -> Result<bool, EvaluationError> {
        let (value, spent) = self.value(&self.program, variables, budget);
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
    /// Whether it cannot hold for this item, whoever calls it with whatever arguments. CEL, §Logical Operators: if one operand of `&&` is
    /// false, the result is false, even if the other is an error.
    pub(crate) fn excludes_item(&self, variables: &Variables<'_>, budget: &Budget) -> bool {
        self.item_parts.iter().any(|part| matches!(self.value(part, variables, budget).0, Ok(Some(false))))
    }

    /// The value of the expression or a part of it, if it is a boolean, and what of the budget was spent first.
    fn value(
        &self,
        part: &IdedExpr,
        variables: &Variables<'_>,
        budget: &Budget,
    ) -> (Result<Option<bool>, ExecutionError>, Option<Spent>) {
        let names = Names { variables, patterns: &self.patterns };
        let mut context = Context::with_env(environment());
        context.set_variable_resolver(&names);
        budget::within(budget, || {
            let value = Value::resolve_val(part, &context)?;
            Ok(value.downcast_ref::<CelBool>().map(|value| *value.inner()))
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

/// What is the same for every call of an item.
const ITEM_VARIABLES: &[&str] = &["annotations", "method", "prompt", "tool", "upstream"];

/// Adds the operands of `&&` that look at nothing but the item.
fn collect_item_parts(part: &IdedExpr, parts: &mut Vec<IdedExpr>) {
    match &part.expr {
        Expr::Call(call) if call.func_name == operators::LOGICAL_AND => {
            call.args.iter().for_each(|operand| collect_item_parts(operand, parts));
        }
        _ => {
            let is_of_item = |name: &&str| ITEM_VARIABLES.contains(name) || name.starts_with(check::PATTERN);
            if part.references().variables().iter().all(is_of_item) {
                parts.push(part.clone());
            }
        }
    }
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
