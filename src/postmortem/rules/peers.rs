//! Other ends that do not answer: servers to connect to, resolvers, and servers to which a connection stays open.

use super::program::is_in_loop;
use super::{Hit, Rule, Strength, hit, who};
use crate::postmortem::causes;
use crate::postmortem::look::{Socket, Thread};
use crate::postmortem::series::Series;
use crate::postmortem::threads::LOOPS;
use crate::postmortem::words;
use crate::text::counted;

pub(super) const RULES: &[(Strength, Rule)] = &[
    (Strength::Sure, main_looks_a_name_up),
    (Strength::Weak, looks_a_name_up),
    (Strength::Weak, connects),
    (Strength::Weak, keeps_a_connection),
];

/// The C library polls the one socket to its resolver.
fn main_looks_a_name_up(series: &Series<'_>) -> Option<Hit> {
    let call = series.main_call()?;
    let is_of_one = match call.name.as_str() {
        "poll" | "ppoll" => call.arguments[1].0 == 1,
        "recvfrom" | "recvmsg" => true,
        _ => false,
    };
    looks_a_name_up(series).filter(|_| is_of_one)
}

/// A question to a name server that has had no answer since the look before.
fn looks_a_name_up(series: &Series<'_>) -> Option<Hit> {
    let waits = |socket: &&Socket| socket.looks_names_up() && socket.unread == 0;
    let socket = lasting(series, waits)?;
    let text =
        format!("{} looks a name up, and the resolver {} does not answer", who(series), words::peer(socket));
    let remedy =
        "see why the resolver does not answer; give it less time (resolv.conf: options timeout:1 attempts:1)";
    Some(hit(&causes::BLOCKED_IO, text).with(remedy.to_owned()))
}

fn connects(series: &Series<'_>) -> Option<Hit> {
    let socket = lasting(series, |socket| socket.is_connecting())?;
    let text = format!("{} waits to connect to {}, which does not answer", who(series), words::peer(socket));
    Some(hit(&causes::BLOCKED_IO, text).with("give the connect a time-out of its own".to_owned()))
}

/// A socket of a process that waits, as it was in the look before.
fn lasting<'a>(series: &Series<'a>, is_it: impl Fn(&&Socket) -> bool) -> Option<&'a Socket> {
    const CALLS: [&str; 2] = ["recvfrom", "recvmsg"];
    let waits = |thread: &Thread| thread.is_in(&LOOPS) || thread.is_in(&CALLS);
    if !series.last.threads.iter().any(waits) {
        return None;
    }
    let was_it = |socket: &&Socket| series.previous_of(socket).is_some_and(|before| is_it(&before));
    let sockets = series.last.files.iter().filter_map(|file| file.socket.as_ref());
    sockets.filter(&is_it).find(was_it)
}

/// An event loop without clients and without a listener: what is open may be what keeps it.
fn keeps_a_connection(series: &Series<'_>) -> Option<Hit> {
    if !is_in_loop(series) || series.last.sockets.listening > 0 {
        return None;
    }
    let mut own = series.own_connections();
    let first = own.next()?;
    let count = 1 + own.count();
    let open = counted(count, "connection", "s");
    let example = if count > 1 { "e.g. " } else { "" };
    let text = format!(
        "{} probably waits because of {open} that it opened itself, {example}to {}",
        who(series),
        words::peer(first)
    );
    let remedy =
        "close such connections (a pool, a client that keeps them alive) when the stop signal arrives";
    Some(hit(&causes::BLOCKED_IO, text).with(remedy.to_owned()))
}
