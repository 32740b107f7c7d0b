use super::NegotiatedSession;
use crate::{
    Error, Raw, Revision,
    failure::Failure,
    json::Elements,
    jsonrpc::{RpcResult, code},
};

/// Finds out what a server speaks, on a channel that carries messages both ways: standard streams, a socket.
///
/// It is fed with what happens and says what to do next; the one who holds the channel keeps the time.
///
/// 2026-07-28, transports/stdio §Backward Compatibility: clients "SHOULD probe with a `server/discover` request"; a
/// `DiscoverResult` or a recognised modern error means a modern server, any other error or no answer within a reasonable
/// time an older one, which `initialize` opens. Of our own: a process that ends at the probe is started again and gets
/// `initialize` (servers exist that end at a first request they do not know), and a `DiscoverResult` that comes
/// before the answer to `initialize` still means a modern server: one that was slow to start.
///
/// [`VersionNegotiation::legacy_first`] asks the other way round, on behalf of a legacy client: `initialize` first, and
/// `server/discover` if the server refuses that, ends at it, or is silent for as long as a probe may take. A server of both
/// eras then serves the era of the client. 2026-07-28, versioning §Compatibility Matrix, of a legacy client and a dual-era
/// server: "The server answers `initialize` and serves the client according to the negotiated legacy revision."
#[derive(Debug)]
pub struct VersionNegotiation {
    wanted: Option<Revision>,
    stage: Stage,
    /// Whether this process, or this channel, was sent a probe.
    probed: bool,
    respawned: bool,
    /// The revision of the last probe.
    probe: Revision,
    /// Whether a probe was repeated although the server had refused its revision.
    insisted: bool,
    /// The revision that the last `initialize` requested.
    asked: Revision,
    /// What became of an `initialize` that came before any probe.
    first: FirstInitialize,
}

/// What became of an `initialize` that came before any probe.
#[derive(Debug)]
enum FirstInitialize {
    /// There is none.
    None,
    /// It was sent, and a probe follows unless it is answered.
    Sent,
    /// The server was silent, and was sent a probe as well; it may still answer either.
    Silent,
    /// The server refused it so, and was sent a probe.
    Refused(Box<Error>),
    /// The process ended at it, and the next one was sent a probe.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Probing,
    Initializing,
    Over,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum NegotiationStep {
    /// Send `server/discover` in this revision; report its answer, or silence once the time for a probe is over.
    Discover(Revision),
    /// Send `initialize` that asks for this revision; report its answer.
    Initialize(Revision),
    /// Open the channel anew, then [`VersionNegotiation::reopened`] says what to send on it.
    Reopen,
    /// This is agreed. After `initialize`, `notifications/initialized` is due.
    Agreed(NegotiatedSession),
    /// There will be no agreement.
    Failed(NegotiationError),
    /// Nothing changed.
    Wait,
}

/// Why nothing could be agreed.
#[derive(Clone, Debug, PartialEq)]
pub enum NegotiationError {
    /// The channel ended, for all that could be tried.
    Ended,
    /// The server refused this method.
    Refused(&'static str, Error),
    /// There was no answer to this method, or none that is valid.
    Failed(&'static str, Failure),
    /// The server speaks this (its own words), which is not what was demanded, or nothing that is known here.
    Revision(String),
    /// The server said nothing about `server/discover`, and a modern revision was demanded.
    Silent,
    /// Nothing was agreed in time.
    TimedOut,
}

impl VersionNegotiation {
    /// Begins the negotiation. `wanted` is the required revision, if there is one.
    pub fn begin(wanted: Option<Revision>) -> (Self, NegotiationStep) {
        let old = wanted.filter(|revision| revision.has_sessions());
        let asked = old.unwrap_or(Revision::NEWEST_LEGACY);
        let probe = wanted.filter(|revision| revision.is_stateless()).unwrap_or(Revision::NEWEST);
        let (stage, step) = match old {
            Some(revision) => (Stage::Initializing, NegotiationStep::Initialize(revision)),
            None => (Stage::Probing, NegotiationStep::Discover(probe)),
        };
        let probed = old.is_none();
        let first = FirstInitialize::None;
        (Self { wanted, stage, probed, probe, respawned: false, insisted: false, asked, first }, step)
    }

    /// Begins the negotiation with `initialize`, which a server of both eras answers, and probes a server that does not.
    pub fn legacy_first() -> (Self, NegotiationStep) {
        let (negotiation, _) = Self::begin(None);
        let asked = negotiation.asked;
        let (stage, first) = (Stage::Initializing, FirstInitialize::Sent);
        (Self { stage, first, probed: false, ..negotiation }, NegotiationStep::Initialize(asked))
    }

    /// Whether the answer that is awaited has the time of a probe, and no longer.
    pub fn is_timed(&self) -> bool {
        match self.stage {
            Stage::Probing => true,
            Stage::Initializing => matches!(self.first, FirstInitialize::Sent),
            Stage::Over => false,
        }
    }

    /// `server/discover` was answered, however late.
    pub fn discover(&mut self, outcome: RpcResult) -> NegotiationStep {
        match (self.stage, outcome) {
            (Stage::Over, _) => NegotiationStep::Wait,
            (_, Ok(result)) if is_discovery(&result) => self.discovered(result),
            // An old server that answers every request with a result of its own has not understood this one.
            (Stage::Probing, Ok(_)) if self.wanted.is_some() => {
                self.fail(NegotiationError::Revision("an older revision".into()))
            }
            (Stage::Probing, Ok(_)) => self.initialize(),
            (Stage::Probing, Err(error)) => self.refused(error),
            (Stage::Initializing, _) => NegotiationStep::Wait,
        }
    }

    fn discovered(&mut self, result: Raw) -> NegotiationStep {
        let versions = result.member("supportedVersions").unwrap_or(Raw::NULL);
        let known = known(&versions);
        let fits = |revision: &Revision| self.wanted.is_none_or(|wanted| wanted == *revision);
        if let Some(revision) =
            known.iter().copied().filter(|revision| revision.is_stateless()).filter(fits).max()
        {
            self.stage = Stage::Over;
            return match NegotiatedSession::modern(revision, result) {
                Ok(session) => NegotiationStep::Agreed(session),
                Err(failure) => self.fail(NegotiationError::Failed("server/discover", failure)),
            };
        }
        match known.into_iter().filter(fits).max() {
            // It says itself that it is opened with `initialize`.
            Some(_) if self.stage == Stage::Initializing => NegotiationStep::Wait,
            Some(revision) => self.ask(revision),
            None => self.fail(NegotiationError::Revision(words(&versions))),
        }
    }

    fn refused(&mut self, error: Error) -> NegotiationStep {
        let supported = error.data.as_ref().and_then(|data| data.member("supported"));
        match (error.code, supported) {
            (code::UNSUPPORTED_PROTOCOL_VERSION, Some(supported)) if supported.is_array() => {
                let fits = |revision: &Revision| self.wanted.is_none_or(|wanted| wanted == *revision);
                let (modern, old): (Vec<_>, Vec<_>) =
                    known(&supported).into_iter().filter(fits).partition(|revision| revision.is_stateless());
                // 2026-07-28, versioning §Protocol Version Negotiation: the client "SHOULD select a mutually supported
                // version from the `supported` list and retry the request". A server that lists the revision which it
                // refused, or a newer one, gets one more probe.
                if let Some(revision) =
                    modern.into_iter().max().filter(|it| *it < self.probe || !self.insisted)
                {
                    self.insisted |= revision >= self.probe;
                    self.probe = revision;
                    return NegotiationStep::Discover(revision);
                }
                match old.into_iter().max() {
                    Some(revision) => self.ask(revision),
                    None => self.fail(NegotiationError::Revision(words(&supported))),
                }
            }
            // Only a modern server knows these; what it holds against our probe, `initialize` would not mend.
            (code::HEADER_MISMATCH | code::MISSING_CLIENT_CAPABILITY, _) if error.data.is_some() => {
                self.fail(NegotiationError::Refused("server/discover", error))
            }
            _ if self.wanted.is_some() => self.fail(NegotiationError::Refused("server/discover", error)),
            _ => self.initialize(),
        }
    }

    /// The revision in which `server/discover` is written.
    pub fn probe(&self) -> Revision {
        self.probe
    }

    /// The time for a probe is over, and there is no answer.
    pub fn silence(&mut self) -> NegotiationStep {
        match self.stage {
            Stage::Initializing if matches!(self.first, FirstInitialize::Sent) => {
                self.probe_after(FirstInitialize::Silent)
            }
            Stage::Probing if self.wanted.is_some() => self.fail(NegotiationError::Silent),
            Stage::Probing => self.initialize(),
            _ => NegotiationStep::Wait,
        }
    }

    /// The channel ended: the process exited, the socket was closed.
    pub fn ended(&mut self) -> NegotiationStep {
        let legacy = self.wanted.is_none_or(|wanted| wanted.has_sessions());
        if self.stage == Stage::Over {
            return NegotiationStep::Wait;
        }
        if matches!(self.first, FirstInitialize::Sent | FirstInitialize::Silent) && !self.respawned {
            self.respawned = true;
            let _ = self.probe_after(FirstInitialize::Ended);
            return NegotiationStep::Reopen;
        }
        if !self.probed || self.respawned || !legacy {
            return self.fail(NegotiationError::Ended);
        }
        self.respawned = true;
        self.probed = false;
        self.stage = Stage::Initializing;
        NegotiationStep::Reopen
    }

    /// The channel was opened anew.
    pub fn reopened(&mut self) -> NegotiationStep {
        match self.stage {
            Stage::Probing => NegotiationStep::Discover(self.probe),
            _ => NegotiationStep::Initialize(self.asked),
        }
    }

    /// `initialize` was answered.
    pub fn initialized(&mut self, outcome: RpcResult) -> NegotiationStep {
        // A server that was silent for long may have been slow to start.
        let late = self.stage == Stage::Probing && matches!(self.first, FirstInitialize::Silent);
        if self.stage != Stage::Initializing && !late {
            return NegotiationStep::Wait;
        }
        match outcome {
            Ok(result) => match NegotiatedSession::legacy(&result) {
                Ok(agreement) if self.wanted.is_none_or(|wanted| wanted == agreement.revision()) => {
                    self.stage = Stage::Over;
                    NegotiationStep::Agreed(agreement)
                }
                Ok(agreement) => self.fail(NegotiationError::Revision(agreement.revision().to_string())),
                Err(failure) => self.fail(NegotiationError::Failed("initialize", failure)),
            },
            // The probe is under way.
            Err(error) if late => {
                self.first = FirstInitialize::Refused(Box::new(error));
                NegotiationStep::Wait
            }
            Err(error) => self.not_that(error),
        }
    }

    /// 2025-11-25, lifecycle §Error Handling: -32602 "Unsupported protocol version" says what is `supported`. Not every
    /// server proposes another version by itself.
    fn not_that(&mut self, error: Error) -> NegotiationStep {
        let supported = error.data.as_ref().and_then(|data| data.member("supported"));
        let supported = supported.map(|supported| known(&supported)).unwrap_or_default();
        let older = supported.into_iter().filter(|revision| *revision < self.asked).max();
        match older.filter(|_| self.wanted.is_none()) {
            Some(revision) => self.ask(revision),
            None if matches!(self.first, FirstInitialize::Sent) => {
                self.probe_after(FirstInitialize::Refused(Box::new(error)))
            }
            None => self.fail(NegotiationError::Refused("initialize", error)),
        }
    }

    /// Probes a server that did not answer the first `initialize`.
    fn probe_after(&mut self, first: FirstInitialize) -> NegotiationStep {
        self.first = first;
        self.stage = Stage::Probing;
        self.probed = true;
        NegotiationStep::Discover(self.probe)
    }

    /// Sends `initialize` to a server that does not know the probe, unless that was done before.
    fn initialize(&mut self) -> NegotiationStep {
        match std::mem::replace(&mut self.first, FirstInitialize::None) {
            FirstInitialize::None | FirstInitialize::Sent => self.ask(self.asked),
            FirstInitialize::Silent => {
                self.stage = Stage::Initializing;
                NegotiationStep::Wait
            }
            FirstInitialize::Refused(error) => self.fail(NegotiationError::Refused("initialize", *error)),
            FirstInitialize::Ended => self.fail(NegotiationError::Ended),
        }
    }

    fn ask(&mut self, revision: Revision) -> NegotiationStep {
        self.stage = Stage::Initializing;
        self.asked = revision;
        NegotiationStep::Initialize(revision)
    }

    fn fail(&mut self, failure: NegotiationError) -> NegotiationStep {
        self.stage = Stage::Over;
        NegotiationStep::Failed(failure)
    }
}

/// Whether this is a `DiscoverResult`: both members are required there, and no other result has them.
fn is_discovery(result: &Raw) -> bool {
    result.member("supportedVersions").is_some_and(|versions| versions.is_array())
        && result.member("capabilities").is_some_and(|capabilities| capabilities.is_object())
}

/// The revisions in a list that are known here.
fn known(versions: &Raw) -> Vec<Revision> {
    let elements = Elements::of(versions.as_str());
    elements.filter_map(|version| versions.slice(version).as_string()?.parse().ok()).collect()
}

fn words(versions: &Raw) -> String {
    format!("{versions:.128}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn raw(text: &str) -> Raw {
        Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
    }

    fn discovery(versions: &str) -> RpcResult {
        Ok(raw(&format!(r#"{{"supportedVersions":{versions},"capabilities":{{}}}}"#)))
    }

    fn initialized(version: &str) -> RpcResult {
        Ok(raw(&format!(r#"{{"protocolVersion":"{version}","capabilities":{{}}}}"#)))
    }

    fn error(code: i64, data: &str) -> RpcResult {
        Err(Error::new(code, "no").with_data(raw(data)))
    }

    fn agreed(step: NegotiationStep) -> Revision {
        let NegotiationStep::Agreed(agreement) = step else { panic!("{step:?}") };
        agreement.revision()
    }

    fn probing() -> VersionNegotiation {
        let (negotiation, step) = VersionNegotiation::begin(None);
        assert_eq!(step, NegotiationStep::Discover(Revision::NEWEST));
        negotiation
    }

    const NEWEST_LEGACY: NegotiationStep = NegotiationStep::Initialize(Revision::V2025_11_25);

    fn legacy_first() -> VersionNegotiation {
        let (negotiation, step) = VersionNegotiation::legacy_first();
        assert_eq!(step, NEWEST_LEGACY);
        assert!(negotiation.is_timed());
        negotiation
    }

    #[test]
    fn a_server_of_both_eras_that_gets_initialize_first_is_a_legacy_one() {
        let mut negotiation = legacy_first();
        assert_eq!(agreed(negotiation.initialized(initialized("2025-06-18"))), Revision::V2025_06_18);
        assert!(!negotiation.is_timed());
    }

    #[test]
    fn a_modern_server_that_refuses_initialize_is_probed_on_the_same_channel() {
        for refusal in [error(-32601, "{}"), error(-32022, r#"{"supported":["2026-07-28"]}"#)] {
            let mut negotiation = legacy_first();
            let step = negotiation.initialized(refusal);
            assert_eq!(step, NegotiationStep::Discover(Revision::NEWEST));
            assert_eq!(agreed(negotiation.discover(discovery(r#"["2026-07-28"]"#))), Revision::V2026_07_28);
        }
        let mut negotiation = legacy_first();
        let older = negotiation.initialized(error(-32602, r#"{"supported":["2024-11-05"]}"#));
        assert_eq!(older, NegotiationStep::Initialize(Revision::V2024_11_05), "it names a legacy revision");
    }

    #[test]
    fn a_server_that_knows_neither_is_refused_with_its_words_about_initialize() {
        let mut negotiation = legacy_first();
        negotiation.initialized(error(-32000, r#"{"why":"first"}"#));
        let NegotiationStep::Failed(NegotiationError::Refused("initialize", error)) =
            negotiation.discover(error(-32601, "{}"))
        else {
            panic!("{negotiation:?}")
        };
        assert_eq!(error.code, -32000);
    }

    #[test]
    fn a_server_that_is_silent_about_initialize_may_answer_it_or_the_probe() {
        let probed = || {
            let mut negotiation = legacy_first();
            assert_eq!(negotiation.silence(), NegotiationStep::Discover(Revision::NEWEST));
            negotiation
        };
        assert_eq!(agreed(probed().discover(discovery(r#"["2026-07-28"]"#))), Revision::V2026_07_28);
        assert_eq!(agreed(probed().initialized(initialized("2025-11-25"))), Revision::V2025_11_25);
        let mut slow = probed();
        assert_eq!(slow.discover(error(-32601, "{}")), NegotiationStep::Wait, "it has `initialize` already");
        assert_eq!(agreed(slow.initialized(initialized("2025-11-25"))), Revision::V2025_11_25);
        let mut refusing = probed();
        assert_eq!(refusing.initialized(error(-32601, "{}")), NegotiationStep::Wait);
        assert_eq!(agreed(refusing.discover(discovery(r#"["2026-07-28"]"#))), Revision::V2026_07_28);
    }

    #[test]
    fn a_process_that_ends_at_initialize_is_started_again_for_the_probe() {
        let mut negotiation = legacy_first();
        assert_eq!(negotiation.ended(), NegotiationStep::Reopen);
        assert_eq!(negotiation.reopened(), NegotiationStep::Discover(Revision::NEWEST));
        assert_eq!(negotiation.ended(), NegotiationStep::Failed(NegotiationError::Ended), "once");
        let mut negotiation = legacy_first();
        negotiation.ended();
        negotiation.reopened();
        assert_eq!(agreed(negotiation.discover(discovery(r#"["2026-07-28"]"#))), Revision::V2026_07_28);
    }

    #[test]
    fn a_discover_result_means_modern() {
        assert_eq!(
            agreed(probing().discover(discovery(r#"["2026-07-28","2025-11-25"]"#))),
            Revision::V2026_07_28
        );
    }

    #[test]
    fn any_other_error_means_initialize() {
        for (code, data) in
            [(-32601, "{}"), (-32600, "null"), (-32602, "{}"), (-32022, "{}"), (-32021, "1"), (0, "{}")]
        {
            let mut negotiation = probing();
            let step = negotiation.discover(error(code, data));
            match code {
                -32021 => assert!(matches!(
                    step,
                    NegotiationStep::Failed(NegotiationError::Refused("server/discover", _))
                )),
                _ => assert_eq!(step, NEWEST_LEGACY, "{code}"),
            }
        }
        let mut negotiation = probing();
        assert_eq!(negotiation.discover(Ok(raw("{}"))), NEWEST_LEGACY);
        assert_eq!(agreed(negotiation.initialized(initialized("2024-11-05"))), Revision::V2024_11_05);
    }

    #[test]
    fn silence_means_initialize_and_a_late_discover_wins() {
        let mut negotiation = probing();
        assert_eq!(negotiation.silence(), NEWEST_LEGACY);
        assert_eq!(negotiation.silence(), NegotiationStep::Wait);
        assert_eq!(agreed(negotiation.discover(discovery(r#"["2026-07-28"]"#))), Revision::V2026_07_28);
        assert_eq!(negotiation.initialized(error(-32601, "{}")), NegotiationStep::Wait);
        let mut negotiation = probing();
        negotiation.silence();
        assert_eq!(negotiation.discover(error(-32601, "{}")), NegotiationStep::Wait);
        assert_eq!(agreed(negotiation.initialized(initialized("2025-03-26"))), Revision::V2025_03_26);
        assert_eq!(negotiation.discover(discovery(r#"["2026-07-28"]"#)), NegotiationStep::Wait);
    }

    #[test]
    fn probe_kills_server_then_initialize() {
        let mut negotiation = probing();
        assert_eq!(negotiation.ended(), NegotiationStep::Reopen);
        assert_eq!(negotiation.reopened(), NEWEST_LEGACY);
        assert_eq!(negotiation.ended(), NegotiationStep::Failed(NegotiationError::Ended));
        let mut negotiation = probing();
        negotiation.silence();
        assert_eq!(
            negotiation.ended(),
            NegotiationStep::Reopen,
            "it may have ended at the probe that it read late"
        );
        assert_eq!(negotiation.reopened(), NEWEST_LEGACY);
        assert_eq!(agreed(negotiation.initialized(initialized("2025-11-25"))), Revision::V2025_11_25);
    }

    #[test]
    fn only_legacy_versions_mean_initialize() {
        let supported = r#"{"supported":["2025-06-18","2025-03-26"],"requested":"2026-07-28"}"#;
        assert_eq!(
            probing().discover(error(-32022, supported)),
            NegotiationStep::Initialize(Revision::V2025_06_18)
        );
        assert_eq!(
            probing().discover(discovery(r#"["2025-03-26"]"#)),
            NegotiationStep::Initialize(Revision::V2025_03_26)
        );
        let unknown = r#"{"supported":["2031-01-01"],"requested":"2026-07-28"}"#;
        assert_eq!(
            probing().discover(error(-32022, unknown)),
            NegotiationStep::Failed(NegotiationError::Revision(r#"["2031-01-01"]"#.into()))
        );
    }

    #[test]
    fn a_server_that_refuses_what_it_speaks_is_asked_once_more() {
        let newest = Revision::NEWEST;
        let both = &format!(r#"{{"supported":["{newest}","2025-11-25"],"requested":"{newest}"}}"#);
        let mut negotiation = probing();
        assert_eq!(negotiation.discover(error(-32022, both)), NegotiationStep::Discover(newest));
        assert_eq!(agreed(negotiation.discover(discovery(r#"["2026-07-28"]"#))), Revision::V2026_07_28);
        let mut negotiation = probing();
        assert_eq!(negotiation.discover(error(-32022, both)), NegotiationStep::Discover(newest));
        assert_eq!(negotiation.discover(error(-32022, both)), NEWEST_LEGACY);
        let modern = r#"{"supported":["2026-07-28"]}"#;
        let (mut negotiation, _) = VersionNegotiation::begin(Some(Revision::V2026_07_28));
        assert_eq!(
            negotiation.discover(error(-32022, modern)),
            NegotiationStep::Discover(Revision::V2026_07_28)
        );
        let failed = NegotiationStep::Failed(NegotiationError::Revision(r#"["2026-07-28"]"#.into()));
        assert_eq!(negotiation.discover(error(-32022, modern)), failed);
    }

    #[test]
    fn a_fixed_revision_is_kept_or_refused() {
        let (mut negotiation, step) = VersionNegotiation::begin(Some(Revision::V2025_03_26));
        assert_eq!(step, NegotiationStep::Initialize(Revision::V2025_03_26));
        let other = negotiation.initialized(initialized("2025-11-25"));
        assert_eq!(other, NegotiationStep::Failed(NegotiationError::Revision("2025-11-25".into())));
        let (mut negotiation, _) = VersionNegotiation::begin(Some(Revision::V2025_03_26));
        assert_eq!(negotiation.ended(), NegotiationStep::Failed(NegotiationError::Ended));
        let modern = || VersionNegotiation::begin(Some(Revision::V2026_07_28)).0;
        assert_eq!(modern().silence(), NegotiationStep::Failed(NegotiationError::Silent));
        assert_eq!(modern().ended(), NegotiationStep::Failed(NegotiationError::Ended));
        assert!(matches!(
            modern().discover(error(-32601, "{}")),
            NegotiationStep::Failed(NegotiationError::Refused(..))
        ));
        assert!(matches!(
            modern().discover(Ok(raw("{}"))),
            NegotiationStep::Failed(NegotiationError::Revision(_))
        ));
        assert_eq!(agreed(modern().discover(discovery(r#"["2026-07-28"]"#))), Revision::V2026_07_28);
    }

    #[test]
    fn a_server_that_only_lists_versions_is_asked_for_one_of_them() {
        let mut negotiation = probing();
        negotiation.silence();
        let listed = error(-32602, r#"{"supported":["2024-11-05"],"requested":"2025-11-25"}"#);
        assert_eq!(
            negotiation.initialized(listed.clone()),
            NegotiationStep::Initialize(Revision::V2024_11_05)
        );
        assert!(matches!(
            negotiation.initialized(listed),
            NegotiationStep::Failed(NegotiationError::Refused("initialize", _))
        ));
    }
}
