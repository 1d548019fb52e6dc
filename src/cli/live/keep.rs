//! Keeps the frames behind suspicious findings while a capture runs: what went by lately is held in memory, and written when
//! a finding asks for it. Judges nothing.

use super::batch::Batch;
use crate::class::Class;
use crate::finding::Finding;
use crate::output::pcap::Files;
use crate::packet::{self, Endpoint};
use crate::port::Transport;
use crate::words::count_u64;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;

/// Bytes of frames in scope that are held for findings that are yet to come.
const HELD: usize = 32 << 20;
/// Services and scanners whose frames are kept; more are told, not kept.
const MAX_WANTED: usize = 1024;

/// Frames on their way to a file.
pub struct Keeper {
    files: Files,
    held: VecDeque<(Batch, Vec<bool>)>,
    bytes: usize,
    services: BTreeSet<(Transport, Endpoint)>,
    scanners: BTreeSet<IpAddr>,
    /// Frames that were written.
    pub kept: u64,
    /// The most findings at a time whose frames were not kept, because there were too many before them.
    pub refused: u64,
}

impl Keeper {
    pub fn new(files: Files) -> Self {
        let (services, scanners) = (BTreeSet::new(), BTreeSet::new());
        Keeper { files, held: VecDeque::new(), bytes: 0, services, scanners, kept: 0, refused: 0 }
    }

    /// Takes a batch that the table has seen.
    pub fn hold(&mut self, batch: Batch) -> io::Result<()> {
        let mut written = vec![false; batch.len()];
        self.write(&batch, &mut written)?;
        self.bytes += batch.size();
        self.held.push_back((batch, written));
        while self.bytes > HELD
            && let Some((oldest, _)) = self.held.pop_front()
        {
            self.bytes -= oldest.size();
        }
        Ok(())
    }

    /// Writes what is held of findings that are suspicious now, and remembers them.
    pub fn want(&mut self, findings: &[Finding]) -> io::Result<()> {
        let known = self.wanted();
        let mut refused = 0;
        for finding in findings.iter().filter(|finding| finding.class == Class::Suspicious) {
            let service = finding.port.map(|port| {
                let address = finding.server.unwrap_or(finding.address);
                (finding.transport, Endpoint { address, port })
            });
            let is_new = match service {
                Some(service) => !self.services.contains(&service),
                None => !self.scanners.contains(&finding.address),
            };
            if is_new && self.wanted() >= MAX_WANTED {
                refused += 1;
            } else if let Some(service) = service {
                self.services.insert(service);
            } else {
                self.scanners.insert(finding.address);
            }
        }
        self.refused = self.refused.max(refused);
        if self.wanted() > known {
            let mut held = std::mem::take(&mut self.held);
            for (batch, written) in &mut held {
                self.write(batch, written)?;
            }
            self.held = held;
        }
        self.files.flush()
    }

    /// What was kept, and where, in words.
    pub fn account(&self) -> String {
        let refused = match self.refused {
            0 => String::new(),
            refused => format!("; none of {} more, there were too many", count_u64(refused, "finding")),
        };
        let path = self.files.current();
        format!(
            "{} kept behind suspicious findings{refused}; the last file is {}",
            count_u64(self.kept, "frame"),
            path.display()
        )
    }

    fn wanted(&self) -> usize {
        self.services.len() + self.scanners.len()
    }

    fn write(&mut self, batch: &Batch, written: &mut [bool]) -> io::Result<()> {
        if self.services.is_empty() && self.scanners.is_empty() {
            return Ok(());
        }
        for (frame, written) in batch.frames().zip(written).filter(|(_, written)| !**written) {
            let Ok(packet) = packet::decode(&frame) else { continue };
            let ends = [packet.source, packet.destination];
            let wanted = ends
                .iter()
                .any(|end| self.services.contains(&(packet.transport, *end)) || self.scanners.contains(&end.address));
            if wanted {
                self.files.write(&frame)?;
                *written = true;
                self.kept += 1;
            }
        }
        Ok(())
    }
}
