//! Readiness: when the workload counts as ready, who learns of it, and what is left of that at the end.

use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::support::builder::{Stream, Winddown, guarded_or_not};
use crate::support::manager::Manager;
use crate::support::processes::{all, children, state};
use crate::support::running::Running;
use crate::support::{TempDir, eventually, holds_within, read_json, trials};

trials![
    needs("python3") => a_service_manager_learns_that_a_plain_server_listens,
    needs("python3") => the_file_is_there_while_the_server_is_ready,
    needs("python3") => an_answer_by_http_is_readiness,
    needs("python3") => any_socket_of_the_workload_will_do,
    needs("python3") => a_socket_of_an_earlier_run_does_not_count,
    a_port_of_another_process_does_not_count,
    a_file_of_an_earlier_run_does_not_count,
    ready_1_is_a_condition_and_goes_on_once,
    all_conditions_have_to_hold,
    one_condition_a_line_in_the_variable,
    a_command_leaves_nothing_behind,
    the_end_of_the_main_process_takes_the_file,
    whichever_process_is_killed_the_file_goes,
    a_probe_that_is_killed_starts_again,
    a_probe_is_none_of_the_workload,
    a_file_of_somebody_else_is_refused,
    a_start_that_never_ends_is_in_the_record,
];

/// A server that listens after a while, and says so. It outlives a client that only connects.
const SERVER: &str = "import socket,sys,time
time.sleep(0.2)
s = socket.socket(socket.AF_UNIX if sys.argv[1] == 'unix' else socket.AF_INET)
host, _, port = sys.argv[2].rpartition(':')
s.bind(sys.argv[2] if sys.argv[1] == 'unix' else (host, int(port)))
s.listen()
print('listens', flush=True)
while True:
    c, _ = s.accept()
    if c.recv(4096):
        c.sendall(b'HTTP/1.1 204 No Content\\r\\n\\r\\n')
    c.close()
";

/// A port at an address that no other test uses, nor any connection.
pub(crate) fn free_place() -> String {
    static USED: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    format!("127.{high}.{low}.{}:8080", 2 + USED.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn server(winddown: Winddown, kind: &str, place: &str) -> Winddown {
    winddown.command(["python3", "-c", SERVER, kind, place])
}

fn wait_for(file: &str) {
    eventually("the ready file", || Path::new(file).exists());
}

fn is_there(file: &str) -> bool {
    Path::new(file).exists()
}

/// Stops a run, and checks that the file has gone before the workload was asked.
fn stop(run: Running, file: &str) {
    run.signal(libc::SIGTERM);
    run.wait().expect_nothing_left();
    assert!(!is_there(file), "the file is left");
}

fn supervisor(run: &Running, is_guarded: bool) -> i32 {
    if is_guarded { children(run.pid())[0].pid } else { run.pid() }
}

fn probe(supervisor: i32) -> Option<i32> {
    children(supervisor).iter().find(|child| child.name == "wd-ready").map(|child| child.pid)
}

fn a_service_manager_learns_that_a_plain_server_listens() {
    guarded_or_not(|winddown| {
        let (manager, at) = (Manager::new(), free_place());
        let winddown = winddown.env("NOTIFY_SOCKET", manager.name()).args(["--ready", &format!("tcp:{at}")]);
        let run = server(winddown, "tcp", &at).start();
        let message = manager.next();
        assert_eq!(message.text, "READY=1\n");
        assert_eq!(message.pid, run.pid(), "the process that the manager has started");
        run.wait_out("listens");
        run.signal(libc::SIGTERM);
        run.wait().expect_nothing_left();
        let (_, before) = manager.until("STOPPING=1");
        assert!(before.is_empty(), "READY=1 comes once: {before:?}");
    });
}

fn the_file_is_there_while_the_server_is_ready() {
    guarded_or_not(|winddown| {
        let (place, at) = (TempDir::new(), free_place());
        let file = place.file("ready");
        // One of a run that could not remove its own.
        std::fs::write(&file, "ready pid=1\n").expect("a file");
        let winddown = winddown.args(["-v", "--ready", &format!("tcp:{at}"), "--ready-file", &file]);
        let shell = format!("[ ! -e {file} ] && echo fresh; exec \"$@\"");
        let run = winddown.command(["sh", "-c", &shell, "-", "python3", "-c", SERVER, "tcp", &at]).start();
        run.wait_out("fresh");
        wait_for(&file);
        assert_eq!(std::fs::read_to_string(&file).expect("whole"), format!("ready pid={}\n", run.pid()));
        run.wait_err("is ready after");
        stop(run, &file);
    });
}

fn an_answer_by_http_is_readiness() {
    let (place, at) = (TempDir::new(), free_place());
    let file = place.file("ready");
    let url = format!("http://{at}/health");
    let winddown = Winddown::new().args(["-v", "--ready", &url, "--ready-file", &file]);
    let run = server(winddown, "tcp", &at).start();
    run.wait_err("HTTP 204 at /health");
    wait_for(&file);
    stop(run, &file);
}

fn any_socket_of_the_workload_will_do() {
    let folder = TempDir::new();
    for (kind, place) in [("tcp", "127.0.0.1:0".to_owned()), ("unix", folder.file("socket"))] {
        let run = server(Winddown::new().args(["-v", "--ready", "auto"]), kind, &place).start();
        run.wait_err("listening on");
        run.signal(libc::SIGTERM);
        run.wait().expect_nothing_left();
    }
}

fn a_socket_of_an_earlier_run_does_not_count() {
    let place = TempDir::new();
    let (socket, file) = (place.file("socket"), place.file("ready"));
    let earlier = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let ready = format!("unix:{socket}");
    let args = ["-v", "--ready", &ready, "--ready-file", &file];
    let run = Winddown::new().args(args).workload("--print up --serve").start();
    run.wait_out("up");
    assert!(!holds_within(Duration::from_millis(300), || is_there(&file)), "another process's socket");
    stop(run, &file);
    drop(earlier);
    std::fs::remove_file(&socket).expect("there");
    let run = server(Winddown::new().args(args), "unix", &socket).start();
    wait_for(&file);
    stop(run, &file);
}

fn a_port_of_another_process_does_not_count() {
    let place = TempDir::new();
    let file = place.file("ready");
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let ready = format!("tcp:{}", other.local_addr().expect("bound").port());
    let run = Winddown::new()
        .args(["--ready", &ready, "--ready-file", &file])
        .workload("--print up --serve")
        .start();
    run.wait_out("up");
    // The probe has come.
    other.accept().expect("a connection");
    assert!(!holds_within(Duration::from_millis(300), || is_there(&file)), "it is another's port");
    stop(run, &file);
}

fn a_file_of_an_earlier_run_does_not_count() {
    let place = TempDir::new();
    let (pid_file, file) = (place.write("pid", "1"), place.file("ready"));
    let script = format!("read line; echo $$ > {pid_file}; exec sleep 1000");
    let mut run = Winddown::new()
        .directory(place.path())
        .args(["--ready", "file:pid", "--ready-file", &file])
        .stdin(Stream::Pipe)
        .command(["sh", "-c", &script])
        .start();
    assert!(!holds_within(Duration::from_millis(300), || is_there(&file)), "an old file");
    run.write("go\n");
    wait_for(&file);
    stop(run, &file);
}

fn ready_1_is_a_condition_and_goes_on_once() {
    guarded_or_not(|winddown| {
        let (manager, place) = (Manager::new(), TempDir::new());
        let file = place.file("ready");
        let run = winddown
            .env("NOTIFY_SOCKET", manager.name())
            .args(["--ready", "notify", "--ready-file", &file])
            .workload("--on USR1 [ --tell RELOADING=1 --tell READY=1 --tell STATUS=here ] --print up --serve")
            .start();
        run.wait_out("up");
        assert!(!is_there(&file));
        run.signal(libc::SIGUSR1);
        let mut messages = vec![manager.until("STATUS=here")];
        wait_for(&file);
        run.signal(libc::SIGUSR1);
        messages.push(manager.until("STATUS=here"));
        run.signal(libc::SIGTERM);
        run.wait().expect_nothing_left();
        assert!(!is_there(&file));
        let (_, rest) = manager.until("STOPPING=1");
        let all: Vec<String> =
            messages.into_iter().flat_map(|(last, before)| [before, vec![last.text]].concat()).collect();
        let all = [all, rest].concat();
        assert_eq!(all.iter().filter(|text| text.contains("READY=1")).count(), 1, "{all:?}");
        assert!(!all.iter().any(|text| text.contains("RELOADING")), "{all:?}");
    });
}

fn all_conditions_have_to_hold() {
    let place = TempDir::new();
    let (first, second, file) = (place.file("first"), place.file("second"), place.file("ready"));
    let (is_first, is_second) = (format!("file:{first}"), format!("cmd:test -e {second}"));
    let run = Winddown::new()
        .args(["-v", "--ready", &is_first, "--ready", &is_second, "--ready-file", &file])
        .workload("--print up --serve")
        .start();
    run.wait_out("up");
    std::fs::write(&first, "").expect("a file");
    assert!(!holds_within(Duration::from_millis(300), || is_there(&file)), "one is missing");
    // What has held once counts.
    std::fs::remove_file(&first).expect("there");
    std::fs::write(&second, "").expect("a file");
    wait_for(&file);
    stop(run, &file);
}

fn one_condition_a_line_in_the_variable() {
    let run = Winddown::new()
        .args(["-v"])
        .env("WINDDOWN_READY", "cmd:true\ncmd:echo a, b\n")
        .workload("--say env:WINDDOWN_READY --print up --serve")
        .start();
    run.wait_err("success of true, success of echo a, b");
    assert_eq!(run.fact("env:WINDDOWN_READY"), "");
    run.signal(libc::SIGTERM);
    run.wait().expect_nothing_left();
}

fn a_command_leaves_nothing_behind() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (pids, file) = (place.file("pids"), place.file("ready"));
        let command = format!("cmd:sleep 1000 & echo $$ > {pids}; wait");
        let run = winddown
            .args(["--ready", &command, "--ready-file", &file])
            .workload("--print up --serve")
            .start();
        run.wait_out("up");
        eventually("the command", || is_there(&pids));
        run.signal(libc::SIGTERM);
        let ended = run.wait();
        assert_eq!(ended.count_out("up"), 1);
        ended.expect_nothing_left();
    });
}

fn the_end_of_the_main_process_takes_the_file() {
    let place = TempDir::new();
    let file = place.file("ready");
    let mut run = Winddown::new()
        .args(["--ready", "cmd:true", "--ready-file", &file, "--straggler-grace", "30s"])
        .stdin(Stream::Pipe)
        .command(["sh", "-c", "sleep 1000 & read line"])
        .start();
    wait_for(&file);
    run.write("go\n");
    eventually("the file to go while a straggler lives", || !is_there(&file));
    assert!(run.is_running());
    stop(run, &file);
}

fn whichever_process_is_killed_the_file_goes() {
    for outer in [true, false] {
        let place = TempDir::new();
        let file = place.file("ready");
        let run = Winddown::new()
            .args(["--ready", "cmd:true", "--ready-file", &file])
            .workload("--print up --serve")
            .start();
        run.wait_out("up");
        wait_for(&file);
        let pid = if outer { run.pid() } else { children(run.pid())[0].pid };
        run.tag().signal(pid, libc::SIGKILL);
        eventually("the file to go", || !is_there(&file));
        run.wait().expect_nothing_left();
    }
}

fn a_probe_that_is_killed_starts_again() {
    for is_guarded in [true, false] {
        let winddown = if is_guarded { Winddown::new() } else { Winddown::new().args(["--no-guard"]) };
        let place = TempDir::new();
        let (wanted, file) = (place.file("wanted"), place.file("ready"));
        let ready = format!("file:{wanted}");
        let run =
            winddown.args(["--ready", &ready, "--ready-file", &file]).workload("--print up --serve").start();
        run.wait_out("up");
        let above = supervisor(&run, is_guarded);
        let mut first = None;
        eventually("a probe", || {
            first = probe(above);
            first.is_some()
        });
        let first = first.expect("seen");
        run.tag().signal(first, libc::SIGKILL);
        eventually("another probe", || probe(above).is_some_and(|pid| pid != first));
        assert!(run.err().is_empty(), "a probe is not worth a line: {:?}", run.err());
        std::fs::write(&wanted, "").expect("a file");
        wait_for(&file);
        eventually("the probe to go", || probe(above).is_none());
        stop(run, &file);
    }
}

fn a_probe_is_none_of_the_workload() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new()
        .args(["--ready", "file:/never", "--record", &record, "-t", "500ms", "--to", "all"])
        .workload("--ignore TERM --print up --serve")
        .start();
    run.wait_out("up");
    run.signal(libc::SIGTERM);
    run.wait().expect_code(137).expect_nothing_left();
    let record = read_json(&record);
    assert_eq!(record["killed"].as_array().map(Vec::len), Some(1), "{record:#}");
    let asked = record["signals"].as_array().expect("a list");
    assert!(asked.iter().all(|sent| sent["target"]["name"] != "wd-ready"), "{record:#}");
    assert!(!all().iter().any(|one| one.name == "wd-ready" && state(one.parent) == Some('Z')));
}

fn a_file_of_somebody_else_is_refused() {
    let place = TempDir::new();
    let theirs = place.write("theirs", "a diary\n");
    let link = place.file("link");
    symlink(&theirs, &link).expect("a link");
    for file in [&theirs, &link] {
        let run = Winddown::new().args(["--ready", "auto", "--ready-file", file]).command(["true"]).run();
        assert!(run.dump().contains("--ready-file"), "{}", run.dump());
        run.expect_code(125);
    }
    assert_eq!(std::fs::read_to_string(&theirs).expect("there"), "a diary\n");
}

fn a_start_that_never_ends_is_in_the_record() {
    let place = TempDir::new();
    let record = place.file("record");
    let run = Winddown::new().args(["--ready", "file:/never", "--record", &record]).command(["true"]).run();
    run.expect_code(0).expect_nothing_left();
    let record = read_json(&record);
    assert_eq!(record["outcome"], "completed");
    let phases = record["phases"].as_array().expect("a list").iter();
    let phases: Vec<&str> = phases.filter_map(|phase| phase["phase"].as_str()).collect();
    assert_eq!(phases, ["starting", "stopped"]);
}
