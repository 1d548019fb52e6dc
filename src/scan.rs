//! From inputs to one table: finds the captures, reads each into a table of its own, on as many threads as wanted, and
//! merges. The result does not depend on order or threads.

mod shards;

use crate::error::Error;
use crate::merge::Merge;
use crate::port::Scope;
use crate::report::Input;
use crate::source::capture_file::Record;
use crate::source::{self, BytesRead, Options, ReadAhead};
use crate::table::FlowTable;
use crate::words::count;
use shards::Shards;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Threads that one capture is dealt over, at most: the one that reads cannot feed more.
const MAX_SHARDS: usize = 8;
/// Folders in folders that are entered.
const MAX_DEPTH: usize = 64;

/// How to read.
#[derive(Clone, Debug)]
pub struct Scan {
    pub scope: Scope,
    pub max_flows: usize,
    pub threads: usize,
    pub fast_lane: bool,
    pub bytes_read: BytesRead,
}

/// What was read.
#[derive(Debug)]
pub struct Scanned {
    /// Settled.
    pub table: FlowTable,
    pub inputs: Vec<Input>,
    /// Inputs that gave nothing at all.
    pub errors: Vec<Error>,
}

/// The captures behind what was named on the command line.
#[derive(Debug, Default)]
pub struct Found {
    /// Each once, in the order of their names. Frames name their input by its place here.
    pub files: Vec<PathBuf>,
    /// Folders that hold no capture, or could not be entered.
    pub errors: Vec<Error>,
    /// Files in folders that are no captures, and do not look as if they were meant to be any.
    pub left_out: usize,
}

impl Found {
    /// The size of all files on the disk; `None` where one has no size (a pipe).
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.files.iter().map(|path| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|data| data.len())).sum()
    }
}

/// Looks up files and folders; `-` is standard input. In a folder, files that are no captures are left out and counted, but
/// not those that may be: an archive that is not read, a capture that is cut or empty.
#[must_use]
pub fn find(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let mut files = BTreeSet::new();
    for path in paths {
        if path.as_os_str() == "-" || !path.is_dir() {
            files.insert(path.clone());
            continue;
        }
        let mut inside = BTreeSet::new();
        walk(path, 0, &mut inside, &mut found.errors);
        let looked_at = inside.len();
        inside.retain(|path| match source::open(path, &Options::default()) {
            Err(Error::NotACapture { perhaps, .. }) => perhaps,
            Err(Error::Empty { name, .. }) => source::names_a_capture(&name),
            _ => true,
        });
        found.left_out += looked_at - inside.len();
        if inside.is_empty() {
            let files = count(looked_at, "file");
            found.errors.push(Error::NoCaptures { name: path.display().to_string(), files });
        }
        files.extend(inside);
    }
    let mut seen = BTreeSet::new();
    found.files =
        files.into_iter().filter(|path| seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone()))).collect();
    found
}

fn walk(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>, errors: &mut Vec<Error>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) => return errors.push(Error::Open { name: folder.display().to_string(), source }),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        // A link to a folder may lead in a circle; a link to a file is a file.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => walk(&path, depth + 1, files, errors),
            Ok(kind) if kind.is_dir() => {
                errors.push(Error::TooDeep { name: path.display().to_string(), depth: MAX_DEPTH });
            }
            Ok(kind) if kind.is_file() || (kind.is_symlink() && path.is_file()) => drop(files.insert(path)),
            _ => {}
        }
    }
}

impl Scan {
    /// Reads every capture that was found.
    #[must_use]
    pub fn run(&self, found: Found) -> Scanned {
        if let ([path], true) = (&found.files[..], self.threads > 1 && self.fast_lane) {
            return self.spread(path, found.errors);
        }
        let workers = self.threads.clamp(1, found.files.len().max(1));
        let read_ahead = if self.threads > 1 && workers == 1 { ReadAhead::Always } else { ReadAhead::Never };
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        let work = || {
            let mut table = self.table();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(path) = found.files.get(index) else { break };
                let input = u32::try_from(index).unwrap_or(u32::MAX);
                let options =
                    Options { input, read_ahead: read_ahead.clone(), bytes_read: BytesRead::clone(&self.bytes_read) };
                let outcome = read(path, &options, &mut table);
                results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, outcome));
            }
            table.settle();
            table
        };
        let tables: Vec<FlowTable> = if workers == 1 {
            vec![work()]
        } else {
            thread::scope(|scope| {
                let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
                handles
                    .into_iter()
                    .map(|handle| handle.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)))
                    .collect()
            })
        };
        let mut tables = tables.into_iter();
        let mut table = tables.next().unwrap_or_else(|| self.table());
        tables.for_each(|piece| table.merge(piece));
        table.settle();
        let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        let mut scanned = Scanned { table, inputs: Vec::new(), errors: found.errors };
        for (path, (_, outcome)) in found.files.iter().zip(results) {
            scanned.inputs.push(outcome.unwrap_or_else(|error| {
                let input = Input::unreadable(path.display().to_string(), &error);
                scanned.errors.push(error);
                input
            }));
        }
        scanned
    }

    /// Reads one capture, its conversations dealt over all threads.
    fn spread(&self, path: &Path, mut errors: Vec<Error>) -> Scanned {
        let helpers = self.threads.min(MAX_SHARDS) - 1;
        let left_to_helpers = Arc::new(AtomicU64::new(0));
        // Where there are more, the thread that reads is the one that is waited for.
        let read_ahead = if helpers == 1 { ReadAhead::Spare(Arc::clone(&left_to_helpers)) } else { ReadAhead::Always };
        let options = Options { input: 0, read_ahead, bytes_read: BytesRead::clone(&self.bytes_read) };
        let (table, outcome) = thread::scope(|threads| {
            let mut shards = Shards::start(threads, helpers, left_to_helpers, || self.table());
            let outcome = source::open(path, &options).map(|capture| capture.read(|record| shards.take(record)));
            (shards.finish(), outcome)
        });
        let input = outcome.unwrap_or_else(|error| {
            let input = Input::unreadable(path.display().to_string(), &error);
            errors.push(error);
            input
        });
        Scanned { table, inputs: vec![input], errors }
    }

    fn table(&self) -> FlowTable {
        let table = FlowTable::new(self.scope, self.max_flows);
        if self.fast_lane { table } else { table.without_fast_lane() }
    }
}

/// Reads one capture into a table.
fn read(path: &Path, options: &Options, table: &mut FlowTable) -> Result<Input, Error> {
    let capture = source::open(path, options)?;
    Ok(capture.read(|record| match record {
        Record::Frame(frame, _) => table.take(&frame),
        Record::Unreadable(skip) => table.take_unreadable(skip),
    }))
}
