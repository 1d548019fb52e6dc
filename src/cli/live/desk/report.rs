//! The report of a running capture: what the table has and what the packets' thread counted, in one. Tells nobody.

use super::{Desk, MAX_PROCESSES, MUCH_LOST, Outside};
use crate::class::{Class, Evidence, Weight};
use crate::finding::{Finding, Kind};
use crate::report::{Input, Report, Status as InputStatus};
use crate::source::live::Losses;
use crate::source::sockets::Held;
use crate::table::FlowTable;
use crate::words::thousands;
use std::collections::BTreeMap;

impl Desk<'_> {
    /// The report of what was seen so far in this window.
    pub(super) fn report(&self, table: &mut FlowTable, outside: &Outside, interface: &str) -> Report {
        table.settle();
        let own = table.totals.clone();
        // What the other thread counted since the window began.
        let before = &self.before.totals;
        let mut elsewhere = outside.totals.clone();
        elsewhere.frames = elsewhere.frames.saturating_sub(before.frames);
        elsewhere.bytes = elsewhere.bytes.saturating_sub(before.bytes);
        elsewhere.outside = elsewhere.outside.saturating_sub(before.outside);
        elsewhere.cut = elsewhere.cut.saturating_sub(before.cut);
        // A window begins where the one before it ended.
        elsewhere.first = if before.last.is_some() {
            before.last.filter(|last| Some(*last) < elsewhere.last)
        } else {
            elsewhere.first
        };
        elsewhere.last = elsewhere.last.filter(|last| before.last < Some(*last));
        crate::merge::Merge::merge(&mut table.totals, elsewhere);
        let losses = Losses {
            kernel: outside.losses.kernel.saturating_sub(self.before.losses.kernel),
            interface: outside.losses.interface.saturating_sub(self.before.losses.interface),
        };
        let frames = table.totals.frames;
        let mut notes = BTreeMap::new();
        for (note, count) in [
            ("packets dropped because the kernel's buffer was full", losses.kernel),
            ("packets dropped by the interface or its driver", losses.interface),
        ] {
            if count > 0 {
                notes.insert(note, count);
            }
        }
        let lost = losses.kernel * 100 >= (frames + losses.kernel).max(1) * MUCH_LOST && losses.kernel > 0;
        let problem = lost.then(|| {
            format!(
                "{} of {} packets were lost: what was not seen may change verdicts",
                thousands(losses.kernel),
                thousands(frames + losses.kernel)
            )
        });
        let input = Input {
            name: interface.to_owned(),
            format: "live".to_owned(),
            status: if self.ended.is_some() { InputStatus::Failed } else { InputStatus::Complete },
            problem: self.ended.clone().or(problem),
            frames,
            bytes: table.totals.bytes,
            first: table.totals.first,
            last: table.totals.last,
            notes,
            kernel_filter: Some(self.kernel_filter),
            filter: Some(self.arguments.expression.join(" ")).filter(|filter| !filter.is_empty()),
            sha256: None,
            interfaces: Vec::new(),
        };
        let (show_secrets, seed) = (self.arguments.show_secrets, self.arguments.outputs.community_id_seed);
        let mut report = self.known.report(table, vec![input], &self.registry, show_secrets, seed);
        table.totals = own;
        if let Some(baseline) = &self.baseline {
            report.mark_new(baseline);
        }
        for finding in report.findings.iter_mut().filter(|finding| finding.kind == Kind::Service) {
            finding.evidence.extend(self.process_of(finding));
        }
        report.bound();
        report
    }

    /// Who on this host holds the socket of a service, where it is one of this host's.
    fn process_of(&self, finding: &Finding) -> Option<Evidence> {
        let (addresses, held) = &self.own;
        addresses.contains(&finding.address.to_string()).then_some(())?;
        let of = |held: &&Held| {
            let address = held.answers_at(finding.address).is_some();
            address && held.transport == finding.transport && Some(held.port) == finding.port
        };
        let found = held.iter().filter(of).min_by_key(|held| held.answers_at(finding.address))?;
        let named = found.processes.iter().take(MAX_PROCESSES);
        let mut processes: Vec<String> =
            named.map(|process| format!("{} (pid {}) {}", process.name, process.pid, process.executable)).collect();
        let more = found.processes.len() + found.processes_more - processes.len();
        if processes.is_empty() {
            return None;
        }
        if more > 0 {
            processes.push(format!("{more} more"));
        }
        Some(Evidence {
            by: "process",
            class: Class::Custom,
            weight: Weight::NOTE,
            says: format!("on this host, held by {} when the watch began", processes.join(" and ")),
            frames: Vec::new(),
            attack: None,
        })
    }
}
