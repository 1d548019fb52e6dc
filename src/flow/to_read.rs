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
    /// The last place of such messages: of whole ones, and of others.
    last: [Option<Stamp>; 2],
    /// The first payload with any that is longer than what is kept of one.
    cut: Option<Stamp>,
}

impl ToRead {
    /// Takes a payload with such messages in. `opening` is the direction's.
    pub fn observe(&mut self, stamp: Stamp, packet: &Packet<'_>, whole: bool, opening: &Opening) {
        self.messages.resize(opening.size().max(Size::Answers));
        if whole {
            self.messages.observe(stamp, packet);
        }
        let last = &mut self.last[usize::from(!whole)];
        *last = (*last).max(Some(stamp));
        let most = if whole { self.messages.most() } else { opening.most() };
        if packet.payload.len() > most {
            self.cut = earliest(self.cut, Some(stamp));
        }
    }

    /// Whether any came when there was no more room, or perhaps with what took the last of it.
    #[must_use]
    pub fn is_cut(&self, opening: &Opening) -> bool {
        let full =
            |kept: &Opening, last: Option<Stamp>| kept.closed().zip(last).is_some_and(|(closed, last)| last >= closed);
        full(&self.messages, self.last[0]) || full(opening, self.last[1]) || self.cut.is_some()
    }
}

impl Merge for ToRead {
    fn merge(&mut self, other: Self) {
        let ToRead { messages, last, cut } = other;
        self.messages.merge(messages);
        for (mine, theirs) in self.last.iter_mut().zip(last) {
            *mine = (*mine).max(theirs);
        }
        self.cut = earliest(self.cut, cut);
    }
}
