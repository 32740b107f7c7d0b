//! The names of streams and subjects: `AP_NAME_BUCKET`, and `ap.NAME.s.BUCKET.ID`.

use crate::Key;

/// The names of a store's things in NATS, of which an account can hold several.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// `ap.NAME.`
    prefix: String,
    /// `AP_NAME_`
    streams: String,
}

/// The characters that stand in a subject as they are. All others are `=XX`, but for `/`, which divides tokens as it
/// divides segments.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// What stands for an empty segment, since a token cannot be empty.
const EMPTY: &str = "=";

impl Names {
    /// The names of the store `name`.
    pub(super) fn new(name: &str) -> Self {
        Self { prefix: format!("ap.{name}."), streams: format!("AP_{name}_") }
    }

    /// The stream of a bucket.
    pub(super) fn stream(&self, bucket: &str) -> String {
        format!("{}{bucket}", self.streams)
    }

    /// What precedes the id in the subjects of a bucket.
    pub(super) fn bucket(&self, bucket: &str) -> String {
        format!("{}s.{bucket}.", self.prefix)
    }

    /// The subject of a key.
    pub(super) fn key(&self, key: &Key) -> String {
        let mut subject = self.bucket(key.bucket.name);
        for (number, segment) in key.id.split('/').enumerate() {
            if number > 0 {
                subject.push('.');
            }
            if segment.is_empty() {
                subject.push_str(EMPTY);
            }
            for byte in segment.bytes() {
                if is_plain(byte) {
                    subject.push(char::from(byte));
                } else {
                    subject.push_str(&format!("={byte:02X}"));
                }
            }
        }
        subject
    }

    /// The subjects of all keys below a prefix, without the key itself.
    pub(super) fn below(&self, prefix: &Key) -> String {
        if prefix.id.is_empty() {
            return format!("{}>", self.bucket(prefix.bucket.name));
        }
        format!("{}.>", self.key(prefix))
    }

    /// The subject of a member's beats.
    pub(super) fn beat(&self, member: &str) -> String {
        format!("{}beat.{member}", self.prefix)
    }
}

/// The id of the key whose subject ends with `rest`, after the part that its bucket has; `None` if no key has it.
pub(super) fn id(rest: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(rest.len());
    for (number, token) in rest.split('.').enumerate() {
        if number > 0 {
            bytes.push(b'/');
        }
        if token == EMPTY {
            continue;
        }
        let mut rest = token.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            if first == b'=' {
                let (digits, after) = rest.split_at_checked(2)?;
                let digits = std::str::from_utf8(digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            } else {
                bytes.push(first);
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a store can have this name.
pub(super) fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bucket;

    static THINGS: Bucket = Bucket::new("things");

    #[test]
    fn an_id_is_found_in_its_subject() {
        let names = Names::new("test");
        for id_text in
            ["a", "a/b", "a.b", "*", ">", "ä/ö", "a b", "=", "a//b", "/a", "a/", "/", "A-z_0", "\u{0}"]
        {
            let subject = names.key(&Key::new(&THINGS, id_text));
            let rest = subject.strip_prefix("ap.test.s.things.").unwrap();
            assert!(rest.split('.').all(|token| !token.is_empty()), "{id_text:?}: {rest}");
            assert!(!rest.contains(['*', '>', ' ']), "{id_text:?}: {rest}");
            assert_eq!(id(rest).as_deref(), Some(id_text), "{rest}");
        }
        assert_eq!(id("=4"), None);
        assert_eq!(id("=FF"), None, "no text");
    }

    #[test]
    fn a_prefix_names_what_is_below_it() {
        let names = Names::new("test");
        assert_eq!(names.below(&Key::all(&THINGS)), "ap.test.s.things.>");
        assert_eq!(names.below(&Key::new(&THINGS, "a/b")), "ap.test.s.things.a.b.>");
        assert_eq!(names.stream("things"), "AP_test_things");
    }

    #[test]
    fn a_name_fits_a_stream_and_a_subject() {
        assert!(is_name("anyport") && is_name("team-a_2"));
        assert!(!is_name("") && !is_name("a.b") && !is_name("a b") && !is_name(&"a".repeat(33)));
    }
}
