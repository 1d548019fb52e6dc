//! What bytes are like where nobody knows what they are: text, numbers, packed, or as good as random. Measures, with the
//! size of its sample; decides nothing.

use crate::frame::Stamp;
use serde::Serialize;

/// Bytes that are measured; more would tell little more (the standard deviation of the entropy is under 0.01 bits here).
const MAX_SAMPLE: usize = 2048;
/// Under this many bytes the entropy of random bytes is too low to be told from that of others.
pub const MIN_ENTROPY_SAMPLE: usize = 256;
/// Entropy in bits per byte that 99 of 100 random samples of a size exceed; measured over 300 samples each.
const RANDOM_ENTROPY: [(usize, f64); 4] = [(256, 7.07), (512, 7.50), (1024, 7.77), (4096, 7.946)];
/// Printable bytes in a row that show text, and the share of them; after the published study of the Great Firewall's
/// exemptions (Wu et al., USENIX Security 2023), as is the window of set bits.
const PRINTABLE_RUN: usize = 20;
const PRINTABLE_HEAD: usize = 6;
const FEWEST_ONES: f64 = 3.4;
const MOST_ONES: f64 = 4.6;
/// Fewer bytes than this show nothing: their set bits scatter too widely.
pub const MIN_FIRST: usize = 64;

/// In one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Json,
    Text,
    /// Begins as a packed file does.
    Packed,
    /// As good as random: encrypted, or packed without a known beginning.
    Random,
    Binary,
}

impl Kind {
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Kind::Json => "JSON",
            Kind::Text => "text",
            Kind::Packed => "compressed data",
            Kind::Random => "bytes that look random",
            Kind::Binary => "binary data",
        }
    }
}

/// The measures of one direction's opening.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Texture {
    pub kind: Kind,
    /// Bytes that the entropy was measured on.
    pub sample: usize,
    /// In bits per byte (Shannon 1948).
    pub entropy: f64,
    /// What 99 of 100 random samples of this size exceed.
    pub random_from: f64,
    /// Whether the first payload has none of the marks of an unencrypted protocol.
    pub encrypted_from_start: bool,
    /// Set bits per byte in the first payload.
    pub ones: f64,
    pub first_len: usize,
    pub first: Stamp,
    /// The first four bytes, where there are as many.
    pub head: Option<[u8; 4]>,
    /// What lies behind the first four bytes, which may be a length.
    pub behind_head: Kind,
}

impl Texture {
    /// `first` is the first payload, `all` everything that is there, in pieces; `begins`: the first payload is the first of all.
    #[must_use]
    pub fn of(first: &[u8], all: &[&[u8]], begins: bool, stamp: Stamp) -> Self {
        let joined: Vec<u8>;
        let sample = match all {
            [one] => &one[..one.len().min(MAX_SAMPLE)],
            many => {
                joined = many.iter().copied().flatten().copied().take(MAX_SAMPLE).collect();
                &joined
            }
        };
        let entropy = entropy(sample);
        let random_from = random_from(sample.len());
        let ones = ones(first);
        let random = sample.len() >= MIN_ENTROPY_SAMPLE && entropy >= random_from;
        let kind_of = |first: &[u8], sample: &[u8]| {
            if packing(first).is_some() {
                Kind::Packed
            } else if is_text(sample) {
                let json = matches!(sample.trim_ascii_start().first(), Some(b'{' | b'[')) && sample.contains(&b'"');
                if json { Kind::Json } else { Kind::Text }
            } else if random {
                Kind::Random
            } else {
                Kind::Binary
            }
        };
        let kind = kind_of(first, sample);
        let behind_head = kind_of(first.get(4..).unwrap_or_default(), sample.get(4..).unwrap_or_default());
        let packed = kind == Kind::Packed || behind_head == Kind::Packed;
        let encrypted_from_start = begins && first.len() >= MIN_FIRST && !packed && is_opaque(first, ones);
        Texture {
            kind,
            sample: sample.len(),
            entropy,
            random_from,
            encrypted_from_start,
            ones,
            first_len: first.len(),
            first: stamp,
            head: first.first_chunk().copied(),
            behind_head,
        }
    }
}

/// Printable or space, but for a few: text in UTF-8 counts.
fn is_text(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    let is_control = |byte: &&u8| **byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x1b | 0x08);
    let (high, control) = (bytes.iter().filter(|byte| **byte >= 0x7f).count(), bytes.iter().filter(is_control).count());
    !bytes.is_empty() && control == 0 && (high == 0 || (high * 3 < bytes.len() && std::str::from_utf8(bytes).is_ok()))
}

/// What packs data and says so with its first bytes.
#[must_use]
pub fn packing(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    match bytes {
        [0x1f, 0x8b, 8, ..] => Some("gzip"),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some("zlib"),
        _ if starts(b"\x28\xb5\x2f\xfd") => Some("zstd"),
        _ if starts(b"BZh") => Some("bzip2"),
        _ if starts(b"\xfd7zXZ\0") => Some("xz"),
        _ if starts(b"PK\x03\x04") => Some("zip"),
        _ if starts(b"7z\xbc\xaf\x27\x1c") => Some("7z"),
        _ if starts(b"\x04\x22\x4d\x18") => Some("lz4"),
        _ if starts(b"Rar!\x1a\x07") => Some("rar"),
        _ if starts(b"\xff\xd8\xff") => Some("jpeg"),
        _ if starts(b"\x89PNG\r\n\x1a\n") => Some("png"),
        _ if bytes.get(4..8) == Some(b"ftyp") => Some("mp4"),
        _ => None,
    }
}

/// Whether a payload shows none of the marks by which unencrypted protocols are exempted.
fn is_opaque(bytes: &[u8], ones: f64) -> bool {
    let printable = |byte: &u8| (0x20..0x7f).contains(byte);
    if ones <= FEWEST_ONES || ones >= MOST_ONES {
        return false;
    }
    let mut run = 0;
    let mut longest = 0;
    for byte in bytes {
        run = if printable(byte) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let share = bytes.iter().filter(|byte| printable(byte)).count() * 2;
    !bytes.iter().take(PRINTABLE_HEAD).all(printable)
        && longest < PRINTABLE_RUN
        && share <= bytes.len()
        // A zero-rich head is that of a protocol with lengths and counters.
        && bytes.iter().take(16).filter(|byte| **byte == 0).count() < 3
}

#[allow(clippy::cast_precision_loss)] // payloads are short
fn ones(bytes: &[u8]) -> f64 {
    let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    f64::from(ones) / (bytes.len().max(1) as f64)
}

#[allow(clippy::cast_precision_loss)] // a sample of 2048 at most
fn entropy(bytes: &[u8]) -> f64 {
    // Two tables: neighbours that are equal do not wait for each other.
    let mut tables = [[0u32; 256]; 2];
    for pair in bytes.chunks(2) {
        for (table, byte) in tables.iter_mut().zip(pair) {
            table[usize::from(*byte)] += 1;
        }
    }
    let counts = tables[0].iter().zip(&tables[1]).map(|(a, b)| a + b);
    let total = bytes.len().max(1) as f64;
    let parts = counts.filter(|count| *count > 0).map(|count| f64::from(count) / total);
    parts.map(|share| -share * share.log2()).sum()
}

/// Interpolated over the logarithm of the size.
#[allow(clippy::cast_precision_loss)] // sizes up to 4096
fn random_from(sample: usize) -> f64 {
    let size = (sample.max(1) as f64).log2();
    let points = RANDOM_ENTROPY.map(|(size, entropy)| ((size as f64).log2(), entropy));
    if size <= points[0].0 {
        return points[0].1;
    }
    let between = |pair: &[(f64, f64)]| {
        (size <= pair[1].0).then(|| {
            let share = (size - pair[0].0) / (pair[1].0 - pair[0].0);
            pair[0].1 + share * (pair[1].1 - pair[0].1)
        })
    };
    points.windows(2).find_map(between).unwrap_or(points[3].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameRef, Timestamp};
    use crate::merge::spread;

    fn of(bytes: &[u8]) -> Texture {
        let stamp = Stamp { time: Timestamp(0), at: FrameRef::new(0, 1) };
        Texture::of(&bytes[..bytes.len().min(1400)], &[bytes], true, stamp)
    }

    fn noise(len: usize) -> Vec<u8> {
        (0..len as u64).map(|n| spread(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes()[0]).collect()
    }

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(of(b"meter=1;volt=230\n").kind, Kind::Text);
        assert_eq!(of(b"{\"a\": 1}\n").kind, Kind::Json);
        assert_eq!(of(b"\x1f\x8b\x08\0\0\0\0\0").kind, Kind::Packed);
        assert_eq!(of(&noise(2000)).kind, Kind::Random);
        assert_eq!(of(&[0, 0, 0, 12, 0, 1, 0, 2]).kind, Kind::Binary);
    }

    #[test]
    fn random_bytes_are_opaque_and_numbers_are_not() {
        assert!(of(&noise(300)).encrypted_from_start);
        assert!(!of(&noise(20)).encrypted_from_start, "too few");
        assert!(!of(&[0, 0, 1, 44].repeat(40)).encrypted_from_start);
        assert!(!of("plain words of a protocol, line by line\r\n".repeat(4).as_bytes()).encrypted_from_start);
    }
}
