//! What a running capture shows beside its report: the status line, messages, and figures for programs. Judges nothing.

use super::{Desk, Outside, TICK};
use crate::class::Class;
use crate::cli::live::metrics::By;
use crate::output::ndjson::Event;
use crate::output::safe;
use crate::table::FlowTable;
use crate::words::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Instant;

impl Desk<'_> {
    pub(super) fn status_line(&self) -> Option<ProgressBar> {
        let shown = !self.arguments.quiet && io::stderr().is_terminal();
        shown.then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        })
    }

    pub(super) fn refresh(&self, bar: &ProgressBar, table: &FlowTable, outside: &Outside, rate: &mut (Instant, u64)) {
        let elapsed = rate.0.elapsed();
        if elapsed < TICK {
            return;
        }
        let packets = self.packets(table, outside);
        let per_second = u128::from(packets.saturating_sub(rate.1)) * 1000 / elapsed.as_millis().max(1);
        *rate = (Instant::now(), packets);
        let classes: Vec<String> =
            self.by_class().into_iter().map(|(class, count)| format!("{count} {class}")).collect();
        let not_kept: u64 = table.beyond_bounds().iter().map(|(_, packets, _)| packets).sum();
        bar.set_message(format!(
            "{} packets, {per_second}/s; {}; dropped: kernel {}, interface {}, not kept {}",
            thousands(packets),
            if classes.is_empty() { "nothing found".to_owned() } else { classes.join(", ") },
            thousands(outside.losses.kernel),
            thousands(outside.losses.interface),
            thousands(not_kept),
        ));
        bar.tick();
    }

    pub(super) fn stats(&self, table: &FlowTable, outside: &Outside) -> Event<'static> {
        Event::Stats {
            packets: self.packets(table, outside),
            observed: table.totals.observed,
            outside: outside.totals.outside + table.totals.outside,
            dropped_kernel: outside.losses.kernel,
            dropped_interface: outside.losses.interface,
            not_kept: table.beyond_bounds().iter().map(|(_, packets, _)| packets).sum(),
            findings: self.by_class(),
        }
    }

    pub(super) fn count(&self, table: &FlowTable, outside: &Outside) {
        let counters = &self.counters;
        counters.packets.inc_by(self.packets(table, outside).saturating_sub(counters.packets.get()));
        counters.observed.set(table.totals.observed);
        let not_kept: u64 = table.beyond_bounds().iter().map(|(_, packets, _)| packets).sum();
        for (by, count) in
            [("kernel", outside.losses.kernel), ("interface", outside.losses.interface), ("memory", not_kept)]
        {
            let counter = counters.dropped.get_or_create(&By { by });
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        for class in [Class::Suspicious, Class::LegacyRpc, Class::Custom] {
            let told = self.told.values().filter(|(of, _)| *of == class).count();
            counters.findings.get_or_create(&By { by: class.name() }).set(told as u64);
        }
    }

    pub(super) fn by_class(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (class, _) in self.told.values() {
            *counts.entry(class.name()).or_default() += 1;
        }
        counts
    }
}

/// A message on stderr, beside the status line.
pub(super) fn say(bar: Option<&ProgressBar>, message: &str) {
    let message = safe::text(message);
    match bar {
        Some(bar) => bar.suspend(|| eprintln!("gapwatch: {message}")),
        None => eprintln!("gapwatch: {message}"),
    }
}
