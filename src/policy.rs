//! The site's own word: services it knows, and findings it allows, with reason and expiry. Changes no evidence without
//! saying so; knows no clock but that of the packets.

mod file;

use crate::class::{Class, Evidence, Weight};
use crate::frame::{FrameRef, Timestamp};
use crate::port::Transport;
pub use file::BadPolicy;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Known services and allowed evidence, in the order of their file.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub services: Vec<Known>,
    pub allowed: Vec<Allowed>,
}

/// A service that the site knows.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: String,
    pub owner: String,
    /// What it is expected to speak; empty where that does not matter.
    pub protocol: String,
    pub place: Place,
}

/// Evidence that the site allows.
#[derive(Clone, Debug)]
pub struct Allowed {
    pub reason: String,
    /// The ids of the signatures and rules that are quieted.
    pub evidence: BTreeSet<String>,
    pub place: Place,
}

/// Where and until when an entry holds. Empty lists hold everywhere.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub servers: Vec<IpNet>,
    pub clients: Vec<IpNet>,
    pub transport: Option<Transport>,
    /// First and last port of each range.
    pub ports: Vec<(u16, u16)>,
    /// The day it ends, and that day's first nanosecond: from then on it holds no more.
    pub expires: Option<(String, Timestamp)>,
}

/// What an entry is held against: a service with its clients, or a scanner with all that it touched. Where an entry names
/// servers, ports or clients, all of the subject's must be among them.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub servers: &'a [IpAddr],
    pub transport: Transport,
    pub ports: &'a [u16],
    pub clients: &'a [IpAddr],
}

impl Place {
    #[must_use]
    pub fn covers(&self, subject: &Subject<'_>) -> bool {
        let within = |nets: &[IpNet], addresses: &[IpAddr]| {
            let inside = |address: &IpAddr| nets.iter().any(|net| net.contains(&address.to_canonical()));
            nets.is_empty() || (!addresses.is_empty() && addresses.iter().all(inside))
        };
        let transport = self.transport.is_none_or(|transport| transport == subject.transport);
        let inside = |port: &u16| self.ports.iter().any(|(first, last)| (*first..=*last).contains(port));
        let ports = self.ports.is_empty() || (!subject.ports.is_empty() && subject.ports.iter().all(inside));
        within(&self.servers, subject.servers) && within(&self.clients, subject.clients) && transport && ports
    }

    /// Whether it has ended at a moment of the capture.
    #[must_use]
    pub fn has_expired(&self, at: Option<Timestamp>) -> bool {
        self.expires.as_ref().zip(at).is_some_and(|((_, end), at)| at >= *end)
    }
}

/// What the server's side of a conversation speaks: the names that fit, and where that was seen.
#[derive(Clone, Debug, Default)]
pub struct Spoken<'a> {
    pub protocols: BTreeSet<&'a str>,
    pub frames: Vec<FrameRef>,
}

/// What a policy did to a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// The name of the known service that it is.
    pub known: Option<String>,
    /// The reasons of the entries that quieted something.
    pub allowed: Vec<String>,
    /// Pieces of evidence that were quieted.
    pub quieted: usize,
}

impl Policy {
    /// Applies the entries to the evidence of a finding. `spoken` are the protocols of each of its conversations in which
    /// any was told, the first frames with it; `unexplained`: payload was exchanged that nobody knows; `at`: the last moment of
    /// the finding. Of several entries that cover it the first that has not ended counts.
    #[must_use]
    pub fn apply(
        &self,
        subject: &Subject<'_>,
        spoken: &[Spoken<'_>],
        unexplained: bool,
        at: Option<Timestamp>,
        evidence: &mut Vec<Evidence>,
    ) -> Effect {
        let mut effect = Effect::default();
        if let Some(known) = self.known(subject, at) {
            let says = known.describe();
            let expected = known.protocol.as_str();
            let other = spoken.iter().find(|spoken| !expected.is_empty() && !spoken.protocols.contains(expected));
            if known.place.has_expired(at) {
                let end = known.place.expires.as_ref().map_or("", |(day, _)| day);
                evidence.push(note(EXPIRED, format!("{says}; the entry ended on {end}")));
            } else if let Some(other) = other {
                let names: Vec<&str> = other.protocols.iter().copied().collect();
                let says = format!("{says} is expected to speak {expected}, and speaks {}", names.join(" and "));
                evidence.push(changed(Weight::STRONG, says, other.frames.clone()));
            } else if unexplained && !expected.is_empty() && spoken.is_empty() {
                let says = format!("{says} is expected to speak {expected}, and speaks something unexplained");
                let frames =
                    evidence.iter().find(|reason| !reason.frames.is_empty()).map(|reason| reason.frames.clone());
                evidence.push(changed(Weight::MODERATE, says, frames.unwrap_or_default()));
            } else {
                for reason in evidence.iter_mut().filter(|reason| reason.class == Class::Suspicious) {
                    let statistical = STATISTICAL.contains(&reason.by);
                    if reason.weight > Weight::NOTE && (reason.weight < Weight::MODERATE || statistical) {
                        quiet(reason, &format!("known service {}", known.name));
                        effect.quieted += 1;
                    }
                }
                effect.known = Some(known.name.clone());
                evidence.push(Evidence { weight: Weight::DECISIVE, ..note(KNOWN, says) });
            }
        }
        for allowed in
            self.allowed.iter().filter(|allowed| allowed.place.covers(subject) && !allowed.place.has_expired(at))
        {
            let mut used = false;
            for reason in evidence.iter_mut().filter(|reason| allowed.evidence.contains(reason.by)) {
                if reason.class == Class::Suspicious && reason.weight > Weight::NOTE {
                    quiet(reason, &allowed.reason);
                    effect.quieted += 1;
                    used = true;
                }
            }
            if used {
                effect.allowed.push(allowed.reason.clone());
            }
        }
        effect
    }

    /// The entry that holds for a service: the first that covers it and has not ended, or else the first that has.
    #[must_use]
    pub fn known(&self, subject: &Subject<'_>, at: Option<Timestamp>) -> Option<&Known> {
        let covering = || self.services.iter().filter(|known| known.place.covers(subject));
        covering().find(|known| !known.place.has_expired(at)).or_else(|| covering().next())
    }
}

impl Known {
    fn describe(&self) -> String {
        let owner = if self.owner.is_empty() { String::new() } else { format!(" of {}", self.owner) };
        format!("the policy's service {}{owner}", self.name)
    }
}

pub const KNOWN: &str = "policy.known";
pub const CHANGED: &str = "policy.changed";
pub const EXPIRED: &str = "policy.expired";

fn note(by: &'static str, says: String) -> Evidence {
    Evidence { by, class: Class::Custom, weight: Weight::NOTE, says, frames: Vec::new(), attack: None }
}

/// Reasons that read little more than that bytes cannot be read, or how much came and when. However many agree, they are
/// one observation, and a service that the site knows may have them.
pub const STATISTICAL: [&str; 7] =
    ["encrypted-start", "entropy", "beacon", "beacon.inside", "push", "long-connection", "spread"];

fn changed(weight: Weight, says: String, frames: Vec<FrameRef>) -> Evidence {
    Evidence { by: CHANGED, class: Class::Suspicious, weight, says, frames, attack: Some("T1036") }
}

fn quiet(reason: &mut Evidence, why: &str) {
    reason.says = format!("{} [quieted by policy, weight {}: {why}]", reason.says, reason.weight.0);
    reason.weight = Weight::NOTE;
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[[service]]
name = "historian"
owner = "plant"
server = "10.1.0.0/16"
port = [722, "811-827"]
protocol = "redis"
expires = 2027-01-31

[[allow]]
reason = "the monitoring polls it"
evidence = ["beacon"]
client = "10.0.0.9"
"#;

    fn subject(server: &str, port: u16, clients: &'static [IpAddr]) -> Subject<'static> {
        let server: IpAddr = server.parse().expect("an address");
        Subject { servers: vec![server].leak(), transport: Transport::Tcp, ports: vec![port].leak(), clients }
    }

    fn hint(by: &'static str) -> Evidence {
        Evidence {
            by,
            class: Class::Suspicious,
            weight: Weight::HINT,
            says: "odd".into(),
            frames: Vec::new(),
            attack: None,
        }
    }

    #[test]
    fn known_services_are_acknowledged_until_they_change_or_expire() {
        let policy = Policy::read(TEXT).expect("sound");
        let at = |year: &str| {
            format!("{year}-06-01T00:00:00Z")
                .parse()
                .ok()
                .map(|time: jiff::Timestamp| Timestamp(u64::try_from(time.as_nanosecond()).expect("after 1970")))
        };
        let run = |server: &str, spoken: &[Spoken<'_>], year: &str| {
            let mut evidence = vec![hint("odd-port")];
            let effect = policy.apply(&subject(server, 815, &[]), spoken, spoken.is_empty(), at(year), &mut evidence);
            (effect, evidence)
        };
        let speaks = |protocol| [Spoken { protocols: BTreeSet::from([protocol]), frames: Vec::new() }];
        let redis = speaks("redis");
        let (effect, evidence) = run("10.1.2.3", &redis, "2026");
        assert_eq!((effect.known.as_deref(), effect.quieted), (Some("historian"), 1));
        assert!(evidence.iter().any(|reason| reason.by == KNOWN) && evidence[0].weight == Weight::NOTE);
        let (effect, evidence) = run("10.1.2.3", &speaks("ssh"), "2026");
        assert!(effect.known.is_none() && evidence.iter().any(|reason| reason.by == CHANGED));
        let (_, evidence) = run("10.1.2.3", &[], "2026");
        assert!(evidence.iter().any(|reason| reason.by == CHANGED && reason.weight == Weight::MODERATE));
        let (effect, evidence) = run("10.1.2.3", &redis, "2027");
        assert!(effect.known.is_none() && evidence.iter().any(|reason| reason.by == EXPIRED));
        assert_eq!(run("10.2.2.3", &redis, "2026").0, Effect::default());
    }

    #[test]
    fn allowed_evidence_is_quieted_and_said_to_be() {
        const POLLER: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9))];
        const BOTH: [IpAddr; 2] = [POLLER[0], IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 8))];
        let policy = Policy::read(TEXT).expect("sound");
        let run = |clients| {
            let mut evidence = vec![hint("beacon"), hint("odd-port")];
            (policy.apply(&subject("10.2.0.1", 900, clients), &[], false, None, &mut evidence), evidence)
        };
        let (effect, evidence) = run(&POLLER);
        assert_eq!((effect.quieted, effect.allowed.len()), (1, 1));
        assert!(evidence[0].says.contains("quieted by policy, weight 10: the monitoring polls it"));
        assert_eq!(run(&BOTH).0.quieted, 0, "another client is there as well");
    }
}
