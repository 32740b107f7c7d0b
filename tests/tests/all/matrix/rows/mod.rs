//! What users care for, by topic.

mod asking;
mod both_eras;
mod changes;
mod content;
mod lists;
mod notifications;
mod opening;
mod requests;

use crate::matrix::row::Row;

/// Rows that belong together.
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    /// What stands above its table.
    pub(crate) about: &'static str,
    /// Whether the table has what is carried everywhere, too.
    pub(crate) whole: bool,
    pub(crate) rows: Vec<Row>,
}

/// In the order of the page.
pub(crate) fn topics() -> Vec<Topic> {
    vec![
        asking::questions(),
        asking::forms(),
        asking::models(),
        asking::edges(),
        both_eras::topic(),
        requests::topic(),
        content::topic(),
        notifications::topic(),
        changes::topic(),
        lists::topic(),
        opening::topic(),
    ]
}
