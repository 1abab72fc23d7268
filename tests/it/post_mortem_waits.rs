//! What a process waits for, as calls, descriptors and threads show it: the cause that winddown finds in each case.

use std::net::{TcpListener, TcpStream};

use crate::post_mortem::{killed, killed_after, python};
use crate::support::builder::Winddown;
use crate::support::trials;

trials![
    needs("python3") => one_that_was_stopped_for_a_while,
    needs("python3") => an_ignored_signal_that_sigwait_takes,
    needs("python3") => a_thread_that_waits_for_other_signals,
    needs("python3") => a_read_of_a_timer,
    needs("python3") => an_event_loop_with_nothing_but_a_timer,
    needs("python3") => an_event_loop_that_others_may_wake_is_not_said_to_have_only_a_timer,
    needs("node") => an_interval_that_keeps_node,
    needs("python3") => a_connect_to_a_silent_peer,
    needs("python3") => a_connect_with_a_time_out_to_a_silent_peer,
    needs("root", "python3") => a_resolver_that_does_not_answer,
    needs("python3") => a_connection_of_its_own_names_who_listens,
    needs("python3") => one_thread_in_a_call_while_all_others_wait_for_locks,
    needs("python3") => a_handler_that_changes_nothing,
];

/// A child stops it once it has the signal, and continues it before the last snapshots.
fn one_that_was_stopped_for_a_while() {
    // winddown continues whoever is stopped just when it asks.
    python(
        "import os,signal,time\n\
         def stop(*a):\n \
          parent = os.getpid()\n \
          if os.fork() == 0:\n  \
           time.sleep(0.05)\n  \
           os.kill(parent, signal.SIGSTOP)\n  \
           time.sleep(0.65)\n  \
           os.kill(parent, signal.SIGCONT)\n  \
           os._exit(0)\n \
          time.sleep(300)\n\
         signal.signal(15, stop)\n\
         print('up', flush=True)\n\
         signal.pause()",
    )
    .kept_as("continued")
    .expect("W01", "was stopped (SIGSTOP or a terminal) in");
}

fn an_ignored_signal_that_sigwait_takes() {
    let program = "import signal\n\
                   signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n\
                   signal.signal(15, signal.SIG_IGN)\n\
                   print('up', flush=True)\n\
                   while True: signal.sigwait([15])";
    let found = python(program).kept_as("ignored").expect("W17", "took SIGTERM").expect_no("W04");
    let lines = found.ended.err();
    assert!(lines.iter().any(|line| line.contains("SIGTERM: taken by sigwait")), "{}", found.ended.dump());
}

fn a_thread_that_waits_for_other_signals() {
    let program = "import signal,threading,time\n\
                   signal.pthread_sigmask(signal.SIG_BLOCK, [10, 15])\n\
                   threading.Thread(target=signal.sigwait, args=([10],), daemon=True).start()\n\
                   print('up', flush=True)\n\
                   time.sleep(300)";
    python(program).kept_as("sigwait").expect("W05", "waits for other signals (sigwait)");
}

/// Python in which `timer` is one that expires in 33 s, then every 5 s.
const TIMER: &str = "import ctypes,os,select,signal\n\
                     libc = ctypes.CDLL(None)\n\
                     timer = libc.timerfd_create(1, 0)\n\
                     libc.timerfd_settime(timer, 0, (ctypes.c_long * 4)(5, 0, 33, 0), None)\n";

fn a_read_of_a_timer() {
    let program = "signal.signal(15, lambda *a: os.read(timer, 8))\nprint('up', flush=True)\nsignal.pause()";
    let found = python(&format!("{TIMER}{program}")).kept_as("timerfd");
    let found = found.expect("W15", "in read on a timer with 3").expect_no("W12");
    assert!(found.text(0).contains("left, then every 5s"), "{}", found.ended.dump());
}

fn an_event_loop_with_nothing_but_a_timer() {
    let program = "signal.signal(15, lambda *a: None)\n\
                   loop = select.epoll(); loop.register(timer, 1)\n\
                   print('up', flush=True)\n\
                   while True: loop.poll()";
    python(&format!("{TIMER}{program}"))
        .kept_as("epoll-timerfd")
        .expect("W15", "has nothing left in its event loop but a timer");
    let program = "import asyncio,signal\n\
                   async def main():\n \
                    asyncio.get_running_loop().add_signal_handler(15, lambda: None)\n \
                    print('up', flush=True)\n \
                    await asyncio.sleep(300)\n\
                   asyncio.run(main())";
    python(program).kept_as("asyncio").expect("W15", "in epoll_wait (time-out ");
}

/// Its stdin is a pipe that somebody may write to.
fn an_event_loop_that_others_may_wake_is_not_said_to_have_only_a_timer() {
    let program = "signal.signal(15, lambda *a: None)\n\
                   r, w = os.pipe()\n\
                   if os.fork() == 0: signal.pause()\n\
                   os.close(w)\n\
                   loop = select.epoll(); loop.register(timer, 1); loop.register(r, 1)\n\
                   print('up', flush=True)\n\
                   while True: loop.poll()";
    python(&format!("{TIMER}{program}")).expect_no("W15");
}

fn an_interval_that_keeps_node() {
    let program = "const s = require('http').createServer(() => 0);\
                   s.listen(0, '127.0.0.1', () => console.log('up'));\
                   setInterval(() => 0, 30000);\
                   process.on('SIGTERM', () => s.close());";
    let found = killed(&["node", "-e", program]).kept_as("node-interval");
    found.expect("W15", "has nothing left in its event loop but a timer");
}

/// A listener whose queue is full does not answer.
struct Silent {
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
    port: u16,
}

impl Silent {
    fn new() -> Self {
        use nix::sys::socket::{Backlog, listen};
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        // Once more, with the shortest queue.
        listen(&listener, Backlog::new(0).expect("valid")).expect("it listens");
        let address = listener.local_addr().expect("bound");
        let short = std::time::Duration::from_millis(200);
        let connect = || TcpStream::connect_timeout(&address, short).ok();
        Self { _queued: std::iter::from_fn(connect).collect(), port: address.port(), _listener: listener }
    }
}

fn a_connect_to_a_silent_peer() {
    let silent = Silent::new();
    let program = "import signal,socket,sys\n\
                   def stop(*a): socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n\
                   signal.signal(15, stop)\n\
                   print('up', flush=True)\n\
                   signal.pause()";
    let port = silent.port.to_string();
    let text = format!("in connect to 127.0.0.1:{port}");
    let found = killed(&["python3", "-c", program, &port]).kept_as("connect");
    let found = found.expect("W12", &text);
    assert!(found.text(0).contains("which does not answer"), "{}", found.ended.dump());
}

fn a_connect_with_a_time_out_to_a_silent_peer() {
    let silent = Silent::new();
    let program = "import signal,socket,sys\n\
                   def stop(*a): socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=100)\n\
                   signal.signal(15, stop)\n\
                   print('up', flush=True)\n\
                   signal.pause()";
    let port = silent.port.to_string();
    let text = format!("waits to connect to 127.0.0.1:{port}");
    let found = killed(&["python3", "-c", program, &port]).kept_as("connect-poll");
    let found = found.expect("W12", &text);
    let has_limit = |line: &String| line.contains("in poll (time-out ");
    assert!(found.ended.err().iter().any(has_limit), "{}", found.ended.dump());
}

/// In a network of its own, where nobody answers.
fn a_resolver_that_does_not_answer() {
    let program = "import fcntl,os,signal,socket,struct,tempfile\n\
                   s = socket.socket(); fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', 0x41) + bytes(14)); s.close()\n\
                   f = tempfile.NamedTemporaryFile('w', delete=False); f.write('nameserver 127.0.0.77'); f.close()\n\
                   os.system('mount --bind ' + f.name + ' /etc/resolv.conf'); os.unlink(f.name)\n\
                   u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.77', 53))\n\
                   signal.signal(15, lambda *a: socket.getaddrinfo('example.org', 80))\n\
                   print('up', flush=True)\n\
                   signal.pause()";
    // winddown sees the connections of its own network namespace.
    let winddown = Winddown::new().prefix(["unshare", "--mount", "--net"]);
    let found = killed_after(winddown.command(["python3", "-c", program]), |_| {}).kept_as("resolver");
    found.expect("W12", "looks a name up, and the resolver 127.0.0.77:53 does not answer");
}

/// Below the ports that the kernel gives to clients.
fn low_listener() -> TcpListener {
    (20_000..30_000).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).expect("a free port")
}

fn a_connection_of_its_own_names_who_listens() {
    let database = low_listener();
    let program = "import select,signal,socket,sys\n\
                   signal.signal(15, lambda *a: None)\n\
                   s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n\
                   print('up', flush=True)\n\
                   while True: select.select([s], [], [])";
    let port = database.local_addr().unwrap().port().to_string();
    let text = format!("probably waits because of 1 connection that it opened itself, to 127.0.0.1:{port}");
    let found = killed(&["python3", "-c", program, &port]).kept_as("own-connection");
    let found = found.expect("W12", &text).expect_no("W09");
    let by = format!("(pid {}) listens", std::process::id());
    found.expect("W12", &by);
}

fn one_thread_in_a_call_while_all_others_wait_for_locks() {
    let server = low_listener();
    let program = "import signal,socket,sys,threading\n\
                   s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n\
                   lock = threading.Lock(); lock.acquire()\n\
                   signal.signal(15, lambda *a: lock.acquire())\n\
                   threading.Thread(target=s.recv, args=(1,), daemon=True).start()\n\
                   threading.Thread(target=lock.acquire, daemon=True).start()\n\
                   print('up', flush=True)\n\
                   signal.pause()";
    let port = server.local_addr().unwrap().port().to_string();
    let text = format!("in recvfrom on 127.0.0.1:{port}");
    let found = killed(&["python3", "-c", program, &port]).kept_as("one-thread");
    let found = found.expect("W11", "probably waits for its thread python3").expect("W11", &text);
    let remedy = found.record["findings"][0]["remedy"].as_str().unwrap();
    assert!(remedy.contains("`py-spy dump --pid"), "{remedy}");
}

fn a_handler_that_changes_nothing() {
    let program = "import signal,time\n\
                   signal.signal(15, lambda *a: None)\n\
                   print('up', flush=True)\n\
                   while True: time.sleep(0.02)";
    python(program).kept_as("goes-on").expect("W17", "goes on as before, again and again in clock_nanosleep");
}
