use serde_json::{Value, json};

use super::*;

struct Known;

impl SecretNames for Known {
    fn is_secret(&self, name: &str) -> bool {
        name == "password"
    }

    fn covered<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if text.contains("known-secret") {
            Cow::Owned(text.replace("known-secret", "<hidden>"))
        } else {
            text.into()
        }
    }
}

#[test]
fn data_of_each_kind_is_covered() {
    for (kind, text, expected) in [
        (DataKind::Email, "to ada.l+x@mail.example.co.uk.", "to [email hidden]."),
        (DataKind::Email, "<jürgen@müller.example>, b@c.de", "<[email hidden]>, [email hidden]"),
        (DataKind::CreditCard, "4111111111111111", "[credit_card hidden]"),
        (DataKind::CreditCard, "card 4111 1111 1111 1111 123 12/30", "card [credit_card hidden] 123 12/30"),
        (DataKind::CreditCard, "12 5500-0000-0000-0004.", "12 [credit_card hidden]."),
        (DataKind::CreditCard, "3782 822463 10005", "[credit_card hidden]"),
        (
            DataKind::CreditCard,
            "6011111111111117,4012888888881881",
            "[credit_card hidden],[credit_card hidden]",
        ),
        (DataKind::Iban, "DE89370400440532013000", "[iban hidden]"),
        (DataKind::Iban, "IBAN GB82 WEST 1234 5698 7654 32 BIC X", "IBAN [iban hidden] BIC X"),
        (DataKind::Iban, "gb82west12345698765432", "[iban hidden]"),
        (DataKind::Phone, "+49 (0)30 1234-5678", "[phone hidden]"),
        (DataKind::Phone, "call 212-555-0142 or (212) 555-0142", "call [phone hidden] or [phone hidden]"),
        (DataKind::Phone, "0049 30 12345678", "[phone hidden]"),
        (DataKind::UsSsn, "ssn 078-05-1120", "ssn [us_ssn hidden]"),
        (DataKind::Secrets, "key AKIAIOSFODNN7EXAMPLE!", "key [secrets hidden]!"),
        (DataKind::Secrets, &format!("ghp_{}", "a1".repeat(18)), "[secrets hidden]"),
        (DataKind::Secrets, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.abc-_", "[secrets hidden]"),
        (
            DataKind::Secrets,
            "a -----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----- b",
            "a [secrets hidden] b",
        ),
        (DataKind::Secrets, "password=hunter22 next", "password=[secrets hidden] next"),
        (DataKind::Secrets, "{\"api_key\": \"abcd1234\"}", "{\"api_key\": \"[secrets hidden]\"}"),
        (DataKind::Secrets, "Authorization: Bearer abcd.efgh", "Authorization: Bearer [secrets hidden]"),
        (DataKind::Secrets, "postgres://app:hunter22@db:5432/x", "postgres://app:[secrets hidden]@db:5432/x"),
    ] {
        let mask = Mask::new([kind]);
        assert_eq!(mask.text(text), expected, "{kind:?}");
        assert_eq!(mask.text(expected), expected, "{kind:?}: once");
    }
}

#[test]
fn what_only_looks_like_it_stays() {
    for text in [
        "user@host",
        "@decorator",
        "4111111111111112",
        "1234567890123456",
        "41111111111111111111111",
        "DE00370400440532013000",
        "DE8937040044053201300",
        "000-12-3456",
        "666-12-3456",
        "900-12-3456",
        "123-00-4567",
        "123-45-0000",
        "2026-11-24T10:11:12.123456Z",
        "1732443072123456",
        "version 1.2.3.4, port 8080, 10.0.0.1",
        "550e8400-e29b-41d4-a716-446655440000",
        "https://example.com:8443/path",
        "the password is secret",
        "max_tokens: 5",
        "",
    ] {
        assert!(matches!(Mask::new(DataKind::ALL).text(text), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn own_patterns_have_names() {
    let mask = Mask::new([]).pattern("employee", "EMP-[0-9]{4}").unwrap();
    assert_eq!(mask.text("EMP-1234 and EMP-12"), "[employee hidden] and EMP-12");
    assert_eq!(Mask::new([]).pattern("wrong", "(").err().map(|fault| fault.name), Some("wrong".to_owned()));
    assert_eq!(
        Mask::new([]).pattern("large", r"\w{1000}{100}").err().map(|fault| fault.why),
        Some(PatternError::TooLarge)
    );
    assert_eq!(Mask::new([]).pattern("empty", "x*").unwrap().text("ab"), "ab");
}

fn masked(result: Value) -> Value {
    let mask = Mask::new(DataKind::ALL).secrets(Arc::new(Known));
    mask.result(&result.into()).map(|result| result.decode().unwrap()).unwrap_or_default()
}

#[test]
fn texts_of_results_are_covered_and_all_other_bytes_stay() {
    let of = |email: &str, image: &str| {
        json!({
            "content": [
                {"type": "text", "text": email},
                {"type": "image", "data": image, "mimeType": "image/png"},
                {"type": "resource", "resource": {"uri": "mailto:a@b.example", "text": email, "blob": image}},
                {"type": "resource_link", "uri": "https://a.example/?m=a@b.example", "name": "x", "description": email},
            ],
            "structuredContent": {"data": [{"type": email}], "n": 4111111111111111_u64},
            "messages": [{"role": "user", "content": {"type": "text", "text": email}}],
            "contents": [{"uri": "a:b", "text": email}],
            "_meta": {"x": email},
            "resultType": "complete", "requestState": "a@b.example",
        })
    };
    let image = "a@b.example";
    assert_eq!(masked(of("from a@b.example", image)), of("from [email hidden]", image));
    let escaped = Raw::trusted(br#"{ "content" : [{"text":"a\u0040b.example"}], "n":1.50 }"#.to_vec());
    let mask = Mask::new([DataKind::Email]);
    assert_eq!(
        mask.result(&escaped).unwrap().as_str(),
        r#"{ "content" : [{"text":"[email hidden]"}], "n":1.50 }"#
    );
    assert!(mask.result(&json!({"content": [{"type": "text", "text": "plain"}]}).into()).is_none());
}

#[test]
fn secrets_are_covered_by_their_names_and_where_they_are_known() {
    assert_eq!(
        masked(
            json!({"structuredContent": {"password": "x", "list": {"password": ["y", ""]}, "other": "a known-secret"}})
        ),
        json!({"structuredContent": {"password": "[secrets hidden]", "list": {"password": ["[secrets hidden]", ""]}, "other": "a <hidden>"}})
    );
    assert_eq!(
        masked(json!({"structuredContent": {
            "password": {"value": "x", "history": [{"old": "y", "at": 1}]}, "list": [{"password": [["z"]]}],
        }})),
        json!({"structuredContent": {
            "password": {"value": "[secrets hidden]", "history": [{"old": "[secrets hidden]", "at": 1}]},
            "list": [{"password": [["[secrets hidden]"]]}],
        }})
    );
    let escaped = Raw::trusted(br#"{"structuredContent":{"p\u0061ssword":{"a":"x"}}}"#.to_vec());
    let mask = Mask::new(DataKind::ALL).secrets(Arc::new(Known));
    let covered = mask.result(&escaped).unwrap();
    assert_eq!(covered.as_str(), r#"{"structuredContent":{"p\u0061ssword":{"a":"[secrets hidden]"}}}"#);
    let without = Mask::new([DataKind::Email]).secrets(Arc::new(Known));
    assert!(without.value(&json!({"password": "x", "other": "known-secret"}).into()).is_none());
}

#[test]
fn masks_can_be_joined() {
    let joined =
        Mask::new([DataKind::Email]).joined(&Mask::new([DataKind::UsSsn]).pattern("x", "X+").unwrap());
    assert_eq!(joined.text("a@b.example 078-05-1120 XX"), "[email hidden] [us_ssn hidden] [x hidden]");
}

#[test]
fn names_of_members_are_covered_and_stay_different() {
    let of = |result: Value| masked(json!({"structuredContent": result}))["structuredContent"].take();
    assert_eq!(
        of(json!({"a@b.example": {"c@d.example": 1}, "plain": 2})),
        json!({"[email hidden]": {"[email hidden]": 1}, "plain": 2})
    );
    let several = of(json!({"a@b.example": 1, "c@d.example": 2, "[email hidden]": 3, "[email hidden] 1": 4}));
    let object = several.as_object().unwrap();
    assert_eq!(object.len(), 4, "{several}");
    assert!(object.keys().all(|name| name.starts_with("[email hidden]")), "{several}");
    let mut numbers: Vec<_> = object.values().cloned().collect();
    numbers.sort_by_key(Value::as_i64);
    assert_eq!(json!(numbers), json!([1, 2, 3, 4]));
    // However the name is written.
    let escaped = Raw::trusted(br#"{"structuredContent":{"a\u0040b.example":"\u0061@b.example"}}"#.to_vec());
    let covered = Mask::new([DataKind::Email]).result(&escaped).unwrap();
    assert_eq!(covered.as_str(), r#"{"structuredContent":{"[email hidden]":"[email hidden]"}}"#);
}
