//! The workload inherits exactly what winddown inherited.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::support::builder::{Stream, Winddown, guarded_or_not, winddown_path, workload_path};
use crate::support::{TempDir, trials};

trials![
    every_signal_keeps_its_disposition,
    every_signal_keeps_its_place_in_the_mask,
    what_c_libraries_keep_for_themselves_is_inherited_too,
    nohup_reaches_the_workload,
    a_background_job_of_a_shell_stays_one,
    ignored_child_signals_are_inherited_and_do_no_harm,
    a_stop_is_heard_though_everything_was_blocked_and_ignored,
    the_workload_gets_no_descriptor_of_winddown,
    inherited_descriptors_reach_the_workload,
    the_environment_is_inherited_byte_for_byte,
    the_directory_is_the_same,
    arguments_are_of_any_bytes_and_length,
    the_first_argument_is_as_given,
    nothing_else_of_a_process_is_changed,
];

/// A set of signals as /proc writes it.
fn hex(signals: impl IntoIterator<Item = i32>) -> String {
    format!("{:016x}", signals.into_iter().fold(0_u64, |bits, signal| bits | 1 << (signal - 1)))
}

/// Signals that C programs can ignore or block: not KILL and STOP, nor the two that glibc reserves.
fn ordinary() -> impl Iterator<Item = i32> {
    (1..=64).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP, 32, 33].contains(signal))
}

/// Sets of signals: each signal is in one and missing from another, and usual sets.
fn patterns() -> Vec<Vec<i32>> {
    vec![
        vec![],
        ordinary().collect(),
        ordinary().filter(|signal| signal % 2 == 0).collect(),
        ordinary().filter(|signal| signal % 2 == 1).collect(),
        vec![libc::SIGPIPE],
        vec![libc::SIGCHLD],
        vec![libc::SIGINT, libc::SIGQUIT],
        vec![libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU],
    ]
}

fn every_signal_keeps_its_disposition() {
    // Trap 5: ignored signals are lost (Rust's Command: INT and PIPE), or more are ignored.
    for ignored in patterns() {
        guarded_or_not(|winddown| {
            let winddown = winddown.ignored(ignored.clone()).workload("--say ignored,mask,status:SigCgt");
            let ended = winddown.run().expect_code(0);
            assert_eq!(ended.fact("ignored"), hex(ignored.clone()));
            assert_eq!(ended.fact("mask"), hex([]));
            assert_eq!(ended.fact("status:SigCgt"), hex([]));
        });
    }
}

fn every_signal_keeps_its_place_in_the_mask() {
    // Trap 5: signals are unblocked, or more are blocked (TSTP: then Ctrl+Z never stops the workload).
    for blocked in patterns() {
        guarded_or_not(|winddown| {
            let winddown = winddown.blocked(blocked.clone()).workload("--say mask,ignored");
            let ended = winddown.run().expect_code(0);
            assert_eq!(ended.fact("mask"), hex(blocked.clone()));
            assert_eq!(ended.fact("ignored"), hex([]));
        });
    }
}

/// Executes a program by system calls alone, with dispositions that no library would set, and an
/// environment that no library would build.
fn image(
    words: &[&OsStr],
    environment: &[&[u8]],
    ignored: u64,
    blocked: u64,
) -> impl FnMut() -> std::io::Result<()> + Send + Sync + 'static {
    let strings = |all: &[&[u8]]| -> Vec<CString> {
        all.iter().map(|one| CString::new(one.to_vec()).expect("no NUL")).collect()
    };
    let addresses = |all: &[CString]| -> Vec<usize> {
        all.iter().map(|one| one.as_ptr().expose_provenance()).chain([0]).collect()
    };
    let words = strings(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
    let environment = strings(environment);
    let lists = (addresses(&words), addresses(&environment));
    move || {
        let ignore = [libc::SIG_IGN as u64, 0, 0, 0];
        for signal in (1..=64).filter(|signal| ignored >> (signal - 1) & 1 == 1) {
            // SAFETY: the array is at least as large as the kernel's structure.
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, ignore.as_ptr(), 0_usize, 8_usize) };
        }
        let (set, none) = (&raw const blocked, 0_usize);
        // SAFETY: a set of the size that is passed; then lists that end with null, of strings that the
        // closure owns.
        unsafe {
            libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, set, none, 8_usize);
            libc::execve(words[0].as_ptr(), lists.0.as_ptr().cast(), lists.1.as_ptr().cast());
        }
        let _ = &environment;
        Err(std::io::Error::last_os_error())
    }
}

fn what_c_libraries_keep_for_themselves_is_inherited_too() {
    let all = !(1_u64 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1));
    let (winddown, workload) = (winddown_path(), workload_path());
    let words = [winddown.as_os_str(), workload.as_os_str(), "--say".as_ref(), "mask,ignored".as_ref()];
    for (ignored, blocked) in [(all, all), (all, 0), (0, all), (1 << 31, 1 << 32)] {
        // `true` never runs: the closure has executed winddown by then.
        let run = Winddown::bare().command(["true"]).before_exec(image(&words, &[], ignored, blocked));
        let ended = run.run().expect_code(0).expect_nothing_left();
        assert_eq!(ended.fact("ignored"), format!("{ignored:016x}"));
        assert_eq!(ended.fact("mask"), format!("{blocked:016x}"));
    }
}

fn nohup_reaches_the_workload() {
    guarded_or_not(|winddown| {
        let run = winddown.prefix(["nohup"]).workload("--say ignored --print up --sleep 20000").start();
        run.wait_out("up");
        assert_eq!(run.fact("ignored"), hex([libc::SIGHUP]));
        // Neither winddown nor the workload dies of it, and no stop begins.
        run.signal(libc::SIGHUP);
        run.signal(libc::SIGTERM);
        let ended = run.wait().expect_signal(libc::SIGTERM).expect_nothing_left();
        assert!(ended.err().iter().any(|line| line.contains("SIGTERM from")), "{}", ended.dump());
    });
}

fn a_background_job_of_a_shell_stays_one() {
    guarded_or_not(|winddown| {
        let ended = winddown
            .prefix(["sh", "-c", "\"$@\" & wait \"$!\"", "sh"])
            .stdin(Stream::Pipe)
            .workload("--say ignored,mask,fd:0 --exit 3")
            .run()
            .expect_code(3);
        assert_eq!(ended.fact("ignored"), hex([libc::SIGINT, libc::SIGQUIT]));
        assert_eq!(ended.fact("mask"), hex([]));
        assert_eq!(ended.fact("fd:0"), "/dev/null");
    });
}

fn ignored_child_signals_are_inherited_and_do_no_harm() {
    // Trap 2: with SIGCHLD inherited as ignored the kernel reaps, and the wrapper waits forever.
    guarded_or_not(|winddown| {
        let ended = winddown
            .ignored([libc::SIGCHLD])
            .workload("--say ignored --orphans 5 --spawn daemon d [ --serve ] --exit 3")
            .run()
            .expect_code(3)
            .expect_nothing_left();
        assert_eq!(ended.fact("ignored"), hex([libc::SIGCHLD]));
    });
    guarded_or_not(|winddown| {
        winddown.ignored([libc::SIGCHLD]).blocked([libc::SIGCHLD]).command(["true"]).run().expect_code(0);
    });
}

fn a_stop_is_heard_though_everything_was_blocked_and_ignored() {
    guarded_or_not(|winddown| {
        let run = winddown
            .args(["-t", "400ms"])
            .ignored(ordinary())
            .blocked(ordinary())
            .workload("--on TERM [ --exit 3 ] --spawn child c [ --serve ] --print up --serve")
            .start();
        run.wait_out("up");
        run.signal(libc::SIGTERM);
        // The child has TERM ignored and blocked: only the deadline ends it.
        let ended = run.wait();
        assert_eq!(ended.count_out("got 15"), 1, "{}", ended.dump());
        ended.expect_code(3).expect_nothing_left();
    });
}

fn the_workload_gets_no_descriptor_of_winddown() {
    let place = TempDir::new();
    let record = place.file("run.json");
    guarded_or_not(|winddown| {
        let ended = winddown.args(["-v", "--record", &record]).workload("--say fds").run().expect_code(0);
        assert_eq!(ended.fact("fds"), "0,1,2");
    });
}

fn inherited_descriptors_reach_the_workload() {
    use std::os::fd::AsRawFd as _;
    guarded_or_not(|winddown| {
        let file = std::fs::File::open("/dev/zero").expect("/dev/zero");
        let (_reader, writer) = std::io::pipe().expect("a pipe");
        let mut numbers = [file.as_raw_fd(), writer.as_raw_fd()];
        let ended = winddown
            .inherits(file.into())
            .inherits(writer.into())
            .workload(&format!("--say fds,fd:{},fd:{}", numbers[0], numbers[1]))
            .run()
            .expect_code(0);
        assert_eq!(ended.fact(&format!("fd:{}", numbers[0])), "/dev/zero");
        assert!(ended.fact(&format!("fd:{}", numbers[1])).starts_with("pipe:"));
        numbers.sort_unstable();
        assert_eq!(ended.fact("fds"), format!("0,1,2,{},{}", numbers[0], numbers[1]));
    });
}

fn the_environment_is_inherited_byte_for_byte() {
    let inherited: [&[u8]; 12] = [
        b"TWICE=1",
        b"A=\xff\xfe\x80",
        b"WINDDOWN_TIME_LIMIT=3s",
        b"no equals sign",
        b"=odd=",
        b"",
        b"EMPTY=",
        b"LINES=a\nb\n",
        b"WINDDOWN_OTHER=\xff",
        b"SHUTDOWN_LIMIT_MS=1",
        b"TWICE=2",
        b"\xff=name",
    ];
    let winddown = winddown_path();
    let words = [winddown.as_os_str(), "/bin/cat".as_ref(), "/proc/self/environ".as_ref()];
    let run = Winddown::bare().command(["true"]).before_exec(image(&words, &inherited, 0, 0));
    let ended = run.run().expect_code(0);
    let ours: [&[u8]; 2] = [b"WINDDOWN_TIME_LIMIT=3s", b"SHUTDOWN_LIMIT_MS=1"];
    let kept = inherited.into_iter().filter(|entry| !ours.contains(entry));
    let added: [&[u8]; 2] = [b"SHUTDOWN_LIMIT_MS=3000", b"SHUTDOWN_ATTEMPT=1"];
    let kept: Vec<&[u8]> = kept.chain(added).collect();
    let text = |entries: &[&[u8]]| entries.join(&0).escape_ascii().to_string() + "\\x00";
    assert_eq!(ended.out_bytes().escape_ascii().to_string(), text(&kept), "{}", ended.dump());
}

fn the_directory_is_the_same() {
    let place = TempDir::new();
    guarded_or_not(|winddown| {
        let ended = winddown.directory(place.path()).workload("--say cwd").run().expect_code(0);
        assert_eq!(ended.fact("cwd"), place.path().to_str().expect("text"));
    });
}

fn arguments_are_of_any_bytes_and_length() {
    let hex = |word: &[u8]| {
        if word.is_empty() {
            return "-".to_owned();
        }
        word.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    };
    let mut words: Vec<Vec<u8>> =
        vec![vec![], (1..=255).collect(), b"\n".to_vec(), vec![], vec![b'x'; 131_071]];
    words.extend((0..3000_u32).map(|number| number.to_le_bytes().map(|byte| byte.max(1)).to_vec()));
    guarded_or_not(|winddown| {
        let more = words.iter().map(|word| std::ffi::OsString::from_vec(word.clone()));
        let ended = winddown.workload("--say args --").more(more).run().expect_code(0);
        let expected: Vec<String> = words.iter().map(|word| hex(word)).collect();
        assert_eq!(ended.fact("args"), expected.join(" "));
    });
}

fn the_first_argument_is_as_given() {
    let workload = workload_path();
    let ended = Winddown::new().workload("--say argv0").run().expect_code(0);
    assert_eq!(ended.fact("argv0"), workload.to_str().expect("text"));
    let directory = workload.parent().expect("a directory");
    let run = Winddown::new().env("PATH", directory).command(["workload", "--say", "argv0"]);
    assert_eq!(run.run().expect_code(0).fact("argv0"), "workload");
    let run = Winddown::new().directory(directory).command(["./workload", "--say", "argv0"]);
    assert_eq!(run.run().expect_code(0).fact("argv0"), "./workload");
}

/// Limits, user, groups, capabilities, umask and priorities are the same as without winddown.
fn nothing_else_of_a_process_is_changed() {
    const LOOK: &str = "grep -vE '^(Name|Pid|Tgid|NSpid|NStgid|NSpgid|NSsid|PPid|Vm|Rss|Hugetlb|voluntary|nonvoluntary\
        |FDSize|Threads|SigQ|Speculation|x86|Mems|Cpus|CoreDumping|State|Tracer)' /proc/self/status; \
        cat /proc/self/limits /proc/self/oom_score_adj /proc/self/timerslack_ns; umask; nice; \
        cut -d' ' -f 18,19,40,41 /proc/self/stat";
    let started = |run: Winddown| {
        let run = run.command(["sh", "-c", LOOK]).limit(libc::RLIMIT_CORE, 4096);
        let run = run.limit(libc::RLIMIT_NOFILE, 77).before_exec(|| {
            // SAFETY: both take numbers and change only the new process.
            unsafe {
                libc::umask(0o051);
                libc::nice(3);
            }
            Ok(())
        });
        run.run().expect_code(0).out()
    };
    let bare = started(Winddown::bare());
    assert!(bare.iter().any(|line| line == "0051"), "{bare:?}");
    guarded_or_not(|winddown| assert_eq!(started(winddown), bare));
}
