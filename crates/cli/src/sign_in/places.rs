use std::{future::Future, pin::Pin, str::FromStr as _};

use anyport_auth::{Secret, SecretReader};

use crate::{
    secret_source::{InvalidSecretSource, SecretSource},
    target::{SecretValue, Surroundings},
};

/// Reads secrets at their places, as seen from some surroundings.
pub(super) struct Places(pub(super) Surroundings);

impl SecretReader for Places {
    fn read<'a>(
        &'a self,
        source: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Secret, String>> + Send + 'a>> {
        Box::pin(async move {
            let source = SecretSource::from_str(source).map_err(|InvalidSecretSource| NO_PLACE.to_owned())?;
            let surroundings = self.0.clone();
            // A file may be a pipe, and a command may ask its user.
            let read = tokio::task::spawn_blocking(move || source.read_text(&surroundings)).await;
            let text = read.map_err(|_| "it was not read to its end".to_owned())??;
            Ok(Secret::new(SecretValue::new(text).0))
        })
    }
}

const NO_PLACE: &str = "is the place of a secret: env:NAME, file:PATH or cmd:COMMAND";

/// `source` as it can be read from any folder.
pub(crate) fn absolute(source: SecretSource, surroundings: &Surroundings) -> SecretSource {
    match source {
        SecretSource::File(path) => {
            SecretSource::File(surroundings.cwd.join(path).to_string_lossy().into_owned())
        }
        source => source,
    }
}
