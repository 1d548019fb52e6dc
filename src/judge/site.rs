//! What a site's own policy does to a finding: tells it who was asked and what was spoken. Knows no entry of a policy.

use crate::class::{Class, Evidence, Verdict};
use crate::conversation::{Conversation, Seen, Side, State, first_frames};
use crate::finding::Around;
use crate::policy::{Effect, Policy, Spoken, Subject};
use crate::registry::program;
use crate::rule::rpc;

/// What the site says of it, and when the capture was made.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub policy: Option<&'a Policy>,
    pub around: Around,
}

impl Site<'_> {
    /// Applies the policy; whether that took a verdict of suspicious away is told beside.
    pub fn apply(
        self,
        subject: &Subject<'_>,
        flows: &[Conversation],
        state: State,
        evidence: &mut Vec<Evidence>,
    ) -> (Effect, bool) {
        let Some(policy) = self.policy else { return (Effect::default(), false) };
        let before = Verdict::from_evidence(evidence.clone()).class;
        let spoken: Vec<Spoken<'_>> = flows.iter().map(spoken).filter(|spoken| !spoken.protocols.is_empty()).collect();
        let at =
            flows.iter().filter_map(Conversation::last).map(|stamp| stamp.time).filter(|time| time.is_known()).max();
        let effect = policy.apply(subject, &spoken, state == State::Unexplained, at, evidence);
        let lifted = before == Class::Suspicious && Verdict::from_evidence(evidence.clone()).class != before;
        (effect, lifted)
    }
}

/// What the server speaks; what clients try says nothing of it. RPC also by the names of its programs.
fn spoken<'a>(flow: &'a Conversation<'_>) -> Spoken<'a> {
    let of = |side: Side| flow.seen.iter().filter(move |seen| seen.from == side && !seen.label.protocol.is_empty());
    // Some protocols are told by the client's side alone; they count where the server said nothing else.
    let mut seen: Vec<&Seen> = of(Side::Server).collect();
    if seen.is_empty() && flow.from_server.payload_packets > 0 {
        seen.extend(of(Side::Client));
    }
    let mut spoken = Spoken {
        protocols: seen.iter().map(|seen| seen.label.protocol).collect(),
        frames: first_frames(seen.iter().filter_map(|seen| seen.first)),
    };
    if rpc::speaks(flow) {
        spoken.protocols.insert("onc-rpc");
        let calls = flow.from_client.remote_calls.as_deref();
        let programs = calls.into_iter().flat_map(|calls| calls.procedures.iter());
        spoken.protocols.extend(
            programs.filter_map(|(named, _)| program::find(named.program, named.version).map(|known| known.name)),
        );
        spoken.frames = first_frames(flow.from_client.first_payload.or(flow.from_server.first_payload));
    }
    spoken
}
