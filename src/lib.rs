//! gapwatch says what is really talking on the well-known ports that nobody was assigned.
//!
//! A source hands over [`frame::Frame`]s; a [`table::FlowTable`] takes them; a [`report::Report`] says what they mean.
//! Everything between is a function of the frames alone: no I/O, no clock, no order.
//!
//! ```
//! use gapwatch::{frame::*, registry::Registry, report::report, table::{FlowTable, MAX_FLOWS}};
//!
//! // A NIS client asks port 817, which nobody was assigned, and is answered: raw IP, UDP, ONC RPC.
//! let call = b"\x45\0\0\x44\0\0\0\0\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02\x9c\x40\x03\x31\0\x30\0\0\
//!     \0\0\0\x07\0\0\0\0\0\0\0\x02\0\x01\x86\xa4\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
//! let reply = b"\x45\0\0\x38\0\0\0\0\x40\x11\0\0\x0a\0\0\x02\x0a\0\0\x01\x03\x31\x9c\x40\0\x24\0\0\
//!     \0\0\0\x07\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
//!
//! let registry = Registry::built_in();
//! let mut table = FlowTable::new(registry.scope(false), MAX_FLOWS);
//! for (number, bytes) in [(1, &call[..]), (2, &reply[..])] {
//!     let wire_len = u32::try_from(bytes.len())?;
//!     let at = FrameRef::new(0, number);
//!     table.take(&Frame { time: Timestamp::new(1, number), link: LinkType(101), wire_len, bytes, at, interface: 0 });
//! }
//! table.settle();
//!
//! let report = report(&table, Vec::new(), &registry);
//! assert_eq!(report.findings[0].what, "ypserv v2 (DOMAIN)");
//! assert_eq!(report.findings[0].class.name(), "legacy-rpc");
//! assert_eq!(report.totals.frames, report.totals.observed);
//! # Ok::<(), std::num::TryFromIntError>(())
//! ```
//!
//! The modules from the bottom up: words ([`frame`], [`port`], [`class`], [`skip`], [`merge`], [`words`]), facts
//! ([`registry`]), bytes ([`link`], [`tunnel`], [`glance`], [`packet`]), [`signature`]s, features ([`flow`], [`table`]),
//! judgement ([`conversation`], [`rule`], [`finding`], [`judge`], [`report`]), and I/O ([`source`], [`output`], [`scan`]).
//! `tests/layers.rs` sees that imports go down only.

#![forbid(unsafe_code)]

pub mod baseline;
#[cfg(feature = "cli")]
pub mod carve;
pub mod class;
#[cfg(feature = "cli")]
pub mod cli;
pub mod conversation;
pub mod error;
pub mod finding;
pub mod flow;
pub mod frame;
pub mod glance;
pub mod judge;
pub mod link;
pub mod merge;
pub mod output;
pub mod packet;
pub mod policy;
pub mod port;
pub mod registry;
pub mod report;
pub mod rule;
pub mod saved;
pub mod scan;
pub mod signature;
pub mod skip;
pub mod source;
pub mod table;
pub mod tunnel;
pub mod words;
