//! The judgement of a post-mortem, on snapshots of real programs that are recorded in `tests/looks/`.
//! `WINDDOWN_KEEP_LOOKS=$PWD/tests/looks cargo test --test it -- post_mortem::` renews them.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use winddown::postmortem::causes::CAUSES;
use winddown::postmortem::evidence::{Evidence, Room};
use winddown::postmortem::judge::{self, PostMortem, Progress};
use winddown::postmortem::look::{Hex, Look, Moment};

const TERM: (i32, &str) = (15, "TERM");

/// A recorded case, and the finding it must lead to.
#[derive(Deserialize)]
struct Recorded {
    code: String,
    text: String,
    progress: Option<Progress>,
    killed: Vec<i32>,
    looks: Vec<Look>,
}

impl Recorded {
    fn judged(&self) -> PostMortem {
        self.judged_with(true, Room::LOG)
    }

    fn judged_with(&self, knows_who_was_asked: bool, room: Room) -> PostMortem {
        let (looks, killed) = (&self.looks, &self.killed);
        // Snapshots don't say which processes were started with the signal ignored.
        let ignored_by_winddown = if self.text.contains("winddown itself") { 1 << (TERM.0 - 1) } else { 0 };
        judge::judge(&Evidence {
            looks,
            killed,
            signal: TERM,
            ignored_by_winddown,
            knows_who_was_asked,
            room,
        })
    }

    /// The code of the first finding.
    fn first(&self) -> &'static str {
        self.judged().findings.first().map_or("none", |finding| finding.code)
    }
}

fn text_of(name: &str) -> String {
    let path = format!("{}/tests/looks/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn read(name: &str) -> Recorded {
    serde_json::from_str(&text_of(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names() -> Vec<String> {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/looks")).expect("a folder");
    let names = folder.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut names: Vec<String> = names.map(|name| name.trim_end_matches(".json").to_owned()).collect();
    names.sort();
    names
}

fn all() -> Vec<(String, Recorded)> {
    names().into_iter().map(|name| (name.clone(), read(&name))).collect()
}

#[test]
fn each_is_found_again() {
    for (name, recorded) in all() {
        let judged = recorded.judged();
        let found = judged
            .findings
            .iter()
            .any(|finding| finding.code == recorded.code && finding.text.contains(&recorded.text));
        assert!(found, "{name}: {judged:#?}");
        assert_eq!(judged.progress, recorded.progress, "{name}");
        assert!(judged.lines(Room::LOG).len() <= Room::LOG.lines, "{name}");
        assert!(judged.lines(Room::LOG)[0].starts_with("why ("), "{name}: {}", judged.lines(Room::LOG)[0]);
    }
}

/// What `winddown why` would have seen: it knows neither what was before the signal, nor who was asked.
fn seen_by_a_stranger(name: &str) -> Recorded {
    let mut recorded: Value = serde_json::from_str(&text_of(name)).expect("JSON");
    let looks = recorded["looks"].as_array_mut().expect("looks");
    looks.retain(|look| look["moment"] != "before");
    for seen in looks.iter_mut().flat_map(|look| look["processes"].as_array_mut().expect("processes")) {
        seen["asked_with"] = Value::Null;
    }
    serde_json::from_value(recorded).expect("a case")
}

/// What needs a look from before the signal (W17) is told as what it is now: a call that does not end.
#[test]
fn a_stranger_finds_the_same_cause_and_claims_no_signal() {
    for name in names() {
        let recorded = seen_by_a_stranger(&name);
        let judged = recorded.judged_with(false, Room::PAGE);
        let code = match recorded.code.as_str() {
            "W17" => "W12",
            // That nobody asked PID 1 can't be known: it would have dropped the signal.
            "W07" if name == "W07-unshare" => "W03",
            code => code,
        };
        assert!(judged.findings.iter().any(|finding| finding.code == code), "{name}: {judged:#?}");
        for finding in &judged.findings {
            let claims = ["got SIG", "got the signal", "took SIG", "was never asked", "winddown has not"];
            let claim =
                claims.iter().find(|claim| finding.text.replace("whether it got", "").contains(*claim));
            assert_eq!(claim, None, "{name}: {judged:#?}");
        }
    }
}

/// A server that is not asked to stop is told what the signal would do, or that this can't be known.
#[test]
fn what_was_not_asked_is_told_what_would_happen() {
    let mut recorded = seen_by_a_stranger("W15-python3");
    let first = |recorded: &Recorded| {
        let judged = recorded.judged_with(false, Room::PAGE);
        let first = judged.findings.first().expect("a finding");
        format!("{}: {}", first.code, first.text)
    };
    assert!(first(&recorded).ends_with("whether it got SIGTERM can't be seen"), "{}", first(&recorded));
    for seen in recorded.looks.iter_mut().flat_map(|look| &mut look.processes) {
        seen.signals.caught = Hex(0);
    }
    assert!(first(&recorded).contains("was not asked: SIGTERM would end it at once"), "{}", first(&recorded));
    for seen in recorded.looks.iter_mut().flat_map(|look| &mut look.processes) {
        seen.own_pid = 1;
    }
    assert!(first(&recorded).contains("the kernel would drop SIGTERM"), "{}", first(&recorded));
}

#[test]
fn each_cause_has_a_recorded_case() {
    let recorded: BTreeSet<String> = all().into_iter().map(|(_, recorded)| recorded.code).collect();
    // A read that was not in progress before, and a case that no rule fits: made from other cases below.
    let missing: Vec<_> =
        CAUSES.iter().map(|cause| cause.code).filter(|code| !recorded.contains(*code)).collect();
    assert_eq!(missing, ["W12", "W20"]);
}

#[test]
fn a_call_that_began_after_the_signal_is_another_cause() {
    let mut recorded = read("W17-python3");
    assert_eq!(recorded.first(), "W17");
    recorded.looks.retain(|look| look.moment != Moment::Before);
    assert_eq!(recorded.first(), "W12");
}

#[test]
fn what_nothing_fits_is_said_to_be_unknown() {
    let mut recorded = read("W10-python3");
    for seen in recorded.looks.iter_mut().flat_map(|look| &mut look.processes) {
        seen.sockets.listening = 0;
    }
    assert_eq!(recorded.first(), "W20");
}

#[test]
fn the_signal_decides_before_anything_else() {
    let mut recorded = read("W09-node");
    for seen in recorded.looks.iter_mut().flat_map(|look| &mut look.processes) {
        (seen.signals.ignored, seen.signals.caught) = (seen.signals.caught, Hex(0));
    }
    assert_eq!(recorded.first(), "W04");
}

#[test]
fn only_those_who_were_killed_are_judged() {
    let mut recorded = read("W09-node");
    recorded.killed.clear();
    let judged = recorded.judged();
    assert_eq!((judged.findings.len(), judged.progress, judged.lines(Room::LOG).len()), (0, None, 0));
}

#[test]
fn without_looks_nothing_is_found() {
    let mut recorded = read("W09-node");
    recorded.looks.clear();
    assert_eq!(recorded.judged(), PostMortem::default());
}

/// A single snapshot, or numbers that make no sense, lead to a finding and not to a panic.
#[test]
fn odd_looks_are_judged_too() {
    for (name, mut recorded) in all() {
        for look in &mut recorded.looks {
            look.at_ms = f64::NAN;
            for seen in &mut look.processes {
                (seen.cpu_ms, seen.starved_ms, seen.thread_count) = (u64::MAX, Some(u64::MAX), usize::MAX);
                seen.threads.clear();
            }
        }
        assert!(!recorded.judged().lines(Room::LOG).is_empty(), "{name}");
        recorded.looks.drain(..recorded.looks.len() - 1);
        let judged = recorded.judged();
        assert!(!judged.findings.is_empty() && judged.progress.is_none(), "{name}");
    }
}

/// A single closed file is not progress: a count must fall again and again.
#[test]
fn one_thing_less_is_no_progress() {
    let mut recorded = read("W18-python3");
    assert_eq!(recorded.first(), "W18");
    for (look, count) in recorded.looks.iter_mut().zip([200, 200, 199, 199, 199]) {
        look.processes[0].file_count = Some(count);
    }
    assert_ne!(recorded.first(), "W18");
}

/// The last snapshot may have had time for the main process only: a process that was killed was there.
#[test]
fn who_could_not_be_counted_has_not_ended() {
    let mut recorded = read("W04-python3");
    let progress = recorded.judged().progress;
    for look in &mut recorded.looks {
        look.left_out = if look.moment == Moment::Last { 0 } else { 500 };
    }
    recorded.killed.extend(1_000_000..1_000_500);
    let judged = recorded.judged();
    assert_eq!(judged.progress, progress);
    assert!(judged.facts.contains(&"  not looked at: 500 more processes".to_owned()), "{judged:#?}");
}

/// The reader is slow, but it reads.
#[test]
fn a_write_that_goes_on_is_not_stuck() {
    let mut recorded = read("W14-python3");
    assert_eq!(recorded.first(), "W14");
    for (look, switches) in recorded.looks.iter_mut().zip(1..) {
        look.processes[0].threads[0].switches = Some(switches);
    }
    assert_eq!(recorded.first(), "W17", "it is in the same call, but not stuck in it");
}

#[test]
fn many_threads_that_wait_a_little_each_do_not_starve() {
    let mut recorded = read("W19-taskset");
    let spread = |recorded: &mut Recorded, each: u64| {
        for (look, index) in recorded.looks.iter_mut().zip(0..) {
            let seen = &mut look.processes[0];
            let first = seen.threads[0].clone();
            seen.threads.resize(50, first);
            for (thread, tid) in seen.threads.iter_mut().zip(seen.pid..) {
                (thread.tid, thread.starved_ms) = (tid, Some(index * each));
            }
        }
    };
    spread(&mut recorded, 200);
    assert_eq!(recorded.first(), "W19");
    spread(&mut recorded, 10);
    assert_ne!(recorded.first(), "W19");
}

/// winddown asked the process, but the signal can't have arrived: the process never even had a handler.
#[test]
fn who_would_have_died_has_not_got_it() {
    let mut recorded = read("W15-python3");
    for seen in recorded.looks.iter_mut().flat_map(|look| &mut look.processes) {
        seen.signals.caught = Hex(2);
    }
    assert_eq!(recorded.first(), "W07");
}

/// The system call names the child that it waits for.
#[test]
fn the_child_that_is_waited_for_is_named() {
    let mut recorded = read("W08-bash");
    for look in &mut recorded.looks {
        let mut other = look.processes.last().expect("a process").clone();
        (other.pid, other.own_pid, other.name) = (7, 7, "other".to_owned());
        look.processes.push(other);
        if let Some(call) = &mut look.processes[0].threads[0].call {
            call.arguments[0] = Hex(7);
        }
    }
    assert!(
        recorded.judged().findings[0].text.contains("other (pid 7)"),
        "{:#?}",
        recorded.judged().findings
    );
}
