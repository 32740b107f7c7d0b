//! How near the words of a query are to each other in a text.

use crate::SENTENCE_GAP;

/// What nearness adds to the score of a text, as a factor: 1 if the text has none, at most 2.2, and 5.5 if the text has the
/// whole query, which is longer than a name, word for word.
///
/// `occurrences` are the positions of the words of the query, in any order, each with the number of its word in the query;
/// `information` is that of each word. A sentence that has several words of the query speaks for the text, and so do words
/// that follow each other in the query and in the text.
pub fn proximity(occurrences: &mut [(u32, usize)], information: &[f32]) -> f32 {
    let all: f32 = information.iter().sum();
    if all <= 0.0 || information.len() < 2 {
        return 1.0;
    }
    occurrences.sort_unstable();
    let passage = best_passage(occurrences, information) / all;
    let pairs = pairs(occurrences, information) / all;
    let near = 1.0 + OF_PASSAGE * passage * passage + OF_PAIRS * pairs;
    // Who copies a sentence looks for where it stands, wherever else its words are titles.
    let is_quotation = information.len() >= QUOTATION && has_verbatim(occurrences, information.len());
    if is_quotation { near * OF_QUOTATION } else { near }
}

/// Whether all words of the query, `words` of them, follow each other somewhere.
fn has_verbatim(occurrences: &[(u32, usize)], words: usize) -> bool {
    // How many words of the query end at the last position seen, from its first one on.
    let (mut run, mut last) = (0, None);
    // A word is there once for each of its forms.
    for same in occurrences.chunk_by(|one, other| one == other) {
        let (at, word) = same[0];
        // A number such as 1.20 has a position for each part.
        let follows = last.is_some_and(|last| (1..=2).contains(&(at - last))) && word == run;
        run = if follows { run + 1 } else { usize::from(word == 0) };
        if run == words {
            return true;
        }
        last = Some(at);
    }
    false
}

/// The information of the words in the passage that has most of it, if it has more than one word.
///
/// A passage is words with few others between them. It does not go beyond the end of a sentence: see [`SENTENCE_GAP`].
fn best_passage(occurrences: &[(u32, usize)], information: &[f32]) -> f32 {
    let passages = occurrences.chunk_by(|(a, _), (b, _)| b - a <= WINDOW);
    let each = passages.map(|passage| {
        let mut words: Vec<usize> = passage.iter().map(|(_, word)| *word).collect();
        words.sort_unstable();
        words.dedup();
        if words.len() < 2 { 0.0 } else { words.iter().map(|word| information[*word]).sum() }
    });
    each.fold(0.0, f32::max)
}

/// The information of each two words that follow each other in the query, divided by their distance where they are nearest.
#[allow(clippy::cast_precision_loss)] // a few words
fn pairs(occurrences: &[(u32, usize)], information: &[f32]) -> f32 {
    let mut nearest = vec![0.0f32; information.len()];
    for (number, (at, word)) in occurrences.iter().enumerate() {
        let within = occurrences[number + 1..].iter().take_while(|(other, _)| other - at <= WINDOW);
        for (other_at, other) in within.filter(|(other, _)| other > at) {
            if word.abs_diff(*other) == 1 {
                let order = if other > word { 1.0 } else { REVERSED };
                let first = word.min(other);
                nearest[*first] = nearest[*first].max(order / (other_at - at) as f32);
            }
        }
    }
    let two = information.windows(2).map(|two| two[0].min(two[1]));
    nearest.iter().zip(two).map(|(nearest, information)| nearest * information).sum()
}

/// The distance, in words, within which words are near each other.
#[allow(clippy::cast_possible_truncation)]
const WINDOW: u32 = SENTENCE_GAP as u32;
/// What a passage with all words of the query adds.
const OF_PASSAGE: f32 = 0.6;
/// What the words of the query add if all of them follow each other.
const OF_PAIRS: f32 = 0.6;
/// So many words are no name or title, but a sentence or most of one.
const QUOTATION: usize = 5;
/// What a text is more that has all of them word for word.
const OF_QUOTATION: f32 = 2.5;
/// The nearness of two words in the wrong order, relative to the right one.
const REVERSED: f32 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    fn near(occurrences: &[(u32, usize)]) -> f32 {
        proximity(&mut occurrences.to_vec(), &[2.0, 2.0, 2.0])
    }

    #[test]
    fn a_long_query_that_stands_there_word_for_word_is_a_quotation() {
        let near = |positions: &[u32]| {
            let mut all: Vec<(u32, usize)> = positions.iter().copied().zip(0..).collect();
            proximity(&mut all, &vec![1.0; positions.len()])
        };
        assert!(near(&[7, 8, 9, 10, 12]) > 2.0 * near(&[7, 8, 9, 10, 13]));
        assert!(near(&[7, 8, 9, 10]) < 2.3, "four words may be a name");
        let mut twice = vec![(1, 0), (2, 1), (5, 0), (6, 1), (6, 1), (7, 2), (8, 3), (9, 4)];
        let twice = proximity(&mut twice, &[1.0; 5]);
        assert!(twice > 4.0, "{twice}");
    }

    #[test]
    fn words_in_one_sentence_speak_for_a_text() {
        let (together, apart) = (near(&[(10, 0), (14, 1), (18, 2)]), near(&[(10, 0), (40, 1), (80, 2)]));
        assert!(together > apart);
        assert!((apart - 1.0).abs() < 1e-6, "{apart}");
        assert!((near(&[]) - 1.0).abs() < 1e-6);
        assert!((proximity(&mut [(1, 0)], &[2.0]) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn words_in_the_order_of_the_query_speak_more() {
        let (phrase, reversed) = (near(&[(1, 0), (2, 1), (3, 2)]), near(&[(1, 2), (2, 1), (3, 0)]));
        let loose = near(&[(1, 0), (5, 1), (9, 2)]);
        assert!(phrase > reversed && reversed > loose, "{phrase} {reversed} {loose}");
        assert!(phrase <= 1.0 + OF_PASSAGE + OF_PAIRS);
    }
}
