//! How a report becomes bytes: one file a format, each a function of the report alone. Knows no source and no rule.

pub mod json;
pub mod ndjson;
#[cfg(feature = "live")]
pub mod pcap;
pub mod safe;
#[cfg(feature = "cli")]
pub mod table;
