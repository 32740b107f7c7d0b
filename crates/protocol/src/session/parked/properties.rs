//! Whatever happens in whatever order: no answer is lost, no question stays open, no request stays unanswered, no limit is
//! passed.
//!
//! Invariant: A parked call loses no answer, leaves no server request open and no request unanswered,
//! respects its limits, and ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Error, Method, Raw, capability::ClientProfile, json::Splice, jsonrpc::Reason};

const LIMITS: Limits = Limits {
    batch_window: Duration::from_millis(20),
    park_ttl: Duration::from_secs(600),
    parked_bytes: 400,
    questions: 3,
    rounds: 4,
    max_reprompts: 2,
    replay: Duration::from_secs(30),
    call_timeout_max: Some(Duration::from_secs(60)),
};
const PER_PRINCIPAL: usize = 2;
const TOTAL: usize = 3;
const FORM: &str = r#"{"message":"?","requestedSchema":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}}"#;

/// One step: of which call, and what.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(bool),
    Withdraw(usize),
    Finish(bool),
    Lose,
    Progress(u8),
    /// A retry that answers each question rightly, wrongly, not at all or with nonsense, in the latest round or the one
    /// before.
    Retry([u8; 4], bool),
    Detach(usize),
    Wait(u32),
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..8u8).prop_map(|odd| Step::Ask(odd == 0)),
        1 => (0..4usize).prop_map(Step::Withdraw),
        1 => any::<bool>().prop_map(Step::Finish),
        1 => Just(Step::Lose),
        1 => any::<u8>().prop_map(Step::Progress),
        8 => (any::<[u8; 4]>(), (0..6u8).prop_map(|old| old == 0)).prop_map(|(how, old)| Step::Retry(how, old)),
        1 => (0..3usize).prop_map(Step::Detach),
        8 => prop_oneof![Just(5), Just(25), Just(1_000), Just(40_000), Just(601_000)].prop_map(Step::Wait),
        1 => Just(Step::Drain),
    ]
}

fn profile() -> ClientProfile {
    ClientProfile { elicitation_form: true, ..ClientProfile::default() }
}

/// One call, with all that the outside knows of it.
struct Held {
    id: u128,
    principal: u8,
    machine: Call,
    last_key: Key,
    last_attachment: Attachment,
    /// Questions that the server waits for.
    open: BTreeSet<Key>,
    /// Requests that wait for an answer.
    attached: BTreeSet<Attachment>,
    round: u32,
    /// Server requests that the caller has received.
    asked: BTreeSet<Key>,
    has_place: bool,
    is_cancelled: bool,
    server_done: bool,
    over: bool,
    progress: BTreeMap<Attachment, f64>,
}

struct World {
    now: Duration,
    lot: Lot<u8, usize>,
    calls: Vec<Held>,
}

impl World {
    fn new() -> Self {
        let mut world = Self { now: Duration::ZERO, lot: Lot::new(PER_PRINCIPAL, TOTAL), calls: Vec::new() };
        for index in 0..5 {
            world.calls.push(Held::new(index, world.now));
        }
        world
    }

    fn tell(&mut self, at: usize, event: Event) -> Vec<Effect> {
        let now = self.now;
        let call = &mut self.calls[at];
        let mut effects: std::collections::VecDeque<_> = call.machine.handle(now, event).into();
        let mut done = Vec::new();
        while let Some(effect) = effects.pop_front() {
            if effect == Effect::Place {
                let placed =
                    if call.has_place { Ok(()) } else { self.lot.take(call.id, &call.principal, at) };
                call.has_place |= placed.is_ok();
                let event = placed.map_or_else(Event::Full, |()| Event::Placed);
                effects.extend(call.machine.handle(now, event));
                continue;
            }
            if call.carry_out(&effect) && call.has_place {
                let Effect::Over(ended) = &effect else { unreachable!() };
                self.lot.end(now, call.id, &call.principal, ended.clone());
            }
            done.push(effect);
        }
        call.hold();
        assert!(self.lot.taken() <= TOTAL);
        for principal in 0..2 {
            let held =
                self.calls.iter().filter(|call| call.has_place && !call.over && call.principal == principal);
            assert!(held.count() <= PER_PRINCIPAL);
        }
        assert_eq!(self.lot.open().count(), self.lot.taken());
        done
    }

    fn take(&mut self, at: usize, step: Step) {
        let over = self.calls[at].over;
        match step {
            Step::Wait(millis) => {
                let until = self.now + Duration::from_millis(millis.into());
                self.wait(until);
            }
            Step::Drain => drop(self.tell(at, Event::Drain)),
            Step::Retry(how, old) => self.retry(at, how, old),
            Step::Detach(which) => {
                let Some(attachment) = self.calls[at].attached.iter().nth(which).copied() else { return };
                self.calls[at].attached.remove(&attachment);
                self.tell(at, Event::Detached(attachment));
            }
            // A server acts only while its call exists.
            _ if over || self.calls[at].server_done => {}
            Step::Ask(odd) => {
                self.calls[at].last_key += 1;
                let key = self.calls[at].last_key;
                self.calls[at].open.insert(key);
                let method = if odd { Method::ListRoots } else { Method::Elicit };
                self.tell(at, Event::ServerRequest { key, method, params: raw(FORM) });
            }
            Step::Withdraw(which) => {
                let Some(key) = self.calls[at].open.iter().nth(which).copied() else { return };
                self.calls[at].open.remove(&key);
                self.tell(at, Event::Withdrawn(key));
            }
            Step::Finish(large) => {
                self.calls[at].server_done = true;
                let result = format!(r#"{{"text":"{}"}}"#, "x".repeat(if large { 500 } else { 5 }));
                self.tell(at, Event::Outcome(Ok(raw(&result))));
            }
            Step::Lose => {
                self.calls[at].server_done = true;
                let error = Error::internal("gone").with_reason(Reason::UpstreamLost);
                self.tell(at, Event::Lost(error));
            }
            Step::Progress(progress) => {
                let params = raw(&format!(r#"{{"progress":{progress}}}"#));
                self.tell(at, Event::Notification { method: Method::Progress, params });
            }
        }
    }

    /// Lets time pass, and wakes every call at its timeout.
    fn wait(&mut self, until: Duration) {
        loop {
            let due =
                self.calls.iter().enumerate().filter_map(|(at, call)| Some((call.machine.wakes()?, at)));
            let Some((due, at)) = due.min().filter(|(due, _)| *due <= until) else { break };
            self.now = self.now.max(due);
            let before = self.calls[at].machine.wakes();
            self.tell(at, Event::Tick);
            assert_ne!(self.calls[at].machine.wakes(), before, "a tick that is due changes something");
        }
        self.now = until;
    }

    fn retry(&mut self, at: usize, how: [u8; 4], old: bool) {
        let call = &mut self.calls[at];
        if call.round == 0 {
            return;
        }
        call.last_attachment += 1;
        let (attachment, round) = (call.last_attachment, call.round - u32::from(old && call.round > 1));
        let (mut answers, mut good) = (Splice::new(), BTreeSet::new());
        let mut sound = true;
        for (key, how) in call.open.iter().zip(how) {
            let answer = match how % 8 {
                0 => continue,
                1 => r#"{"action":"accept","content":{}}"#,
                2 if how == 2 => r#""nonsense""#,
                _ => r#"{"action":"accept","content":{"n":1}}"#,
            };
            sound &= answer != r#""nonsense""# || !call.asked.contains(key);
            if answer.contains("\"n\"") {
                good.insert(*key);
            }
            answers = answers.with(&format!("q{key}"), &raw(answer));
        }
        let answers = answers.finish();
        let mut digest = [0; 32];
        for (index, byte) in answers.as_str().bytes().enumerate() {
            digest[index % 32] ^= byte.rotate_left(u32::try_from(index % 8).unwrap());
        }
        call.attached.insert(attachment);
        if call.over {
            // The task is over; a retry is answered from the record.
            call.attached.remove(&attachment);
            if let Some(Slot::CallRecord(ended)) = self.lot.find(call.id) {
                let _ = ended.answer(self.now, round, digest, "t");
            }
            return;
        }
        let caller = Caller { profile: profile(), log_level: None, progress: true };
        let retry = Retry { attachment, round, answers: Some(answers), digest, caller };
        let (latest, asked) = (round == self.calls[at].round, self.calls[at].asked.clone());
        let effects = self.tell(at, Event::Retry(retry));
        let ended = effects
            .iter()
            .any(|effect| matches!(effect, Effect::End(to, _) | Effect::Late(to) if *to == attachment));
        for effect in &effects {
            if let Effect::Answer(key, answer) = effect {
                assert!(
                    latest && sound && good.contains(key),
                    "only good answers of the latest round reach the server"
                );
                assert_eq!(answer.as_str(), r#"{"action":"accept","content":{"n":1}}"#);
                good.remove(key);
            }
        }
        let taken = effects.iter().any(|effect| matches!(effect, Effect::Answer(..)));
        let lost = good.intersection(&asked).count();
        assert!(!taken || lost == 0, "a retry whose answers are taken loses none that was asked for");
        assert!(!(ended && taken), "what is refused has no effect");
    }
}

impl Held {
    fn new(index: u8, now: Duration) -> Self {
        let caller = Caller { profile: profile(), log_level: None, progress: true };
        Self {
            id: index.into(),
            principal: index % 2,
            machine: Call::new(LIMITS, "t".into(), now, 0, caller),
            last_key: 0,
            last_attachment: 0,
            open: BTreeSet::new(),
            attached: BTreeSet::from([0]),
            round: 0,
            asked: BTreeSet::new(),
            has_place: false,
            is_cancelled: false,
            server_done: false,
            over: false,
            progress: BTreeMap::new(),
        }
    }

    /// Checks an effect against what the outside knows. Whether the call is over.
    fn carry_out(&mut self, effect: &Effect) -> bool {
        assert!(!self.over, "nothing follows the end");
        match effect {
            Effect::Answer(key, _) => {
                assert!(self.open.remove(key), "each question is answered once");
                assert!(!self.is_cancelled);
            }
            Effect::Refuse(key, _) => assert!(self.open.remove(key), "each question is answered once"),
            Effect::Cancel => {
                assert!(!self.is_cancelled && !self.server_done);
                self.is_cancelled = true;
            }
            Effect::Tell(to, method, params) => {
                assert!(self.attached.contains(to));
                assert_eq!(*method, Method::Progress);
                let progress: f64 = params.member("progress").unwrap().decode().unwrap();
                assert!(self.progress.insert(*to, progress).is_none_or(|last| progress > last));
            }
            Effect::Ask(to, round, requests) => {
                assert!(self.attached.remove(to), "each request is answered once");
                assert!(self.has_place && *round <= LIMITS.rounds && *round >= self.round);
                assert!((1..=LIMITS.questions).contains(&requests.members().count()));
                self.round = *round;
                let keys =
                    requests.members().filter_map(|member| member.key().strip_prefix('q')?.parse().ok());
                self.asked.extend(keys.collect::<Vec<Key>>());
            }
            Effect::End(to, _) | Effect::Late(to) => {
                assert!(self.attached.remove(to), "each request is answered once")
            }
            Effect::Count(_) | Effect::Place => {}
            Effect::Over(_) => {
                assert!(self.open.is_empty(), "no question stays open: {:?}", self.open);
                assert!(self.attached.is_empty(), "no request stays unanswered");
                assert!(self.is_cancelled || self.server_done, "the server hears of the end");
                self.over = true;
            }
        }
        self.over
    }

    fn hold(&self) {
        assert_eq!(self.machine.is_over(), self.over);
        assert!(self.machine.held() <= LIMITS.parked_bytes);
        assert!(self.open.len() <= LIMITS.questions);
        assert_eq!(self.machine.questions().collect::<BTreeSet<_>>(), self.open, "no question is forgotten");
        assert_eq!(self.over, self.machine.wakes().is_none(), "every call ends by itself");
    }
}

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &crate::Limits::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_is_lost_no_question_stays_open_and_no_limit_is_passed(steps in vec((0..5usize, step()), 1..80)) {
        let mut world = World::new();
        for (at, step) in steps {
            world.take(at, step);
        }
        // Whatever happened, after the longest times everything has come to its end by itself.
        let end = world.now + LIMITS.park_ttl + Duration::from_secs(120);
        world.wait(end);
        prop_assert!(world.calls.iter().all(|call| call.over));
        prop_assert_eq!(world.lot.taken(), 0);
    }
}

#[test]
fn a_good_answer_beside_a_wrong_one_is_taken() {
    let mut world = World::new();
    world.take(0, Step::Ask(false));
    world.take(0, Step::Ask(false));
    world.take(0, Step::Wait(25));
    assert_eq!(world.calls[0].round, 1);
    world.take(0, Step::Retry([3, 1, 0, 0], false));
    assert_eq!(world.calls[0].open, BTreeSet::from([2]));
    world.take(0, Step::Wait(25));
    world.take(0, Step::Retry([3, 0, 0, 0], false));
    assert!(world.calls[0].open.is_empty() && !world.calls[0].over);
    world.take(0, Step::Finish(false));
    assert!(world.calls[0].over);
}
