//! What winddown keeps of its inherited environment, and what it gives up.

use std::io::PipeWriter;
use std::os::fd::AsRawFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::support::builder::{Stream, Winddown, guarded_or_not, winddown_path, workload_path};
use crate::support::running::Running;
use crate::support::{Pty, TempDir, eventually, file_lines, read_json, trials, wait_file_line};

trials![
    standard_streams_may_be_closed_at_the_start,
    a_run_without_streams_is_stopped_and_recorded_as_any_other,
    no_log_line_goes_into_what_took_the_place_of_stderr,
    pipes_end_when_the_workload_closes_them,
    stdin_breaks_when_the_workload_closes_it,
    inherited_descriptors_are_not_held,
    whatever_the_run_needs_is_kept,
    streams_keep_their_flags_and_position,
    the_callers_directory_is_left,
    the_workload_leads_a_group_of_its_own,
    with_a_terminal_the_group_is_shared,
];

/// A run with the standard streams closed whose bits are set.
fn closed(winddown: Winddown, bits: u8) -> Winddown {
    let stream = |bit: u8, open: Stream| if bits & bit == 0 { open } else { Stream::Closed };
    let winddown = winddown.stdin(stream(1, Stream::Null));
    winddown.stdout(stream(2, Stream::Pipe)).stderr(stream(4, Stream::Pipe))
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
            assert_eq!(file_lines(&log), [format!("fds {}", open.join(",")).trim_end()], "{}", ended.dump());
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
            wait_file_line(&log, "up");
            run.signal(libc::SIGTERM);
            run.wait().expect_code(3).expect_nothing_left();
            assert_eq!(read_json(record)["outcome"], "stopped");
        });
    }
}

fn no_log_line_goes_into_what_took_the_place_of_stderr() {
    // The workload opens a file, which gets number 2.
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
        assert_eq!(file_lines(&file), ["its own"]);
    });
}

/// Waits until the other side of a pipe is closed, without closing this side.
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
    wait_file_line(log, "up");
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
    // Trap 18: a wrapper holds inherited descriptors, so locks stay and pipes never end.
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

/// winddown shares them with the workload, and with any other process that has them.
fn whatever_the_run_needs_is_kept() {
    // Every descriptor that it can have: a debug build aborts if it closes one of its own with the inherited ones.
    let script = "exec 9>\"$1\" 2>\"$2\"; shift 2; NOTIFY_SOCKET=@nobody-is-here exec \"$@\"";
    for guard in [true, false] {
        let place = TempDir::new();
        let (record, token, after) = (place.file("run.json"), place.file("token"), place.file("after"));
        let log = place.file("log");
        let (winddown, hook) = (winddown_path().display().to_string(), format!("touch {after}"));
        let mut words = vec!["sh", "-c", script, "sh", &record, &log, &winddown, "--record", "fd:9"];
        words.extend(["--token", &token, "--extend-max", "1s", "--post-stop", &hook]);
        words.extend((!guard).then_some("--no-guard"));
        words.extend(["sh", "-c", "exit 3"]);
        let mut pty = Pty::program(words);
        let status = pty.wait().code();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "guard: {guard}");
        assert_eq!(status, Some(3), "guard: {guard}");
        assert_eq!(read_json(&record)["exit_status"], 3);
        assert!(std::path::Path::new(&after).exists(), "the hook ran");
    }
}

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
        // Once this line is there, winddown has written to its stderr.
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
    // Trap 18: a file system can't be unmounted while a wrapper stays in it.
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
