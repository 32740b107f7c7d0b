//! The cost of an evaluation.
//!
//! CEL ends always, but loops over what a client sends can be nested. Each element of a loop and each call of a function in one is a step
//! here. `check.rs` puts the counting into the expression.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyport_protocol::limits;
use cel::ExecutionError;

limits! {
    /// What the evaluation of one condition may cost, and those for a list.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Budget {
        /// The number of steps: elements of loops, and calls of functions inside of them.
        #[default(10_000)]
        #[limit(Count "policy_steps", beyond = "the condition is undecided: rules that refuse apply")]
        pub policy_steps: usize,
        /// The milliseconds that an evaluation may take. They are measured at each step, by the clock: a thread that has to wait for a
        /// processor must not make a condition undecided, so there are many.
        #[default(250)]
        #[limit(Count "policy_milliseconds", beyond = "the condition is undecided: rules that refuse apply")]
        pub policy_milliseconds: u32,
        /// The number of bytes of arguments that a condition may look at.
        #[default(256 KiB)]
        #[limit(Bytes "policy_argument_bytes", beyond = "the condition is undecided: rules that refuse apply")]
        pub policy_argument_bytes: usize,
        /// The milliseconds that filtering one list for one kind of caller may take.
        #[default(1_000)]
        #[limit(Count "policy_list_milliseconds", beyond = "what was not reached is left out of the list, with a warning in the log")]
        pub policy_list_milliseconds: u32,
    }
}

/// What is left for the evaluation that runs on this thread. Functions of CEL are plain functions, so that they can only find
/// it here; an evaluation neither waits nor changes its thread.
#[derive(Clone, Copy)]
struct Left {
    steps: usize,
    end: Option<Instant>,
    spent: Option<Spent>,
}

/// What of a budget was spent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    Steps,
    Time,
}

thread_local! {
    static LEFT: Cell<Left> = const { Cell::new(Left { steps: 0, end: None, spent: None }) };
}

/// Runs an evaluation within `budget`. Returns what of the budget was spent, too.
pub(crate) fn within<T>(budget: &Budget, evaluate: impl FnOnce() -> T) -> (T, Option<Spent>) {
    let end = Instant::now().checked_add(Duration::from_millis(budget.policy_milliseconds.into()));
    LEFT.set(Left { steps: budget.policy_steps, end, spent: None });
    (evaluate(), LEFT.get().spent)
}

/// Takes `steps` from what is left.
///
/// # Errors
/// If it is spent. Every later step fails as well, so that the evaluation ends soon.
pub(crate) fn take(steps: usize) -> Result<(), ExecutionError> {
    let mut left = LEFT.get();
    if left.steps < steps {
        left.spent.get_or_insert(Spent::Steps);
    } else if left.end.is_some_and(|end| Instant::now() > end) {
        left.spent.get_or_insert(Spent::Time);
    }
    left.steps = left.steps.saturating_sub(steps);
    LEFT.set(left);
    match left.spent {
        Some(_) => Err(ExecutionError::function_error("budget", "spent")),
        None => Ok(()),
    }
}
