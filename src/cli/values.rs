//! The values of options, one parser each. What can't be understood is answered with the remedy.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use crate::lifecycle::plan::{Dump, Limit, Mapping, Target};
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::log::Format;
use crate::observe::record::Destination;

/// Text of any bytes: what is no text is refused by the option's own parser, which names its remedy.
pub(super) fn text(value: &OsStr) -> Cow<'_, str> {
    value.to_string_lossy()
}

/// Text that is passed on: what is none can't be shown, and must not be changed.
pub(super) fn exact(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| "it is no UTF-8 text; put such a command into a script".to_owned())
}

pub(super) fn destination(file: OsString) -> Result<Destination, String> {
    place(file).map_err(str::to_owned)
}

fn place(file: OsString) -> Result<Destination, &'static str> {
    const NO_NAME: &str = "a file name is needed";
    let text = match file.to_str() {
        // Standard streams are closed once the command runs, and a path would then lead nowhere.
        Some("/dev/stdout") => Some("fd:1"),
        Some("/dev/stderr") => Some("fd:2"),
        other => other,
    };
    if let Some(number) = text.and_then(|text| text.strip_prefix("fd:").or(text.strip_prefix("/dev/fd/"))) {
        let number = number.parse().map_err(|_| "a descriptor is a number; use fd:3")?;
        let is_open = number >= 0 && crate::os::descriptor::Sink::inherited(number).is_some();
        return if is_open {
            Ok(Destination::Descriptor(number))
        } else {
            Err("that descriptor is not open; redirect it, e.g. 3>run.json")
        };
    }
    let path = std::path::absolute(PathBuf::from(file)).map_err(|_| NO_NAME)?;
    let parent = path.parent().filter(|_| path.file_name().is_some()).ok_or(NO_NAME)?;
    if path.is_dir() {
        return Err("that is a directory; name a file in it");
    }
    if !parent.is_dir() {
        return Err("its directory does not exist; create it first");
    }
    Ok(Destination::File(path))
}

/// `none` is no dump.
pub(super) fn dump_signal(value: &str) -> Result<Option<Dump>, String> {
    match value {
        "none" => Ok(None),
        "auto" => Ok(Some(Dump::Auto)),
        other => match other.parse() {
            Ok(signal) if signal == Signal::QUIT || signal == Signal::ABRT => Ok(Some(Dump::Signal(signal))),
            _ => Err("use auto (QUIT to JVM and Go only), QUIT, ABRT (a core) or none".to_owned()),
        },
    }
}

/// A file that can appear: the directory has to be there, and to take it.
pub(super) fn token(file: OsString) -> Result<PathBuf, String> {
    match destination(file)? {
        Destination::File(path) => Ok(path),
        Destination::Descriptor(_) => Err("a file name is needed, in a directory".to_owned()),
    }
}

/// `30s`, `1m30s`, `250ms`, plain seconds, `0`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const REMEDY: &str = "use e.g. 10s, 250ms, 1m30s, plain seconds, 0 or infinity";
    let is_plain = text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_plain {
        return seconds(text).ok_or_else(|| REMEDY.to_owned());
    }
    humantime::parse_duration(text).map_err(|_| REMEDY.to_owned())
}

/// Seconds with up to nine decimals that count; exact, as a float would not be.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanoseconds: String = decimals.chars().chain("000000000".chars()).take(9).collect();
    is_number(decimals).then(|| Duration::new(whole, nanoseconds.parse().unwrap_or_default()))
}

/// A time that can't be endless.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|_| "use e.g. 10s, 250ms, 1m30s, plain seconds or 0".to_owned())
}

/// A part of the limit.
pub(crate) fn share(text: &str) -> Result<Duration, String> {
    match length(text)? {
        Duration::ZERO => Err("it has to be longer than 0; use e.g. 5s".to_owned()),
        length => Ok(length),
    }
}

pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    if text == "infinity" { Ok(Limit::Infinite) } else { duration(text).map(Limit::Finite) }
}

pub(super) fn run_limit(text: &str) -> Result<Limit, String> {
    match limit(text) {
        Ok(Limit::Finite(Duration::ZERO)) => Err("a run limit is longer than 0; use e.g. 1h".to_owned()),
        result => result,
    }
}

pub(crate) fn signal(text: &str) -> Result<Signal, String> {
    text.trim().parse().map_err(|error| format!("{error}"))
}

/// Stop signals must be able to reach a process and end it.
pub(crate) fn stop_signal(text: &str) -> Result<Signal, String> {
    let signal = signal(text)?;
    let useless = !signal.is_forwardable() && signal != Signal::KILL;
    if useless || signal == Signal::CONT {
        Err("it can't ask a process to stop; use e.g. TERM, INT or QUIT".to_owned())
    } else {
        Ok(signal)
    }
}

fn received(text: &str) -> Result<Signal, String> {
    let signal = signal(text)?;
    if signal.is_forwardable() {
        Ok(signal)
    } else {
        Err(format!("{signal} never comes to winddown for the workload; use e.g. TERM, INT or HUP"))
    }
}

pub(super) fn signal_set(text: &str) -> Result<SignalSet, String> {
    text.split(',').map(received).collect()
}

pub(super) fn mapping(text: &str) -> Result<Mapping, String> {
    let (from, to) = text.split_once('=').ok_or("use FROM=TO, e.g. HUP=USR1, or HUP= to drop it")?;
    let to = if to.trim().is_empty() { None } else { Some(signal(to)?) };
    Ok(Mapping { from: received(from)?, to })
}

pub(super) fn status_pair(text: &str) -> Result<(u8, u8), String> {
    let pair = text
        .split_once('=')
        .and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
    pair.ok_or_else(|| "use FROM=TO with exit statuses from 0 to 255, e.g. 143=0".to_owned())
}

pub(super) fn format(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("use text or json".to_owned()),
    }
}

pub(crate) fn target(text: &str) -> Result<Target, String> {
    match text {
        "main" => Ok(Target::Main),
        "all" => Ok(Target::All),
        _ => Err("use main or all".to_owned()),
    }
}
