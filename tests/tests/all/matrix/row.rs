use std::pin::Pin;

use anyport::Revision;
use serde_json::{Value, json};

use crate::matrix::{
    pair::{Pair, Way},
    peer::Peer,
    verdict::{Carried, Measured, Verdict},
};

/// One thing that users care for, and what has to become of it between any two revisions.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The first revision of a server that has it.
    pub(crate) server_since: Revision,
    /// The last one, where it was taken away again.
    pub(crate) server_until: Revision,
    pub(crate) client_since: Revision,
    pub(crate) client_until: Revision,
    /// Whether the server speaks 2026-07-28 as well.
    pub(crate) is_of_both_eras: bool,
    rule: fn(Revision, Revision) -> Verdict,
    declares: fn(Revision) -> Value,
    measure: Box<dyn Measure>,
}

impl Row {
    /// Carried between all revisions, unless the other methods say otherwise.
    pub(crate) fn new(name: &'static str, measure: impl AsyncFn(&mut Pair) -> Measured + 'static) -> Self {
        Self {
            name,
            server_since: Revision::V2024_11_05,
            server_until: Revision::NEWEST,
            client_since: Revision::V2024_11_05,
            client_until: Revision::NEWEST,
            is_of_both_eras: false,
            rule: |_, _| Carried,
            declares: everything,
            measure: Box::new(measure),
        }
    }

    /// Servers have it since `revision`.
    pub(crate) fn since(mut self, revision: Revision) -> Self {
        self.server_since = revision;
        self
    }

    /// Servers have it up to `revision`.
    pub(crate) fn until(mut self, revision: Revision) -> Self {
        self.server_until = revision;
        self
    }

    /// Servers have it that speak 2026-07-28, too.
    pub(crate) fn of_both_eras(mut self) -> Self {
        self.is_of_both_eras = true;
        self.until(Revision::V2025_11_25)
    }

    /// Clients have it since `revision`; what no client can say needs no bridge.
    pub(crate) fn client_since(mut self, revision: Revision) -> Self {
        self.client_since = revision;
        self
    }

    pub(crate) fn client_until(mut self, revision: Revision) -> Self {
        self.client_until = revision;
        self
    }

    /// What has to become of it, between a client's and a server's revision.
    pub(crate) fn rule(mut self, rule: fn(Revision, Revision) -> Verdict) -> Self {
        self.rule = rule;
        self
    }

    /// The client declares this instead of all that its revision has.
    pub(crate) fn declaring(mut self, declares: fn(Revision) -> Value) -> Self {
        self.declares = declares;
        self
    }

    /// Whether both of these have it.
    pub(crate) fn has(&self, client: Revision, server: Revision) -> bool {
        (self.client_since..=self.client_until).contains(&client)
            && (self.server_since..=self.server_until).contains(&server)
    }

    pub(crate) fn expected(&self, client: Revision, server: Revision) -> Verdict {
        (self.rule)(client, server)
    }

    /// Lets it happen, and says what became of it.
    pub(crate) async fn measure(
        &self,
        client: Revision,
        server: Revision,
        way: Way,
    ) -> Result<Verdict, String> {
        let words = |error: anyport_testing::Lost| error.to_string();
        let peer = if self.is_of_both_eras { Peer::of_both_eras(server) } else { Peer::new(server) };
        let declared = (self.declares)(client);
        let mut pair = Pair::open(client, (server, peer), declared, way).await.map_err(words)?;
        let verdict = self.measure.of(&mut pair).await.map_err(words)?;
        pair.fits()?;
        Ok(verdict)
    }
}

/// An asynchronous function in a box.
trait Measure {
    fn of<'a>(&'a self, pair: &'a mut Pair) -> Pin<Box<dyn Future<Output = Measured> + 'a>>;
}

impl<F: AsyncFn(&mut Pair) -> Measured> Measure for F {
    fn of<'a>(&'a self, pair: &'a mut Pair) -> Pin<Box<dyn Future<Output = Measured> + 'a>> {
        Box::pin(self(pair))
    }
}

/// All that a client of `revision` can declare.
fn everything(revision: Revision) -> Value {
    let mut all = json!({"sampling": {}, "roots": {"listChanged": true}});
    if revision >= Revision::V2025_06_18 {
        all["elicitation"] = json!({});
    }
    if revision >= Revision::V2025_11_25 {
        all["elicitation"] = json!({"form": {}, "url": {}});
        all["sampling"] = json!({"tools": {}, "context": {}});
    }
    if revision == Revision::V2025_11_25 {
        all["tasks"] = json!({"requests": {"elicitation": {"create": {}}}});
    }
    if revision.is_stateless() {
        all["roots"] = json!({});
        all["extensions"] = json!({"io.modelcontextprotocol/tasks": {}});
    }
    all
}
