//! Very many processes: reaped, asked and killed, with winddown's own memory flat.

use std::time::{Duration, Instant};

use crate::record_schema::errors;
use crate::support::builder::Winddown;
use crate::support::running::Running;
use crate::support::{TempDir, eventually, holds_within, processes, read_json, trials};

trials![
    alone => twenty_thousand_orphans_are_reaped,
    alone => two_thousand_sessions_are_killed,
    alone => two_thousand_sessions_are_asked_when_winddown_is_killed,
    alone => a_deep_chain_goes_with_winddown,
    alone => storms_in_sessions_go_with_winddown,
    alone => a_storm_of_signals_is_recorded_in_flat_memory,
];

/// winddown's processes.
fn own(run: &Running) -> Vec<i32> {
    let inner = processes::children(run.pid()).into_iter().filter(|child| child.name == "winddown");
    std::iter::once(run.pid()).chain(inner.map(|child| child.pid)).collect()
}

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
    // A tick is 10 ms wherever Linux tells it.
    Duration::from_millis(10 * fields.map(|field| field.parse::<u64>().expect("ticks")).sum::<u64>())
}

// Trap 13: zombies.
fn twenty_thousand_orphans_are_reaped() {
    for options in [&[][..], &["--no-guard"]] {
        let run = Winddown::new()
            .args(options)
            .workload(
                "--orphans 100 --on USR1 [ --orphans 20000 ] --on TERM [ --exit 3 ] --print warm --serve",
            )
            .start();
        run.wait_out("warm");
        let own = own(&run);
        let reaper = *own.last().expect("winddown");
        eventually("the first are reaped", || processes::children(reaper).len() == 1);
        let before: Vec<u64> = own.iter().map(|pid| resident(*pid)).collect();
        run.signal(libc::SIGUSR1);
        run.wait_out("orphans 20000");
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

fn kill(pid: i32) -> Instant {
    let before = Instant::now();
    // SAFETY: a process of a run that the test waits for.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    before
}

/// Kills winddown's outer process, or its inner one, and expects all of the workload to follow.
fn follows(flags: &str) {
    for which in 0..2 {
        let run = Winddown::new().args(["-t", "20s"]).workload(flags).start();
        run.wait_out("up");
        let killed = kill(own(&run)[which]);
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

/// Queues both signals so often; none is lost, since a full queue is tried again. One after the other:
/// the kernel would look through those of the second for each of the first.
fn queue_both(run: &Running, times: usize) {
    for number in [2, 3].into_iter().flat_map(|number| std::iter::repeat_n(number, times)) {
        let value = libc::sigval { sival_ptr: std::ptr::null_mut() };
        // SAFETY: a child that is not reaped; EAGAIN means that the queue is full.
        while unsafe { libc::sigqueue(run.pid(), libc::SIGRTMIN() + number, value) } != 0 {
            std::thread::yield_now();
        }
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
    let recorder = *own(&run).last().expect("winddown");
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
    assert!(signals.iter().take(1000).filter(|one| one["count"].is_null()).count() >= 998);
}
