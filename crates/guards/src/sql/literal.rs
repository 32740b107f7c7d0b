use super::Dialect;
use crate::refusal::Fault;

/// A text that a server puts between the single quotes of a statement: it must stay one literal.
#[derive(Debug)]
pub struct LiteralCheck {
    dialect: Dialect,
}

impl LiteralCheck {
    /// Checks literals of `dialect`.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect }
    }

    pub(crate) fn check(&self, text: &str) -> Result<(), Fault> {
        let mut signs = text.chars().peekable();
        let mut backslashes = 0_usize;
        while let Some(sign) = signs.next() {
            match sign {
                '\0' => return Err("it has a NUL".into()),
                // Whether a backslash is an escape is a setting of many servers: what depends on it is refused.
                '\'' if backslashes > 0 => return Err("it has a quote behind a backslash".into()),
                '\'' if signs.next_if_eq(&'\'').is_none() => {
                    return Err("it has a quote that is not doubled".into());
                }
                _ => {}
            }
            backslashes = if sign == '\\' { backslashes + 1 } else { 0 };
        }
        if self.dialect.has_backslashes && backslashes % 2 == 1 {
            return Err("it ends with a backslash, which escapes the quote behind it".into());
        }
        Ok(())
    }

    pub(crate) fn accepted(&self) -> String {
        format!(
            "texts that stay one literal between the quotes of {}: their own quotes are doubled",
            self.dialect.name()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_stays_one() {
        for (dialect, text, is_right) in [
            ("postgresql", "O''Brien", true),
            ("postgresql", "", true),
            ("postgresql", "a -- b /* c */ ; \" ` $$", true),
            ("postgresql", "C:\\dir\\", true),
            ("postgresql", "O'Brien", false),
            ("postgresql", "' OR 1=1 --", false),
            ("postgresql", "'", false),
            ("postgresql", "'''", false),
            ("postgresql", "\\''", false),
            ("postgresql", "\\'' OR 1=1 --", false),
            ("postgresql", "a\0b", false),
            ("mysql", "O''Brien", true),
            ("mysql", "a\\nb", true),
            ("mysql", "a\\\\", true),
            ("mysql", "\\", false),
            ("mysql", "a\\\\\\", false),
            ("mysql", "\\' OR 1=1 -- ", false),
            ("mysql", "\\'' OR 1=1 -- ", false),
            ("mysql", "\\\\'' OR 1=1 -- ", false),
            ("bigquery", "\\", false),
            ("sqlite", "\\", true),
            ("mssql", "x'; DROP TABLE y", false),
        ] {
            let check = LiteralCheck::new(Dialect::named(dialect).unwrap());
            assert_eq!(check.check(text).is_ok(), is_right, "{dialect}: {text:?}");
        }
    }
}
