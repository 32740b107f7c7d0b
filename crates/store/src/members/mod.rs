//! The processes that share a store.

mod beats;
mod files;
mod member;

use std::{collections::BTreeSet, fmt, io, path::PathBuf, sync::Arc, time::Duration};

use tokio::time::sleep;

pub use self::member::{Liveness, Member};
pub(crate) use self::{beats::Beats, files::Presence};

/// What happened to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// It is running.
    Joined(Member),
    /// It has ended.
    Left(Member),
}

/// The members of a store, and which of them are alive.
pub struct Members {
    me: Member,
    source: Source,
}

/// How a member knows of the others.
#[derive(Clone)]
enum Source {
    /// There are none.
    Alone,
    /// By their locked files in a folder.
    Folder(PathBuf),
    /// By what they say.
    Beats(Arc<Beats>),
}

/// The members of a store as they come and go: see [`Members::changes`].
pub struct MemberChanges {
    source: Source,
    me: Member,
    known: BTreeSet<Member>,
    pending: Vec<MemberChange>,
    begun: bool,
}

/// How often the members are looked up.
const POLL: Duration = Duration::from_millis(200);

impl Members {
    /// This process alone.
    pub(crate) fn alone() -> Self {
        Self { me: files::new_member(), source: Source::Alone }
    }

    /// The processes that have a locked file in `folder`. This process gets one by [`Presence::announce`].
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { me: files::new_member(), source: Source::Folder(folder) }
    }

    /// The processes that say that they are running.
    pub(crate) fn beating(beats: Arc<Beats>) -> Self {
        Self { me: beats.me().clone(), source: Source::Beats(beats) }
    }

    /// This process.
    pub fn me(&self) -> &Member {
        &self.me
    }

    /// Returns whether `member` is running.
    pub fn liveness(&self, member: &Member) -> Liveness {
        if *member == self.me {
            return Liveness::Alive;
        }
        match &self.source {
            Source::Alone => Liveness::Dead,
            Source::Folder(folder) => files::liveness(folder, member),
            Source::Beats(beats) => beats.liveness(member),
        }
    }

    /// Returns the other members that are not known to be dead.
    ///
    /// # Errors
    /// If their folder cannot be read.
    pub async fn others(&self) -> io::Result<Vec<Member>> {
        let mut alive = self.source.alive().await?;
        alive.retain(|member| *member != self.me);
        Ok(alive)
    }

    /// Reports the members that are alive, this one included, and then those that come and go.
    pub fn changes(&self) -> MemberChanges {
        MemberChanges {
            source: self.source.clone(),
            me: self.me.clone(),
            known: BTreeSet::new(),
            pending: Vec::new(),
            begun: false,
        }
    }
}

impl MemberChanges {
    /// Returns the next change. It is cancel safe.
    pub async fn next(&mut self) -> MemberChange {
        loop {
            if let Some(change) = self.pending.pop() {
                return change;
            }
            if self.begun {
                sleep(POLL).await;
            }
            self.begun = true;
            // Unreadable for a moment: the members are as they were.
            let Ok(alive) = self.source.alive().await else { continue };
            let mut alive: BTreeSet<Member> = alive.into_iter().collect();
            alive.insert(self.me.clone());
            self.pending.extend(alive.difference(&self.known).cloned().map(MemberChange::Joined));
            self.pending.extend(self.known.difference(&alive).cloned().map(MemberChange::Left));
            self.known = alive;
        }
    }
}

impl Source {
    /// The members that may be alive; this process may be left out.
    async fn alive(&self) -> io::Result<Vec<Member>> {
        match self.clone() {
            Self::Alone => Ok(Vec::new()),
            Self::Folder(folder) => {
                let listed = tokio::task::spawn_blocking(move || files::alive(&folder)).await;
                listed.map_err(io::Error::other)?
            }
            Self::Beats(beats) => Ok(beats.alive()),
        }
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("me", &self.me).finish_non_exhaustive()
    }
}

impl fmt::Debug for MemberChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberChanges").field("known", &self.known).finish_non_exhaustive()
    }
}

/// The members in `folder` that may be alive.
pub(crate) fn alive(folder: &std::path::Path) -> std::io::Result<Vec<Member>> {
    files::alive(folder)
}
