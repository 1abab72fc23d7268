//! Only the server's own answers count.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;

use snapbox::str;

use super::{check, check_in, expect, expect_verdicts, server};
use crate::support::builder::Winddown;
use crate::support::running::Running;
use crate::support::{TempDir, eventually, trials};

trials![
    needs("python3") => somebody_elses_port_is_no_readiness,
    needs("python3") => of_a_port_that_is_taken_the_owner_is_named,
    needs("python3") => no_probe_and_no_request_goes_to_somebody_else,
    needs("python3") => of_several_addresses_the_servers_own_counts,
    needs("python3") => a_port_that_is_shared_shows_nothing,
    needs("python3") => a_listener_that_was_passed_on_is_its_own,
    needs("python3") => a_listener_that_the_caller_has_passed_on_shows_nothing_after_the_server,
    a_listener_that_was_left_open_is_not_its_own,
    needs("root", "pid-namespace", "python3") => of_another_network_namespace_it_is_said_that_nothing_is_seen,
    needs("python3") => whoever_answers_for_it_must_not_have_answered_before,
    needs("python3") => a_unix_socket_of_somebody_else_is_no_readiness,
    a_file_that_was_there_before_is_no_readiness,
    what_ends_after_it_was_ready_does_not_pass,
    what_it_said_last_is_shown_with_any_check,
];

fn sleeps() -> Vec<String> {
    ["sleep", "60"].map(str::to_owned).to_vec()
}

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

/// A port at which no process listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A server that has nothing to do with the test.
fn stranger(mode: &str, port: u16) -> Running {
    let stranger = Winddown::bare().command(server(mode)).env("PORT", port.to_string()).start();
    eventually("it listens", || TcpStream::connect(("localhost", port)).is_ok());
    stranger
}

fn end(stranger: Running) {
    stranger.signal(libc::SIGKILL);
    stranger.wait();
}

fn somebody_elses_port_is_no_readiness() {
    let port = free_port();
    let stranger = stranger("good", port);
    let who = format!(
        "127.0.0.1:{port} is answered by python3 (pid {}), which was there before the start",
        stranger.pid()
    );
    for ready in [format!("tcp:127.0.0.1:{port}"), format!("http://localhost:{port}/"), format!("tcp:{port}")]
    {
        let options = format!("--ready {ready} --ready-timeout 2s --url http://127.0.0.1:{port}/");
        let ended = check(&options, &sleeps()).expect_code(3);
        expect(&ended, "???", "ready");
        assert!(ended.dump().contains(&who), "{}", ended.dump());
    }
    end(stranger);
}

fn of_a_port_that_is_taken_the_owner_is_named() {
    let port = free_port();
    let stranger = stranger("good", port);
    let who = format!(
        "127.0.0.1:{port} is answered by python3 (pid {}), which was there before the start",
        stranger.pid()
    );
    // Even if it is slow.
    let script = format!("sleep 0.5; exec env PORT={port} {}", server("good").join(" "));
    for options in [format!("--ready tcp:{port}"), format!("--port {port}")] {
        let ended = check(&options, &sh(&script)).expect_code(1);
        expect(&ended, "FAIL", "ready");
        assert!(ended.dump().contains(&who), "{}", ended.dump());
        assert!(ended.dump().contains("| OSError: [Errno 98] Address already in use"), "{}", ended.dump());
    }
    end(stranger);
}

fn no_probe_and_no_request_goes_to_somebody_else() {
    let port = free_port();
    let stranger = stranger("good", port);
    let url = format!("http://127.0.0.1:{port}/slow");
    let options =
        format!("--only stops,refuse-new,backlog,in-flight,stream --url {url} --slow {url} --stream {url}");
    let ended = check(&options, &server("good")).expect_code(3);
    expect_verdicts(
        &ended,
        str![[r#"
  ???  refuse-new, backlog, in-flight, stream: 127.0.0.1:[PORT] is answered by python3 (pid [PID]), which was there before the start
  ok  stops
INCONCLUSIVE 4 of 5 checks
"#]],
    );
    end(stranger);
}

/// `localhost` is both `127.0.0.1` and `::1`.
fn of_several_addresses_the_servers_own_counts() {
    let port = free_port();
    let Ok(other) = TcpListener::bind(("::1", port)) else { return };
    let (options, command) = (format!("--only ready,refuse-new --port {port}"), server("good"));
    check(&format!("{options} --ready tcp:{port} --url http://localhost:{port}/"), &command).expect_code(0);
    let options = format!("{options} --ready-timeout 2s --ready tcp:[::1]:{port}");
    let ended = check(&options, &command).expect_code(3);
    assert!(ended.dump().contains(&format!("[::1]:{port} is answered by ")), "{}", ended.dump());
    drop(other);
}

fn a_port_that_is_shared_shows_nothing() {
    let port = free_port();
    let stranger = stranger("shares", port);
    let options = format!("--only ready,stops,refuse-new,idle-conn --ready tcp:{port} --port {port}");
    let ended = check(&options, &server("shares")).expect_code(3);
    expect(&ended, "ok", "ready");
    expect(&ended, "ok", "stops");
    expect(&ended, "???", "refuse-new");
    expect(&ended, "???", "idle-conn");
    // "As well", or "which was there before the start" if check inspects it after the server has closed its listener.
    let who = format!("is answered by python3 (pid {})", stranger.pid());
    assert!(ended.dump().contains(&who), "{}", ended.dump());
    end(stranger);
}

fn a_listener_that_was_passed_on_is_its_own() {
    let script = "import os, signal, socket, subprocess, sys\n\
                  s = socket.create_server(('127.0.0.1', 0))\ns.set_inheritable(True)\n\
                  code = 'import signal, socket, sys; s = socket.socket(fileno=%d); \\n'\\\n  \
                  'signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\\nwhile True: s.accept()[0].close()'\n\
                  child = subprocess.Popen([sys.executable, '-c', code % s.fileno()], close_fds=False)\n\
                  s.close()\nsignal.signal(signal.SIGTERM, lambda *_: child.terminate())\nsys.exit(child.wait())\n";
    let command = ["python3", "-c", script].map(str::to_owned);
    check("--only ready,stops,ports,refuse-new", &command).expect_code(0);
}

/// Such as the socket of a service manager, which stays open for the next server, and so for the next run.
fn a_listener_that_the_caller_has_passed_on_shows_nothing_after_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let script = "import signal, socket, sys\ns = socket.socket(fileno=int(sys.argv[1]))\n\
                  signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n\
                  while True: s.accept()[0].close()\n";
    let number = listener.as_raw_fd().to_string();
    let options = ["check", "--only", "ready,stops,refuse-new"];
    let winddown = Winddown::new().args(options).command(["python3", "-c", script, &number]);
    let ended = winddown.inherits(listener.into()).run().expect_code(3);
    expect_verdicts(
        &ended,
        str![[r#"
  ???  refuse-new   127.0.0.1:[PORT] is a socket that the caller has passed on: it stays open when the server has closed it, and connections wait there
  ok  ready, stops
INCONCLUSIVE 1 of 3 checks
"#]],
    );
}

fn of_another_network_namespace_it_is_said_that_nothing_is_seen() {
    let command = ["unshare", "--net", "sleep", "60"].map(str::to_owned);
    let ended = check("--only ready --ready-timeout 2s", &command).expect_code(3);
    expect_verdicts(
        &ended,
        str![[r#"
  ???  ready        not ready after [TIME]: the server is alive and sleep (pid [PID]) is in another network namespace, where its listeners can't be seen; missing: a socket that accepts, or READY=1
      try: say what makes it ready (--ready), or give it more time (--ready-timeout)
INCONCLUSIVE 1 of 1 check
"#]],
    );
}

/// The process that forgot to close it still accepts connections there.
fn a_listener_that_was_left_open_is_not_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    for ready in ["auto".to_owned(), format!("tcp:{port}")] {
        let options = ["check", "--only", "ready", "--ready-timeout", "2s", "--ready", &ready];
        let inherited = listener.try_clone().expect("a copy").into();
        let ended = Winddown::new().args(options).command(sleeps()).inherits(inherited).run().expect_code(3);
        assert!(ended.dump().contains(&format!("127.0.0.1:{port} is answered by ")), "{}", ended.dump());
    }
    // Nor does the server have to close it.
    let options = ["check", "--only", "ready,ports", "--ready", "log:up"];
    let command = sh("echo up; exec sleep 60");
    let ended = Winddown::new().args(options).command(command).inherits(listener.into()).run().expect_code(0);
    expect(&ended, "ok", "ports");
}

/// As with a container engine: its proxy is outside the tree, and begins to listen when the server starts.
fn whoever_answers_for_it_must_not_have_answered_before() {
    let (place, port) = (TempDir::new(), free_port());
    let go = place.file("go");
    let script = format!(
        "import os, socket, time\nwhile not os.path.exists('{go}'): time.sleep(0.01)\n\
         s = socket.create_server(('127.0.0.1', {port}))\nwhile True: s.accept()"
    );
    let proxy = Winddown::bare().command(["python3", "-c", &script]).start();
    let options = format!("--only ready --ready tcp:127.0.0.1:{port} --report human");
    let client = sh(&format!("touch {go}; exec sleep 60"));
    let ended = check_in(&place, &options, &client).expect_code(0);
    let who = format!("tcp:127.0.0.1:{port}, by python3 (pid {})", proxy.pid());
    assert!(ended.dump().contains(&who), "{}", ended.dump());
    // Now the listener is there before the start.
    check_in(&place, &format!("{options} --ready-timeout 2s"), &client).expect_code(3);
    end(proxy);
}

fn a_unix_socket_of_somebody_else_is_no_readiness() {
    let place = TempDir::new();
    let listener = UnixListener::bind(place.file("socket")).expect("a socket");
    let options = "--only ready --ready unix:socket --ready-timeout 2s";
    let ended = check_in(&place, options, &sleeps()).expect_code(3);
    let who = format!("(pid {}), which was there before the start", std::process::id());
    assert!(
        ended.dump().contains("socket is answered by ") && ended.dump().contains(&who),
        "{}",
        ended.dump()
    );
    // The server may replace a socket at which no process listens.
    drop(listener);
    let script = "import os, socket\nos.remove('socket')\ns = socket.socket(socket.AF_UNIX)\ns.bind('socket')\n\
                  s.listen()\nwhile True: s.accept()";
    let command = ["python3", "-c", script].map(str::to_owned);
    check_in(&place, "--only ready --ready unix:socket", &command).expect_code(0);
}

fn a_file_that_was_there_before_is_no_readiness() {
    let place = TempDir::new();
    let file = place.write("server.pid", "1\n");
    let options = format!("--only ready --ready file:{file} --ready-timeout 2s");
    let ended = check_in(&place, &options, &sleeps()).expect_code(3);
    expect_verdicts(
        &ended,
        str![[r#"
  ???  ready        not ready after [TIME]: the server is alive and listens nowhere; missing: the file [DIR]/server.pid ([DIR]/server.pid was there before the start, and has not changed)
      try: say what makes it ready (--ready), or give it more time (--ready-timeout)
INCONCLUSIVE 1 of 1 check
"#]],
    );
    let writes = sh("echo $$ > server.pid; exec sleep 60");
    check_in(&place, &format!("--only ready --ready file:{file}"), &writes).expect_code(0);
}

fn what_ends_after_it_was_ready_does_not_pass() {
    let ended =
        check("--only ready --ready log:up", &sh("echo up; echo in use; exec sleep 0.05")).expect_code(1);
    expect_verdicts(
        &ended,
        str![[r#"
  FAIL ready        the server ended before it was asked to stop: exit status 0
      | up
      | in use
      try: if it exits at the end of its stdin, as vite and esbuild do: --stdin open
FAIL 1 of 1 check
"#]],
    );
    // Nor does any other check.
    for id in ["margin", "exit-status", "output", "term-restart", "kill-restart"] {
        let options = format!("--profile standard --only {id} --ready log:up");
        let ended = check(&options, &sh("echo up; exec sleep 0.05")).expect_code(3);
        expect(&ended, "???", id);
    }
}

fn what_it_said_last_is_shown_with_any_check() {
    let ended = check("--only stops", &sh("echo in use; exit 3")).expect_code(3);
    expect_verdicts(
        &ended,
        str![[r#"
  ???  stops        the server exited with 3 before it was ready
      | in use
      try: run the command by hand to see why it ends: it must stay in the foreground until it is asked to stop
INCONCLUSIVE 1 of 1 check
"#]],
    );
}
