// SPDX-License-Identifier: Apache-2.0
//! JSON as RFC 8259 has it, read strictly and written compactly. The agents' work, and also how job.json is read and
//! result.json written.

use std::fmt::Write;

/// Deeper documents are refused, so that none can use up the stack.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The member of an object; None too when this is none.
    pub fn member(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

/// What is wrong with a document, and at which byte.
#[derive(Debug, PartialEq)]
pub struct Problem {
    pub at: usize,
    pub what: &'static str,
}

/// Reads one document, which must be all there is.
pub fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let mut parser = Parser { bytes, at: 0 };
    parser.spaces();
    let value = parser.value(0)?;
    parser.spaces();
    if parser.at < bytes.len() {
        return Err(parser.problem("there is more after the document"));
    }
    Ok(value)
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn problem(&self, what: &'static str) -> Problem {
        Problem { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes past a byte if it comes next.
    fn took(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<Value, Problem> {
        if depth > MAX_DEPTH {
            return Err(self.problem("nested too deeply"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Value::Text(self.text()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Value::Bool(true)),
            Some(b'f') => self.word(b"false", Value::Bool(false)),
            Some(b'n') => self.word(b"null", Value::Null),
            Some(_) => Err(self.problem("a value cannot begin like this")),
            None => Err(self.problem("it ends where a value must be")),
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value, Problem> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.problem("a value cannot begin like this"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Value, Problem> {
        self.at += 1;
        let mut members: Vec<(String, Value)> = Vec::new();
        self.spaces();
        if self.took(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.spaces();
            if self.peek() != Some(b'"') {
                return Err(self.problem("a name in quotes must be here"));
            }
            let name = self.text()?;
            if members.iter().any(|(known, _)| *known == name) {
                return Err(self.problem("a name is there twice"));
            }
            self.spaces();
            if !self.took(b':') {
                return Err(self.problem("a colon must be here"));
            }
            self.spaces();
            members.push((name, self.value(depth + 1)?));
            self.spaces();
            if self.took(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.took(b',') {
                return Err(self.problem("a comma or a closing brace must be here"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        self.at += 1;
        let mut values = Vec::new();
        self.spaces();
        if self.took(b']') {
            return Ok(Value::List(values));
        }
        loop {
            self.spaces();
            values.push(self.value(depth + 1)?);
            self.spaces();
            if self.took(b']') {
                return Ok(Value::List(values));
            }
            if !self.took(b',') {
                return Err(self.problem("a comma or a closing bracket must be here"));
            }
        }
    }

    fn text(&mut self) -> Result<String, Problem> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let plain = self.at;
            while matches!(self.peek(), Some(byte) if byte != b'"' && byte != b'\\' && byte >= 0x20) {
                self.at += 1;
            }
            match std::str::from_utf8(&self.bytes[plain..self.at]) {
                Ok(part) => text.push_str(part),
                Err(_) => return Err(self.problem("a text is not UTF-8")),
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err(self.problem("a control character in a text must be escaped")),
                None => return Err(self.problem("it ends inside a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let letter = self.peek().ok_or_else(|| self.problem("it ends inside a text"))?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => letter as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err(self.problem("there is no such escape")),
        })
    }

    fn code_point(&mut self) -> Result<char, Problem> {
        let mut code = self.code_unit()?;
        if (0xd800..0xdc00).contains(&code) {
            if !(self.took(b'\\') && self.took(b'u')) {
                return Err(self.problem("half of a surrogate pair"));
            }
            let low = self.code_unit()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.problem("half of a surrogate pair"));
            }
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(code).ok_or_else(|| self.problem("half of a surrogate pair"))
    }

    fn code_unit(&mut self) -> Result<u32, Problem> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| (byte as char).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.problem("four hexadecimal digits must be here"))?;
            self.at += 1;
        }
        Ok(code)
    }

    fn digits(&mut self) -> Result<(), Problem> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.problem("a digit must be here"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, Problem> {
        let from = self.at;
        self.took(b'-');
        if !self.took(b'0') {
            self.digits()?;
        }
        let mut is_whole = true;
        if self.took(b'.') {
            is_whole = false;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            if !self.took(b'+') {
                self.took(b'-');
            }
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.bytes[from..self.at]).unwrap_or_default();
        if let (true, Ok(number)) = (is_whole, text.parse()) {
            return Ok(Value::Integer(number));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Number(number)),
            _ => Err(self.problem("a number is too large")),
        }
    }
}

/// Adds a value to a text, without spaces. A number that is not finite, which JSON cannot say, becomes null.
pub fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        // Writing to a String cannot fail.
        Value::Integer(number) => drop(write!(text, "{}", number)),
        Value::Number(number) if number.is_finite() => drop(write!(text, "{:?}", number)),
        Value::Number(_) => text.push_str("null"),
        Value::Text(content) => write_text(content, text),
        Value::List(values) => {
            text.push('[');
            for (at, each) in values.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write(each, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (at, (name, each)) in members.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_text(name, text);
                text.push(':');
                write(each, text);
            }
            text.push('}');
        }
    }
}

fn write_text(content: &str, text: &mut String) {
    text.push('"');
    for letter in content.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if u32::from(letter) < 0x20 => drop(write!(text, "\\u{:04x}", u32::from(letter))),
            _ => text.push(letter),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::{parse, write, Value};

    fn written(value: &Value) -> String {
        let mut text = String::new();
        write(value, &mut text);
        text
    }

    #[test]
    fn documents_come_back_as_they_were_written() {
        for text in [
            "null",
            "true",
            "[]",
            "{}",
            "0",
            "-0.5",
            "1e300",
            "9223372036854775807",
            "[1,[2,[3,{}]]]",
            "\"\"",
            "{\"a\":[null,false],\"b\":\"\\\"\\\\\\n\\u0001\"}",
            "\"\u{e9}\u{4e2d}\u{1f600}\"",
        ] {
            assert_eq!(written(&parse(text.as_bytes()).unwrap()), text);
        }
    }

    #[test]
    fn spaces_and_escapes_are_understood() {
        let value =
            parse(b" { \"a\" : [ 1 , 2.50 , 1E2 ] ,\r\n\t\"\\u00e9\\ud83d\\ude00\\/\" : 12345678901234567890 } ")
                .unwrap();
        let list = vec![Value::Integer(1), Value::Number(2.5), Value::Number(100.0)];
        assert_eq!(value.member("a"), Some(&Value::List(list)));
        assert_eq!(value.member("\u{e9}\u{1f600}/"), Some(&Value::Number(12345678901234567890.0)));
        assert_eq!(value.member("b"), None);
        assert_eq!(Value::Null.member("a"), None);
    }

    #[test]
    fn broken_documents_are_refused_with_the_place() {
        for (text, at, what) in [
            ("", 0, "it ends where a value must be"),
            ("  ", 2, "it ends where a value must be"),
            ("[1,", 3, "it ends where a value must be"),
            ("[1,]", 3, "a value cannot begin like this"),
            ("[1 2]", 3, "a comma or a closing bracket must be here"),
            ("{1:2}", 1, "a name in quotes must be here"),
            ("{\"a\" 2}", 5, "a colon must be here"),
            ("{\"a\":2", 6, "a comma or a closing brace must be here"),
            ("{\"a\":2,\"a\":3}", 10, "a name is there twice"),
            ("{} {}", 3, "there is more after the document"),
            ("nul", 0, "a value cannot begin like this"),
            ("NaN", 0, "a value cannot begin like this"),
            ("01", 1, "there is more after the document"),
            ("-", 1, "a digit must be here"),
            ("1.", 2, "a digit must be here"),
            ("1e+", 3, "a digit must be here"),
            ("1e999", 5, "a number is too large"),
            ("\"a", 2, "it ends inside a text"),
            ("\"\\", 2, "it ends inside a text"),
            ("\"\n\"", 1, "a control character in a text must be escaped"),
            ("\"\\x\"", 3, "there is no such escape"),
            ("\"\\u12g4\"", 5, "four hexadecimal digits must be here"),
            ("\"\\ud800\"", 7, "half of a surrogate pair"),
            ("\"\\ud800\\u0041\"", 13, "half of a surrogate pair"),
            ("\"\\udc00\"", 7, "half of a surrogate pair"),
        ] {
            let problem = parse(text.as_bytes()).unwrap_err();
            assert_eq!((problem.at, problem.what), (at, what), "{}", text);
        }
        assert_eq!(parse(b"\"\xff\"").unwrap_err().what, "a text is not UTF-8");
        assert_eq!(parse("[".repeat(100_000).as_bytes()).unwrap_err().what, "nested too deeply");
    }

    #[test]
    fn a_number_that_is_not_finite_is_written_as_null() {
        assert_eq!(written(&Value::Number(f64::NAN)), "null");
    }
}
