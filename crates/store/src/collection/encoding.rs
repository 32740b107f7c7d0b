//! How a record becomes the bytes of a value: its first byte says how to read the rest.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{BoxError, Bucket, Error, KEY_MAX, Key, Place, Store, VALUE_MAX, Write};

/// The parts of records that are larger than a value may be, under their SHA-256.
///
/// Records share equal parts, so a part is not removed with its record: it expires, never before a record that names it.
pub static BLOB: Bucket =
    Bucket::new("blob").place(Place::Shared).max_age(Duration::from_secs(100 * DAY)).max_bytes(512 << 20);

/// Encrypts the values of sealed buckets, with authentication.
pub trait Sealer: Send + Sync + 'static {
    /// Encrypts `bytes` so that they open for the same `purpose` only, which names the bucket and the id.
    ///
    /// # Errors
    /// If it cannot encrypt, such as without randomness.
    fn seal(&self, purpose: &str, bytes: &[u8]) -> Result<Vec<u8>, BoxError>;

    /// Decrypts what [`Sealer::seal`] returned for the same `purpose`.
    ///
    /// # Errors
    /// If it was sealed under another key or for another purpose, or was altered.
    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, BoxError>;
}

/// What the value of a divided record says.
#[derive(Debug, Deserialize, Serialize)]
struct Divided {
    /// The bytes of all parts together.
    bytes: usize,
    /// The ids of the parts, in order.
    parts: Vec<String>,
}

const DAY: u64 = 24 * 60 * 60;
/// The longest life of a record that names parts. They live longer, as they are written before it.
const PARTS_NAMED: Duration = Duration::from_secs(99 * DAY);
/// The largest record in bytes of JSON.
const RECORD_MAX: usize = 16 << 20;

/// JSON: an object, so the byte is its first.
const PLAIN: u8 = b'{';
/// JSON, compressed as an LZ4 block with its size.
const COMPRESSED: u8 = 1;
/// A [`Divided`]; the parts together are one of the other forms.
const DIVIDED: u8 = 2;
/// One of the other forms, encrypted.
const SEALED: u8 = 3;

/// Makes a value of a record that lives for `life`; writes its parts, if it needs any.
pub(super) async fn encode(
    store: &dyn Store,
    key: &Key,
    json: Vec<u8>,
    life: Option<Duration>,
    sealer: Option<&dyn Sealer>,
) -> Result<Vec<u8>, Error> {
    if json.len() > RECORD_MAX {
        return Err(Error::TooLarge { limit: RECORD_MAX });
    }
    let mut value = if json.len() > VALUE_MAX { tagged(COMPRESSED, &compress(&json)) } else { json };
    if key.bucket.sealed {
        let sealed = sealer_of(key, sealer)?.seal(&purpose(key), &value).map_err(Error::Fault)?;
        value = tagged(SEALED, &sealed);
    }
    if value.len() > VALUE_MAX {
        // The parts expire, and the record before them.
        if life.is_none_or(|life| life > PARTS_NAMED) {
            return Err(Error::TooLarge { limit: VALUE_MAX });
        }
        value = divide(store, value).await?;
    }
    Ok(value)
}

/// The JSON of a record.
pub(super) async fn decode(
    store: &dyn Store,
    key: &Key,
    value: &Bytes,
    sealer: Option<&dyn Sealer>,
) -> Result<Vec<u8>, Error> {
    let mut value = value.to_vec();
    if value.first() == Some(&DIVIDED) {
        value = join(store, &value).await?;
    }
    match (key.bucket.sealed, value.first()) {
        (true, Some(&SEALED)) => {
            let opened = sealer_of(key, sealer)?.open(&purpose(key), &value[1..]);
            value = opened.map_err(|_| Error::Unreadable)?;
        }
        // What is not encrypted was not written by us.
        (true, _) => return Err(Error::Unreadable),
        (false, _) => {}
    }
    match value.first() {
        Some(&PLAIN) => Ok(value),
        Some(&COMPRESSED) => decompress(&value[1..]).ok_or(Error::Unreadable),
        _ => Err(Error::Unreadable),
    }
}

/// Why the value of a record cannot be read, as far as can be seen without its key and its parts.
pub(crate) fn unreadable(bucket: &str, id: &str, value: &[u8]) -> Option<&'static str> {
    if bucket == BLOB.name() {
        return (digest(value) != id).then_some("its content does not have its SHA-256");
    }
    match value.first() {
        Some(&PLAIN) => serde_json::from_slice::<serde::de::IgnoredAny>(value).err().map(|_| "it is no JSON"),
        Some(&COMPRESSED) => decompress(&value[1..]).is_none().then_some("it cannot be decompressed"),
        Some(&DIVIDED) => {
            serde_json::from_slice::<Divided>(&value[1..]).err().map(|_| "its list of parts is damaged")
        }
        Some(&SEALED) => None,
        _ => Some("it is in no known form"),
    }
}

fn sealer_of<'a>(key: &Key, sealer: Option<&'a dyn Sealer>) -> Result<&'a dyn Sealer, Error> {
    sealer
        .ok_or_else(|| Error::fault(format!("the bucket {} is sealed, and there is no key", key.bucket.name)))
}

/// What a value is sealed for, so that it opens nowhere else.
fn purpose(key: &Key) -> String {
    format!("store {} {}", key.bucket.name, key.id)
}

fn tagged(tag: u8, rest: &[u8]) -> Vec<u8> {
    [&[tag], rest].concat()
}

fn compress(json: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress_prepend_size(json)
}

fn decompress(compressed: &[u8]) -> Option<Vec<u8>> {
    // The size is checked before memory is reserved for it.
    let (size, rest) = lz4_flex::block::uncompressed_size(compressed).ok()?;
    (size <= RECORD_MAX).then(|| lz4_flex::block::decompress(rest, size).ok()).flatten()
}

async fn divide(store: &dyn Store, value: Vec<u8>) -> Result<Vec<u8>, Error> {
    let bytes = value.len();
    let value = Bytes::from(value);
    let mut parts = Vec::new();
    for start in (0..bytes).step_by(VALUE_MAX) {
        let part = value.slice(start..bytes.min(start + VALUE_MAX));
        let id = digest(&part);
        // Also if it is there: it then lives as long as the bucket lets it from now on.
        store.put(&Key::new(&BLOB, id.as_str()), part, Write::ANY).await?;
        parts.push(id);
    }
    let divided = serde_json::to_vec(&Divided { bytes, parts }).map_err(Error::fault)?;
    Ok(tagged(DIVIDED, &divided))
}

async fn join(store: &dyn Store, value: &[u8]) -> Result<Vec<u8>, Error> {
    let divided: Divided = serde_json::from_slice(&value[1..]).map_err(|_| Error::Unreadable)?;
    // A sealed record is a third larger.
    if divided.bytes > 2 * RECORD_MAX {
        return Err(Error::Unreadable);
    }
    let mut joined = Vec::with_capacity(divided.bytes);
    for id in &divided.parts {
        if id.len() > KEY_MAX {
            return Err(Error::Unreadable);
        }
        let part = store.get(&Key::new(&BLOB, id.as_str())).await?.ok_or(Error::Unreadable)?;
        if digest(&part.value) != *id || joined.len() + part.value.len() > divided.bytes {
            return Err(Error::Unreadable);
        }
        joined.extend_from_slice(&part.value);
    }
    if joined.len() == divided.bytes { Ok(joined) } else { Err(Error::Unreadable) }
}

fn digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}
