//! The terminal's report: one table a class, suspicious first, and under it the totals, so that nothing is lost unseen.

use super::safe;
use crate::class::{Class, Evidence, Weight};
use crate::finding::{Finding, Kind};
use crate::frame::{FrameRef, Timestamp};
use crate::report::{Report, Status};
use crate::words::{count, count_u64, thousands};
use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// How the report is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Columns of the terminal.
    pub width: u16,
    pub color: bool,
    /// Every reason, with its frames.
    pub verbose: bool,
    /// What the policy allows as well.
    pub show_allowed: bool,
}

/// From this width on, figures and times have columns of their own.
const WIDE: u16 = 118;
/// The least that a line of text is wrapped to.
const NARROWEST: u16 = 60;

/// Writes the report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, layout: Layout, mut writer: impl Write) -> io::Result<()> {
    let page =
        Page { report, layout: Layout { width: layout.width.max(NARROWEST), ..layout }, dated: spans_days(report) };
    writeln!(writer, "{}", page.paint(Style::new().bold(), &conclusion(report)))?;
    writeln!(writer, "{}", page.when())?;
    for class in [Class::Suspicious, Class::LegacyRpc, Class::Custom] {
        let listed = |finding: &&Finding| {
            finding.class == class && finding.kind != Kind::Client && (layout.show_allowed || !is_folded(finding))
        };
        let findings: Vec<&Finding> = report.findings.iter().filter(listed).collect();
        page.group(&mut writer, &class.name().to_uppercase(), style_of(class), &findings)?;
    }
    page.folded(&mut writer)?;
    let clients: Vec<&Finding> = report.findings.iter().filter(|finding| finding.kind == Kind::Client).collect();
    page.group(&mut writer, "CLIENTS ON RESERVED SOURCE PORTS (no services)", Style::new().bold(), &clients)?;
    page.totals(&mut writer)
}

/// `2 suspicious services, 1 scanner, 4 legacy RPC services, 7 custom services of which 3 unexplained`.
#[must_use]
pub fn conclusion(report: &Report) -> String {
    let number = |class, kind| report.findings.iter().filter(|f| f.class == class && f.kind == kind).count();
    let unexplained = report
        .findings
        .iter()
        .filter(|f| {
            f.kind == Kind::Service && f.class == Class::Custom && f.state == crate::conversation::State::Unexplained
        })
        .count();
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
    if new > 0 {
        parts.push(format!("{new} new since the baseline"));
    }
    if parts.is_empty() {
        return "No service on an unassigned well-known port.".to_owned();
    }
    let mut text = parts.join(", ").replace(", of which", " of which");
    text.push('.');
    text
}

/// Whether the policy allows what would have made it suspicious: it is counted then, and listed when asked for.
fn is_folded(finding: &Finding) -> bool {
    finding.lifted && !finding.allowed.is_empty()
}

fn style_of(class: Class) -> Style {
    let color = match class {
        Class::Suspicious => AnsiColor::Red,
        Class::LegacyRpc => AnsiColor::Yellow,
        Class::Custom => AnsiColor::Cyan,
    };
    Style::new().bold().fg_color(Some(color.into()))
}

fn spans_days(report: &Report) -> bool {
    let day = |time: Option<Timestamp>| time.map(|time| time.to_string().chars().take(10).collect::<String>());
    day(report.totals.first) != day(report.totals.last)
}

struct Page<'a> {
    report: &'a Report,
    layout: Layout,
    /// Times need their date.
    dated: bool,
}

impl Page<'_> {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.layout.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn when(&self) -> String {
        let inputs = match self.report.inputs.as_slice() {
            [one] => safe::text(&one.name).into_owned(),
            many => count(many.len(), "input"),
        };
        let totals = &self.report.totals;
        match (totals.first, totals.last) {
            (Some(first), Some(last)) => format!("{inputs}: {} to {} UTC", day_and_second(first), day_and_second(last)),
            _ => inputs,
        }
    }

    fn folded(&self, writer: &mut impl Write) -> io::Result<()> {
        let folded = self.report.findings.iter().filter(|finding| is_folded(finding)).count();
        if folded == 0 || self.layout.show_allowed {
            return Ok(());
        }
        writeln!(writer, "\n{} allowed by the policy (--show-allowed lists them)", count(folded, "finding"))
    }

    fn group(&self, writer: &mut impl Write, title: &str, style: Style, findings: &[&Finding]) -> io::Result<()> {
        if findings.is_empty() {
            return Ok(());
        }
        writeln!(writer, "\n{}", self.paint(style, title))?;
        writeln!(writer, "{}", self.table(findings))?;
        if self.layout.verbose {
            for finding in findings {
                self.details(writer, finding)?;
            }
        }
        Ok(())
    }

    fn table(&self, findings: &[&Finding]) -> String {
        let wide = self.layout.width >= WIDE;
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(self.layout.width);
        let header: &[&str] = if wide {
            &["SERVICE", "WHAT IT IS, AND WHY", "CLIENTS", "PACKETS", "BYTES", "FIRST", "LAST"]
        } else {
            &["SERVICE", "WHAT IT IS, AND WHY", "TRAFFIC", "TIME"]
        };
        table.set_header(header.iter().map(Cell::new));
        for finding in findings {
            let new = if finding.new.is_empty() { "" } else { "NEW " };
            let what = format!("{new}{}\n└ {}", safe::text(&finding.what), Self::why(finding));
            let (first, last) = (self.time(finding.first_seen), self.time(finding.last_seen));
            let clients = finding.clients_total as u64;
            let mut row = vec![Cell::new(who(finding)), Cell::new(what)];
            if wide {
                let figures = [thousands(clients), thousands(finding.packets), bytes(finding.bytes)];
                row.extend(figures.map(|figure| Cell::new(figure).set_alignment(CellAlignment::Right)));
                row.extend([Cell::new(first), Cell::new(last)]);
            } else {
                let figures =
                    [count_u64(clients, "client"), count_u64(finding.packets, "packet"), bytes(finding.bytes)];
                row.push(Cell::new(figures.join("\n")));
                row.push(Cell::new(format!("{first}\n{last}")));
            }
            table.add_row(row);
        }
        // The figures keep their width; the words get what is left.
        for (index, column) in table.column_iter_mut().enumerate() {
            match index {
                0 => drop(column.set_constraint(ColumnConstraint::UpperBoundary(Width::Percentage(30)))),
                1 => {}
                _ => drop(column.set_constraint(ColumnConstraint::ContentWidth)),
            }
        }
        table.trim_fmt()
    }

    /// The strongest reason, with the confidence that all of them give. Where it would say what the line above it says
    /// already, the signatures that saw it.
    fn why(finding: &Finding) -> String {
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

    fn details(&self, writer: &mut impl Write, finding: &Finding) -> io::Result<()> {
        writeln!(writer, "\n  {}", self.paint(Style::new().bold(), &who(finding).replace('\n', " ")))?;
        for reason in &finding.evidence {
            writeln!(writer, "    {}", self.reason(reason))?;
        }
        if let Some(line) = self.timeline(finding) {
            writeln!(writer, "    {line}")?;
        }
        writeln!(
            writer,
            "    to the server {} in {}, back {} in {}; {}",
            bytes(finding.to_server.bytes),
            count_u64(finding.to_server.packets, "packet"),
            bytes(finding.to_client.bytes),
            count_u64(finding.to_client.packets, "packet"),
            count(finding.flows_total, "flow"),
        )?;
        writeln!(writer, "    clients: {}", clients(finding))?;
        writeln!(writer, "    server told by {}", finding.direction_basis.in_words())?;
        if let Some(targets) = &finding.targets {
            writeln!(writer, "    ports touched: {}", crate::words::ranges(targets.ports.iter().copied()))?;
        }
        writeln!(writer, "    Wireshark: {}", finding.wireshark)
    }

    /// When its connections began, over the whole capture: ` ▁▂█`.
    fn timeline(&self, finding: &Finding) -> Option<String> {
        const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let most = *finding.timeline.iter().max().filter(|most| **most > 0)?;
        let totals = &self.report.totals;
        let seconds = totals.last?.since(totals.first?) / 1_000_000_000;
        if finding.flows_total < 2 || seconds < 2 {
            return None;
        }
        let level = |starts: &u32| LEVELS[(*starts as usize * 8).div_ceil(most as usize)];
        let line: String = finding.timeline.iter().map(level).collect();
        Some(format!(
            "connections over the capture ({seconds} s): ▏{line}▕ at most {most} in one part of {}",
            finding.timeline.len()
        ))
    }

    fn reason(&self, reason: &Evidence) -> String {
        let attack = reason.attack.map_or_else(String::new, |id| format!(" [{}]", safe::text(id)));
        let frames =
            if reason.frames.is_empty() { String::new() } else { format!(" — {}", self.frames(&reason.frames)) };
        format!("{} {:>3}  {}: {}{attack}{frames}", reason.class, reason.weight.0, reason.by, safe::text(&reason.says))
    }

    /// `frame 3, 4`; with several inputs, each with its name.
    fn frames(&self, frames: &[FrameRef]) -> String {
        let mut by_input: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for frame in frames {
            by_input.entry(frame.input).or_default().push(frame.number.to_string());
        }
        let parts: Vec<String> = by_input
            .into_iter()
            .map(|(input, numbers)| {
                let name = match self.report.inputs.get(input as usize) {
                    Some(input) if self.report.inputs.len() > 1 => format!(" of {}", safe::text(&input.name)),
                    _ => String::new(),
                };
                format!("frame {}{name}", numbers.join(", "))
            })
            .collect();
        parts.join("; ")
    }

    fn time(&self, time: Option<Timestamp>) -> String {
        let text = time.map(|time| time.to_string()).unwrap_or_default();
        let (from, to) = if self.dated { (5, 19) } else { (11, 19) };
        text.get(from..to).map_or_else(|| "—".to_owned(), |piece| piece.replace('T', " "))
    }

    fn totals(&self, writer: &mut impl Write) -> io::Result<()> {
        let totals = &self.report.totals;
        let skipped: u64 = totals.skipped.values().sum();
        let reasons: Vec<String> =
            totals.skipped.iter().map(|(reason, n)| format!("{reason} {}", thousands(*n))).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        writeln!(
            writer,
            "\n{} = {} observed + {} outside the scope + {} skipped{reasons}",
            count_u64(totals.frames, "frame"),
            thousands(totals.observed),
            thousands(totals.outside),
            thousands(skipped),
        )?;
        let tunnelled: Vec<String> =
            totals.tunnelled.iter().map(|(kind, n)| format!("{kind} {}", thousands(*n))).collect();
        if !tunnelled.is_empty() {
            writeln!(writer, "observed inside tunnels: {}", tunnelled.join(", "))?;
        }
        if totals.cut > 0 {
            writeln!(
                writer,
                "{} cut by the capture; what was cut off was not looked at",
                count_u64(totals.cut, "frame")
            )?;
        }
        if totals.context_flows > 0 {
            writeln!(
                writer,
                "{} with context ports (tcp 111, 512, 514, udp 111), read for what they say of others",
                count_u64(totals.context_flows, "flow")
            )?;
        }
        if let Some(flows) = totals.crumbled_flows {
            writeln!(
                writer,
                "{}: not all of about {} in small segments were put together (see --max-flows)",
                self.paint(Style::new().bold(), "MEMORY BOUND REACHED"),
                count_u64(flows, "conversation")
            )?;
        }
        for beyond in &totals.beyond_bounds {
            let flows = thousands(beyond.flows_estimated);
            let packets = count_u64(beyond.packets, "packet");
            writeln!(
                writer,
                "{}: {packets} of flows {} not kept; about {flows} such flows (see --max-flows)",
                self.paint(Style::new().bold(), "MEMORY BOUND REACHED"),
                beyond.flows
            )?;
        }
        for input in &self.report.inputs {
            let problem =
                input.problem.as_deref().map_or_else(String::new, |problem| format!(" — {}", safe::text(problem)));
            let format = if input.format.is_empty() { String::new() } else { format!("{}, ", input.format) };
            let status = input.status.name();
            let status = if input.status == Status::Complete {
                status.to_owned()
            } else {
                self.paint(Style::new().bold(), status)
            };
            if self.layout.verbose
                || self.report.inputs.len() == 1
                || input.status != Status::Complete
                || !input.notes.is_empty()
            {
                writeln!(
                    writer,
                    "{}: {format}{}, {}, {status}{problem}",
                    safe::text(&input.name),
                    bytes(input.bytes),
                    count_u64(input.frames, "frame"),
                )?;
            }
            if input.kernel_filter == Some(true) {
                writeln!(
                    writer,
                    "  filtered by the kernel: what is plainly out of scope was dropped there and is not counted"
                )?;
            }
            for (note, times) in &input.notes {
                writeln!(writer, "  {} {note}", thousands(*times))?;
            }
        }
        if let Some(policy) = &self.report.policy {
            writeln!(
                writer,
                "policy {}: {} known, {} allowed, {} changed, {} quieted",
                safe::text(&policy.name),
                count(policy.known, "service"),
                count(policy.allowed, "finding"),
                count(policy.changed, "service"),
                count(policy.quieted, "reason")
            )?;
        }
        let scope = &self.report.scope;
        writeln!(
            writer,
            "scope: {} tcp and {} udp ports; IANA registry of {}, {} unassigned (port, transport) pairs",
            scope.tcp_ports, scope.udp_ports, self.report.registry.date, self.report.registry.unassigned
        )
    }
}

/// Clients that the terminal names.
const MAX_CLIENTS: usize = 8;

fn clients(finding: &Finding) -> String {
    let named: Vec<String> = finding.clients.iter().take(MAX_CLIENTS).map(ToString::to_string).collect();
    let more = finding.clients_total - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

/// Whom a finding is about.
fn who(finding: &Finding) -> String {
    match (finding.kind, finding.port, finding.server) {
        (Kind::Client, Some(port), Some(server)) => {
            let server = std::net::SocketAddr::new(server, port);
            format!("{}\n→ {server}/{}", finding.address, finding.transport)
        }
        (_, Some(port), _) => format!("{}/{}", std::net::SocketAddr::new(finding.address, port), finding.transport),
        _ => format!("scanner\n{}", finding.address),
    }
}

/// `2026-11-23 23:00:01`.
fn day_and_second(time: Timestamp) -> String {
    time.to_string().get(..19).map(|text| text.replace('T', " ")).unwrap_or_default()
}

/// `12.3 kB`: powers of ten, as Wireshark has them.
#[allow(clippy::cast_precision_loss)] // shown with one decimal
fn bytes(number: u64) -> String {
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
