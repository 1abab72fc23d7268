//! Why did it not stop? Real programs that don't stop, and the cause that winddown finds.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::builder::Winddown;
use crate::support::docker::{Container, WINDDOWN_TESTED};
use crate::support::running::{Ended, Running};
use crate::support::trial::Unseen;
use crate::support::{TempDir, eventually, processes, read_json, trials};

trials![
    needs("bash") => a_shell_with_a_trap_waits_for_its_child,
    needs("python3") => a_child_that_nobody_asked_is_reported,
    needs("python3") => a_thread_that_is_no_daemon,
    needs("node") => a_server_that_drains_its_clients,
    needs("java", "javac") => a_slow_shutdown_hook_of_the_jvm,
    needs("python3") => a_signal_ignored_by_the_program,
    needs("python3") => a_signal_ignored_from_outside,
    needs("python3") => a_blocked_signal,
    needs("python3") => an_event_loop_that_does_not_turn,
    needs("python3") => a_lock_held_by_another_process,
    needs("python3") => nobody_reads_its_stdout,
    needs("bash") => a_stopped_process,
    needs("python3") => the_parent_of_a_vfork,
    needs("python3") => a_busy_loop,
    needs("root", "pid-namespace", "python3") => pid_1_of_a_namespace,
    needs("python3") => a_handler_that_only_sets_a_flag,
    needs("python3") => a_server_that_was_not_asked,
    needs("python3") => a_stop_that_is_slow_but_goes_on,
    alone needs("python3", "taskset") => a_starved_machine,
    needs("python3") => a_sleep_in_the_handler,
    needs("root", "python3", "setpriv") => what_cannot_be_read_is_said,
    long needs("docker") => an_unprivileged_container_by_default,
    many_alike_share_a_finding,
];

/// The post-mortem of a run.
pub(crate) struct Found {
    pub(crate) ended: Ended,
    pub(crate) record: Value,
}

/// Runs a program until it prints `up`, asks it to stop, and has it killed a second later.
#[track_caller]
pub(crate) fn killed(command: &[&str]) -> Found {
    killed_after(Winddown::new().command(command), |_| {})
}

#[track_caller]
pub(crate) fn killed_after(winddown: Winddown, then: impl FnOnce(&Running)) -> Found {
    let place = TempDir::new();
    // Also for a winddown that runs as another user.
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let record = place.file("record");
    let run = winddown.args(["-t", "1s", "--record", record.as_str()]).owns(&place).start();
    run.wait_out("up");
    then(&run);
    run.signal(libc::SIGTERM);
    let ended = run.wait().expect_nothing_left();
    let record = read_json(&record);
    assert_eq!(record["outcome"], "killed", "{}", ended.dump());
    Found { ended, record }
}

/// A shell prints `up` before its child is there.
#[track_caller]
pub(crate) fn wait_for_child(run: &Running, name: &str) {
    eventually("the child is there", || run.tag().living().iter().any(|one| one.name == name));
}

pub(crate) fn python(program: &str) -> Found {
    killed(&["python3", "-c", program])
}

impl Found {
    /// The first finding, which the log shows as well.
    #[track_caller]
    pub(crate) fn expect(self, code: &str, text: &str) -> Self {
        let first = &self.record["findings"][0];
        let found = first["text"].as_str().unwrap_or_default();
        self.holds(first["code"] == code && found.contains(text), &format!("no {code} {text:?}"));
        let is_line = |line: &String| line.contains("why (") && line.contains(code) && line.contains(text);
        assert!(self.ended.err().iter().any(is_line), "{}", self.ended.dump());
        self.keep(code, text);
        self
    }

    /// winddown can't report what it didn't see: a run without time for a snapshot is repeated.
    #[track_caller]
    fn holds(&self, condition: bool, otherwise: &str) {
        let text = || format!("{otherwise}\n{}", self.ended.dump());
        if !condition && !self.has_seen_all() {
            std::panic::resume_unwind(Box::new(Unseen(text())));
        }
        assert!(condition, "{}", text());
    }

    /// Whether every process of the last snapshot is among the killed: a parent in `wait4` that does not die at once
    /// may reap a child that SIGKILL ended first.
    fn has_killed_all(&self) -> bool {
        let killed: Vec<&Value> =
            self.record["killed"].as_array().unwrap().iter().map(|one| &one["pid"]).collect();
        let last = self.record["looks"].as_array().unwrap().last();
        last.is_some_and(|last| {
            last["processes"].as_array().unwrap().iter().all(|seen| killed.contains(&&seen["pid"]))
        })
    }

    /// Whether the snapshot before the signal has every process, and each snapshot has all sockets.
    fn has_seen_all(&self) -> bool {
        let looks = self.record["looks"].as_array().unwrap();
        let has_no_time = |seen: &Value| seen["unreadable"].to_string().contains("no time for all of them");
        let all = |look: &Value| !look["processes"].as_array().unwrap().iter().any(has_no_time);
        let is_whole = |first: &Value| first["moment"] == "before" && first["left_out"] == 0;
        looks.first().is_some_and(is_whole) && looks.iter().all(all) && self.has_killed_all()
    }

    /// Renews the recorded snapshots for `tests/looks.rs`, if asked to.
    fn keep(&self, code: &str, text: &str) {
        let Some(folder) = std::env::var_os("WINDDOWN_KEEP_LOOKS") else { return };
        let pids: Vec<&Value> =
            self.record["killed"].as_array().unwrap().iter().map(|one| &one["pid"]).collect();
        let looks: Vec<String> =
            self.record["looks"].as_array().unwrap().iter().map(ToString::to_string).collect();
        let case = format!(
            "{{\"code\": \"{code}\", \"text\": {}, \"progress\": {}, \"killed\": {},\n\"looks\": [\n{}\n]}}\n",
            serde_json::json!(text),
            self.record["progress"],
            serde_json::json!(pids),
            looks.join(",\n")
        );
        let name = self.record["command"][0].as_str().unwrap();
        std::fs::write(std::path::Path::new(&folder).join(format!("{code}-{name}.json")), case).unwrap();
    }

    /// A further finding.
    #[track_caller]
    pub(crate) fn expect_also(self, code: &str, text: &str) -> Self {
        let all = self.record["findings"].as_array().unwrap();
        let is_it = |one: &Value| one["code"] == code && one["text"].as_str().unwrap().contains(text);
        self.holds(all.iter().any(is_it), &format!("no {code} {text:?}"));
        self.keep(code, text);
        self
    }

    /// No process has this finding, however much there was time to see.
    #[track_caller]
    pub(crate) fn expect_no(self, code: &str) -> Self {
        let all = self.record["findings"].as_array().unwrap();
        assert!(all.iter().all(|one| one["code"] != code), "{code}\n{}", self.ended.dump());
        self
    }

    #[track_caller]
    fn expect_progress(self, word: &str) -> Self {
        assert_eq!(self.record["progress"], word, "{}", self.ended.dump());
        self
    }

    /// The text of a finding.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.record["findings"][index]["text"].as_str().unwrap()
    }

    fn pid(&self) -> i64 {
        self.record["main"]["pid"].as_i64().unwrap()
    }
}

fn a_shell_with_a_trap_waits_for_its_child() {
    let script = "trap 'exit 0' TERM; echo up; sleep 300; echo";
    let found =
        killed_after(Winddown::new().command(["bash", "-c", script]), |run| wait_for_child(run, "sleep"));
    let found = found.expect("W08", "waits for its child sleep").expect_progress("frozen");
    let findings = found.record["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "the child is reported with its parent");
    assert!(findings[0]["text"].as_str().unwrap().contains("which was not asked"));
    assert_eq!(findings[0]["pid"], found.pid());
}

fn a_child_that_nobody_asked_is_reported() {
    python(
        "import signal,select,subprocess\n\
         signal.signal(15, lambda *a: None)\n\
         child = subprocess.Popen(['sleep', '300'])\n\
         print('up', flush=True)\n\
         while True: select.select([], [], [])",
    )
    .expect("W07", "was never asked: python3");
}

fn a_thread_that_is_no_daemon() {
    python(
        "import signal,sys,threading,time\n\
         signal.signal(15, lambda *a: sys.exit(0))\n\
         def work():\n \
          while True: time.sleep(3600)\n\
         for i in range(2): threading.Thread(target=work).start()\n\
         print('up', flush=True)\n\
         while True: time.sleep(3600)",
    )
    .expect("W11", "for its 2 threads: 2 in clock_nanosleep")
    .expect_progress("frozen");
}

fn a_server_that_drains_its_clients() {
    let program = "const s = require('http').createServer((q, r) => r.write('x'));\
                   s.listen(0, '127.0.0.1', () => console.log('up ' + s.address().port));\
                   process.on('SIGTERM', () => s.close());";
    let mut client = None;
    let found = killed_after(Winddown::new().command(["node", "-e", program]), |run| {
        let port: u16 = run.fact("up").parse().unwrap();
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let answered = std::io::Read::read(&mut stream, &mut [0; 16]).unwrap();
        assert!(answered > 0);
        client = Some(stream);
    });
    let address = client.unwrap().local_addr().unwrap().to_string();
    let found = found.expect("W09", "no longer listens and waits for 1 connection");
    found.expect("W09", &address).expect_progress("frozen");
}

fn a_slow_shutdown_hook_of_the_jvm() {
    let place = TempDir::new();
    let source = "public class Slow { public static void main(String[] words) throws Exception {\
                  Runtime.getRuntime().addShutdownHook(new Thread(() -> {\
                  try { Thread.sleep(1000000); } catch (Exception e) {} }, \"my-hook\"));\
                  System.out.println(\"up\"); Thread.sleep(1000000); } }";
    let file = place.write("Slow.java", source);
    let compiled = std::process::Command::new("javac").args(["-d", &place.file("")]).arg(file).status();
    assert!(compiled.unwrap().success());
    let winddown = Winddown::new().command(["java", "-Xshare:auto", "-cp", &place.file(""), "Slow"]);
    killed_after(winddown.owns(&place), |_| {}).expect("W11", "runs its shutdown hooks: my-hook");
}

fn a_signal_ignored_by_the_program() {
    python("import signal,time\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(300)")
        .expect("W04", "ignores SIGTERM");
}

fn a_signal_ignored_from_outside() {
    let program = "import time\nprint('up', flush=True)\ntime.sleep(300)";
    let winddown = Winddown::new().command(["python3", "-c", program]).ignored([libc::SIGTERM]);
    killed_after(winddown, |_| {}).expect("W04", "winddown itself was started with it ignored");
}

fn a_blocked_signal() {
    python(
        "import signal\n\
         signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n\
         print('up', flush=True)\n\
         signal.pause()",
    )
    .expect("W05", "blocks SIGTERM in every thread");
}

fn an_event_loop_that_does_not_turn() {
    python(
        "import signal,ctypes,time\n\
         signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n\
         mask = (ctypes.c_ulong * 16)(1 << 14)\n\
         assert ctypes.CDLL(None).signalfd(-1, mask, 0) >= 0\n\
         print('up', flush=True)\n\
         time.sleep(300)",
    )
    .expect("W06", "pending in a signalfd")
    .expect_also("W06", "in clock_nanosleep");
}

fn a_lock_held_by_another_process() {
    let place = TempDir::new();
    let lock = place.file("lock");
    let holder = Winddown::bare()
        .command([
            "python3",
            "-c",
            "import fcntl,sys,time\nf = open(sys.argv[1], 'w')\nfcntl.flock(f, 2)\nprint('up', flush=True)\ntime.sleep(300)",
            &lock,
        ])
        .start();
    holder.wait_out("up");
    let program = "import fcntl,signal,sys\n\
                   signal.signal(15, lambda *a: None)\n\
                   f = open(sys.argv[1], 'w')\n\
                   print('up', flush=True)\n\
                   fcntl.flock(f, 2)";
    let found = killed(&["python3", "-c", program, &lock]);
    let by = format!("held by python3 (pid {})", holder.pid());
    found.expect("W13", &lock).expect("W13", &by);
    holder.signal(libc::SIGTERM);
    holder.wait();
}

fn nobody_reads_its_stdout() {
    python(
        "import os,signal\n\
         signal.signal(15, lambda *a: None)\n\
         r, w = os.pipe()\n\
         print('up', flush=True)\n\
         os.dup2(w, 1)\n\
         while True: os.write(1, b'x' * 65536)",
    )
    .expect("W14", "writes to its stdout, a pipe")
    .expect_progress("frozen");
}

fn a_stopped_process() {
    let script = "trap : TERM; bash -c 'trap : TERM; kill -STOP $$' & echo up; while :; do wait; done";
    let is_stopped = |run: &Running| {
        let inner = |pid| processes::state(pid) == Some('T');
        eventually("it is stopped", || run.tag().living().iter().any(|one| inner(one.pid)));
    };
    let found = killed_after(Winddown::new().command(["bash", "-c", script]), is_stopped);
    found.expect("W08", "waits for its child bash").expect_also("W01", "is stopped");
}

fn the_parent_of_a_vfork() {
    let number = if cfg!(target_arch = "x86_64") { 56 } else { 220 };
    python(&format!(
        "import ctypes,signal\n\
         signal.signal(15, lambda *a: None)\n\
         print('up', flush=True)\n\
         # CLONE_VFORK without CLONE_VM: the parent waits, the memory is not shared.\n\
         if ctypes.CDLL(None).syscall({number}, 0x4000 | 17, 0, 0, 0, 0) == 0:\n \
          while True: signal.pause()\n\
         while True: signal.pause()"
    ))
    .expect("W02", "waits in vfork for python3");
}

fn a_busy_loop() {
    let found = python(
        "import signal\nsignal.signal(15, lambda *a: None)\nprint('up', flush=True)\nwhile True: pass",
    );
    // If other processes want the CPU as well, winddown reports that.
    if found.record["progress"] == "starved" {
        found.expect("W19", "waited for a CPU for");
    } else {
        found.expect("W16", "of CPU since it was asked").expect_progress("spinning");
    }
}

fn pid_1_of_a_namespace() {
    let program = "import time\nprint('up', flush=True)\ntime.sleep(300)";
    let command = ["unshare", "--pid", "--fork", "--mount-proc", "python3", "-c", program];
    let winddown = || Winddown::new().command(command);
    let found = killed_after(winddown().args(["--to", "all"]), |_| {});
    found.expect_also("W03", "is PID 1 of a namespace without a handler");
    // unshare doesn't pass the signal on, so no signal was dropped.
    let found = killed_after(winddown(), |_| {});
    found.expect_also("W07", "was never asked: unshare").expect_no("W03");
}

fn a_handler_that_only_sets_a_flag() {
    let program = "import os,signal\n\
                   signal.signal(15, lambda *a: None)\n\
                   r, w = os.pipe()\n\
                   print('up', flush=True)\n\
                   os.read(r, 1)";
    let found = killed_after(Winddown::new().command(["python3", "-c", program]), |run| {
        let call = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        let reads = format!("{} ", libc::SYS_read);
        let python = |name: &str| name.starts_with("python3");
        eventually("it reads", || {
            run.tag().living().iter().any(|one| python(&one.name) && call(one.pid).starts_with(&reads))
        });
    });
    found.expect("W17", "in read on a pipe");
}

fn a_server_that_was_not_asked() {
    python(
        "import select,signal,socket\n\
         signal.signal(15, lambda *a: None)\n\
         s = socket.socket()\n\
         s.bind(('127.0.0.1', 0))\n\
         s.listen()\n\
         print('up', flush=True)\n\
         while True: select.select([s], [], [])",
    )
    .expect("W10", "still listens on 127.0.0.1:");
}

fn a_stop_that_is_slow_but_goes_on() {
    // The program closes one of many files every 30 ms.
    python(
        "import os,signal,sys,time\n\
         files = [os.open('/dev/null', 0) for i in range(200)]\n\
         def stop(*a):\n \
          while files:\n  \
           os.close(files.pop())\n  \
           time.sleep(0.03)\n \
          sys.exit(0)\n\
         signal.signal(15, stop)\n\
         print('up', flush=True)\n\
         while True: time.sleep(3600)",
    )
    .expect("W18", "is slow, not stuck: open files")
    .expect_progress("progressing");
}

fn a_starved_machine() {
    // Nine busy processes share the program's CPU.
    let program = "import os,signal\n\
                   signal.signal(15, lambda *a: None)\n\
                   for i in range(9):\n \
                    if os.fork() == 0:\n  \
                     while True: pass\n\
                   print('up', flush=True)\n\
                   while True: pass";
    let found =
        killed_after(Winddown::new().command(["taskset", "-c", "0", "python3", "-c", program]), |_| {});
    found.expect("W19", "waited for a CPU for").expect_progress("starved");
}

fn a_sleep_in_the_handler() {
    python(
        "import signal,time\n\
         signal.signal(15, lambda *a: time.sleep(300))\n\
         print('up', flush=True)\n\
         signal.pause()",
    )
    .expect("W15", "sleeps, in clock_nanosleep");
}

fn what_cannot_be_read_is_said() {
    // An ordinary user's winddown, and a program that it may not inspect.
    let program = "import ctypes,signal\n\
                   signal.signal(15, lambda *a: None)\n\
                   ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n\
                   print('up', flush=True)\n\
                   while True: signal.pause()";
    let winddown =
        Winddown::new().prefix(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    let found = killed_after(winddown.args(["--no-guard"]).command(["python3", "-c", program]), |_| {});
    let is_said =
        |line: &String| line.contains("not readable for python3") && line.contains("fd: Permission denied");
    assert!(found.ended.err().iter().any(is_said), "{}", found.ended.dump());
    let seen = &found.record["looks"][1]["processes"][0];
    assert_eq!(seen["file_count"], Value::Null);
    assert_eq!(seen["signals"]["caught"].as_str().map(|bits| bits.len() >= 4), Some(true), "{seen}");
}

/// With the engine's default options, and as an ordinary user: everything can be read.
fn an_unprivileged_container_by_default() {
    let script = "trap : TERM; /workload --on TERM [ ] --print up --serve; echo";
    for (options, words, code, text) in [
        (
            "",
            vec!["/workload", "--ignore", "TERM", "--print", "up", "--serve"],
            "W04 ignored",
            "in rt_sigtimedwait",
        ),
        ("--user 1000:1000", vec!["sh", "-c", script], "W08 wait-child", "in wait4"),
    ] {
        let container = Container::new();
        let options = format!("--entrypoint {WINDDOWN_TESTED} {options}");
        let words: Vec<&str> = ["-t", "1s", "--"].into_iter().chain(words).collect();
        let run = container.run_words(&options, &words);
        run.wait_out("up");
        container.docker("stop");
        let ended = run.wait().expect_code(137).expect_nothing_left();
        let lines = ended.err();
        let is_reported = |part: &str| lines.iter().any(|line| line.contains(part));
        assert!(is_reported(code) && is_reported(text) && is_reported(" files"), "{}", ended.dump());
        assert!(!is_reported("not readable"), "{}", ended.dump());
    }
}

fn many_alike_share_a_finding() {
    let found = killed_after(
        Winddown::new()
            .workload("--ignore TERM --spawn child*8 w [ --ignore TERM --serve ] --print up --serve"),
        |_| {},
    );
    let findings = found.record["findings"].as_array().unwrap();
    let others: Vec<_> = findings.iter().map(|one| one["others"].as_u64().unwrap()).collect();
    assert_eq!(others, [0, 7], "{}", found.ended.dump());
}
