//! winddown itself is killed or stopped: nothing outlives it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use snapbox::str;

use crate::support::builder::Winddown;
use crate::support::lateness::{expect_soon, expect_within};
use crate::support::pinned::Pinned;
use crate::support::running::Running;
use crate::support::snapshot::expect_log;
use crate::support::{
    Pty, TempDir, eventually, holds_within, processes, read_json, short_or_long, trials, two_at_a_time,
};
use crate::terminal::winddown_of;

trials![
    outer_killed_everybody_is_asked_and_then_killed,
    outer_killed_whoever_ends_in_time_is_not_killed,
    inner_killed_the_rest_is_asked_and_then_killed,
    alone => outer_killed_in_the_first_milliseconds,
    alone => inner_killed_in_the_first_milliseconds,
    both_killed_the_main_process_dies_too,
    either_killed_during_a_stop,
    alone => either_killed_around_the_deadline,
    either_killed_when_only_stragglers_are_left,
    needs("root") => inner_killed_a_main_process_of_another_user_is_killed_too,
    needs("bash") => either_killed_on_a_terminal,
    needs("bash") => inner_killed_a_terminal_is_put_back,
    inner_killed_foreign_children_are_left,
    outer_stopped_over_the_deadline_kills_nevertheless,
    inner_stopped_loses_no_signal_and_no_time,
];

/// The time that is left once winddown was killed.
const GRACE: Duration = Duration::from_millis(500);
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    Outer,
    Inner,
}

const BOTH: [Which; 2] = [Which::Outer, Which::Inner];

/// The only child of the process that was started.
#[track_caller]
pub(crate) fn inner(outer: i32) -> i32 {
    let children = processes::children(outer);
    assert_eq!(children.len(), 1, "{children:?}");
    assert_eq!(children[0].name, processes::INNER);
    children[0].pid
}

#[track_caller]
fn kill(run: &Running, which: Which) -> Instant {
    match which {
        Which::Outer => run.signal(libc::SIGKILL),
        Which::Inner => run.tag().signal(inner(run.pid()), libc::SIGKILL),
    }
}

/// Waits until nothing of the run is alive: at the end of the grace at the latest.
#[track_caller]
fn gone(run: &Running, since: Instant) -> Duration {
    expect_soon("nothing of the run lives", since, GRACE, || run.tag().living().is_empty());
    since.elapsed()
}

/// Waits for the record: the process that writes it may not be a child of the tests.
fn record(file: &str) -> Value {
    eventually("the record is written", || std::path::Path::new(file).exists());
    read_json(file)
}

fn list<'a>(record: &'a Value, name: &str) -> &'a Vec<Value> {
    record[name].as_array().expect("a list")
}

/// Names and times of the processes that got a signal for this purpose.
fn sent(record: &Value, purpose: &str) -> Vec<(String, f64)> {
    let is_wanted = |one: &&Value| one["purpose"] == purpose && one["result"] == "ok";
    let entry = |one: &Value| {
        (one["target"]["name"].as_str().unwrap().to_owned(), one["at_ms"].as_f64().expect("a time"))
    };
    list(record, "signals").iter().filter(is_wanted).map(entry).collect()
}

/// Processes that get the signal and live on, everywhere a process can hide.
const DEAF: &str = "--spawn child a [ --on TERM [ ] --spawn session b [ --on TERM [ ] --serve ] --serve ] \
     --spawn daemon-session c [ --on TERM [ ] --spawn child d [ --on TERM [ ] --serve ] --serve ] \
     --spawn session e [ --ignore TERM --stop --serve ] --say pid --on TERM [ ] --print up --serve";

fn outer_killed_everybody_is_asked_and_then_killed() {
    let place = TempDir::new();
    let file = place.file("record");
    let run = Winddown::new().args(["-t", "20s", "--record", &file]).workload(DEAF).start();
    run.wait_out("up");
    let killed = kill(&run, Which::Outer);
    assert!(gone(&run, killed) >= GRACE);
    assert_eq!(run.wait_out_times("got 15", 5).len(), 5);
    run.wait_err("winddown itself was killed: stopping ");
    let record = record(&file);
    let asked = sent(&record, "ask");
    let mut names: Vec<_> = asked.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[0], "workload", "the main process first: {record}");
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c", "d", "e", "workload"]);
    let kills = sent(&record, "kill");
    assert_eq!(kills.len(), 6, "{record}");
    for (name, at) in &kills {
        let time = Duration::from_secs_f64((at - asked[0].1) / 1000.0);
        assert!(time >= GRACE, "{name}: {record}");
        expect_within(time, GRACE, (killed, Instant::now()), || record.to_string());
    }
    assert_eq!(record["stop"]["cause"], "winddown-killed");
    assert_eq!(record["outcome"], "killed");
    assert_eq!(list(&record, "killed").len(), 6);
    run.wait().expect_signal(libc::SIGKILL);
}

fn outer_killed_whoever_ends_in_time_is_not_killed() {
    let place = TempDir::new();
    let file = place.file("record");
    let run = Winddown::new()
        .args(["--record", &file])
        .workload(
            "--spawn daemon-session d [ --on TERM [ --exit 0 ] --serve ] \
             --on TERM [ --print done --exit 3 ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    let killed = kill(&run, Which::Outer);
    run.wait_out("done");
    gone(&run, killed);
    let record = record(&file);
    assert_eq!(list(&record, "killed").len(), 0, "{record}");
    assert_eq!(record["exit"]["code"], 3);
    run.wait().expect_signal(libc::SIGKILL);
}

fn inner_killed_the_rest_is_asked_and_then_killed() {
    let place = TempDir::new();
    let file = place.file("record");
    let run = Winddown::new().args(["-v", "-t", "20s", "--record", &file]).workload(DEAF).start();
    run.wait_out("up");
    let main = run.number("pid");
    let killed = kill(&run, Which::Inner);
    eventually("the main process dies with it", || !processes::is_alive(main));
    let ended = run.wait().expect_code(137).expect_nothing_left();
    ended.expect_at(killed, GRACE);
    // a to d; the kernel killed the main process.
    assert_eq!(ended.count_out("got 15"), 4, "{}", ended.dump());
    expect_log(
        &ended.err()[1..2],
        str!["winddown: winddown itself was killed: stopping workload (pid [PID]), SIGKILL in 500ms"],
    );
    let record = read_json(&file);
    assert_eq!(record["stop"]["cause"], "winddown-killed");
    // It started only once.
    assert_eq!(ended.err().iter().filter(|line| line.contains("started ")).count(), 1, "{}", ended.dump());
    let is_start = |entry: &&Value| entry["message"].as_str().is_some_and(|line| line.contains("started "));
    assert_eq!(list(&record, "log").iter().filter(is_start).count(), 0, "{record}");
    assert!(list(&record, "phases").iter().all(|entry| entry["phase"] != "running"), "{record}");
    assert_eq!(record["main"]["pid"], main);
    assert_eq!(record["exit"]["signal"], "KILL");
    assert_eq!(record["exit_status"], 137);
    assert_eq!(record["outcome"], "killed");
    assert_eq!(list(&record, "killed").len(), 6, "{record}");
}

const STUBBORN: &str = "--ignore TERM --spawn daemon-session d [ --ignore TERM --serve ] --spawn session s [ --ignore TERM --serve ] --serve";

/// How many kills in the first milliseconds.
fn kills() -> u32 {
    short_or_long(12, 40)
}

/// Kills after 0 to 5 ms, each a little later than the one before.
fn in_the_first_milliseconds(one: impl Fn(u32, Duration) + Sync) {
    two_at_a_time(kills(), |number| one(number, Duration::from_millis(5) * number / kills()));
}

fn outer_killed_in_the_first_milliseconds() {
    in_the_first_milliseconds(|number, after| {
        let place = TempDir::new();
        let file = place.file("record");
        let run = Winddown::new().args(["-t", "20s", "--record", &file]).workload(STUBBORN).start();
        let at = run.started() + after;
        while Instant::now() < at {
            std::hint::spin_loop();
        }
        let killed = run.signal(libc::SIGKILL);
        gone(&run, killed);
        run.wait().expect_signal(libc::SIGKILL);
        // The signal by which the inner process notices is not passed on to the workload.
        if std::path::Path::new(&file).exists() {
            let record = read_json(&file);
            let signals = record["signals"].as_array().expect("a list of signals");
            assert!(signals.iter().all(|sent| sent["purpose"] != "forward"), "kill {number}: {record}");
        }
    });
}

/// The first child of a process, as fast as can be.
fn first_child(pid: i32) -> Option<i32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    list.split_ascii_whitespace().next()?.parse().ok()
}

fn inner_killed_in_the_first_milliseconds() {
    let early = AtomicU32::new(0);
    in_the_first_milliseconds(|number, after| {
        let place = TempDir::new();
        let file = place.file("record");
        let run = Winddown::new().args(["-t", "20s", "--record", &file]).workload(STUBBORN).start();
        let mut inner = None;
        eventually("there is an inner process", || {
            // Not by its marks: to read them would take too long.
            inner = first_child(run.pid())
                .and_then(|pid| Pinned::new(pid, |process| process.parent == run.pid()));
            inner.is_some()
        });
        let at = Instant::now() + after;
        while Instant::now() < at {
            std::hint::spin_loop();
        }
        let killed = inner.unwrap().signal(libc::SIGKILL);
        let ended = run.wait().expect_nothing_left();
        ended.expect_within(killed, GRACE);
        assert!([Some(125), Some(137)].contains(&ended.code()), "kill {number}: {}", ended.dump());
        early.fetch_add(u32::from(ended.code() == Some(125)), Ordering::Relaxed);
        let record = read_json(&file);
        assert_eq!(record["exit_status"], ended.code().unwrap(), "kill {number}: {record}");
        let outcome = if ended.code() == Some(125) { "not-started" } else { "killed" };
        assert_eq!(record["outcome"], outcome, "kill {number}: {record}");
    });
    assert!(early.into_inner() < kills(), "none had started its workload: this does not test both");
}

/// The kernel's parent-death signal can't reach a daemon in a session of its own.
fn both_killed_the_main_process_dies_too() {
    for order in [[Which::Outer, Which::Inner], [Which::Inner, Which::Outer]] {
        let run = Winddown::new().workload("--ignore TERM --say pid --print up --serve").start();
        run.wait_out("up");
        let inner = run.tag().pin(inner(run.pid()));
        let [first, second] = order.map(|which| if which == Which::Outer { run.process() } else { &inner });
        let killed = first.signal(libc::SIGKILL);
        second.signal(libc::SIGKILL);
        gone(&run, killed);
        // The outer process may have ended between the two kills.
        let ended = run.wait();
        assert!(ended.code() == Some(137) || ended.signal() == Some(libc::SIGKILL), "{}", ended.dump());
    }
}

fn either_killed_during_a_stop() {
    for which in BOTH {
        let place = TempDir::new();
        let file = place.file("record");
        let run = Winddown::new().args(["-t", "20s", "--record", &file]).workload(DEAF).start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        run.wait_out("got 15");
        run.wait_err("stopping");
        let killed = kill(&run, which);
        gone(&run, killed);
        let record = record(&file);
        let got = run.out().iter().filter(|line| line.starts_with("got 15")).count();
        assert_eq!(got, 1, "no process is asked twice: {:?}", run.out());
        assert_eq!(list(&record, "killed").len(), 6, "{record}");
        assert_eq!(record["exit_status"], 137);
        run.wait_err("winddown itself was killed");
        let ended = run.wait();
        if which == Which::Inner {
            ended.expect_code(137);
        } else {
            ended.expect_signal(libc::SIGKILL);
        }
    }
}

fn either_killed_around_the_deadline() {
    for which in BOTH {
        for &offset in short_or_long(&[300, 310][..], &[290, 300, 305, 310, 320]) {
            let place = TempDir::new();
            let file = place.file("record");
            let flags =
                "--spawn child*50 a [ --ignore TERM --serve ] --chase 3 --ignore TERM --print up --serve";
            let run = Winddown::new().args(["-t", "300ms", "--record", &file]).workload(flags).start();
            run.wait_out("up");
            let asked = run.signal(libc::SIGTERM);
            let inner = run.tag().pin(inner(run.pid()));
            // Awake at the right moment, and idle until shortly before.
            std::thread::sleep(Duration::from_millis(offset - 10).saturating_sub(asked.elapsed()));
            while asked.elapsed() < Duration::from_millis(offset) {
                std::hint::spin_loop();
            }
            // The inner process may be gone.
            let _ = if which == Which::Outer { run.process() } else { &inner }.try_signal(libc::SIGKILL);
            gone(&run, Instant::now());
            assert!(!run.out().iter().any(|line| line.contains("over")), "{:?}", run.out());
            assert_eq!(record(&file)["outcome"], "killed");
            run.wait();
        }
    }
}

fn either_killed_when_only_stragglers_are_left() {
    for which in BOTH {
        let place = TempDir::new();
        let file = place.file("record");
        let run = Winddown::new()
            .args(["-t", "20s", "--record", &file])
            .workload("--spawn daemon-session d [ --on TERM [ ] --serve ] --say pid --print up --exit 4")
            .start();
        run.wait_out("d got 15");
        run.wait_err("straggler");
        let killed = kill(&run, which);
        assert!(gone(&run, killed) >= GRACE);
        let record = record(&file);
        assert_eq!(record["exit"]["code"], 4, "{record}");
        assert_eq!(record["exit_status"], 4, "{record}");
        assert_eq!(record["outcome"], "killed", "{record}");
        assert_eq!(list(&record, "killed").len(), 1, "{record}");
        let main = run.number("pid");
        // Only its old pid is left, which another process may have by now.
        let to_main = |one: &&Value| one["target"]["pid"] == main;
        assert_eq!(list(&record, "signals").iter().filter(to_main).count(), 0, "{record}");
        let ended = run.wait();
        if which == Which::Inner {
            ended.expect_code(4);
        } else {
            ended.expect_signal(libc::SIGKILL);
        }
    }
}

/// The kernel forgets the parent-death signal of a process that changes its user.
fn inner_killed_a_main_process_of_another_user_is_killed_too() {
    let run = Winddown::new()
        .args(["-t", "20s"])
        .workload("--setuid 65534 --on TERM [ ] --say pid --print up --serve")
        .start();
    run.wait_out("up");
    let killed = kill(&run, Which::Inner);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert!(ended.since(killed) >= GRACE, "{}", ended.dump());
    assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
    // On a terminal it has no group of its own.
    let mut pty = Pty::bash();
    pty.line("$WD -t 20s -- $WL --setuid 65534 --on TERM [ ] --say pid --print up --serve");
    pty.expect("up");
    let main = pty.number("pid");
    pty.tag().signal(inner(winddown_of(main)), libc::SIGKILL);
    pty.prompt();
    assert!(!processes::is_alive(main));
}

fn either_killed_on_a_terminal() {
    for which in BOTH {
        let mut pty = Pty::bash();
        // In a file: the command line would be longer than a line of the screen.
        let place = TempDir::new();
        let script = place.write("run", &format!("exec $WD -t 20s -- $WL {DEAF}"));
        pty.line(&format!("sh {script}"));
        pty.expect("up\r\n");
        let main = pty.number("pid");
        let hidden = pty.number("c pid");
        let outer = winddown_of(main);
        let target = if which == Which::Outer { outer } else { inner(outer) };
        let killed = pty.tag().signal(target, libc::SIGKILL);
        pty.prompt();
        for pid in [main, hidden] {
            expect_soon("no process is left", killed, GRACE, || !processes::is_alive(pid));
        }
        assert!(killed.elapsed() >= GRACE, "{which:?}: {}", pty.screen());
        if which == Which::Outer {
            assert_eq!(pty.count("got 15"), 5, "{}", pty.screen());
        }
        assert!(pty.command("echo alive").ends_with("alive"), "{}", pty.screen());
        pty.keys("exit\r");
        pty.wait();
        pty.tag().assert_nothing_left();
    }
}

fn inner_killed_a_terminal_is_put_back() {
    let script = "echo go; read x; $WD -t 20s -- $WL --say pid --raw --serve; echo code=$?; read x";
    let mut pty = Pty::program(["sh", "-c", script]);
    pty.expect("go");
    let before = pty.modes();
    pty.keys("\r");
    let main = pty.number("pid");
    pty.expect("raw");
    assert_ne!(pty.modes(), before);
    pty.tag().signal(inner(winddown_of(main)), libc::SIGKILL);
    pty.expect("code=137");
    assert_eq!(pty.modes(), before, "{}", pty.screen());
}

/// Children from before the start belong to the outer process, which takes over.
fn inner_killed_foreign_children_are_left() {
    let run = Winddown::new().foreign_child("sleep 60").workload(DEAF).start();
    run.wait_out("up");
    let children = processes::children(run.pid());
    let of_name = |name: &str| children.iter().find(|child| child.name == name).expect("a child").pid;
    let foreign = of_name("sleep");
    run.tag().signal(of_name(processes::INNER), libc::SIGKILL);
    let ended = run.wait().expect_code(137);
    let left = ended.tag().living();
    assert!(left.len() == 1 && left[0].pid == foreign, "{left:#?}");
}

fn outer_stopped_over_the_deadline_kills_nevertheless() {
    let run = Winddown::new()
        .args(["-t", "300ms"])
        .workload(
            "--spawn daemon-session d [ --ignore TERM --serve ] --say pid --on TERM [ ] --print up --serve",
        )
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    run.wait_out("got 15");
    run.signal(libc::SIGSTOP);
    let (main, daemon) = (run.number("pid"), run.number("d pid"));
    let limit = Duration::from_millis(300);
    for pid in [main, daemon] {
        expect_soon("both are killed", asked, limit, || !processes::is_alive(pid));
    }
    assert!(asked.elapsed() >= limit);
    assert_eq!(processes::state(run.pid()), Some('T'));
    run.signal(libc::SIGCONT);
    run.wait().expect_code(137).expect_nothing_left();
}

/// The clock of a stop starts when the outer process gets the request.
fn inner_stopped_loses_no_signal_and_no_time() {
    let run = Winddown::new().args(["-t", "3s"]).workload("--on USR1,TERM [ ] --print up --serve").start();
    run.wait_out("up");
    let inner = inner(run.pid());
    run.tag().signal(inner, libc::SIGSTOP);
    eventually("it is stopped", || processes::state(inner) == Some('T'));
    run.signal(libc::SIGUSR1);
    let asked = run.signal(libc::SIGTERM);
    assert!(!holds_within(Duration::from_millis(1500), || run.out().len() > 1), "{:?}", run.out());
    let from = run.tag().signal(inner, libc::SIGCONT);
    let ended = run.wait().expect_code(137).expect_nothing_left();
    assert_eq!(ended.count_out("got 10"), 1, "{}", ended.dump());
    assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
    assert!(ended.since(asked) >= Duration::from_secs(3), "{}", ended.dump());
    assert!(ended.since(from) < Duration::from_millis(2800), "{}", ended.dump());
}
