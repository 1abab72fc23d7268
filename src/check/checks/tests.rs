use super::catalogue::find;
use super::made_up::{changed, chosen, exit, good, judged, killed, process, strip};
use super::verdict::status;
use super::*;
use crate::check::observed::{
    Aborted, HeldConnection, HeldEnd, LeftFile, Missing, Noise, REQUEST_MS_MIN, Shell, Takes,
};
use crate::check::options::baseline::Baseline;
use crate::record::schema::{EndRecord, ExitRecord, FindingRecord, SentRecord};

fn options(words: &[&str]) -> Options {
    chosen(words).0
}

fn verdict(check: &Check, words: &[&str], all: &AllRuns) -> Verdict {
    let (options, selection) = chosen(words);
    super::verdict(check, &Test { options: &options, selection: &selection, all })
}

#[track_caller]
fn expect(words: &[&str], seen: Observed, id: &str, word: Word) {
    let check = find(id).expect("a check");
    let seen = AllRuns { plain: seen, ..AllRuns::default() };
    let verdict = verdict(check, words, &seen);
    assert_eq!(verdict.word(), word, "{verdict:?}");
}

#[test]
fn a_good_server_passes_every_check_of_its_stop() {
    let verdicts = judged(&[], &AllRuns { plain: good(), ..AllRuns::default() });
    assert!(verdicts.iter().all(|verdict| verdict.word() == Word::Pass), "{verdicts:?}");
    assert_eq!(status(&verdicts), 0);
}

#[test]
fn every_verdict_names_its_check() {
    let others = catalogue::checks().map(|check| (check.scenario, good())).collect();
    let all = AllRuns { plain: good(), others, ..AllRuns::default() };
    for check in catalogue::checks() {
        assert_eq!(verdict(check, &[], &all).id, check.id);
    }
}

#[test]
fn who_was_not_ready_is_not_judged() {
    let seen = changed(|seen| seen.readiness = Readiness::TimedOut { after_ms: 1, seen: String::new() });
    let verdicts = judged(&[], &AllRuns { plain: seen, ..AllRuns::default() });
    assert!(verdicts.iter().all(|verdict| verdict.word() == Word::Inconclusive), "{verdicts:?}");
    assert_eq!(status(&verdicts), 3);
}

#[test]
fn a_kill_fails_with_its_cause_unless_the_machine_was_busy() {
    let mut seen = changed(killed);
    let finding =
        FindingRecord { code: "W09".to_owned(), remedy: "close".to_owned(), ..FindingRecord::default() };
    seen.record.as_mut().expect("a record").findings = vec![finding];
    let found = stop::stops(&options(&[]), &seen, seen.record.as_ref().expect("a record"));
    assert!(found.lines().iter().any(|line| line == "try: close"), "{found:?}");
    expect(&[], seen.clone(), "stops", Word::Fail);
    expect(&[], seen.clone(), "exit-status", Word::Skip);
    seen.noise.waited_ms = 5000;
    expect(&[], seen, "stops", Word::Inconclusive);
}

#[test]
fn what_new_clients_meet_on_a_busy_machine_shows_nothing() {
    let mut seen = changed(|seen| seen.strip = made_up::strip("...", "RRRxx"));
    expect(&[], seen.clone(), "refuse-new", Word::Fail);
    seen.noise.waited_ms = 5000;
    expect(&[], seen, "refuse-new", Word::Inconclusive);
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
    let ends = |end: ExitRecord| changed(|seen| seen.record.as_mut().expect("a record").exit = Some(end));
    let signal = |name: &str| ExitRecord { code: None, signal: Some(name.to_owned()) };
    expect(&[], ends(signal("TERM")), "exit-status", Word::Pass);
    expect(&[], ends(exit(143)), "exit-status", Word::Pass);
    expect(&[], ends(exit(130)), "exit-status", Word::Fail);
    expect(&["-s", "INT"], ends(exit(130)), "exit-status", Word::Pass);
    expect(&["--expect-exit", "SEGV"], ends(signal("SEGV")), "exit-status", Word::Fail);
}

#[test]
fn a_second_signal_may_meet_the_end_of_a_server_that_has_nothing_to_do() {
    let after = |stop_ms: f64, end: Option<&str>| {
        changed(|seen| {
            let record = seen.record.as_mut().expect("a record");
            record.ends[0].at_ms = 1000.0 + stop_ms;
            record.exit = end.map_or(record.exit.clone(), |name| {
                Some(ExitRecord { code: None, signal: Some(name.to_owned()) })
            });
        })
    };
    let word = |usual_ms: f64, end: &str, held: usize| {
        let mut twice = after(3.0, Some(end));
        twice.held =
            vec![HeldConnection { opened_ms: 0, ended_ms: Some(1), end: HeldEnd::Answered(200) }; held];
        let all = AllRuns {
            plain: after(usual_ms, None),
            others: vec![(crate::check::runs::scenario::Scenario::Twice, twice)],
            ..AllRuns::default()
        };
        verdict(find("double-term").expect("a check"), &["--profile", "standard"], &all).word()
    };
    assert_eq!(word(8.0, "TERM", 0), Word::Warn);
    assert_eq!(word(8.0, "TERM", 1), Word::Fail, "it had something to do");
    assert_eq!(word(80.0, "TERM", 0), Word::Fail, "it usually takes longer");
    assert_eq!(word(8.0, "SEGV", 0), Word::Fail, "it crashed");
}

#[test]
fn stragglers_count_by_how_they_end() {
    let straggler = |at_ms: f64, end: ExitRecord| {
        changed(|seen| {
            let record = seen.record.as_mut().expect("a record");
            let target = process(11, "worker");
            let sent =
                SentRecord { at_ms: 1100.0, target, purpose: "ask".to_owned(), ..SentRecord::default() };
            record.signals.push(sent);
            record.ends.push(EndRecord { at_ms, pid: 11, exit: end, ..EndRecord::default() });
        })
    };
    expect(&[], straggler(1150.0, exit(0)), "survivors", Word::Warn);
    expect(&[], straggler(1700.0, exit(0)), "survivors", Word::Fail);
    let by_term = ExitRecord { code: None, signal: Some("TERM".to_owned()) };
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
    expect(&[], changed(|seen| seen.unproved = Some("other".to_owned())), "refuse-new", Word::Inconclusive);
    expect(&[], changed(|seen| seen.unproved = Some("other".to_owned())), "backlog", Word::Inconclusive);
    expect(&[], changed(|seen| seen.strip.clear()), "refuse-new", Word::Skip);
    expect(&[], changed(|seen| seen.strip = strip("...", ".Rxxx")), "backlog", Word::Warn);
}

#[test]
fn what_clients_suffer_from_is_described_in_plain_words() {
    let lines = |after: &str| {
        let verdict = traffic::refuse_new(&changed(|seen| seen.strip = strip("...", after)));
        verdict.lines().join("; ")
    };
    assert_eq!(
        lines("..............."),
        "the server takes new work until it ends; after the signal: 15 answered; try: close the listener at the signal, or answer with 503"
    );
    assert!(lines("..xx.").starts_with(
        "the server accepts again after it has refused; after the signal: 3 answered, 2 refused"
    ));
    assert!(lines(".HHxx").starts_with("the server accepts new connections, and does not answer them; "));
    assert!(lines("RRRxx").starts_with(
        "the server accepts new connections, and cuts them; after the signal: 3 cut, 2 refused"
    ));
    assert_eq!(lines(".xxx"), "after the signal: 1 answered, 3 refused");
    // A cut connection is mentioned even where the check passes.
    assert_eq!(
        lines(".Rxx"),
        "1 connection cut in the kernel's queue; after the signal: 1 answered, 1 cut, 2 refused; see backlog"
    );
}

#[test]
fn a_shell_stands_in_front_of_what_outlives_it() {
    let behind_shell = |change: &dyn Fn(&mut Record)| {
        changed(|seen| {
            let shell = Shell { program: "dash".to_owned(), child: process(11, "python3") };
            seen.before.as_mut().expect("a look").shell = Some(shell);
            change(seen.record.as_mut().expect("a record"));
        })
    };
    expect(&[], behind_shell(&|_| {}), "shell-wrap", Word::Pass);
    let ends =
        |record: &mut Record| record.ends.push(EndRecord { at_ms: 1110.0, pid: 11, ..EndRecord::default() });
    expect(&[], behind_shell(&ends), "shell-wrap", Word::Warn);
    let is_killed = |record: &mut Record| record.killed = vec![process(11, "python3")];
    expect(&[], behind_shell(&is_killed), "shell-wrap", Word::Warn);
}

#[test]
fn who_ends_unasked_is_not_ready_and_does_not_stop() {
    let early = |change: fn(&mut Record)| changed(|seen| change(seen.record.as_mut().expect("a record")));
    for seen in [
        early(|record| record.stop = None),
        early(|record| record.stop.as_mut().expect("a stop").cause = "main-exited".to_owned()),
        early(|record| record.ends[0].at_ms = 900.0),
    ] {
        expect(&[], seen.clone(), "ready", Word::Fail);
        expect(&[], seen.clone(), "stops", Word::Fail);
        let verdicts = judged(&[], &AllRuns { plain: seen, ..AllRuns::default() });
        assert!(verdicts.iter().all(|verdict| verdict.word() != Word::Pass), "{verdicts:?}");
    }
}

/// What a daemon has left running is not left by a stop: one cause, and one remedy.
#[test]
fn who_goes_into_the_background_is_reported_once() {
    let seen = changed(|seen| {
        let record = seen.record.as_mut().expect("a record");
        record.stop.as_mut().expect("a stop").cause = "main-exited".to_owned();
        record.killed = vec![process(11, "nginx")];
        seen.left.processes = vec![process(11, "nginx")];
    });
    let verdicts = judged(&[], &AllRuns { plain: seen, ..AllRuns::default() });
    let failed = verdicts.iter().filter(|verdict| verdict.word() == Word::Fail).map(|verdict| verdict.id);
    assert_eq!(failed.collect::<Vec<_>>(), ["ready", "stops"]);
    let remedies = verdicts.iter().flat_map(Verdict::lines).filter(|line| line.starts_with("try: "));
    assert!(remedies.into_iter().all(|line| line.contains("foreground")), "{verdicts:?}");
}

#[test]
fn what_was_to_be_killed_has_died_of_it() {
    let check = find("kill-restart").expect("a check");
    for (signal, word) in [(Some("KILL".to_owned()), Word::Pass), (None, Word::Inconclusive)] {
        let again = changed(|seen| {
            seen.restart = Some(Readiness::Ready { after_ms: 5, how: String::new() });
            let record = seen.record.as_mut().expect("a record");
            record.exit = Some(ExitRecord { code: signal.is_none().then_some(0), signal });
        });
        let all = AllRuns { plain: good(), others: vec![(check.scenario, again)], ..AllRuns::default() };
        assert_eq!(verdict(check, &[], &all).word(), word);
    }
}

#[test]
fn a_connection_is_blamed_for_its_delay_only() {
    let slow = changed(|seen| seen.record.as_mut().expect("a record").phases[1].at_ms = 2200.0);
    let word = |seen: &Observed, plain: &Observed| connections::delays("silent-conn", seen, plain).word();
    assert_eq!(word(&good(), &good()), Word::Pass);
    assert_eq!(word(&slow, &good()), Word::Fail);
    assert_eq!(word(&slow, &slow), Word::Pass);
    assert_eq!(word(&changed(killed), &changed(killed)), Word::Inconclusive);
}

#[test]
fn only_complete_answers_are_no_loss() {
    let held = |end| HeldConnection { opened_ms: -500, ended_ms: Some(10), end };
    let seen = changed(|seen| {
        seen.held = [HeldEnd::Answered(200), HeldEnd::Answered(503), HeldEnd::Cut].map(held).to_vec();
    });
    assert_eq!(connections::lost(&seen), 2);
    assert_eq!(connections::in_flight(&seen).word(), Word::Fail);
}

#[test]
fn what_was_missing_is_never_passed() {
    let check = find("in-flight").expect("a check");
    for (missing, word) in
        [(Missing::Skip("a"), Word::Skip), (Missing::Inconclusive("b".to_owned()), Word::Inconclusive)]
    {
        let run = changed(|seen| seen.missing = Some(missing));
        let all = AllRuns { plain: good(), others: vec![(Scenario::Requests, run)], ..AllRuns::default() };
        assert_eq!(verdict(check, &[], &all).word(), word);
    }
    let nothing = AllRuns { plain: good(), ..AllRuns::default() };
    assert_eq!(verdict(check, &[], &nothing).word(), Word::Inconclusive);
}

#[test]
fn the_worst_of_several_runs_counts() {
    let all = AllRuns { plain: good(), again: vec![changed(killed), good()], ..AllRuns::default() };
    let found = verdict(find("stops").expect("a check"), &[], &all);
    assert_eq!(found.word(), Word::Fail);
    assert!(found.summary.starts_with("in 1 of 3 runs: "), "{found:?}");
    let (options, selection) = chosen(&[]);
    let fails = |run| fails(&options, &selection, &all, run);
    assert!(!fails(&all.plain) && fails(&all.again[0]));
    let baseline = Baseline::of(&several::Times::of(&all));
    assert_eq!(super::baseline::baseline(&baseline, &baseline, false).word(), Word::Pass);
}

#[test]
fn severities_are_shifted_by_options() {
    let seen = || changed(|seen| seen.before.as_mut().expect("it").takes = Some(Takes::Default));
    let word = |words: &[&str]| {
        let all = AllRuns { plain: seen(), ..AllRuns::default() };
        judged(words, &all).into_iter().find(|verdict| verdict.id == "handler").map(|verdict| verdict.word())
    };
    assert_eq!(word(&[]), Some(Word::Warn));
    assert_eq!(word(&["--strict"]), Some(Word::Fail));
    assert_eq!(word(&["--deny", "handler"]), Some(Word::Fail));
    assert_eq!(word(&["--deny", "stops"]), Some(Word::Warn));
    assert_eq!(word(&["--skip", "handler"]), None);
}

#[test]
fn shared_memory_that_may_be_of_others_is_no_pass() {
    let mut seen = good();
    let path = "/dev/shm/one".to_owned();
    seen.left.files = vec![LeftFile { path, kind: LeftFile::UNCLEAR, is_near: false }];
    let verdict = left::files(&options(&[]), &seen);
    assert_eq!(verdict.word(), Word::Inconclusive);
    assert!(verdict.summary.contains("/dev/shm/one"), "{}", verdict.summary);
}

/// A stop of this length, 100 ms after requests of a second were opened, whose clients have hung up.
fn hung_up(stop_ms: f64) -> Observed {
    changed(|seen| {
        seen.held = vec![HeldConnection { opened_ms: -100, ended_ms: Some(-10), end: HeldEnd::HungUp }];
        let record = seen.record.as_mut().expect("a record");
        record.phases[1].at_ms = 1000.0 + stop_ms;
        record.ends[0].at_ms = 1000.0 + stop_ms;
    })
}

#[test]
fn waiting_for_those_who_have_gone_is_measured_against_an_idle_stop() {
    let check = find("abandoned").expect("a check");
    let word = |words: &[&str], quiet: Option<Observed>, stop_ms: f64| {
        let others = quiet.map(|quiet| (Scenario::Quiet, quiet)).into_iter();
        let others = others.chain([(Scenario::Abandoned, hung_up(stop_ms))]).collect();
        verdict(check, words, &AllRuns { plain: good(), others, ..AllRuns::default() }).word()
    };
    let idle = |stop_ms: f64, request_ms: u64| {
        let quiet = changed(|seen| {
            seen.request_ms = Some(request_ms);
            seen.record.as_mut().expect("a record").phases[1].at_ms = 1000.0 + stop_ms;
        });
        Some(quiet)
    };
    let standard = ["--profile", "standard", "--slow", "/slow"];
    let denied = ["--profile", "standard", "--slow", "/slow", "--deny", "abandoned"];
    for (idle_ms, request_ms, stop_ms, expected) in [
        (100.0, 1000, 110.0, Word::Pass),
        (100.0, 1000, 549.0, Word::Pass),
        (100.0, 1000, 550.0, Word::Warn),
        (100.0, 1000, 1000.0, Word::Warn),
        (899.0, 1000, 1000.0, Word::Pass),
        (900.0, 1000, 1000.0, Word::Inconclusive),
        (3000.0, 1000, 3000.0, Word::Inconclusive),
        (10.0, 499, 600.0, Word::Skip),
        (10.0, 500, 600.0, Word::Warn),
    ] {
        let told = (idle_ms, request_ms, stop_ms);
        assert_eq!(word(&standard, idle(idle_ms, request_ms), stop_ms), expected, "{told:?}");
        let denied = word(&denied, idle(idle_ms, request_ms), stop_ms);
        assert_eq!(denied == Word::Fail, expected == Word::Warn, "{told:?}");
    }
    // What a busy machine may have added does not count.
    let starved = |seen: Observed, waited_ms| {
        let noise = Noise { waited_ms, ..seen.noise };
        Observed { noise, ..seen }
    };
    for (idle_ms, idle_waited_ms, waited_ms, expected) in [
        (500.0, 0, 0, Word::Pass),
        (500.0, 300, 0, Word::Inconclusive),
        (100.0, 0, 350, Word::Warn),
        (100.0, 0, 351, Word::Inconclusive),
    ] {
        let quiet = starved(idle(idle_ms, 1000).expect("a run"), idle_waited_ms);
        let others =
            vec![(Scenario::Quiet, quiet), (Scenario::Abandoned, starved(hung_up(900.0), waited_ms))];
        let all = AllRuns { plain: good(), others, ..AllRuns::default() };
        assert_eq!(verdict(check, &standard, &all).word(), expected, "{idle_waited_ms} {waited_ms}");
    }
    let late = changed(|seen| {
        seen.held = vec![HeldConnection { opened_ms: -801, ended_ms: Some(-10), end: HeldEnd::HungUp }];
    });
    let others = vec![(Scenario::Quiet, idle(10.0, 1000).expect("a run")), (Scenario::Abandoned, late)];
    let all = AllRuns { plain: good(), others, ..AllRuns::default() };
    assert_eq!(verdict(check, &standard, &all).word(), Word::Inconclusive);
    let unmeasured = [
        changed(|seen| seen.missing = Some(Missing::Inconclusive("cut".to_owned()))),
        changed(killed),
        changed(|seen| seen.record = None),
        changed(|seen| seen.record.as_mut().expect("a record").stop = None),
        good(),
    ];
    for quiet in unmeasured.map(Some).into_iter().chain([None]) {
        assert_eq!(word(&standard, quiet, 1000.0), Word::Inconclusive);
    }
}

/// What went on after clients of long requests have hung up: with a CPU and three connections.
fn going_on(change: impl FnOnce(&mut Aborted)) -> Observed {
    let mut aborted =
        Aborted { opened: 3, left: 3, cpu_idle: 2, cpu_busy: 102, cpu_after: 100, remaining_ms: 500 };
    change(&mut aborted);
    changed(|seen| (seen.request_ms, seen.aborted) = (Some(REQUEST_MS_MIN), Some(aborted)))
}

#[test]
fn work_for_those_who_have_gone_is_seen_by_connections_or_by_the_cpu() {
    let check = find("abort").expect("a check");
    let word = |seen: Observed| {
        let all = AllRuns { plain: good(), others: vec![(Scenario::Abort, seen)], ..AllRuns::default() };
        verdict(check, &["--profile", "full", "--slow", "/slow"], &all).word()
    };
    let seen = |opened, left, cpu_busy, cpu_after| {
        going_on(|aborted| *aborted = Aborted { opened, left, cpu_busy, cpu_after, ..*aborted })
    };
    for (opened, left, cpu_busy, cpu_after, expected) in [
        (3, 0, 2, 2, Word::Pass),
        (3, 1, 2, 2, Word::Warn),
        (0, 0, 102, 27, Word::Pass),
        (0, 0, 102, 28, Word::Warn),
        (3, 0, 102, 100, Word::Warn),
        (0, 0, 21, 21, Word::Skip),
        (0, 0, 22, 22, Word::Warn),
    ] {
        assert_eq!(word(seen(opened, left, cpu_busy, cpu_after)), expected);
    }
    assert_eq!(word(going_on(|aborted| aborted.remaining_ms = 0)), Word::Inconclusive);
    assert_eq!(word(good()), Word::Inconclusive);
    let short = changed(|seen| seen.request_ms = Some(REQUEST_MS_MIN - 1));
    assert_eq!(word(short), Word::Skip);
}

/// Servers that do something wrong, each in another way.
fn bad_runs() -> Vec<Observed> {
    let with = |change: fn(&mut Observed, &mut Record)| {
        changed(|seen| {
            let mut record = seen.record.take().expect("a record");
            change(seen, &mut record);
            seen.record = Some(record);
        })
    };
    let takes = |takes| changed(|seen| seen.before.as_mut().expect("a look").takes = Some(takes));
    let held = |end| HeldConnection { opened_ms: -500, ended_ms: Some(10), end };
    let mut runs = vec![
        with(|_, record| record.stop = None),
        with(|_, record| record.exit = Some(exit(3))),
        with(|seen, _| seen.readiness = Readiness::Ended { how: "exited with 1".to_owned() }),
        with(|seen, _| seen.restart = Some(Readiness::TimedOut { after_ms: 1, seen: String::new() })),
        with(|seen, _| seen.left.processes = vec![process(11, "worker")]),
        with(|seen, _| seen.left.listeners.clone_from(&seen.before.as_ref().expect("a look").listeners)),
        with(|seen, _| {
            seen.left.files = vec![LeftFile { path: "a.pid".to_owned(), kind: "pid file", is_near: true }];
        }),
        with(|seen, _| seen.output.alarming = vec!["panicked".to_owned()]),
        with(|seen, _| seen.output.open_ms = None),
        with(|seen, _| {
            let before = seen.before.as_mut().expect("a look");
            (before.zombies_first, before.zombies) = (1, 2);
        }),
        with(|seen, record| {
            let child = process(11, "python3");
            seen.before.as_mut().expect("a look").shell = Some(Shell { program: "dash".to_owned(), child });
            record.killed = vec![process(11, "python3")];
        }),
        with(|seen, _| seen.took_ms = 10_000),
        with(|seen, _| {
            let status = std::os::unix::process::ExitStatusExt::from_raw(3 << 8);
            seen.driven = Some((status, Vec::new()));
        }),
        changed(killed),
        changed(|seen| seen.held = vec![held(HeldEnd::Cut)]),
        hung_up(1000.0),
        going_on(|_| ()),
    ];
    runs.extend([Takes::Ignored, Takes::Blocked, Takes::Default, Takes::Dropped].map(takes));
    runs.extend(
        ["..xx.", ".RRRx", ".HHxx", "...............xx", "RRxx"]
            .map(|after| changed(|seen| seen.strip = strip("...", after))),
    );
    runs
}

#[test]
fn every_failure_has_a_remedy() {
    let options = options(&["-t", "10s"]);
    let selection = Selection { checks: catalogue::checks().collect(), ..Selection::default() };
    let baseline = Baseline { median_ms: 1, ..Baseline::of(&several::Times::of(&AllRuns::default())) };
    let slow = changed(|seen| seen.record.as_mut().expect("a record").ends[0].at_ms = 10_500.0);
    let mut unfailed: Vec<&Check> = catalogue::checks().collect();
    for bad in bad_runs().into_iter().chain([slow]) {
        let all = |plain: &Observed, other: &Observed| AllRuns {
            plain: plain.clone(),
            others: catalogue::checks()
                .map(|check| (check.scenario, other.clone()))
                .chain([(Scenario::Quiet, changed(|seen| seen.request_ms = Some(1000)))])
                .collect(),
            ..AllRuns::default()
        };
        let options = Options { baseline: Some(baseline.clone()), ..options.clone() };
        for all in [all(&bad, &good()), all(&good(), &bad)] {
            for (check, verdict) in selection.checks.iter().zip(judge(&options, &selection, &all)) {
                if matches!(verdict.word(), Word::Fail | Word::Warn) {
                    let has_remedy = verdict
                        .details()
                        .any(|detail| matches!(detail, verdict::Detail::Remedy(text) if !text.is_empty()));
                    assert!(has_remedy, "{verdict:?}");
                    unfailed.retain(|unfailed| unfailed != check);
                }
            }
        }
    }
    let never: Vec<&str> = unfailed.into_iter().map(|check| check.id).collect();
    assert_eq!(never, ["sighup", "sigquit", "notify"], "these show something, and never fail");
}

#[test]
fn a_load_that_fails_shows_its_status_and_last_lines() {
    let status = std::os::unix::process::ExitStatusExt::from_raw(3 << 8);
    let run = changed(|seen| seen.driven = Some((status, vec!["1 of 10 requests failed".to_owned()])));
    let all = AllRuns { plain: good(), others: vec![(Scenario::Drive, run)], ..AllRuns::default() };
    let found = verdict(&connections::UNDER_LOAD, &[], &all);
    assert_eq!(found.word(), Word::Fail);
    assert_eq!(
        found.lines()[..2],
        ["the command of --drive failed: exit status 3", "| 1 of 10 requests failed"]
    );
}
