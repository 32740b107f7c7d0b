//! BM25 over weighted fields: the score of a text by the words of a query.
//!
//! A word has *evidence* in each field of a text: its BM25 frequency there, times the field's weight. The evidence of all fields
//! is added up, and the sum is *damped*: a text that repeats one word in its title, headings and first words must not come
//! before a text that has all words of the query. What a word contributes to the score is its [`information`] times its
//! [`damped`] evidence.

/// A field of a text, such as its title.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Field {
    /// The evidence of one occurrence in a field of usual length.
    pub weight: f32,
    /// The number of words that such a field usually has.
    pub usual_length: f32,
}

impl Field {
    /// The evidence of a word that is `occurrences` times in a field of `length` words.
    #[allow(clippy::cast_precision_loss)] // a ratio
    pub fn evidence(&self, occurrences: u32, length: u32) -> f32 {
        let (occurrences, length) = (occurrences as f32, length as f32 / self.usual_length.max(1.0));
        let half = HALF_SATURATED * (1.0 - LENGTH_SHARE + LENGTH_SHARE * length);
        self.weight * (1.0 + HALF_SATURATED) * occurrences / (occurrences + half)
    }
}

/// The evidence of all fields together: nearly the sum as long as it is small, and never more than
/// `MOST_EVIDENCE` and a bit.
pub fn damped(evidence: f32) -> f32 {
    evidence * (1.0 + MOST_EVIDENCE) / (MOST_EVIDENCE + evidence)
}

/// How much it says that a text has a word that `having` of all `texts` have: next to nothing if nearly all have it.
///
/// This is the inverse document frequency of BM25, to a power: several everyday words of a query tend to be in the same texts,
/// and together say less than one rare word.
#[allow(clippy::cast_precision_loss)] // a ratio
pub fn information(texts: u64, having: u64) -> f32 {
    let (all, having) = (texts as f32, having.min(texts) as f32);
    (1.0 + (all - having + 0.5) / (having + 0.5)).ln().powf(RARITY)
}

/// The power of the inverse document frequency.
const RARITY: f32 = 1.3;
/// The frequency that brings half of a field's evidence: the `k1` of BM25.
const HALF_SATURATED: f32 = 1.2;
/// How much the length of a field counts, from 0 to 1: the `b` of BM25.
const LENGTH_SHARE: f32 = 0.75;
/// The evidence of a word in a title, a name, a heading and the text of a document, about.
const MOST_EVIDENCE: f32 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;

    const TITLE: Field = Field { weight: 4.0, usual_length: 5.0 };
    const BODY: Field = Field { weight: 1.0, usual_length: 100.0 };

    #[test]
    fn a_word_in_all_fields_brings_less_than_the_sum_of_them() {
        let everywhere = TITLE.evidence(3, 5) + BODY.evidence(50, 100);
        assert!(damped(everywhere) < 0.7 * everywhere, "{everywhere}");
        assert!(damped(1e6) < MOST_EVIDENCE + 1.1);
        assert!((damped(1.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_word_says_more_in_a_title_and_in_a_short_text_and_less_each_time() {
        assert!(TITLE.evidence(1, 5) > BODY.evidence(1, 100));
        assert!(BODY.evidence(1, 50) > BODY.evidence(1, 100));
        assert!(BODY.evidence(50, 100) < 2.5 * BODY.evidence(1, 100));
    }

    #[test]
    fn a_rare_word_says_more_than_a_frequent_one() {
        assert!(information(1_000, 3) > 2.0 * information(1_000, 200));
        assert!(information(1_000, 1_000) < 0.01);
        assert!(information(0, 0) >= 0.0);
    }
}
