// SPDX-License-Identifier: Apache-2.0
//! JSON: a document is parsed, looked at and changed, and written again.

use crate::corpus;
use crate::digest::Digest;
use crate::json::{parse, write, Value};

pub struct Json {
    text: String,
    written: String,
}

impl Json {
    pub fn new(words: &[String], records: usize) -> Json {
        let mut text = String::new();
        write(&corpus::document(words, 21, records), &mut text);
        let written = String::with_capacity(2 * text.len());
        Json { text, written }
    }

    pub fn run(&mut self) -> u64 {
        let mut digest = Digest::new();
        let mut document = match parse(self.text.as_bytes()) {
            Ok(document) => document,
            Err(problem) => panic!("the generated document: byte {}: {}", problem.at, problem.what),
        };
        digest.number(close(&mut document));
        self.written.clear();
        write(&document, &mut self.written);
        digest.bytes(self.written.as_bytes());
        digest.value()
    }
}

/// Closes each item that is open, and returns the sum of their sizes.
fn close(document: &mut Value) -> u64 {
    let mut sum = 0;
    if let Value::Object(members) = document {
        for (name, items) in members {
            if let (true, Value::List(items)) = (name == "items", items) {
                for item in items {
                    if item.member("is_open") == Some(&Value::Bool(true)) {
                        sum += match item.member("size") {
                            Some(Value::Integer(size)) => *size as u64,
                            _ => 0,
                        };
                        shut(item);
                    }
                }
            }
        }
    }
    sum
}

fn shut(item: &mut Value) {
    if let Value::Object(members) = item {
        for (name, value) in members {
            if name == "is_open" {
                *value = Value::Bool(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::close;
    use crate::json::{parse, write};

    #[test]
    fn open_items_are_closed_and_their_sizes_added() {
        let text =
            b"{\"items\":[{\"size\":3,\"is_open\":true},{\"size\":4,\"is_open\":false},{\"is_open\":true,\"size\":5}]}";
        let mut document = parse(text).unwrap();
        assert_eq!(close(&mut document), 8);
        let mut written = String::new();
        write(&document, &mut written);
        assert!(!written.contains("true") && written.len() == text.len() + 2);
    }
}
