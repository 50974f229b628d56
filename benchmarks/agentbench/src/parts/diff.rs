// SPDX-License-Identifier: Apache-2.0
//! Diff: the shortest way from one text to another, line by line, by the greedy method of E. Myers ("An O(ND) difference
//! algorithm and its variations", Algorithmica 1, 1986); then it is gone, and must end at the other text.

use crate::corpus;
use crate::digest::Digest;

pub struct Diff {
    old: Vec<u8>,
    new: Vec<u8>,
    patched: Vec<u8>,
}

impl Diff {
    pub fn new(words: &[String], size: usize, every: usize) -> Diff {
        let old = corpus::text(words, 41, size);
        let new = corpus::revised(words, &old, 42, every);
        let patched = Vec::with_capacity(new.len());
        Diff { old, new, patched }
    }

    pub fn run(&mut self) -> u64 {
        let mut digest = Digest::new();
        let (old, new) = (lines(&self.old), lines(&self.new));
        let edits = diff(&old, &new);
        self.patched.clear();
        apply(&old, &new, &edits, |line| self.patched.extend_from_slice(line));
        for edit in &edits {
            digest.number(match *edit {
                Edit::Keep => 0,
                Edit::Delete => 1,
                Edit::Insert => 2,
            });
        }
        digest.number(u64::from(self.patched == self.new));
        digest.value()
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

/// What to do with the next line: keep it, leave out that of the old text, or take that of the new one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Edit {
    Keep,
    Delete,
    Insert,
}

/// The edits from old to new with as few deletions and insertions as there can be.
fn diff<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Edit> {
    // After `distance` deletions and insertions: the furthest line of `old` reached on each diagonal -distance, 2 -
    // distance, ..., distance, one row after the other. A diagonal is the line of `old` minus that of `new`.
    let mut reached: Vec<i32> = Vec::new();
    let mut distance: i32 = 0;
    loop {
        let before = reached.len() - distance as usize;
        for step in 0..=distance {
            let diagonal = 2 * step - distance;
            let mut at = if distance == 0 {
                0
            } else {
                let from = |step: i32| reached[before + step as usize];
                if step == 0 || (step < distance && from(step - 1) < from(step)) {
                    from(step)
                } else {
                    from(step - 1) + 1
                }
            };
            while at < old.len() as i32
                && at - diagonal < new.len() as i32
                && old[at as usize] == new[(at - diagonal) as usize]
            {
                at += 1;
            }
            reached.push(at);
            if at >= old.len() as i32 && at - diagonal >= new.len() as i32 {
                return backwards(&reached, distance, old.len(), new.len());
            }
        }
        distance += 1;
    }
}

/// Finds the way that was gone from its end.
fn backwards(reached: &[i32], distance: i32, old: usize, new: usize) -> Vec<Edit> {
    let mut edits = Vec::with_capacity(old.max(new) + distance as usize);
    let mut at = old as i32;
    let mut diagonal = old as i32 - new as i32;
    for distance in (1..=distance).rev() {
        // Rows have 1, 2, 3, ... entries.
        let before = (distance * (distance - 1) / 2) as usize;
        let step = (diagonal + distance) / 2;
        let from = |step: i32| reached[before + step as usize];
        let is_insert = step == 0 || (step < distance && from(step - 1) < from(step));
        let start = if is_insert { from(step) } else { from(step - 1) + 1 };
        edits.extend((start..at).map(|_| Edit::Keep));
        edits.push(if is_insert { Edit::Insert } else { Edit::Delete });
        at = if is_insert { start } else { start - 1 };
        diagonal += if is_insert { 1 } else { -1 };
    }
    edits.extend((0..at).map(|_| Edit::Keep));
    edits.reverse();
    edits
}

/// Tells the lines that the edits make of the old ones.
fn apply<'a>(old: &[&'a [u8]], new: &[&'a [u8]], edits: &[Edit], mut line: impl FnMut(&'a [u8])) {
    let (mut left, mut right) = (0, 0);
    for edit in edits {
        match edit {
            Edit::Keep => line(old[left]),
            Edit::Delete => {}
            Edit::Insert => line(new[right]),
        }
        left += usize::from(*edit != Edit::Insert);
        right += usize::from(*edit != Edit::Delete);
    }
}

#[cfg(test)]
mod tests {
    use super::{apply, diff, lines, Edit};
    use crate::prng::Random;

    fn changes(edits: &[Edit]) -> usize {
        edits.iter().filter(|edit| **edit != Edit::Keep).count()
    }

    /// The length of the shortest way by the table of longest common subsequences.
    fn shortest(old: &[u8], new: &[u8]) -> usize {
        let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
        for (i, left) in old.iter().enumerate() {
            for (j, right) in new.iter().enumerate() {
                common[i + 1][j + 1] =
                    if left == right { common[i][j] + 1 } else { common[i][j + 1].max(common[i + 1][j]) };
            }
        }
        old.len() + new.len() - 2 * common[old.len()][new.len()]
    }

    #[test]
    fn the_example_of_the_paper_takes_five_changes() {
        assert_eq!(changes(&diff(b"abcabba", b"cbabac")), 5);
    }

    #[test]
    fn empty_texts_and_same_ones_are_no_trouble() {
        assert_eq!(diff(b"", b""), []);
        assert_eq!(diff(b"ab", b"ab"), [Edit::Keep; 2]);
        assert_eq!(diff(b"ab", b""), [Edit::Delete; 2]);
        assert_eq!(diff(b"", b"ab"), [Edit::Insert; 2]);
    }

    #[test]
    fn random_texts_are_reached_by_the_shortest_way() {
        let mut random = Random::new(5);
        for round in 0..2000 {
            let letters = random.below(4) + 1;
            let mut text = || -> Vec<u8> {
                let length = random.below(30);
                (0..length).flat_map(|_| [b'a' + random.below(letters) as u8, b'\n']).collect()
            };
            let (old, new) = (text(), text());
            let (old, new) = (lines(&old), lines(&new));
            let edits = diff(&old, &new);
            let mut made = Vec::new();
            apply(&old, &new, &edits, |line| made.push(line));
            assert_eq!(made, new, "round {}", round);
            let first = |lines: &[&[u8]]| lines.iter().map(|line| line[0]).collect::<Vec<u8>>();
            assert_eq!(changes(&edits), shortest(&first(&old), &first(&new)), "round {}", round);
        }
    }
}
