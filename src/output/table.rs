//! The terminal's report: one table a class, suspicious first, and under it the totals, so that nothing is lost unseen.

use super::safe;
use super::words::{self, Line};
use crate::class::{Class, Evidence};
use crate::finding::{Finding, Kind};
use crate::frame::Timestamp;
use crate::report::{Folded, Report};
use crate::words::{count, count_u64, thousands};
use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
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

/// Rows of a group: what a reader goes through on a terminal; and with every reason.
const MAX_ROWS: usize = 300;
const MAX_ROWS_VERBOSE: usize = 3000;
/// Lines of findings that are told together.
const MAX_FOLDED: usize = 50;

/// A finding with its place in the report, from 1, as `gapwatch carve --finding` takes it.
type Numbered<'a> = (usize, &'a Finding);

/// Writes the report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, layout: Layout, mut writer: impl Write) -> io::Result<()> {
    let page =
        Page { report, layout: Layout { width: layout.width.max(NARROWEST), ..layout }, dated: spans_days(report) };
    writeln!(writer, "{}", page.paint(Style::new().bold(), &words::conclusion(report)))?;
    writeln!(writer, "{}", page.when())?;
    let numbered = || (1..).zip(&report.findings);
    for class in [Class::Suspicious, Class::LegacyRpc, Class::Custom] {
        let listed = |finding: &Finding| {
            finding.class == class
                && finding.kind != Kind::Client
                && (layout.show_allowed || !words::is_folded(finding))
        };
        let findings: Vec<Numbered> = numbered().filter(|(_, finding)| listed(finding)).collect();
        let title = class.name().to_uppercase();
        page.group(&mut writer, &title, style_of(class), &findings, |line| {
            line.class == class && line.kind != Kind::Client
        })?;
    }
    page.folded(&mut writer)?;
    let clients: Vec<Numbered> = numbered().filter(|(_, finding)| finding.kind == Kind::Client).collect();
    let title = "CLIENTS ON RESERVED SOURCE PORTS (no services)";
    page.group(&mut writer, title, Style::new().bold(), &clients, |line| line.kind == Kind::Client)?;
    page.totals(&mut writer)
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
            (Some(first), Some(last)) => {
                format!("{inputs}: {} to {} UTC", words::day_and_second(first), words::day_and_second(last))
            }
            _ => inputs,
        }
    }

    fn folded(&self, writer: &mut impl Write) -> io::Result<()> {
        let folded = self.report.findings.iter().filter(|finding| words::is_folded(finding)).count();
        if folded == 0 || self.layout.show_allowed {
            return Ok(());
        }
        writeln!(writer, "\n{} allowed by the policy (--show-allowed lists them)", count(folded, "finding"))
    }

    /// The findings of a group, and in a line each what is told together.
    fn group(
        &self,
        writer: &mut impl Write,
        title: &str,
        style: Style,
        findings: &[Numbered],
        folded: impl Fn(&Folded) -> bool,
    ) -> io::Result<()> {
        let folded: Vec<&Folded> = self.report.folded.iter().filter(|line| folded(line)).collect();
        if findings.is_empty() && folded.is_empty() {
            return Ok(());
        }
        writeln!(writer, "\n{}", self.paint(style, title))?;
        let most = if self.layout.verbose { MAX_ROWS_VERBOSE } else { MAX_ROWS };
        let shown = &findings[..findings.len().min(most)];
        if !shown.is_empty() {
            writeln!(writer, "{}", self.table(shown))?;
        }
        if findings.len() > shown.len() {
            let more = count(findings.len() - shown.len(), "more finding");
            let more_with = if self.layout.verbose { "" } else { "-v lists more, " };
            writeln!(writer, "… and {more} of this group ({more_with}-o report.html or .json lists all)")?;
        }
        for line in folded.iter().take(MAX_FOLDED) {
            writeln!(writer, "… and {}", words::folded(line))?;
        }
        if folded.len() > MAX_FOLDED {
            let rest = &folded[MAX_FOLDED..];
            let findings = rest.iter().map(|line| line.findings).sum();
            writeln!(
                writer,
                "… and {} told together in {}",
                count(findings, "more finding"),
                count(rest.len(), "more line")
            )?;
        }
        if self.layout.verbose {
            for (place, finding) in shown {
                self.details(writer, *place, finding)?;
            }
        }
        Ok(())
    }

    fn table(&self, findings: &[Numbered]) -> String {
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
        for (_, finding) in findings {
            let new = if finding.new.is_empty() { "" } else { "NEW " };
            let what = format!("{new}{}\n└ {}", safe::text(&finding.what), words::why(finding));
            let (first, last) = (self.time(finding.first_seen), self.time(finding.last_seen));
            let clients = finding.clients_total as u64;
            let mut row = vec![Cell::new(who(finding)), Cell::new(what)];
            if wide {
                let figures = [thousands(clients), thousands(finding.packets), words::bytes(finding.bytes)];
                row.extend(figures.map(|figure| Cell::new(figure).set_alignment(CellAlignment::Right)));
                row.extend([Cell::new(first), Cell::new(last)]);
            } else {
                let figures =
                    [count_u64(clients, "client"), count_u64(finding.packets, "packet"), words::bytes(finding.bytes)];
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

    fn details(&self, writer: &mut impl Write, place: usize, finding: &Finding) -> io::Result<()> {
        let title = format!("{} (finding {place})", who(finding).replace('\n', " "));
        writeln!(writer, "\n  {}", self.paint(Style::new().bold(), &title))?;
        for reason in &finding.evidence {
            writeln!(writer, "    {}", self.reason(reason))?;
        }
        if let Some(line) = self.timeline(finding) {
            writeln!(writer, "    {line}")?;
        }
        writeln!(
            writer,
            "    to the server {} in {}, back {} in {}; {}",
            words::bytes(finding.to_server.bytes),
            count_u64(finding.to_server.packets, "packet"),
            words::bytes(finding.to_client.bytes),
            count_u64(finding.to_client.packets, "packet"),
            count(finding.flows_total, "flow"),
        )?;
        writeln!(writer, "    clients: {}", clients(finding))?;
        writeln!(writer, "    server told by {}", finding.direction_basis.in_words())?;
        if let Some(targets) = &finding.targets {
            writeln!(writer, "    ports touched: {}", crate::words::ranges(targets.ports.iter().copied()))?;
        }
        writeln!(writer, "    Wireshark: {}", finding.wireshark)?;
        match finding.wireshark_option {
            Some(option) => writeln!(writer, "    Wireshark shows these calls when it is started with {option}"),
            None => Ok(()),
        }
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
        let frames = if reason.frames.is_empty() {
            String::new()
        } else {
            format!(" — {}", words::frames(self.report, &reason.frames))
        };
        format!("{} {:>3}  {}: {}{attack}{frames}", reason.class, reason.weight.0, reason.by, safe::text(&reason.says))
    }

    fn time(&self, time: Option<Timestamp>) -> String {
        let text = time.map(|time| time.to_string()).unwrap_or_default();
        let (from, to) = if self.dated { (5, 19) } else { (11, 19) };
        text.get(from..to).map_or_else(|| "—".to_owned(), |piece| piece.replace('T', " "))
    }

    fn totals(&self, writer: &mut impl Write) -> io::Result<()> {
        writeln!(writer)?;
        for Line { loud, text } in words::account(self.report, self.layout.verbose) {
            writeln!(writer, "{}{text}", self.paint(Style::new().bold(), &loud))?;
        }
        Ok(())
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

/// Whom a finding is about, in lines.
fn who(finding: &Finding) -> String {
    let who = match (finding.kind, finding.port, finding.server) {
        (Kind::Client, Some(port), Some(server)) => {
            let server = std::net::SocketAddr::new(server, port);
            format!("{}\n→ {server}/{}", finding.address, finding.transport)
        }
        (_, Some(port), _) => format!("{}/{}", std::net::SocketAddr::new(finding.address, port), finding.transport),
        _ => format!("scanner\n{}", finding.address),
    };
    format!("{who}{}", words::tunnel(finding).map(|tunnel| format!("\n{tunnel}")).unwrap_or_default())
}
