use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

/// Seals text so that only this key's holders can read or make it. Nonces are random and 192 bits long, so any
/// number of replicas may share a key. Clones share their keys: see [`Sealer::set_keys`].
#[derive(Clone)]
pub struct Sealer {
    /// The first key seals; the others still open what they sealed before the key was changed.
    keys: Arc<RwLock<Arc<Keys>>>,
}

type Keys = Vec<(KeyId, XChaCha20Poly1305)>;

/// A secret key of 256 bits.
#[derive(Clone)]
pub struct Key([u8; 32]);

type KeyId = [u8; KEY_ID];

const KEY_ID: usize = 8;
const NONCE: usize = 24;

/// Why sealed text did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsealed {
    /// It was sealed under a key that is not held any more, or not here: the state is lost, not forged.
    #[error("sealed under another key")]
    OtherKey,
    /// It was altered, made up, or sealed for another purpose.
    #[error("not sealed by us, or altered since")]
    Tampered,
}

/// The operating system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("no randomness from the operating system")]
pub struct NoRandomness(#[from] getrandom::Error);

impl Key {
    /// A new key.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self(key))
    }

    /// A key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes. Store them where no other user can read them.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Sealer {
    /// A sealer that seals and opens with `key`.
    pub fn new(key: &Key) -> Self {
        Self::of(vec![Self::cipher(key)])
    }

    fn of(keys: Keys) -> Self {
        Self { keys: Arc::new(RwLock::new(Arc::new(keys))) }
    }

    /// Also opens what was sealed with an older key.
    #[must_use]
    pub fn with_older(self, key: &Key) -> Self {
        let mut keys = self.keys().to_vec();
        keys.push(Self::cipher(key));
        Self::of(keys)
    }

    /// Seals with `first` from now on, and opens with `older` as well, in all clones: keys are changed while a process runs. What was
    /// sealed with a key that is not among them does not open any more.
    pub fn set_keys(&self, first: &Key, older: &[Key]) {
        let keys = std::iter::once(first).chain(older).map(Self::cipher).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key's id precedes the sealed text. It is derived from the key, so nothing else has to be stored: the first
    /// bytes of the tag over an empty text.
    fn cipher(key: &Key) -> (KeyId, XChaCha20Poly1305) {
        let cipher = XChaCha20Poly1305::new(&key.0.into());
        let mut id = KeyId::default();
        let tag = cipher.encrypt(&XNonce::default(), Payload { msg: b"", aad: b"anyport key id" });
        if let Some(start) = tag.as_deref().ok().and_then(|tag| tag.first_chunk::<KEY_ID>()) {
            id = *start;
        }
        (id, cipher)
    }

    /// Seals `text` for `purpose`; the result is URL-safe Base64.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn seal(&self, purpose: &str, text: &[u8]) -> Result<String, NoRandomness> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)?;
        let mut sealed = Vec::with_capacity(KEY_ID + NONCE + text.len() + 16);
        if let Some((id, cipher)) = self.keys().first() {
            sealed.extend_from_slice(id);
            sealed.extend_from_slice(&nonce);
            // Encryption fails only beyond 256 GiB.
            let payload = Payload { msg: text, aad: purpose.as_bytes() };
            sealed.extend(cipher.encrypt(&nonce.into(), payload).unwrap_or_default());
        }
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`Sealer::seal`] sealed for the same purpose.
    ///
    /// # Errors
    /// Another key sealed it, or it is not ours at all.
    pub fn open(&self, purpose: &str, sealed: &str) -> Result<Vec<u8>, Unsealed> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Unsealed::Tampered)?;
        let (id, rest) = bytes.split_first_chunk::<KEY_ID>().ok_or(Unsealed::Tampered)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE>().ok_or(Unsealed::Tampered)?;
        let keys = self.keys();
        let (_, cipher) = keys.iter().find(|(key, _)| key == id).ok_or(Unsealed::OtherKey)?;
        let payload = Payload { msg: text, aad: purpose.as_bytes() };
        cipher.decrypt(&(*nonce).into(), payload).map_err(|_| Unsealed::Tampered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant: Altered, foreign, expired and misplaced state is refused, each with its own reason.
    #[test]
    fn what_is_sealed_opens_for_its_purpose_only() {
        let sealer = Sealer::new(&Key::random().unwrap());
        let sealed = sealer.seal("state", b"secret").unwrap();
        assert_eq!(sealer.open("state", &sealed).unwrap(), b"secret");
        assert_eq!(sealer.open("cursor", &sealed), Err(Unsealed::Tampered));
        assert!(!sealed.contains("secret"));
        assert_ne!(sealed, sealer.seal("state", b"secret").unwrap());
    }

    /// Invariant: Altered, foreign, expired and misplaced state is refused, each with its own reason.
    #[test]
    fn every_altered_character_is_noticed() {
        let sealer = Sealer::new(&Key::random().unwrap());
        let sealed = sealer.seal("state", b"x").unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(sealer.open("state", &altered).is_err(), "position {at}");
        }
        assert_eq!(sealer.open("state", &format!("{sealed}-TAMPERED")), Err(Unsealed::Tampered));
        assert_eq!(sealer.open("state", ""), Err(Unsealed::Tampered));
    }

    /// Invariant: Altered, foreign, expired and misplaced state is refused, each with its own reason.
    #[test]
    fn a_lost_key_is_told_apart_and_an_older_one_still_opens() {
        let (old, new) = (Key::random().unwrap(), Key::random().unwrap());
        let sealed = Sealer::new(&old).seal("state", b"x").unwrap();
        assert_eq!(Sealer::new(&new).open("state", &sealed), Err(Unsealed::OtherKey));
        assert_eq!(Sealer::new(&new).with_older(&old).open("state", &sealed).unwrap(), b"x");
    }
    /// Invariant: A key is changed while processes run: what the older key sealed opens until that key is taken away.
    #[test]
    fn keys_are_changed_in_all_clones() {
        let (old, new) = (Key::random().unwrap(), Key::random().unwrap());
        let sealer = Sealer::new(&old);
        let (clone, apart) = (sealer.clone(), sealer.clone().with_older(&new));
        let sealed = clone.seal("state", b"x").unwrap();
        sealer.set_keys(&new, std::slice::from_ref(&old));
        assert_eq!(clone.open("state", &sealed).unwrap(), b"x");
        let sealed_anew = clone.seal("state", b"y").unwrap();
        assert_eq!(Sealer::new(&new).open("state", &sealed_anew).unwrap(), b"y");
        sealer.set_keys(&new, &[]);
        assert_eq!(clone.open("state", &sealed), Err(Unsealed::OtherKey));
        assert_eq!(apart.open("state", &sealed).unwrap(), b"x", "it has keys of its own");
    }
}
