use std::fmt;

use sqlparser::dialect::{self, GenericDialect, dialect_from_str};

/// A dialect of SQL: its grammar, its strings, and how names are compared.
#[derive(Clone, Copy)]
pub struct Dialect {
    name: &'static str,
    pub(super) case: Case,
    /// Whether a backslash in a string may be the beginning of an escape.
    pub(super) has_backslashes: bool,
}

/// How names without quotes are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Whatever the case is.
    Insensitive,
    /// They are what they are in lower case; those with quotes are as they are.
    Lower,
    /// The same in upper case.
    Upper,
    /// They are as they are.
    Exact,
}

/// There is no such dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no dialect {0:?}: there are {names}", names = Dialect::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownDialect(pub String);

/// The names of dialects; how their names are compared; whether strings have backslashes.
const DIALECTS: [(&str, Case, bool); 13] = [
    ("ansi", Case::Upper, false),
    ("bigquery", Case::Exact, true),
    ("clickhouse", Case::Exact, true),
    ("databricks", Case::Insensitive, true),
    ("duckdb", Case::Insensitive, false),
    ("hive", Case::Insensitive, true),
    ("mssql", Case::Insensitive, false),
    // Names of tables are those of files there: their case counts on some systems.
    ("mysql", Case::Exact, true),
    ("oracle", Case::Upper, false),
    ("postgresql", Case::Lower, false),
    ("redshift", Case::Lower, true),
    ("snowflake", Case::Upper, true),
    ("sqlite", Case::Insensitive, false),
];

impl Dialect {
    /// The dialect `name`.
    ///
    /// # Errors
    /// [`UnknownDialect`].
    pub fn named(name: &str) -> Result<Self, UnknownDialect> {
        let known = DIALECTS.iter().find(|(known, ..)| *known == name);
        let found = known.and_then(|(name, case, has_backslashes)| {
            dialect_from_str(name)?;
            Some(Self { name, case: *case, has_backslashes: *has_backslashes })
        });
        found.ok_or_else(|| UnknownDialect(name.to_owned()))
    }

    /// The names of all dialects.
    pub fn names() -> impl Iterator<Item = &'static str> {
        DIALECTS.iter().map(|(name, ..)| *name)
    }

    /// Its grammar, which cannot be shared by threads.
    pub(super) fn grammar(&self) -> Box<dyn dialect::Dialect> {
        dialect_from_str(self.name).unwrap_or_else(|| Box::new(GenericDialect))
    }

    /// Whether a statement may follow another one without a sign between them.
    pub(super) fn needs_no_semicolon(&self) -> bool {
        self.name == "mssql"
    }

    /// Whether a name alone behind `IN` is that of a table.
    pub(super) fn has_tables_behind_in(&self) -> bool {
        self.name == "clickhouse"
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_has_a_grammar() {
        for name in Dialect::names() {
            assert_eq!(Dialect::named(name).unwrap().name(), name);
        }
        let error = Dialect::named("postgres9").unwrap_err().to_string();
        assert!(error.contains("postgres9") && error.contains("postgresql"), "{error}");
    }
}
