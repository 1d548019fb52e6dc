//! How a row of a facts table is read, at compile time for the built-in ones. Knows no table's meaning.

use std::fmt;

/// A row that does not fit its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Where the row begins, in bytes from the start of the text.
    pub byte: usize,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the row at byte {} does not fit the table (wrong field, a pair given twice, or a pair missing)",
            self.byte
        )
    }
}

impl std::error::Error for BadRow {}

/// A row that begins with `first[-last] TAB transport TAB third`; `ports` is `None` for a comment.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub ports: Option<(u16, u16)>,
    pub transports: [bool; 2],
    pub third: (usize, usize),
    pub fields: usize,
    /// The byte after the row's line feed.
    pub end: usize,
}

/// Reads the row at `start`. `None` where it is malformed.
pub(super) const fn ranged(text: &[u8], start: usize) -> Option<Row> {
    let mut bounds = [(0, 0); 16];
    let Some((fields, end)) = split(text, start, &mut bounds) else { return None };
    if text[start] == b'#' {
        return Some(Row { ports: None, transports: [false; 2], third: (0, 0), fields, end });
    }
    if fields < 3 {
        return None;
    }
    let Some(ports) = range(text, bounds[0]) else { return None };
    let transports = match text_of(text, bounds[1]) {
        b"tcp" => [true, false],
        b"udp" => [false, true],
        b"*" => [true, true],
        _ => return None,
    };
    Some(Row { ports: Some(ports), transports, third: bounds[2], fields, end })
}

/// Splits the line at `start` into tab-separated fields; gives their number and the start of the next line.
pub(super) const fn split(text: &[u8], start: usize, bounds: &mut [(usize, usize); 16]) -> Option<(usize, usize)> {
    let (mut at, mut field_start, mut fields) = (start, start, 0);
    loop {
        let ended = at == text.len() || text[at] == b'\n';
        if ended || text[at] == b'\t' {
            if fields == bounds.len() {
                return None;
            }
            bounds[fields] = (field_start, at);
            fields += 1;
            field_start = at + 1;
        }
        if ended {
            let next = if at == text.len() { at } else { at + 1 };
            return if at == start { None } else { Some((fields, next)) };
        }
        at += 1;
    }
}

pub(super) const fn text_of(text: &[u8], (start, end): (usize, usize)) -> &[u8] {
    text.split_at(end).0.split_at(start).1
}

/// A decimal number with nothing around it.
pub(super) const fn number(text: &[u8], (start, end): (usize, usize)) -> Option<u32> {
    if start == end || end - start > 10 {
        return None;
    }
    let (mut at, mut value) = (start, 0u64);
    while at < end {
        if !text[at].is_ascii_digit() {
            return None;
        }
        value = value * 10 + (text[at] - b'0') as u64;
        at += 1;
    }
    #[allow(clippy::cast_possible_truncation)] // checked in the condition
    if value > u32::MAX as u64 { None } else { Some(value as u32) }
}

/// `817` or `811-827`.
const fn range(text: &[u8], (start, end): (usize, usize)) -> Option<(u16, u16)> {
    let mut dash = start;
    while dash < end && text[dash] != b'-' {
        dash += 1;
    }
    let last = if dash == end { (start, end) } else { (dash + 1, end) };
    #[allow(clippy::cast_possible_truncation)] // checked in the guard
    match (number(text, (start, dash)), number(text, last)) {
        (Some(first), Some(last)) if first <= last && last <= u16::MAX as u32 => Some((first as u16, last as u16)),
        _ => None,
    }
}
