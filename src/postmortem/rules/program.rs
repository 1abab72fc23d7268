//! Rules about a program as a whole.

use super::calls::{ACCEPTS, SIGNAL_WAITS, WAITS};
use super::{Hit, Rule, Strength, hit, name, who};
use crate::lifecycle::signal::Signal;
use crate::postmortem::causes;
use crate::postmortem::heard::Heard;
use crate::postmortem::look::{FILES_MAX, Socket, Thread};
use crate::postmortem::progress::Activity;
use crate::postmortem::series::Series;
use crate::postmortem::words::{self, LOOPS};
use crate::text::counted;

pub(super) const RULES: &[(Strength, Rule)] = &[
    (Strength::State, starved),
    (Strength::State, progressing),
    (Strength::State, spinning),
    (Strength::Likely, draining),
    (Strength::Weak, serving),
    (Strength::Weak, has_children),
    (Strength::Last, listening),
];

fn starved(series: &Series<'_>) -> Option<Hit> {
    let change = series.change().filter(Activity::starves)?;
    let text = format!(
        "{} waited for a CPU for {}, and ran for {}",
        who(series),
        words::time(change.starved_ms()),
        words::time(change.cpu_ms())
    );
    Some(hit(&causes::STARVED, text))
}

fn progressing(series: &Series<'_>) -> Option<Hit> {
    let change = series.change()?;
    let (what, first, last) = series.steady_decline()?;
    let left_for_each = change.length_ms().saturating_mul(last as u64);
    let more_ms = left_for_each / ((first - last) as u64).max(1);
    let more = words::time(more_ms.div_ceil(1000).saturating_mul(1000));
    let text = format!("{} is slow, not stuck: {what} {first} -> {last}", who(series));
    let remedy = format!("give it more time (-t): about {more} more at this pace");
    Some(hit(&causes::PROGRESSING, text).with(remedy))
}

fn spinning(series: &Series<'_>) -> Option<Hit> {
    let change = series.change().filter(Activity::spins)?;
    let when = match series.heard() {
        Heard::Yes => "since it was asked".to_owned(),
        _ => format!("in {}", words::time(change.length_ms())),
    };
    let text = format!("{} used {} of CPU {when}", who(series), words::time(change.cpu_ms()));
    Some(hit(&causes::SPINNING, text))
}

fn is_in_loop(series: &Series<'_>) -> bool {
    let in_loop = |thread: &Thread| thread.is_in(&LOOPS);
    series.last.threads.iter().any(in_loop)
}

/// A connection that the process opened itself (to a database) is not a client.
fn draining(series: &Series<'_>) -> Option<Hit> {
    let sockets = series.last.sockets;
    if !is_in_loop(series) || sockets.listening > 0 || sockets.connected == 0 {
        return None;
    }
    let kept = || series.last.files.iter().filter_map(|file| file.socket.as_ref());
    let connected = kept().filter(|socket| socket.is_connected()).count();
    let accepted = || kept().filter(|socket| is_accepted(series, socket));
    let peer = accepted().map(|socket| socket.peer.as_str()).find(|peer| !peer.is_empty());
    let (count, is_least) = match accepted().count() {
        0 => return None,
        count if count == connected => (sockets.connected, series.last.file_count > Some(FILES_MAX)),
        count => (count.min(sockets.connected), connected < sockets.connected),
    };
    let at_least = if is_least { "at least " } else { "" };
    let clients = counted(count, "connection", "s");
    let peer = peer.map_or(String::new(), |peer| format!(", e.g. from {peer}"));
    let first = series.change().map_or(0, |change| change.first.sockets.connected);
    let before = if first > count { format!(" ({first} at first)") } else { String::new() };
    let listens = if series.has_stopped_listening() { "no longer listens and " } else { "" };
    Some(hit(
        &causes::DRAINING,
        format!("{} {listens}waits for {at_least}{clients}{before}{peer}", who(series)),
    ))
}

/// Linux picks the ports of clients from here on.
const OF_CLIENTS: u16 = 32_768;

/// Whether a client opened it: its local address is one that the tree listened on, or the port numbers say so.
fn is_accepted(series: &Series<'_>, socket: &Socket) -> bool {
    let port = |address: &str| address.rsplit_once(':')?.1.parse::<u16>().ok();
    let (local, peer) = (port(&socket.local), port(&socket.peer));
    let all = series.looks.iter().flat_map(|look| &look.processes).flat_map(|seen| &seen.files);
    let mut listened = all.filter_map(|file| file.socket.as_ref()).filter(|socket| socket.state == "listen");
    // Among connected Unix sockets only accepted ones have a name.
    socket.is_connected()
        && (socket.protocol == "unix"
            || listened.any(|one| local.is_some() && port(&one.local) == local)
            || (local < Some(OF_CLIENTS) && peer >= Some(OF_CLIENTS))
            || local.zip(peer).is_some_and(was_picked_by_bind))
}

/// Where Linux has picked both ports, it prefers odd ones for bind, and even ones for connect.
fn was_picked_by_bind((local, peer): (u16, u16)) -> bool {
    local.min(peer) >= OF_CLIENTS && local % 2 == 1 && peer % 2 == 0
}

/// It still accepts new clients.
fn serving(series: &Series<'_>) -> Option<Hit> {
    let accepts = |thread: &Thread| thread.is_in(&ACCEPTS);
    let goes_on = is_in_loop(series) || series.last.threads.iter().any(accepts);
    listening(series).filter(|_| goes_on)
}

fn listening(series: &Series<'_>) -> Option<Hit> {
    if !series.listens() || !series.takes() {
        return None;
    }
    let socket = series
        .last
        .files
        .iter()
        .filter_map(|file| file.socket.as_ref())
        .find(|socket| socket.state == "listen");
    let how = match socket {
        // The kernel does not show whether a Unix socket was shut down.
        Some(socket) if socket.protocol == "unix" => {
            format!("still has its listening socket {} open", socket.local)
        }
        Some(socket) => format!("still listens on {}", socket.local),
        None => "still listens".to_owned(),
    };
    let got =
        if series.heard() == Heard::Yes { format!("got SIG{} and ", series.signal) } else { String::new() };
    let text = format!("{} {got}{how}", who(series));
    Some(hit(&causes::LISTENING, text))
}

/// A process that waits for signals learns of a child's end from SIGCHLD. A process that keeps waking up may poll
/// for it.
fn has_children(series: &Series<'_>) -> Option<Hit> {
    let children = series.children().count();
    let child = series.children().next().filter(|_| series.takes())?;
    let main = series.main_thread()?;
    let is_member = |set: u64| set & (1 << (Signal::CHLD.number() - 1)) != 0;
    let hears_of_children = is_member(series.last.signals.caught.0) || is_member(main.blocked.0);
    let polls = main.is_in(&LOOPS) || main.is_in(&["nanosleep", "clock_nanosleep", "rt_sigtimedwait"]);
    let how = if polls && series.keeps_waking() {
        "keeps waking up, apparently to poll its child"
    } else if main.is_in(&SIGNAL_WAITS) && hears_of_children {
        "waits for signals, such as SIGCHLD at the end of its child"
    } else if series.other_threads().any(|thread| thread.is_in(&WAITS)) {
        "has a thread that waits for its child"
    } else {
        return None;
    };
    let others = if children > 1 { format!(" and {} more", children - 1) } else { String::new() };
    Some(hit(&causes::WAIT_CHILD, format!("{} {how} {}{others}", who(series), name(child))).minor())
}
