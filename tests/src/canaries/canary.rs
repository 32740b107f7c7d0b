use std::fmt;

/// A principal, and the canaries of which it alone may hear.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    number: usize,
    /// What its canaries begin with.
    prefix: String,
    /// What its canaries that are to be masked begin with.
    hidden: String,
}

/// What every canary begins with.
const CANARY: &str = "canary-";

/// What every canary begins with that the gateway masks in results and keeps out of its records.
const HIDDEN: &str = "hidden-";

/// The pattern by which the gateway knows these.
pub(super) const HIDDEN_PATTERN: &str = "hidden-[0-9]{3}-[0-9a-f]{8}-[0-9a-z]+";

impl Owner {
    pub(super) fn new(seed: u64, number: usize) -> Self {
        // Equal in every run of the seed, and in no two principals.
        let secret = fastrand::Rng::with_seed(seed ^ (number as u64 + 1).rotate_left(32)).u32(..);
        let words = format!("{number:03}-{secret:08x}-");
        Self { number, prefix: format!("{CANARY}{words}"), hidden: format!("{HIDDEN}{words}") }
    }

    pub(super) fn name(&self) -> String {
        format!("principal-{:03}", self.number)
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// A canary of its own.
    pub(super) fn canary(&self, word: impl fmt::Display) -> String {
        format!("{}{word}", self.prefix)
    }

    /// A canary of its own that is to be masked.
    pub(super) fn hidden(&self, word: impl fmt::Display) -> String {
        format!("{}{word}", self.hidden)
    }

    /// What of `text` it must not have got: the canary of another, or one that is to be masked, with the text around it.
    pub(super) fn crossing(&self, text: &str) -> Option<String> {
        let foreign = places(text, CANARY).find(|place| !text[*place..].starts_with(&self.prefix));
        let place = foreign.or_else(|| text.find(HIDDEN))?;
        Some(around(text, place))
    }
}

/// Whether `text` has a canary of anybody.
pub(super) fn any(text: &str) -> Option<String> {
    text.find(CANARY).or_else(|| text.find(HIDDEN)).map(|place| around(text, place))
}

/// A canary that is to be masked.
pub(super) fn any_hidden(text: &str) -> Option<String> {
    text.find(HIDDEN).map(|place| around(text, place))
}

/// The parts of `text` by which its canaries are owned, if they are of more than one principal.
pub(super) fn of_several(text: &str) -> Option<String> {
    let owner = |place: usize| text.get(place + CANARY.len()..place + CANARY.len() + OWNER);
    let mut owners = places(text, CANARY).filter_map(owner);
    let first = owners.next()?;
    owners.find(|other| *other != first).map(|other| format!("{first} and {other}"))
}

/// The length of the number and the secret of a principal.
const OWNER: usize = "000-00000000".len();

fn places<'a>(text: &'a str, mark: &'static str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(mark).map(|(place, _)| place)
}

/// The text around a place.
fn around(text: &str, place: usize) -> String {
    const MARGIN: usize = 200;
    let end = text.ceil_char_boundary((place + MARGIN).min(text.len()));
    format!("{:?}", &text[text.floor_char_boundary(place.saturating_sub(MARGIN))..end])
}

/// Searches the bytes of one direction of a connection, however they are cut.
#[derive(Debug)]
pub(super) struct Search {
    owner: Owner,
    /// The end of what was searched, in which a canary may begin.
    rest: Vec<u8>,
}

impl Search {
    pub(super) fn new(owner: Owner) -> Self {
        Self { owner, rest: Vec::new() }
    }

    /// A crossing in these bytes or at their border to those before.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<String> {
        self.rest.extend_from_slice(bytes);
        let text = String::from_utf8_lossy(&self.rest);
        let length = self.owner.prefix.len();
        // A canary of which only the beginning has come is judged when the rest has come.
        let begun = [CANARY, HIDDEN].into_iter().flat_map(|mark| places(&text, mark));
        let begun = begun.filter(|place| text.len() - place < length).min();
        let crossing = self.owner.crossing(&text[..begun.unwrap_or(text.len())]);
        let searched = self.rest.len().saturating_sub(length - 1);
        self.rest.drain(..searched);
        crossing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners() -> [Owner; 2] {
        [Owner::new(7, 0), Owner::new(7, 1)]
    }

    /// Invariant: The search for canaries finds a foreign one in the bytes of a connection, however they are cut.
    #[test]
    fn a_crossing_is_found_however_the_bytes_are_cut() {
        let [own, other] = owners();
        let says =
            |canary: &str| format!("HTTP/1.1 200 OK\r\nx: {canary}\r\n\r\ndata: {{\"ö\":\"{canary}\"}}\n\n");
        let harmless = says(&own.canary("1-9"));
        for (text, crosses) in [
            (harmless.clone(), false),
            (harmless.clone() + &says(&other.canary(3)), true),
            (harmless.clone() + &other.canary(""), true),
            (harmless.clone() + &own.hidden(3), true),
            (harmless + CANARY, false),
        ] {
            for size in [1, 2, 3, 7, 19, text.len()] {
                let mut search = Search::new(own.clone());
                let found = text.as_bytes().chunks(size).filter_map(|part| search.feed(part)).count();
                assert_eq!(found > 0, crosses, "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_was_found_shows_the_bytes_around() {
        let [own, other] = owners();
        let found = own.crossing(&format!("before {} after", other.canary(5))).unwrap();
        assert!(found.contains("before canary-001-") && found.contains("-5 after"), "{found}");
        assert_eq!(own.crossing(&format!("{} {}", own.canary(1), own.canary(2))), None);
    }

    #[test]
    fn a_record_of_two_principals_is_found() {
        let [one, two] = owners();
        let (one, two) = (one.canary(1), two.canary(1));
        assert_eq!(of_several(&format!("{one} {one} {CANARY}")), None);
        assert!(of_several(&format!("{one} {two}")).is_some());
        assert!(any("none").is_none() && any(&one).is_some());
    }

    #[test]
    fn a_hidden_canary_fits_the_pattern_of_the_gateway() {
        let hidden = owners()[1].hidden(format_args!("{:x}", 77));
        // The pattern, spelled out.
        let parts: Vec<_> = hidden.strip_prefix(HIDDEN).unwrap().split('-').collect();
        assert!(parts[0].len() == 3 && parts[1].len() == 8 && parts[2] == "4d", "{hidden} {HIDDEN_PATTERN}");
    }
}
