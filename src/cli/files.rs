//! Files that are written so that nothing is lost: never over a file of the run, and beside until they are whole. Knows no format.

use anyhow::{Context as _, bail};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// What names of files that are not whole yet begin with.
const UNFINISHED: &str = ".gapwatch-";
/// Bytes that are written at a time.
const BUFFER: usize = 1 << 20;

/// What a file is, by whatever name: device and inode.
#[cfg(unix)]
#[derive(Debug, PartialEq, Eq)]
struct Identity(u64, u64);

/// What a file is, by whatever name: volume and index. It holds for as long as the file is held open.
#[cfg(not(unix))]
#[derive(Debug, PartialEq, Eq)]
struct Identity(same_file::Handle);

impl Identity {
    #[cfg(unix)]
    fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|data| Self::of_metadata(&data))
    }

    #[cfg(unix)]
    fn of_metadata(data: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Identity(data.dev(), data.ino())
    }

    /// Opens nothing: of a FIFO somebody would take notice.
    #[cfg(unix)]
    fn of_path(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|data| Self::of_metadata(&data))
    }

    #[cfg(not(unix))]
    fn of(file: &File) -> io::Result<Self> {
        same_file::Handle::from_file(file.try_clone()?).map(Identity)
    }

    #[cfg(not(unix))]
    fn of_path(path: &Path) -> io::Result<Self> {
        same_file::Handle::from_path(path).map(Identity)
    }
}

/// A standard stream as a file, to ask what it is.
#[cfg(unix)]
fn stream(stream: &impl std::os::fd::AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(not(unix))]
fn stream(stream: &impl std::os::windows::io::AsHandle) -> io::Result<File> {
    stream.as_handle().try_clone_to_owned().map(File::from)
}

/// The files of a run, which nothing is written over: what is read, and what is written already.
#[derive(Debug, Default)]
pub struct Kept(Vec<(Identity, String)>);

impl Kept {
    /// Keeps a file that is read, or standard input for `-`. One that is not there is told elsewhere.
    pub fn read(&mut self, path: &Path, role: &str) {
        let identity = if path.as_os_str() == "-" {
            stream(&io::stdin()).and_then(|file| Identity::of(&file))
        } else {
            Identity::of_path(path)
        };
        if let Ok(identity) = identity {
            let name = if path.as_os_str() == "-" { "standard input".into() } else { path.display().to_string() };
            self.0.push((identity, format!("it is {name}, {role}")));
        }
    }

    /// Whether an open file is none of these; it is one of them from now on.
    ///
    /// # Errors
    /// Which it is, in words.
    fn claim(&mut self, file: &File) -> io::Result<()> {
        self.check(file)?;
        self.0.push((Identity::of(file)?, "it is written by another flag as well".to_owned()));
        Ok(())
    }

    /// Whether an open file is none of these.
    ///
    /// # Errors
    /// Which it is, in words.
    pub fn check(&self, file: &File) -> io::Result<()> {
        let identity = Identity::of(file)?;
        match self.0.iter().find(|(kept, _)| *kept == identity) {
            Some((_, what)) => Err(io::Error::new(io::ErrorKind::InvalidInput, what.clone())),
            None => Ok(()),
        }
    }

    /// Whether what goes to standard output goes to none of these. A terminal or a pipe is written over by nothing.
    pub fn check_standard_output(&self) -> anyhow::Result<()> {
        let Ok(file) = stream(&io::stdout()) else { return Ok(()) };
        if !file.metadata().is_ok_and(|data| data.is_file()) {
            return Ok(());
        }
        match self.check(&file) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                bail!("standard output: not written: {error}; send it somewhere else")
            }
            _ => Ok(()),
        }
    }
}

/// A file that waits for what is to be written. What stands in it stays until that is whole.
#[derive(Debug)]
pub struct Waiting {
    path: PathBuf,
    place: Place,
    unfinished: Option<NamedTempFile>,
}

#[derive(Debug)]
enum Place {
    /// No regular file: a FIFO, a device, what standard output is.
    Direct(File),
    /// `target` is the name behind all links; `open` holds the file where its folder may be out of reach later, and `made` says
    /// that it was not there before.
    Beside { target: PathBuf, open: Option<File>, made: bool },
}

impl Waiting {
    /// Opens a file to see that it can be written, that its folder can, and that it is none of `kept`. `hold` keeps it open for
    /// who gives up rights before it is written.
    ///
    /// # Errors
    /// Why not, with its name.
    pub fn open(path: &Path, kept: &mut Kept, hold: bool) -> anyhow::Result<Self> {
        let cannot = || format!("{}: cannot be written", path.display());
        let missing = fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        let file = File::options().write(true).create(true).truncate(false).open(path).with_context(cannot)?;
        let is_file = file.metadata().with_context(cannot)?.is_file();
        if !is_file {
            if !is_endless(&file) {
                Self::claim(path, &file, kept)?;
            }
            return Ok(Waiting { path: path.to_owned(), place: Place::Direct(file), unfinished: None });
        }
        let target = fs::canonicalize(path).with_context(cannot)?;
        let claimed = Self::claim(path, &file, kept);
        let place = Place::Beside { target, open: Some(file), made: missing };
        let mut waiting = Waiting { path: path.to_owned(), place, unfinished: None };
        claimed?; // and what was made for it goes again
        if let Place::Beside { target, open, .. } = &mut waiting.place {
            match beside(target) {
                Ok(_) => {}
                Err(_) if hold => {}
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!(
                            "{}: cannot be written: it is written beside and renamed, and no file can be begun in its folder",
                            path.display()
                        )
                    });
                }
            }
            if !hold {
                *open = None;
            }
        }
        Ok(waiting)
    }

    /// A file that nobody has, begun now.
    ///
    /// # Errors
    /// It is there already, or cannot be written.
    #[cfg(all(feature = "live", unix))]
    pub fn begin(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path)?;
        let place = Place::Beside { target: path.to_owned(), open: Some(file), made: true };
        Ok(Waiting { path: path.to_owned(), place, unfinished: None })
    }

    fn claim(path: &Path, file: &File, kept: &mut Kept) -> anyhow::Result<()> {
        match kept.claim(file) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                bail!("{}: {error}: the output would be written over it; name another file", path.display())
            }
            other => other.with_context(|| format!("{}: cannot be written", path.display())),
        }
    }

    /// Takes the names away again that were made to see whether they can be: until the report is whole there is none.
    pub fn take_back(&mut self) {
        if let Place::Beside { target, made: made @ true, .. } = &mut self.place {
            // Only what is as empty as it was made.
            if fs::metadata(&*target).is_ok_and(|data| data.is_file() && data.len() == 0) {
                drop(fs::remove_file(&*target));
            }
            *made = false;
        }
    }

    /// Begins it, for who fills it piece by piece; [`Waiting::finish`] gives it its name.
    ///
    /// # Errors
    /// No file can be begun beside it.
    pub fn begun(&mut self) -> io::Result<File> {
        match &self.place {
            Place::Direct(file) => file.try_clone(),
            Place::Beside { target, .. } => self.unfinished.insert(beside(target)?).as_file().try_clone(),
        }
    }

    /// Gives what was begun its name, now that it is whole; where nothing was begun, all stays as it was.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        match (self.unfinished.take(), &self.place) {
            (Some(whole), Place::Beside { target, .. }) => give_name(whole, target),
            _ => Ok(()),
        }
    }

    /// Writes it whole, or not at all.
    ///
    /// # Errors
    /// It cannot be written, with its name.
    pub fn write(mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
        let written = match &mut self.place {
            Place::Direct(file) => filled(file, write),
            Place::Beside { target, open, made } => match (beside(target), open.take()) {
                (Ok(unfinished), open) => {
                    drop(open); // Windows replaces no file that is open
                    let replaced = replace(unfinished, target, write);
                    *made &= replaced.is_err();
                    replaced
                }
                // The rights to begin a file are given up: then it is made whole in memory first.
                (Err(_), Some(file)) => {
                    let mut whole = Vec::new();
                    write(&mut whole).and_then(|()| {
                        *made = false;
                        file.set_len(0)?;
                        (&file).write_all(&whole)
                    })
                }
                (Err(error), None) => Err(error),
            },
        };
        written.with_context(|| format!("{}: cannot be written", self.path.display()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// A device of characters takes whatever comes and keeps nothing.
fn is_endless(file: &File) -> bool {
    #[cfg(unix)]
    return file.metadata().is_ok_and(|data| std::os::unix::fs::FileTypeExt::is_char_device(&data.file_type()));
    #[cfg(not(unix))]
    return !file.metadata().is_ok_and(|data| data.is_file());
}

/// A file without its name yet, in the folder of `target`. It goes away unless it is given the name.
fn beside(target: &Path) -> io::Result<NamedTempFile> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // As any new file: the process's mask takes away what the user does not want.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Fills a file and gives it the name of `target`, with the rights that the file of that name has.
fn replace(
    unfinished: NamedTempFile,
    target: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut unfinished = unfinished;
    filled(unfinished.as_file_mut(), write)?;
    give_name(unfinished, target)
}

/// Gives a whole file its name, over what had it.
fn give_name(whole: NamedTempFile, target: &Path) -> io::Result<()> {
    if let Ok(old) = fs::metadata(target) {
        // Whose it is goes first: to give a file away takes rights from it. Most may not, and then it is the user's own.
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            drop(std::os::unix::fs::fchown(whole.as_file(), Some(old.uid()), Some(old.gid())));
        }
        whole.as_file().set_permissions(old.permissions())?;
    }
    // On the disk before it has the name: else a crash may leave the name with nothing behind it.
    whole.as_file().sync_all()?;
    whole.persist(target).map(drop).map_err(|failed| failed.error)
}

fn filled(file: &mut File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(BUFFER, file);
    write(&mut file)?;
    file.flush()
}
