//! What winddown keeps, gives up and leaves alone of the place it was started in.

use std::io::PipeWriter;
use std::os::fd::AsRawFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::support::builder::{Stream, Winddown, winddown_path, workload_path};
use crate::support::running::Running;
use crate::support::{Pty, TempDir, eventually, processes, read_json, trials};

trials![
    standard_streams_may_be_closed_at_the_start,
    a_run_without_streams_is_stopped_and_recorded_as_any_other,
    no_log_line_goes_into_what_took_the_place_of_stderr,
    pipes_end_when_the_workload_closes_them,
    stdin_breaks_when_the_workload_closes_it,
    inherited_descriptors_are_not_held,
    streams_keep_their_flags_and_position,
    the_callers_directory_is_left,
    the_workload_leads_a_group_of_its_own,
    with_a_terminal_the_group_is_shared,
    children_from_before_are_never_asked,
    children_from_before_are_never_killed,
    children_from_before_are_not_waited_for,
    children_from_before_are_reaped,
    children_from_before_may_have_ended_already,
    needs("root", "pid-namespace") => as_pid_1_children_from_before_belong_to_the_tree,
];

/// With the guard and without.
fn guarded_or_not(check: impl Fn(Winddown)) {
    check(Winddown::new());
    check(Winddown::new().args(["--no-guard"]));
}

/// A run with those standard streams closed whose bit is set.
fn closed(winddown: Winddown, bits: u8) -> Winddown {
    let stream = |bit: u8, open: Stream| if bits & bit == 0 { open } else { Stream::Closed };
    let winddown = winddown.stdin(stream(1, Stream::Null));
    winddown.stdout(stream(2, Stream::Pipe)).stderr(stream(4, Stream::Pipe))
}

/// The lines of a file so far.
fn lines(file: &str) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(Into::into).collect()
}

/// Waits for a line of a file.
#[track_caller]
fn wait_line(file: &str, line: &str) {
    eventually(&format!("{line} is in {file}"), || lines(file).iter().any(|one| one == line));
}

/// Waits for the value of a fact in a file.
#[track_caller]
fn wait_number(file: &str, name: &str) -> i32 {
    let mut number = None;
    eventually(&format!("{name} is in {file}"), || {
        let found = lines(file).into_iter().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
        number = found.and_then(|found| found.parse().ok());
        number.is_some()
    });
    number.expect("found")
}

fn standard_streams_may_be_closed_at_the_start() {
    for bits in 0..8 {
        guarded_or_not(|winddown| {
            let place = TempDir::new();
            let log = place.file("log");
            let open: Vec<String> =
                (0..3).filter(|number| bits >> number & 1 == 0).map(|number| number.to_string()).collect();
            let run = closed(winddown, bits).workload(&format!("--log {log} --say fds --exit 3"));
            let ended = run.run().expect_code(3).expect_nothing_left();
            assert_eq!(lines(&log), [format!("fds {}", open.join(",")).trim_end()], "{}", ended.told());
        });
    }
}

fn a_run_without_streams_is_stopped_and_recorded_as_any_other() {
    for bits in 0..8 {
        guarded_or_not(|winddown| {
            let place = TempDir::new();
            let (log, record) = (place.file("log"), place.file("run.json"));
            let run = closed(winddown.args(["-v", "--record", &record]), bits)
                .workload(&format!(
                    "--log {log} --spawn child c [ --on TERM [ --exit 0 ] --serve ] \
                     --on TERM [ --exit 3 ] --print up --serve"
                ))
                .start();
            wait_line(&log, "up");
            run.signal(libc::SIGTERM);
            run.wait().expect_code(3).expect_nothing_left();
            assert_eq!(read_json(record)["outcome"], "stopped");
        });
    }
}

fn no_log_line_goes_into_what_took_the_place_of_stderr() {
    // The workload opens a file, which gets the number 2.
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (file, up) = (place.file("file"), place.file("up"));
        let script =
            "exec 3>>\"$0\"; echo its own >&3; trap 'exit 3' TERM; : >\"$1\"; while :; do sleep 0.01; done";
        let run = winddown.args(["-v"]).stderr(Stream::Closed).stdin(Stream::Closed);
        let run = run.command(["sh", "-c", script, &file, &up]).start();
        eventually("the shell is ready", || std::path::Path::new(&up).exists());
        run.signal(libc::SIGTERM);
        run.wait().expect_code(3).expect_nothing_left();
        assert_eq!(lines(&file), ["its own"]);
    });
}

/// Waits until the other side of a pipe is closed; without closing this one.
#[track_caller]
fn wait_hang_up(pipe: impl std::os::fd::AsFd, event: PollFlags) {
    let mut waiting = [PollFd::new(pipe.as_fd(), PollFlags::empty())];
    let patience = PollTimeout::try_from(20_000).expect("a short time");
    assert_eq!(poll(&mut waiting, patience), Ok(1), "the other side is still open after 20 s");
    assert!(waiting[0].revents().expect("events").contains(event));
}

/// Starts a workload that closes descriptors, and waits until it has.
fn closing(winddown: Winddown, log: &str, closed: &str) -> Running {
    let run = winddown
        .workload(&format!("--log {log} --on TERM [ --exit 3 ] --close {closed} --print up --serve"))
        .start();
    wait_line(log, "up");
    run
}

fn pipes_end_when_the_workload_closes_them() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let run = closing(winddown.stdout(Stream::Fd(writer.into())), &place.file("log"), "1");
        wait_hang_up(reader, PollFlags::POLLHUP);
        run.signal(libc::SIGTERM);
        run.wait().expect_code(3);
    });
}

fn stdin_breaks_when_the_workload_closes_it() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let run = closing(winddown.stdin(Stream::Fd(reader.into())), &place.file("log"), "0");
        wait_hang_up(writer, PollFlags::POLLERR);
        run.signal(libc::SIGTERM);
        run.wait().expect_code(3);
    });
}

fn inherited_descriptors_are_not_held() {
    // Trap 18: a wrapper that holds inherited descriptors: locks stay, pipes never end.
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (reader, writer): (_, PipeWriter) = std::io::pipe().expect("a pipe");
        let number = writer.as_raw_fd().to_string();
        let run = closing(winddown.inherits(writer.into()), &place.file("log"), &number);
        wait_hang_up(reader, PollFlags::POLLHUP);
        run.signal(libc::SIGTERM);
        run.wait().expect_code(3);
    });
}

/// They are shared with the workload, and with whoever else has them.
fn streams_keep_their_flags_and_position() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let file = place.write("input", "first\nsecond\n");
        let look = "grep -e flags -e pos -h /proc/self/fdinfo/0 /proc/self/fdinfo/1 /proc/self/fdinfo/2";
        let script = format!("trap '{look}; exit 3' TERM; trap : HUP; echo up; while :; do sleep 0.01; done");
        let run = |run: Winddown| {
            let run = run.stdin(Stream::File(file.clone().into())).command(["sh", "-c", &script]).start();
            run.wait_out("up");
            run
        };
        let run_with = run(winddown.args(["-v"]));
        run_with.signal(libc::SIGHUP);
        // By then winddown has written to its stderr.
        run_with.wait_err("forwarded");
        let run_without = run(Winddown::bare());
        for run in [&run_with, &run_without] {
            run.signal(libc::SIGTERM);
        }
        let out = run_with.wait().expect_code(3).out();
        assert_eq!(out, run_without.wait().expect_code(3).out());
        assert_eq!(out.len(), 7, "{out:?}");
    });
}

fn the_callers_directory_is_left() {
    // Trap 18: a directory that a wrapper stays in can't be unmounted.
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let run = winddown.directory(place.path()).workload("--say pid,ppid --print up --serve").start();
        run.wait_out("up");
        let directory = |pid: i32| std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        for pid in [run.pid(), run.number("ppid")] {
            eventually("winddown has left the directory", || directory(pid).as_os_str() == "/");
        }
        assert_eq!(directory(run.number("pid")), place.path());
        run.signal(libc::SIGTERM);
        run.wait().expect_signal(libc::SIGTERM);
    });
}

fn the_workload_leads_a_group_of_its_own() {
    guarded_or_not(|winddown| {
        let run = winddown.workload("--say pid,pgid,sid,tpgid --print up --serve").start();
        run.wait_out("up");
        assert_eq!(run.number("pgid"), run.number("pid"));
        // The session stays the caller's.
        assert_eq!(run.number("sid"), run.pid());
        assert_eq!(run.number("tpgid"), -1);
        let own = nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(run.pid())));
        assert_eq!(own.map(nix::unistd::Pid::as_raw), Ok(run.pid()));
        run.signal(libc::SIGTERM);
        run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
    });
}

fn with_a_terminal_the_group_is_shared() {
    for guard in [true, false] {
        let (winddown, workload) = (winddown_path(), workload_path());
        let mut words = vec![winddown.as_os_str()];
        words.extend((!guard).then_some(std::ffi::OsStr::new("--no-guard")));
        words.extend([workload.as_os_str(), "--say".as_ref(), "pgid,sid,tpgid".as_ref()]);
        words.extend(["--exit".as_ref(), "3".as_ref()] as [&std::ffi::OsStr; 2]);
        let mut pty = Pty::program(words);
        for name in ["pgid", "sid", "tpgid"] {
            assert_eq!(pty.number(name), pty.pid(), "{name}");
        }
        assert_eq!(pty.wait().code(), Some(3));
    }
}

/// A helper with a child of its own that both report in a file what they hear; and its pid.
fn helper(winddown: Winddown, log: &str) -> Winddown {
    let workload = workload_path();
    winddown.foreign_child(&format!(
        "{} --log {log} --spawn child kid [ --on all [ ] --serve ] --on all [ ] --say pid --serve",
        workload.display()
    ))
}

/// Asserts that helper and kid live on and have heard nothing. They die with the run.
#[track_caller]
fn unharmed(log: &str) {
    for name in ["pid", "kid pid"] {
        assert!(processes::is_alive(wait_number(log, name)), "{name}: {:?}", lines(log));
    }
    assert!(!lines(log).iter().any(|line| line.contains("got")), "{:?}", lines(log));
}

fn children_from_before_are_never_asked() {
    for to in ["main", "all"] {
        guarded_or_not(|winddown| {
            let place = TempDir::new();
            let log = place.file("log");
            let run = helper(winddown.args(["--to", to]), &log)
                .workload("--on TERM [ --sleep 100 --exit 3 ] --spawn child c [ --on TERM [ --exit 0 ] --serve ] --print up --serve")
                .start();
            run.wait_out("up");
            wait_number(&log, "pid");
            run.signal(libc::SIGTERM);
            let ended = run.wait().expect_code(3);
            unharmed(&log);
            drop(ended);
        });
    }
}

fn children_from_before_are_never_killed() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let log = place.file("log");
        let run = helper(winddown.args(["-t", "100ms", "-v"]), &log)
            .workload("--on TERM [ ] --spawn session c [ --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        wait_number(&log, "pid");
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_code(137);
        unharmed(&log);
        assert!(!processes::is_alive(ended.fact("c pid").parse().expect("a pid")));
    });
}

fn children_from_before_are_not_waited_for() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (log, go) = (place.file("log"), place.file("go"));
        let run = helper(winddown, &log).workload(&format!("--print up --until {go} --exit 3")).start();
        run.wait_out("up");
        wait_number(&log, "pid");
        place.write("go", "");
        // Silent, too: they are no stragglers.
        let ended = run.wait().expect_code(3);
        assert!(ended.err().is_empty(), "{}", ended.told());
        unharmed(&log);
    });
}

fn children_from_before_are_reaped() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (log, go) = (place.file("log"), place.file("go"));
        let helper = format!("{} --log {log} --say pid --until {go}", workload_path().display());
        let run = winddown.foreign_child(&helper).workload("--print up --sleep 20000").start();
        run.wait_out("up");
        let pid = wait_number(&log, "pid");
        assert_eq!(processes::info(pid).map(|info| info.parent), Some(run.pid()));
        place.write("go", "");
        eventually("the helper is reaped", || {
            processes::info(pid).is_none_or(|info| info.parent != run.pid())
        });
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
        assert_eq!(ended.err().len(), 2, "only the stop is told: {}", ended.told());
    });
}

fn children_from_before_may_have_ended_already() {
    guarded_or_not(|winddown| {
        let run = winddown.foreign_child("true").workload("--print up --sleep 20000").start();
        run.wait_out("up");
        let zombies =
            || processes::children(run.pid()).into_iter().filter(|child| child.state == 'Z').count();
        eventually("the helper is reaped", || zombies() == 0);
        run.signal(libc::SIGTERM);
        run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
    });
}

fn as_pid_1_children_from_before_belong_to_the_tree() {
    let place = TempDir::new();
    let (log, go) = (place.file("log"), place.file("go"));
    let helper =
        format!("{} --log {log} --on TERM [ --exit 0 ] --say pid --serve", workload_path().display());
    let run = Winddown::new()
        .pid_1()
        .foreign_child(&helper)
        .workload(&format!("--print up --until {go} --exit 3"))
        .start();
    run.wait_out("up");
    wait_number(&log, "pid");
    place.write("go", "");
    run.wait().expect_code(3).expect_nothing_left();
    assert!(lines(&log).iter().any(|line| line.starts_with("got 15")), "{:?}", lines(&log));
}
