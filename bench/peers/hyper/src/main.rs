//! What `tools/call` over HTTP costs at least: hyper alone.
//!
//! Usage: `bench-peer-hyper --mode constant|parse --port P`
//!
//! - `constant` takes the whole body and always answers with the same bytes.
//! - `parse` also reads the request, dispatches on the tool, reads its arguments and writes the answer. It checks no
//!   header, no schema and no limit, which a server must: it is a floor, not a competitor.

use std::{borrow::Cow, convert::Infallible, error::Error};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode, body::Incoming, header, header::HeaderValue, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::{net::TcpListener, runtime};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONSTANT: &[u8] = br#"{"jsonrpc":"2.0","id":1000000,"result":{"resultType":"complete","content":[{"type":"text","text":"The quick brown fox jumps over the lazy dog"}],"isError":false}}"#;

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: &'a RawValue,
    // Read, as every server must, and not looked at.
    #[serde(borrow, rename = "_meta")]
    _meta: &'a RawValue,
}

#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Add {
    a: f64,
    b: f64,
}

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    result: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    result_type: &'static str,
    content: [Text<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<Sum>,
    is_error: bool,
}

#[derive(Serialize)]
struct Text<'a> {
    r#type: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct Sum {
    sum: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    const USAGE: &str = "usage: bench-peer-hyper --mode constant|parse --port P";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["--mode", mode, "--port", port] = arguments.as_slice() else { return Err(USAGE.into()) };
    let port: u16 = port.parse()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    match *mode {
        "constant" => runtime.block_on(serve(port, |_| Some(Bytes::from_static(CONSTANT)))),
        "parse" => runtime.block_on(serve(port, |body| answer(body).map(Bytes::from))),
        _ => Err(USAGE.into()),
    }
}

async fn serve(port: u16, answer: fn(&[u8]) -> Option<Bytes>) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |request| respond(request, answer));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A client that leaves in the middle of a request is no concern of a benchmark.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: fn(&[u8]) -> Option<Bytes>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.ok();
    let answer = body.and_then(|body| answer(&body.to_bytes()));
    let status = if answer.is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let mut response = Response::new(Full::new(answer.unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn answer(body: &[u8]) -> Option<Vec<u8>> {
    let Call { jsonrpc, id, method, params } = serde_json::from_slice(body).ok()?;
    if jsonrpc != "2.0" || method != "tools/call" {
        return None;
    }
    let arguments = params.arguments.get();
    match &*params.name {
        "echo" => {
            let Echo { text } = serde_json::from_str(arguments).ok()?;
            write(id, &text, None)
        }
        "add" => {
            let Add { a, b } = serde_json::from_str(arguments).ok()?;
            let sum = Sum { sum: a + b };
            write(id, &serde_json::to_string(&sum).ok()?, Some(sum))
        }
        _ => None,
    }
}

fn write(id: &RawValue, text: &str, structured_content: Option<Sum>) -> Option<Vec<u8>> {
    let content = [Text { r#type: "text", text }];
    let result = Outcome { result_type: "complete", content, structured_content, is_error: false };
    let mut out = Vec::with_capacity(256);
    serde_json::to_writer(&mut out, &Answer { jsonrpc: "2.0", id, result }).ok()?;
    Some(out)
}
