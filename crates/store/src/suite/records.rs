//! Records of a collection.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::subject::{RECORDS, SECRETS, Subject, get, ids, key, put, text};
use crate::{BLOB, BoxError, Collection, Error, Key, Sealer, Store, VALUE_MAX, Write};

#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Thing {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    tags: BTreeMap<String, u32>,
}

fn things(store: &Arc<dyn Store>) -> Collection<Thing> {
    Collection::new(store.clone(), &RECORDS, 2)
}

async fn json(store: &dyn Store, id: &str) -> serde_json::Value {
    let value = get(store, &key(id)).await.expect("a record");
    serde_json::from_slice(&value).expect("JSON")
}

/// What a newer release added to a record survives a rewrite by an older one; what was removed stays away.
pub async fn records_keep_members_that_they_do_not_know(Subject { store, .. }: Subject) {
    let record = serde_json::json!({
        "format": 1, "name": "a", "note": "old", "color": "red", "tags": {"x": 1, "y": 2}
    });
    put(&*store, &key("a"), &record.to_string()).await;
    let things = things(&store);
    let change = |old: Option<Thing>| {
        let mut thing = old.unwrap_or_default();
        thing.note = None;
        thing.tags.remove("x");
        thing
    };
    let version = things.update("a", None, change).await.expect("an update");
    let new = serde_json::json!({"format": 2, "name": "a", "tags": {"y": 2}, "color": "red"});
    assert_eq!(json(&*store, "a").await, new);
    let read = things.get("a").await.expect("a get").expect("a record");
    assert_eq!((read.version, &*read.value.name, read.value.note), (version, "a", None));
    things.insert("b", &Thing::default(), None).await.expect("an insertion");
    assert!(matches!(things.insert("b", &Thing::default(), None).await, Err(Error::Conflict(Some(_)))));
    let (listed, next) = things.list("", None, 10).await.expect("a list");
    assert_eq!(listed.iter().map(|(id, _)| &**id).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(next, None);
    things.remove("b").await.expect("a removal");
    assert!(things.get("b").await.expect("a get").is_none());
}

/// A record is replaced if it still has the version that was read, and keeps what the older release does not know.
pub async fn a_record_is_replaced_at_the_expected_version_alone(Subject { store, .. }: Subject) {
    put(&*store, &key("a"), r#"{"format":1,"name":"a","tags":{},"color":"red"}"#).await;
    let things = things(&store);
    let read = things.get("a").await.expect("a get").expect("a record");
    let new = Thing { name: "b".into(), ..Thing::default() };
    let version = things.replace("a", read.version, &new, None).await.expect("a replacement");
    assert_eq!(json(&*store, "a").await["color"], "red");
    let late = things.replace("a", read.version, &read.value, None).await;
    assert!(matches!(late, Err(Error::Conflict(Some(_)))), "{late:?}");
    things.remove("a").await.expect("a removal");
    let gone = things.replace("a", version, &new, None).await;
    assert!(matches!(gone, Err(Error::Conflict(None))), "{gone:?}");
    assert!(things.get("a").await.expect("a get").is_none());
}

/// A record in a newer format is refused by name, and stays as it is; a list leaves it out.
pub async fn a_newer_record_is_never_rewritten(Subject { store, .. }: Subject) {
    let newer = r#"{"format":3,"name":{"first":"a"}}"#;
    put(&*store, &key("a"), newer).await;
    put(&*store, &key("broken"), "no record").await;
    let things = things(&store);
    assert!(matches!(things.get("a").await, Err(Error::Newer { format: 3 })));
    assert!(matches!(things.get("broken").await, Err(Error::Unreadable)));
    assert!(matches!(things.set("a", &Thing::default(), None).await, Err(Error::Newer { format: 3 })));
    assert!(matches!(things.update("a", None, Option::unwrap_or_default).await, Err(Error::Newer { .. })));
    assert_eq!(get(&*store, &key("a")).await, Some(text(newer)));
    things.set("c", &Thing::default(), None).await.expect("a set");
    let (listed, _) = things.list("", None, 10).await.expect("a list");
    assert_eq!(listed.len(), 1);
}

/// Updates that collide are repeated: none is lost.
pub async fn racing_updates_are_all_in_the_record(Subject { store, .. }: Subject) {
    let things = things(&store);
    let updates = (0..6).map(|number| {
        let things = things.clone();
        tokio::spawn(async move {
            let add = |old: Option<Thing>| {
                let mut thing = old.unwrap_or_default();
                thing.tags.insert(format!("tag{number}"), number);
                thing
            };
            things.update("a", None, add).await
        })
    });
    for update in updates.collect::<Vec<_>>() {
        update.await.expect("a task").expect("an update");
    }
    assert_eq!(things.get("a").await.expect("a get").expect("a record").value.tags.len(), 6);
}

/// Text that hardly compresses.
fn noise(bytes: usize) -> String {
    let mut random = fastrand::Rng::with_seed(7);
    (0..bytes).map(|_| random.alphanumeric()).collect()
}

/// A record of more than a value may hold is compressed, then divided; it must expire if it is divided.
pub async fn a_large_record_is_compressed_or_divided(Subject { store, .. }: Subject) {
    let things = things(&store);
    let plain = Thing { name: "x".repeat(3 << 20), ..Thing::default() };
    things.set("plain", &plain, None).await.expect("a record that compresses well");
    assert!(ids(&*store, &Key::all(&BLOB)).await.is_empty());
    assert_eq!(things.get("plain").await.expect("a get").expect("a record").value, plain);
    let random = Thing { name: noise(2 << 20), ..Thing::default() };
    let endless = things.set("random", &random, None).await;
    assert!(matches!(endless, Err(Error::TooLarge { limit: VALUE_MAX })), "{endless:?}");
    let day = Some(Duration::from_secs(24 * 60 * 60));
    things.set("random", &random, day).await.expect("a divided record");
    assert!(ids(&*store, &Key::all(&BLOB)).await.len() > 2);
    assert_eq!(things.get("random").await.expect("a get").expect("a record").value, random);
    let part = ids(&*store, &Key::all(&BLOB)).await.remove(0);
    put(&*store, &Key::new(&BLOB, part), "damaged").await;
    assert!(matches!(things.get("random").await, Err(Error::Unreadable)));
    things.set("random", &random, day).await.expect("what is written anew is whole again");
    assert_eq!(things.get("random").await.expect("a get").expect("a record").value, random);
}

/// Names the purpose before the text, each byte changed: enough to see what is sealed for what.
struct TestSealer;

impl Sealer for TestSealer {
    fn seal(&self, purpose: &str, bytes: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok([purpose.as_bytes(), b"\n", bytes].concat().iter().map(|byte| byte ^ 0x55).collect())
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, BoxError> {
        let opened: Vec<u8> = sealed.iter().map(|byte| byte ^ 0x55).collect();
        let text = opened.strip_prefix(format!("{purpose}\n").as_bytes());
        Ok(text.ok_or("sealed for another purpose")?.to_vec())
    }
}

/// A record of a sealed bucket is encrypted for its key, also if it is divided; what is not encrypted is not read.
pub async fn a_sealed_record_opens_in_its_place_only(Subject { store, .. }: Subject) {
    let secrets = Collection::<Thing>::new(store.clone(), &SECRETS, 1).sealer(Arc::new(TestSealer));
    let day = Some(Duration::from_secs(24 * 60 * 60));
    for name in ["password".to_owned(), noise(1 << 20)] {
        let secret = Thing { name, ..Thing::default() };
        secrets.set("a", &secret, day).await.expect("a sealed record");
        assert_eq!(secrets.get("a").await.expect("a get").expect("a record").value, secret);
        let value = get(&*store, &Key::new(&SECRETS, "a")).await.expect("a value");
        assert!(!String::from_utf8_lossy(&value).contains("password"));
        store.put(&Key::new(&SECRETS, "b"), value, Write::ANY).await.expect("a put");
        assert!(matches!(secrets.get("b").await, Err(Error::Unreadable)), "it was sealed for another id");
    }
    put(&*store, &Key::new(&SECRETS, "c"), r#"{"format":1,"name":"forged"}"#).await;
    assert!(matches!(secrets.get("c").await, Err(Error::Unreadable)), "it was never sealed");
    let keyless = Collection::<Thing>::new(store.clone(), &SECRETS, 1);
    assert!(matches!(keyless.get("a").await, Err(Error::Fault(_))));
    assert!(matches!(keyless.set("d", &Thing::default(), None).await, Err(Error::Fault(_))));
}
