//! Settings and limits, declared once: [`settings!`](crate::settings!) makes a struct, its defaults and its setters from
//! one declaration, and [`limits!`](crate::limits!) also the table by which a program sets limits by name.

use std::{num::NonZeroU32, time::Duration};

/// A limit that a program can set by name: its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitSpec {
    /// The name: in configuration, in errors, and in the metric `anyport_limit_refusals_total`.
    pub name: &'static str,
    /// The unit of its value.
    pub unit: Unit,
    /// The smallest value that makes sense.
    pub at_least: u32,
    /// The text that follows the default in documents.
    pub note: &'static str,
    /// What happens beyond the limit.
    pub beyond: &'static str,
}

/// The unit of a limit's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Messages, calls, connections and so on.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// A limit together with the field that has its value.
pub struct LimitField<'a> {
    /// The description.
    pub spec: LimitSpec,
    /// The field.
    pub value: &'a mut dyn LimitValue,
}

/// The value of a limit: a number, a time, or an `Option` of these.
pub trait LimitValue {
    /// Sets the value; a time is given in seconds.
    fn set(&mut self, value: u32);

    /// Returns the value, or `None` if it is chosen elsewhere.
    fn number(&self) -> Option<u64>;
}

impl LimitSpec {
    /// A limit without a note, with a value of at least 1.
    pub const fn new(name: &'static str, unit: Unit, beyond: &'static str) -> Self {
        Self { name, unit, at_least: 1, note: "", beyond }
    }

    /// Sets the text that follows the default in documents.
    #[must_use]
    pub const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    /// Sets the smallest value that makes sense.
    #[must_use]
    pub const fn at_least(mut self, least: u32) -> Self {
        self.at_least = least;
        self
    }
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl LimitValue for $type {
            fn set(&mut self, value: u32) {
                *self = value.try_into().unwrap_or(Self::MAX);
            }

            fn number(&self) -> Option<u64> {
                u64::try_from(*self).ok()
            }
        }
    )*};
}

number!(u32, usize);

impl LimitValue for u64 {
    fn set(&mut self, value: u32) {
        *self = value.into();
    }

    fn number(&self) -> Option<u64> {
        Some(*self)
    }
}

impl LimitValue for NonZeroU32 {
    fn set(&mut self, value: u32) {
        *self = Self::new(value).unwrap_or(Self::MIN);
    }

    fn number(&self) -> Option<u64> {
        Some(self.get().into())
    }
}

impl LimitValue for Duration {
    fn set(&mut self, value: u32) {
        *self = Self::from_secs(value.into());
    }

    fn number(&self) -> Option<u64> {
        Some(self.as_secs())
    }
}

impl<V: LimitValue + Default> LimitValue for Option<V> {
    fn set(&mut self, value: u32) {
        self.get_or_insert_default().set(value);
    }

    fn number(&self) -> Option<u64> {
        self.as_ref().and_then(LimitValue::number)
    }
}

/// Declares a struct of settings: every field with its documentation, its default, and a setter of the same name.
///
/// The struct is `#[non_exhaustive]`, so that a further setting breaks no caller. A caller starts with `Default::default()`
/// and calls setters. Each field has, after its documentation and in this order:
/// - `#[cfg(..)]`, if it exists with a feature only;
/// - `#[default(..)]`: an expression, or a literal with a unit (`64 KiB`, `4 MiB`, `20 ms`, `30 s`, `10 minutes`, `1 hour`,
///   `1 day`), or `"text" = expression` with the text for the documentation;
/// - `#[limit(..)]`, if a program can set it by name (see [`limits!`](crate::limits!));
/// - `#[set(into)]`, if the setter takes everything that converts into the field's type.
///
/// ```
/// use std::time::Duration;
///
/// anyport_protocol::settings! {
///     /// How to knit.
///     #[derive(Clone, Debug, PartialEq)]
///     pub struct Knitting {
///         /// The pattern.
///         #[default("`plain`" = "plain".into())]
///         #[set(into)]
///         pub pattern: String,
///         /// The time for one row.
///         #[default(30 s)]
///         pub row_timeout: Duration,
///     }
/// }
///
/// let knitting = Knitting::default().pattern("cable");
/// assert_eq!((&*knitting.pattern, knitting.row_timeout), ("cable", Duration::from_secs(30)));
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$attribute:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:expr])*
                $(#[cfg($cfg:meta)])?
                #[default($($default:tt)+)]
                $(#[limit(
                    $unit:ident $limit:literal $(, note = $note:literal)? $(, at_least = $least:literal)?,
                    beyond = $beyond:literal
                )])?
                $(#[set($into:ident)])?
                $field_vis:vis $field:ident: $type:ty
            ),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[non_exhaustive]
        $vis struct $name {
            $(
                $(#[doc = $doc])*
                #[doc = ""]
                #[doc = concat!("Default: ", $crate::__setting!(@text $($default)+), ".")]
                $(
                    #[doc = ""]
                    #[doc = concat!("The limit `", $limit, "`; beyond it: ", $beyond, ".")]
                )?
                $(#[cfg($cfg)])?
                $field_vis $field: $type,
            )*
        }

        impl ::core::default::Default for $name {
            fn default() -> Self {
                Self {
                    $(
                        $(#[cfg($cfg)])?
                        $field: $crate::__setting!(@value $($default)+),
                    )*
                }
            }
        }

        impl $name {
            $(
                $(#[doc = $doc])*
                #[doc = ""]
                #[doc = concat!("Default: ", $crate::__setting!(@text $($default)+), ".")]
                $(#[cfg($cfg)])?
                #[must_use]
                #[allow(dead_code, reason = "a program may use some of its own setters only")]
                $field_vis fn $field(mut self, $field: $crate::__setting!(@parameter $($into)? $type)) -> Self {
                    self.$field = $crate::__setting!(@convert $($into)? $field);
                    self
                }
            )*
        }
    };
}

/// Declares a struct of limits: as [`settings!`](crate::settings!), with the method `limits_mut` for what can be set by name.
///
/// `#[limit(UNIT "NAME", note = "..", at_least = N, beyond = "..")]` makes a field settable by name: `UNIT` is `Count`, `Bytes`
/// or `Seconds`, the note follows the default in documents, `at_least` is the smallest value (1 if it is left out), and
/// `beyond` says what happens beyond the limit.
///
/// ```
/// anyport_protocol::limits! {
///     /// The limits of knitting.
///     #[derive(Clone, Debug)]
///     pub struct KnittingLimits {
///         /// The number of stitches of a row.
///         #[default(1_000)]
///         #[limit(Count "max_stitches", note = " a row", beyond = "the row ends")]
///         pub stitches: usize,
///     }
/// }
///
/// let mut limits = KnittingLimits::default();
/// for field in limits.limits_mut() {
///     assert_eq!((field.spec.name, field.value.number()), ("max_stitches", Some(1000)));
///     field.value.set(7);
/// }
/// assert_eq!(limits.stitches, 7);
/// ```
#[macro_export]
macro_rules! limits {
    (
        $(#[$attribute:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:expr])*
                #[default($($default:tt)+)]
                $(#[limit(
                    $unit:ident $limit:literal $(, note = $note:literal)? $(, at_least = $least:literal)?,
                    beyond = $beyond:literal
                )])?
                $(#[set($into:ident)])?
                $field_vis:vis $field:ident: $type:ty
            ),* $(,)?
        }
    ) => {
        $crate::settings! {
            $(#[$attribute])*
            $vis struct $name {
                $(
                    $(#[doc = $doc])*
                    #[default($($default)+)]
                    $(#[limit(
                        $unit $limit $(, note = $note)? $(, at_least = $least)?, beyond = $beyond
                    )])?
                    $(#[set($into)])?
                    $field_vis $field: $type,
                )*
            }
        }

        impl $name {
            /// Returns the limits that a program can set by name, each with its field.
            $vis fn limits_mut(&mut self) -> ::std::vec::Vec<$crate::settings::LimitField<'_>> {
                ::std::vec![$($(
                    $crate::settings::LimitField {
                        spec: $crate::settings::LimitSpec::new($limit, $crate::settings::Unit::$unit, $beyond)
                            $(.note($note))? $(.at_least($least))?,
                        value: &mut self.$field,
                    },
                )?)*]
            }
        }
    };
}

/// The parts of a setting's declaration, for [`settings!`](crate::settings!).
#[doc(hidden)]
#[macro_export]
macro_rules! __setting {
    (@value $number:literal KiB) => { $number << 10 };
    (@value $number:literal MiB) => { $number << 20 };
    (@value $number:literal ms) => { ::core::time::Duration::from_millis($number) };
    (@value $number:literal s) => { ::core::time::Duration::from_secs($number) };
    (@value $number:literal minutes) => { ::core::time::Duration::from_secs(60 * $number) };
    (@value $number:literal hour) => { ::core::time::Duration::from_secs(3600 * $number) };
    (@value $number:literal day) => { ::core::time::Duration::from_secs(24 * 3600 * $number) };
    (@value $text:literal = $default:expr) => { $default };
    (@value $default:expr) => { $default };

    (@text $number:literal $unit:ident) => { concat!(stringify!($number), " ", stringify!($unit)) };
    (@text $text:literal = $default:expr) => { $text };
    (@text $default:expr) => { concat!("`", stringify!($default), "`") };

    (@parameter into $type:ty) => { impl ::core::convert::Into<$type> };
    (@parameter $type:ty) => { $type };
    (@convert into $value:ident) => { ::core::convert::Into::into($value) };
    (@convert $value:ident) => { $value };
}

#[cfg(test)]
mod tests {
    use super::*;

    limits! {
        /// Limits of every kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        struct Every {
            /// Bytes.
            #[default(64 KiB)]
            #[limit(Bytes "bytes", note = "; not less than 8 KiB", at_least = 8192, beyond = "refused")]
            bytes: usize,
            /// A time.
            #[default(10 minutes)]
            #[limit(Seconds "time", beyond = "ended")]
            time: Duration,
            /// A number that is chosen elsewhere.
            #[default(None)]
            #[limit(Count "count", beyond = "refused")]
            count: Option<u32>,
            /// A setting without a name.
            #[default("no" = false)]
            on: bool,
        }
    }

    #[test]
    fn one_declaration_makes_default_setter_and_table() {
        let mut every = Every::default().on(true).time(Duration::from_secs(1));
        assert_eq!(every, Every { bytes: 65536, time: Duration::from_secs(1), count: None, on: true });
        let declared: Vec<_> = every
            .limits_mut()
            .iter()
            .map(|field| (field.spec.name, field.spec.at_least, field.spec.note, field.value.number()))
            .collect();
        let note = "; not less than 8 KiB";
        assert_eq!(
            declared,
            [("bytes", 8192, note, Some(65536)), ("time", 1, "", Some(1)), ("count", 1, "", None)]
        );
    }

    #[test]
    fn a_limit_is_set_by_its_number_whatever_its_type_is() {
        let mut every = Every::default();
        every.limits_mut().into_iter().for_each(|field| field.value.set(9000));
        let seconds = Duration::from_secs(9000);
        assert_eq!(every, Every { bytes: 9000, time: seconds, count: Some(9000), on: false });
    }
}
