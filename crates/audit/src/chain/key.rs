use std::fmt;

use anyport_seal::Key;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::Sha256;

/// Makes the tags of chains: HMAC-SHA-256 (RFC 2104) under a key that is derived from the state key.
#[derive(Clone)]
pub(crate) struct ChainKey(Hmac<Sha256>);

/// A tag of a chain: 256 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag([u8; 32]);

/// What the key is derived for.
const PURPOSE: &[u8] = b"anyport audit chain 1";

impl ChainKey {
    /// The key of the chains, of the state key `key`.
    pub(crate) fn new(key: &Key) -> Self {
        let mut derived = keyed(key.as_bytes());
        derived.update(PURPOSE);
        Self(keyed(&derived.finalize().into_bytes()))
    }

    /// The tag of `parts`. Their lengths count, so that no two lists of parts are one text.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> Tag {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Tag(mac.finalize().into_bytes().into())
    }
}

/// HMAC takes keys of every length.
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    // A key of the length of a block is taken as it is (RFC 2104, section 2): shorter ones are filled with zeros, as here.
    Hmac::new(&block.into())
}

impl Tag {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its beginning, in hexadecimal, as it stands beside a record.
    pub(crate) fn short(&self) -> ShortTag {
        let mut digits = [0; 2 * SHORT];
        let (beginning, _) = self.0.split_at(SHORT);
        HEXLOWER.encode_mut(beginning, &mut digits);
        ShortTag(digits)
    }
}

/// The bytes of a tag whose digits stand beside a record.
const SHORT: usize = 16;

/// The beginning of a tag, in hexadecimal.
pub(crate) struct ShortTag([u8; 2 * SHORT]);

impl ShortTag {
    /// Its digits.
    pub(crate) fn as_str(&self) -> &str {
        // Digits are text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl std::str::FromStr for Tag {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("a tag is 64 hexadecimal digits")
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_depends_on_the_key_the_parts_and_where_they_end() {
        let key = |byte| ChainKey::new(&Key::from_bytes([byte; 32]));
        let one = key(1).tag(&[b"ab", b"c"]);
        assert_eq!(one, key(1).tag(&[b"ab", b"c"]));
        assert!(one != key(2).tag(&[b"ab", b"c"]) && one != key(1).tag(&[b"a", b"bc"]));
        assert_eq!(one.to_string().parse(), Ok(one));
        assert!("12".parse::<Tag>().is_err());
    }

    #[test]
    fn the_hash_is_hmac_sha_256() {
        // RFC 4231, section 4.3 (test case 2).
        let mut mac = keyed(b"Jefe");
        mac.update(b"what do ya want for nothing?");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(HEXLOWER.encode(&mac.finalize().into_bytes()), expected);
    }
}
