use std::{collections::HashSet, ops::ControlFlow};

use sqlparser::{
    ast::{Expr, ObjectName, Query, Select, SetExpr, Statement, TableFactor, Visit as _, Visitor},
    parser::Parser,
};

use super::{
    Dialect,
    aliases::NamedAliases,
    functions,
    names::{self, TableName},
    pure_functions::is_pure,
    tokens,
};
use crate::refusal::Fault;

/// One statement that only reads, of tables that are named.
#[derive(Debug)]
pub struct StatementCheck {
    dialect: Dialect,
    /// The tables that may be read; any, if `None`.
    tables: Option<Vec<TableName>>,
    /// The functions that may be called, in lower case. If `None`: where tables are named, those that only compute; else those that are not
    /// known to act.
    functions: Option<HashSet<String>>,
    table_names: Vec<String>,
}

impl StatementCheck {
    /// Checks statements of `dialect`, which may read any table.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, tables: None, functions: None, table_names: Vec::new() }
    }

    /// Accepts these tables alone: `orders`, `sales.orders`, `sales.*`.
    #[must_use]
    pub fn tables(mut self, tables: &[String]) -> Self {
        self.tables = Some(tables.iter().map(|table| TableName::new(table, &self.dialect)).collect());
        self.table_names = tables.to_vec();
        self
    }

    /// Accepts these functions alone. Default: where tables are named, those that are known to compute only, since others may read any table;
    /// else those that are not known to do more.
    #[must_use]
    pub fn functions(mut self, functions: &[String]) -> Self {
        self.functions = Some(functions.iter().map(|function| function.to_lowercase()).collect());
        self
    }

    pub(crate) fn accepted(&self) -> String {
        let tables = match self.tables {
            Some(_) => format!(" of the tables {}", self.table_names.join(", ")),
            None => String::new(),
        };
        format!("one SELECT statement in {}{tables}, without comments", self.dialect.name())
    }

    /// Checks a statement of at most `most` tokens.
    ///
    /// A chain of operators is a tree as deep as the chain is long, and whatever walks over it, or drops it, recurses: it has a thread with
    /// a stack of its own.
    pub(crate) fn check(&self, text: &str, most: usize) -> Result<(), Fault> {
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().name("sql guard".to_owned()).stack_size(STACK);
            let checking = builder.spawn_scoped(scope, || self.checked(text, most));
            let checked = checking.map_err(|_| "there is no thread to check it in")?.join();
            checked.unwrap_or_else(|_| Err("it cannot be parsed".into()))
        })
    }

    fn checked(&self, text: &str, most: usize) -> Result<(), Fault> {
        let grammar = self.dialect.grammar();
        let tokens = tokens::read(&self.dialect, text, most)?;
        if self.tables.is_some() && self.dialect.has_tables_behind_in() && tokens::has_bare_in(&tokens) {
            return Err(NAME_BEHIND_IN.into());
        }
        let aliases = self.dialect.needs_no_semicolon().then(|| NamedAliases::of(&tokens));
        let parser = Parser::new(&*grammar).with_tokens_with_locations(tokens);
        let statements = parser.with_recursion_limit(DEPTH).parse_statements();
        let statement = match statements.map_err(|_| "it cannot be parsed")?.as_slice() {
            [statement] => statement.clone(),
            [] => return Err("it is empty".into()),
            _ => return Err("it has several statements".into()),
        };
        match &statement {
            Statement::Query(_) => {}
            Statement::Explain { analyze: false, options: None, statement, .. }
                if matches!(**statement, Statement::Query(_)) => {}
            Statement::Explain { .. } => return Err("its EXPLAIN may run the statement".into()),
            _ => return Err("it is no statement that only reads".into()),
        }
        match statement.visit(&mut Walk::new(self, aliases)) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(why) => Err(why.into()),
        }
    }
}

/// The bytes of the stack of a check. They are taken from memory as they are used.
const STACK: usize = 64 << 20;

/// How deep expressions and queries may be nested.
const DEPTH: usize = 40;

/// Why the walk over a statement ends.
type Why = &'static str;

/// What is wrong with a name that may be that of a table.
const NAME_BEHIND_IN: Why = "it has a name alone behind IN, which may be a table";

/// What is wrong with a word that may begin a statement of its own.
const BARE_ALIAS: Why = "it has an alias without AS, which may be a statement";

/// Looks at every query, table and function of a statement.
struct Walk<'a> {
    check: &'a StatementCheck,
    /// The aliases of columns and tables that are accepted; all, if `None`.
    aliases: Option<NamedAliases>,
    scopes: Vec<Scope>,
    statements: usize,
    /// Whether the next name of a table is that of a function, which was looked at.
    is_function: bool,
}

/// The names that the `WITH` of a query gives to other queries.
struct Scope {
    /// Each name, and where its query is.
    names: Vec<(Option<String>, usize)>,
    is_recursive: bool,
    /// The number of names that can be used now.
    visible: usize,
}

impl<'a> Walk<'a> {
    fn new(check: &'a StatementCheck, aliases: Option<NamedAliases>) -> Self {
        Self { check, aliases, scopes: Vec::new(), statements: 0, is_function: false }
    }

    /// Whether a name is that of a query of a `WITH` around it.
    fn is_of_query(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| {
            scope.names.iter().take(scope.visible).any(|(known, _)| known.as_deref() == Some(name))
        })
    }

    fn function(&self, name: &ObjectName) -> ControlFlow<Why> {
        let Some(parts) = name.0.iter().map(|part| part.as_ident()).collect::<Option<Vec<_>>>() else {
            return ControlFlow::Break("it calls a function under a name that is computed");
        };
        let parts: Vec<String> = parts.iter().map(|part| part.value.to_lowercase()).collect();
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        let is_accepted = match (&self.check.functions, &*parts) {
            (Some(functions), parts) => functions.contains(&parts.join(".")),
            (None, parts) if self.check.tables.is_none() => !functions::is_known_to_act(parts),
            (None, [name]) => is_pure(name) || functions::makes_rows(name),
            (None, _) => false,
        };
        if is_accepted {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(match self.check.functions {
            Some(_) => "it calls a function that is not allowed",
            None if self.check.tables.is_some() => {
                "it calls a function that is not known to compute only (`functions` can name it)"
            }
            None => "it calls a function that does more than to compute",
        })
    }

    /// A function in place of a table. Where tables are named, it must be one that reads none.
    fn table_function(&mut self, name: &ObjectName) -> ControlFlow<Why> {
        self.is_function = true;
        let parts = names::parts(name, &self.check.dialect).unwrap_or_default();
        let is_plain = matches!(&*parts, [name] if functions::makes_rows(&name.to_lowercase()));
        if self.check.tables.is_some() && self.check.functions.is_none() && !is_plain {
            return ControlFlow::Break("it reads from a function");
        }
        self.function(name)
    }

    /// Whether an expression in the place of a table is a function, which is looked at by itself.
    fn table_expression(&self, expression: &Expr) -> ControlFlow<Why> {
        match expression {
            Expr::Function(_) => ControlFlow::Continue(()),
            _ if self.check.tables.is_none() => ControlFlow::Continue(()),
            _ => ControlFlow::Break("it reads a table under a name that is computed"),
        }
    }

    /// In some dialects, a name alone behind `IN` is that of a table.
    fn list(&self, list: &[Expr]) -> ControlFlow<Why> {
        let [only] = list else { return ControlFlow::Continue(()) };
        let mut only = only;
        while let Expr::Nested(inside) = only {
            only = inside;
        }
        match only {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_)
                if self.check.tables.is_some() && self.check.dialect.has_tables_behind_in() =>
            {
                ControlFlow::Break(NAME_BEHIND_IN)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn query(&mut self, query: &Query) -> ControlFlow<Why> {
        if !query.locks.is_empty() {
            return ControlFlow::Break("it locks rows");
        }
        if query.settings.is_some() {
            return ControlFlow::Break("it changes settings");
        }
        if !query.pipe_operators.is_empty() {
            return ControlFlow::Break("it has pipes");
        }
        let mut bodies = vec![&*query.body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {}
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                SetExpr::Table(_) => return ControlFlow::Break("it has TABLE in place of SELECT"),
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                    return ControlFlow::Break("a part of it changes data");
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Notes where the walk is among the queries of the `WITH` around `query`.
    fn enter(&mut self, query: &Query) {
        let Some(scope) = self.scopes.last_mut() else { return };
        let place = std::ptr::from_ref(query).addr();
        if let Some(at) = scope.names.iter().position(|(_, known)| *known == place) {
            // One that is not recursive reads the table of its own name.
            scope.visible = at + usize::from(scope.is_recursive);
        }
    }
}

impl Visitor for Walk<'_> {
    type Break = Why;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Why> {
        self.statements += 1;
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            Statement::Explain { .. } if self.statements == 1 => ControlFlow::Continue(()),
            _ => ControlFlow::Break("a part of it changes data"),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Why> {
        self.query(query)?;
        self.enter(query);
        let names = query.with.iter().flat_map(|with| &with.cte_tables).map(|table| {
            let name = names::folded(&table.alias.name, &self.check.dialect);
            (name, std::ptr::from_ref(&*table.query).addr())
        });
        let names: Vec<_> = names.collect();
        let is_recursive = query.with.as_ref().is_some_and(|with| with.recursive);
        self.scopes.push(Scope { names, is_recursive, visible: 0 });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Why> {
        self.scopes.pop();
        if let Some(scope) = self.scopes.last_mut() {
            let place = std::ptr::from_ref(query).addr();
            if let Some(at) = scope.names.iter().position(|(_, known)| *known == place) {
                scope.visible = at + 1;
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Why> {
        if select.into.is_some() {
            return ControlFlow::Break("it writes what it selects (INTO)");
        }
        match &self.aliases {
            Some(aliases) if !aliases.are_of(select) => ControlFlow::Break(BARE_ALIAS),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Why> {
        if std::mem::take(&mut self.is_function) {
            return ControlFlow::Continue(());
        }
        let Some(name) = names::parts(relation, &self.check.dialect) else {
            return ControlFlow::Break("it reads a file, or a table under a name that is computed");
        };
        if let [single] = &*name
            && self.is_of_query(single)
        {
            return ControlFlow::Continue(());
        }
        match &self.check.tables {
            Some(tables) if !tables.iter().any(|table| table.is(&name)) => {
                ControlFlow::Break("it reads a table that is not allowed")
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Why> {
        if self.aliases.as_ref().is_some_and(|aliases| !aliases.is_of(factor)) {
            return ControlFlow::Break(BARE_ALIAS);
        }
        match factor {
            TableFactor::Table { name, args: Some(_), .. } => self.table_function(name),
            TableFactor::Function { name, .. } => {
                let checked = self.table_function(name);
                self.is_function = false;
                checked
            }
            TableFactor::TableFunction { expr, .. } => self.table_expression(expr),
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. } => ControlFlow::Continue(()),
            _ => ControlFlow::Break("it reads from something that is no table"),
        }
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Why> {
        match expression {
            Expr::Function(function) => self.function(&function.name),
            Expr::InList { list, .. } => self.list(list),
            _ => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests;
