//! Which authorization server a client was given for: its secret goes to no other one.

use std::sync::Arc;

use anyport_store::{Bucket, Collection, Error as StoreError, Place, Store};
use serde::{Deserialize, Serialize};

use crate::{error::Error, record_id::record_id};

/// The authorization servers of clients that were given, by server and client. They are no secret, and outlive logouts.
pub static CLIENT_ISSUERS: Bucket = Bucket::new("client-issuer").place(Place::Local);

/// Keeps at which authorization server the credentials of a client are used.
///
/// 2026-07-28, client-registration §Authorization Server Binding: "Clients that use pre-registered credentials, or persist client
/// credentials obtained via Dynamic Client Registration, **MUST** associate those credentials with the specific authorization
/// server that issued them, keyed by the authorization server's `issuer` identifier."; "clients **MUST NOT** reuse client
/// credentials from a different authorization server".
#[derive(Clone)]
pub struct ClientIssuers {
    bindings: Collection<Binding>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Binding {
    issuer: String,
}

const FORMAT: u8 = 1;

impl ClientIssuers {
    /// The bindings in `store`, which must have been opened with [`CLIENT_ISSUERS`].
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { bindings: Collection::new(store, &CLIENT_ISSUERS, FORMAT) }
    }

    /// Binds the client `client_id` of `server` to `issuer`, if it is not bound. Another issuer takes its place only if the owner
    /// of the client has named it.
    ///
    /// # Errors
    /// [`Error::OtherIssuer`] if the client is bound to another one.
    pub(crate) async fn bind(
        &self,
        server: &str,
        client_id: &str,
        (issuer, is_named): (&str, bool),
    ) -> Result<(), Error> {
        let (id, binding) = (record_id(&[server, client_id]), Binding { issuer: issuer.to_owned() });
        if is_named {
            self.bindings.set(&id, &binding, None).await?;
            return Ok(());
        }
        match self.bindings.insert(&id, &binding, None).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match self.bindings.get(&id).await? {
            Some(bound) if bound.value.issuer != issuer => {
                Err(Error::OtherIssuer { before: bound.value.issuer, now: issuer.to_owned() })
            }
            _ => Ok(()),
        }
    }
}
