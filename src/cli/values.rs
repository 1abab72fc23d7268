//! The values of options, one parser each. An error is the remedy.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{OsStringValueParser, PossibleValue, TypedValueParser, ValueParser};

use super::usage::named;
use crate::lifecycle::plan::{Dump, Limit, Mapping, Target};
use crate::lifecycle::signal::{Signal, SignalSet};
use crate::observe::log::Format;
use crate::os::io::destination::Destination;
use crate::ready::condition::Condition;

/// A parser for a path of any bytes.
pub(crate) fn path<T: Clone + Send + Sync + 'static>(
    parse: fn(OsString) -> Result<T, String>,
) -> ValueParser {
    OsStringValueParser::new().try_map(parse).into()
}

pub(super) fn record(file: OsString) -> Result<Destination, String> {
    Destination::parse(file, &crate::record::write::KIND)
}

/// A file that can be created: the directory must exist and be writable.
pub(super) fn token(file: OsString) -> Result<PathBuf, String> {
    Destination::parse_file(file, &crate::os::io::token::KIND)
}

/// The same for the file that shows readiness.
pub(super) fn ready_file(file: OsString) -> Result<PathBuf, String> {
    Destination::parse_file(file, &crate::os::io::ready_file::KIND)
}

pub(super) fn ready(text: &str) -> Result<Condition, String> {
    Condition::parse(text)
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

/// The values of `--dump-signal`, without the other spellings of signals.
pub(super) fn dumps() -> Vec<PossibleValue> {
    named(["auto", "QUIT", "ABRT", "none"])
}

/// No process could act upon a signal in less time.
const SHORTEST: Duration = Duration::from_millis(1);
const ENDLESS_REMEDY: &str = "use e.g. 10s, 250ms, 1m30s, plain seconds, 0 or infinity";
const REMEDY: &str = "use e.g. 10s, 250ms, 1m30s, plain seconds or 0";
/// Units of calendars: `5M` would be five months.
const CALENDAR: [&str; 7] = ["month", "months", "y", "yr", "yrs", "year", "years"];
/// Other words for a limit without an end.
const ENDLESS: [&str; 7] = ["infinity", "infinite", "inf", "never", "unlimited", "forever", "none"];

/// `30s`, `1m30s`, `250ms`, plain seconds, `0`.
fn duration(text: &str, remedy: &str) -> Result<Duration, String> {
    let lower = text.to_ascii_lowercase();
    let mut units = text.split(|character: char| !character.is_ascii_alphabetic());
    if units.any(|unit| unit == "M" || CALENDAR.contains(&unit.to_ascii_lowercase().as_str())) {
        return Err("months (M) and years are not accepted; use m for minutes, or days (d)".to_owned());
    }
    match exact_duration(text) {
        Some(length) if length < SHORTEST && !length.is_zero() => {
            Err("that is less than a millisecond; use 0 or 1ms".to_owned())
        }
        Some(length) => Ok(length),
        None if lower != text && exact_duration(&lower).is_some() => Err(format!("write {lower}")),
        None if remedy == ENDLESS_REMEDY && ENDLESS.contains(&lower.as_str()) => {
            Err("write infinity".to_owned())
        }
        None => Err(remedy.to_owned()),
    }
}

fn exact_duration(text: &str) -> Option<Duration> {
    let is_plain = text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_plain { seconds(text) } else { humantime::parse_duration(text).ok() }
}

/// Seconds with up to nine significant decimals; exact, unlike a float.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanoseconds: String = decimals.chars().chain("000000000".chars()).take(9).collect();
    is_number(decimals).then(|| Duration::new(whole, nanoseconds.parse().unwrap_or_default()))
}

/// A time that can't be endless.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    duration(text, REMEDY)
}

/// A part of the limit.
pub(crate) fn share(text: &str) -> Result<Duration, String> {
    match length(text)? {
        Duration::ZERO => Err("it must be longer than 0; use e.g. 5s".to_owned()),
        length => Ok(length),
    }
}

pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    if text == "infinity" { Ok(Limit::Infinite) } else { duration(text, ENDLESS_REMEDY).map(Limit::Finite) }
}

pub(super) fn run_limit(text: &str) -> Result<Limit, String> {
    match limit(text) {
        Ok(Limit::Finite(Duration::ZERO)) => Err("it must be longer than 0; use e.g. 1h".to_owned()),
        result => result,
    }
}

pub(crate) fn signal(text: &str) -> Result<Signal, String> {
    text.trim().parse().map_err(|error| format!("{error}"))
}

/// Stop signals must be able to reach a process and end it.
pub(crate) fn stop_signal(text: &str) -> Result<Signal, String> {
    let signal = signal(text)?;
    let remedy = || "it can't ask a process to stop; use e.g. TERM, INT or QUIT".to_owned();
    can_ask(signal).then_some(signal).ok_or_else(remedy)
}

/// Conditions without a value of their own.
pub(crate) fn ready_words() -> Vec<PossibleValue> {
    named(["auto", "notify"])
}

/// Names of signals that can ask for a stop.
pub(crate) fn stop_signals() -> Vec<PossibleValue> {
    named(Signal::named().filter(|(signal, _)| can_ask(*signal)).map(|(_, name)| name))
}

fn can_ask(signal: Signal) -> bool {
    signal == Signal::KILL || (signal.is_forwardable() && signal != Signal::CONT)
}

fn received(text: &str) -> Result<Signal, String> {
    let signal = signal(text)?;
    if signal.is_forwardable() {
        Ok(signal)
    } else {
        Err(format!("winddown never receives {signal} for the workload; use e.g. TERM, INT or HUP"))
    }
}

/// Names of signals that can be stop requests.
pub(super) fn stop_requests() -> Vec<PossibleValue> {
    named(Signal::named().filter(|(signal, _)| signal.is_forwardable()).map(|(_, name)| name).chain(["none"]))
}

/// `none` is no signal.
pub(super) fn signal_set(text: &str) -> Result<SignalSet, String> {
    if text == "none" {
        return Ok(SignalSet::default());
    }
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

/// 0 is what a completed run exits with.
pub(super) fn interrupted_exit(text: &str) -> Result<u8, String> {
    let status = text.trim().parse().ok().filter(|status| *status != 0);
    status.ok_or_else(|| "use an exit status from 1 to 255, e.g. 75".to_owned())
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Text => "text",
            Self::Json => "json",
        }))
    }
}

/// The value of `--to`: whom to ask first; nobody, if the sender of the request asks every process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum To {
    Ask(Target),
    Nobody,
}

impl To {
    /// Whom to ask first if the sender has not asked every process.
    pub(crate) const fn target(self) -> Target {
        match self {
            Self::Ask(target) => target,
            Self::Nobody => Target::Main,
        }
    }
}

impl ValueEnum for To {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Ask(Target::Main), Self::Ask(Target::All), Self::Nobody]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Ask(target) => target.name(),
            Self::Nobody => "none",
        }))
    }
}

impl ValueEnum for Target {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Main, Self::All]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

pub(crate) fn target(text: &str) -> Result<Target, String> {
    Target::from_str(text, false).map_err(|_| "use main or all".to_owned())
}
