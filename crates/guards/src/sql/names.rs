//! Names of tables and functions, compared as a dialect does.

use sqlparser::ast::{Ident, ObjectName};

use super::{Dialect, dialect::Case};
use crate::pattern::Pattern;

/// A table that may be read: `orders`, `sales.orders`, `sales.*`.
#[derive(Clone, Debug)]
pub(super) struct TableName(Vec<Pattern>);

impl TableName {
    /// The table `text`, as the dialect has names without quotes.
    pub(super) fn new(text: &str, dialect: &Dialect) -> Self {
        let folded = |part: &str| match dialect.case {
            Case::Insensitive => part.to_lowercase(),
            // A name is given as people write it; the database has it in its own case.
            Case::Lower if is_in_one_case(part) => part.to_lowercase(),
            Case::Upper if is_in_one_case(part) => part.to_uppercase(),
            _ => part.to_owned(),
        };
        Self(text.split('.').map(|part| Pattern::new(folded(part))).collect())
    }

    /// Whether a name is that table: one without a schema is none with a schema, which may be another one.
    pub(super) fn is(&self, name: &[String]) -> bool {
        self.0.len() == name.len() && self.0.iter().zip(name).all(|(pattern, part)| pattern.matches(part))
    }
}

/// Whether a name has no letters in the other case, so that it was not written with regard to it.
fn is_in_one_case(part: &str) -> bool {
    let (has_upper, has_lower) = (part.chars().any(char::is_uppercase), part.chars().any(char::is_lowercase));
    !(has_upper && has_lower)
}

/// The parts of a name as the database has them; `None` for one that is computed, or is no name but the path of a file.
pub(super) fn parts(name: &ObjectName, dialect: &Dialect) -> Option<Vec<String>> {
    name.0.iter().map(|part| part.as_ident().and_then(|ident| folded(ident, dialect))).collect()
}

/// A name as the database has it.
pub(super) fn folded(ident: &Ident, dialect: &Dialect) -> Option<String> {
    let text = &ident.value;
    // DuckDB and Snowflake read files under such names.
    if ident.quote_style == Some('\'') || text.contains(['/', '\\', '.', '@', ':']) {
        return None;
    }
    Some(match (dialect.case, ident.quote_style) {
        (Case::Insensitive, _) => text.to_lowercase(),
        (Case::Lower, None) => text.to_lowercase(),
        (Case::Upper, None) => text.to_uppercase(),
        _ => text.clone(),
    })
}
