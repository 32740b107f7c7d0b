use std::{fmt, ops::Range};

use crate::json::{Member, Raw, Span};

/// The params of a message: an object, with what the scan noted of where its members lie.
///
/// It is a [`Raw`] that answers [`Params::members`] without walking over its text once more; `_meta` alone, which the
/// server passes over, is longer than most arguments. Made from a [`Raw`], it has no notes and walks.
#[derive(Clone)]
pub struct Params {
    raw: Raw,
    places: Places,
}

/// How many members are noted. The three requests that are called most have at most five.
const NOTED: usize = 6;

/// Where members lie, in the order of the text; nothing when they are more than fit.
#[derive(Clone, Copy, Default)]
struct Places {
    all: [Place; NOTED],
    count: u8,
    known: bool,
}

/// Where a member lies within the text of the params. Longer texts than 64 KiB have no notes.
#[derive(Clone, Copy, Default)]
struct Place {
    key: (u16, u16),
    value: (u16, u16),
}

impl Params {
    /// `{}`.
    pub const EMPTY: Self = Self::plain(Raw::EMPTY_OBJECT);

    const fn plain(raw: Raw) -> Self {
        const NOWHERE: Place = Place { key: (0, 0), value: (0, 0) };
        Self { raw, places: Places { all: [NOWHERE; NOTED], count: 0, known: false } }
    }

    /// Notes where the members of `raw` lie, so that it is walked over but once. For params that were written anew and are asked for
    /// several members.
    pub fn noted(raw: Raw) -> Self {
        let mut notes = Notes::default();
        for Member { raw_key, value, range } in raw.members() {
            let key = range.start + 1;
            notes.note(&(key..key + raw_key.len()), &(range.end - value.len()..range.end));
        }
        notes.finish(raw)
    }

    /// The same params, with `value` in place of the value of the member called `name`; `None` if they have no such member. The
    /// notes move with the members, and nothing is written if the value is there already.
    #[must_use]
    pub fn with_value(&self, name: &str, value: &Raw) -> Option<Self> {
        let (text, value) = (self.raw.as_str(), value.as_str());
        let Member { range, value: old, .. } = self.members().find(|member| member.is(name))?;
        if old == value {
            return Some(self.clone());
        }
        let start = range.end - old.len();
        let raw = Raw::trusted_text([&text[..start], value, &text[range.end..]].concat());
        let Places { mut all, count, known } = self.places;
        let is_noted = known && raw.as_str().len() <= usize::from(u16::MAX);
        if !is_noted {
            return Some(Self::plain(raw));
        }
        for place in &mut all[..count.into()] {
            place.follow(start, value.len(), old.len());
        }
        Some(Self { raw, places: Places { all, count, known } })
    }

    /// The members.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        let (noted, walked) = match self.places.known {
            true => (&self.places.all[..self.places.count.into()], None),
            false => (&[][..], Some(self.raw.members())),
        };
        let text = self.raw.as_str();
        noted.iter().filter_map(move |place| place.member(text)).chain(walked.into_iter().flatten())
    }

    /// The text of the member called `name`, if there is one.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.members().find(|member| member.is(name)).map(|member| member.value)
    }

    /// The member called `name`, if there is one.
    pub fn member(&self, name: &str) -> Option<Raw> {
        self.find(name).map(|value| self.raw.slice(value))
    }

    /// Returns the text.
    pub fn raw(&self) -> &Raw {
        &self.raw
    }

    /// Converts the params into their text, without the notes.
    pub fn into_raw(self) -> Raw {
        self.raw
    }
}

impl Place {
    fn shift(&mut self, start: u16) {
        let by = |(from, to): (u16, u16)| (from - start, to - start);
        *self = Self { key: by(self.key), value: by(self.value) };
    }

    /// Follows the text, in which a value at `start` has `new` bytes in place of `old`.
    fn follow(&mut self, start: usize, new: usize, old: usize) {
        // Within the text, and so within 16 bits.
        let moved = |at: u16| if usize::from(at) > start { (usize::from(at) + new - old) as u16 } else { at };
        let both = |(from, to): (u16, u16)| (moved(from), moved(to));
        *self = Self { key: both(self.key), value: both(self.value) };
    }

    fn member(self, text: &str) -> Option<Member<'_>> {
        let range = |(start, end): (u16, u16)| usize::from(start)..usize::from(end);
        let (key, value) = (range(self.key), range(self.value));
        Some(Member {
            raw_key: text.get(key.clone())?,
            value: text.get(value.clone())?,
            range: key.start - 1..value.end,
        })
    }
}

/// Notes the members of params while their message is read: for now where they lie in the message, since they come
/// before the params that they belong to.
#[derive(Default)]
pub(super) struct Notes {
    all: [Place; NOTED],
    count: usize,
    /// Where the params begin.
    start: usize,
}

impl Notes {
    /// Notes where the params themselves lie.
    pub(super) fn begin(&mut self, params: &Span) {
        self.start = params.value.start;
    }

    /// Notes one of their members.
    pub(super) fn take(&mut self, span: &Span) {
        self.note(&span.key, &span.value);
    }

    fn note(&mut self, key: &Range<usize>, value: &Range<usize>) {
        let short = |range: &Range<usize>| -> Option<(u16, u16)> {
            Some((range.start.try_into().ok()?, range.end.try_into().ok()?))
        };
        let place = || Some(Place { key: short(key)?, value: short(value)? });
        if let (Some(slot), Some(place)) = (self.all.get_mut(self.count), place()) {
            *slot = place;
        } else {
            // Too many or too far: no place is good any more.
            self.all = Default::default();
        }
        self.count += 1;
    }

    /// The params with the text `raw`.
    pub(super) fn finish(mut self, raw: Raw) -> Params {
        let Ok(start) = u16::try_from(self.start) else { return raw.into() };
        if self.count > NOTED || self.all[..self.count].iter().any(|place| place.key.0 == 0) {
            return raw.into();
        }
        for place in &mut self.all[..self.count] {
            place.shift(start);
        }
        Params { raw, places: Places { all: self.all, count: self.count as u8, known: true } }
    }
}

impl From<Raw> for Params {
    fn from(raw: Raw) -> Self {
        Self::plain(raw)
    }
}

/// The notes follow from the text.
impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Params {}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.raw, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        json::Limits,
        jsonrpc::{Incoming, Message, read},
    };

    fn params(params: &str) -> Params {
        for message in [
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#),
            format!(r#"{{"params":{params},"jsonrpc":"2.0","id":1,"method":"m"}}"#),
        ] {
            let Ok(Incoming::One(Message::Request(request))) = read(message.into(), &Limits::default())
            else {
                panic!("no request: {params}")
            };
            let noted = request.params.unwrap();
            let walked = Params::from(noted.raw.clone());
            let all = |params: &Params| -> Vec<_> {
                params.members().map(|it| (it.key().into_owned(), it.value.to_owned(), it.range)).collect()
            };
            assert_eq!(all(&noted), all(&walked), "{params}");
            assert!(!walked.places.known);
            let noted_later = Params::noted(noted.raw.clone());
            assert_eq!(all(&noted_later), all(&walked), "{params}");
            assert_eq!(noted_later.places.known, noted.places.known, "{params}");
        }
        let message = format!(r#"{{"id":1,"params":{params},"jsonrpc":"2.0","method":"m"}}"#);
        match read(message.into(), &Limits::default()) {
            Ok(Incoming::One(Message::Request(request))) => request.params.unwrap(),
            _ => panic!("no request: {params}"),
        }
    }

    #[test]
    fn the_notes_say_what_a_walk_finds() {
        for text in [
            r#"{"name":"add","arguments":{"name":"x","a":[1,{"b":2}]},"_meta":{"name":"y"}}"#,
            r#"{ "na\u006de" : "esc\"aped" , "b":-1.5e3, "c" : { } }"#,
            "{}",
        ] {
            assert!(params(text).places.known, "{text}");
        }
        assert_eq!(params(r#"{"na\u006de":"é"}"#).find("name"), Some(r#""é""#));
        assert_eq!(params(r#"{"a":{"name":1}}"#).find("name"), None);
    }

    #[test]
    fn a_value_in_place_of_another_moves_what_follows() {
        let text = r#"{"a":{"x":[1]},"name":"add","b":"two","":3}"#;
        for (name, value) in [("name", "\"a much longer name\""), ("name", "1"), ("a", "{}"), ("", "[3,4]")] {
            let changed = params(text).with_value(name, &Raw::trusted(value.into())).unwrap();
            let walked = Params::from(changed.raw.clone());
            let all = |params: &Params| -> Vec<_> {
                params.members().map(|it| (it.key().into_owned(), it.value.to_owned(), it.range)).collect()
            };
            assert!(changed.places.known);
            assert_eq!(all(&changed), all(&walked), "{name}");
            assert_eq!(changed.find(name), Some(value));
            let kept = ["a", "name", "b", ""].into_iter().filter(|kept| *kept != name);
            kept.for_each(|kept| assert_eq!(changed.find(kept), params(text).find(kept), "{kept}"));
        }
        assert_eq!(params(text).with_value("c", &Raw::NULL), None);
        let long = Raw::string(&"x".repeat(70_000));
        let changed = params(text).with_value("name", &long).unwrap();
        assert!(!changed.places.known);
        assert_eq!((changed.find("name"), changed.find("b")), (Some(long.as_str()), Some("\"two\"")));
    }

    #[test]
    fn what_cannot_be_noted_is_walked() {
        let many = r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8}"#;
        assert!(!params(many).places.known);
        assert_eq!(params(many).find("g"), Some("7"));
        let long = format!(r#"{{"a":"{}","b":2,"c":3}}"#, "x".repeat(70_000));
        assert!(!params(&long).places.known);
        assert_eq!(params(&long).find("c"), Some("3"));
    }
}
