//! What is asked of the index, made of the documents, so that there is something to find.

use anyport_knowledge::SearchQuery;

use crate::corpus::{Corpus, Dice};

/// A question, and the number of a document that fits it.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) query: SearchQuery,
    pub(crate) document: u64,
}

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The title of a document.
    Title,
    /// One word, however frequent.
    Word,
    /// Two or three words of a document.
    Words,
    /// The same, narrowed to a language and a domain.
    Narrowed,
    /// Twelve words from the middle of a document.
    Sentence,
    /// Three words that follow each other, in quotes. One of them is long: nobody quotes
    /// three of the words that every text has.
    Phrase,
    /// A word that is mistyped, beside one that is not.
    Typo,
}

impl Kind {
    /// Those that find what they ask for as it was typed.
    pub(crate) const EXACT: [Self; 6] =
        [Self::Title, Self::Word, Self::Words, Self::Narrowed, Self::Sentence, Self::Phrase];

    /// The question of this number about one of so many documents.
    pub(crate) fn question(self, corpus: &Corpus, documents: u64, number: u64) -> anyhow::Result<Question> {
        let mut dice = Dice::new(number + 1_000_003 * self as u64);
        let about = dice.next() % documents;
        let (document, text) = corpus.document(about)?;
        let lines: Vec<_> = text.lines().filter(|line| line.ends_with('.')).collect();
        let words: Vec<_> = lines[lines.len() / 2].trim_end_matches('.').split(' ').collect();
        let run = |dice: &mut Dice, count: usize| {
            let start = dice.below(words.len() - count);
            words[start..start + count].join(" ")
        };
        let asked = match self {
            Self::Title => document.title.clone(),
            Self::Word => run(&mut dice, 1),
            Self::Words | Self::Narrowed => {
                let count = 2 + dice.below(2);
                let picked: Vec<_> = (0..count).map(|_| dice.pick(&words)).collect();
                picked.join(" ")
            }
            Self::Sentence => run(&mut dice, 12),
            Self::Phrase => {
                let phrase = (0..20)
                    .map(|_| run(&mut dice, 3))
                    .find(|phrase| phrase.split(' ').any(|word| word.len() > 6));
                format!("\"{}\"", phrase.unwrap_or_else(|| run(&mut dice, 3)))
            }
            Self::Typo => {
                let longest = words.iter().max_by_key(|word| word.len()).copied().unwrap_or_default();
                format!("{} {}", mistyped(&mut dice, longest), dice.pick(&words))
            }
        };
        let mut query = SearchQuery::new(asked);
        if self == Self::Narrowed {
            query.language = document.language;
            query.domain = document.domain;
        }
        Ok(Question { query, document: about })
    }
}

/// `word` with two letters swapped, one missing or one exchanged, behind the first.
fn mistyped(dice: &mut Dice, word: &str) -> String {
    let mut letters: Vec<_> = word.chars().collect();
    let at = 1 + dice.below(letters.len().saturating_sub(2));
    match dice.below(3) {
        0 => letters.swap(at, at + 1),
        1 => drop(letters.remove(at)),
        _ => letters[at] = 'q',
    }
    letters.into_iter().collect()
}
