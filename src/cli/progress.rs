//! A progress bar on stderr, on a terminal only: bytes of the files as they lie on the disk, so it is right for
//! compressed input too.

use crate::source::BytesRead;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the bar moves; shorter runs show none.
const TICK: Duration = Duration::from_millis(150);

/// A bar that is taken away when this is dropped.
pub struct Progress {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows a bar where stderr is a terminal and `quiet` is not set. Without a total (a pipe) it only counts.
    pub fn start(total: Option<u64>, bytes_read: BytesRead, quiet: bool) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let shown = !quiet && io::stderr().is_terminal();
        let thread = shown.then(|| {
            let done = Arc::clone(&done);
            thread::spawn(move || show(total, &bytes_read, &done))
        });
        Progress { done, thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join(); // a bar that failed is no reason to fail
        }
    }
}

fn show(total: Option<u64>, bytes_read: &BytesRead, done: &AtomicBool) {
    thread::park_timeout(TICK);
    if done.load(Ordering::Relaxed) {
        return;
    }
    let template = match total {
        Some(_) => "{bar:32} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
        None => "{spinner} {bytes}  {bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()).with_style(style);
    while !done.load(Ordering::Relaxed) {
        bar.set_position(bytes_read.load(Ordering::Relaxed));
        bar.tick();
        thread::park_timeout(TICK);
    }
    bar.finish_and_clear();
}
