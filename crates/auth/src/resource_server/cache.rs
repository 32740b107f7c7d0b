//! Tokens that were verified, so that a call costs no signature.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{LazyLock, PoisonError, RwLock},
};

use siphasher::sip128::{Hash128, Hasher128 as _, SipHasher24};
use tokio::time::Instant;

/// What was found out about tokens, by the token and the resource that it was presented for. Tokens themselves are not kept.
pub(crate) struct TokenCache<T>(RwLock<Table<T>>);

struct Table<T> {
    entries: HashMap<TokenHash, Cached<T>>,
    /// The tokens by age; some may be gone.
    order: VecDeque<TokenHash>,
}

struct Cached<T> {
    value: T,
    until: Instant,
}

/// The hash of a token and a resource: SipHash-2-4 of 128 bits, with a key that this process alone has. A token with the hash of
/// another one cannot be looked for without the key. It costs a tenth of a SHA-256, which each call would pay.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash(u64, u64);

impl TokenHash {
    pub(crate) fn of(token: &str, resource: &str) -> Self {
        static KEY: LazyLock<[u64; 2]> = LazyLock::new(|| [random(), random()]);
        let mut hash = SipHasher24::new_with_keys(KEY[0], KEY[1]);
        hash.write(token.as_bytes());
        // No token of a header has this byte, so no two pairs are the same text.
        hash.write(&[0]);
        hash.write(resource.as_bytes());
        let Hash128 { h1, h2 } = hash.finish128();
        Self(h1, h2)
    }
}

/// 64 random bits; without randomness of the system, those that the standard library seeds its maps with.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one("token hash"))
}

impl<T: Clone> TokenCache<T> {
    pub(crate) fn new() -> Self {
        Self(RwLock::new(Table { entries: HashMap::new(), order: VecDeque::new() }))
    }

    /// What is known of a token at `now`.
    pub(crate) fn get(&self, hash: &TokenHash, now: Instant) -> Option<T> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.entries.get(hash).filter(|cached| now < cached.until).map(|cached| cached.value.clone())
    }

    /// Keeps what is known of a token until `until`. Beyond `most`, the oldest are forgotten.
    pub(crate) fn insert(&self, hash: TokenHash, value: T, until: Instant, most: usize) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Table { entries, order } = &mut *table;
        if entries.insert(hash, Cached { value, until }).is_none() {
            order.push_back(hash);
        }
        while entries.len() > most
            && let Some(oldest) = order.pop_front()
        {
            entries.remove(&oldest);
        }
    }

    /// Forgets a token.
    pub(crate) fn remove(&self, hash: &TokenHash) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if table.entries.remove(hash).is_some() {
            table.order.retain(|known| known != hash);
        }
    }

    /// The number of tokens.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).entries.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Limit: max_cached_tokens.
    #[tokio::test(start_paused = true)]
    async fn the_oldest_tokens_are_forgotten_beyond_the_limit() {
        let (cache, now) = (TokenCache::new(), Instant::now());
        let hash = |number: u32| TokenHash::of(&number.to_string(), "r");
        for number in 0..5 {
            cache.insert(hash(number), number, now + Duration::from_secs(60), 3);
        }
        assert_eq!(cache.len(), 3);
        assert_eq!((cache.get(&hash(1), now), cache.get(&hash(2), now)), (None, Some(2)));
        assert_eq!(cache.get(&hash(4), now + Duration::from_secs(60)), None);
        assert_eq!(cache.get(&TokenHash::of("4", "other"), now), None);
        cache.remove(&hash(4));
        assert_eq!((cache.get(&hash(4), now), cache.len()), (None, 2));
    }
}
