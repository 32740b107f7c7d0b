//! A locked file per process: the operating system releases the lock when the process ends, however it ends.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::member::{Liveness, Member};

/// The locked file of this process. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    path: PathBuf,
    _locked: File,
}

/// A member with a random name.
pub(super) fn new_member() -> Member {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Member {
        id: format!("{:016x}", fastrand::u64(..)),
        incarnation: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
    }
}

impl Presence {
    /// Makes the locked file of `me` in `folder`, which exists.
    pub(crate) fn announce(folder: &Path, me: &Member) -> io::Result<Self> {
        let path = folder.join(file_name(me));
        // It gets its name once it is locked: other members never see an unlocked file of a process that is alive.
        let aside = folder.join(format!("{}.new", file_name(me)));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&aside)?;
        let locked = file.lock().and_then(|()| fs::rename(&aside, &path));
        if let Err(error) = locked {
            let _ = fs::remove_file(&aside);
            return Err(error);
        }
        Ok(Self { path, _locked: file })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the process of `member` holds its lock. The file of a process that ended is removed.
pub(super) fn liveness(folder: &Path, member: &Member) -> Liveness {
    let path = folder.join(file_name(member));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Liveness::Dead,
        Err(_) => return Liveness::Unknown,
    };
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = fs::remove_file(path);
            Liveness::Dead
        }
        Err(TryLockError::WouldBlock) => Liveness::Alive,
        Err(TryLockError::Error(_)) => Liveness::Unknown,
    }
}

/// The members in `folder` that are not known to be dead.
pub(super) fn alive(folder: &Path) -> io::Result<Vec<Member>> {
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let names = files.map(|file| file.map(|file| file.file_name()));
    let mut members = Vec::new();
    for name in names {
        if let Some(member) = name?.to_str().and_then(member)
            && liveness(folder, &member) != Liveness::Dead
        {
            members.push(member);
        }
    }
    Ok(members)
}

fn file_name(member: &Member) -> String {
    format!("{}-{}.lock", member.id, member.incarnation)
}

/// The member that a file name names.
fn member(name: &str) -> Option<Member> {
    let (id, incarnation) = name.strip_suffix(".lock")?.rsplit_once('-')?;
    Some(Member { id: id.into(), incarnation: incarnation.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_alive_while_its_lock_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (new_member(), new_member());
        let presence = Presence::announce(folder.path(), &one).unwrap();
        assert_eq!(liveness(folder.path(), &one), Liveness::Alive);
        assert_eq!(liveness(folder.path(), &other), Liveness::Dead);
        assert_eq!(alive(folder.path()).unwrap(), std::slice::from_ref(&one));
        drop(presence);
        assert_eq!(liveness(folder.path(), &one), Liveness::Dead);
        assert!(alive(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn the_file_of_a_process_that_was_killed_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let killed = new_member();
        let path = folder.path().join(file_name(&killed));
        File::create(&path).unwrap();
        assert_eq!(liveness(folder.path(), &killed), Liveness::Dead);
        assert!(!path.exists());
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        assert!(alive(folder.path()).unwrap().is_empty(), "other files are no members");
    }
}
