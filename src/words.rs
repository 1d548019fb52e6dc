//! Numbers and lists in words, as reports and reasons say them. Knows nothing else.

/// `1 port`, `3 ports`, `1,234 services`, `2 replies`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    count_u64(number as u64, noun)
}

/// As [`count`].
#[must_use]
pub fn count_u64(number: u64, noun: &str) -> String {
    let plural = match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{stem}ies"),
        _ if noun.ends_with("ss") => format!("{noun}es"),
        _ => format!("{noun}s"),
    };
    format!("{} {}", thousands(number), if number == 1 { noun } else { &plural })
}

/// The line of a fault in TOML, and what is wrong, on one line.
#[must_use]
pub fn toml_fault(text: &str, error: &toml::de::Error) -> (usize, String) {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = 1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
    (line, error.message().replace('\n', " "))
}

/// `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `4,6,811-827`: neighbours joined.
#[must_use]
pub fn ranges(ports: impl Iterator<Item = u16>) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for port in ports {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(port) => *last = port,
            _ => runs.push((port, port)),
        }
    }
    let names: Vec<String> = runs
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nouns_read_well() {
        assert_eq!(count(1, "reply"), "1 reply");
        assert_eq!(count(1_234_567, "reply"), "1,234,567 replies");
        assert_eq!(count(0, "host"), "0 hosts");
        assert_eq!(ranges([4, 6, 811, 812, 813].into_iter()), "4,6,811-813");
    }
}
