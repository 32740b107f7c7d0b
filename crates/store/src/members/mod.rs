//! The processes that share a store.

mod files;
mod member;

use std::{collections::BTreeSet, fmt, path::PathBuf, time::Duration};

use tokio::time::sleep;

pub(crate) use self::files::Presence;
pub use self::member::{Liveness, Member};

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
    /// The folder of the members' locked files; `None`: this process is the only member.
    folder: Option<PathBuf>,
}

/// The members of a store as they come and go: see [`Members::changes`].
pub struct MemberChanges {
    folder: Option<PathBuf>,
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
        Self { me: files::new_member(), folder: None }
    }

    /// The processes that have a locked file in `folder`. This process gets one by [`Presence::announce`].
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { me: files::new_member(), folder: Some(folder) }
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
        match &self.folder {
            Some(folder) => files::liveness(folder, member),
            None => Liveness::Dead,
        }
    }

    /// Reports the members that are alive, this one included, and then those that come and go.
    pub fn changes(&self) -> MemberChanges {
        MemberChanges {
            folder: self.folder.clone(),
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
            let mut alive: BTreeSet<Member> = match self.folder.clone() {
                Some(folder) => {
                    let listed = tokio::task::spawn_blocking(move || files::alive(&folder)).await;
                    // Unreadable for a moment: the members are as they were.
                    let Ok(Ok(listed)) = listed else { continue };
                    listed.into_iter().collect()
                }
                None => BTreeSet::new(),
            };
            alive.insert(self.me.clone());
            self.pending.extend(alive.difference(&self.known).cloned().map(MemberChange::Joined));
            self.pending.extend(self.known.difference(&alive).cloned().map(MemberChange::Left));
            self.known = alive;
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
