// SPDX-License-Identifier: Apache-2.0
//! Search: which lines of a text have a word or a phrase in them, as `grep -nF` says it. The method is that of
//! R. Horspool ("Practical fast searching in strings", Software: Practice and Experience 10, 1980).

use crate::corpus;
use crate::digest::Digest;
use crate::prng::Random;

pub struct Search {
    text: Vec<u8>,
    patterns: Vec<Pattern>,
}

impl Search {
    pub fn new(words: &[String], size: usize) -> Search {
        let text = corpus::text(words, 11, size);
        let mut random = Random::new(12);
        let mut patterns: Vec<Pattern> = Vec::new();
        // Phrases of the text itself, of 8 to 31 bytes, which are rare; words, some frequent; and what is nowhere.
        for _ in 0..8 {
            let from = random.below(text.len() - 32);
            patterns.push(Pattern::new(&text[from..from + 8 + random.below(24)]));
        }
        patterns.extend((0..6).map(|at| Pattern::new(words[at * at * 7].as_bytes())));
        patterns.push(Pattern::new(b"not there"));
        patterns.push(Pattern::new(b"nowhere in the whole text"));
        Search { text, patterns }
    }

    pub fn run(&mut self) -> u64 {
        let mut digest = Digest::new();
        for pattern in &self.patterns {
            pattern.lines(&self.text, |line| digest.number(line as u64));
            digest.number(u64::MAX);
        }
        digest.value()
    }
}

struct Pattern {
    bytes: Vec<u8>,
    /// How far to go on when this byte is the last one under the pattern.
    shift: [usize; 256],
}

impl Pattern {
    /// A pattern has at least one byte.
    fn new(bytes: &[u8]) -> Pattern {
        let mut shift = [bytes.len(); 256];
        for (at, &byte) in bytes[..bytes.len() - 1].iter().enumerate() {
            shift[usize::from(byte)] = bytes.len() - 1 - at;
        }
        Pattern { bytes: bytes.to_vec(), shift }
    }

    /// Where the pattern begins, at `from` or behind.
    fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let last = self.bytes.len() - 1;
        let mut at = from;
        while at + last < text.len() {
            let byte = text[at + last];
            if byte == self.bytes[last] && text[at..at + last] == self.bytes[..last] {
                return Some(at);
            }
            at += self.shift[usize::from(byte)];
        }
        None
    }

    /// Tells the number of each line, from 1, in which the pattern begins.
    fn lines(&self, text: &[u8], mut found: impl FnMut(usize)) {
        let mut line = 1;
        let mut counted = 0;
        while let Some(at) = self.find(text, counted) {
            line += text[counted..at].iter().filter(|&&byte| byte == b'\n').count();
            found(line);
            match text[at..].iter().position(|&byte| byte == b'\n') {
                Some(length) => counted = at + length + 1,
                None => return,
            }
            line += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, Search};
    use crate::corpus;

    fn lines(pattern: &str, text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        Pattern::new(pattern.as_bytes()).lines(text.as_bytes(), |line| found.push(line));
        found
    }

    #[test]
    fn each_line_is_told_once() {
        assert_eq!(lines("ab", "ab ab\nb\nxab\n\naab"), [1, 3, 5]);
        assert_eq!(lines("b", "b\nb"), [1, 2]);
        assert_eq!(lines("abc", "ab"), [0usize; 0]);
        assert_eq!(lines("b\na", "b\nab\nb\na"), [1, 3]);
    }

    #[test]
    fn the_lines_are_those_that_a_plain_search_finds() {
        let words = corpus::words();
        let search = Search::new(&words, 8000);
        let text = String::from_utf8(search.text.clone()).unwrap();
        for pattern in search.patterns.iter().filter(|pattern| !pattern.bytes.contains(&b'\n')) {
            let word = String::from_utf8(pattern.bytes.clone()).unwrap();
            let plain: Vec<usize> =
                text.lines().enumerate().filter(|(_, line)| line.contains(&word)).map(|(at, _)| at + 1).collect();
            assert_eq!(lines(&word, &text), plain, "{}", word);
        }
    }
}
