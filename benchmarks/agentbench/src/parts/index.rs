// SPDX-License-Identifier: Apache-2.0
//! Index: an inverted index of a text is built, its lines being the documents, and asked for the lines that have two words
//! in them. The lists of lines are kept as differences of variable length.

use crate::corpus;
use crate::digest::Digest;
use crate::prng::Random;

pub struct Index {
    text: Vec<u8>,
    questions: Vec<[Vec<u8>; 2]>,
    built: Inverted,
}

impl Index {
    pub fn new(words: &[String], size: usize, questions: usize) -> Index {
        let mut random = Random::new(32);
        let mut word = || words[random.skewed(words.len())].clone().into_bytes();
        let questions = (0..questions).map(|_| [word(), word()]).collect();
        Index { text: corpus::text(words, 31, size), questions, built: Inverted::default() }
    }

    pub fn run(&mut self) -> u64 {
        let mut digest = Digest::new();
        self.built.build(&self.text);
        digest.number(self.built.words.len() as u64);
        digest.number(self.built.lines.len() as u64);
        for [left, right] in &self.questions {
            self.built.both(&self.text, left, right, |line| digest.number(line.into()));
            digest.number(u64::MAX);
        }
        digest.value()
    }
}

#[derive(Clone, Copy)]
struct Word {
    from: u32,
    length: u32,
    /// The line it was seen in last, from 1.
    seen: u32,
    /// How many lines have it.
    count: u32,
    /// Where its list begins in `lines`.
    list: u32,
}

#[derive(Default)]
struct Inverted {
    words: Vec<Word>,
    /// Open addressing: a place has the number of a word plus one, or 0. The length is a power of two.
    table: Vec<u32>,
    /// Each word and line that belong together, in the order of the text.
    pairs: Vec<(u32, u32)>,
    sorted: Vec<u32>,
    /// The lists of all words: differences of line numbers, seven bits to a byte.
    lines: Vec<u8>,
}

impl Inverted {
    fn build(&mut self, text: &[u8]) {
        self.words.clear();
        self.pairs.clear();
        self.lines.clear();
        self.table.clear();
        self.table.resize(4096, 0);
        let mut line = 1;
        let mut from = 0;
        for (at, byte) in text.iter().enumerate() {
            if byte.is_ascii_alphanumeric() {
                continue;
            }
            if from < at {
                self.add(text, from, at, line);
            }
            from = at + 1;
            line += u32::from(*byte == b'\n');
        }
        if from < text.len() {
            self.add(text, from, text.len(), line);
        }
        self.sort();
    }

    fn add(&mut self, text: &[u8], from: usize, end: usize, line: u32) {
        if 2 * (self.words.len() + 1) > self.table.len() {
            self.grow(text);
        }
        let place = self.place(text, &text[from..end]);
        if self.table[place] == 0 {
            self.words.push(Word { from: from as u32, length: (end - from) as u32, seen: 0, count: 0, list: 0 });
            self.table[place] = self.words.len() as u32;
        }
        let id = self.table[place] - 1;
        let word = &mut self.words[id as usize];
        if word.seen != line {
            word.seen = line;
            word.count += 1;
            self.pairs.push((id, line));
        }
    }

    /// The place in the table that has the word, or that it would get. Capitals count as small letters.
    fn place(&self, text: &[u8], word: &[u8]) -> usize {
        let mut digest = Digest::new();
        word.iter().for_each(|byte| digest.bytes(&[byte.to_ascii_lowercase()]));
        let mask = self.table.len() - 1;
        let mut place = digest.value() as usize & mask;
        while let Some(id) = self.table[place].checked_sub(1) {
            let known = &self.words[id as usize];
            if text[known.from as usize..][..known.length as usize].eq_ignore_ascii_case(word) {
                break;
            }
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self, text: &[u8]) {
        let length = 2 * self.table.len();
        self.table.clear();
        self.table.resize(length, 0);
        for id in 0..self.words.len() {
            let known = self.words[id];
            let place = self.place(text, &text[known.from as usize..][..known.length as usize]);
            self.table[place] = id as u32 + 1;
        }
    }

    /// Brings the pairs in the order of the words, and writes the list of each.
    fn sort(&mut self) {
        let mut from = 0;
        for word in &mut self.words {
            word.list = from;
            from += word.count;
        }
        self.sorted.clear();
        self.sorted.resize(self.pairs.len(), 0);
        for &(id, line) in &self.pairs {
            let word = &mut self.words[id as usize];
            self.sorted[word.list as usize] = line;
            word.list += 1;
        }
        let mut rest = &self.sorted[..];
        for word in &mut self.words {
            let (own, others) = rest.split_at(word.count as usize);
            rest = others;
            word.list = self.lines.len() as u32;
            let mut before = 0;
            for &line in own {
                let mut gap = line - before;
                before = line;
                while gap >= 0x80 {
                    self.lines.push(gap as u8 | 0x80);
                    gap >>= 7;
                }
                self.lines.push(gap as u8);
            }
        }
    }

    fn list(&self, text: &[u8], word: &[u8]) -> List<'_> {
        match self.table[self.place(text, word)].checked_sub(1) {
            Some(id) => {
                let word = &self.words[id as usize];
                List { bytes: &self.lines[word.list as usize..], left: word.count, line: 0 }
            }
            None => List { bytes: &[], left: 0, line: 0 },
        }
    }

    /// Tells each line that has both words.
    fn both(&self, text: &[u8], left: &[u8], right: &[u8], mut found: impl FnMut(u32)) {
        let mut right = self.list(text, right).peekable();
        for line in self.list(text, left) {
            while right.next_if(|&other| other < line).is_some() {}
            if right.peek() == Some(&line) {
                found(line);
            }
        }
    }
}

/// The line numbers of one word, ascending.
struct List<'a> {
    bytes: &'a [u8],
    left: u32,
    line: u32,
}

impl Iterator for List<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let mut gap = 0;
        let mut bits = 0;
        loop {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            gap |= u32::from(byte & 0x7f) << bits;
            bits += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        self.line += gap;
        Some(self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::{Index, Inverted};
    use crate::corpus;

    fn lines(text: &str, left: &str, right: &str) -> Vec<u32> {
        let mut built = Inverted::default();
        // Twice, since what is left of the index before must not count.
        built.build(b"some other text\nand more of it");
        built.build(text.as_bytes());
        let mut found = Vec::new();
        built.both(text.as_bytes(), left.as_bytes(), right.as_bytes(), |line| found.push(line));
        found
    }

    #[test]
    fn lines_that_have_both_words_are_found() {
        let text = "Apple pear\npear, apple apple\nplum\n\napple\npear apple";
        assert_eq!(lines(text, "apple", "pear"), [1, 2, 6]);
        assert_eq!(lines(text, "pear", "APPLE"), [1, 2, 6]);
        assert_eq!(lines(text, "plum", "plum"), [3]);
        assert_eq!(lines(text, "plum", "apple"), [0u32; 0]);
        assert_eq!(lines(text, "other", "apple"), [0u32; 0]);
        assert_eq!(lines("", "a", "b"), [0u32; 0]);
    }

    #[test]
    fn gaps_of_every_length_and_many_words_are_kept() {
        let mut text = String::from("far near\n");
        (0..20_000).for_each(|number| text.push_str(&format!("word{}\n", number)));
        text.push_str("near\nfar near\n");
        assert_eq!(lines(&text, "far", "near"), [1, 20_003]);
        assert_eq!(lines(&text, "word777", "word777"), [779]);
    }

    #[test]
    fn the_answers_are_those_of_a_plain_look_through_the_text() {
        let index = Index::new(&corpus::words(), 20_000, 60);
        let text = String::from_utf8(index.text.clone()).unwrap();
        for [left, right] in &index.questions {
            let (left, right) = (std::str::from_utf8(left).unwrap(), std::str::from_utf8(right).unwrap());
            let has = |line: &str, word: &str| {
                line.split(|letter: char| !letter.is_alphanumeric()).any(|each| each.eq_ignore_ascii_case(word))
            };
            let plain: Vec<u32> = (1..)
                .zip(text.lines())
                .filter(|(_, line)| has(line, left) && has(line, right))
                .map(|(number, _)| number)
                .collect();
            assert_eq!(lines(&text, left, right), plain);
        }
    }
}
