//! Methods of every shape that a tool may have.

#![deny(warnings, missing_docs, unreachable_pub)]

use std::sync::Mutex;

use anyport_server::{Context, Server, State, tools};

struct Shop {
    sold: Mutex<Vec<String>>,
}

struct Prices(u32);

#[tools]
impl Shop {
    const NAME: &'static str = "shop";

    fn new() -> Self {
        Self { sold: Mutex::default() }
    }

    /// Says its name.
    #[tool]
    fn name() -> &'static str {
        Self::NAME
    }

    /// Sells something.
    #[tool(name = "sell_one", idempotent = false)]
    async fn sell(
        &self,
        context: &Context,
        prices: State<Prices>,
        /// What
        #[arg(length = 1..=40)]
        item: String,
        mut count: Option<u8>,
    ) -> Result<String, std::num::ParseIntError> {
        let _ = (context.deadline(), count.take());
        self.note(item);
        Ok(prices.0.to_string())
    }

    #[tool(blocking)]
    fn sold(&self) -> Vec<String> {
        self.sold.lock().map(|sold| sold.clone()).unwrap_or_default()
    }

    #[cfg(any())]
    #[tool]
    fn absent(&self, of: NoSuchType) {}

    fn note(&self, item: String) {
        if let Ok(mut sold) = self.sold.lock() {
            sold.push(item);
        }
    }
}

mod inner {
    #[derive(Default)]
    pub(crate) struct Other;

    #[anyport_server::tools(crate = anyport_server)]
    impl Other {
        #[anyport_server::tool]
        fn other(&self) {}
    }
}

#[test]
fn methods_of_every_shape_are_tools() {
    let server = Server::builder("shop", "1.0.0")
        .state(Shop::new())
        .state(Prices(3))
        .state(inner::Other)
        .tools(Shop::tools())
        .tools(inner::Other::tools())
        .build();
    assert!(server.is_ok(), "{server:?}");
    assert_eq!(Shop::tools().len(), 3);
    assert_eq!(Shop::new().sold().len(), 0);
}
