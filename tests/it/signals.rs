//! Signals that winddown passes on: each one once, with the value it carried, and none lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::running::Ended;
use crate::support::{Pty, TempDir, eventually, processes, read_json, trials};

trials![
    an_interrupt_that_was_ignored_at_the_start_is_no_stop_request,
    every_signal_that_can_be_forwarded_arrives_once,
    stop_signals_that_are_none_here_are_forwarded_too,
    queued_signals_keep_their_value_and_order,
    a_queued_stop_signal_keeps_its_value,
    a_burst_arrives_completely,
    signals_about_winddown_itself_are_not_forwarded,
    its_own_broken_pipe_is_not_forwarded,
    a_fault_signal_from_outside_orphans_nobody,
    a_map_rewrites_and_drops,
    a_map_rewrites_the_stop_signal,
    a_hup_is_a_reload,
    needs("bash") => a_hup_is_a_reload_as_long_as_the_terminal_is_there,
    a_hup_stops_where_it_was_asked_for,
    a_signal_after_the_main_process_goes_nowhere,
    a_stopped_workload_is_noted_and_goes_on,
    alone => a_flood_does_not_hold_up_the_stop,
];

/// The signals that must reach the workload.
fn forwardable() -> impl Iterator<Item = i32> {
    let never = [libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD, libc::SIGTTIN, libc::SIGTTOU, 32, 33];
    (1..=64).filter(move |signal| !never.contains(signal))
}

fn count_got(ended: &Ended, signal: i32) -> usize {
    ended.count_out(&format!("got {signal} code"))
}

fn every_signal_that_can_be_forwarded_arrives_once() {
    let run = Winddown::new().workload("--on all [ ] --on TERM [ --exit 3 ] --print up --serve").start();
    run.wait_out("up");
    let plain = |signal: &i32| ![libc::SIGTERM, libc::SIGINT].contains(signal);
    for signal in forwardable().filter(plain) {
        run.signal(signal);
        run.wait_out(&format!("got {signal} code 0"));
    }
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    for signal in forwardable().filter(|signal| *signal != libc::SIGINT) {
        assert_eq!(count_got(&ended, signal), 1, "signal {signal}\n{}", ended.dump());
    }
}

fn stop_signals_that_are_none_here_are_forwarded_too() {
    let run = Winddown::new()
        .args(["--stop-on", "QUIT"])
        .workload("--on TERM,INT [ ] --on QUIT [ --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGTERM] {
        let before = run.out().len();
        run.signal(signal);
        eventually("it is forwarded", || run.out().len() > before);
    }
    assert_eq!(run.err(), Vec::<String>::new());
    run.signal(libc::SIGQUIT);
    let ended = run.wait().expect_code(3);
    assert_eq!(count_got(&ended, libc::SIGTERM), 2, "{}", ended.dump());
    assert_eq!(count_got(&ended, libc::SIGINT), 1, "{}", ended.dump());
}

fn queued_signals_keep_their_value_and_order() {
    let numbers = [libc::SIGRTMIN(), libc::SIGRTMIN() + 7, libc::SIGRTMAX()];
    let run = Winddown::new().workload("--on all [ ] --on TERM [ --exit 3 ] --print up --serve").start();
    run.wait_out("up");
    for value in 1..=100 {
        for signal in numbers {
            run.queue(signal, value);
        }
    }
    run.wait_out_times("code -1", 300);
    // A standard signal is not queued, but it has a value.
    run.queue(libc::SIGUSR1, 4711);
    let own = std::process::id();
    run.wait_out(&format!("got 10 code -1 pid {own} value 4711"));
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3);
    for signal in numbers {
        let wanted: Vec<String> =
            (1..=100).map(|value| format!("got {signal} code -1 pid {own} value {value}")).collect();
        let mut got = ended.out();
        got.retain(|line| line.starts_with(&format!("got {signal} ")));
        assert_eq!(got, wanted);
    }
}

fn a_queued_stop_signal_keeps_its_value() {
    for (options, signal) in [(vec![], 15), (vec!["--to", "all"], 15), (vec!["-s", "QUIT"], 3)] {
        let run =
            Winddown::new().args(options).workload("--on TERM,QUIT [ --exit 3 ] --print up --serve").start();
        run.wait_out("up");
        run.queue(libc::SIGTERM, 4711);
        let ended = run.wait().expect_code(3);
        let line = format!("got {signal} code -1 pid {} value 4711", std::process::id());
        assert_eq!(ended.count_out(&line), 1, "{}", ended.dump());
        assert_eq!(ended.count_out("got"), 1, "{}", ended.dump());
    }
}

/// More signals than winddown takes in one turn, while it can't act on any of them.
fn a_burst_arrives_completely() {
    for guard in [vec![], vec!["--no-guard"]] {
        let run = Winddown::new()
            .args(guard)
            .workload("--on RTMIN+2 [ ] --on TERM [ --exit 3 ] --print up --serve")
            .start();
        run.wait_out("up");
        for value in 0..1000 {
            run.queue(libc::SIGRTMIN() + 2, value);
        }
        let got = run.wait_out_times("code -1", 1000);
        assert!(got[999].ends_with("value 999"), "{}", got[999]);
        run.signal(libc::SIGTERM);
        run.wait().expect_code(3);
    }
}

fn signals_about_winddown_itself_are_not_forwarded() {
    let run = Winddown::new()
        .workload("--on CHLD,TTIN,TTOU,RTMIN+30 [ ] --on TERM [ --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    for signal in [libc::SIGCHLD, libc::SIGTTIN, libc::SIGTTOU, 32, 33] {
        run.signal(signal);
    }
    // The highest number is taken last: when it has arrived, so have the others.
    run.signal(libc::SIGRTMAX());
    run.wait_out("got 64 code 0");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3).expect_nothing_left();
    assert_eq!(ended.count_out("got"), 2, "{}", ended.dump());
    assert_eq!(ended.err().len(), 2, "{}", ended.dump());
}

fn its_own_broken_pipe_is_not_forwarded() {
    for guard in [vec!["-v"], vec!["-v", "--no-guard"]] {
        let mut run = Winddown::new()
            .args(guard)
            .workload("--on PIPE,USR1 [ ] --on TERM [ --exit 3 ] --print up --serve")
            .start();
        run.wait_out("up");
        run.close_stderr();
        // With -v each of them is logged, so each causes a SIGPIPE.
        for count in 1..=20 {
            run.signal(libc::SIGUSR1);
            run.wait_out_times("got 10", count);
        }
        // A SIGPIPE from another process is passed on like any other signal.
        run.signal(libc::SIGPIPE);
        run.wait_out("got 13");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(3);
        assert_eq!(count_got(&ended, libc::SIGPIPE), 1, "{}", ended.dump());
    }
}

/// Trap 17: fault signals.
fn a_fault_signal_from_outside_orphans_nobody() {
    let faults =
        [libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV, libc::SIGSYS];
    for signal in faults {
        let place = TempDir::new();
        let record = place.file("record");
        let run = Winddown::new()
            .args(["--record", &record])
            .limit(libc::RLIMIT_CORE, 0)
            .workload("--spawn child c [ --serve ] --spawn daemon-session d [ --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        run.signal(signal);
        run.wait().expect_signal(signal).expect_nothing_left();
        let record = read_json(&record);
        assert_eq!(record["outcome"], "crashed");
        assert_eq!(record["signals"][0]["purpose"], "forward");
    }
}

fn a_map_rewrites_and_drops() {
    let run = Winddown::new()
        .args(["-v", "--map", "HUP=USR1,USR2=", "--map", "RTMIN+1=RTMIN+2"])
        .workload("--on all [ ] --on TERM [ --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGHUP);
    run.wait_out("got 10 code 0");
    run.wait_err("forwarded as SIGUSR1");
    run.signal(libc::SIGUSR2);
    run.wait_err("dropped (--map)");
    run.queue(libc::SIGRTMIN() + 1, 77);
    run.wait_out(&format!("got {} code -1", libc::SIGRTMIN() + 2));
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3);
    assert_eq!(ended.count_out("got"), 3, "{}", ended.dump());
    assert_eq!(ended.count_out("value 77"), 1, "{}", ended.dump());
}

fn a_map_rewrites_the_stop_signal() {
    let run = Winddown::new()
        .args(["--map", "TERM=QUIT"])
        .workload("--on TERM [ ] --on QUIT [ --exit 3 ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(3);
    assert_eq!(ended.count_out("got"), 1, "{}", ended.dump());
}

fn a_hup_is_a_reload() {
    // Under nohup the workload ignores HUP by itself; a HUP that is sent is meant, so winddown passes it on.
    for ignored in [vec![], vec![libc::SIGHUP]] {
        let run = Winddown::new()
            .ignored(ignored)
            .workload("--on HUP [ ] --on TERM [ --exit 3 ] --print up --serve")
            .start();
        run.wait_out("up");
        for count in 1..=3 {
            run.signal(libc::SIGHUP);
            run.wait_out_times("got 1 code 0", count);
        }
        assert_eq!(run.err(), Vec::<String>::new());
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(3);
        assert_eq!(count_got(&ended, libc::SIGHUP), 3, "{}", ended.dump());
    }
}

fn a_hup_is_a_reload_as_long_as_the_terminal_is_there() {
    let mut pty = Pty::bash();
    pty.line("$WD -- $WL --say ppid --on HUP [ ] --on TERM [ --exit 3 ] --print up --serve");
    pty.expect("up");
    let winddown = processes::children(pty.pid())[0].pid;
    pty.tag().signal(winddown, libc::SIGHUP);
    pty.expect("got 1 code 0");
    pty.tag().signal(winddown, libc::SIGHUP);
    pty.expect("got 1 code 0");
    assert!(!pty.screen().contains("winddown: "), "{}", pty.screen());
    pty.tag().signal(winddown, libc::SIGTERM);
    pty.expect("got 15");
    pty.prompt();
    assert_eq!(pty.command("echo code=$?").lines().last(), Some("code=3"));
    assert_eq!(pty.count("got 1 "), 2);
}

fn a_hup_stops_where_it_was_asked_for() {
    let run = Winddown::new()
        .args(["--stop-on", "HUP", "-t", "300ms"])
        .workload("--on HUP [ ] --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGHUP);
    run.wait_err("SIGHUP from");
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert_eq!(count_got(&ended, libc::SIGHUP), 1, "{}", ended.dump());
}

fn a_signal_after_the_main_process_goes_nowhere() {
    let place = TempDir::new();
    let gate = place.file("gate");
    let run = Winddown::new()
        .args(["-v"])
        .workload(&format!("--spawn daemon d [ --on USR1,TERM [ ] --until {gate} ] --exit 4"))
        .start();
    run.wait_out("d got 15");
    let daemon = run.number("d pid");
    run.signal(libc::SIGUSR1);
    run.signal(libc::SIGTERM);
    run.wait_err("while stopping");
    assert!(processes::is_alive(daemon));
    place.write("gate", "");
    let ended = run.wait().expect_code(4).expect_nothing_left();
    assert_eq!(ended.count_out("d got"), 1, "{}", ended.dump());
}

/// Trap 21: a process that is stopped or continued is not dead.
fn a_stopped_workload_is_noted_and_goes_on() {
    let run = Winddown::new().workload("--on USR1 [ --exit 3 ] --say pid --print up --serve").start();
    run.wait_out("up");
    let main = run.number("pid");
    run.tag().signal(main, libc::SIGSTOP);
    run.wait_err("was stopped; SIGCONT resumes it");
    assert_eq!(processes::state(main), Some('T'));
    run.signal(libc::SIGCONT);
    eventually("it goes on", || processes::state(main) == Some('S'));
    run.signal(libc::SIGUSR1);
    run.wait().expect_code(3);
}

fn a_flood_does_not_hold_up_the_stop() {
    for options in [vec![], vec!["--no-guard"]] {
        let run = Winddown::new()
            .args(options)
            .args(["-t", "25s"])
            .workload("--ignore USR1 --on TERM [ --exit 3 ] --print up --serve")
            .start();
        run.wait_out("up");
        let is_heard = AtomicBool::new(false);
        let flood = || {
            let end = Instant::now() + Duration::from_secs(10);
            while Instant::now() < end && !is_heard.load(Ordering::Relaxed) {
                run.signal(libc::SIGUSR1);
            }
        };
        std::thread::scope(|scope| {
            let floods: Vec<_> = (0..4).map(|_| scope.spawn(flood)).collect();
            let asked = run.signal(libc::SIGTERM);
            run.wait_out("got 15");
            is_heard.store(true, Ordering::Relaxed);
            assert!(asked.elapsed() < Duration::from_secs(8), "after {:?}", asked.elapsed());
            for flood in floods {
                flood.join().expect("no panic");
            }
        });
        run.wait().expect_code(3);
    }
}

/// As for a background job of a shell script: the workload would not get Ctrl+C either.
fn an_interrupt_that_was_ignored_at_the_start_is_no_stop_request() {
    guarded_or_not(|winddown| {
        let run = winddown.ignored([libc::SIGINT]).args(["-v"]).workload("--print up --serve").start();
        run.wait_out("up");
        run.signal(libc::SIGINT);
        run.wait_err("; no stop request: it was ignored at the start");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
        assert_eq!(
            ended.err().iter().filter(|line| line.contains("stopping ")).count(),
            1,
            "{}",
            ended.dump()
        );
    });
    let run = Winddown::new()
        .ignored([libc::SIGINT])
        .args(["--stop-on", "INT", "-s", "TERM", "-t", "20s"])
        .workload("--print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGINT);
    run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
}
