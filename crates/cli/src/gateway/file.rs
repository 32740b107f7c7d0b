//! The file of a gateway, with advice for its faults.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Result;
use anyport_config::{
    Surroundings,
    gateway::{self, GatewayConfig, GatewayError, RuleConfig, RuleEffect, RuleMode},
};
use anyport_policy::{Budget, Effect, Expression, Mode, Policy, Rule};
use anyport_protocol::suggest::did_you_mean;

#[cfg(unix)]
use super::socket::ServerName;
use crate::{
    audit::{AuditChoice, AuditSettings},
    inputs,
    listen::Limit,
    logging::filter::{self, Filter},
    target::{UpstreamFault, env_file_fault},
    user_error::{self, UserError},
};

/// A file that was read.
pub(crate) struct GatewayFile {
    pub(crate) path: PathBuf,
    pub(crate) config: GatewayConfig,
    /// The environment, and the variables of the `.env` beside the file.
    pub(super) surroundings: Surroundings,
    /// What the user has answered, by the variables that stand for it.
    answers: BTreeMap<String, String>,
}

impl GatewayFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// What is wrong with it, where, and what to do.
    pub(crate) fn read(path: &Path, surroundings: &Surroundings) -> Result<Self> {
        let path = surroundings.cwd.join(path);
        if path.is_dir() {
            let problem = format!("{} is a folder", path.display());
            return Err(UserError::usage(
                problem,
                "name the file in it: an anyport.toml, or the mcp.json of a client",
            ));
        }
        let config = gateway::read(&path, &surroundings.cwd)
            .map_err(|error| UserError::usage(error.to_string(), help(&error)))?;
        let is_served = config.upstreams.values().any(|upstream| !upstream.disabled)
            || !config.knowledge.is_empty()
            || config.contexts.tools;
        if !is_served {
            let problem = format!("{} has no servers", path.display());
            return Err(UserError::usage(
                problem,
                "they stand in it under [upstreams.NAME] (anyport.toml) or mcpServers (mcp.json), each by its name",
            ));
        }
        let mut surroundings = surroundings.clone();
        surroundings.cwd = folder(&path).to_owned();
        add_dotenv(&mut surroundings)?;
        Ok(Self { path, config, surroundings, answers: BTreeMap::new() })
    }

    /// Asks for what the servers of the file, or one of them, refer to and no variable has: see [`inputs::ask`].
    ///
    /// # Errors
    /// When the user does not answer.
    pub(crate) fn ask_for_inputs(&mut self, only: Option<&str>) -> Result<()> {
        let upstreams = self.config.upstreams.iter();
        let wanted = upstreams.filter(|(name, upstream)| match only {
            Some(only) => name.as_str() == only,
            None => !upstream.disabled,
        });
        let servers: Vec<_> = wanted.filter_map(|(_, upstream)| upstream.server().ok()).collect();
        let answers = inputs::ask(&self.path, &servers, &self.surroundings)?;
        self.surroundings.variables.extend(answers.clone());
        self.answers.extend(answers);
        Ok(())
    }

    /// Reads the file again. What the user has answered stays.
    ///
    /// # Errors
    /// As for [`GatewayFile::read`].
    pub(super) fn read_again(&self) -> Result<Self> {
        Ok(Self { answers: self.answers.clone(), ..Self::read(&self.path, &self.here())? })
    }

    /// The servers that are not disabled, by their names in the gateway and in the file.
    #[cfg(unix)]
    pub(crate) fn names(&self) -> Vec<ServerName> {
        let upstreams = self.config.upstreams.iter().filter(|(_, upstream)| !upstream.disabled);
        let upstreams = upstreams.map(|(name, upstream)| ServerName {
            name: name.clone(),
            // The title of a client's server is its own name.
            own: upstream.title.clone().filter(|_| self.config.is_of_client),
        });
        let documents = self.config.knowledge.keys().map(|name| ServerName { name: name.clone(), own: None });
        upstreams.chain(documents).collect()
    }

    /// The environment, and the variables of the `.env` beside the file.
    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The error that the upstream `name` has a fault, with the place.
    pub(crate) fn wrong_upstream(&self, name: &str, fault: &UpstreamFault) -> anyhow::Error {
        let UpstreamFault { keys, reason } = fault;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let problem = format!("the upstream {name} in {} is wrong: {reason}", self.path.display());
        // What is no file, such as a pipe, gives its text only once.
        let place = || gateway::place(&self.path, &[&["upstreams", name], &*keys].concat());
        let place = self.path.is_file().then(place).flatten();
        let place = place.map_or_else(String::new, |place| place.to_string());
        UserError::usage(place + &problem, "correct the file")
    }

    /// `error`, with its place if it is in this file.
    pub(crate) fn located(&self, error: anyhow::Error) -> anyhow::Error {
        let error = match error.downcast::<UserError>() {
            Ok(error) => error,
            Err(error) => return error,
        };
        let keys: Vec<&str> = error.keys.iter().map(String::as_str).collect();
        // What is no file, such as a pipe, gives its text only once.
        let is_readable = !keys.is_empty() && self.path.is_file();
        let place = is_readable.then(|| gateway::place(&self.path, &keys)).flatten();
        let place = place.map_or_else(String::new, |place| place.to_string());
        anyhow::Error::new(UserError { problem: place + &error.problem, keys: Vec::new(), ..error })
    }

    /// The same file with the variables of now: those of the `.env` may have changed.
    ///
    /// # Errors
    /// When the `.env` cannot be read.
    pub(super) fn with_variables_of_now(&self) -> Result<Self> {
        let mut surroundings = self.here();
        surroundings.cwd = folder(&self.path).to_owned();
        add_dotenv(&mut surroundings)?;
        let Self { path, config, answers, .. } = self;
        Ok(Self { path: path.clone(), config: config.clone(), surroundings, answers: answers.clone() })
    }

    /// The environment, and what the user has answered.
    fn here(&self) -> Surroundings {
        let mut here = Surroundings::here();
        for (variable, answer) in &self.answers {
            here.variables.entry(variable.clone()).or_insert_with(|| answer.clone());
        }
        here
    }

    /// The files whose changes matter: the file, and the `.env` beside it.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        vec![self.path.clone(), self.surroundings.cwd.join(".env")]
    }

    /// The folder of the file, which its paths are relative to.
    pub(crate) fn folder(&self) -> &Path {
        folder(&self.path)
    }

    /// The name of the file under which definitions are pinned.
    pub(crate) fn pinned_as(&self) -> String {
        pinned_as(&self.path)
    }

    /// The policy of the file, within the budget of `limits`.
    ///
    /// # Errors
    /// A condition that is wrong, with the place.
    pub(crate) fn policy(&self, budget: Budget) -> Result<Policy> {
        let rules = self.config.policy.iter().enumerate().map(|(number, rule)| self.rule(number, rule));
        Ok(Policy::new(rules.collect::<Result<Vec<_>>>()?).budget(budget))
    }

    fn rule(&self, number: usize, rule: &RuleConfig) -> Result<Rule> {
        let name = rule_name(rule.name.as_deref(), number);
        let when = Expression::parse(&rule.when).map_err(|fault| {
            let at = fault.at.map(|at| rule.when.get(..at).map_or(at, |before| before.chars().count()) + 1);
            let at = at.map_or_else(String::new, |at| format!(" at its character {at}"));
            let problem = format!("the condition of {name} is wrong{at}: {fault}");
            let help = "correct the condition: the page on policies has what it can look at";
            let keys = ["policy", &number.to_string(), "when"];
            self.located(user_error::at(&keys, UserError::usage(problem, help)))
        })?;
        let effect = match rule.effect {
            RuleEffect::Allow => Effect::Allow,
            RuleEffect::Deny => Effect::Deny,
            RuleEffect::Hide => Effect::Hide,
            RuleEffect::Ask => Effect::Ask,
            RuleEffect::Mask => Effect::Mask,
        };
        let mode = match rule.mode {
            RuleMode::Enforce => Mode::Enforce,
            RuleMode::Audit => Mode::Audit,
        };
        let made = Rule::new(name, when, effect).mode(mode);
        Ok(rule.reason.iter().fold(made, |made, reason| made.reason(reason)))
    }

    /// The audit log that the file asks for; `chosen` comes before its mode.
    pub(super) fn audit(&self, chosen: Option<AuditChoice>) -> Option<AuditSettings> {
        AuditSettings::new(&self.config.audit, self.folder(), chosen)
    }

    /// Which lines are logged, if the file says it.
    ///
    /// # Errors
    /// A word that is no level.
    pub(super) fn log_filter(&self) -> Result<Option<Filter>> {
        let filter = self.config.log.level.as_deref().map(filter::parse).transpose();
        filter.map_err(|reason| {
            let problem = format!("`level` of [log] in {} is wrong: {reason}", self.path.display());
            UserError::usage(problem, "correct it, as in `level = \"warn,anyport_upstream=debug\"`")
        })
    }

    /// The limits of the file.
    ///
    /// # Errors
    /// One that is not known, or a value that it cannot have.
    pub(crate) fn limits(&self) -> Result<Vec<Limit>> {
        let limits = self.config.limits.named.iter().map(|(name, value)| {
            format!("{name}={value}").parse().map_err(|reason: String| {
                let problem = format!("in [limits] of {}: {reason}", self.path.display());
                UserError::usage(
                    problem,
                    "correct the name or the value; the page on limits of the documentation has them all",
                )
            })
        });
        limits.collect()
    }
}

/// The name under which the definitions of the upstreams of a file are pinned: its path, whatever way it was named in.
pub(crate) fn pinned_as(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

/// The name of a rule of the policy: its number if it has none of its own.
pub(super) fn rule_name(name: Option<&str>, number: usize) -> String {
    name.map_or_else(|| format!("rule {}", number + 1), str::to_owned)
}

/// The path of a virtual server.
pub(super) fn virtual_path(name: &str) -> String {
    format!("/s/{name}/mcp")
}

/// The folder of a file, which its paths are relative to.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Adds the variables of the `.env` in the folder of the file. The environment comes first.
fn add_dotenv(surroundings: &mut Surroundings) -> Result<()> {
    let path = surroundings.cwd.join(".env");
    if !path.is_file() {
        return Ok(());
    }
    let wrong = |error: dotenvy::Error| {
        let problem = format!("{} cannot be read: {}", path.display(), env_file_fault(&error));
        UserError::usage(problem, "write one NAME=value on each line, or move the file away")
    };
    for pair in dotenvy::from_path_iter(&path).map_err(wrong)? {
        let (name, value) = pair.map_err(wrong)?;
        surroundings.variables.entry(name).or_insert(value);
    }
    Ok(())
}

fn help(error: &GatewayError) -> String {
    match error {
        GatewayError::File(error) => error.help().to_owned(),
        GatewayError::Fault { place, expected, .. } if !expected.is_empty() => {
            let near = did_you_mean(place.found(), expected.iter().map(String::as_str));
            near.unwrap_or_else(|| format!("there are {}", expected.join(", ")))
        }
        GatewayError::Fault { .. } => "correct the file".to_owned(),
    }
}
