//! What was there before the start: it is nothing that the server has made.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
#[cfg(feature = "check")]
use std::time::Duration;

#[cfg(feature = "check")]
use super::answerer::{named, was_there, who};
use super::condition::Condition;
use super::place::Place;

#[cfg(feature = "check")]
/// How long one attempt to connect may take; most addresses refuse at once.
const TRY: Duration = Duration::from_millis(500);

/// Who answered, and which files were there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Earlier {
    /// Each address that was tried, and who answered there, if any process did.
    pub(super) asked: Vec<(Place, Option<String>)>,
    files: Vec<(PathBuf, Option<Stamp>)>,
}

/// Device, inode and time of the last change.
type Stamp = (u64, u64, i64, i64);

impl Earlier {
    /// Notes the files that conditions name.
    pub(crate) fn of_files<'a>(conditions: impl IntoIterator<Item = &'a Condition>) -> Self {
        let named = conditions.into_iter().filter_map(|condition| match condition {
            Condition::File(path) => Some(path.clone()),
            _ => None,
        });
        Self { asked: Vec::new(), files: named.map(stamped).collect() }
    }

    /// Notes the sockets that conditions name, so that one of an earlier server does not count.
    pub(crate) fn and_sockets<'a>(mut self, conditions: impl IntoIterator<Item = &'a Condition>) -> Self {
        let named = conditions.into_iter().filter_map(|condition| match condition {
            Condition::Connect(Place::Unix(path)) if !path.starts_with('@') => Some(PathBuf::from(path)),
            _ => None,
        });
        self.files.extend(named.map(stamped));
        self
    }

    /// Connects to every address of these places. Where nobody answers, another process may answer for the server
    /// later: in another network namespace, or a proxy.
    #[cfg(feature = "check")]
    pub(crate) fn and_answers(mut self, places: &[Place]) -> Self {
        for address in places.iter().flat_map(Place::addresses) {
            if self.asked.iter().all(|(asked, _)| *asked != address) {
                let answered = address.connect(TRY).ok();
                let who = answered.map(|connection| who(&address, &connection, &[]));
                self.asked.push((address, who.map(named)));
            }
        }
        self
    }

    /// Who answered, one line each.
    #[cfg(feature = "check")]
    pub(crate) fn describe(&self) -> Vec<String> {
        let answered = self.asked.iter().filter_map(|(place, who)| Some((place, who.as_ref()?)));
        answered.map(|(place, who)| was_there(place, who)).collect()
    }

    /// Whether it was noted what is at this path.
    pub(super) fn knows(&self, path: &Path) -> bool {
        self.files.iter().any(|(file, _)| file == path)
    }

    /// Whether there is a file that was made or changed since then.
    pub(super) fn is_new(&self, path: &Path) -> bool {
        let before = self.files.iter().find(|(file, _)| file == path).and_then(|(_, stamp)| *stamp);
        stamp(path).is_some_and(|now| Some(now) != before)
    }
}

fn stamped(path: PathBuf) -> (PathBuf, Option<Stamp>) {
    let stamp = stamp(&path);
    (path, stamp)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = path.metadata().ok()?;
    Some((file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
}
