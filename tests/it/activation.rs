//! Variables that name winddown's process, and real programs of systemd on both sides.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use crate::support::builder::{Winddown, guarded_or_not};
use crate::support::manager::Manager;
use crate::support::{TempDir, eventually, trials};

trials![
    needs("sh") => variables_that_name_winddown_name_the_workload,
    variables_that_name_somebody_else_are_left,
    needs("systemd-socket-activate", "python3") => a_server_gets_the_socket_of_its_service_manager,
    needs("systemd-notify") => systemd_notify_reaches_the_parent,
    needs("sdnotify") => a_client_in_python_reaches_the_parent,
];

const NAMES: [&str; 3] = ["LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID"];

fn say() -> String {
    let names = NAMES.map(|name| format!("env:{name}"));
    format!("--say pid,{}", names.join(","))
}

fn variables_that_name_winddown_name_the_workload() {
    guarded_or_not(|winddown| {
        let script = "LISTEN_PID=$$ WATCHDOG_PID=$$ SYSTEMD_EXEC_PID=$$ exec \"$@\"";
        let ended = winddown.prefix(["sh", "-c", script, "sh"]).workload(&say()).run().expect_code(0);
        for name in NAMES {
            assert_eq!(ended.fact(&format!("env:{name}")), ended.fact("pid"), "{name}");
        }
    });
}

fn variables_that_name_somebody_else_are_left() {
    for value in ["1", "999999999", "", "x", "00"] {
        let winddown = NAMES.iter().fold(Winddown::new(), |winddown, name| winddown.env(name, value));
        let ended = winddown.workload(&say()).run().expect_code(0);
        for name in NAMES {
            assert_eq!(ended.fact(&format!("env:{name}")), value, "{name}");
        }
    }
}

/// Answers one connection to the inherited socket, found as `sd_listen_fds(3)` does.
const SERVER: &str = "\
import os, signal, socket, sys
assert os.environ['LISTEN_PID'] == str(os.getpid()), (os.environ['LISTEN_PID'], os.getpid())
assert os.environ['LISTEN_FDS'] == '1'
signal.signal(signal.SIGTERM, lambda *_: sys.exit(6))
server = socket.socket(fileno=3)
connection, _ = server.accept()
connection.sendall(b'hello ' + connection.recv(100))
connection.close()
signal.pause()
";

fn a_server_gets_the_socket_of_its_service_manager() {
    guarded_or_not(|winddown| {
        let place = TempDir::new();
        let (socket, server) = (place.file("socket"), place.write("server.py", SERVER));
        let activate = ["systemd-socket-activate", "-E", "TEST_RUN", "-E", "PYENV_VERSION", "-l", &socket];
        let run = winddown.prefix(activate).command(["python3", &server]).start();
        let mut client = None;
        eventually("the socket is there", || {
            client = UnixStream::connect(&socket).ok();
            client.is_some()
        });
        let mut client = client.expect("connected");
        client.write_all(b"world").expect("a server");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        assert_eq!(answer, "hello world", "{:#?}", run.err());
        run.signal(libc::SIGTERM);
        run.wait().expect_code(6).expect_nothing_left();
    });
}

fn systemd_notify_reaches_the_parent() {
    guarded_or_not(|winddown| {
        let manager = Manager::new();
        // At its end it waits for a barrier.
        let script = "systemd-notify --ready --pid=$$ --status='all is well' && echo sent";
        let run = winddown.env("NOTIFY_SOCKET", manager.name()).command(["sh", "-c", script]).start();
        let (message, _) = manager.until("READY=1");
        assert!(
            message.text.contains("STATUS=all is well\n") && !message.text.contains("MAINPID"),
            "{}",
            message.text
        );
        assert_eq!(message.pid, run.pid());
        drop(manager.until("BARRIER=1"));
        let ended = run.wait().expect_code(0);
        assert_eq!(ended.out(), ["sent"]);
    });
}

fn a_client_in_python_reaches_the_parent() {
    let manager = Manager::new();
    let program = "import sdnotify\n\
         client = sdnotify.SystemdNotifier(debug=True)\n\
         client.notify('READY=1\\nSTATUS=from Python')\n\
         client.notify('STOPPING=1')\n";
    let run = Winddown::new()
        .env("NOTIFY_SOCKET", manager.name())
        .command(["/usr/bin/python3", "-c", program])
        .start();
    assert_eq!(manager.next().text, "READY=1\nSTATUS=from Python\n");
    assert_eq!(manager.next().text, "STOPPING=1\n");
    run.wait().expect_code(0);
}
