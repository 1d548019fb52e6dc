//! One self-contained page: the conclusion, pictures, every finding, and what a case file needs. Asks no network for anything,
//! works without its script, and lets nothing of a packet be more than text.

mod pictures;

use super::safe;
use super::words::{self, Line};
use crate::class::Class;
use crate::conversation::Side;
use crate::finding::{Finding, FlowNote, Opening};
use crate::frame::Timestamp;
use crate::registry::Registry;
use crate::report::{Input, Report};
use crate::words::{count, count_u64, thousands};
use askama::Template;
use pictures::{ClassTotal, Map, Talk, Timeline};
use std::io::{self, Write};
use std::net::SocketAddr;

/// What the page lets the browser apply and run: exactly this style and this script (CSP level 3, hashes). A test holds them
/// against the files.
const STYLE_HASH: &str = "sha256-5ZeUzz68RlUsTEA07KhuP7kYeYgPFBOegwD19jwS7XI=";
const SCRIPT_HASH: &str = "sha256-E3Fgn1u8LCA2iES8XRrFZ0S6568I9kfKSC2Ma7c1aZE=";
/// Flows that a finding's table lists; the JSON report has more.
const MAX_FLOWS: usize = 8;
/// Clients that are named in a line.
const MAX_CLIENTS: usize = 8;
/// Findings that are laid out in tables; those after them say the same in plain lines, so that a page of ten thousand opens
/// at once.
const MAX_LAID_OUT: usize = 500;
/// Findings that are unfolded from the start.
const MAX_OPEN: usize = 3;

/// What the page says beside the report.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub registry: &'a Registry,
    /// How gapwatch was called; empty where nobody called it.
    pub command: &'a str,
}

#[derive(Template)]
#[template(path = "report.html", config = "src/output/html/askama.toml")]
struct Page {
    style_hash: &'static str,
    script_hash: &'static str,
    conclusion: String,
    when: String,
    map: Map,
    classes: Vec<ClassTotal>,
    timeline: Timeline,
    talk: Talk,
    findings: Vec<Card>,
    /// Findings that are told together, in a line each.
    folded: Vec<String>,
    inputs: Vec<InputRow>,
    account: Vec<Line>,
    scope_tcp: String,
    scope_udp: String,
    version: &'static str,
    command: String,
}

struct Card {
    place: usize,
    class: &'static str,
    open: bool,
    who: String,
    is_new: bool,
    what: String,
    why: String,
    figures: String,
    first: String,
    bytes: u64,
    clients_total: usize,
    port: u16,
    reasons: Vec<ReasonRow>,
    ways: String,
    told: String,
    openings: Vec<OpeningText>,
    flows: Vec<FlowRow>,
    more_flows: String,
    wireshark: String,
    wireshark_option: &'static str,
    /// Reasons, openings and flows in lines, where they are not laid out.
    lines: String,
}

struct ReasonRow {
    by: &'static str,
    attack: String,
    class: &'static str,
    weight: u16,
    says: String,
    frames: String,
}

struct OpeningText {
    title: String,
    dump: String,
}

struct FlowRow {
    client: String,
    server: String,
    state: &'static str,
    to_server: String,
    to_client: String,
    first: String,
    community_id: String,
}

struct InputRow {
    name: String,
    format: String,
    frames: String,
    size: String,
    first: String,
    last: String,
    state: String,
    sha256: String,
}

/// Writes a report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, case: Case<'_>, mut writer: impl Write) -> io::Result<()> {
    let page = Page {
        style_hash: STYLE_HASH,
        script_hash: SCRIPT_HASH,
        conclusion: words::conclusion(report),
        when: match words::left_out(report) {
            Some(left_out) => format!("{}; listed in part: {left_out}", when(report)),
            None => when(report),
        },
        map: Map::of(report, case.registry),
        classes: ClassTotal::all(report),
        timeline: Timeline::of(report),
        talk: Talk::of(report),
        findings: report.findings.iter().enumerate().map(|(place, finding)| card(report, place, finding)).collect(),
        folded: report.folded.iter().map(words::folded).collect(),
        inputs: report.inputs.iter().map(input).collect(),
        account: words::account(report, false),
        scope_tcp: report.scope.tcp.replace(',', ", "),
        scope_udp: report.scope.udp.replace(',', ", "),
        version: report.gapwatch,
        command: safe::text(case.command).into_owned(),
    };
    page.write_into(&mut writer)?;
    writer.write_all(b"\n")
}

fn when(report: &Report) -> String {
    let inputs = match report.inputs.as_slice() {
        [one] => safe::text(&one.name).into_owned(),
        many => count(many.len(), "input"),
    };
    match (report.totals.first, report.totals.last) {
        (Some(first), Some(last)) => {
            format!("{inputs}: {} to {} UTC", words::day_and_second(first), words::day_and_second(last))
        }
        _ => inputs,
    }
}

fn second(time: Option<Timestamp>) -> String {
    time.map(words::day_and_second).unwrap_or_default()
}

fn card(report: &Report, place: usize, finding: &Finding) -> Card {
    let figures = [
        finding.confidence.name().to_owned(),
        count(finding.clients_total, "client"),
        count_u64(finding.packets, "packet"),
        words::bytes(finding.bytes),
        format!("{} to {}", second(finding.first_seen), second(finding.last_seen)),
    ];
    let clients: Vec<String> = finding.clients.iter().take(MAX_CLIENTS).map(ToString::to_string).collect();
    let more = match finding.clients_total - clients.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let ports = finding.targets.as_ref().map_or_else(String::new, |targets| {
        format!("; ports touched: {}", crate::words::ranges(targets.ports.iter().copied()).replace(',', ", "))
    });
    let listed = finding.flows.len().min(MAX_FLOWS);
    let more_flows = match finding.flows_total - listed {
        0 => String::new(),
        more => format!("{} more; the JSON report lists up to 1,024.", count(more, "flow")),
    };
    let mut card = Card {
        place,
        class: finding.class.name(),
        open: place < MAX_OPEN && finding.class == Class::Suspicious,
        who: words::who(finding),
        is_new: !finding.new.is_empty(),
        what: safe::text(&finding.what).into_owned(),
        why: words::why(finding),
        figures: figures[1..].join(" · "),
        first: finding.first_seen.map(|time| time.to_string()).unwrap_or_default(),
        bytes: finding.bytes,
        clients_total: finding.clients_total,
        port: finding.port.unwrap_or_default(),
        reasons: finding
            .evidence
            .iter()
            .map(|reason| ReasonRow {
                by: reason.by,
                attack: reason.attack.map(|id| safe::text(id).into_owned()).unwrap_or_default(),
                class: reason.class.name(),
                weight: reason.weight.0,
                says: safe::text(&reason.says).into_owned(),
                frames: words::frames(report, &reason.frames),
            })
            .collect(),
        ways: format!(
            "{} in {} to the server, {} in {} back; clients: {}{more}{ports}",
            words::bytes(finding.to_server.bytes),
            count_u64(finding.to_server.packets, "packet"),
            words::bytes(finding.to_client.bytes),
            count_u64(finding.to_client.packets, "packet"),
            clients.join(", "),
        ),
        told: format!("server told by {}", finding.direction_basis.in_words()),
        openings: finding.opening.iter().map(|opening| opening_text(report, opening)).collect(),
        flows: finding.flows.iter().take(listed).map(flow).collect(),
        more_flows,
        wireshark: finding.wireshark.clone(),
        wireshark_option: finding.wireshark_option.unwrap_or_default(),
        lines: String::new(),
    };
    if place >= MAX_LAID_OUT {
        card.fold_into_lines();
    }
    card
}

impl Card {
    /// The same in plain lines.
    fn fold_into_lines(&mut self) {
        let mut lines = Vec::new();
        for ReasonRow { by, attack, class, weight, says, frames } in self.reasons.drain(..) {
            let attack = if attack.is_empty() { String::new() } else { format!(" [{attack}]") };
            let frames = if frames.is_empty() { String::new() } else { format!(" — {frames}") };
            lines.push(format!("{class} {weight}  {by}: {says}{attack}{frames}"));
        }
        lines.extend([std::mem::take(&mut self.ways), std::mem::take(&mut self.told)]);
        for OpeningText { title, dump } in self.openings.drain(..) {
            lines.extend([title, dump].into_iter().filter(|line| !line.is_empty()));
        }
        for FlowRow { client, server, state, to_server, to_client, first, community_id } in self.flows.drain(..) {
            lines.push(format!("{client} → {server}  {state}  {to_server}, {to_client} back  {first}  {community_id}"));
        }
        lines.extend(Some(std::mem::take(&mut self.more_flows)).filter(|line| !line.is_empty()));
        self.lines = lines.join("\n");
    }
}

fn opening_text(report: &Report, opening: &Opening) -> OpeningText {
    let from = match opening.from {
        Side::Client => "client",
        Side::Server => "server",
    };
    let shown = match opening.bytes.len() {
        0 => "not shown, because a password may be in it (--show-secrets)".to_owned(),
        shown if shown as u64 == u64::from(opening.length) => count(shown, "byte"),
        shown => format!("the first {shown} of {} bytes", thousands(opening.length.into())),
    };
    let frame = words::frames(report, &[opening.frame]);
    OpeningText { title: format!("The {from} began with, in {frame}: {shown}"), dump: dump(&opening.bytes) }
}

/// Offsets, sixteen bytes in hexadecimal, and what of them is ASCII.
fn dump(bytes: &[u8]) -> String {
    let lines = bytes.chunks(16).enumerate().map(|(line, bytes)| {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String =
            bytes.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }).collect();
        format!("{:04x}  {:<47}  {text}", line * 16, hex.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn flow(flow: &FlowNote) -> FlowRow {
    FlowRow {
        client: SocketAddr::new(flow.client.address, flow.client.port).to_string(),
        server: format!("{}/{}", SocketAddr::new(flow.server.address, flow.server.port), flow.transport),
        state: flow.connection.name(),
        to_server: words::bytes(flow.to_server.bytes),
        to_client: words::bytes(flow.to_client.bytes),
        first: second(flow.first_seen),
        community_id: flow.community_id.clone(),
    }
}

fn input(input: &Input) -> InputRow {
    let problem = input.problem.as_deref().map_or_else(String::new, |problem| format!(": {}", safe::text(problem)));
    InputRow {
        name: safe::text(&input.name).into_owned(),
        format: input.format.clone(),
        frames: thousands(input.frames),
        size: words::bytes(input.bytes),
        first: second(input.first),
        last: second(input.last),
        state: format!("{}{problem}", input.status.name()),
        sha256: input.sha256.clone().unwrap_or_else(|| "not computed: no file".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// Base64 (RFC 4648, section 4).
    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for digit in 0..=chunk.len() {
                text.push(char::from(DIGITS[(word >> (18 - 6 * digit)) as usize & 63]));
            }
            text.extend(std::iter::repeat_n('=', 3 - chunk.len()));
        }
        text
    }

    #[test]
    fn the_page_allows_its_own_style_and_script_alone() {
        // As the template includes them: without the line feed at their end.
        for (text, hash) in
            [(include_str!("html/report.css"), STYLE_HASH), (include_str!("html/report.js"), SCRIPT_HASH)]
        {
            assert_eq!(format!("sha256-{}", base64(&Sha256::digest(text.trim_end_matches('\n')))), hash);
        }
    }

    #[test]
    fn bytes_are_laid_out_in_lines_of_sixteen() {
        assert_eq!(dump(b"<script>"), "0000  3c 73 63 72 69 70 74 3e                          <script>");
        assert_eq!(dump(&[0; 17]).lines().count(), 2);
    }
}
