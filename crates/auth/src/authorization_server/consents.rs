//! The consents that are remembered, where that is configured.

use std::{sync::Arc, time::Duration};

use anyport_store::{Bucket, Collection, Error as StoreError, Store};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    authorization_request::AuthorizationRequest, browser::SEC_FETCH_SITE, client::redirect_uri,
    error::ServerError, settings::ConsentMode, token_text::hash, user::User,
};

/// What users have consented to, by user, client and redirect URI.
pub static REMEMBERED_CONSENTS: Bucket = Bucket::new("oauth-consent").max_bytes(64 << 20);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Remembered {
    scopes: Vec<String>,
}

/// The consents of a store.
#[derive(Debug)]
pub(super) struct Consents {
    records: Collection<Remembered>,
    mode: ConsentMode,
    life: Duration,
}

const FORMAT: u8 = 1;

impl Consents {
    pub(super) fn new(store: Arc<dyn Store>, mode: ConsentMode, life: Duration) -> Self {
        Self { records: Collection::new(store, &REMEMBERED_CONSENTS, FORMAT), mode, life }
    }

    /// Whether `user`, who is signed in to this browser, has consented to this before and need not do so again.
    ///
    /// A page of a hostile server could otherwise send the user here, and get a code for the session of its own.
    pub(super) async fn has(
        &self,
        request: &AuthorizationRequest,
        user: &User,
        headers: &HeaderMap,
    ) -> Result<bool, ServerError> {
        let site = headers.get(SEC_FETCH_SITE).and_then(|site| site.to_str().ok());
        if !self.may_remember(request) || !matches!(site, Some("none" | "same-origin")) {
            return Ok(false);
        }
        match self.records.get(&id(request, user)).await {
            Err(StoreError::Unreadable) => Ok(false),
            found => Ok(found?
                .is_some_and(|found| request.scopes.iter().all(|scope| found.value.scopes.contains(scope)))),
        }
    }

    /// Remembers that `user` has consented.
    pub(super) async fn remember(
        &self,
        request: &AuthorizationRequest,
        user: &User,
    ) -> Result<(), ServerError> {
        if self.may_remember(request) {
            let remembered = Remembered { scopes: request.scopes.clone() };
            self.records.set(&id(request, user), &remembered, Some(self.life)).await?;
        }
        Ok(())
    }

    fn may_remember(&self, request: &AuthorizationRequest) -> bool {
        self.mode == ConsentMode::Remember && !redirect_uri::is_on_this_machine(&request.redirect_uri)
    }
}

fn id(request: &AuthorizationRequest, user: &User) -> String {
    let AuthorizationRequest { client_id, redirect_uri, resource, .. } = request;
    hash(&json!([user.issuer, user.subject, client_id, redirect_uri, resource]).to_string())
}
