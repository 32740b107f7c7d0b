//! `[limits]`: limits by their names, and how often calls may be made.

use std::{fmt, num::NonZeroU32};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};

/// The limits of a gateway. How often calls may be made stands in tables; all other limits are numbers, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LimitsConfig {
    /// How often each caller may call. A caller without a credential is its address.
    #[serde(skip_serializing_if = "RateConfig::is_empty")]
    #[schemars(default)]
    pub principal: RateConfig,
    /// How often the clients of each address may call. A network of 2^64 IPv6 addresses is one.
    #[serde(skip_serializing_if = "RateConfig::is_empty")]
    #[schemars(default)]
    pub address: RateConfig,
    /// How often each server may be called, by all callers together.
    #[serde(skip_serializing_if = "RateConfig::is_empty")]
    #[schemars(default)]
    pub upstream: RateConfig,
    /// How often each tool may be called, by all callers together.
    #[serde(skip_serializing_if = "RateConfig::is_empty")]
    #[schemars(default)]
    pub tool: RateConfig,
    /// Limits by their names, as `--limit NAME=VALUE` has them.
    #[serde(flatten)]
    pub named: IndexMap<String, u32>,
}

/// How often calls may be made. Calls come back evenly: of 600 a minute, one every 100 ms. Without a number, as often as anybody likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateConfig {
    /// The number of calls in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_second: Option<NonZeroU32>,
    /// The number of calls in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_minute: Option<NonZeroU32>,
    /// The number of calls in an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_hour: Option<NonZeroU32>,
    /// The number of calls in 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_day: Option<NonZeroU32>,
    /// The number of calls at once after a pause, of the shortest of these times. Default: all that the time has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
}

impl LimitsConfig {
    /// How often calls may be made: of each caller, of each address, of each server and of each tool, by their keys.
    pub fn rates(&self) -> [(&'static str, &RateConfig); 4] {
        let Self { principal, address, upstream, tool, named: _ } = self;
        [("principal", principal), ("address", address), ("upstream", upstream), ("tool", tool)]
    }
}

impl RateConfig {
    /// Whether there is no limit.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that a burst is one of something. The error is the key, and what is wrong.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let Self { calls_per_second, calls_per_minute, calls_per_hour, calls_per_day, burst } = self;
        let has_rate =
            calls_per_second.or(*calls_per_minute).or(*calls_per_hour).or(*calls_per_day).is_some();
        match burst {
            Some(_) if !has_rate => {
                let reason = "it says how many calls may come at once, and nothing how often: add `calls_per_minute`, or the like";
                Err(("burst", reason.to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// By hand, since what is flattened has no place in the text that an error could name.
impl<'de> Deserialize<'de> for LimitsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Limits;

        impl<'de> Visitor<'de> for Limits {
            type Value = LimitsConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table: { key = value }")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<LimitsConfig, M::Error> {
                let mut limits = LimitsConfig::default();
                while let Some(key) = map.next_key::<String>()? {
                    match &*key {
                        "principal" => limits.principal = map.next_value()?,
                        "address" => limits.address = map.next_value()?,
                        "upstream" => limits.upstream = map.next_value()?,
                        "tool" => limits.tool = map.next_value()?,
                        _ => {
                            limits.named.insert(key, map.next_value()?);
                        }
                    }
                }
                Ok(limits)
            }
        }

        deserializer.deserialize_map(Limits)
    }
}
