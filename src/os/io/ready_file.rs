//! The file that is there while the workload is ready. Short-lived processes make and remove it: a file system that
//! hangs delays neither a stop nor a kill.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::own_file::{self, FileKind};
use crate::lifecycle::signal::Signal;
use crate::os::one_thread::OneThread;
use crate::os::process::{fork, reap};
use crate::os::signal::send;

const START: &[u8] = b"ready pid=";

pub(crate) const KIND: FileKind = FileKind {
    name: "a ready file",
    may_be_stream: false,
    bytes_max: 64,
    may_be_longer: false,
    is_it: |bytes| {
        let number = bytes.strip_prefix(START).and_then(|rest| rest.strip_suffix(b"\n"));
        number.is_some_and(|number| number.iter().all(u8::is_ascii_digit))
    },
};

/// How long a stop waits for the file to be gone before it goes on.
const PATIENCE: Duration = Duration::from_millis(50);

/// The file, and the process that makes it.
#[derive(Debug)]
pub(crate) struct ReadyFile {
    path: PathBuf,
    writer: Option<i32>,
}

impl ReadyFile {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, writer: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, in this process.
    ///
    /// # Errors
    /// When it can't be removed, or something else is there by now.
    pub(crate) fn clear(&self) -> io::Result<()> {
        own_file::remove(&self.path, &KIND)
    }

    /// Has the file made. Returns the process that does it, whose exit status is the error. It stores its id at this
    /// place first.
    ///
    /// # Errors
    /// When no process can be created.
    pub(crate) fn make(
        &mut self,
        one_thread: OneThread,
        pid: i32,
        place: Option<&AtomicI32>,
    ) -> io::Result<i32> {
        let text = [START, pid.to_string().as_bytes(), b"\n"].concat();
        let work = || {
            if let Some(place) = place {
                place.store(std::process::id().cast_signed(), Ordering::Release);
            }
            let error = own_file::write(&self.path, &KIND, &text).err();
            // An error without a number means that what is there is not ours.
            error.map_or(0, |error| error.raw_os_error().unwrap_or(libc::EEXIST))
        };
        let writer = fork::start(one_thread, work)?;
        self.writer = Some(writer);
        Ok(writer)
    }

    /// Has the file removed, and waits for that as long as a sound file system takes. Returns the process that does
    /// it, if one was needed.
    pub(crate) fn remove(&mut self, one_thread: OneThread) -> Option<i32> {
        if let Some(writer) = self.writer.take()
            && !reap::ends_within(writer, PATIENCE)
        {
            let _ = send::send(writer, Signal::KILL);
        }
        let remover = fork::start(one_thread, || i32::from(self.clear().is_err())).ok();
        match remover {
            Some(remover) => {
                let _ = reap::ends_within(remover, PATIENCE);
            }
            // Without a process to spare, it is removed here.
            None => _ = self.clear(),
        }
        remover
    }

    /// Notes the end of a child, and returns whether it was the process that makes the file.
    pub(crate) fn note_reaped(&mut self, pid: i32) -> bool {
        self.writer.take_if(|writer| *writer == pid).is_some()
    }
}
