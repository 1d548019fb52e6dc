//! What several outputs say in the same words: the conclusion, the reason in one line, and the account of every frame, so
//! that nothing is lost unseen. Knows no format; what comes from packets is harmless here already.

use super::safe;
use crate::class::{Class, Weight};
use crate::conversation::State;
use crate::finding::{Finding, Kind};
use crate::frame::{FrameRef, Timestamp};
use crate::report::{Folded, Report, Status};
use crate::words::{count, count_u64, thousands};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// `2 suspicious services, 1 scanner, 4 legacy RPC services, 7 custom services of which 3 unexplained`.
#[must_use]
pub fn conclusion(report: &Report) -> String {
    let number = |class, kind| report.number(|k, c, _| c == class && k == kind);
    let unexplained = report
        .number(|kind, class, state| kind == Kind::Service && class == Class::Custom && state == State::Unexplained);
    let custom = number(Class::Custom, Kind::Service);
    let mut parts = Vec::new();
    let mut add = |number: usize, noun: &str| {
        if number > 0 {
            parts.push(count(number, noun));
        }
    };
    add(number(Class::Suspicious, Kind::Service), "suspicious service");
    add(number(Class::Suspicious, Kind::Scanner), "scanner");
    add(number(Class::LegacyRpc, Kind::Service), "legacy RPC service");
    add(custom, "custom service");
    if unexplained > 0 && unexplained < custom {
        parts.push(format!("of which {unexplained} unexplained"));
    } else if unexplained > 0 {
        parts.push("unexplained".to_owned());
    }
    let new = report.findings.iter().filter(|finding| !finding.new.is_empty()).count();
    let new = new + report.folded.iter().map(|line| line.new).sum::<usize>();
    if new > 0 {
        parts.push(format!("{new} new since the baseline"));
    }
    if parts.is_empty() {
        return nothing_found(report);
    }
    let mut text = parts.join(", ").replace(", of which", " of which");
    text.push('.');
    text
}

/// What is said where nothing was found: that there is no service only where ports were looked at, and of which ports.
fn nothing_found(report: &Report) -> String {
    let totals = &report.totals;
    let opened = report.inputs.iter().filter(|input| input.status != Status::Unreadable).count();
    if opened == 0 && !report.inputs.is_empty() {
        return "Nothing was looked at: no input could be opened.".to_owned();
    }
    // What the kernel dropped had its ports looked at there.
    let by_kernel = report.inputs.iter().any(|input| input.kernel_filter == Some(true));
    if totals.observed + totals.outside == 0 && !by_kernel && !report.inputs.is_empty() {
        return match totals.frames {
            0 => "No port was looked at: there are no frames.".to_owned(),
            1 => format!("No port was looked at: the only frame was skipped ({}).", skipped(report)),
            frames => {
                let frames = count_u64(frames, "frame");
                format!("No port was looked at: all {frames} were skipped ({}).", skipped(report))
            }
        };
    }
    let on = report.scope.named.as_deref().unwrap_or("an unassigned well-known port");
    let whole = report.inputs.iter().filter(|input| input.status == Status::Complete).count();
    let inputs = report.inputs.len();
    match inputs - whole {
        0 => format!("No service on {on}."),
        1 if inputs == 1 => format!("No service on {on} in what was read; the input was not read as a whole."),
        cut => {
            let were = if cut == 1 { "was" } else { "were" };
            format!("No service on {on} in what was read; {cut} of {inputs} inputs {were} not read as a whole.")
        }
    }
}

/// The reasons why most frames were skipped; the account has all.
fn skipped(report: &Report) -> String {
    const SHOWN: usize = 3;
    let mut reasons: Vec<(&String, &u64)> = report.totals.skipped.iter().collect();
    reasons.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
    let mut names: Vec<&str> = reasons.iter().take(SHOWN).map(|(reason, _)| reason.as_str()).collect();
    if reasons.len() > SHOWN {
        names.push("and other reasons");
    }
    names.join(", ")
}

/// Whether the policy allows what would have made it suspicious: it is counted then, and listed when asked for.
pub fn is_folded(finding: &Finding) -> bool {
    finding.lifted && !finding.allowed.is_empty()
}

/// The strongest reason, with the confidence that all of them give. Where it would say what the line above it says
/// already, the signatures that saw it.
pub fn why(finding: &Finding) -> String {
    let confidence = finding.confidence.name();
    let mut reasons =
        finding.evidence.iter().filter(|reason| reason.class == finding.class && reason.weight > Weight::NOTE);
    match reasons.next() {
        Some(reason) if finding.class == Class::Custom => {
            let ids: Vec<&str> = std::iter::once(reason).chain(reasons).map(|reason| reason.by).collect();
            format!("{confidence}: seen by {}", ids.join(", "))
        }
        Some(reason) => format!("{confidence}: {}", safe::text(&reason.says)),
        None => match finding.evidence.first() {
            Some(reason) => safe::text(&reason.says).into_owned(),
            None => confidence.to_owned(),
        },
    }
}

/// Whom a finding is about, in a line.
#[must_use]
pub fn who(finding: &Finding) -> String {
    let who = match (finding.kind, finding.port, finding.server) {
        (Kind::Client, Some(port), Some(server)) => {
            format!("{} → {}/{}", finding.address, SocketAddr::new(server, port), finding.transport)
        }
        (_, Some(port), _) => format!("{}/{}", SocketAddr::new(finding.address, port), finding.transport),
        _ => format!("scanner {}", finding.address),
    };
    format!("{who}{}", tunnel(finding).map(|tunnel| format!(" {tunnel}")).unwrap_or_default())
}

/// `in vxlan 7`: the same addresses may be other hosts there.
#[must_use]
pub fn tunnel(finding: &Finding) -> Option<String> {
    finding.tunnel.as_ref().map(|tunnel| match tunnel.network {
        0 => format!("in {}", tunnel.kind),
        network => format!("in {} {network}", tunnel.kind),
    })
}

/// The end of a name that is too long to stand beside every frame; the list of inputs has it whole.
fn short(name: &str) -> Cow<'_, str> {
    const LONGEST: usize = 120;
    if name.len() <= LONGEST {
        return Cow::Borrowed(name);
    }
    let from = (name.len() - LONGEST..name.len()).find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    Cow::Owned(format!("…{}", &name[from..]))
}

/// `frame 3, 4`; with several inputs, each with its name.
#[must_use]
pub fn frames(report: &Report, frames: &[FrameRef]) -> String {
    let mut by_input: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for frame in frames {
        by_input.entry(frame.input()).or_default().push(frame.number().to_string());
    }
    let parts: Vec<String> = by_input
        .into_iter()
        .map(|(input, numbers)| {
            let name = match report.inputs.get(input as usize) {
                Some(input) if report.inputs.len() > 1 => format!(" of {}", safe::text(&short(&input.name))),
                None if report.inputs.len() > 1 => " of an input that is not listed".to_owned(),
                _ => String::new(),
            };
            format!("frame {}{name}", numbers.join(", "))
        })
        .collect();
    parts.join("; ")
}

/// Names of a folded line that are shown where there is little room.
const MAX_NAMES: usize = 4;

/// Findings that are told together, in a line: `1,968 custom services over udp, unanswered: 10.0.0.5:817/udp, … and 1,964 more`.
#[must_use]
pub fn folded(line: &Folded) -> String {
    let noun = match line.kind {
        Kind::Service => "service",
        Kind::Scanner => "scanner",
        Kind::Client => "client",
    };
    let named: Vec<&str> = line.names.iter().take(MAX_NAMES).map(String::as_str).collect();
    let more = match line.findings - named.len() {
        0 => String::new(),
        more => format!(" and {} more", thousands(more as u64)),
    };
    let tunnel = line.tunnel.map_or_else(String::new, |tunnel| format!(" in {tunnel}"));
    let client = line.client.map_or_else(String::new, |client| format!(", all asked by {client}"));
    let ports = match (line.kind, line.ports_total) {
        (Kind::Scanner, _) => String::new(),
        (_, ports) => format!(" with {}", count(ports, "port")),
    };
    format!(
        "{} {}{tunnel} over {} told together, {} ({}){client}: {}{more}; {}{ports}, {}, {}, {}",
        line.class,
        count(line.findings, noun),
        line.transport,
        safe::text(&line.what),
        line.evidence.join(", "),
        named.join(", "),
        count(line.addresses_total, "address"),
        count(line.flows, "flow"),
        count_u64(line.packets, "packet"),
        bytes(line.bytes),
    )
}

/// What the report does not list, in one sentence; `None` where it lists all.
#[must_use]
pub fn left_out(report: &Report) -> Option<String> {
    let cut = report.cut.as_ref()?;
    let mut parts = Vec::new();
    if cut.findings > 0 {
        parts.push(format!("{} told together", count(cut.findings, "finding")));
    }
    for (number, noun) in cut.parts() {
        parts.push(format!("{} not listed", plural(number, noun)));
    }
    if cut.filters > 0 {
        parts.push(format!("{} wider than the finding", count(cut.filters, "Wireshark filter")));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// As [`count`], of nouns that have more behind them.
fn plural(number: usize, noun: &str) -> String {
    match noun.split_once(' ').filter(|_| noun.starts_with("target") || noun.contains(" or ")) {
        Some((first, rest)) if noun.starts_with("target") => format!("{} {rest}", count(number, first)),
        Some(_) => format!("{} RPC programs or procedures", thousands(number as u64)),
        None => count(number, noun),
    }
}

/// A line of the account; `loud` stands before it and wants to be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub loud: String,
    pub text: String,
}

/// Inputs that have a line of the account each, and where all are wanted.
const MAX_INPUT_LINES: usize = 100;
const MAX_INPUT_LINES_ALL: usize = 1000;

/// Where every frame went, and how each input ended. Inputs that ended well are told one by one where `all` is wanted, or
/// where there is one.
#[must_use]
pub fn account(report: &Report, all: bool) -> Vec<Line> {
    let totals = &report.totals;
    let mut lines = Vec::new();
    let mut say = |loud: &str, text: String| lines.push(Line { loud: loud.to_owned(), text });
    let skipped: u64 = totals.skipped.values().sum();
    let reasons: Vec<String> = totals.skipped.iter().map(|(reason, n)| format!("{reason} {}", thousands(*n))).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    say(
        "",
        format!(
            "{} = {} observed + {} outside the scope + {} skipped{reasons}",
            count_u64(totals.frames, "frame"),
            thousands(totals.observed),
            thousands(totals.outside),
            thousands(skipped),
        ),
    );
    let tunnelled: Vec<String> = totals.tunnelled.iter().map(|(kind, n)| format!("{kind} {}", thousands(*n))).collect();
    if !tunnelled.is_empty() {
        say("", format!("observed inside tunnels: {}", tunnelled.join(", ")));
    }
    if totals.cut > 0 {
        let frames = count_u64(totals.cut, "frame");
        say("", format!("{frames} cut by the capture; what was cut off was not looked at"));
    }
    if totals.context_flows > 0 {
        let flows = count_u64(totals.context_flows, "flow");
        say("", format!("{flows} with context ports (tcp 111, 512, 514, udp 111), read for what they say of others"));
    }
    if let Some(flows) = totals.broadcast_flows {
        let flows = count_u64(flows, "question");
        say("", format!("{flows} to everybody on the net, told under those who answered"));
    }
    if let Some(connections) = totals.joined_connections {
        let connections = count_u64(connections, "connection");
        say(
            "",
            format!(
                "at least {connections} told together with others on the same ports: their sequence numbers lie too close to each other"
            ),
        );
    }
    if let Some(flows) = totals.unread_flows {
        let flows = count_u64(flows, "conversation");
        say(
            "",
            format!(
                "{flows} with portmappers or NetInfo read in part: more was said than is kept, so a name or a port may be missing"
            ),
        );
    }
    if let Some(flows) = totals.crumbled_flows {
        let flows = count_u64(flows, "conversation");
        say(
            "MEMORY BOUND REACHED",
            format!(": not all of about {flows} in small segments were put together (see --max-flows)"),
        );
    }
    if let Some(flows) = totals.refused_flows {
        let flows = count_u64(flows, "conversation");
        say(
            "MEMORY BOUND REACHED",
            format!(": ICMP calls about {flows} refused, and not all of that is kept (see --max-flows)"),
        );
    }
    for beyond in &totals.beyond_bounds {
        let flows = thousands(beyond.flows_estimated);
        let packets = count_u64(beyond.packets, "packet");
        say(
            "MEMORY BOUND REACHED",
            format!(": {packets} of flows {} not kept; about {flows} such flows (see --max-flows)", beyond.flows),
        );
    }
    if let Some(left_out) = left_out(report) {
        say("LISTED IN PART", format!(": {left_out}; the totals count all"));
    }
    // Of thousands of inputs the first that are worth a line.
    let most = if all { MAX_INPUT_LINES_ALL } else { MAX_INPUT_LINES };
    let mut told = 0;
    for input in &report.inputs {
        let is_told = all || report.inputs.len() == 1 || input.status != Status::Complete || !input.notes.is_empty();
        told += usize::from(is_told);
        if told > most && is_told {
            continue;
        }
        if all || report.inputs.len() == 1 || input.status != Status::Complete || !input.notes.is_empty() {
            let problem =
                input.problem.as_deref().map_or_else(String::new, |problem| format!(" — {}", safe::text(problem)));
            let format = if input.format.is_empty() { String::new() } else { format!("{}, ", input.format) };
            let name = safe::text(&input.name);
            let (size, frames) = (bytes(input.bytes), count_u64(input.frames, "frame"));
            say("", format!("{name}: {format}{size}, {frames}, {}{problem}", input.status.name()));
        }
        if input.kernel_filter == Some(true) {
            say(
                "",
                "  filtered by the kernel: what is plainly out of scope was dropped there and is not counted".into(),
            );
        }
        if let Some(filter) = &input.filter {
            say("", format!("  only packets that fit “{}” were taken", safe::text(filter)));
        }
        for (note, times) in &input.notes {
            say("", format!("  {} {note}", thousands(*times)));
        }
    }
    if told > most {
        say("", format!("{} like these, which the JSON report lists", count(told - most, "more input")));
    }
    if let Some(policy) = &report.policy {
        say(
            "",
            format!(
                "policy {}: {} known, {} allowed, {} changed, {} quieted",
                safe::text(&policy.name),
                count(policy.known, "service"),
                count(policy.allowed, "finding"),
                count(policy.changed, "service"),
                count(policy.quieted, "reason")
            ),
        );
    }
    if report.left_out > 0 {
        let files = count(report.left_out, "file");
        say("", format!("{files} in the folders left out: by their content no captures"));
    }
    let scope = &report.scope;
    say(
        "",
        format!(
            "scope: {} tcp and {} udp ports; IANA registry of {}, {} unassigned (port, transport) pairs",
            scope.tcp_ports, scope.udp_ports, report.registry.date, report.registry.unassigned
        ),
    );
    lines
}

/// `2026-11-23 23:00:01`.
pub fn day_and_second(time: Timestamp) -> String {
    time.to_string().get(..19).map(|text| text.replace('T', " ")).unwrap_or_default()
}

/// `12.3 kB`: powers of ten, as Wireshark has them.
#[allow(clippy::cast_precision_loss)] // shown with one decimal
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 999.95 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(bytes(12_345), "12.3 kB");
    }
}
