use proptest::prelude::*;

use super::*;

const GUIDE: &str = "\
Some words before any heading.

# Guide

An introduction to *clients*.

## Timeouts

A client that waits **forever** is a [leak](https://example.com/timeout). Set a timeout of `30 s`:

```rust
let client = Client::builder().timeout(Duration::from_secs(30)).build()?;
```

## Retries

> Wait longer after each retry, with *jitter*.

| status | retry |
|--------|-------|
| 503    | yes   |

<!-- retry budget -->

### Budgets
";

fn words(words: &[&str]) -> Words {
    let mut known = Words::default();
    words.iter().for_each(|word| known.add(word, 1.0));
    known
}

fn found(text: &str, wanted: &[&str]) -> (Option<String>, String) {
    let Snippet { fragment, text, .. } = snippet(text, &words(wanted));
    (fragment, text)
}

#[test]
fn a_passage_comes_from_the_section_that_has_most_of_the_words() {
    let (fragment, text) = found(GUIDE, &["client", "timeout"]);
    assert_eq!(fragment.as_deref(), Some("timeouts"));
    let plain = "A client that waits forever is a leak. Set a timeout of 30 s: \
                 let client = Client::builder().timeout(Duration::from_secs(30)).build()?;";
    assert_eq!(text, plain);
    let of_retries = snippet(GUIDE, &words(&["retries", "jitter"]));
    assert_eq!(of_retries.heading.as_deref(), Some("Retries"));
    assert_eq!(of_retries.text, "Wait longer after each retry, with jitter. status retry 503 yes");
}

#[test]
fn what_stands_before_the_first_heading_has_no_heading() {
    assert_eq!(found(GUIDE, &["before"]), (None, "Some words before any heading.".to_owned()));
}

#[test]
fn words_found_in_a_heading_lead_to_the_text_under_it() {
    assert_eq!(found(GUIDE, &["timeouts"]).0.as_deref(), Some("timeouts"));
    assert_eq!(found(GUIDE, &["budgets"]), (Some("budgets".to_owned()), String::new()));
}

#[test]
fn of_sections_that_have_the_words_the_one_that_is_called_so_is_shown() {
    let text = "# A\n\nOn token refresh, token refresh.\n\n## Token refresh\n\nA token needs a refresh.\n\n\
                ## B\n\nAgain token refresh, token refresh, token refresh.\n";
    assert_eq!(found(text, &["token", "refresh"]).0.as_deref(), Some("token-refresh"));
}

#[test]
fn a_text_without_the_words_is_shown_from_its_beginning() {
    let (fragment, text) = found(GUIDE, &["absent"]);
    assert_eq!(fragment, None);
    assert!(
        text.starts_with("Some words before any heading. An introduction to clients. A client"),
        "{text}"
    );
    assert_eq!(snippet("", &words(&["a"])), Snippet::default());
    assert_eq!(snippet("# Only\n", &Words::default()), Snippet::default());
}

#[test]
fn a_long_passage_is_cut_between_words_around_the_densest_place() {
    let filler = "lorem ipsum dolor sit amet ".repeat(2_000);
    let text = format!("# A\n\n{filler} needle {filler} the needle is in the haystack {filler}");
    let (fragment, text) = found(&text, &["needle", "haystack"]);
    assert_eq!(fragment.as_deref(), Some("a"));
    assert!(text.contains("the needle is in the haystack"), "{text}");
    let inner = text.strip_prefix('…').unwrap().strip_suffix('…').unwrap();
    assert!((SNIPPET_CHARS - 30..=SNIPPET_CHARS).contains(&inner.chars().count()), "{text}");
    for word in inner.split(' ') {
        assert!(
            format!("{filler} the needle is in haystack").contains(&format!("{word} ")) || word == "haystack"
        );
    }
}

#[test]
fn near_the_end_the_passage_is_filled_from_before() {
    let text = format!("{} needle", "lorem ipsum ".repeat(100));
    let (_, text) = found(&text, &["needle"]);
    assert!(text.starts_with('…') && text.ends_with("needle"));
    assert!(text.chars().count() > SNIPPET_CHARS - 20, "{text}");
}

#[test]
fn text_without_spaces_is_cut_between_characters() {
    let text = format!("# 見出し\n\n{}猫{}", "あ".repeat(1_000), "い".repeat(1_000));
    let (_, text) = found(&text, &["猫"]);
    assert!(text.contains('猫'));
    assert!(text.chars().count() <= SNIPPET_CHARS + 2);
}

/// Invariant: A snippet takes time in proportion to its document, and has a bounded length.
#[test]
fn a_large_document_takes_no_time_beyond_its_size() {
    // A quadratic step would take minutes for what is done in well under a second each.
    let one_section = "retry the client after a timeout, ".repeat(120_000);
    assert!(found(&one_section, &["client", "timeout", "retry"]).1.contains("client"));
    let many_sections = "## Retry\n\nretry the client\n\n".repeat(60_000);
    assert_eq!(found(&many_sections, &["client", "retry"]).0.as_deref(), Some("retry"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Invariant: A snippet takes time in proportion to its document, and has a bounded length.
    #[test]
    fn no_text_stops_it(
        text in "(\\PC|[a# \n`*>|é日_-]){0,200}",
        wanted in proptest::collection::vec("[a-cé日]{1,3}", 0..4),
    ) {
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        let Snippet { heading, text: passage, .. } = snippet(&text, &words(&wanted));
        prop_assert!(passage.chars().count() <= SNIPPET_CHARS + 2);
        prop_assert!(!passage.contains('\n'));
        if let Some(heading) = heading {
            prop_assert!(section::outline(&text).iter().any(|known| known.title == heading));
        }
    }
}
