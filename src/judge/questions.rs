//! What was sent to everybody over UDP: those who answer do so from addresses of their own, and what they say is read beside it.

use crate::conversation::elsewhere;
use crate::flow::Half;
use crate::packet::Endpoint;
use crate::port::Transport;
use crate::table::{FlowTable, Gathered, Tier};
use std::collections::HashMap;

/// What was sent to everybody over UDP, by who sent it and to which port: those who answer do so from addresses of their own.
pub(super) struct Questions<'a>(HashMap<(Endpoint, u16), &'a Half>);

impl<'a> Questions<'a> {
    pub(super) fn of_table(table: &'a FlowTable) -> Self {
        let mut questions = HashMap::new();
        for (key, directions) in table.tier(Tier::Payload).filter(|(key, _)| key.transport == Transport::Udp) {
            for side in [0, 1] {
                let (sender, everybody) = (key.ends[side], key.ends[1 - side]);
                if elsewhere::goes_to_all(everybody.address)
                    && directions[1 - side].iter().next().is_none()
                    && let Some((_, direction)) = directions[side].iter().next()
                {
                    questions.insert((sender, everybody.port), &direction.half);
                }
            }
        }
        Questions(questions)
    }

    /// What the side of a conversation that is silent in it had sent to everybody.
    pub(super) fn of(&self, gathered: &Gathered<'_>) -> Option<&'a Half> {
        if self.0.is_empty() || gathered.key.transport != Transport::Udp {
            return None;
        }
        let [a, b] = gathered.key.ends;
        match gathered.headers.each_ref().map(|headers| headers.packets) {
            [0, _] => self.0.get(&(a, b.port)).copied(),
            [_, 0] => self.0.get(&(b, a.port)).copied(),
            _ => None,
        }
    }
}
