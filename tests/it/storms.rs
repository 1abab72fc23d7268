//! Very many processes: reaped, asked and killed, while winddown's own memory stays flat.

use std::time::Duration;

use serde_json::Value;

use crate::record_schema::errors;
use crate::report::report;
use crate::support::builder::Winddown;
use crate::support::running::Running;
use crate::support::{TempDir, eventually, holds_within, processes, read_json, short_or_long, trials};

trials![
    alone => very_many_orphans_are_reaped,
    alone long => two_thousand_sessions_are_killed,
    alone long => two_thousand_sessions_are_asked_when_winddown_is_killed,
    alone => a_deep_chain_goes_with_winddown,
    alone long => storms_in_sessions_go_with_winddown,
    alone long => a_storm_of_signals_is_recorded_in_flat_memory,
    alone => whatever_others_send_the_record_stays_small,
    alone => of_very_many_killed_the_rest_is_counted,
];

/// Memory in use, in kB.
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Processor time used.
fn used(pid: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a living process");
    let fields = stat.rsplit_once(") ").expect("a line of facts").1.split(' ').skip(11).take(2);
    // A tick is 10 ms on every Linux.
    Duration::from_millis(10 * fields.map(|field| field.parse::<u64>().expect("ticks")).sum::<u64>())
}

// Trap 13: zombies.
fn very_many_orphans_are_reaped() {
    let number = short_or_long(2000, 20_000);
    for options in [&[][..], &["--no-guard"]] {
        let run = Winddown::new()
            .args(options)
            .workload(&format!(
                "--orphans 100 --on USR1 [ --orphans {number} ] --on TERM [ --exit 3 ] --print warm --serve"
            ))
            .start();
        run.wait_out("warm");
        let own = processes::winddowns(run.pid());
        let reaper = *own.last().expect("winddown");
        eventually("the first are reaped", || processes::children(reaper).len() == 1);
        let before: Vec<u64> = own.iter().map(|pid| resident(*pid)).collect();
        run.signal(libc::SIGUSR1);
        run.wait_out(&format!("orphans {number}"));
        eventually("no zombie is left", || processes::children(reaper).len() == 1);
        for (pid, before) in own.iter().zip(before) {
            assert!(resident(*pid) <= before + 256, "{before} kB, then {} kB", resident(*pid));
        }
        assert!(used(reaper) < Duration::from_secs(5), "{:?}", used(reaper));
        run.signal(libc::SIGTERM);
        run.wait().expect_code(3).expect_nothing_left();
    }
}

fn two_thousand_sessions_are_killed() {
    for options in [&[][..], &["--no-guard"]] {
        let run = Winddown::new()
            .args(options)
            .args(["-t", "300ms"])
            .workload("--ignore TERM --spawn session*2000 s [ --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        let asked = run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137).expect_nothing_left();
        assert!(ended.since(asked) >= Duration::from_millis(300));
        assert!(ended.since(asked) < Duration::from_secs(10), "{:?}", ended.since(asked));
    }
}

/// Kills winddown's outer process, or its inner one, and expects all of the workload to follow.
fn follows(flags: &str) {
    for which in 0..2 {
        let run = Winddown::new().args(["-t", "20s"]).workload(flags).start();
        run.wait_out("up");
        let killed = run.tag().signal(processes::winddowns(run.pid())[which], libc::SIGKILL);
        let gone = holds_within(Duration::from_secs(10), || run.tag().living().is_empty());
        assert!(gone, "{} are left of {which}: {:#?}", run.tag().living().len(), run.err());
        assert!(killed.elapsed() >= Duration::from_millis(500), "{:?}", killed.elapsed());
        assert!(!run.out().iter().any(|line| line.contains("over")), "{:#?}", run.err());
        run.wait();
    }
}

fn two_thousand_sessions_are_asked_when_winddown_is_killed() {
    follows("--ignore TERM --spawn session*2000 s [ --serve ] --print up --serve");
}

fn a_deep_chain_goes_with_winddown() {
    follows("--ignore TERM --spawn chain*300 n [ --serve ] --print up --serve");
}

fn storms_in_sessions_go_with_winddown() {
    let storm = "[ --ignore TERM --storm 1 --serve ]";
    follows(&format!(
        "--spawn session a {storm} --spawn session b {storm} --spawn daemon-session c {storm} \
         --spawn daemon-session d {storm} --ignore TERM --print up --serve"
    ));
}

/// Queues both signals this many times; none is lost, since a full queue is tried again. One signal after the other:
/// mixed, the kernel would search through those of the second for each of the first.
fn queue_both(run: &Running, times: usize) {
    for number in [2, 3].into_iter().flat_map(|number| std::iter::repeat_n(number, times)) {
        run.queue(libc::SIGRTMIN() + number, 0);
    }
}

fn a_storm_of_signals_is_recorded_in_flat_memory() {
    const WARM: usize = 600;
    const TIMES: usize = 50_000;
    let place = TempDir::new();
    let file = place.file("record");
    let run = Winddown::new()
        .args(["--record", &file])
        .workload(
            "--ignore RTMIN+2,RTMIN+3 --on 63 [ --print warm ] --on 64 [ --print last ] \
             --on TERM [ --exit 3 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    queue_both(&run, WARM);
    run.signal(63);
    run.wait_out("warm");
    let recorder = *processes::winddowns(run.pid()).last().expect("winddown");
    let before = resident(recorder);
    queue_both(&run, TIMES);
    run.signal(64);
    run.wait_out("last");
    let after = resident(recorder);
    assert!(after <= before + 512, "{before} kB, then {after} kB");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(3).expect_nothing_left();
    let record = read_json(&file);
    assert_eq!(errors(&record), Vec::<String>::new());
    let signals = record["signals"].as_array().expect("a list");
    for name in ["RTMIN+2", "RTMIN+3"] {
        let entries = signals.iter().filter(|one| one["signal"] == name);
        let counts: Vec<u64> = entries.clone().map(|one| one["count"].as_u64().unwrap_or(1)).collect();
        assert_eq!(counts.iter().sum::<u64>(), u64::try_from(WARM + TIMES).expect("a number"));
        assert!(counts.len() < 2 * WARM, "{} entries", counts.len());
        let last = entries.filter_map(|one| Some((one["at_ms"].as_f64()?, one["last_at_ms"].as_f64()?)));
        assert!(last.clone().count() == 1 && last.into_iter().all(|(first, last)| first <= last));
    }
    assert!(signals.iter().take(500).filter(|one| one["count"].is_null()).count() >= 498);
    assert_eq!(record["left_out"]["signals"], 0);
}

/// Each signal seems to come from another process: the kernel lets any process forge the sender.
fn queue_forged(run: &Running, times: i32) {
    for sender in 1..=times {
        run.process().queue(libc::SIGRTMIN() + 2, 4_000_000 + sender, 0);
    }
}

fn sum(list: &Value) -> u64 {
    let counts = list.as_array().expect("a list").iter().map(|one| one["count"].as_u64().unwrap_or(1));
    counts.sum()
}

/// Every list is bounded, and always has room for the stop.
fn whatever_others_send_the_record_stays_small() {
    const TIMES: i32 = 3000;
    const ORPHANS: u64 = 1500;
    let place = TempDir::new();
    let file = place.file("record");
    let flags = "--ignore RTMIN+2 --on 63 [ --print warm ] --on 64 [ --print last ] --on USR1 [ --orphans 1500 --print orphans ] \
                 --on TERM [ --exit 3 ] --print up --serve";
    let run = Winddown::new().args(["-v", "--record", &file]).workload(flags).start();
    run.wait_out("up");
    let recorder = *processes::winddowns(run.pid()).last().expect("winddown");
    queue_forged(&run, 1000);
    run.signal(63);
    run.wait_out("warm");
    let before = resident(recorder);
    queue_forged(&run, TIMES - 1000);
    run.signal(64);
    run.wait_out("last");
    let after = resident(recorder);
    assert!(after <= before + 1024, "{before} kB, then {after} kB");
    run.signal(libc::SIGUSR1);
    run.wait_out("orphans 1500");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(3).expect_nothing_left();
    let record = read_json(&file);
    assert_eq!(errors(&record), Vec::<String>::new());
    let left_out = |name: &str| record["left_out"][name].as_u64().expect("a number");
    // Those, and four more, and the sender of the last one is known.
    let times = u64::try_from(TIMES).expect("a number") + 4;
    assert_eq!(sum(&record["received"]) + left_out("received"), times);
    assert!(left_out("received") > 2000, "{}", record["left_out"]);
    let last = record["received"].as_array().and_then(|all| all.last()).expect("the stop signal");
    assert_eq!((&last["signal"], &last["sender"]), (&record["stop"]["signal"], &record["stop"]["sender"]));
    assert_eq!(sum(&record["signals"]) + left_out("signals"), times);
    let ends = record["ends"].as_array().expect("a list");
    assert_eq!(ends.len() as u64 + left_out("ends"), ORPHANS + 1);
    assert!(ends.iter().any(|end| end["pid"] == record["main"]["pid"]), "the main process's end");
    let log = record["log"].as_array().expect("a list");
    let found = |line: &&Value| line["message"].as_str().is_some_and(|text| text.starts_with("SIGTERM from"));
    assert!(left_out("log") > 0 && log.iter().filter(found).count() == 1, "{}", record["left_out"]);
    assert!(std::fs::metadata(&file).expect("a record").len() < 1 << 20);
    let found = report(&[&file]).expect_code(0).out();
    let line = format!("left out of the record: {} received signals", left_out("received"));
    assert!(found.iter().any(|found| found.contains(&line)), "{found:#?}");
    let page = report(&["--html", "-", &file]).expect_code(0).out();
    assert!(page.iter().any(|found| found.contains(&line)));
}

fn of_very_many_killed_the_rest_is_counted() {
    let place = TempDir::new();
    let file = place.file("record");
    let run = Winddown::new()
        .args(["-t", "300ms", "--record", &file])
        .workload("--ignore TERM --spawn session*1100 s [ --serve ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(137).expect_nothing_left();
    let record = read_json(&file);
    assert_eq!(errors(&record), Vec::<String>::new());
    assert_eq!(record["killed"].as_array().map(Vec::len), Some(1000));
    assert_eq!((&record["left_out"]["killed"], &record["killed"][0]), (&101.into(), &record["main"]));
    let found = report(&[&file]).expect_code(0).out();
    assert!(found.iter().any(|line| line.contains("1101 processes did not end")), "{found:#?}");
}
