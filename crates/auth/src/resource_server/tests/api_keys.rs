//! Keys of this server's own.

use std::{sync::Arc, time::Duration};

use anyport_metrics::Metrics;
use anyport_store::{BLOB, Clock, MemoryStore, Store};

use super::fixture::{present, present_late, refusal};
use crate::resource_server::{API_KEY_USES, API_KEYS, ApiKeyRecords, ApiKeys, CreateError, Verifiers};

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(&[&API_KEYS, &API_KEY_USES, &BLOB], &Metrics::new()))
}

#[tokio::test]
async fn a_key_is_accepted_until_it_is_revoked() {
    let store = store();
    let (records, verifier) =
        (ApiKeyRecords::new(store.clone()), ApiKeys::new(store).includes("write", ["read"]));
    let (key, record) = records.create("robot", Some(vec!["write".into()]), None).await.unwrap();
    assert!(key.expose().starts_with(&format!("apk_{}_", record.id)), "{record:?}");
    let authorization = present_late(&verifier, key.expose()).await.unwrap();
    assert_eq!(authorization.principal().name(), Some("robot"));
    assert!(authorization.allows("read") && !authorization.allows("other"));
    let (second, _) = records.create("other", None, None).await.unwrap();
    while present(&verifier, second.expose()).is_err() {
        tokio::task::yield_now().await;
    }
    assert!(present(&verifier, second.expose()).unwrap().allows("everything"));
    assert_eq!(records.revoke(&record.id).await.unwrap().unwrap().name, "robot");
    assert_eq!(records.revoke(&record.id).await.unwrap(), None);
    while present(&verifier, key.expose()).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(refusal(present(&verifier, key.expose())).contains("revoked"));
    present(&verifier, second.expose()).unwrap();
}

/// Invariant: Of an API key only its hash is stored.
#[tokio::test]
async fn only_the_hash_of_a_key_is_stored() {
    let store = store();
    let (key, record) = ApiKeyRecords::new(store.clone()).create("robot", None, None).await.unwrap();
    let entry = store.get(&anyport_store::Key::new(&API_KEYS, record.id.as_str())).await.unwrap().unwrap();
    let secret = key.expose().rsplit_once(&format!("{}_", record.id)).unwrap().1;
    assert_eq!(secret.len(), 43);
    assert!(!String::from_utf8_lossy(&entry.value).contains(secret));
    assert!(!format!("{key:?}{record:?}").contains(secret));
}

#[tokio::test]
async fn a_key_with_another_secret_or_form_is_refused() {
    let store = store();
    let (records, verifier) = (ApiKeyRecords::new(store.clone()), ApiKeys::new(store));
    let (key, record) = records.create("robot", None, None).await.unwrap();
    present_late(&verifier, key.expose()).await.unwrap();
    for bad in [
        format!("apk_{}_{}", record.id, "A".repeat(43)),
        format!("apk_ffffffffffff_{}", "A".repeat(43)),
        format!("{}A", key.expose()),
        key.expose().to_ascii_uppercase(),
        "apk_".into(),
    ] {
        refusal(present(&verifier, &bad));
    }
}

#[tokio::test]
async fn a_key_ends_by_itself() {
    let (store, now) = (store(), Arc::new(std::sync::Mutex::new(std::time::SystemTime::now())));
    let clock = {
        let now = now.clone();
        Clock::new(move || *now.lock().unwrap())
    };
    let records = ApiKeyRecords::new(store.clone()).clock(clock.clone());
    let verifier = ApiKeys::new(store).clock(clock);
    let (key, record) = records.create("robot", None, Some(Duration::from_secs(3600))).await.unwrap();
    assert_eq!(record.expires, Some(record.created + 3600));
    assert!(present_late(&verifier, key.expose()).await.unwrap().expires().is_some());
    *now.lock().unwrap() += Duration::from_secs(3600);
    assert!(refusal(present(&verifier, key.expose())).contains("expired"));
}

#[tokio::test]
async fn the_last_use_is_written_once_a_minute() {
    let (store, now) = (store(), Arc::new(std::sync::Mutex::new(std::time::SystemTime::now())));
    let clock = {
        let now = now.clone();
        Clock::new(move || *now.lock().unwrap())
    };
    let records = ApiKeyRecords::new(store.clone()).clock(clock.clone());
    let verifier = ApiKeys::new(store.clone()).clock(clock);
    let (key, record) = records.create("robot", None, None).await.unwrap();
    assert_eq!(records.list().await.unwrap()[0].last_used, None);
    let used = async || records.list().await.unwrap()[0].last_used;
    present_late(&verifier, key.expose()).await.unwrap();
    while used().await != Some(record.created) {
        tokio::task::yield_now().await;
    }
    let version = async || {
        let key = anyport_store::Key::new(&API_KEY_USES, record.id.as_str());
        store.get(&key).await.unwrap().unwrap().version
    };
    let first = version().await;
    *now.lock().unwrap() += Duration::from_secs(59);
    present(&verifier, key.expose()).unwrap();
    tokio::task::yield_now().await;
    assert_eq!(version().await, first);
    *now.lock().unwrap() += Duration::from_secs(1);
    present(&verifier, key.expose()).unwrap();
    while version().await == first {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_key_needs_a_name_that_can_be_shown() {
    let records = ApiKeyRecords::new(store());
    for name in ["", "a\nb", &"x".repeat(101)] {
        assert!(matches!(records.create(name, None, None).await, Err(CreateError::Name)));
    }
}

#[tokio::test]
async fn a_key_goes_to_its_verifier_alone() {
    let store = store();
    let (key, _) = ApiKeyRecords::new(store.clone()).create("robot", None, None).await.unwrap();
    let verifiers = Verifiers::new().api_keys(ApiKeys::new(store.clone())).unwrap();
    present_late(&verifiers, key.expose()).await.unwrap();
    assert!(verifiers.api_keys(ApiKeys::new(store)).is_err());
}
