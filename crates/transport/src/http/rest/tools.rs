//! `GET /mcp/tools`.

use anyport_protocol::{
    Error, Method, Raw,
    json::{Elements, Members, Splice},
    jsonrpc::{Reason, code},
    meta::key,
};
use anyport_service::{Authorization, Outcome, Request};
use http::{StatusCode, request::Parts};
use tokio::task::coop::consume_budget;

use super::{
    outcome::{recoded, wait},
    responses::{json, refused, unkept},
    service_call::{self, context},
};
use crate::http::{body::Response, state::State};

/// Lists the tools that `principal` may see: all pages together.
pub(super) async fn answer(state: &State, parts: &Parts, authorization: Authorization) -> Response {
    let category = match category(parts.uri.query().unwrap_or_default()) {
        Ok(category) => category,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error),
    };
    let mut listing = Listing::new(category, state.config.limits.max_tools_listed);
    let mut params = Raw::EMPTY_OBJECT;
    loop {
        consume_budget().await;
        let request = Request::new(Method::ToolsList, params);
        let reply = state.service.call(request, context(state, &parts.headers, authorization.clone()));
        let page = match service_call::outcome(reply).await {
            Outcome::Result(page) => page,
            // A service that has none.
            Outcome::Error(error) if error.code == code::METHOD_NOT_FOUND => break,
            Outcome::Error(error) => return failed(recoded(error)),
            Outcome::Failed(failure) => return failed(recoded(failure.to_error())),
            Outcome::InputRequired(_) => {
                return failed(Error::internal("the list of tools asks its client"));
            }
        };
        let next = listing.take(&page);
        match next {
            Some(next) => params = Splice::new().with("cursor", &next).finish(),
            None => break,
        }
    }
    unkept(json(listing.finish()))
}

/// The category that is asked for, if one is.
fn category(query: &str) -> Result<Option<String>, Error> {
    let mut category = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "category" {
            return Err(Error::invalid_request(format!(
                "unknown query parameter {name:.64?}; there is \"category\""
            )));
        }
        if category.replace(value.into_owned()).is_some() {
            return Err(Error::invalid_request("the query parameter \"category\" is there more than once"));
        }
    }
    // An empty field of a form asks for nothing.
    Ok(category.filter(|category| !category.is_empty()))
}

/// A list that there is not. It is no answer to a call, so HTTP says how it went.
fn failed(error: Error) -> Response {
    let status = match error.reason {
        Some(Reason::Overloaded | Reason::ShuttingDown | Reason::AuditUnavailable) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Some(Reason::RateLimited) => StatusCode::TOO_MANY_REQUESTS,
        Some(Reason::Forbidden) => StatusCode::FORBIDDEN,
        Some(Reason::Timeout) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = refused(status, &error);
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(http::header::RETRY_AFTER, wait(&error).into());
    }
    response
}

/// The list as it is written.
struct Listing {
    category: Option<String>,
    /// How many more tools, and pages, are looked at.
    room: usize,
    truncated: bool,
    out: Vec<u8>,
    listed: usize,
    /// Every category there is, where one is asked for.
    categories: Vec<String>,
}

impl Listing {
    fn new(category: Option<String>, room: usize) -> Self {
        let out = br#"{"tools":["#.to_vec();
        Self { category, room, truncated: false, out, listed: 0, categories: Vec::new() }
    }

    /// Takes the tools of a page. Returns the cursor of the next one, if that is to be read as well.
    fn take(&mut self, page: &Raw) -> Option<Raw> {
        let tools = Members::find(page.as_str(), "tools").unwrap_or_default();
        let mut tools = Elements::of(tools).map(|tool| page.slice(tool));
        let before = self.room;
        for tool in tools.by_ref().take(before) {
            self.room -= 1;
            self.add(&tool);
        }
        if self.room == before {
            // So a list that goes on for ever, and is empty, has an end.
            self.room = before.saturating_sub(1);
        }
        let next = page.member("nextCursor");
        self.truncated = self.room == 0 && (tools.next().is_some() || next.is_some());
        next.filter(|_| !self.truncated)
    }

    fn add(&mut self, tool: &Raw) {
        let meta = tool.member("_meta");
        let category = meta.as_ref().and_then(|meta| meta.member(key::CATEGORY));
        if let Some(wanted) = &self.category {
            let own = category.as_ref().and_then(Raw::as_string);
            if let Some(own) = &own
                && !self.categories.iter().any(|known| **known == **own)
            {
                self.categories.push(own.to_string());
            }
            if own.as_deref() != Some(wanted) {
                return;
            }
        }
        if self.listed > 0 {
            self.out.push(b',');
        }
        self.listed += 1;
        let mut told = Splice::retain(tool, |name| name != "category" && name != "parameters");
        if let Some(category) = category {
            told = told.with("category", &category);
        }
        // What MCP calls `inputSchema` is called so by those who know nothing of MCP.
        if let Some(schema) = tool.member("inputSchema") {
            told = told.with("parameters", &schema);
        }
        self.out.extend_from_slice(told.finish().as_str().as_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.push(b']');
        if self.category.is_some() && self.listed == 0 {
            let known = Raw::from(serde_json::Value::from(self.categories));
            self.out.extend_from_slice(br#","categories":"#);
            self.out.extend_from_slice(known.as_str().as_bytes());
        }
        if self.truncated {
            self.out.extend_from_slice(br#","truncated":true"#);
        }
        self.out.push(b'}');
        self.out
    }
}

#[cfg(test)]
mod tests {
    use anyport_protocol::Limits;

    use super::*;

    fn page(text: &str) -> Raw {
        Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
    }

    fn listed(listing: Listing) -> String {
        String::from_utf8(listing.finish()).unwrap()
    }

    const A: &str = r#"{"name":"a","inputSchema":{"type":"object"},"_meta":{"dev.anyport/category":"x"}}"#;
    const B: &str = r#"{"name":"b"}"#;

    #[test]
    fn a_tool_is_told_as_it_is_with_its_schema_and_category_where_others_look_for_them() {
        let mut listing = Listing::new(None, 9);
        assert_eq!(
            listing.take(&page(&format!(r#"{{"tools":[{A}],"nextCursor":"c"}}"#))),
            Some(page("\"c\""))
        );
        assert_eq!(listing.take(&page(&format!(r#"{{"tools":[{B}]}}"#))), None);
        let more = r#","category":"x","parameters":{"type":"object"}}"#;
        let a = format!("{}{more}", A.strip_suffix('}').unwrap());
        assert_eq!(listed(listing), format!(r#"{{"tools":[{a},{B}]}}"#));
    }

    #[test]
    fn an_unknown_category_is_told_which_there_are() {
        let mut listing = Listing::new(Some("y".into()), 9);
        listing.take(&page(&format!(r#"{{"tools":[{A},{B},{A}]}}"#)));
        assert_eq!(listed(listing), r#"{"tools":[],"categories":["x"]}"#);
    }

    #[test]
    fn a_list_without_an_end_has_one() {
        let tools = page(&format!(r#"{{"tools":[{B},{B},{B}],"nextCursor":"c"}}"#));
        for (room, expected) in [(2, 2), (3, 3), (4, 4), (6, 6)] {
            let mut listing = Listing::new(None, room);
            while listing.take(&tools).is_some() {}
            assert_eq!((listing.listed, listing.truncated), (expected, true));
        }
        let mut exact = Listing::new(None, 3);
        assert_eq!(exact.take(&page(&format!(r#"{{"tools":[{B},{B},{B}]}}"#))), None);
        assert!(!listed(exact).contains("truncated"));
        let (mut empty, mut pages) = (Listing::new(None, 5), 1);
        while empty.take(&page(r#"{"tools":[],"nextCursor":"c"}"#)).is_some() {
            pages += 1;
        }
        assert_eq!(pages, 5);
        assert_eq!(listed(empty), r#"{"tools":[],"truncated":true}"#);
    }

    #[test]
    fn a_query_asks_for_a_category_or_is_told_what_it_may_ask() {
        assert_eq!(category(""), Ok(None));
        assert_eq!(category("category="), Ok(None));
        assert_eq!(category("c%61tegory=a+%C3%A4"), Ok(Some("a ä".into())));
        for query in ["category=a&category=b", "categories=a", "category=a&x", "token=a"] {
            assert_eq!(category(query).unwrap_err().code, code::INVALID_REQUEST, "{query}");
        }
    }
}
