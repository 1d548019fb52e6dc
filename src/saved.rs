//! A JSON report as it lies in a file: what is read of it again, to compare, to check a policy, to carve. Plain data; opens no
//! file and judges nothing.

use crate::finding::Kind;
use crate::frame::Timestamp;
use crate::packet::Endpoint;
use crate::port::Transport;
use serde::Deserialize;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// The schema of reports.
pub const SCHEMA: &str = "gapwatch.report/1";

#[derive(Clone, Debug, Deserialize)]
pub struct Saved {
    pub schema: String,
    #[serde(default)]
    pub inputs: Vec<SavedInput>,
    pub findings: Vec<SavedFinding>,
    /// Findings that are told together.
    #[serde(default)]
    pub folded: Vec<SavedFolded>,
    #[serde(default)]
    pub cut: SavedCut,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SavedFolded {
    pub kind: Kind,
    pub transport: Transport,
    pub class: String,
    pub findings: usize,
    /// Fewer than `findings` where there was no room.
    #[serde(default)]
    pub names: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct SavedCut {
    /// Inputs that are not listed.
    #[serde(default)]
    pub inputs: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SavedInput {
    pub name: String,
    pub sha256: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SavedFinding {
    pub kind: Kind,
    pub transport: Transport,
    pub address: IpAddr,
    pub port: Option<u16>,
    pub server: Option<IpAddr>,
    pub tunnel: Option<SavedTunnel>,
    pub class: String,
    #[serde(default)]
    pub confidence: String,
    pub what: String,
    pub protocol: String,
    pub clients: Vec<IpAddr>,
    /// More than `clients` where the list was cut.
    pub clients_total: usize,
    pub evidence: Vec<SavedEvidence>,
    #[serde(default)]
    pub rpc: Vec<SavedProgram>,
    pub targets: Option<SavedTargets>,
    #[serde(default)]
    pub flows: Vec<SavedFlow>,
    /// More than `flows` where the list was cut.
    #[serde(default)]
    pub flows_total: usize,
    /// RFC 3339.
    last_seen: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SavedTunnel {
    pub kind: String,
    pub network: u32,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SavedEvidence {
    pub by: String,
    pub weight: u16,
    pub class: String,
    #[serde(default)]
    pub frames: Vec<SavedFrame>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct SavedFrame {
    pub input: u32,
    pub number: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SavedProgram {
    pub name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SavedTargets {
    pub addresses: Vec<IpAddr>,
    pub ports: Vec<u16>,
    /// More than `ports` where the list was cut.
    pub ports_total: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SavedFlow {
    /// Where it is missing, that of the finding.
    pub transport: Option<Transport>,
    pub client: SavedEnd,
    pub server: SavedEnd,
    pub community_id: String,
    /// RFC 3339.
    first_seen: Option<String>,
    last_seen: Option<String>,
}

impl SavedFlow {
    /// From when to when it was seen; `None` where its capture has no times.
    #[must_use]
    pub fn seen(&self) -> Option<RangeInclusive<Timestamp>> {
        Some(timestamp(self.first_seen.as_deref()?)?..=timestamp(self.last_seen.as_deref()?)?)
    }
}

fn timestamp(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_nanosecond()).ok().map(Timestamp)
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct SavedEnd {
    pub address: IpAddr,
    pub port: u16,
}

impl SavedEnd {
    #[must_use]
    pub fn endpoint(self) -> Endpoint {
        Endpoint { address: self.address, port: self.port }
    }
}

impl SavedFinding {
    /// The last moment of the finding; `None` where its capture has no times.
    #[must_use]
    pub fn last_seen(&self) -> Option<Timestamp> {
        timestamp(self.last_seen.as_deref()?)
    }

    /// Transport and place of the service; of a client what it talks to.
    #[must_use]
    pub fn service(&self) -> Option<(Transport, Endpoint)> {
        let address = self.server.unwrap_or(self.address);
        self.port.map(|port| (self.transport, Endpoint { address, port }))
    }
}
