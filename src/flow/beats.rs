//! When a direction spoke: the first different seconds in which it sent payload. Knows no period and judges none.

use crate::frame::Timestamp;
use crate::merge::Merge;

/// Seconds that are kept: enough to tell a period from chance, and 0.4 KB for a direction that never stops.
const MAX_BEATS: usize = 96;

/// The earliest seconds with payload, each once. Mergeable: what is among the earliest of all is so in its part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beats {
    seconds: Vec<u32>,
    /// The last of them, once more: most packets come in the same second as the one before, and then it is enough.
    last: u32,
}

impl Beats {
    #[inline]
    pub fn observe(&mut self, time: Timestamp) {
        if !time.is_known() {
            return;
        }
        let second = u32::try_from(time.0 / 1_000_000_000).unwrap_or(u32::MAX); // until 2106
        if second != self.last || self.seconds.is_empty() {
            self.insert(second);
        }
    }

    fn insert(&mut self, second: u32) {
        let index = match self.seconds.len() {
            len if len == 0 || self.last < second => len,
            _ => match self.seconds.binary_search(&second) {
                Ok(_) => return,
                Err(index) => index,
            },
        };
        if index < MAX_BEATS {
            self.seconds.truncate(MAX_BEATS - 1);
            self.seconds.insert(index, second);
            self.last = self.seconds[self.seconds.len() - 1];
        }
    }

    /// In seconds since 1970, in order.
    #[must_use]
    pub fn seconds(&self) -> &[u32] {
        &self.seconds
    }
}

impl Merge for Beats {
    fn merge(&mut self, other: Self) {
        if self.seconds.is_empty() {
            *self = other;
            return;
        }
        other.seconds.into_iter().for_each(|second| self.insert(second));
    }
}
