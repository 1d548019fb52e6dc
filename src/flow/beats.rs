//! When a direction spoke: the first different seconds in which it sent payload. Knows no period and judges none.

use crate::frame::Timestamp;
use crate::merge::Merge;

/// Seconds that are kept: enough to tell a period from chance, and 0.4 KB for a direction that never stops.
const MAX_BEATS: usize = 96;

/// The earliest seconds with payload, each once. Mergeable: what is among the earliest of all is so in its part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beats(Vec<u32>);

impl Beats {
    #[inline]
    pub fn observe(&mut self, time: Timestamp) {
        if !time.is_known() {
            return;
        }
        let second = u32::try_from(time.0 / 1_000_000_000).unwrap_or(u32::MAX); // until 2106
        match self.0.last() {
            Some(last) if *last == second => {}
            Some(last) if *last < second => {
                if self.0.len() < MAX_BEATS {
                    self.0.push(second);
                }
            }
            _ => self.insert(second),
        }
    }

    fn insert(&mut self, second: u32) {
        if let Err(index) = self.0.binary_search(&second) {
            self.0.insert(index, second);
            self.0.truncate(MAX_BEATS);
        }
    }

    /// In seconds since 1970, in order.
    #[must_use]
    pub fn seconds(&self) -> &[u32] {
        &self.0
    }
}

impl Merge for Beats {
    fn merge(&mut self, other: Self) {
        if self.0.is_empty() {
            *self = other;
            return;
        }
        other.0.into_iter().for_each(|second| self.insert(second));
    }
}
