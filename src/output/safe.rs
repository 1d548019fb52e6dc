//! The one place where text that came from packets or file names is made harmless. Every output goes through it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character could act on a terminal or mislead a reader: control characters of either kind, marks that turn
/// the direction of text, marks without width, line and paragraph separators, and invisible tags.
#[must_use]
pub const fn is_harmful(character: char) -> bool {
    matches!(character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// The text with every harmful character written out, as Rust writes it.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            '\0'..='\x7f' if is_harmful(character) => drop(write!(safe, "\\x{:02x}", character as u32)),
            _ if is_harmful(character) => drop(write!(safe, "\\u{{{:x}}}", character as u32)),
            _ => safe.push(character),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_acts_is_written_out_and_what_reads_stays() {
        assert_eq!(text("héllo — 東京 C:\\dir"), "héllo — 東京 C:\\dir");
        assert_eq!(text("\x1b[31mred\u{7}\n"), "\\x1b[31mred\\x07\\n");
        assert_eq!(text("a\u{202e}b\u{9b}c\u{200b}d"), "a\\u{202e}b\\u{9b}c\\u{200b}d");
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(input: String) {
            prop_assert!(!text(&input).contains(is_harmful));
        }
    }
}
