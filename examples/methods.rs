//! Tools from the methods of a type that is the server's state: `#[tools]` on its `impl`.
//!
//! ```sh
//! cargo run -p anyport-examples --bin methods
//! ```

use std::sync::{Mutex, PoisonError};

use anyport::{Context, ServeError, Server, serve, tools};

/// A shop that sells books. All calls share it, many at a time.
#[derive(Default)]
struct Shop {
    sold: Mutex<Vec<String>>,
}

#[tools]
impl Shop {
    /// Sells a book.
    #[tool(destructive = false, idempotent = false)]
    async fn sell(
        &self,
        /// Its title
        #[arg(length = 1..=80)]
        title: String,
        context: &Context,
    ) -> String {
        context.progress(1.0, 1.0, "wrapped").await;
        self.note(title)
    }

    /// Lists the books that were sold.
    #[tool(read_only, name = "sold_books")]
    fn sold(&self) -> Vec<String> {
        self.sold.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    // An ordinary method: it has no `#[tool]`.
    fn note(&self, title: String) -> String {
        let mut sold = self.sold.lock().unwrap_or_else(PoisonError::into_inner);
        sold.push(title);
        format!("That was number {}.", sold.len())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let server = Server::builder("methods", "1.0.0").state(Shop::default()).tools(Shop::tools()).build()?;
    serve(server).stdio().await
}
