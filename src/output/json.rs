//! JSON (RFC 8259), indented. Harmful characters are escaped, so that a report can be looked at on a terminal.

use super::safe;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io::{self, Write};

/// Writes any of the reports, with a line feed at the end.
///
/// # Errors
/// What the writer says.
pub fn write(value: &impl Serialize, mut writer: impl Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut writer, Safe(PrettyFormatter::new())))?;
    writer.write_all(b"\n")
}

/// The same on one line, for streams of events.
///
/// # Errors
/// What the writer says.
pub fn write_line(value: &impl Serialize, mut writer: impl Write) -> io::Result<()> {
    let text = serde_json::to_string(value)?;
    // Harmful characters stand in strings only: outside of them JSON is plain.
    escaped(&mut writer, &text)?;
    writer.write_all(b"\n")
}

/// Text of a JSON string, with what [`safe`] calls harmful as `\uXXXX`.
fn escaped<W: ?Sized + Write>(writer: &mut W, text: &str) -> io::Result<()> {
    let mut rest = text;
    while let Some(at) = rest.find(safe::is_harmful) {
        writer.write_all(&rest.as_bytes()[..at])?;
        let Some(character) = rest[at..].chars().next() else { break };
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(writer, "\\u{unit:04x}")?;
        }
        rest = &rest[at + character.len_utf8()..];
    }
    writer.write_all(rest.as_bytes())
}

/// Indents, and escapes what [`safe`] calls harmful.
struct Safe(PrettyFormatter<'static>);

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        escaped(writer, fragment)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmful_characters_are_escaped_and_read_back_the_same() {
        let hostile = "a\u{202e}\u{9b}31m\x1b\u{e0041}\"\\é";
        let (mut indented, mut line) = (Vec::new(), Vec::new());
        write(&hostile, &mut indented).expect("a vector takes everything");
        write_line(&hostile, &mut line).expect("a vector takes everything");
        for bytes in [indented, line] {
            let text = String::from_utf8(bytes).expect("JSON is UTF-8");
            assert!(!text.trim_end().contains(safe::is_harmful), "{text}");
            assert_eq!(serde_json::from_str::<String>(&text).expect("valid JSON"), hostile);
        }
    }
}
