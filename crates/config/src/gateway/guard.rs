//! `[[guard]]`: what tools, prompts and resources are called with, and what they answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::RuleMode;

/// A guard: the checks of an argument, of the URI of a resource, or of a result. It has at least one of `max_bytes`, `max_items`, `regex`, `url`,
/// `path`, `sql` and `html`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GuardConfig {
    /// Its name, in errors and logs. Default: its number, as `guard 1`.
    pub name: Option<String>,
    /// The names of tools, as the gateway writes them; `*` stands for any letters.
    pub tools: Vec<String>,
    /// The names of prompts, likewise.
    pub prompts: Vec<String>,
    /// The URIs of resources, likewise.
    pub resources: Vec<String>,
    /// The argument: its name, or a JSON pointer (`/queries/*/sql`), where `*` stands for each element. Without it, a guard of tools and
    /// prompts checks the size of all arguments together, and one of resources their URI.
    pub argument: Option<String>,
    /// Whether it checks the result in place of what is called with: `html`, `max_bytes`, and `url` for links.
    pub result: bool,
    /// The most bytes of a text, or of another value as JSON.
    pub max_bytes: Option<usize>,
    /// The most elements of an array, or members of an object.
    pub max_items: Option<usize>,
    /// A pattern that a text must match as a whole, in the syntax of Rust's regex.
    pub regex: Option<String>,
    /// A URL: of the public internet alone, or any.
    pub url: Option<UrlGuard>,
    /// The schemes of the URL. Default: http and https.
    pub schemes: Vec<String>,
    /// The hosts of the URL; `*` stands for any letters. Default: any.
    pub hosts: Vec<String>,
    /// Whether the host of the URL is resolved. Default: `check`.
    pub resolve: Option<ResolveGuard>,
    /// A path beneath this root, which is absolute.
    pub path: Option<String>,
    /// A statement of SQL that only reads, or a text that stays one literal.
    pub sql: Option<SqlGuard>,
    /// The dialect of SQL: `postgresql`, `mysql`, `sqlite`, `mssql`, `oracle`, `ansi`, `bigquery`, `clickhouse`, `databricks`, `duckdb`, `hive`,
    /// `redshift` or `snowflake`.
    pub dialect: Option<String>,
    /// The tables that a statement may read: `orders`, `sales.orders`, `sales.*`. Default: any.
    pub tables: Option<Vec<String>>,
    /// The functions that a statement may call. Default: with `tables`, those that are known to compute only; else those that are not known to do
    /// more.
    pub functions: Option<Vec<String>>,
    /// What becomes of HTML in a text.
    pub html: Option<HtmlGuard>,
    /// `audit`: it is only reported what the guard would refuse. Default: `enforce`.
    pub mode: RuleMode,
}

/// Which URLs a guard accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UrlGuard {
    /// Those whose host is public.
    Public,
    /// Any with the schemes and hosts that are named.
    Any,
}

/// Whether a guard resolves the names of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResolveGuard {
    /// Never.
    Never,
    /// Every address must be public.
    Check,
    /// The same, and the server receives the address in place of the name.
    Pin,
}

/// What a guard accepts of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SqlGuard {
    /// One statement that only reads.
    Statement,
    /// A text that stays one literal between single quotes.
    Literal,
}

/// What becomes of HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HtmlGuard {
    /// It is shown as it is written.
    Escape,
    /// What is not known to be harmless is left out.
    Sanitize,
}
