//! Tokens that were verified, so that a call costs no signature.

use std::{
    collections::{HashMap, VecDeque},
    sync::{PoisonError, RwLock},
};

use ring::digest::{Context, SHA256};
use tokio::time::Instant;

/// What was found out about tokens, by the token and the resource that it was presented for. Tokens themselves are not kept.
pub(super) struct TokenCache<T>(RwLock<Table<T>>);

struct Table<T> {
    entries: HashMap<TokenHash, Cached<T>>,
    /// The tokens by age; some may be gone.
    order: VecDeque<TokenHash>,
}

struct Cached<T> {
    value: T,
    until: Instant,
}

/// The hash of a token and a resource.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(super) fn of(token: &str, resource: &str) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(token.as_bytes());
        // No token of a header has this byte, so no two pairs are the same text.
        hash.update(&[0]);
        hash.update(resource.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.finish().as_ref());
        Self(bytes)
    }
}

impl<T: Clone> TokenCache<T> {
    pub(super) fn new() -> Self {
        Self(RwLock::new(Table { entries: HashMap::new(), order: VecDeque::new() }))
    }

    /// What is known of a token at `now`.
    pub(super) fn get(&self, hash: &TokenHash, now: Instant) -> Option<T> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.entries.get(hash).filter(|cached| now < cached.until).map(|cached| cached.value.clone())
    }

    /// Keeps what is known of a token until `until`. Beyond `most`, the oldest are forgotten.
    pub(super) fn insert(&self, hash: TokenHash, value: T, until: Instant, most: usize) {
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

    /// The number of tokens.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
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
    }
}
