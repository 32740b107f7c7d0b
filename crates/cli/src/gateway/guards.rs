//! The guards and masks of the file.

use std::{borrow::Cow, sync::Arc};

use anyhow::Result;
use anyport_config::gateway::{
    GuardConfig, HtmlGuard, MaskConfig, MaskData, ResolveGuard, RuleEffect, RuleMode, SqlGuard, UrlGuard,
};
use anyport_gateway::federation::Masking;
use anyport_guards::{
    Check, DataKind, Dialect, Guard, GuardLimits, Guards, HtmlChange, Items, LiteralCheck, Mask, Mode,
    PathCheck, Pattern, Place, Resolve, SecretNames, SizeCheck, StatementCheck, UrlCheck, WholeMatch,
};

use super::{
    file::{GatewayFile, rule_name},
    lookup::SystemLookup,
};
use crate::{
    secret_names::is_secret,
    target::redacted,
    user_error::{self, UserError},
};

/// What is wrong with a guard: its key, and why.
type Fault = (&'static str, String);

impl GatewayFile {
    /// The guards of the file, within `limits`.
    ///
    /// # Errors
    /// A guard that cannot be one, with the place.
    pub(crate) fn guards(&self, limits: GuardLimits) -> Result<Guards> {
        let guards = self.config.guard.iter().enumerate().map(|(number, guard)| {
            let name = guard.name.clone().unwrap_or_else(|| format!("guard {}", number + 1));
            made(&name, guard).map_err(|(key, why)| {
                let keys = ["guard", &number.to_string(), key];
                let help = "correct the guard: the page on guards has what it can check";
                let problem = format!("{} is wrong: {why}", name.escape_debug());
                self.located(user_error::at(&keys, UserError::usage(problem, help)))
            })
        });
        Ok(Guards::new(guards.collect::<Result<Vec<_>>>()?, limits).lookup(Arc::new(SystemLookup)))
    }

    /// Where data is covered in results.
    ///
    /// # Errors
    /// A pattern that cannot be used, with the place.
    pub(crate) fn masking(&self) -> Result<Masking> {
        let config = self.config.mask.as_ref();
        let all = self.mask(&config.cloned().unwrap_or_default())?;
        let mut masking = Masking::new(all.clone());
        if let Some(config) = config {
            masking = masking.always_for(&config.include, &config.exclude);
        }
        let rules = self.config.policy.iter().enumerate();
        for (number, rule) in rules.filter(|(_, rule)| rule.effect == RuleEffect::Mask) {
            let mask = match &rule.data {
                Some(data) => Mask::new(data.iter().copied().map(kind)).secrets(Arc::new(OwnSecrets)),
                None => all.clone(),
            };
            masking = masking.rule(rule_name(rule.name.as_deref(), number), mask);
        }
        Ok(masking)
    }

    /// What is covered in the log; `None` if nothing is.
    ///
    /// # Errors
    /// As for [`GatewayFile::masking`].
    pub(crate) fn log_mask(&self) -> Result<Option<Mask>> {
        let config = self.config.mask.as_ref().filter(|config| config.logs);
        let Some(config) = config else { return Ok(None) };
        // What the program knows as secret is covered in the log anyway.
        self.mask(config).map(Mask::without_names).map(Some)
    }

    fn mask(&self, config: &MaskConfig) -> Result<Mask> {
        let mask = Mask::new(config.data.iter().copied().map(kind)).secrets(Arc::new(OwnSecrets));
        config.patterns.iter().try_fold(mask, |mask, (name, pattern)| {
            mask.pattern(name, pattern).map_err(|fault| {
                let help = "correct the pattern: it is one of Rust's crate regex";
                let problem =
                    format!("the pattern {} of [mask] is wrong: {}", name.escape_debug(), fault.why);
                self.located(user_error::at(&["mask", "patterns", name], UserError::usage(problem, help)))
            })
        })
    }
}

/// What this program knows of secrets.
struct OwnSecrets;

impl SecretNames for OwnSecrets {
    fn is_secret(&self, name: &str) -> bool {
        is_secret(name)
    }

    fn covered<'a>(&self, text: &'a str) -> Cow<'a, str> {
        redacted(text)
    }
}

fn kind(data: MaskData) -> DataKind {
    match data {
        MaskData::Secrets => DataKind::Secrets,
        MaskData::Email => DataKind::Email,
        MaskData::CreditCard => DataKind::CreditCard,
        MaskData::Iban => DataKind::Iban,
        MaskData::Phone => DataKind::Phone,
        MaskData::UsSsn => DataKind::UsSsn,
    }
}

/// The guard that the file describes.
fn made(name: &str, config: &GuardConfig) -> Result<Guard, Fault> {
    let place = place(config)?;
    let checks = checks(config)?;
    if checks.is_empty() {
        let why = "it checks nothing: it has none of max_bytes, max_items, regex, url, path, sql and html";
        return Err(("name", why.to_owned()));
    }
    check_keys(config)?;
    for check in &checks {
        fits(check, &place)?;
    }
    let patterns = |names: &[String]| names.iter().map(Pattern::new).collect();
    let items = Items {
        tools: patterns(&config.tools),
        prompts: patterns(&config.prompts),
        resources: patterns(&config.resources),
    };
    let mode = match config.mode {
        RuleMode::Enforce => Mode::Enforce,
        RuleMode::Audit => Mode::Audit,
    };
    Ok(Guard::new(name, items, place, checks).mode(mode))
}

/// What the guard checks.
fn place(config: &GuardConfig) -> Result<Place, Fault> {
    let is_of_resources = !config.resources.is_empty();
    let is_of_arguments = !config.tools.is_empty() || !config.prompts.is_empty();
    match &config.argument {
        _ if !is_of_resources && !is_of_arguments => {
            Err(("tools", "it is for nothing: it has no tools, prompts or resources".to_owned()))
        }
        Some(_) if config.result => {
            Err(("argument", "it is for the result (`result = true`), which has no arguments".to_owned()))
        }
        _ if config.result => Ok(Place::Result),
        Some(_) if is_of_resources => {
            Err(("argument", "a resource has no arguments: give it a guard of its own".to_owned()))
        }
        Some(argument) => Place::argument(argument).map_err(|fault| ("argument", fault.to_string())),
        None if is_of_resources && is_of_arguments => Err((
            "resources",
            "it has no `argument`, so that it is for resources or for the others".to_owned(),
        )),
        None if is_of_resources => Ok(Place::Uri),
        None => Ok(Place::Arguments),
    }
}

/// The checks, the cheapest first; what changes a text comes last.
fn checks(config: &GuardConfig) -> Result<Vec<Check>, Fault> {
    let mut checks = Vec::new();
    checks.extend(config.max_bytes.map(|most| Check::Size(SizeCheck::Bytes(most))));
    checks.extend(config.max_items.map(|most| Check::Size(SizeCheck::Items(most))));
    if let Some(source) = &config.regex {
        let check = WholeMatch::new(source).map_err(|error| ("regex", error.to_string()))?;
        checks.push(Check::Match(check));
    }
    if let Some(path) = &config.path {
        let check = PathCheck::new(path).map_err(|fault| ("path", fault.to_string()))?;
        checks.push(Check::Path(check));
    }
    checks.extend(sql(config)?);
    checks.extend(url(config).map(Check::Url));
    checks.extend(config.html.map(|html| {
        Check::Html(match html {
            HtmlGuard::Escape => HtmlChange::Escape,
            HtmlGuard::Sanitize => HtmlChange::Sanitize,
        })
    }));
    Ok(checks)
}

fn url(config: &GuardConfig) -> Option<UrlCheck> {
    let is_public = config.url? == UrlGuard::Public;
    let schemes = match config.schemes.is_empty() {
        true => vec!["http".to_owned(), "https".to_owned()],
        false => config.schemes.iter().map(|scheme| scheme.to_ascii_lowercase()).collect(),
    };
    let hosts = config.hosts.iter().map(|host| Pattern::new(host.to_ascii_lowercase())).collect();
    let resolve = match config.resolve {
        Some(ResolveGuard::Never) => Resolve::Never,
        Some(ResolveGuard::Check) | None => Resolve::Check,
        Some(ResolveGuard::Pin) => Resolve::Pin,
    };
    Some(UrlCheck { schemes, hosts, is_public, resolve })
}

fn sql(config: &GuardConfig) -> Result<Option<Check>, Fault> {
    let Some(sql) = config.sql else { return Ok(None) };
    let name = config.dialect.as_deref().ok_or_else(|| {
        let names = Dialect::names().collect::<Vec<_>>().join(", ");
        ("sql", format!("its dialect is needed as well: `dialect`, one of {names}"))
    })?;
    let dialect = Dialect::named(name).map_err(|error| ("dialect", error.to_string()))?;
    Ok(Some(match sql {
        SqlGuard::Literal => Check::Literal(LiteralCheck::new(dialect)),
        SqlGuard::Statement => {
            let check = StatementCheck::new(dialect);
            let check = config.tables.iter().fold(check, |check, tables| check.tables(tables));
            let check = config.functions.iter().fold(check, |check, functions| check.functions(functions));
            Check::Statement(Box::new(check))
        }
    }))
}

/// Refuses keys that belong to a check which is not there.
fn check_keys(config: &GuardConfig) -> Result<(), Fault> {
    let needs = |key, what: &str| Err((key, format!("it belongs to {what}, which the guard does not have")));
    let is_statement = config.sql == Some(SqlGuard::Statement);
    if config.url.is_none() && !config.schemes.is_empty() {
        return needs("schemes", "`url`");
    }
    if config.url.is_none() && !config.hosts.is_empty() {
        return needs("hosts", "`url`");
    }
    if config.url != Some(UrlGuard::Public) && config.resolve.is_some() {
        return needs("resolve", "`url = \"public\"`");
    }
    if config.sql.is_none() && config.dialect.is_some() {
        return needs("dialect", "`sql`");
    }
    if !is_statement && config.tables.is_some() {
        return needs("tables", "`sql = \"statement\"`");
    }
    if !is_statement && config.functions.is_some() {
        return needs("functions", "`sql = \"statement\"`");
    }
    Ok(())
}

/// Refuses a check that the place cannot have.
fn fits(check: &Check, place: &Place) -> Result<(), Fault> {
    let changes = match check {
        Check::Html(_) => Some("html"),
        Check::Url(url) if url.resolve == Resolve::Pin => Some("resolve"),
        _ => None,
    };
    match (place, check) {
        (Place::Arguments, Check::Size(_))
        | (Place::Result, Check::Size(SizeCheck::Bytes(_)) | Check::Html(_)) => Ok(()),
        (Place::Arguments, check) => {
            Err((key(check), "name the argument that it is for: `argument`".to_owned()))
        }
        (Place::Result, Check::Url(_)) if changes.is_none() => Ok(()),
        (Place::Result, check) => Err((
            key(check),
            "of a result, `max_bytes`, `html` and `url` (of its links) can be checked".to_owned(),
        )),
        (Place::Uri, _) => match changes {
            Some(key) => Err((key, "the URI of a resource is not changed".to_owned())),
            None => Ok(()),
        },
        (Place::Argument(_), _) => Ok(()),
    }
}

/// The key of a check in the file.
fn key(check: &Check) -> &'static str {
    match check {
        Check::Size(SizeCheck::Bytes(_)) => "max_bytes",
        Check::Size(SizeCheck::Items(_)) => "max_items",
        Check::Match(_) => "regex",
        Check::Url(_) => "url",
        Check::Path(_) => "path",
        Check::Statement(_) | Check::Literal(_) => "sql",
        Check::Html(_) => "html",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> (&'static str, String) {
        let config: GuardConfig = toml_of(text);
        made("it", &config).expect_err(text)
    }

    fn toml_of(text: &str) -> GuardConfig {
        let text = format!("[upstreams.a]\ncommand = [\"x\"]\n[[guard]]\n{text}\n");
        let file = anyport_config::gateway::parse(std::path::Path::new("anyport.toml"), &text).unwrap();
        file.guard.into_iter().next().unwrap()
    }

    #[test]
    fn a_guard_that_contradicts_itself_is_refused() {
        for (text, key, says) in [
            ("argument = \"x\"\nmax_bytes = 1", "tools", "no tools, prompts or resources"),
            ("tools = [\"x\"]\nargument = \"x\"", "name", "checks nothing"),
            ("tools = [\"x\"]\nargument = \"/~\"\nmax_bytes = 1", "argument", "RFC 6901"),
            ("tools = [\"x\"]\nargument = \"x\"\nresult = true\nmax_bytes = 1", "argument", "result"),
            ("resources = [\"x\"]\nargument = \"x\"\nmax_bytes = 1", "argument", "no arguments"),
            ("tools = [\"x\"]\nresources = [\"x\"]\nmax_bytes = 1", "resources", "no `argument`"),
            ("tools = [\"x\"]\nargument = \"x\"\nsql = \"statement\"", "sql", "dialect"),
            (
                "tools = [\"x\"]\nargument = \"x\"\nsql = \"literal\"\ndialect = \"mysql5\"",
                "dialect",
                "mysql5",
            ),
            (
                "tools = [\"x\"]\nargument = \"x\"\nsql = \"literal\"\ndialect = \"mysql\"\ntables = []",
                "tables",
                "statement",
            ),
            ("tools = [\"x\"]\nargument = \"x\"\nmax_bytes = 1\nhosts = [\"a\"]", "hosts", "`url`"),
            ("tools = [\"x\"]\nargument = \"x\"\nurl = \"any\"\nresolve = \"pin\"", "resolve", "public"),
            ("tools = [\"x\"]\nargument = \"x\"\nregex = \"(\"", "regex", "pattern"),
            ("tools = [\"x\"]\nargument = \"x\"\npath = \"data\"", "path", "absolute"),
            ("tools = [\"x\"]\npath = \"/data\"", "path", "name the argument"),
            ("tools = [\"x\"]\nresult = true\npath = \"/data\"", "path", "of a result"),
            ("resources = [\"x\"]\nhtml = \"escape\"", "html", "not changed"),
        ] {
            let (found, why) = wrong(text);
            assert!(found == key && why.contains(says), "{text}: {found}: {why}");
        }
    }

    #[test]
    fn guards_of_every_kind_are_read() {
        for text in [
            "tools = [\"x\"]\nargument = \"x\"\nmax_bytes = 1\nmax_items = 2\nregex = \"a\"\nhtml = \"sanitize\"",
            "tools = [\"x\"]\nargument = \"x\"\nurl = \"public\"\nschemes = [\"https\"]\nhosts = [\"*.a\"]\nresolve = \"pin\"",
            "tools = [\"x\"]\nargument = \"x\"\nsql = \"statement\"\ndialect = \"postgresql\"\ntables = [\"a\"]\nfunctions = [\"count\"]",
            "tools = [\"x\"]\nargument = \"x\"\nsql = \"literal\"\ndialect = \"mysql\"\nmode = \"audit\"",
            "prompts = [\"x\"]\nargument = \"/a/*/b\"\npath = \"/data\"",
            "resources = [\"a+file:*\"]\npath = \"/data\"",
            "tools = [\"x\"]\nprompts = [\"y\"]\nmax_bytes = 100",
            "tools = [\"x\"]\nresult = true\nhtml = \"escape\"\nmax_bytes = 5\nurl = \"any\"",
        ] {
            assert!(made("it", &toml_of(text)).is_ok(), "{text}");
        }
    }
}
