use super::super::baseline::Baseline;
use super::super::catalogue::find;
use super::super::observed::{Before, Held, HeldEnd, Listener, Missing, Outcome, Probe, Process, Takes};
use super::super::options::{self, Request};
use super::super::verdict::status;
use super::*;
use crate::report::record::{End, Exit, Finding, Phase, Sent, Stop};

fn options(words: &[&str]) -> Options {
    let words = ["check"].iter().chain(words).chain(&["server"]).map(Into::into).collect::<Vec<_>>();
    match options::parse(&words) {
        Ok(Request::Check(options)) => *options,
        other => panic!("{other:?}"),
    }
}

fn process(pid: i32, name: &str) -> Process {
    Process { pid, name: Some(name.to_owned()) }
}

fn exit(code: i32) -> Exit {
    Exit { code: Some(code), signal: None }
}

/// A server that stops in 100 ms.
fn good() -> Observed {
    let main = process(10, "server");
    let phase = |phase: &str, at_ms| Phase { phase: phase.to_owned(), at_ms };
    let record = Record {
        main: Some(main.clone()),
        stop: Some(Stop { at_ms: 1000.0, ..Stop::default() }),
        phases: vec![phase("terminating", 1000.0), phase("stopped", 1100.0)],
        ends: vec![End { at_ms: 1100.0, pid: 10, exit: exit(0), ..End::default() }],
        exit: Some(exit(0)),
        outcome: Some("stopped".to_owned()),
        ..Record::default()
    };
    let listener = Listener { protocol: "tcp".to_owned(), address: "127.0.0.1:80".to_owned(), inode: 1 };
    let before = Before {
        main,
        takes: Some(Takes::Caught),
        shell: None,
        listeners: vec![listener],
        zombies_first: 0,
        zombies: 0,
    };
    let mut seen = Observed {
        readiness: Readiness::Ready { after_ms: 5, how: String::new() },
        before: Some(before),
        record: Some(record),
        strip: strip("...", "..xxx"),
        ..Observed::default()
    };
    seen.output.open_ms = Some(1);
    seen
}

/// A probe every 50 ms.
fn strip(before: &str, after: &str) -> Vec<Probe> {
    let all = [Outcome::Ok, Outcome::Error, Outcome::Reset, Outcome::Refused, Outcome::TimedOut];
    let outcome = |letter| all.into_iter().find(|one| one.letter() == letter).expect("a letter of the strip");
    let first = -50 * i64::try_from(before.len()).expect("short");
    let probes = before.chars().chain(after.chars()).zip(0..);
    probes.map(|(letter, at)| Probe { at_ms: first + 50 * at, outcome: outcome(letter) }).collect()
}

fn killed(seen: &mut Observed) {
    let record = seen.record.as_mut().expect("a record");
    record.killed = vec![process(10, "server")];
    record.phases[1].at_ms = 11_000.0;
    record.ends[0].at_ms = 11_000.0;
}

#[track_caller]
fn expect(words: &[&str], seen: Observed, id: &str, word: Word) {
    let check = find(id).expect("a check");
    let seen = Seen { plain: seen, ..Seen::default() };
    let verdict = verdict(check, &options(words), &seen);
    assert_eq!(verdict.word, word, "{verdict:?}");
}

fn changed(change: impl FnOnce(&mut Observed)) -> Observed {
    let mut seen = good();
    change(&mut seen);
    seen
}

#[test]
fn a_good_server_passes_every_check_of_its_stop() {
    let options = options(&[]);
    let verdicts = judge(&options, &Seen { plain: good(), ..Seen::default() });
    assert!(verdicts.iter().all(|verdict| verdict.word == Word::Pass), "{verdicts:?}");
    assert_eq!(status(&verdicts), 0);
}

#[test]
fn who_was_not_ready_is_not_judged() {
    let seen = changed(|seen| seen.readiness = Readiness::TimedOut { after_ms: 1, seen: String::new() });
    let verdicts = judge(&options(&[]), &Seen { plain: seen, ..Seen::default() });
    assert!(verdicts.iter().all(|verdict| verdict.word == Word::Inconclusive), "{verdicts:?}");
    assert_eq!(status(&verdicts), 3);
}

#[test]
fn a_kill_fails_and_tells_why_unless_the_machine_was_busy() {
    let mut seen = changed(killed);
    let finding = Finding { code: "W09".to_owned(), remedy: "close".to_owned(), ..Finding::default() };
    seen.record.as_mut().expect("a record").findings = vec![finding];
    let told = stop::stops(&options(&[]), &seen, seen.record.as_ref().expect("a record"));
    assert!(told.evidence.iter().any(|line| line == "try: close"), "{told:?}");
    expect(&[], seen.clone(), "stops", Word::Fail);
    expect(&[], seen.clone(), "exit-status", Word::Skip);
    seen.noise.waited_ms = 5000;
    expect(&[], seen, "stops", Word::Inconclusive);
}

#[test]
fn the_margin_has_its_borders() {
    for (limit, word) in [("200ms", Word::Pass), ("195ms", Word::Warn), ("109ms", Word::Fail)] {
        expect(&["-t", limit], good(), "margin", word);
    }
    expect(&["--within", "100ms"], good(), "stops", Word::Pass);
    expect(&["--within", "99ms"], good(), "stops", Word::Fail);
}

#[test]
fn crashes_are_never_good() {
    let ends = |end: Exit| changed(|seen| seen.record.as_mut().expect("a record").exit = Some(end));
    let signal = |name: &str| Exit { code: None, signal: Some(name.to_owned()) };
    expect(&[], ends(signal("TERM")), "exit-status", Word::Pass);
    expect(&[], ends(exit(143)), "exit-status", Word::Pass);
    expect(&[], ends(exit(130)), "exit-status", Word::Fail);
    expect(&["-s", "INT"], ends(exit(130)), "exit-status", Word::Pass);
    expect(&["--expect-exit", "SEGV"], ends(signal("SEGV")), "exit-status", Word::Fail);
}

#[test]
fn stragglers_count_by_how_they_end() {
    let straggler = |at_ms: f64, end: Exit| {
        changed(|seen| {
            let record = seen.record.as_mut().expect("a record");
            let target = process(11, "worker");
            let sent = Sent { at_ms: 1100.0, target, purpose: "ask".to_owned(), ..Sent::default() };
            record.signals.push(sent);
            record.ends.push(End { at_ms, pid: 11, exit: end, ..End::default() });
        })
    };
    expect(&[], straggler(1150.0, exit(0)), "survivors", Word::Warn);
    expect(&[], straggler(1700.0, exit(0)), "survivors", Word::Fail);
    let by_term = Exit { code: None, signal: Some("TERM".to_owned()) };
    expect(&[], straggler(1101.0, by_term.clone()), "survivors", Word::Fail);
    expect(&["--allow", "proc:worker"], straggler(1101.0, by_term), "survivors", Word::Pass);
}

#[test]
fn the_order_of_outcomes_is_judged() {
    for (after, word) in [
        ("..xxx", Word::Pass),
        (".RRxx", Word::Pass),
        ("xxxxx", Word::Pass),
        ("..xx.", Word::Fail),
        (".RRRx", Word::Fail),
        (".HHxx", Word::Fail),
        ("...............xx", Word::Fail),
        (".....EEEEEEEEEExx", Word::Pass),
    ] {
        expect(&[], changed(|seen| seen.strip = strip("...", after)), "refuse-new", word);
    }
    expect(&[], changed(|seen| seen.strip = strip("xxx", "xx")), "refuse-new", Word::Inconclusive);
    expect(&[], changed(|seen| seen.strip.clear()), "refuse-new", Word::Skip);
    expect(&[], changed(|seen| seen.strip = strip("...", ".Rxxx")), "backlog", Word::Warn);
}

#[test]
fn a_connection_is_blamed_for_its_delay_only() {
    let slow = changed(|seen| seen.record.as_mut().expect("a record").phases[1].at_ms = 2200.0);
    let word = |seen: &Observed, plain: &Observed| connections::delays("silent-conn", seen, plain).word;
    assert_eq!(word(&good(), &good()), Word::Pass);
    assert_eq!(word(&slow, &good()), Word::Fail);
    assert_eq!(word(&slow, &slow), Word::Pass);
    assert_eq!(word(&changed(killed), &changed(killed)), Word::Inconclusive);
}

#[test]
fn only_complete_answers_are_no_loss() {
    let held = |end| Held { opened_ms: -500, ended_ms: Some(10), end };
    let seen = changed(|seen| {
        seen.held = [HeldEnd::Answered(200), HeldEnd::Answered(503), HeldEnd::Cut].map(held).to_vec();
    });
    assert_eq!(connections::lost(&seen), 2);
    assert_eq!(connections::in_flight(&seen).word, Word::Fail);
}

#[test]
fn what_was_missing_is_never_passed() {
    let check = find("in-flight").expect("a check");
    for (missing, word) in
        [(Missing::Skip("a"), Word::Skip), (Missing::Inconclusive("b"), Word::Inconclusive)]
    {
        let run = changed(|seen| seen.missing = Some(missing));
        let all = Seen { plain: good(), others: vec![(Scenario::Requests, run)], ..Seen::default() };
        assert_eq!(verdict(check, &options(&[]), &all).word, word);
    }
    let nothing = Seen { plain: good(), ..Seen::default() };
    assert_eq!(verdict(check, &options(&[]), &nothing).word, Word::Inconclusive);
}

#[test]
fn the_worst_of_several_runs_counts() {
    let all = Seen { plain: good(), again: vec![changed(killed), good()], ..Seen::default() };
    let told = verdict(find("stops").expect("a check"), &options(&[]), &all);
    assert_eq!(told.word, Word::Fail);
    assert!(told.summary.starts_with("in 1 of 3 runs: "), "{told:?}");
    assert!(!fails(&options(&[]), &all, &all.plain) && fails(&options(&[]), &all, &all.again[0]));
    let baseline = Baseline::of(&Times::of(&all));
    assert_eq!(baseline.judge(&baseline, false).word, Word::Pass);
}

#[test]
fn severities_are_shifted_by_options() {
    let seen = || changed(|seen| seen.before.as_mut().expect("it").takes = Some(Takes::Default));
    let word = |words: &[&str]| {
        let all = Seen { plain: seen(), ..Seen::default() };
        judge(&options(words), &all)
            .into_iter()
            .find(|verdict| verdict.id == "handler")
            .map(|verdict| verdict.word)
    };
    assert_eq!(word(&[]), Some(Word::Warn));
    assert_eq!(word(&["--strict"]), Some(Word::Fail));
    assert_eq!(word(&["--deny", "handler"]), Some(Word::Fail));
    assert_eq!(word(&["--deny", "stops"]), Some(Word::Warn));
    assert_eq!(word(&["--skip", "handler"]), None);
}
