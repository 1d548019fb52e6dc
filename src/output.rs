//! How a report becomes bytes: one file a format, each a function of the report alone. Knows no source and no rule.

#[cfg(feature = "cli")]
pub mod csv;
pub mod ecs;
pub mod eve;
#[cfg(feature = "cli")]
pub mod html;
pub mod json;
pub mod ndjson;
#[cfg(all(feature = "live", unix))]
pub mod pcap;
pub mod pcapng;
pub mod safe;
pub mod stix;
#[cfg(feature = "cli")]
pub mod table;
pub mod words;
pub mod zeek;

use sha2::{Digest, Sha256};

/// The first 16 bytes of the SHA-256 of some words: for identities that are the same on every run.
fn digest(words: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.len().to_be_bytes());
        hash.update(word);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes
}
