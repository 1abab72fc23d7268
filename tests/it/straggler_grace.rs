//! Processes that outlive a main process that ended by itself get a silent grace. In a stop, a process that reads the
//! last lines of others may go on reading for as long.

use std::time::Duration;

use snapbox::str;

use crate::support::builder::{Stream, Winddown, guarded_or_not, workload_path};
use crate::support::running::Ended;
use crate::support::snapshot::expect_log;
use crate::support::{Pty, TempDir, eventually, processes, read_json, trials};
use crate::terminal::in_bash;

trials![
    needs("bash", "gzip") => whoever_reads_the_last_lines_has_them_all,
    needs("root", "pid-namespace", "bash") => as_pid_1_too,
    needs("python3") => the_helpers_of_python_end_by_themselves,
    work_in_the_background_ends_by_itself_and_then_the_run_does,
    a_straggler_is_asked_after_the_grace_with_the_full_limit,
    without_a_grace_stragglers_are_asked_at_once,
    a_stop_request_in_the_grace_is_honoured_at_once,
    needs("bash") => ctrl_c_in_the_grace_reaches_everybody_once,
    either_killed_in_the_grace_the_rest_is_asked,
    the_run_limit_counts_in_the_grace,
    needs("bash") => in_a_stop_the_last_lines_arrive,
    in_a_stop_the_last_lines_arrive_by_a_fifo,
    needs("python3") => in_a_stop_the_last_lines_arrive_by_a_socket,
    in_a_stop_a_reader_is_left_while_its_writer_is_there,
    in_a_stop_a_reader_that_goes_on_is_asked_after_the_grace,
    in_a_stop_a_server_behind_a_shell_is_asked_at_once,
];

/// A run of bash, with its output going through this filter.
fn filtered(winddown: Winddown, place: &TempDir, filter: &str, script: &str) -> Winddown {
    let script = format!("exec > >({filter}) 2>&1; {script}");
    winddown.directory(place.path()).env("WL", workload_path()).command(["bash", "-c", &script])
}

#[track_caller]
fn expect_silent(ended: &Ended) {
    assert!(ended.err().is_empty(), "{}", ended.dump());
}

fn whoever_reads_the_last_lines_has_them_all() {
    let filters = [
        ("sleep 0.2; exec tee log", "cat log"),
        ("sleep 0.2; exec sed s/^/x/ > log", "cat log"),
        ("sleep 0.2; exec gzip > log", "zcat log"),
        ("while read -r line; do sleep 0.05; echo \"at $line\"; done > log", "cat log"),
    ];
    guarded_or_not(|winddown| {
        let mut winddown = Some(winddown);
        for (filter, show) in filters {
            let place = TempDir::new();
            let winddown = winddown.take().unwrap_or_else(Winddown::new);
            let ended = filtered(winddown, &place, filter, "echo one; echo two; echo last; exit 6").run();
            let ended = ended.expect_code(6).expect_nothing_left();
            expect_silent(&ended);
            let shown =
                std::process::Command::new("sh").args(["-c", show]).current_dir(place.path()).output();
            let shown = String::from_utf8(shown.expect("a shell").stdout).expect("text");
            assert!(shown.ends_with("last\n"), "{filter}: {shown}");
        }
    });
}

fn as_pid_1_too() {
    let place = TempDir::new();
    let filter = "sleep 0.2; exec cat > log";
    let ended = filtered(Winddown::new().pid_1(), &place, filter, "echo last").run().expect_code(0);
    expect_silent(&ended);
    assert_eq!(std::fs::read_to_string(place.file("log")).expect("a log"), "last\n");
}

/// Those of `spawn`, and of shared memory: the resource tracker ends when it reads the end of its pipe.
fn the_helpers_of_python_end_by_themselves() {
    let place = TempDir::new();
    let program = place.write(
        "pool.py",
        "import multiprocessing as m\n\
         if __name__ == '__main__':\n\
         \x20   m.set_start_method('spawn')\n\
         \x20   with m.Pool(1) as pool: print(sum(pool.map(abs, [-1, 2])))\n",
    );
    let ended = Winddown::new().command(["python3", &program]).run().expect_code(0).expect_nothing_left();
    expect_silent(&ended);
    assert_eq!(ended.out(), ["3"]);
}

fn work_in_the_background_ends_by_itself_and_then_the_run_does() {
    guarded_or_not(|winddown| {
        let ended = winddown
            .args(["--straggler-grace", "20s"])
            .command(["sh", "-c", "(sleep 0.3; echo done) & exit 3"])
            .run()
            .expect_code(3)
            .expect_nothing_left();
        expect_silent(&ended);
        assert_eq!(ended.out(), ["done"]);
        assert!(ended.duration < Duration::from_secs(15), "{}", ended.dump());
    });
}

fn a_straggler_is_asked_after_the_grace_with_the_full_limit() {
    let place = TempDir::new();
    let record = place.file("record");
    let ended = Winddown::new()
        .args(["--straggler-grace", "400ms", "-t", "500ms", "--record", &record])
        .workload("--spawn session s [ --on TERM [ ] --serve ] --exit 3")
        .run()
        .expect_code(3)
        .expect_nothing_left();
    expect_log(
        &ended.err()[..1],
        str![
            "winddown: workload (pid [PID]) exited with 3; asking 1 straggler: s (pid [PID]), SIGKILL in 500ms (-t); --leave-stragglers leaves them"
        ],
    );
    assert_eq!(ended.count_out("s got 15"), 1, "{}", ended.dump());
    let record = read_json(&record);
    let at = |value: &serde_json::Value| value["at_ms"].as_f64().expect("a time");
    let main_ended = at(&record["ends"][0]);
    assert!(at(&record["stop"]) - main_ended >= 399.0, "{record}");
    let left = record["stop"]["deadline_ms"].as_f64().expect("a time") - at(&record["stop"]);
    assert!((left - 500.0).abs() < 1.0, "{record}");
    assert_eq!(record["outcome"], "killed");
}

fn without_a_grace_stragglers_are_asked_at_once() {
    let run = Winddown::new()
        .args(["--straggler-grace", "0", "-t", "20s"])
        .command(["sh", "-c", "(sleep 30; echo done) & exit 3"])
        .run()
        .expect_code(3);
    expect_log(
        &run.err()[..1],
        str![
            "winddown: sh (pid [PID]) exited with 3; asking 1 straggler: sh (pid [PID]), SIGKILL in 20s (-t); --leave-stragglers leaves them"
        ],
    );
    assert!(run.duration < Duration::from_secs(15), "{}", run.dump());
}

/// A run whose main process has ended and left `s`, which ends at the first signal.
fn in_the_grace(winddown: Winddown, options: &[&str]) -> crate::support::running::Running {
    let run = winddown
        .args(["-v", "--straggler-grace", "30s", "-t", "20s"])
        .args(options)
        .workload("--spawn session s [ --on TERM,INT [ --sleep 100 --exit 0 ] --serve ] --print up --exit 5")
        .start();
    run.wait_err("what it left has 30s to end by itself (--straggler-grace)");
    run
}

fn a_stop_request_in_the_grace_is_honoured_at_once() {
    guarded_or_not(|winddown| {
        let run = in_the_grace(winddown, &[]);
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(5).expect_nothing_left();
        assert_eq!(ended.count_out("s got 15"), 1, "{}", ended.dump());
        let found = ended.err().iter().filter(|line| line.contains(": stopping what workload (pid ")).count();
        assert_eq!(found, 1, "{}", ended.dump());
        assert!(ended.duration < Duration::from_secs(15), "{}", ended.dump());
    });
}

fn ctrl_c_in_the_grace_reaches_everybody_once() {
    in_bash(|pty: &mut Pty, winddown: &str| {
        let left = "--spawn child s [ --on TERM,INT [ --sleep 300 --exit 0 ] --print up --serve ]";
        pty.line(&format!("{winddown} -v --straggler-grace 30s $WL {left} --exit 5"));
        pty.expect("has 30s to end by itself");
        pty.keys("\x03");
        pty.prompt();
        crate::terminal::expect_status(pty, 5);
        assert_eq!(pty.count("s got 2 "), 1, "{}", pty.screen());
        assert_eq!(pty.count("s got 15 "), 0, "{}", pty.screen());
    });
}

fn either_killed_in_the_grace_the_rest_is_asked() {
    for outer in [true, false] {
        let run = in_the_grace(Winddown::new(), &[]);
        let straggler = run.number("s pid");
        let pid = if outer { run.pid() } else { processes::children(run.pid())[0].pid };
        run.tag().signal(pid, libc::SIGKILL);
        run.wait_out("s got 15");
        eventually("it has ended", || !processes::is_alive(straggler));
        eventually("nothing is left", || run.tag().living().is_empty());
    }
}

fn the_run_limit_counts_in_the_grace() {
    let ended = Winddown::new()
        .args(["--straggler-grace", "30s", "--run-limit", "1s", "-t", "300ms"])
        .workload("--spawn session s [ --ignore TERM --serve ] --exit 5")
        .run()
        .expect_code(5)
        .expect_nothing_left();
    ended.expect_at(ended.start, Duration::from_secs(1));
}

fn in_a_stop_the_last_lines_arrive() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let script = "trap 'echo last; exit 4' TERM; touch up; while :; do sleep 0.05; done";
        let filter = "sleep 0.3; exec cat > log";
        let run = filtered(winddown.args(["-t", "20s"]), &place, filter, script).start();
        eventually("it is up", || place.path().join("up").exists());
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(4).expect_nothing_left();
        assert_eq!(std::fs::read_to_string(place.file("log")).expect("a log"), "last\n", "{}", ended.dump());
        assert!(ended.err()[1].contains("; last lines go to "), "{}", ended.dump());
    });
}

/// As in scripts for shells without `>(...)`.
fn in_a_stop_the_last_lines_arrive_by_a_fifo() {
    let script = "mkfifo p; (sleep 0.3; exec cat > log) < p & exec > p; rm p; \
                  trap 'echo last; exit 4' TERM; touch up; while :; do sleep 0.05; done";
    expect_last_line(&["sh", "-c", script]);
}

/// Node.js gives its children sockets instead of pipes.
fn in_a_stop_the_last_lines_arrive_by_a_socket() {
    let program = "import os, signal, socket, subprocess, sys\n\
         ours, theirs = socket.socketpair()\n\
         subprocess.Popen(['sh', '-c', 'sleep 0.3; exec cat > log'], stdin=theirs)\n\
         theirs.close()\n\
         def stop(*_):\n\
         \x20   ours.sendall(b'last\\n')\n\
         \x20   os._exit(4)\n\
         signal.signal(signal.SIGTERM, stop)\n\
         open('up', 'w')\n\
         while True: signal.pause()\n";
    expect_last_line(&["python3", "-c", program]);
}

#[track_caller]
fn expect_last_line(command: &[&str]) {
    let place = TempDir::new();
    let run = Winddown::new().args(["-t", "20s"]).directory(place.path()).command(command).start();
    eventually("it is up", || place.path().join("up").exists());
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_code(4).expect_nothing_left();
    assert_eq!(std::fs::read_to_string(place.file("log")).expect("a log"), "last\n", "{}", ended.dump());
    assert!(ended.err()[1].contains("; last lines go to "), "{}", ended.dump());
}

/// The shell ends at once, and the server some time later.
fn in_a_stop_a_reader_is_left_while_its_writer_is_there() {
    let place = TempDir::new();
    let script = "$WL --on TERM [ --sleep 700 --print last --exit 0 ] --print up --serve | cat > log; echo";
    let run = Winddown::new()
        .args(["--straggler-grace", "200ms", "-t", "20s"])
        .directory(place.path())
        .env("WL", workload_path())
        .command(["sh", "-c", script])
        .start();
    let log = || std::fs::read_to_string(place.file("log")).unwrap_or_default();
    eventually("it is up", || log().contains("up"));
    run.signal(libc::SIGTERM);
    run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
    assert!(log().ends_with("last\n"), "{}", log());
}

fn in_a_stop_a_reader_that_goes_on_is_asked_after_the_grace() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["--straggler-grace", "300ms", "-t", "20s", "--record", &record])
        .env("WL", workload_path())
        .command(["sh", "-c", "true | $WL --on TERM [ --exit 0 ] --print up --serve; echo"])
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
    assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
    let record = read_json(&record);
    let asks: Vec<f64> = record["signals"]
        .as_array()
        .expect("signals")
        .iter()
        .filter(|sent| sent["purpose"] == "ask")
        .filter_map(|sent| sent["at_ms"].as_f64())
        .collect();
    assert_eq!(asks.len(), 2, "{record}");
    assert!(asks[1] - asks[0] >= 300.0, "{record}");
}

/// Its stdin is that of winddown: a pipe that the workload didn't make.
fn in_a_stop_a_server_behind_a_shell_is_asked_at_once() {
    let run = Winddown::new()
        .args(["--straggler-grace", "30s", "-t", "25s"])
        .stdin(Stream::Pipe)
        .env("WL", workload_path())
        .command(["sh", "-c", "$WL --on TERM [ --exit 0 ] --print up --serve; echo"])
        .start();
    run.wait_out("up");
    let asked = run.signal(libc::SIGTERM);
    let ended = run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
    assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
    assert!(ended.since(asked) < Duration::from_secs(10), "{}", ended.dump());
}
