//! Content that has no business on such a port: shells and programs in transfer, as the signatures saw them.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Seen, Side, Traffic, first_frames};
use crate::signature::{self, http, shell};
use std::collections::BTreeMap;

/// Letters of a detail in the one line that says what a service is.
const MAX_SHORT: usize = 60;
/// Different commands that are more than a hint.
const MIN_COMMANDS: usize = 3;

pub const ABOUT: About = About {
    id: "content",
    about: "A signature of suspicious content was seen; the evidence carries the signature's own id.",
    attack: None,
};

/// One reason for each signature of content, with its first quotation and how often it was seen.
pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    let prompts = prompts(flows);
    let mut by_signature: BTreeMap<&str, Vec<(&Conversation, &Seen)>> = BTreeMap::new();
    for flow in flows {
        for seen in flow.seen.iter().filter(|seen| is_suspicious(seen) || is_note(seen)) {
            by_signature.entry(seen.label.id).or_default().push((flow, seen));
        }
    }
    by_signature
        .into_values()
        .filter_map(|mut seen| {
            seen.sort_by(|(_, a), (_, b)| (a.first, &a.detail).cmp(&(b.first, &b.detail)));
            let (_, first) = *seen.first()?;
            let times: u64 = seen.iter().map(|(_, seen)| seen.count).sum();
            let more = if times == 1 { String::new() } else { format!(", and {} more such", times - 1) };
            let (weight, but) =
                seen.iter().map(|(flow, seen)| weigh(flow, seen, prompts)).max_by_key(|(weight, _)| *weight)?;
            let but = if but.is_empty() { String::new() } else { format!(" ({but})") };
            let signature = first.label;
            Some(Evidence {
                by: signature.id,
                class: signature.class,
                weight,
                says: format!("{}{more}{but}", says(first)),
                frames: first_frames(seen.iter().filter_map(|(_, seen)| seen.first)),
                attack: signature.attack,
            })
        })
        .collect()
}

/// What a side said, in words.
fn says(seen: &Seen) -> String {
    let from = side(seen.from);
    if seen.label.id == http::INJECTION.id {
        return format!("{from} sent a command in its request: {}", seen.detail);
    }
    match (seen.label.id.split('.').next(), seen.detail.is_empty()) {
        (_, true) => format!("{from} speaks as {} does", seen.label.protocol),
        (Some("executable" | "credential"), _) => format!("{from} sent {}", seen.detail),
        (Some("shell"), _) => format!("{from} sent “{}”", seen.detail),
        _ => format!("{from}: {}", seen.detail),
    }
}

/// How often a prompt was seen in all conversations of a service.
fn prompts(flows: &[Conversation]) -> u64 {
    let seen = flows.iter().flat_map(|flow| &flow.seen).filter(|seen| seen.label.id == shell::PROMPT.id);
    seen.map(|seen| seen.count).sum()
}

/// How much a sighting counts where it was seen, and why less than its signature says. `prompts`: of the whole service.
fn weigh(flow: &Conversation, seen: &Seen, prompts: u64) -> (Weight, &'static str) {
    let signature = seen.label;
    let shell = signature.id.starts_with("shell.");
    let program = signature.id.starts_with("executable.");
    if shell && is_login(flow) {
        return (Weight::NOTE, "behind a login, which is for that");
    }
    if program && is_update(flow) {
        return (signature.weight.min(Weight::HINT), "asked of the host that the system's maker names for updates");
    }
    if (shell || program) && is_framed(flow, program) {
        return (signature.weight.min(Weight::HINT), "as content of a known protocol");
    }
    // What a shell prints answers what was typed into it; what nobody asked for is text about it.
    let other = if seen.from == Side::Client { &flow.from_server } else { &flow.from_client };
    let spoke = other.payload_packets > 0;
    let asked = other.first_payload.zip(seen.first).is_some_and(|(asked, printed)| asked < printed);
    if [&shell::IDENTITY, &shell::ACCOUNTS, &shell::SYSTEM].iter().any(|one| one.id == signature.id) && !asked {
        return (signature.weight.min(Weight::MODERATE), UNASKED);
    }
    let of = |id: &str| flow.seen.iter().filter(|seen| seen.label.id == id).collect::<Vec<_>>();
    match signature.id {
        // One command is a word; several are somebody who looks around.
        id if id == shell::COMMAND.id && of(id).len() >= MIN_COMMANDS => (Weight::MODERATE, ""),
        id if id == shell::PROMPT.id => {
            if prompts >= MIN_PROMPTS {
                (signature.weight, "")
            } else {
                (Weight::MODERATE, ONCE)
            }
        }
        id if id == shell::BARE_PROMPT.id => {
            let times: u64 = of(id).iter().filter(|other| other.from == seen.from).map(|seen| seen.count).sum();
            let typed = of(shell::COMMAND.id).iter().any(|typed| typed.from != seen.from);
            // A mark alone, or a path with one: consoles of devices put their name there.
            let plain = seen.detail.starts_with(['$', '#', '%', '/', '~']) && spoke;
            match (times >= MIN_PROMPTS, typed, plain) {
                (true, true, _) => (Weight::STRONG, ""),
                (true, false, true) => (Weight::MODERATE, ""),
                _ => (signature.weight, ""),
            }
        }
        _ => (signature.weight, ""),
    }
}

/// Hosts from which systems fetch their updates, as the makers document them; names below these count as well.
const UPDATE_HOSTS: [&str; 9] = [
    "windowsupdate.com",
    "update.microsoft.com",
    "delivery.mp.microsoft.com",
    "download.microsoft.com",
    "swcdn.apple.com",
    "archive.ubuntu.com",
    "deb.debian.org",
    "download.fedoraproject.org",
    "download.opensuse.org",
];

/// Whether a program was asked for by HTTP of such a host, and HTTP answered.
fn is_update(flow: &Conversation) -> bool {
    let named = |seen: &Seen| {
        let host = seen.detail.rsplit_once(" to ").map_or("", |(_, host)| host);
        let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let below = |known: &str| host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        seen.label.id == "http.request" && UPDATE_HOSTS.iter().any(|known| below(known))
    };
    flow.seen.iter().any(named) && flow.seen.iter().any(|seen| seen.label.id == "http.response")
}

/// Why a sighting counts for less, and is still what the service is.
const ONCE: &str = "once";
const UNASKED: &str = "unasked";
/// Prompts that are no accident.
const MIN_PROMPTS: u64 = 2;

/// Whether a server asked who is there, or the protocol is one of remote consoles: what a shell says is what it is for.
fn is_login(flow: &Conversation) -> bool {
    // Where the capture cut the server's words, the question may be among what was cut.
    let cut = flow.from_server.missing_bytes > 0;
    flow.seen.iter().any(|seen| {
        matches!(seen.label.id, "telnet.login" | "console.login" | "rlogin" | "rsh")
            || (cut && seen.label.id == "telnet")
    })
}

/// Protocols that carry others: what speaks inside them speaks for itself.
const CARRIERS: [&str; 6] = ["socks", "websocket", "http2", "console", "telnet", "chisel"];

/// Whether a conversation is a known protocol whose content this is: mail, pages, values and files quote shells and hold
/// programs. Both sides must bear it out as far as both spoke: a greeting alone is put before anything. A program that
/// comes over HTTP is one that is fetched, and counts in full.
fn is_framed(flow: &Conversation, program: bool) -> bool {
    // What one connection speaks says nothing of another with which it is told together.
    if flow.joined > 1 {
        return false;
    }
    let remote = |traffic: &Traffic| traffic.remote_calls.is_some();
    let heard = [&flow.from_client, &flow.from_server].iter().all(|traffic| traffic.captured_payload() > 0);
    // Protocols that are known by their openings agree already; those that are looked for in every packet need not.
    let agreed = |seen: &Seen| {
        let everywhere = signature::ALL.iter().any(|signature| signature.id == seen.label.id);
        let other = |other: &Seen| other.label.protocol == seen.label.protocol && other.from != seen.from;
        !everywhere || !heard || flow.seen.iter().any(other)
    };
    let known = |seen: &Seen| {
        let protocol = seen.label.protocol;
        seen.label.class == Class::Custom
            && !protocol.is_empty()
            && !CARRIERS.contains(&protocol)
            && (protocol != "http" || !program)
            && agreed(seen)
    };
    (remote(&flow.from_client) && remote(&flow.from_server)) || flow.seen.iter().any(known)
}

/// What the content is, in words: whose shell, whose program. `None` where there is none.
#[must_use]
pub fn summary(flows: &[Conversation]) -> Option<String> {
    let prompts = prompts(flows);
    // What counts for little is not what it is.
    let told = |flow: &Conversation, seen: &Seen| {
        is_suspicious(seen) && matches!(weigh(flow, seen, prompts).1, "" | ONCE | UNASKED)
    };
    let all = flows.iter().flat_map(|flow| flow.seen.iter().map(move |seen| (flow, seen)));
    let seen: Vec<&Seen> = all.filter(|(flow, seen)| told(flow, seen)).map(|(_, seen)| seen).collect();
    let of = |family: &str| seen.iter().filter(|seen| seen.label.id.starts_with(family)).copied().collect::<Vec<_>>();
    let mut parts = Vec::new();
    let telling = |seen: &&&Seen| !["shell.", "executable."].iter().any(|family| seen.label.id.starts_with(family));
    if let Some(seen) = seen.iter().filter(telling).max_by_key(|seen| (seen.label.weight, !seen.detail.is_empty())) {
        // The reason below has it in full.
        let short: String = seen.detail.chars().take(MAX_SHORT).collect();
        let more = if short.len() < seen.detail.len() { "…" } else { "" };
        let detail = if short.is_empty() { String::new() } else { format!(": {short}{more}") };
        let name = if seen.label.id == http::INJECTION.id {
            "attacked by a command in a request"
        } else {
            seen.label.protocol
        };
        parts.push(format!("{name}{detail}"));
    }
    // What a shell prints comes from where it runs; what is typed into it comes from the other side.
    let (typed, printed): (Vec<&Seen>, Vec<&Seen>) =
        of("shell.").into_iter().partition(|seen| seen.label.id == shell::COMMAND.id);
    match printed.first().map(|seen| seen.from) {
        Some(Side::Server) => parts.push("interactive shell on the server (bind shell)".to_owned()),
        Some(Side::Client) => parts.push("interactive shell on the client (reverse shell)".to_owned()),
        None if !typed.is_empty() => parts.push("shell commands".to_owned()),
        None => {}
    }
    if let Some(program) = of("executable.").first() {
        parts.push(format!("program in transfer from {}: {}", side(program.from), program.detail));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Content that is told and not blamed.
fn is_note(seen: &Seen) -> bool {
    seen.label.class == Class::Custom && seen.label.protocol.is_empty()
}

fn is_suspicious(seen: &Seen) -> bool {
    seen.label.class == Class::Suspicious
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "the client",
        Side::Server => "the server",
    }
}
