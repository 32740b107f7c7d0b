//! What is refused when an expression is parsed, and what is put into it.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, SourceInfo, operators},
};
use regex::{Regex, RegexBuilder};

use crate::{
    doubt::Comparison,
    facts::VARIABLES,
    functions::{ELEMENTS, NAMES, Pattern, STEP, environment},
    similar::similar,
};

/// What the names of an expression's patterns begin with. No source can write such a name.
pub(crate) const PATTERN: &str = "@pattern";

/// What the variables begin with that say whether an argument is there: `has(arguments.NAME)`. No source can write such a name. The crate `cel` leaves
/// names with `@` out of what an expression refers to, and this one depends on the call.
pub(crate) const HAS_ARGUMENT: &str = "#has_argument.";

/// The memory that a compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;

/// The longest condition, in bytes, and how deep its brackets and the tree of its parts may be. The parser and the evaluation call
/// themselves for each level, and a stack that overflows ends the process.
const SOURCE_BYTES: usize = 4_096;
const BRACKETS: usize = 32;
const DEPTH: usize = 64;

/// The stack on which a condition is parsed: enough for one of `SOURCE_BYTES`, whatever it says.
const STACK_BYTES: usize = 256 << 20;

/// Types, which can be named: `type(arguments.path) == string`.
const TYPES: &[&str] =
    &["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong, and what would be right.
    pub message: String,
    /// Where: the number of bytes before it, if that is known.
    pub at: Option<usize>,
}

/// The operators that look at no value but booleans, which cost nothing. They decide about errors of their operands, too, so that nothing
/// may stand between.
const LOGICAL: &[&str] = &[
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::CONDITIONAL,
    operators::NOT_STRICTLY_FALSE,
];

/// An expression that may be evaluated.
pub(crate) struct Checked {
    pub(crate) program: IdedExpr,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) comparisons: Vec<Comparison>,
}

/// Parses a condition, checks it, and puts the counting of steps into it.
///
/// # Errors
/// If it is no CEL, too long or too deep, uses a name that does not exist, or matches a pattern that is no literal.
pub(crate) fn parse(source: &str) -> Result<Checked, ExpressionError> {
    if source.len() > SOURCE_BYTES {
        let message = format!("it is longer than {SOURCE_BYTES} bytes: make several rules of it");
        return Err(ExpressionError { message, at: None });
    }
    if let Some(at) = too_deep(source) {
        let message = format!("brackets stand in more than {BRACKETS} others");
        return Err(ExpressionError { message, at: Some(at) });
    }
    let parsing = std::thread::Builder::new().stack_size(STACK_BYTES);
    let parsed = std::thread::scope(|scope| {
        let thread = parsing.spawn_scoped(scope, || parse_here(source));
        thread.map(|thread| thread.join())
    });
    let fault = |message: String| Err(ExpressionError { message, at: None });
    match parsed {
        Ok(Ok(checked)) => checked,
        Ok(Err(_)) => fault("the parser cannot read it".to_owned()),
        Err(error) => fault(format!("no thread can be started to parse it: {error}")),
    }
}

/// Where brackets first stand in too many others. Those in texts count as well.
fn too_deep(source: &str) -> Option<usize> {
    let mut depth = 0_usize;
    source.char_indices().find_map(|(at, character)| {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth > BRACKETS).then_some(at)
    })
}

fn parse_here(source: &str) -> Result<Checked, ExpressionError> {
    let program = environment().compile(source).map_err(|errors| {
        let first = errors.errors.first();
        let message = first.map_or_else(|| errors.to_string(), |error| error.msg.clone());
        ExpressionError { message, at: first.and_then(|error| offset(source, error.pos)) }
    })?;
    let mut walk = Walk { info: program.source_info(), local: Vec::new(), depth: 0, patterns: Vec::new() };
    let mut expression = program.expression().clone();
    walk.visit(&mut expression)?;
    let patterns = walk.patterns;
    // As it was written: the walk has changed the other.
    let comparisons = Comparison::all(program.expression(), program.source_info());
    Ok(Checked { program: expression, patterns, comparisons })
}

/// The number of bytes before a place, given as its line and column, from 1.
fn offset(source: &str, (line, column): (isize, isize)) -> Option<usize> {
    let (line, column) =
        (usize::try_from(line).ok()?.checked_sub(1)?, usize::try_from(column).ok()?.saturating_sub(1));
    let start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    Some(start.saturating_add(column).min(source.len()))
}

struct Walk<'a> {
    info: &'a SourceInfo,
    /// The variables of the loops around.
    local: Vec<String>,
    /// The number of parts around.
    depth: usize,
    patterns: Vec<Pattern>,
}

impl Walk<'_> {
    fn visit(&mut self, expression: &mut IdedExpr) -> Result<(), ExpressionError> {
        if self.depth == DEPTH {
            let message = format!("it has parts in more than {DEPTH} others: make several rules of it");
            return Err(self.error(expression.id, message));
        }
        self.depth += 1;
        let visited = self.visit_part(expression);
        self.depth -= 1;
        visited
    }

    fn visit_part(&mut self, expression: &mut IdedExpr) -> Result<(), ExpressionError> {
        let id = expression.id;
        match &mut expression.expr {
            Expr::Unspecified => Err(self.error(id, "an expression is missing".to_owned())),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(id, name),
            Expr::Select(select) => {
                if let Expr::Ident(variable) = &select.operand.expr {
                    self.member(id, variable, &select.field)?;
                    // Whether one argument is there is found without a map of all of them, but is not looked for again and again.
                    if select.test && variable == "arguments" && self.local.is_empty() {
                        expression.expr = Expr::Ident(format!("{HAS_ARGUMENT}{}", select.field));
                        return Ok(());
                    }
                }
                self.visit(&mut select.operand)
            }
            Expr::List(list) => list.elements.iter_mut().try_for_each(|element| {
                self.visit(element)?;
                // A loop may collect large values.
                if !self.local.is_empty() {
                    count(STEP, element);
                }
                Ok(())
            }),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| self.entry(&mut entry.expr)),
            Expr::Struct(record) => Err(self.error(id, format!("there is no type {:?}", record.type_name))),
            Expr::Call(call) => self.call(id, call),
            Expr::Comprehension(each) => {
                self.visit(&mut each.iter_range)?;
                self.visit(&mut each.accu_init)?;
                count(ELEMENTS, &mut each.iter_range);
                let outside = self.local.len();
                self.local.extend([each.iter_var.clone(), each.accu_var.clone()]);
                self.local.extend(each.iter_var2.clone());
                for part in [&mut each.loop_cond, &mut each.loop_step, &mut each.result] {
                    self.visit(part)?;
                }
                self.local.truncate(outside);
                Ok(())
            }
        }
    }

    fn entry(&mut self, entry: &mut EntryExpr) -> Result<(), ExpressionError> {
        match entry {
            EntryExpr::StructField(field) => self.visit(&mut field.value),
            EntryExpr::MapEntry(entry) => {
                self.visit(&mut entry.key)?;
                self.visit(&mut entry.value)
            }
        }
    }

    fn call(&mut self, id: u64, call: &mut CallExpr) -> Result<(), ExpressionError> {
        let is_function = call.func_name.starts_with(|first: char| first.is_ascii_alphabetic());
        if is_function && call.func_name != operators::IN && !NAMES.contains(&&*call.func_name) {
            let help = similar(&call.func_name, NAMES.iter().copied());
            return Err(self.error(id, format!("there is no function {:?}{help}", call.func_name)));
        }
        if call.func_name == "matches" {
            self.pattern(id, call)?;
        }
        call.target.iter_mut().try_for_each(|target| self.visit(target))?;
        call.args.iter_mut().try_for_each(|argument| self.visit(argument))?;
        // What a loop collects is counted where it is made: the evaluation is fast for this very shape.
        let collects = matches!(call.args.first(), Some(IdedExpr { expr: Expr::Ident(name), .. }) if name.starts_with('@'));
        // What stands in no loop is evaluated once at most, so that its cost is that of reading it.
        let is_repeated = !self.local.is_empty();
        if is_repeated && !collects && !LOGICAL.contains(&&*call.func_name) {
            let counted = call.target.as_deref_mut().or(call.args.first_mut());
            counted.into_iter().for_each(|argument| count(STEP, argument));
        }
        Ok(())
    }

    /// Compiles the pattern of `matches`, once and for all: a pattern that a caller could write would cost what he likes.
    fn pattern(&mut self, id: u64, call: &mut CallExpr) -> Result<(), ExpressionError> {
        let Some(argument) = call.args.last_mut() else { return Ok(()) };
        let Expr::Literal(LiteralValue::String(source)) = &argument.expr else {
            return Err(self.error(id, "the pattern of matches(...) must be a literal text".to_owned()));
        };
        let compiled = RegexBuilder::new(source.inner()).size_limit(PATTERN_BYTES).build();
        let compiled: Regex =
            compiled.map_err(|why| self.error(id, format!("the pattern of matches(...): {why}")))?;
        argument.expr = Expr::Ident(format!("{PATTERN}{}", self.patterns.len()));
        self.patterns.push(Pattern(compiled));
        Ok(())
    }

    fn variable(&self, id: u64, name: &str) -> Result<(), ExpressionError> {
        let is_known = name.starts_with('@')
            || self.local.iter().any(|local| local == name)
            || TYPES.contains(&name)
            || VARIABLES.iter().any(|(variable, _)| *variable == name);
        if is_known {
            return Ok(());
        }
        let help = similar(name, VARIABLES.iter().map(|(variable, _)| *variable));
        Err(self.error(id, format!("there is no variable {name:?}{help}")))
    }

    fn member(&self, id: u64, variable: &str, field: &str) -> Result<(), ExpressionError> {
        if self.local.iter().any(|local| local == variable) {
            return Ok(());
        }
        let members = VARIABLES.iter().find(|(name, _)| *name == variable).map(|(_, members)| *members);
        match members {
            Some(members) if !members.is_empty() && !members.contains(&field) => {
                let help = similar(field, members.iter().copied());
                Err(self.error(id, format!("{variable} has no {field:?}{help}")))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, id: u64, message: String) -> ExpressionError {
        let at = self.info.offset_for(id).and_then(|(start, _)| usize::try_from(start).ok());
        ExpressionError { message, at }
    }
}

/// Has a function count what `argument` is evaluated to.
fn count(function: &str, argument: &mut IdedExpr) {
    let inner = std::mem::take(argument);
    argument.id = inner.id;
    argument.expr = Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] });
}
