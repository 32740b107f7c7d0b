//! Keys and tokens, by their form.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::find::{known, replaced};

/// Whole texts that are secrets.
static FORMS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let forms = [
        // Amazon Web Services, Google, GitHub, GitLab, Slack, Stripe, npm, Hugging Face, model providers, SendGrid.
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"\bAIza[0-9A-Za-z_\-]{35}",
        r"\bgh[opsur]_[0-9A-Za-z]{36,251}\b",
        r"\bgithub_pat_[0-9A-Za-z_]{22,251}\b",
        r"\bglpat-[0-9A-Za-z_\-]{20,64}",
        r"\bxox[abeoprs]-[0-9A-Za-z\-]{10,250}",
        r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,250}\b",
        r"\bnpm_[0-9A-Za-z]{36}\b",
        r"\bhf_[0-9A-Za-z]{30,64}\b",
        r"\bsk-[0-9A-Za-z_\-]{20,250}",
        r"\bSG\.[0-9A-Za-z_\-]{22}\.[0-9A-Za-z_\-]{43}",
        // JSON Web Tokens, and private keys.
        r"\beyJ[0-9A-Za-z_\-]{8,}\.eyJ[0-9A-Za-z_\-]{8,}\.[0-9A-Za-z_\-]*",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----[0-9A-Za-z+/=\s\\:,\-]*?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----",
    ];
    known(&forms.join("|"))
});

/// Secrets that their names show: `password = ...`, `Authorization: Bearer ...`, and passwords in URLs.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    known(
        r#"(?i)(\bauthorization["']?\s*[:=]\s*["']?(?:basic|bearer)\s+|(?:api[_\-]?key|access[_\-]?key|secret(?:[_\-]?key)?|passwd|password|passphrase|(?:access|auth|refresh)[_\-]?token)["']?\s*[:=]\s*["']?|\b[a-z][a-z0-9+.\-]*://[^\s/:@"']*:)([^\s"'@,;&<>\[\]{}]{4,})"#,
    )
});

/// `text` with keys and tokens covered; `None` if it has none.
pub(super) fn covered(text: &str, cover: &str) -> Option<String> {
    let forms = replaced(&FORMS, text, |_| true, cover);
    let text = forms.as_deref().unwrap_or(text);
    let mut is_changed = false;
    let named = NAMED.as_ref().map(|pattern| {
        pattern.replace_all(text, |found: &Captures<'_>| {
            // In a URL, what follows its user is a password only before the host.
            let end = found.get(0).map_or(0, |whole| whole.end());
            let is_port = found[1].contains("://") && !text[end..].starts_with('@');
            if is_port {
                return found[0].to_owned();
            }
            is_changed = true;
            format!("{}{cover}", &found[1])
        })
    });
    let named = named.map(std::borrow::Cow::into_owned).filter(|_| is_changed);
    named.or(forms)
}
