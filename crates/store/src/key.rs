use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    time::Duration,
};

use bytestring::ByteString;

/// The largest id of a key in bytes.
pub const KEY_MAX: usize = 256;

/// The name of a value: a bucket, and an id in it.
///
/// An id is at most 256 bytes long. `/` divides it into segments; a key also names everything below it where a prefix is
/// expected: the prefix `a/b` stands for `a/b` and `a/b/c`, not for `a/bc`. An empty id stands for the whole bucket.
#[derive(Clone)]
pub struct Key {
    /// The kind of state.
    pub bucket: &'static Bucket,
    /// The id in the bucket.
    pub id: ByteString,
}

/// One kind of state: how much of it stays, how long, and where.
///
/// There is one static value per kind; a store is opened with all that are used.
#[derive(Debug)]
pub struct Bucket {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) keep: Keep,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_bytes: u64,
    pub(crate) sealed: bool,
}

/// Which processes see a bucket, if a store is shared by several machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// All members of the store.
    Shared,
    /// The processes on this machine.
    Local,
}

/// How many versions of a key stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// This many, at least one: older ones are removed when a newer one is written.
    Newest(u32),
    /// All of them, as a log.
    All,
}

impl Bucket {
    /// A bucket whose keys have one version each, shared, unsealed, of at most 64 MiB, in which nothing expires by itself.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            place: Place::Shared,
            keep: Keep::Newest(1),
            max_age: None,
            max_bytes: 64 << 20,
            sealed: false,
        }
    }

    /// Sets which processes see it.
    #[must_use]
    pub const fn place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Sets how many versions of a key stay.
    #[must_use]
    pub const fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// Sets the age at which a version expires, whatever its write said.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Sets the size of all ids and values together, in bytes. A write beyond it is [`Error::Full`](crate::Error::Full).
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Has a [`Collection`](crate::Collection) encrypt its values.
    #[must_use]
    pub const fn sealed(mut self) -> Self {
        self.sealed = true;
        self
    }

    /// The name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Which processes see it.
    pub const fn where_seen(&self) -> Place {
        self.place
    }

    /// How long a version written with `ttl` lives; `None` if it does not expire.
    pub(crate) fn life(&self, ttl: Option<Duration>) -> Option<Duration> {
        match (self.max_age, ttl) {
            (Some(age), Some(ttl)) => Some(age.min(ttl)),
            (age, ttl) => age.or(ttl),
        }
    }
}

impl Key {
    /// The key `id` of `bucket`.
    pub fn new(bucket: &'static Bucket, id: impl Into<ByteString>) -> Self {
        Self { bucket, id: id.into() }
    }

    /// The prefix of all keys of `bucket`.
    pub fn all(bucket: &'static Bucket) -> Self {
        Self::new(bucket, "")
    }

    /// Whether `key` is this key, or below it by whole segments.
    pub fn covers(&self, key: &Self) -> bool {
        self.bucket.name == key.bucket.name
            && match key.id.strip_prefix(&*self.id) {
                Some(rest) => self.id.is_empty() || rest.is_empty() || rest.starts_with('/'),
                None => false,
            }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    /// By the name of the bucket, then by the bytes of the id.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.bucket.name, self.id.as_bytes()).cmp(&(other.bucket.name, other.id.as_bytes()))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.bucket.name, &*self.id).hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bucket.name, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BUCKET: Bucket = Bucket::new("things");
    static OTHER: Bucket = Bucket::new("others");

    #[test]
    fn a_prefix_covers_whole_segments() {
        let prefix = Key::new(&BUCKET, "a/b");
        for (id, is_covered) in [
            ("a/b", true),
            ("a/b/c", true),
            ("a/b/c/d", true),
            ("a/bc", false),
            ("a", false),
            ("a/b-c", false),
        ] {
            assert_eq!(prefix.covers(&Key::new(&BUCKET, id)), is_covered, "{id}");
            assert!(Key::all(&BUCKET).covers(&Key::new(&BUCKET, id)));
            assert!(!Key::all(&OTHER).covers(&Key::new(&BUCKET, id)));
        }
    }

    #[test]
    fn the_shorter_life_counts() {
        static SHORT: Bucket = Bucket::new("short").max_age(Duration::from_secs(5));
        assert_eq!(SHORT.life(None), Some(Duration::from_secs(5)));
        assert_eq!(SHORT.life(Some(Duration::from_secs(1))), Some(Duration::from_secs(1)));
        assert_eq!(SHORT.life(Some(Duration::from_secs(9))), Some(Duration::from_secs(5)));
        assert_eq!(BUCKET.life(None), None);
    }
}
