//! What a limit's declaration consists of.

use std::{num::NonZeroU32, time::Duration};

/// The declaration of one limit of `T`: its name, its unit, the fields that have its value, and its line in the book.
pub(crate) struct Declared<T: 'static> {
    /// The table of `docs/limits.md` in which it stands.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tables of the book are written from it"))]
    pub(crate) section: &'static str,
    /// Its name: in `--limit NAME=VALUE`, in errors, and in the metric `anyport_limit_refusals_total`.
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// The least value that makes sense.
    pub(crate) least: u32,
    /// The fields that have its value.
    pub(crate) fields: fn(&mut T) -> Vec<&mut dyn Value>,
    /// What the book says after the default.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tables of the book are written from it"))]
    pub(crate) note: &'static str,
    /// What happens beyond it.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tables of the book are written from it"))]
    pub(crate) beyond: &'static str,
}

impl<T> Declared<T> {
    pub(crate) const fn new(
        section: &'static str,
        name: &'static str,
        unit: Unit,
        fields: fn(&mut T) -> Vec<&mut dyn Value>,
        note: &'static str,
        beyond: &'static str,
    ) -> Self {
        Self { section, name, unit, least: 1, fields, note, beyond }
    }

    /// No value below `least` is taken.
    pub(crate) const fn at_least(mut self, least: u32) -> Self {
        self.least = least;
        self
    }

    /// Sets the limit in all its fields.
    pub(crate) fn set(&self, limits: &mut T, value: u32) {
        (self.fields)(limits).into_iter().for_each(|field| field.set(value));
    }
}

/// What the number of a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Messages, calls, connections and so on.
    Count,
    Bytes,
    Seconds,
}

/// A field that holds a limit.
pub(crate) trait Value {
    /// Sets it from the number of `--limit`.
    fn set(&mut self, value: u32);

    /// Its number; `None` if the default is chosen elsewhere.
    #[cfg_attr(not(test), allow(dead_code, reason = "the tables of the book are written from it"))]
    fn number(&self) -> Option<u64>;
}

impl Value for usize {
    fn set(&mut self, value: u32) {
        *self = Self::try_from(value).unwrap_or(Self::MAX);
    }

    fn number(&self) -> Option<u64> {
        u64::try_from(*self).ok()
    }
}

impl Value for u32 {
    fn set(&mut self, value: u32) {
        *self = value;
    }

    fn number(&self) -> Option<u64> {
        Some((*self).into())
    }
}

impl Value for u64 {
    fn set(&mut self, value: u32) {
        *self = value.into();
    }

    fn number(&self) -> Option<u64> {
        Some(*self)
    }
}

impl Value for NonZeroU32 {
    fn set(&mut self, value: u32) {
        *self = Self::new(value).unwrap_or(Self::MIN);
    }

    fn number(&self) -> Option<u64> {
        Some(self.get().into())
    }
}

impl Value for Duration {
    fn set(&mut self, value: u32) {
        *self = Self::from_secs(value.into());
    }

    fn number(&self) -> Option<u64> {
        Some(self.as_secs())
    }
}

impl<V: Value + Default> Value for Option<V> {
    fn set(&mut self, value: u32) {
        self.get_or_insert_default().set(value);
    }

    fn number(&self) -> Option<u64> {
        self.as_ref().and_then(Value::number)
    }
}
