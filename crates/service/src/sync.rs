//! A mutex that ignores poisoning.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A mutex whose [`lock`](Self::lock) always succeeds: a panic while it was held does not poison it.
///
/// Use it where every critical section leaves the value valid at each step. A panic in one call then ends that call, and
/// not every call after it.
#[derive(Default)]
pub struct Lock<T: ?Sized>(Mutex<T>);

impl<T> Lock<T> {
    /// A lock around `value`.
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// The value, without the lock.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits for the lock and takes it. Never hold the guard across an `await`.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, for the only owner of the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_panic_does_not_poison_the_lock() {
        let lock = Arc::new(Lock::new(1));
        let held = lock.clone();
        let panicked = std::thread::spawn(move || {
            let mut value = held.lock();
            *value = 2;
            panic!("while the lock is held");
        });
        assert!(panicked.join().is_err());
        assert_eq!(*lock.lock(), 2);
    }
}
