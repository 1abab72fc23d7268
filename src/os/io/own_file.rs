//! Decides whether winddown may take a path, for every option that names a file to be written. It may if
//! nothing is there, an empty file, or what winddown itself has written, recognised by its content. Files
//! appear whole: a reader sees the old file or the new one, never a part. No link is followed.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::stat::{major, minor};
use nix::unistd::geteuid;

/// How many names are tried for a file beside another. A name that exists belongs to someone else.
const NAMES_MAX: u32 = 16;

/// The access bits of a mode.
const ACCESS: u32 = 0o777;

/// A kind of file that winddown writes.
#[derive(Debug)]
pub(crate) struct FileKind {
    /// Its name with an article: `a record`.
    pub(crate) name: &'static str,
    /// Whether it may go to a FIFO or a terminal, too: writing to one loses nothing.
    pub(crate) may_be_stream: bool,
    /// At most this much is read to recognise it.
    pub(crate) bytes_max: u64,
    /// Whether it may be longer than that.
    pub(crate) may_be_longer: bool,
    /// Whether content is of this kind.
    pub(crate) is_it: fn(&[u8]) -> bool,
}

/// What exists at a path that may be taken.
#[derive(Debug)]
pub(crate) enum There {
    /// Nothing.
    Nothing,
    /// An empty file, or one of ours.
    File(Metadata),
    /// A FIFO, a terminal, `/dev/null`.
    Stream,
}

/// Checks what exists at a path.
///
/// # Errors
/// Why the path may not be taken.
pub(crate) fn look(path: &Path, kind: &FileKind) -> io::Result<There> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
        result => result?,
    };
    let is_stream = kind.may_be_stream && is_stream(&there);
    if let Some(why) = no_file(there.file_type()).filter(|_| !is_stream) {
        return refuse(why.to_owned());
    }
    if is_strangers(path, &there) {
        return refuse(
            "it belongs to another user, in a directory that everyone can write to; name another file"
                .to_owned(),
        );
    }
    if is_stream {
        return Ok(There::Stream);
    }
    if there.len() > 0 && !holds(path, kind)? {
        return refuse(format!("it is neither empty nor {}; name another file", kind.name));
    }
    Ok(There::File(there))
}

/// Writes or replaces a file. Users who could read the old file can read the new one, and no others.
///
/// # Errors
/// When the file can't be written, or the path may not be taken; nothing has changed then.
pub(crate) fn write(path: &Path, kind: &FileKind, bytes: &[u8]) -> io::Result<()> {
    begin(path, kind, bytes).map(drop)
}

/// Like [`write()`], for a file that will grow: with these bytes it is already of its kind.
///
/// # Errors
/// As for [`write()`].
pub(crate) fn begin(path: &Path, kind: &FileKind, bytes: &[u8]) -> io::Result<File> {
    let old = file(path, kind)?;
    let (new, mut file) = New::create(path)?;
    if let Some(old) = old {
        // Keeping another owner needs rights that we may not have.
        let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
        let _ = file.set_permissions(PermissionsExt::from_mode(old.mode() & ACCESS));
    }
    file.write_all(bytes)?;
    new.put(path, kind)?;
    Ok(file)
}

/// Removes a file of ours. Succeeds if nothing is there.
///
/// # Errors
/// When the file can't be removed, or is not ours.
pub(crate) fn remove(path: &Path, kind: &FileKind) -> io::Result<()> {
    if file(path, kind)?.is_none() {
        return Ok(());
    }
    remove_if(path, |at| file(at, kind).map(drop))
}

/// Removes a file, if it is still what it is taken for once it has a name that no one else knows.
///
/// # Errors
/// When the file can't be removed, or is something else: then it has its own name again.
pub(crate) fn remove_if(path: &Path, is_it: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut moved = Err(Errno::EEXIST);
    let names = (0..NAMES_MAX).map(|number| beside(path, number));
    let aside = names.into_iter().find(|aside| {
        moved = rename(path, aside, RenameFlags::RENAME_NOREPLACE);
        moved != Err(Errno::EEXIST)
    });
    match (moved, aside) {
        (Ok(()), Some(aside)) => match is_it(&aside) {
            Ok(()) => fs::remove_file(aside),
            Err(error) => {
                let _ = rename(&aside, path, RenameFlags::RENAME_NOREPLACE);
                Err(error)
            }
        },
        (Err(error), _) if is_unknown(error) => fs::remove_file(path),
        (moved, _) => Ok(moved?),
    }
}

/// Checks that a file could be written there.
///
/// # Errors
/// Why it could not.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    New::create(path).map(|_| ())
}

/// Opens a FIFO, a terminal or `/dev/null` for writing.
///
/// # Errors
/// When it can't be opened, or has become something else.
pub(crate) fn open_stream(path: &Path, flags: i32) -> io::Result<File> {
    let flags = flags | libc::O_NOFOLLOW | libc::O_NOCTTY;
    let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
    if is_stream(&file.metadata()?) { Ok(file) } else { refuse("it has become something else".to_owned()) }
}

/// The file at a path, if any; an error for anything else.
fn file(path: &Path, kind: &FileKind) -> io::Result<Option<Metadata>> {
    match look(path, kind)? {
        There::Nothing => Ok(None),
        There::File(there) => Ok(Some(there)),
        There::Stream => refuse("it has become a FIFO or a device".to_owned()),
    }
}

fn refuse<T>(why: String) -> io::Result<T> {
    Err(io::Error::other(why))
}

/// Other devices may be harmed by a write, or even when they are opened.
fn is_stream(there: &Metadata) -> bool {
    // null, zero, full; virtual consoles; the terminal of a process, the console; pseudo-terminals.
    let is_harmless = |device| {
        matches!((major(device), minor(device)), (1, 3 | 5 | 7) | (4, 0..64) | (5, 0 | 1) | (136..=143, _))
    };
    let file_type = there.file_type();
    file_type.is_fifo() || (file_type.is_char_device() && is_harmless(there.rdev()))
}

fn no_file(file_type: FileType) -> Option<&'static str> {
    if file_type.is_file() {
        None
    } else if file_type.is_symlink() {
        Some("that is a link, and links are not followed; name the file itself")
    } else if file_type.is_dir() {
        Some("that is a directory; name a file in it")
    } else if file_type.is_fifo() {
        Some("that is a FIFO; name a file")
    } else if file_type.is_socket() {
        Some("that is a socket; name a file")
    } else {
        Some("that is a device; name a file")
    }
}

/// Whether another user has put it into a directory like /tmp, for us to find it there.
fn is_strangers(path: &Path, there: &Metadata) -> bool {
    let directory = path.parent().and_then(|directory| fs::metadata(directory).ok());
    let is_shared = |mode: u32| mode & libc::S_ISVTX != 0 && mode & 0o022 != 0;
    there.uid() != geteuid().as_raw() && directory.is_some_and(|directory| is_shared(directory.mode()))
}

fn holds(path: &Path, kind: &FileKind) -> io::Result<bool> {
    let flags = libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let there = file.metadata()?;
    if !there.is_file() || (there.len() > kind.bytes_max && !kind.may_be_longer) {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    file.take(kind.bytes_max).read_to_end(&mut bytes)?;
    Ok((kind.is_it)(&bytes))
}

/// A new file beside its place, removed on drop unless it was renamed into place.
struct New {
    path: PathBuf,
    inode: (u64, u64),
}

impl New {
    fn create(place: &Path) -> io::Result<(Self, File)> {
        let mut result = refuse("there are too many temporary files beside it".to_owned());
        for path in (0..NAMES_MAX).map(|number| beside(place, number)) {
            result = OpenOptions::new().write(true).create_new(true).open(&path).map(|file| (path, file));
            match &result {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && !has_directory(place) => {
                    return Err(io::Error::new(
                        io::ErrorKind::NotFound,
                        "its directory was deleted".to_owned(),
                    ));
                }
                _ => break,
            }
        }
        let (path, file) = result?;
        let inode = inode(&file.metadata()?);
        Ok((Self { path, inode }, file))
    }

    fn put(&self, place: &Path, kind: &FileKind) -> io::Result<()> {
        match rename(&self.path, place, RenameFlags::RENAME_NOREPLACE) {
            Err(Errno::EEXIST) => self.replace(place, kind),
            Err(error) if is_unknown(error) => {
                // Nothing better exists here: the check comes as late as possible.
                file(place, kind)?;
                fs::rename(&self.path, place)
            }
            result => Ok(result?),
        }
    }

    /// Exchanges both files atomically, so that what appeared in the place since the check is not lost: it
    /// goes back.
    fn replace(&self, place: &Path, kind: &FileKind) -> io::Result<()> {
        let exchange = || rename(&self.path, place, RenameFlags::RENAME_EXCHANGE);
        exchange()?;
        match file(&self.path, kind) {
            Ok(_) => fs::remove_file(&self.path),
            Err(error) => {
                exchange()?;
                Err(error)
            }
        }
    }
}

impl Drop for New {
    fn drop(&mut self) {
        // This name may now belong to what was found in the place.
        if fs::symlink_metadata(&self.path).is_ok_and(|there| inode(&there) == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(there: &Metadata) -> (u64, u64) {
    (there.dev(), there.ino())
}

fn has_directory(path: &Path) -> bool {
    path.parent().is_some_and(Path::exists)
}

/// Its length does not depend on the file's name.
fn beside(path: &Path, number: u32) -> PathBuf {
    path.with_file_name(format!(".winddown.{}.{number}.tmp", std::process::id()))
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> nix::Result<()> {
    renameat2(AT_FDCWD, from, AT_FDCWD, to, flags)
}

/// Not every file system or kernel supports these kinds of rename.
fn is_unknown(error: Errno) -> bool {
    matches!(error, Errno::EINVAL | Errno::ENOSYS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const KIND: FileKind = FileKind {
        name: "ours",
        may_be_stream: true,
        bytes_max: 64,
        may_be_longer: false,
        is_it: |bytes| bytes.starts_with(b"ours"),
    };

    /// A directory for one test, gone after it.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("winddown-{name}-{}", std::process::id()));
            fs::create_dir(&path).expect("a directory");
            Self(path)
        }

        fn count(&self) -> usize {
            fs::read_dir(&self.0).expect("a directory").count()
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_comes_between_the_look_and_the_rename_goes_back() {
        let comes: [fn(&Path); 4] = [
            |path| fs::write(path, "theirs").expect("a file"),
            |path| symlink("nowhere", path).expect("a link"),
            |path| fs::create_dir(path).expect("a directory"),
            |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO"),
        ];
        for come in comes {
            let directory = Directory::new("between");
            let path = directory.0.join("file");
            let (new, mut file) = New::create(&path).expect("a file");
            file.write_all(b"ours").expect("room");
            come(&path);
            let before = inode(&fs::symlink_metadata(&path).expect("theirs"));
            assert!(new.put(&path, &KIND).is_err());
            drop(new);
            assert_eq!(inode(&fs::symlink_metadata(&path).expect("theirs")), before);
            assert_eq!(directory.count(), 1, "a temporary file is left");
        }
    }

    #[test]
    fn what_is_no_longer_ours_is_not_removed() {
        static LOOKS: AtomicU32 = AtomicU32::new(0);
        let is_it = |_: &[u8]| LOOKS.fetch_add(1, Ordering::Relaxed) == 0;
        let directory = Directory::new("removed");
        let path = directory.0.join("file");
        fs::write(&path, "ours at first").expect("a file");
        assert!(remove(&path, &FileKind { is_it, ..KIND }).is_err());
        assert_eq!(fs::read_to_string(&path).expect("back in its place"), "ours at first");
        assert_eq!(directory.count(), 1);
        remove(&path, &KIND).expect("it is ours");
        assert_eq!(directory.count(), 0);
        remove(&path, &KIND).expect("nothing is there");
    }
}
