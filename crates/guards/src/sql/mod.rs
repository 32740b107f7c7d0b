//! SQL: one statement that only reads, or a text that stays one literal.

mod dialect;
mod functions;
mod literal;
mod names;
mod statement;

pub use dialect::{Dialect, UnknownDialect};
pub use literal::LiteralCheck;
pub use statement::StatementCheck;
