//! Rules over calls, written in CEL (Common Expression Language): who may use which tool, prompt or resource, and how.
//!
//! A [`Policy`] is a list of [`Rule`]s. A rule has a condition, an [`Expression`] over the [`Facts`] of a call, and an
//! [`Effect`]. [`Policy::decide`] says what becomes of a call, and [`Policy::is_listed`] whether an item is in the lists that a
//! caller receives: the same rules hold for both.
//!
//! **A condition that cannot be decided never allows.** An error, a value that is no boolean, or a spent [`Budget`] means that a
//! rule that refuses applies, and that one that allows does not.
//!
//! # Layout
//!
//! | file | what |
//! |---|---|
//! | `policy.rs`, `rule.rs` | rules, and how they decide together |
//! | `facts.rs` | what conditions can look at |
//! | `expression.rs` | parsing and evaluation |
//! | `check.rs` | what is refused when an expression is parsed: unknown names, patterns that are no literals; and what is put into it so that its cost is counted |
//! | `doubt.rs` | comparisons whose outcome is the same for every call |
//! | `budget.rs` | the cost of an evaluation |
//! | `item_rules.rs` | which rules need no evaluation for an item, since they are about others |
//! | `functions.rs` | the functions that conditions can call |
//! | `values.rs` | the facts as values of CEL |
//!
//! This crate does no I/O; whoever serves calls asks it. It reads the clock for one purpose: the time limit of an evaluation.

mod budget;
mod check;
mod doubt;
mod expression;
mod facts;
mod functions;
mod item_rules;
mod policy;
mod rule;
mod similar;
mod values;

pub use budget::Budget;
pub use check::ExpressionError;
pub use doubt::{Doubt, KnownNames};
pub use expression::{EvaluationError, Expression};
pub use facts::{Facts, Item};
pub use policy::{Decision, Policy, Report};
pub use rule::{Effect, Mode, Rule};
