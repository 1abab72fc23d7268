//! A post-mortem claims nothing that it can't know: it judges what a process does only once the process has received
//! the signal, and a call, a socket or a thread counts as a cause only when it really is one.

use std::net::{TcpListener, TcpStream};

use crate::post_mortem::{Found, killed, killed_after, python, wait_for_child};
use crate::support::builder::{Stream, Winddown};
use crate::support::{TempDir, trials};

trials![
    needs("bash", "python3") => a_good_server_behind_a_shell_was_not_asked,
    needs("python3") => of_a_child_whose_parent_may_have_asked_it_nothing_is_said,
    needs("python3") => a_child_of_one_that_ignores_the_signal_was_never_asked,
    needs("python3") => a_worker_that_its_master_has_asked_drains,
    needs("bash", "python3") => what_a_trap_starts_is_reported_as_such,
    timed needs("python3") => a_listener_that_was_shut_down_listens_no_longer,
    needs("python3") => of_a_unix_listener_no_more_is_said_than_that_it_is_open,
    needs("python3") => a_connection_of_its_own_is_no_client,
    needs("python3") => who_merely_has_a_child_and_sleeps_does_not_wait_for_it,
    needs("python3") => who_polls_its_child_waits_for_it,
    needs("python3") => who_sleeps_again_and_again_is_not_said_to_sleep,
    needs("python3") => sigwait_takes_the_signal,
    timed needs("python3") => a_loop_of_sigtimedwait_takes_the_signal,
    needs("cc") => a_loop_that_reads_a_signalfd_takes_the_signal,
    needs("cc") => a_handler_of_another_thread_is_no_wait_for_signals,
    needs("python3") => a_server_with_a_thread_for_signals_has_got_it,
    needs("python3") => who_waits_for_clients_is_not_said_to_lack_input,
    needs("python3") => a_thread_that_takes_the_signal_and_ends_nothing,
    needs("python3") => a_thread_for_signals_that_does_other_work,
    needs("python3") => a_handler_that_takes_itself_away_has_run,
    needs("python3") => a_condition_with_a_time_limit_is_no_join,
    needs("cc") => a_join_names_its_thread,
    timed needs("root", "pid-namespace", "python3") => pid_1_that_waits_for_signals_gets_them,
    needs("java", "javac") => a_hook_of_a_jvm_with_two_hundred_threads,
    needs("java", "javac") => a_thread_for_each_request_is_no_hook,
    needs("java", "javac") => a_jvm_whose_handler_is_its_own_runs_no_hooks,
];

/// A server that ends in good order when it is asked.
const GOOD_SERVER: &str = "import select,signal,socket,sys\n\
                           signal.signal(15, lambda *a: sys.exit(0))\n\
                           s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n\
                           print('up', flush=True)\n\
                           while True: select.select([s], [], [])";

fn a_good_server_behind_a_shell_was_not_asked() {
    let script = "trap 'exit 0' TERM; python3 -c \"$1\"; echo";
    let found = killed(&["bash", "-c", script, "sh", GOOD_SERVER]);
    let found = found.expect("W08", "waits for its child python3").expect_no("W10").expect_no("W20");
    assert!(found.text(0).contains("has not asked"), "{}", found.ended.dump());
}

/// With the signal's default action the child would have died of it; with a handler it can't be known.
fn of_a_child_whose_parent_may_have_asked_it_nothing_is_said() {
    for (program, code, text) in [
        (
            "signal.signal(15, lambda *a: None)\nprint('up', flush=True)\ntime.sleep(300)",
            "W07",
            "can't be seen",
        ),
        (
            "signal.signal(15, signal.SIG_DFL)\nprint('up', flush=True)\ntime.sleep(300)",
            "W07",
            "was never asked: python3",
        ),
    ] {
        let parent = format!(
            "import os,select,signal,time\n\
             signal.signal(15, lambda *a: None)\n\
             if os.fork() == 0:\n \
              {}\n\
             while True: select.select([], [], [])",
            program.replace('\n', "\n ")
        );
        python(&parent).expect(code, text).expect_no("W15").expect_no("W08");
    }
}

fn a_child_of_one_that_ignores_the_signal_was_never_asked() {
    let program = format!(
        "import os,signal\n\
         signal.signal(15, signal.SIG_IGN)\n\
         if os.fork() == 0:\n \
          {}\n\
         while True: signal.pause()",
        GOOD_SERVER.replace('\n', "\n ")
    );
    python(&program)
        .expect("W04", "ignores SIGTERM")
        .expect_also("W07", "was never asked: python3")
        .expect_no("W10");
}

/// Like nginx: winddown asks the master alone, and sees that the worker got the signal.
fn a_worker_that_its_master_has_asked_drains() {
    let program = "import os,select,signal,socket\n\
                   s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n\
                   signal.signal(17, lambda *a: None)\n\
                   child = os.fork()\n\
                   if child == 0:\n \
                    signal.signal(15, lambda *a: s.close())\n \
                    print('up', s.getsockname()[1], flush=True)\n \
                    client = s.accept()[0]\n \
                    client.send(b'x')\n \
                    while True: select.select([client], [], [])\n\
                   signal.signal(15, lambda *a: (s.close(), os.kill(child, 15)))\n\
                   while True: signal.pause()";
    let mut client = None;
    let found = killed_after(Winddown::new().command(["python3", "-c", program]), |run| {
        client = Some(connect(&run.fact("up")));
    });
    found
        .expect("W09", "no longer listens and waits for 1 connection")
        .expect_also("W08", "waits for signals");
}

fn connect(port: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    let got = std::io::Read::read(&mut stream, &mut [0]).unwrap();
    assert_eq!(got, 1, "it was accepted");
    stream
}

fn what_a_trap_starts_is_reported_as_such() {
    let script = "trap 'sleep 300' TERM; echo up; while :; do read line; done";
    let run = Winddown::new().command(["bash", "-c", script]).stdin(Stream::Pipe);
    killed_after(run, |_| {}).expect("W08", "which it started during the stop").expect_no("W07");
}

fn a_listener_that_was_shut_down_listens_no_longer() {
    let program = "import select,signal,socket\n\
                   s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n\
                   signal.signal(15, lambda *a: s.shutdown(2))\n\
                   print('up', s.getsockname()[1], flush=True)\n\
                   client = s.accept()[0]\n\
                   client.send(b'x')\n\
                   while True: select.select([client], [], [])";
    let mut client = None;
    let found = killed_after(Winddown::new().command(["python3", "-c", program]), |run| {
        client = Some(connect(&run.fact("up")));
    });
    found.expect_no("W10").expect("W09", "no longer listens and waits for 1 connection");
}

/// The kernel does not show whether a Unix listener was shut down.
fn of_a_unix_listener_no_more_is_said_than_that_it_is_open() {
    let program = "import select,signal,socket\n\
                   s = socket.socket(socket.AF_UNIX); s.bind('\\0winddown-test'); s.listen()\n\
                   signal.signal(15, lambda *a: s.shutdown(2))\n\
                   print('up', flush=True)\n\
                   while True: select.select([], [], [])";
    python(program).expect("W10", "still has its listening socket @winddown-test open");
}

fn a_connection_of_its_own_is_no_client() {
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = "import select,signal,socket,sys\n\
                   signal.signal(15, lambda *a: None)\n\
                   s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n\
                   print('up', flush=True)\n\
                   while True: select.select([s], [], [])";
    let port = database.local_addr().unwrap().port().to_string();
    killed(&["python3", "-c", program, &port]).expect("W20", "in pselect6").expect_no("W09");
}

/// A parent with a handler that does nothing, and its child.
fn parent(waits: &str) -> Found {
    let program = format!(
        "import signal,subprocess,time\n\
         child = subprocess.Popen(['sh', '-c', 'trap \"\" TERM; echo up; sleep 300; echo'])\n\
         signal.signal(15, lambda *a: None)\n\
         {waits}"
    );
    killed_after(Winddown::new().command(["python3", "-c", &program]), |run| wait_for_child(run, "sleep"))
}

fn who_merely_has_a_child_and_sleeps_does_not_wait_for_it() {
    parent("time.sleep(300)").expect("W15", "sleeps").expect_no("W08");
}

fn who_polls_its_child_waits_for_it() {
    let polls = "while child.poll() is None: time.sleep(0.02)";
    parent(polls).expect_also("W08", "keeps waking up, apparently to poll its child sh").expect_no("W15");
}

fn who_sleeps_again_and_again_is_not_said_to_sleep() {
    let program = "import signal,time\n\
                   signal.signal(15, lambda *a: None)\n\
                   print('up', flush=True)\n\
                   while True: time.sleep(0.02)";
    python(program).expect("W20", "winddown can't see why").expect_no("W15");
}

fn sigwait_takes_the_signal() {
    let program = "import signal\n\
                   signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n\
                   print('up', flush=True)\n\
                   while True: signal.sigwait([15])";
    python(program).expect("W17", "took SIGTERM and waits for the next signal").expect_no("W20");
}

fn a_loop_of_sigtimedwait_takes_the_signal() {
    let program = "import signal\n\
                   signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n\
                   print('up', flush=True)\n\
                   while True: signal.sigtimedwait([15], 0.02)";
    python(program).expect("W17", "took SIGTERM").expect_no("W05").expect_no("W20");
}

fn a_server_with_a_thread_for_signals_has_got_it() {
    let program = "import select,signal,socket,threading\n\
                   signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n\
                   def take():\n \
                    while True: signal.sigwait([15])\n\
                   threading.Thread(target=take, daemon=True).start()\n\
                   s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n\
                   print('up', flush=True)\n\
                   while True: select.select([s], [], [])";
    python(program).expect("W10", "got SIGTERM and still listens on 127.0.0.1:");
}

/// It waits for signals until one arrives that takes long to handle.
fn a_thread_for_signals_that_does_other_work() {
    let program = "import signal,time\n\
                   signal.pthread_sigmask(signal.SIG_BLOCK, [10, 15])\n\
                   print('up', flush=True)\n\
                   signal.sigwait([10, 15])\n\
                   print('busy', flush=True)\n\
                   time.sleep(300)";
    // The second signal stays pending.
    let winddown = Winddown::new().command(["python3", "-c", program]).args(["--stop", "USR1 100ms, TERM"]);
    killed_after(winddown, |_| {}).expect("W06", "its thread for signals (sigwait) does not take it");
}

fn a_handler_that_takes_itself_away_has_run() {
    let program = "import signal,time\n\
                   signal.signal(15, lambda *a: signal.signal(15, signal.SIG_DFL))\n\
                   print('up', flush=True)\n\
                   time.sleep(300)";
    python(program).expect("W15", "sleeps").expect_no("W07");
}

fn who_waits_for_clients_is_not_said_to_lack_input() {
    let program = "import signal,socket,threading\n\
                   signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n\
                   def take():\n \
                    while True: signal.sigwait([15])\n\
                   threading.Thread(target=take, daemon=True).start()\n\
                   s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n\
                   print('up', flush=True)\n\
                   while True: s.accept()";
    python(program).expect("W10", "still listens on 127.0.0.1:").expect_no("W12");
}

fn a_thread_that_takes_the_signal_and_ends_nothing() {
    let program = "import signal,threading,time\n\
                   signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n\
                   def take():\n \
                    while True: signal.sigwait([15])\n\
                   threading.Thread(target=take, daemon=True).start()\n\
                   print('up', flush=True)\n\
                   while True: time.sleep(0.02)";
    python(program).expect("W17", "took SIGTERM in its thread python3, which waits for the next");
}

fn a_condition_with_a_time_limit_is_no_join() {
    let program = "import signal,threading,time\n\
                   signal.signal(15, lambda *a: None)\n\
                   threading.Thread(target=time.sleep, args=(300,), daemon=True).start()\n\
                   event = threading.Event()\n\
                   print('up', flush=True)\n\
                   while not event.wait(0.02): pass";
    python(program).expect_no("W11");
}

/// A program in C.
fn c(main: &str) -> Found {
    const HEAD: &str = "#define _GNU_SOURCE\n#include <pthread.h>\n#include <signal.h>\n#include <stdio.h>\n\
                        #include <sys/signalfd.h>\n#include <unistd.h>\n\
                        static void up(void) { puts(\"up\"); fflush(stdout); }\n";
    let place = TempDir::new();
    let (source, program) = (place.write("main.c", &format!("{HEAD}{main}")), place.file("main"));
    let built = std::process::Command::new("cc").arg(source).args(["-pthread", "-o", &program]).status();
    assert!(built.unwrap().success());
    killed_after(Winddown::new().command([&program]).owns(&place), |_| {})
}

fn a_join_names_its_thread() {
    c("static void handle(int s) {}\n\
       static void *work(void *p) { for (;;) pause(); }\n\
       int main(void) { pthread_t t; struct sigaction a = { .sa_handler = handle, .sa_flags = SA_RESTART };\n\
       sigaction(SIGTERM, &a, 0); pthread_create(&t, 0, work, 0); pthread_setname_np(t, \"worker\");\n\
       up(); pthread_join(t, 0); }")
    .expect("W11", "waits for its thread worker, in pause");
}

fn a_loop_that_reads_a_signalfd_takes_the_signal() {
    c("int main(void) { sigset_t s; struct signalfd_siginfo i; sigemptyset(&s); sigaddset(&s, SIGTERM);\n\
       sigprocmask(SIG_BLOCK, &s, 0); int f = signalfd(-1, &s, 0); up(); for (;;) read(f, &i, sizeof i); }")
    .expect("W17", "took SIGTERM and waits for the next signal")
    .expect_no("W12");
}

/// The main thread blocks the signal, and pauses.
fn a_handler_of_another_thread_is_no_wait_for_signals() {
    c("static void handle(int s) { sleep(300); }\n\
       static void *work(void *p) { for (;;) pause(); }\n\
       int main(void) { pthread_t t; sigset_t s; signal(SIGTERM, handle); pthread_create(&t, 0, work, 0);\n\
       sigemptyset(&s); sigaddset(&s, SIGTERM); pthread_sigmask(SIG_BLOCK, &s, 0); up(); for (;;) pause(); }")
    .expect_no("W17");
}

fn pid_1_that_waits_for_signals_gets_them() {
    let program = "import signal\n\
                   signal.pthread_sigmask(signal.SIG_BLOCK, [15])\n\
                   print('up', flush=True)\n\
                   while True: signal.sigwait([15])";
    let command = ["unshare", "--pid", "--fork", "--mount-proc", "python3", "-c", program];
    let found = killed_after(Winddown::new().args(["--to", "all"]).command(command), |_| {});
    found.expect_no("W03").expect_also("W17", "took SIGTERM");
}

fn java(class: &str, body: &str) -> Found {
    let place = TempDir::new();
    let source = format!(
        "public class {class} {{ public static void main(String[] words) throws Exception {{ {body} }} }}"
    );
    let file = place.write(&format!("{class}.java"), &source);
    let compiled =
        std::process::Command::new("javac").args(["-d", &place.file("")]).arg(file).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let winddown = Winddown::new().command(["java", "-Xshare:auto", "-cp", &place.file(""), class]);
    killed_after(winddown.owns(&place), |_| {})
}

const FOR_EVER: &str = "() -> { try { Thread.sleep(1000000); } catch (Exception e) {} }";

fn a_hook_of_a_jvm_with_two_hundred_threads() {
    let body = format!(
        "for (int i = 0; i < 200; i++) new Thread({FOR_EVER}, \"worker-\" + i).start();\
         Runtime.getRuntime().addShutdownHook(new Thread({FOR_EVER}, \"my-hook\"));\
         System.out.println(\"up\"); Thread.sleep(1000000);"
    );
    let found = java("Many", &body).expect("W11", "runs its shutdown hooks: my-hook");
    assert!(!found.text(0).contains("worker"), "{}", found.ended.dump());
}

fn a_thread_for_each_request_is_no_hook() {
    let body = format!(
        "Runtime.getRuntime().addShutdownHook(new Thread({FOR_EVER}, \"my-hook\"));\
         new Thread(() -> {{ for (int i = 0; ; i++) try {{\
         new Thread(() -> {{ try {{ Thread.sleep(300); }} catch (Exception e) {{}} }}, \"request-\" + i).start();\
         Thread.sleep(20); }} catch (Exception e) {{}} }}, \"acceptor\").start();\
         System.out.println(\"up\"); Thread.sleep(1000000);"
    );
    let found = java("Requests", &body).expect("W11", "runs its shutdown hooks: my-hook");
    assert!(!found.text(0).contains("request"), "{}", found.ended.dump());
}

fn a_jvm_whose_handler_is_its_own_runs_no_hooks() {
    let body = format!(
        "for (int i = 0; i < 5; i++) new Thread({FOR_EVER}, \"worker-\" + i).start();\
         sun.misc.Signal.handle(new sun.misc.Signal(\"TERM\"), s -> {{ new Object() {{ void run() {{\
         try {{ Thread.sleep(1000000); }} catch (Exception e) {{}} }} }}.run(); }});\
         System.out.println(\"up\"); Thread.sleep(1000000);"
    );
    java("Own", &body).expect("W20", "is still in its SIGTERM handler").expect_no("W11");
}
