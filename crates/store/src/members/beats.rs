//! Members that say once a second that they are running: who has said nothing three times is dead.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::member::{Liveness, Member};

/// What this process has heard. Clocks of other machines do not count.
pub(crate) struct Beats {
    me: Member,
    interval: Duration,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    others: HashMap<String, Last>,
    /// When this process last heard itself: that it is not cut off.
    own: Option<Instant>,
    /// Since when it has heard itself without a gap.
    since: Option<Instant>,
}

struct Last {
    incarnation: u64,
    at: Instant,
    has_left: bool,
}

/// The number of beats after which a silent member is dead.
const SILENCE: u32 = 3;
/// The number of beats after which a process that does not hear itself knows nothing of others.
const CUT_OFF: u32 = 2;
/// How many members are remembered; the oldest are forgotten.
const REMEMBERED: usize = 1_000;

impl Beats {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { me: super::files::new_member(), interval, heard: Mutex::default() }
    }

    pub(crate) fn me(&self) -> &Member {
        &self.me
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Notes a beat of a member.
    pub(crate) fn heard(&self, id: &str, incarnation: u64, has_left: bool) {
        let (mut heard, now) = (self.lock(), Instant::now());
        if id == self.me.id {
            if heard.own.is_none_or(|own| now - own > self.interval * CUT_OFF) {
                heard.since = Some(now);
            }
            heard.own = Some(now);
            return;
        }
        if heard.others.len() >= REMEMBERED
            && let Some(oldest) =
                heard.others.iter().min_by_key(|(_, last)| last.at).map(|(id, _)| id.clone())
        {
            heard.others.remove(&oldest);
        }
        let last = Last { incarnation, at: now, has_left };
        if heard.others.get(id).is_none_or(|known| known.incarnation <= incarnation) {
            heard.others.insert(id.to_owned(), last);
        }
    }

    /// Whether a member that is running would have been heard.
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().is_settled(self.interval, Instant::now())
    }

    pub(super) fn liveness(&self, member: &Member) -> Liveness {
        let (heard, now) = (self.lock(), Instant::now());
        let last = heard.others.get(&member.id);
        match last {
            Some(last) if last.incarnation > member.incarnation => return Liveness::Dead,
            Some(last) if last.incarnation == member.incarnation && last.has_left => return Liveness::Dead,
            _ => {}
        }
        if heard.own.is_none_or(|own| now - own > self.interval * CUT_OFF) {
            return Liveness::Unknown;
        }
        match last {
            Some(last)
                if last.incarnation == member.incarnation && now - last.at <= self.interval * SILENCE =>
            {
                Liveness::Alive
            }
            _ if heard.is_settled(self.interval, now) => Liveness::Dead,
            _ => Liveness::Unknown,
        }
    }

    /// The members that are not known to be dead, this one left out.
    pub(super) fn alive(&self) -> Vec<Member> {
        let known =
            self.lock().others.iter().map(|(id, last)| (id.clone(), last.incarnation)).collect::<Vec<_>>();
        let members = known.into_iter().map(|(id, incarnation)| Member { id, incarnation });
        members.filter(|member| self.liveness(member) != Liveness::Dead).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn is_settled(&self, interval: Duration, now: Instant) -> bool {
        self.since.is_some_and(|since| now - since > interval * SILENCE)
            && self.own.is_some_and(|own| now - own <= interval * CUT_OFF)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn other() -> Member {
        Member { id: "other".into(), incarnation: 7 }
    }

    async fn seconds(beats: &Beats, count: usize) {
        for _ in 0..count {
            advance(SECOND).await;
            beats.heard(&beats.me.id, beats.me.incarnation, false);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_member_is_dead_and_one_that_left_is_so_at_once() {
        let beats = Beats::new(SECOND);
        assert_eq!(beats.liveness(&other()), Liveness::Unknown, "nothing was heard yet");
        seconds(&beats, 1).await;
        beats.heard("other", 7, false);
        assert_eq!(beats.liveness(&other()), Liveness::Alive);
        seconds(&beats, 3).await;
        assert_eq!((beats.liveness(&other()), beats.alive()), (Liveness::Alive, vec![other()]));
        seconds(&beats, 1).await;
        assert_eq!((beats.liveness(&other()), beats.alive()), (Liveness::Dead, vec![]));
        beats.heard("other", 7, false);
        assert_eq!(beats.liveness(&other()), Liveness::Alive);
        beats.heard("other", 7, true);
        assert_eq!(beats.liveness(&other()), Liveness::Dead);
        beats.heard("other", 8, false);
        assert_eq!(beats.liveness(&other()), Liveness::Dead, "another run of it");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_cut_off_knows_of_no_death() {
        let beats = Beats::new(SECOND);
        seconds(&beats, 5).await;
        beats.heard("other", 7, false);
        advance(SECOND * 5).await;
        assert_eq!(beats.liveness(&other()), Liveness::Unknown);
        seconds(&beats, 1).await;
        assert_eq!(beats.liveness(&other()), Liveness::Unknown, "it may have spoken meanwhile");
        seconds(&beats, 4).await;
        assert_eq!(beats.liveness(&other()), Liveness::Dead);
    }
}
