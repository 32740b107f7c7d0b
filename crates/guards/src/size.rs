use anyport_protocol::json::{Elements, Members};

use crate::{place::unquoted, refusal::Fault};

/// The most bytes or items of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeCheck {
    /// The bytes of a text in UTF-8, or of another value as JSON.
    Bytes(usize),
    /// The elements of an array, or the members of an object.
    Items(usize),
}

impl SizeCheck {
    pub(crate) fn check(self, value: &str) -> Result<(), Fault> {
        let size = match self {
            Self::Bytes(_) if value.starts_with('"') => unquoted(value).len(),
            Self::Bytes(_) => value.len(),
            Self::Items(_) if value.starts_with('[') => Elements::of(value).count(),
            Self::Items(_) => Members::of(value).count(),
        };
        let (Self::Bytes(most) | Self::Items(most)) = self;
        if size > most { Err(format!("it has {size} {}", self.unit()).into()) } else { Ok(()) }
    }

    pub(crate) fn accepted(self) -> String {
        let (Self::Bytes(most) | Self::Items(most)) = self;
        format!("at most {most} {}", self.unit())
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Bytes(_) => "max_bytes",
            Self::Items(_) => "max_items",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Bytes(_) => "bytes",
            Self::Items(_) => "items",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_no_more_than_its_size() {
        for (check, right, wrong) in [
            (SizeCheck::Bytes(3), "\"abc\"", "\"abcd\""),
            (SizeCheck::Bytes(3), "\"\\u00e9a\"", "\"\\u00e9\\u00e9\""),
            (SizeCheck::Bytes(5), "[1,2]", "[1,22]"),
            (SizeCheck::Items(2), "[1,2]", "[1,2,3]"),
            (SizeCheck::Items(1), "{\"a\":1}", "{\"a\":1,\"b\":2}"),
            (SizeCheck::Items(0), "\"text\"", "[0]"),
        ] {
            assert_eq!(check.check(right), Ok(()), "{right}");
            assert!(check.check(wrong).is_err(), "{wrong}");
        }
    }
}
