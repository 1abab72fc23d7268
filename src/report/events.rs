//! What happened, in order: the same for the story and the picture.

use super::{tries, words};
use crate::postmortem::look::Moment;
use crate::record::schema::{
    Extension, HookRecord, ProcessRecord, ReceivedRecord, Record, StepRecord, StopRecord,
};
use crate::text::{counted, printable};

/// An end that is later by more than this gets its own line.
const NOTABLE_MS: f64 = 10.0;

/// One thing that happened.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct StoryEvent {
    /// Since the start.
    pub(super) at_ms: f64,
    /// In one line.
    pub(super) text: String,
}

/// Everything worth a line, in order.
pub(super) fn events(record: &Record) -> Vec<StoryEvent> {
    let mut events = Vec::new();
    let mut add = |at_ms, text| events.push(StoryEvent { at_ms, text });
    if let Some(main) = &record.main {
        add(record.main_from_ms(), format!("started {}", words::named(main.pid, record.name_of(main.pid))));
    }
    if let Some(stop) = &record.stop {
        let limit = match stop.deadline_ms {
            Some(at) => format!("SIGKILL in {}", words::short(at - stop.at_ms)),
            None => "without a limit".to_owned(),
        };
        add(stop.at_ms, format!("{}: stopping, {limit}", words::cause(stop)));
    }
    for (at_ms, text) in tries::earlier(record) {
        add(at_ms, text);
    }
    for step in &record.steps {
        add(step.at_ms, describe_step(&step.step));
    }
    for hook in &record.hooks {
        add(hook.at_ms, describe_hook(hook));
    }
    for extension in &record.extensions {
        add(extension.at_ms, describe_extension(extension));
    }
    events.extend(received(record));
    events.extend(half(record));
    events.extend(end_of_main(record));
    events.extend(kill(record));
    events.extend(end(record));
    events.sort_by(|one, other| one.at_ms.total_cmp(&other.at_ms));
    events
}

/// Whether this signal began the stop: the line of the stop already names it.
fn is_request(record: &Record, received: &ReceivedRecord) -> bool {
    let by_signal = |stop: &&StopRecord| stop.signal.as_deref() == Some(&received.signal);
    let stop = record.stop.as_ref().filter(by_signal);
    stop.is_some_and(|stop| (stop.at_ms - received.at_ms).abs() < 0.001)
}

/// Signals other than the request. Equal signals before the stop are one event, as are equal signals during it.
fn received(record: &Record) -> Vec<StoryEvent> {
    let zero_ms = record.zero_ms();
    let mut groups: Vec<(String, bool, Group)> = Vec::new();
    for received in record.received.iter().filter(|received| !is_request(record, received)) {
        let (text, is_before) = (describe_received(received), received.at_ms < zero_ms);
        let count = received.count.unwrap_or(1);
        let last_ms = received.last_at_ms.unwrap_or(received.at_ms);
        match groups.iter_mut().find(|group| group.0 == text && group.1 == is_before) {
            Some((.., group)) => {
                group.count = group.count.saturating_add(count);
                group.last_ms = last_ms;
            }
            None => groups.push((text, is_before, Group { first_ms: received.at_ms, last_ms, count })),
        }
    }
    let event = |(text, _, group): (String, bool, Group)| match group.count {
        1 => StoryEvent { at_ms: group.first_ms, text },
        count => {
            let last = words::offset(group.last_ms - zero_ms);
            StoryEvent { at_ms: group.first_ms, text: format!("{text}; {count} times, the last at {last}") }
        }
    };
    groups.into_iter().map(event).collect()
}

/// Equal signals.
struct Group {
    first_ms: f64,
    last_ms: f64,
    count: u64,
}

fn describe_received(received: &ReceivedRecord) -> String {
    let what = words::signal_from(&received.signal, &received.sender);
    match &received.forwarded {
        Some(name) if *name == received.signal => format!("{what}: passed on"),
        Some(name) => format!("{what}: passed on as {}", words::signal(name)),
        None => format!("{what}: not passed on"),
    }
}

/// `step 2: waiting, 300ms`.
pub(super) fn describe_step(step: &StepRecord) -> String {
    let what = match step.action.as_str() {
        "wait" => "waiting".to_owned(),
        "run" => format!("running '{}'", printable(step.hook.as_deref().unwrap_or_default())),
        "signal" => {
            let name = step.signal.as_deref().map_or_else(|| "the signal received".to_owned(), words::signal);
            format!("{name} to {}", printable(step.to.as_deref().unwrap_or("main")))
        }
        "kill" => "SIGKILL to all".to_owned(),
        other => match &step.signal {
            Some(name) => format!("{}: {}", printable(other), words::signal(name)),
            None => printable(other),
        },
    };
    let share = step.share_ms.map(|share| format!(", {}", words::short(share))).unwrap_or_default();
    format!("step {}: {what}{share}", step.number)
}

/// `hook './drain' exited with 0`.
pub(super) fn describe_hook(hook: &HookRecord) -> String {
    let how = match hook.result.as_str() {
        "overran" => "had no time left and was killed".to_owned(),
        "not-started" => "could not be started".to_owned(),
        _ => hook.exit.as_ref().map_or_else(|| "ended".to_owned(), words::exit),
    };
    format!("hook '{}' {how}", printable(&hook.command))
}

/// `asked for 5s more: not granted`.
fn describe_extension(extension: &Extension) -> String {
    let who = match &extension.process {
        Some(process) => words::named(process.pid, process.name.as_deref()),
        None => "the workload".to_owned(),
    };
    let time = words::short(extension.time_ms);
    if extension.granted {
        format!("extended by {time}, asked by {who}")
    } else {
        format!("{who} asked for {time}: not granted")
    }
}

fn half(record: &Record) -> Option<StoryEvent> {
    let look = record.looks.iter().find(|look| look.moment == Moment::Half)?;
    let there: Vec<_> = look
        .processes
        .iter()
        .map(|seen| ProcessRecord { pid: seen.pid, name: Some(seen.name.clone()) })
        .collect();
    let text = format!("half of the limit is over; still there: {}", words::processes(&there, 0));
    (!there.is_empty()).then_some(StoryEvent { at_ms: look.at_ms, text })
}

fn end_of_main(record: &Record) -> Option<StoryEvent> {
    let main = record.main.as_ref()?;
    let end = record.ends.iter().find(|end| end.pid == main.pid)?;
    let text = format!("{} {}", words::named(main.pid, record.name_of(main.pid)), words::exit(&end.exit));
    Some(StoryEvent { at_ms: end.at_ms, text })
}

fn kill(record: &Record) -> Option<StoryEvent> {
    let at_ms = record.phase_at_ms("killing")?;
    let text = match record.killed_count() {
        0 => "SIGKILL to all that is left".to_owned(),
        count => {
            let named = words::processes(&record.killed, record.left_out.killed);
            format!("SIGKILL to {}: {named}", counted(count, "process", "es"))
        }
    };
    Some(StoryEvent { at_ms, text })
}

/// Only if the end of the main process was not the end of the run.
fn end(record: &Record) -> Option<StoryEvent> {
    let main = record.main.as_ref()?;
    let at_ms = record.phase_at_ms("stopped")?;
    if !record.survivors.is_empty() {
        let count = record.survivors.len().saturating_add(record.left_out.survivors);
        let text = format!("gave up on {}", counted(count, "process", "es"));
        return Some(StoryEvent { at_ms, text });
    }
    let main_end = record.ends.iter().find(|end| end.pid == main.pid)?;
    let is_later = at_ms - main_end.at_ms > NOTABLE_MS;
    is_later.then(|| StoryEvent { at_ms, text: "the last process ended".to_owned() })
}
