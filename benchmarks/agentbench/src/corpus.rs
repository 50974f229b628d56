// SPDX-License-Identifier: Apache-2.0
//! The data that an agent works on, made of random numbers with a fixed seed: texts, a JSON document, and bytes as they
//! are found in files.

use crate::json::Value;
use crate::prng::Random;

const WORDS: usize = 1500;
const SYLLABLES: [&str; 24] = [
    "ra", "len", "tor", "mi", "su", "pan", "el", "do", "ve", "kin", "os", "ta", "ur", "bel", "no", "shi", "gar", "te",
    "lo", "wen", "fa", "im", "co", "zu",
];

/// Words of one to four syllables; the first of them are the frequent ones. Some are there twice.
pub fn words() -> Vec<String> {
    let mut random = Random::new(1);
    (0..WORDS).map(|_| (0..random.below(4) + 1).map(|_| SYLLABLES[random.below(SYLLABLES.len())]).collect()).collect()
}

/// Lines of words, at least `size` bytes of them, the last one ended too.
pub fn text(words: &[String], seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = Vec::with_capacity(size + 200);
    while text.len() < size {
        line(words, &mut random, &mut text);
    }
    text
}

fn line(words: &[String], random: &mut Random, text: &mut Vec<u8>) {
    for at in 0..random.below(9) + 4 {
        if at > 0 {
            text.extend_from_slice(if random.below(9) == 0 { b", " } else { b" " });
        }
        let word = words[random.skewed(words.len())].as_bytes();
        text.extend_from_slice(word);
        if at == 0 {
            let first = text.len() - word.len();
            text[first] = text[first].to_ascii_uppercase();
        }
    }
    text.extend_from_slice(b".\n");
}

/// A text as somebody left it who changed it here and there: one of `every` lines is gone, new, or another one.
pub fn revised(words: &[String], text: &[u8], seed: u64, every: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut revised = Vec::with_capacity(text.len());
    for old in text.split_inclusive(|&byte| byte == b'\n') {
        match random.below(3 * every) {
            0 => {}
            1 => {
                line(words, &mut random, &mut revised);
                revised.extend_from_slice(old);
            }
            2 => line(words, &mut random, &mut revised),
            _ => revised.extend_from_slice(old),
        }
    }
    revised
}

/// A document as tools hand it to each other: nested, with numbers, texts that need escapes, and nulls.
pub fn document(words: &[String], seed: u64, records: usize) -> Value {
    let mut random = Random::new(seed);
    let word = |random: &mut Random| words[random.skewed(words.len())].clone();
    let mut items = Vec::with_capacity(records);
    for id in 0..records {
        let tags = (0..random.below(5)).map(|_| Value::Text(word(&mut random))).collect();
        let note = format!("{} \"{}\"\n\t{} \u{e9}\u{4e2d}", word(&mut random), word(&mut random), word(&mut random));
        let path = format!("/{}/{}/{}.rs", word(&mut random), word(&mut random), word(&mut random));
        items.push(Value::Object(vec![
            ("id".into(), Value::Integer(id as i64)),
            ("path".into(), Value::Text(path)),
            ("size".into(), Value::Integer(random.below(1 << 30) as i64)),
            // An exact fraction, so that no machine can round it in its own way.
            ("score".into(), Value::Number(random.below(1 << 20) as f64 / 1024.0 + 0.0009765625)),
            ("is_open".into(), Value::Bool(random.below(2) == 1)),
            ("owner".into(), if random.below(4) == 0 { Value::Null } else { Value::Text(word(&mut random)) }),
            ("tags".into(), Value::List(tags)),
            ("note".into(), Value::Text(note)),
        ]));
    }
    Value::Object(vec![("version".into(), Value::Integer(1)), ("items".into(), Value::List(items))])
}

/// Bytes as in files of all kinds, in pieces of about 4 KiB: text, tables of numbers, and some that do not compress.
pub fn mixed(words: &[String], seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(size + 8192);
    while bytes.len() < size {
        match random.below(8) {
            0 => (0..512).for_each(|_| bytes.extend_from_slice(&random.number().to_le_bytes())),
            1 | 2 => {
                let mut offset = random.below(1 << 20) as u32;
                for row in 0..256u32 {
                    offset += random.below(64) as u32;
                    bytes.extend_from_slice(&row.to_le_bytes());
                    bytes.extend_from_slice(&offset.to_le_bytes());
                    bytes.extend_from_slice(&[0, 0, 0, random.below(4) as u8, 0xff, 0xff, 0, 0]);
                }
            }
            _ => {
                let seed = random.number();
                bytes.extend_from_slice(&text(words, seed, 4096));
            }
        }
    }
    bytes.truncate(size);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{mixed, revised, text, words};

    #[test]
    fn the_same_seed_gives_the_same_data_and_another_one_other_data() {
        let words = words();
        assert_eq!(text(&words, 3, 5000), text(&words, 3, 5000));
        assert_ne!(text(&words, 3, 5000), text(&words, 4, 5000));
        assert_eq!(mixed(&words, 3, 50_000).len(), 50_000);
    }

    #[test]
    fn a_revised_text_has_changed_lines_and_kept_ones() {
        let words = words();
        let old = text(&words, 3, 20_000);
        let new = revised(&words, &old, 4, 10);
        let lines: std::collections::HashSet<&[u8]> = old.split(|&byte| byte == b'\n').collect();
        let (kept, changed): (Vec<&[u8]>, Vec<&[u8]>) =
            new.split(|&byte| byte == b'\n').partition(|line| lines.contains(line));
        assert!(kept.len() > 5 * changed.len() && changed.len() > 5);
    }
}
