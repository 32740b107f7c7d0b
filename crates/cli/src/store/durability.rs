//! What an acknowledged write survives, in words for operators.

use std::fmt;

use anyport_store::Durability as Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::monitor::{ServerReport, Sync};

/// A store that was chosen, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreStatus {
    /// Where it is, without credentials.
    pub(crate) url: String,
    #[serde(flatten)]
    pub(crate) durability: Durability,
}

/// What an acknowledged write survives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Durability {
    /// Where an acknowledged write is, and when it is on a disk
    pub(crate) durability: String,
    /// When an acknowledged write may be lost
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<String>,
}

/// The first release that can sync each write.
const SYNCS_EACH_WRITE: (u32, u32) = (2, 10);

impl Durability {
    /// The durability of a store whose connected server has the release `version`, and what the monitored one says.
    pub(super) fn of(
        kind: Kind,
        version: Option<&str>,
        report: Option<&Result<ServerReport, String>>,
    ) -> Self {
        match kind {
            Kind::Process => Self::new(
                "in the memory of this process",
                Some("what is stored ends with this process, and no other sees it".to_owned()),
            ),
            Kind::Disk => Self::new("on the disk before it is acknowledged", None),
            Kind::Unknown => Self::new("unknown: no server was reached yet", None),
            Kind::Servers { replicas } => Self::of_servers(replicas, version, report),
        }
    }

    fn of_servers(
        replicas: usize,
        version: Option<&str>,
        report: Option<&Result<ServerReport, String>>,
    ) -> Self {
        let known = report.and_then(|report| report.as_ref().ok());
        let version = known.map(|report| report.version.as_str()).or(version);
        let servers = match (replicas, version) {
            (1, Some(version)) => format!("1 replica, on a server of NATS {version}"),
            (replicas, Some(version)) => format!("{replicas} replicas, on servers of NATS {version}"),
            (1, None) => "1 replica".to_owned(),
            (replicas, None) => format!("{replicas} replicas"),
        };
        let lost = "an acknowledged write may be lost when the power fails";
        if version.is_some_and(|version| !can_sync_each_write(version)) {
            let durability = format!("{servers}, which cannot sync each write");
            return Self::new(
                &durability,
                Some(format!("{lost}: servers before 2.10 cannot sync each write")),
            );
        }
        let set = "set `sync_interval: always` in the section `jetstream` of the servers' configuration";
        match (known.map(|report| report.sync), report) {
            (Some(Sync::Always), _) => Self::new(&format!("{servers}, each write synced"), None),
            (Some(Sync::Every(interval)), _) => Self::new(
                &format!("{servers}, synced every {} s", interval.as_secs_f64()),
                Some(format!("{lost}: {set}")),
            ),
            (_, Some(Err(why))) => Self::new(
                &format!("{servers}, sync interval unknown"),
                Some(format!("{lost}, unless each is synced; the monitoring address does not tell: {why}")),
            ),
            _ => Self::new(
                &format!("{servers}, sync interval unknown"),
                Some(format!(
                    "{lost}, unless each is synced: name the monitoring address with `monitor` of [store]"
                )),
            ),
        }
    }

    fn new(durability: &str, warning: Option<String>) -> Self {
        Self { durability: durability.to_owned(), warning }
    }
}

/// Whether a server of this release can sync each write. A release that cannot be read is a new one.
fn can_sync_each_write(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else { return true };
    (major, minor) >= SYNCS_EACH_WRITE
}

impl StoreStatus {
    /// Its lines in a banner.
    pub(crate) fn lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  store      {self}")?;
        match &self.durability.warning {
            Some(warning) => writeln!(f, "  WARNING    {warning}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for StoreStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.durability.durability)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Invariant: Where an acknowledged write may be lost when the power fails, operators are told so.
    #[test]
    fn what_is_not_synced_is_warned_of() {
        let servers = |replicas| Kind::Servers { replicas };
        let report = |version: &str, sync| Some(Ok(ServerReport { version: version.to_owned(), sync }));
        let said = |kind, version, report: Option<Result<ServerReport, String>>| {
            let Durability { durability, warning } = Durability::of(kind, version, report.as_ref());
            (durability, warning.unwrap_or_default())
        };
        let synced = said(servers(3), None, report("2.15.1", Sync::Always));
        assert_eq!(
            synced,
            ("3 replicas, on servers of NATS 2.15.1, each write synced".into(), String::new())
        );
        let every = said(servers(3), None, report("2.15.1", Sync::Every(Duration::from_secs(120))));
        assert_eq!(every.0, "3 replicas, on servers of NATS 2.15.1, synced every 120 s");
        assert!(every.1.contains("when the power fails") && every.1.contains("sync_interval: always"));
        for old in
            [said(servers(1), Some("2.9.10"), None), said(servers(1), None, report("2.9.10", Sync::Unknown))]
        {
            assert_eq!(old.0, "1 replica, on a server of NATS 2.9.10, which cannot sync each write");
            assert!(old.1.contains("before 2.10"));
        }
        let unknown = said(servers(1), Some("2.12.0"), None);
        assert!(unknown.0.contains("sync interval unknown") && unknown.1.contains("`monitor`"));
        let mute = said(servers(1), Some("2.12.0"), Some(Err("refused".into())));
        assert!(mute.1.contains("does not tell: refused"), "{mute:?}");
        assert!(!said(Kind::Process, None, None).1.is_empty() && said(Kind::Disk, None, None).1.is_empty());
    }
}
