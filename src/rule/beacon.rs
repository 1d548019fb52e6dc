//! Beacons: a client that comes back at a regular pace, by new connections or inside one. RITA's sub-scores where the
//! capture is long enough for them, and the spread of the gaps where it is short.

use super::{About, encrypted};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::elsewhere::is_broadcast;
use crate::conversation::{Conversation, first_frames};
use crate::frame::Stamp;
use crate::words::count;
use std::collections::BTreeMap;
use std::net::IpAddr;

pub const ABOUT: About = About {
    id: "beacon",
    about: "One client opens connections to the service at a regular pace: at least 8 gaps of a median of 2 seconds or more, whose \
coefficient of variation is under 0.4 (jitter of 50 % gives 0.29). The scores are those of RITA 5: skew and median deviation of gaps and \
of bytes sent; from 6 hours on also duration and hourly histogram. Monitoring and keep-alives are as regular: a hint where the content \
can be read, more where it cannot.",
    attack: Some("T1071"),
};

pub const INSIDE: About = About {
    id: "beacon.inside",
    about: "Inside one connection or exchange the client speaks at a regular pace: at least 8 gaps of 2 seconds or more with a coefficient \
of variation under 0.4, in whole seconds. Heart-beats are as regular: a hint where the content can be read, more where it cannot.",
    attack: Some("T1071"),
};

/// Gaps from which on a pace is told from chance.
const MIN_GAPS: usize = 8;
/// The median gap under which programs simply talk, in seconds.
const MIN_PERIOD: f64 = 2.0;
/// The coefficient of variation under which gaps are regular.
const REGULAR: f64 = 0.4;
/// From this span on RITA's duration and histogram scores mean something, in seconds.
const LONG: f64 = 6.0 * 3600.0;
const HOUR: f64 = 3600.0;

pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    let mut by_client: BTreeMap<IpAddr, Vec<&Conversation>> = BTreeMap::new();
    for flow in flows.iter().filter(|flow| flow.has_payload() || flow.from_client.syn > 0) {
        by_client.entry(flow.asker().address).or_default().push(flow);
    }
    let mut regular: Vec<(f64, String, Vec<Stamp>, bool)> =
        by_client.into_iter().filter_map(|(client, flows)| connections(client, &flows)).collect();
    regular.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut evidence = Vec::new();
    if let Some((_, says, frames, unreadable)) = regular.first() {
        let more = if regular.len() > 1 {
            format!("; {} more as regular", count(regular.len() - 1, "client"))
        } else {
            String::new()
        };
        evidence.push(reason(ABOUT, format!("{says}{more}"), frames, *unreadable));
    }
    // Devices announce themselves to everybody at a regular pace.
    let inside =
        flows.iter().filter(|flow| !is_broadcast(flow)).filter_map(|flow| Some((flow, Pace::of(&beats(flow))?)));
    if let Some((flow, pace)) = inside.min_by(|a, b| a.1.variation.total_cmp(&b.1.variation)) {
        let says = format!(
            "{} spoke every {:.0} s inside one {}: {}",
            flow.asker().address,
            pace.median,
            if flow.from_client.syn > 0 || flow.from_server.syn_ack > 0 { "connection" } else { "exchange" },
            pace.in_words()
        );
        let frames: Vec<Stamp> = flow.from_client.first_payload.into_iter().collect();
        evidence.push(reason(INSIDE, says, &frames, encrypted::is_unreadable(flow) || is_short_binary(flow)));
    }
    evidence
}

fn reason(about: About, says: String, frames: &[Stamp], unreadable: bool) -> Evidence {
    let weight = if unreadable { Weight::MODERATE } else { Weight::HINT };
    let frames = first_frames(frames.iter().copied());
    Evidence { by: about.id, class: Class::Suspicious, weight, says, frames, attack: about.attack }
}

/// How regularly gaps come.
struct Pace {
    gaps: usize,
    median: f64,
    /// Standard deviation through mean.
    variation: f64,
}

impl Pace {
    /// `None` where there are too few gaps, or they are too short or too irregular.
    fn of(times: &[f64]) -> Option<Pace> {
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0).collect();
        if gaps.len() < MIN_GAPS {
            return None;
        }
        let median = quartiles(&gaps)[1];
        let variation = deviation(&gaps) / mean(&gaps);
        (median >= MIN_PERIOD && variation < REGULAR).then_some(Pace { gaps: gaps.len(), median, variation })
    }

    fn in_words(&self) -> String {
        format!(
            "{} gaps (at least {MIN_GAPS}), coefficient of variation {:.2} (under {REGULAR})",
            self.gaps, self.variation
        )
    }
}

/// The seconds in which the client spoke; those right after another belong to it.
fn beats(flow: &Conversation) -> Vec<f64> {
    let mut last = None;
    let starts = flow.from_client.beats.iter().filter(|second| {
        let follows = last.is_some_and(|last: u32| **second == last + 1);
        last = Some(**second);
        !follows
    });
    starts.map(|second| f64::from(*second)).collect()
}

fn connections(client: IpAddr, flows: &[&Conversation]) -> Option<(f64, String, Vec<Stamp>, bool)> {
    let mut starts: Vec<(Stamp, f64)> = flows.iter().filter_map(|flow| Some((flow.first()?, sent(flow)))).collect();
    starts.retain(|(stamp, _)| stamp.time.is_known());
    starts.sort_by_key(|(stamp, _)| *stamp);
    let first = starts.first()?.0.time;
    let seconds = |stamp: &Stamp| nanoseconds(stamp.time.since(first)) / 1e9;
    let times: Vec<f64> = starts.iter().map(|(stamp, _)| seconds(stamp)).collect();
    let pace = Pace::of(&times)?;
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0).collect();
    let sizes: Vec<f64> = starts.iter().map(|(_, size)| *size).collect();
    let mut scores = vec![("gaps", dispersion(&gaps, 1.0)), ("bytes", dispersion(&sizes, 0.0))];
    let span = times.last().copied().unwrap_or(0.0);
    if span >= LONG {
        let hours = hourly(&times);
        scores.extend([("duration", duration(&hours)), ("histogram", histogram(&hours))]);
    }
    let score = scores.iter().map(|(_, score)| score).sum::<f64>() / f64::from(u8::try_from(scores.len()).unwrap_or(1));
    let parts: Vec<String> = scores.iter().map(|(name, score)| format!("{name} {score:.2}")).collect();
    let says = format!(
        "{client} connects every {:.1} s: {}; RITA's score {score:.3} of {}",
        pace.median,
        pace.in_words(),
        parts.join(", ")
    );
    // A beacon says the same again and again: it needs every connection to be unreadable, or none of them is.
    let spoken: Vec<&&Conversation> = flows.iter().filter(|flow| flow.has_payload()).collect();
    let unreadable =
        !spoken.is_empty() && spoken.iter().all(|flow| encrypted::is_unreadable(flow) || is_short_binary(flow));
    Some((score, says, starts.iter().map(|(stamp, _)| *stamp).collect(), unreadable))
}

/// Too few bytes to be called random, and not text.
fn is_short_binary(flow: &Conversation) -> bool {
    use crate::signature::texture::Kind;
    encrypted::is_unknown(flow)
        && [&flow.from_client, &flow.from_server]
            .into_iter()
            .filter_map(|traffic| traffic.texture.as_deref())
            .all(|texture| texture.kind == Kind::Binary && texture.ones > 3.0 && texture.first_len >= 16)
}

#[allow(clippy::cast_precision_loss)] // within what a mean needs
fn sent(flow: &Conversation) -> f64 {
    flow.from_client.payload_bytes as f64
}

#[allow(clippy::cast_precision_loss)] // a difference of times
fn nanoseconds(difference: u64) -> f64 {
    difference as f64
}

#[allow(clippy::cast_precision_loss)] // small numbers
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[allow(clippy::cast_precision_loss)] // small numbers
fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// The three quartiles.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small numbers
fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|share| {
        let at = share * (sorted.len().saturating_sub(1)) as f64;
        let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        low + (high - low) * at.fract()
    })
}

/// RITA's score of timestamps and of sizes: the mean of one minus Bowley's skewness and one minus the relative median
/// absolute deviation. `small` is the second where the median is under one.
fn dispersion(values: &[f64], small: f64) -> f64 {
    let [q1, q2, q3] = quartiles(values);
    let spread = q3 - q1;
    #[allow(clippy::float_cmp)] // quartiles are values of the sample
    let skew = if spread < 10.0 || q2 == q1 || q2 == q3 { 0.0 } else { (q1 + q3 - 2.0 * q2) / spread };
    let deviations: Vec<f64> = values.iter().map(|value| (value - q2).abs()).collect();
    let mad = if q2 < 1.0 { small } else { ((q2 - quartiles(&deviations)[1]) / q2).max(0.0) };
    f64::midpoint(1.0 - skew.abs(), mad)
}

/// Connections in each hour from the first on, at most a day's.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // hours of a day
fn hourly(times: &[f64]) -> [f64; 24] {
    let mut hours = [0.0; 24];
    for time in times {
        if let Some(hour) = hours.get_mut((time / HOUR) as usize) {
            *hour += 1.0;
        }
    }
    hours
}

/// The larger of coverage and the longest run of hours through twelve.
#[allow(clippy::cast_precision_loss)] // 24 at most
fn duration(hours: &[f64; 24]) -> f64 {
    let seen = hours.iter().filter(|hour| **hour > 0.0).count();
    let (mut run, mut longest) = (0u32, 0u32);
    for hour in hours {
        run = if *hour > 0.0 { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    (seen as f64 / 24.0).max(f64::from(longest) / 12.0).min(1.0)
}

/// One minus the coefficient of variation of the hours.
fn histogram(hours: &[f64; 24]) -> f64 {
    let mean = mean(hours);
    if mean == 0.0 { 0.0 } else { (1.0 - deviation(hours) / mean).max(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_pace_is_told_from_chance() {
        let steady: Vec<f64> = (0..12u8).map(|n| f64::from(n) * 4.0).collect();
        assert!(Pace::of(&steady).is_some_and(|pace| pace.variation < 0.01));
        let jitter: Vec<f64> = (0..24u8).map(|n| f64::from(n) * 4.0 + f64::from(u16::from(n) * 37 % 7) / 3.5).collect();
        assert!(Pace::of(&jitter).is_some());
        let chance: Vec<f64> = (0..14u8).map(|n| f64::from(n).powi(3) / 9.0).collect();
        assert!(Pace::of(&chance).is_none());
        assert!(Pace::of(&steady[..8]).is_none(), "too few");
    }

    #[test]
    fn scores_are_those_of_rita() {
        assert!((dispersion(&[60.0; 20], 1.0) - 1.0).abs() < 1e-9);
        // Uniform jitter of 20 % on 60 seconds: half of it is the median deviation.
        let jitter: Vec<f64> = (0..=24u8).map(|n| 48.0 + f64::from(n)).collect();
        assert!((dispersion(&jitter, 1.0) - 0.95).abs() < 0.01, "{}", dispersion(&jitter, 1.0));
    }
}
