use std::sync::Arc;

use cel::{
    Context, Env, ExecutionError, IdedExpr, Value,
    common::{types::CelBool, value::CowVal},
    context::VariableResolver,
};

use crate::{
    Budget,
    budget::{self, Spent},
    check::{self, Checked, ExpressionError},
    functions::{Pattern, environment},
    values::Variables,
};

/// A condition in CEL, checked, and ready to be evaluated.
#[derive(Debug)]
pub struct Expression {
    source: Box<str>,
    program: IdedExpr,
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
        let environment: Arc<Env> = environment();
        let program = environment.compile(source).map_err(|errors| {
            let first = errors.errors.first();
            let message = first.map_or_else(|| errors.to_string(), |error| error.msg.clone());
            ExpressionError { message, at: first.and_then(|error| check::offset(source, error.pos)) }
        })?;
        let Checked { program, patterns } = check::check(&program)?;
        Ok(Self { source: source.into(), program, patterns })
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
        let names = Names { variables, patterns: &self.patterns };
        let mut context = Context::with_env(environment());
        context.set_variable_resolver(&names);
        let (value, spent) = budget::within(budget, || {
            let value = Value::resolve_val(&self.program, &context)?;
            Ok(value.downcast_ref::<CelBool>().map(|value| *value.inner()))
        });
        let (is_unknown, is_large) = (variables.took_unknown_arguments(), variables.took_large_arguments());
        match value {
            Ok(Some(holds)) => Ok(holds),
            _ if is_unknown => Err(EvaluationError::ArgumentsUnknown),
            _ if is_large => Err(EvaluationError::ArgumentsTooLarge),
            Ok(None) => Err(EvaluationError::NotBoolean),
            Err(error) => Err(match spent {
                Some(Spent::Steps) => EvaluationError::TooManySteps,
                Some(Spent::Time) => EvaluationError::TooLong,
                None => EvaluationError::Failed(without_values(&error)),
            }),
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

/// The text of an error, without the values that some of them hold: these may be secrets of a call.
fn without_values(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no {key:?} (ask with has(...) first)"),
        ExecutionError::NoSuchOverload(_) | ExecutionError::UnexpectedType { .. } => error.to_string(),
        ExecutionError::FunctionError { function, message } => format!("{function}: {message}"),
        ExecutionError::UndeclaredReference(name) => format!("there is no {name:?}"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "a list has no such index".to_owned(),
        _ => "values of types that do not fit".to_owned(),
    }
}

#[cfg(test)]
mod tests;
