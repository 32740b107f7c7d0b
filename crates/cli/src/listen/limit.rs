//! One limit as the command line gives it: `--limit NAME=VALUE`.

use std::{fmt, str::FromStr};

use anyport_protocol::{
    settings::{LimitField, LimitSpec, Unit},
    suggest::did_you_mean,
};

use super::limits::Limits;

/// A limit, as it was given: `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    name: String,
    value: u32,
}

impl Limit {
    /// The name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
        let name = name.to_ascii_lowercase();
        let declared = declared(&name);
        let least = declared.as_ref().map_or(1, |declared| declared.at_least);
        let value = value.parse().ok().filter(|value| *value >= least);
        let value = value.ok_or_else(|| {
            format!("the value of {name} must be a whole number from {least} on, and {} at most", u32::MAX)
        })?;
        declared.map(|_| Self { name, value })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl Limits {
    /// The default limits, with these set.
    pub(crate) fn with(limits: &[Limit]) -> Self {
        let mut all = Self::default();
        for limit in limits {
            all.each(|_, field| {
                if field.spec.name == limit.name {
                    field.value.set(limit.value);
                }
            });
        }
        all
    }
}

/// The declaration of the limit called `name`.
fn declared(name: &str) -> Result<LimitSpec, String> {
    match name {
        "max_connections" => return Err("the connections are set by --max-connections".into()),
        "cache_ttl" => return Err("the time that answers are kept is set by --cache".into()),
        "call_timeout" | "timeout" => return Err("the time of a call is set by --timeout".into()),
        _ => {}
    }
    let all = specs();
    all.iter().find(|spec| spec.name == name).copied().ok_or_else(|| {
        let names = all.iter().map(|spec| match spec.unit {
            Unit::Seconds => format!("{} (seconds)", spec.name),
            Unit::Count | Unit::Bytes => spec.name.to_owned(),
        });
        let near = did_you_mean(name, all.iter().map(|spec| spec.name));
        match near {
            Some(near) => format!("there is no limit {name:?}; {}", near.trim_end()),
            None => format!("there is no limit {name:?}; there are {}", names.collect::<Vec<_>>().join(", ")),
        }
    })
}

/// The declarations of all limits, each once.
fn specs() -> Vec<LimitSpec> {
    let mut all: Vec<LimitSpec> = Vec::new();
    Limits::default().each(|_, LimitField { spec, .. }| {
        if all.iter().all(|earlier| earlier.name != spec.name) {
            all.push(spec);
        }
    });
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_name_that_is_told_is_a_limit_and_is_documented() {
        let page = include_str!("../../../../docs/limits.md");
        for LimitSpec { name, at_least, .. } in specs() {
            let value = at_least.max(9_000);
            assert!(format!("{name}={value}").parse::<Limit>().is_ok(), "{name}");
            assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/limits.md");
        }
    }

    #[test]
    fn limits_are_set_by_name_and_mistakes_are_explained() {
        let limits = Limits::with(&["max_message_bytes=99".parse().unwrap(), "DRAIN=3".parse().unwrap()]);
        assert_eq!((limits.http.message.bytes, limits.http.drain), (99, Duration::from_secs(3)));
        for (wrong, told) in [
            ("max_depth", "NAME=VALUE"),
            ("max_depth=0", "from 1 on"),
            ("max_dept=1", "max_depth"),
            ("rounds=x", "rounds"),
            ("drain=99999999999", "4294967295 at most"),
            ("max_header_bytes=100", "from 8192 on"),
            ("max_connections=5", "--max-connections"),
            ("timeout=5", "--timeout"),
            ("cache_ttl=5", "--cache"),
        ] {
            assert!(wrong.parse::<Limit>().unwrap_err().contains(told), "{wrong}");
        }
    }
}
