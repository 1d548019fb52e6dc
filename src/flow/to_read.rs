//! RPC messages of a direction that are worth reading once more when everything is there, and whether there were more than
//! is kept. Knows no program: [`crate::signature::read_again`] says which they are.

use super::{Opening, Size};
use crate::frame::Stamp;
use crate::merge::{Merge, earliest};
use crate::packet::Packet;

/// What is kept of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToRead {
    /// Payloads that hold such messages whole and nothing else. Others stay in the direction's opening, to be put together.
    pub messages: Opening,
    /// The last payload that holds such messages whole.
    last: Option<Stamp>,
    /// The first payload with any of which not all is kept: it is too long, or the rest is in other IP fragments.
    cut: Option<Stamp>,
}

impl ToRead {
    /// Takes a payload with such messages in. `opening` is the direction's.
    pub fn observe(&mut self, stamp: Stamp, packet: &Packet<'_>, whole: bool, opening: &Opening) {
        self.messages.resize(opening.size().max(Size::Answers));
        if whole {
            self.messages.observe(stamp, packet);
            self.last = self.last.max(Some(stamp));
        }
        let most = if whole { self.messages.most() } else { opening.most() };
        if packet.payload.len() > most || packet.fragment.is_some() {
            self.cut = earliest(self.cut, Some(stamp));
        }
    }

    /// Whether any came when there was no more room, or perhaps with what took the last of it.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        let full = self.messages.closed().zip(self.last).is_some_and(|(closed, last)| last >= closed);
        full || self.cut.is_some()
    }
}

impl Merge for ToRead {
    fn merge(&mut self, other: Self) {
        let ToRead { messages, last, cut } = other;
        self.messages.merge(messages);
        self.last = self.last.max(last);
        self.cut = earliest(self.cut, cut);
    }
}
