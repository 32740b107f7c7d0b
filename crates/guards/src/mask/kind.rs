use std::{str::FromStr, sync::LazyLock};

use regex::Regex;

use super::{
    card,
    find::{known, replaced},
    iban, secrets,
};

/// A kind of data that is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataKind {
    /// Keys and tokens, by their form, and what the program knows as its own.
    Secrets,
    /// E-mail addresses.
    Email,
    /// Numbers of payment cards, whose check digit is right.
    CreditCard,
    /// International bank account numbers, whose check digits are right.
    Iban,
    /// Telephone numbers: international ones (`+`), and those of North America.
    Phone,
    /// Social security numbers of the United States.
    UsSsn,
}

impl DataKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Secrets, Self::Email, Self::CreditCard, Self::Iban, Self::Phone, Self::UsSsn];

    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Email => "email",
            Self::CreditCard => "credit_card",
            Self::Iban => "iban",
            Self::Phone => "phone",
            Self::UsSsn => "us_ssn",
        }
    }

    /// What stands in the place of data.
    pub(super) fn cover(self) -> String {
        format!("[{} hidden]", self.as_str())
    }

    /// `text` with what is of this kind covered; `None` if there is nothing.
    pub(super) fn covered(self, text: &str) -> Option<String> {
        match self {
            Self::Secrets => secrets::covered(text, &self.cover()),
            Self::Email if !text.contains('@') => None,
            Self::Email => replaced(&EMAIL, text, |_| true, &self.cover()),
            Self::CreditCard => card::covered(text, &self.cover()),
            Self::Iban => iban::covered(text, &self.cover()),
            Self::Phone => replaced(&PHONE, text, |_| true, &self.cover()),
            Self::UsSsn => replaced(&SSN, text, is_ssn, &self.cover()),
        }
    }
}

impl FromStr for DataKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

static EMAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    known(
        r#"[^\s@<>()\[\]{}"',;:=|\\]+@(?:[^\s@<>()\[\]{}"',;:=|\\./?#&!]+\.)+[^\s@<>()\[\]{}"',;:=|\\./?#&!0-9]{2,}"#,
    )
});

static PHONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    known(
        r"(?:\+|\b00)[1-9](?:[ ().\-/]{0,2}[0-9]){7,14}\b|(?:\(|\b)[2-9][0-9]{2}(?:\) ?|[ .\-])[0-9]{3}[ .\-][0-9]{4}\b",
    )
});

static SSN: LazyLock<Option<Regex>> = LazyLock::new(|| known(r"\b([0-9]{3})[- ]([0-9]{2})[- ]([0-9]{4})\b"));

/// The Social Security Administration gives out no area 000, 666 or 900 to 999, no group 00 and no serial number 0000.
fn is_ssn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', ' ']).collect();
    let [area, group, serial] = parts[..] else { return false };
    !matches!(area, "000" | "666") && !area.starts_with('9') && group != "00" && serial != "0000"
}
