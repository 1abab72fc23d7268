//! Only answers of the server's own tree count. Where it can't be seen who answers (another network namespace, a
//! proxy), no process may have answered there before the start.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::check::clients::probe::{Connected, Place, Resource};
use crate::check::options::Options;
use crate::check::options::ready::Ready;
use crate::os::inspect::answers::{self, Answerer};
use crate::os::reason;

/// How long one attempt to connect may take.
const TRY: Duration = Duration::from_secs(2);
/// The same before the start, when most addresses refuse at once.
const TRY_BEFORE: Duration = Duration::from_millis(500);
/// How long the owner of a shared listener may take to accept.
const TAKEN: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(5);
/// As with socket activation.
const KEPT: &str = "is a socket that the caller has passed on: it stays open when the server has closed it, and connections wait there";

/// Who answered, and which files were there, before the start.
#[derive(Default)]
pub(super) struct Strangers {
    /// Each address that was tried, and who answered there, if any process did.
    asked: Vec<(Place, Option<String>)>,
    files: Vec<(PathBuf, Option<Stamp>)>,
}

/// Device, inode and time of the last change.
type Stamp = (u64, u64, i64, i64);

/// An address at which the server answers.
pub(super) struct Proved {
    pub(super) place: Place,
    /// The process that answers for the server, if it is not one of its tree.
    pub(super) by: Option<String>,
    /// Why connections there prove nothing after the signal.
    pub(super) unclear: Option<String>,
}

/// Why an answer does not count.
pub(super) enum Unproved {
    /// There was no answer.
    Unreached(String),
    /// Another process answered.
    Stranger(String),
}

impl Unproved {
    pub(super) fn why(self) -> String {
        match self {
            Self::Unreached(why) | Self::Stranger(why) => why,
        }
    }
}

impl Strangers {
    /// Connects, before the start, to every address at which the server will be asked.
    pub(super) async fn look(options: &Options) -> Self {
        let mut strangers = Self::default();
        for place in places(options) {
            for address in place.addresses().await {
                if strangers.asked.iter().all(|(asked, _)| *asked != address) {
                    let answered = timeout(TRY_BEFORE, address.connect()).await;
                    let who =
                        answered.ok().and_then(Result::ok).map(|connected| who(&address, &connected, &[]));
                    strangers.asked.push((address, who.map(named)));
                }
            }
        }
        for condition in &options.ready {
            if let Ready::File(path) = condition {
                strangers.files.push((path.clone(), stamp(path)));
            }
        }
        strangers
    }

    /// Who answered before the start, one line each.
    pub(super) fn describe(&self) -> Vec<String> {
        let answered = self.asked.iter().filter_map(|(place, who)| Some((place, who.as_ref()?)));
        answered.map(|(place, who)| was_there(place, who)).collect()
    }

    /// Whether a file was made or changed since then.
    pub(super) fn is_new(&self, path: &Path) -> bool {
        let before = self.files.iter().find(|(file, _)| file == path).and_then(|(_, stamp)| *stamp);
        stamp(path).is_some_and(|now| Some(now) != before)
    }

    /// The first of the addresses of a place at which the server answers.
    pub(super) async fn prove(&self, place: &Place, tree: &[i32]) -> Result<Proved, Unproved> {
        let mut found = Unproved::Unreached("its name has no address".to_owned());
        for address in place.addresses().await {
            let unproved = match timeout(TRY, address.connect()).await {
                Ok(Ok(connected)) => match self.judge(address, &connected, tree).await {
                    Ok(proved) => return Ok(proved),
                    Err(why) => Unproved::Stranger(why),
                },
                Ok(Err(error)) => Unproved::Unreached(reason(&error)),
                Err(_) => Unproved::Unreached("no answer".to_owned()),
            };
            if !matches!(found, Unproved::Stranger(_)) {
                found = unproved;
            }
        }
        Err(found)
    }

    async fn judge(&self, place: Place, connected: &Connected, tree: &[i32]) -> Result<Proved, String> {
        let name = place.name();
        let proved = |by, unclear| Ok(Proved { place: place.clone(), by, unclear });
        let other = match who(&place, connected, tree) {
            Answerer::Tree => return proved(None, None),
            Answerer::Kept => return proved(None, Some(format!("{name} {KEPT}"))),
            Answerer::Shared(with) if is_taken(connected, tree).await => {
                let unclear =
                    format!("{name} is answered by {with} as well: which of them answers is chance");
                return proved(None, Some(unclear));
            }
            other => named(other),
        };
        match self.asked.iter().find(|(asked, _)| *asked == place) {
            Some((_, None)) => proved(Some(other), None),
            Some((_, Some(_))) => Err(was_there(&place, &other)),
            None => Err(format!("{name} is answered by {other}, not by the server")),
        }
    }
}

fn who(place: &Place, connected: &Connected, tree: &[i32]) -> Answerer {
    match (place, connected.ends) {
        (_, Some((_, to))) => answers::tcp(tree, to),
        (Place::Unix(path), _) => answers::unix(tree, path, connected.listener),
        (Place::Tcp(..), None) => Answerer::Unseen,
    }
}

fn named(answerer: Answerer) -> String {
    match answerer {
        Answerer::Shared(who) | Answerer::Other(who) => who,
        Answerer::Tree | Answerer::Kept | Answerer::Unseen => {
            "a process that can't be seen from here".to_owned()
        }
    }
}

fn was_there(place: &Place, who: &str) -> String {
    format!("{} is answered by {who}, which was there before the start", place.name())
}

/// Whether, of all that listen there, it is the tree that accepts this connection.
async fn is_taken(connected: &Connected, tree: &[i32]) -> bool {
    let Some((from, to)) = connected.ends else { return false };
    let taken = async {
        loop {
            if let Some(is_taken) = answers::is_taken_by(tree, from, to) {
                return is_taken;
            }
            sleep(PAUSE).await;
        }
    };
    timeout(TAKEN, taken).await.unwrap_or_default()
}

/// All places that the options name.
fn places(options: &Options) -> impl Iterator<Item = Place> {
    let ready = options.ready.iter().filter_map(|condition| match condition {
        Ready::Connect(place) => Some(place.clone()),
        Ready::Http(url) => Some(url.place.clone()),
        _ => None,
    });
    let resources = [&options.url, &options.slow, &options.stream].into_iter().flatten();
    let urls = resources.filter_map(|resource| match resource {
        Resource::Url(url) => Some(url.place.clone()),
        Resource::Path(_) => None,
    });
    let port = options.port.iter().map(|port| Place::Tcp("localhost".to_owned(), port.number));
    ready.chain(urls).chain(port)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = path.metadata().ok()?;
    Some((file.dev(), file.ino(), file.ctime(), file.ctime_nsec()))
}
