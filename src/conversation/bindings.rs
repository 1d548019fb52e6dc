//! What a portmapper or NetInfo's binder gave away: which program is behind which port, from calls and their answers,
//! wherever each was seen. Knows no verdict.

use super::dialogue::Answered;
use crate::frame::Stamp;
use crate::port::Transport;
use crate::signature::portmap::{Binding, Question};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Different programs that are kept for one port.
const MAX_HISTORY: usize = 16;

/// Something that was learnt of a port, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Learnt {
    /// When and where the first answer that says so was seen.
    pub stamp: Stamp,
    pub binding: Binding,
    /// The procedure that was asked.
    pub by: &'static str,
    /// From a list of all that is registered.
    pub listed: bool,
    /// Who answered.
    pub from: IpAddr,
    /// The last answer that says so.
    pub last: Stamp,
}

type Place = (IpAddr, Transport, u16);
type Program = (IpAddr, Transport, u32, u32);

/// Every port that was given away, each with its history, the earliest first.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    ports: BTreeMap<Place, Vec<Learnt>>,
    /// When an answer said that nobody serves a program any more.
    removals: BTreeMap<Program, Vec<Stamp>>,
}

impl Bindings {
    /// Learns from calls and their answers.
    #[must_use]
    pub fn of_answers(answers: &[Answered]) -> Self {
        let mut bindings = Bindings::default();
        for answer in answers {
            let call = &answer.call;
            let Some(question) = Question::of(call.program, call.version, call.procedure, &answer.arguments) else {
                continue;
            };
            for binding in question.learn(&answer.result, answer.transport) {
                bindings.add(Learnt {
                    stamp: answer.stamp,
                    binding,
                    by: question.name(call),
                    listed: question.lists(),
                    from: answer.from.address,
                    last: answer.stamp,
                });
            }
        }
        // Only now, so that the order of the answers does not show.
        for history in bindings.ports.values_mut() {
            history.sort();
            history.truncate(MAX_HISTORY);
        }
        bindings.removals.values_mut().for_each(|removals| removals.sort_unstable());
        bindings
    }

    fn add(&mut self, learnt: Learnt) {
        let address = learnt.binding.address.unwrap_or(learnt.from);
        let binding = &learnt.binding;
        if binding.only_v6 && address.is_ipv4() {
            return; // of the same host, and which its IPv6 addresses are is not known
        }
        if binding.port == 0 {
            let removals =
                self.removals.entry((address, binding.transport, binding.program, binding.version)).or_default();
            removals.push(learnt.stamp);
            return;
        }
        let history = self.ports.entry((address, binding.transport, binding.port)).or_default();
        let same = |known: &Learnt| {
            (known.binding.program, known.binding.version, &known.binding.domain)
                == (binding.program, binding.version, &binding.domain)
        };
        match history.iter_mut().find(|known| same(known)) {
            Some(known) => {
                let last = known.last.max(learnt.last);
                if learnt < *known {
                    *known = learnt;
                }
                known.last = last;
            }
            None => history.push(learnt),
        }
    }

    /// What was learnt of a port.
    #[must_use]
    pub fn of(&self, address: IpAddr, transport: Transport, port: u16) -> &[Learnt] {
        self.ports.get(&(address, transport, port)).map_or(&[], Vec::as_slice)
    }

    /// When it was said that nobody serves this program there any more, after it was last said who does.
    #[must_use]
    pub fn removed(&self, learnt: &Learnt) -> Option<Stamp> {
        let binding = &learnt.binding;
        let address = binding.address.unwrap_or(learnt.from);
        let removals = self.removals.get(&(address, binding.transport, binding.program, binding.version))?;
        removals.iter().copied().find(|removal| *removal > learnt.last)
    }
}
