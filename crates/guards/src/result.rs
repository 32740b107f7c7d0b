//! Guards on results.

use anyport_protocol::{
    Raw,
    json::{Elements, Members},
};

use crate::{
    Check, Guard, GuardedItem, Guards, Place, Refusal,
    html::SanitizeBudget,
    place::unquoted,
    refusal::Fault,
    text::{Changes, each_text_of_result},
};

impl Guards {
    /// Whether a guard is for the results of an item.
    pub fn are_for_results(&self, item: GuardedItem<'_>) -> bool {
        self.of_results(item).next().is_some()
    }

    fn of_results(&self, item: GuardedItem<'_>) -> impl Iterator<Item = &Guard> {
        let is_of_result = |guard: &&Guard| *guard.place() == Place::Result;
        self.guards.iter().filter(is_of_result).filter(move |guard| guard.is_for(item.kind, item.name))
    }

    /// Checks a result. Returns what takes its place, if something does, and tells `audit` what guards in audit mode would refuse.
    ///
    /// # Errors
    /// The first refusal.
    pub fn result(
        &self,
        item: GuardedItem<'_>,
        result: &Raw,
        mut audit: impl FnMut(Refusal),
    ) -> Result<Option<Raw>, Refusal> {
        let mut changed: Option<Raw> = None;
        for guard in self.of_results(item) {
            for check in guard.checks() {
                let now = changed.as_ref().unwrap_or(result);
                match self.part(check, now) {
                    Ok(_) if guard.is_audited() => {}
                    Ok(new) => changed = new.or(changed),
                    Err(fault) => {
                        let refusal =
                            guard.refusal(check, format!("the result of {:.128}", item.name), fault);
                        if !guard.is_audited() {
                            return Err(refusal);
                        }
                        audit(refusal);
                    }
                }
            }
        }
        Ok(changed)
    }

    fn part(&self, check: &Check, result: &Raw) -> Result<Option<Raw>, Fault> {
        let (size, most) = (result.as_str().len(), self.limits.guard_result_bytes);
        match check {
            Check::Size(size) => size.check(result.as_str()).map(|()| None),
            _ if size > most => {
                let why = format!("it has {size} bytes, more than {most} (guard_result_bytes)");
                Err(Fault::of_limit("guard_result_bytes", why))
            }
            Check::Html(change) => {
                let (mut changes, mut budget) = (Changes::default(), SanitizeBudget::new());
                each_text_of_result(result.as_str(), &|_| false, &mut |text| {
                    if let Some(new) = change.applied(&unquoted(text.string), &mut budget) {
                        changes.put(text, new);
                    }
                });
                Ok(changes.applied(result))
            }
            Check::Url(url) => links(result.as_str())
                .into_iter()
                .try_for_each(|link| url.written(&link).map(drop))
                .map(|()| None),
            // The others are refused where guards are read.
            _ => Ok(None),
        }
    }
}

/// The URLs that a result links to: those of links whose scheme is that of a web page.
fn links(result: &str) -> Vec<String> {
    let blocks = Members::find(result, "content").into_iter().flat_map(Elements::of);
    let links = blocks
        .filter(|block| Members::find(block, "type").is_some_and(|kind| unquoted(kind) == "resource_link"));
    let uris = links.filter_map(|link| Members::find(link, "uri")).map(|uri| unquoted(uri).into_owned());
    let is_web = |uri: &String| {
        let scheme = uri.split(':').next().unwrap_or_default();
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    };
    uris.filter(is_web).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{GuardLimits, HtmlChange, ItemKind, Items, Pattern, Resolve, SizeCheck, UrlCheck};

    fn checked(check: Check, limits: GuardLimits, result: Value) -> Result<Option<Value>, Refusal> {
        let items = Items { tools: vec![Pattern::new("*")], ..Items::default() };
        let guards = Guards::new([Guard::new("it", items, Place::Result, vec![check])], limits);
        let item = GuardedItem { kind: ItemKind::Tool, name: "read" };
        let changed = guards.result(item, &result.into(), |_| {})?;
        Ok(changed.map(|result| result.decode().unwrap()))
    }

    #[test]
    fn html_of_texts_is_made_harmless() {
        let of = |text: &str| {
            json!({
                "content": [{"type": "text", "text": text}, {"type": "image", "data": "<b>", "mimeType": "image/png"},
                    {"type": "resource", "resource": {"uri": "a:<b>", "text": text}}],
                "structuredContent": {"data": text, "n": 1, text: {text: 2}}, "resultType": "complete",
            })
        };
        let check = || Check::Html(HtmlChange::Sanitize);
        let changed = checked(check(), GuardLimits::default(), of("<script>1</script><b>x</b>")).unwrap();
        assert_eq!(changed, Some(of("<b>x</b>")));
        assert_eq!(checked(check(), GuardLimits::default(), of("plain")).unwrap(), None);
    }

    #[test]
    fn a_result_has_a_size() {
        let result = || json!({"content": [{"type": "text", "text": "<b>"}]});
        assert!(checked(Check::Size(SizeCheck::Bytes(10)), GuardLimits::default(), result()).is_err());
        let limits = GuardLimits { guard_result_bytes: 10, ..GuardLimits::default() };
        let refusal = checked(Check::Html(HtmlChange::Escape), limits, result()).unwrap_err();
        assert_eq!(refusal.limit, Some("guard_result_bytes"));
    }

    #[test]
    fn links_lead_where_they_may() {
        let url = || {
            Check::Url(UrlCheck {
                schemes: vec!["https".into()],
                hosts: vec![],
                is_public: true,
                resolve: Resolve::Check,
            })
        };
        for (uri, is_right) in [
            ("https://a.example.com/", true),
            ("file:///x", true),
            ("http://a.example.com/", false),
            ("HTTPS://127.0.0.1/", false),
        ] {
            let result = json!({"content": [{"type": "resource_link", "uri": uri, "name": "x"}]});
            assert_eq!(checked(url(), GuardLimits::default(), result).is_ok(), is_right, "{uri}");
        }
    }
}
