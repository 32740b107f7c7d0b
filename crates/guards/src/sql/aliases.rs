//! Aliases that are named by `AS`.
//!
//! T-SQL needs no sign between statements: what a grammar takes for the alias of a table is the next statement for the server.

use std::collections::HashSet;

use sqlparser::{
    ast::{Ident, Select, SelectItem, TableFactor},
    keywords::Keyword,
    tokenizer::{Location, Token, TokenWithSpan},
};

/// Where the names begin that stand behind `AS`, or before `=`.
pub(super) struct NamedAliases(HashSet<Location>);

impl NamedAliases {
    pub(super) fn of(tokens: &[TokenWithSpan]) -> Self {
        let tokens: Vec<_> =
            tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
        let is_as = |token: &Token| matches!(token, Token::Word(word) if word.keyword == Keyword::AS && word.quote_style.is_none());
        let named = tokens.windows(2).filter_map(|pair| match pair {
            [before, name] if is_as(&before.token) => Some(name.span.start),
            [name, after] if after.token == Token::Eq => Some(name.span.start),
            _ => None,
        });
        Self(named.collect())
    }

    fn has(&self, alias: &Ident) -> bool {
        self.0.contains(&alias.span.start)
    }

    /// Whether all columns of a `SELECT` have such aliases, or none.
    pub(super) fn are_of(&self, select: &Select) -> bool {
        select.projection.iter().all(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => self.has(alias),
            SelectItem::ExprWithAliases { .. } => false,
            _ => true,
        })
    }

    /// Whether a table has such an alias, or none.
    pub(super) fn is_of(&self, factor: &TableFactor) -> bool {
        let alias = match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::JsonTable { alias, .. }
            | TableFactor::OpenJsonTable { alias, .. }
            | TableFactor::NestedJoin { alias, .. }
            | TableFactor::Pivot { alias, .. }
            | TableFactor::Unpivot { alias, .. } => alias,
            // No other one is accepted.
            _ => return true,
        };
        alias.as_ref().is_none_or(|alias| self.has(&alias.name) && alias.at.is_none())
    }
}
