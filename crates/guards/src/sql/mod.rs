//! SQL: one statement that only reads, or a text that stays one literal.

mod aliases;
mod dialect;
mod functions;
mod literal;
mod names;
mod pure_functions;
mod statement;
mod tokens;

pub use dialect::{Dialect, UnknownDialect};
pub use literal::LiteralCheck;
pub use statement::StatementCheck;
