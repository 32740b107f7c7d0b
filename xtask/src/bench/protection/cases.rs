//! The gateways that are compared: what each has, as lines of its `anyport.toml`.

/// What a gateway checks or records of each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Case {
    Bare,
    /// A token of the caller, which was verified before.
    Token,
    /// Three rules.
    Policies,
    /// Rates of the principal, the address, the upstream and the tool.
    Rates,
    /// `/metrics` is read each second.
    Metrics,
    /// The audit log is written behind the answers.
    Audit,
    /// All of these.
    Together,
    /// All of these, with an audit log that answers wait for.
    Required,
}

const TOKEN: &str = r#"
[auth]
secret = { from = "env:BENCH_SECRET" }
require = ["data:read"]
"#;

const POLICIES: &str = r#"
[[policy]]
when = 'tool.name == "first_add" && !("data:write" in principal.permissions)'
effect = "deny"

[[policy]]
when = 'upstream == "first" && has(arguments.text) && arguments.text.contains("secret")'
effect = "deny"

[[policy]]
when = 'annotations.destructiveHint && !annotations.readOnlyHint && tool.own_name == "large"'
effect = "hide"
"#;

/// So high that no call is refused: what is measured is the counting.
const RATES: &str = "
[limits.principal]
calls_per_minute = 60000000

[limits.address]
calls_per_second = 1000000

[limits.upstream]
calls_per_second = 1000000

[limits.tool]
calls_per_minute = 60000000
";

const AUDIT: &str = "
[audit]
mode = \"on\"
";

const REQUIRED: &str = "
[audit]
mode = \"required\"
";

impl Case {
    pub(super) const ALL: [Self; 8] = [
        Self::Bare,
        Self::Token,
        Self::Policies,
        Self::Rates,
        Self::Metrics,
        Self::Audit,
        Self::Together,
        Self::Required,
    ];

    /// What the table calls it.
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Token => "token",
            Self::Policies => "three policies",
            Self::Rates => "four rates",
            Self::Metrics => "metrics",
            Self::Audit => "audit log",
            Self::Together => "all together",
            Self::Required => "all, audit log `required`",
        }
    }

    /// The name of its folder.
    pub(super) fn folder(self) -> String {
        format!("protection-{self:?}").to_lowercase()
    }

    /// What its file has beside the upstream.
    pub(super) fn sections(self) -> String {
        match self {
            Self::Bare | Self::Metrics => String::new(),
            Self::Token => TOKEN.to_owned(),
            Self::Policies => POLICIES.to_owned(),
            Self::Rates => RATES.to_owned(),
            Self::Audit => AUDIT.to_owned(),
            Self::Together => [TOKEN, POLICIES, RATES, AUDIT].concat(),
            Self::Required => [TOKEN, POLICIES, RATES, REQUIRED].concat(),
        }
    }

    /// Whether its callers present a token.
    pub(super) fn has_token(self) -> bool {
        matches!(self, Self::Token | Self::Together | Self::Required)
    }

    /// Whether its metrics are read.
    pub(super) fn has_metrics(self) -> bool {
        matches!(self, Self::Metrics | Self::Together | Self::Required)
    }
}
