//! gapwatch says what is really talking on the well-known ports that nobody was assigned.

#![forbid(unsafe_code)]

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
pub mod port;
pub mod registry;
pub mod report;
pub mod rule;
pub mod scan;
pub mod signature;
pub mod skip;
pub mod source;
pub mod table;
pub mod tunnel;
pub mod words;
