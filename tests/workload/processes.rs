//! New processes, well-behaved and not.

use std::ffi::CString;
use std::io::Read as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::{Process, Words, exit_now, life, usage};

/// How a process of `--spawn` is made.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Child,
    Group,
    Session,
    Daemon,
    DaemonSession,
}

/// The most forks of one `--storm`, over all its processes; the kernel reaps their children.
const STORM_FORKS: u32 = 100_000;
/// The same for `--chase`, whose orphans stay zombies until they are reaped: a quarter of the
/// smallest usual `pid_max`, so that a failing supervisor can't use up the machine's pids.
const CHASE_FORKS: u32 = 8_000;
/// The same for `--sprint`, which would be over too soon with fewer: half of that `pid_max`.
const SPRINT_FORKS: u32 = 16_000;
/// Between two forks of one process of a chain.
const PACE: Duration = Duration::from_millis(1);
/// How long a child of a storm lives, which limits how many there are at once.
const SHORT: Duration = Duration::from_millis(20);

/// Forks. Every caller sets the new process's end of life.
fn fork() -> libc::pid_t {
    // SAFETY: no lock can be held: there is one thread, or one that just took over.
    unsafe { libc::fork() }
}

/// Waits for a child, however it ends.
fn reap(pid: libc::pid_t, flags: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: writes to a live integer.
    let found = unsafe { libc::waitpid(pid, &raw mut status, flags) };
    (found == pid).then_some(status)
}

/// The name that `ps` shows.
fn set_comm(name: &str) {
    let name = CString::new(name).unwrap_or_default();
    // SAFETY: the name ends with NUL.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// A counter that all descendants share.
fn shared_counter() -> &'static AtomicU32 {
    // SAFETY: a fresh mapping, large and aligned enough, never unmapped.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if page == libc::MAP_FAILED {
            exit_now(72);
        }
        &*page.cast::<AtomicU32>()
    }
}

impl Process {
    /// The flags of the table of processes.
    pub(crate) fn process_action(&mut self, flag: &str, words: &mut Words) -> bool {
        match flag {
            "--spawn" => {
                let kind = words.word();
                let name = words.word();
                self.spawn(kind, name, words.block());
            }
            "--wait" => self.wait(words.word(), true),
            "--wait-deaf" => self.wait(words.word(), false),
            "--storm" => self.each_of("storm", words.number(), Self::storm),
            "--chase" => self.each_of("chase", words.number(), Self::chase),
            "--sprint" => self.each_of("sprint", words.number(), Self::sprint),
            "--orphans" => self.orphans(words.number()),
            "--dead-leader" => self.lose_leader(std::mem::take(&mut words.0)),
            "--setuid" => set_user(words.number()),
            "--groups" => {
                let groups: Vec<libc::gid_t> = (100_000..).take(words.number()).collect();
                // SAFETY: a live list of that length.
                if unsafe { libc::setgroups(groups.len(), groups.as_ptr()) } != 0 {
                    usage("no right to change groups");
                }
            }
            "--exec" => self.exec(words.block()),
            "--cd" => {
                let path = words.word();
                if std::env::set_current_dir(path).is_err() {
                    usage(&format!("can't enter {path}"));
                }
            }
            "--close" => {
                // SAFETY: a test closes only descriptors that this program doesn't use.
                unsafe { libc::close(words.number()) };
            }
            "--life" => {
                self.deadline = self.deadline.min(life::now() + words.milliseconds());
                life::end_at(self.deadline);
            }
            _ => return false,
        }
        true
    }

    /// The pid of a child by its name.
    pub(crate) fn child(&self, name: &str) -> libc::pid_t {
        let found = self.children.iter().rfind(|(child, _)| child == name);
        found.map_or_else(|| usage(&format!("no such child: {name}")), |(_, pid)| *pid)
    }

    fn spawn(&mut self, kind: &str, name: &str, actions: &[String]) {
        let (kind, count) = kind.split_once('*').unwrap_or((kind, ""));
        let count = (!count.is_empty()).then(|| Words(&[count.to_owned()]).number::<usize>());
        let kind = match kind {
            "child" => Kind::Child,
            "group" => Kind::Group,
            "session" => Kind::Session,
            "daemon" => Kind::Daemon,
            "daemon-session" => Kind::DaemonSession,
            "chain" => return self.chain(name, 1, count.unwrap_or(1), actions),
            _ => usage(&format!("no such kind: {kind}")),
        };
        let Some(count) = count else {
            return self.start(kind, name, |new| new.run(actions));
        };
        for number in 1..=count {
            self.start(kind, &format!("{name}{number}"), |new| new.run(actions));
        }
    }

    /// Each process of a chain starts the next one before it runs its own actions.
    fn chain(&mut self, name: &str, number: usize, last: usize, actions: &[String]) {
        self.start(Kind::Child, &format!("{name}{number}"), |new| {
            if number < last {
                new.chain(name, number + 1, last, actions);
            }
            new.run(actions);
        });
    }

    /// Starts one process and waits until it is ready.
    fn start(&mut self, kind: Kind, name: &str, body: impl FnOnce(&mut Self)) {
        let Ok((mut waiting, ready)) = std::io::pipe() else { usage("no pipe") };
        let pid = fork();
        if pid < 0 {
            usage(&format!("can't fork {name}"));
        }
        if pid > 0 {
            drop(ready);
            let daemon = matches!(kind, Kind::Daemon | Kind::DaemonSession);
            if daemon {
                reap(pid, 0);
            } else {
                self.children.push((name.to_owned(), pid));
            }
            let _ = waiting.read(&mut [0]);
            return;
        }
        drop(waiting);
        life::end_at(self.deadline);
        // SAFETY: both calls change only this new process.
        unsafe {
            match kind {
                Kind::Session | Kind::DaemonSession => libc::setsid(),
                Kind::Group => libc::setpgid(0, 0),
                Kind::Child | Kind::Daemon => 0,
            }
        };
        if matches!(kind, Kind::Daemon | Kind::DaemonSession) {
            if fork() != 0 {
                exit_now(0);
            }
            life::end_at(self.deadline);
        }
        self.become_new(name, Some(ready.into()));
        body(self);
        self.exit(0)
    }

    /// Drops what belongs to the process that forked this one.
    fn become_new(&mut self, name: &str, ready: Option<std::os::fd::OwnedFd>) {
        self.ready = ready;
        name.clone_into(&mut self.name);
        self.children.clear();
        self.signals.forget();
        set_comm(name);
        self.line(&format!("pid {}", std::process::id()));
    }

    fn wait(&mut self, name: &str, hears: bool) {
        let pid = self.child(name);
        let status = if hears {
            let status = std::cell::Cell::new(None);
            self.hear_until(
                None,
                Some(&|| {
                    status.set(reap(pid, libc::WNOHANG));
                    status.get().is_some()
                }),
            );
            status.get()
        } else {
            self.is_ready();
            reap(pid, 0)
        };
        // Its id is free now.
        self.children.retain(|(_, child)| *child != pid);
        let status = status.unwrap_or(0);
        if libc::WIFSIGNALED(status) {
            self.line(&format!("{name} ended signal {}", libc::WTERMSIG(status)));
        } else {
            self.line(&format!("{name} ended exit {}", libc::WEXITSTATUS(status)));
        }
    }

    /// Starts processes that have a shorter life than others and share a limit on their forks.
    fn each_of(&mut self, name: &str, count: usize, body: fn(&Self, Duration, &AtomicU32) -> !) {
        let forks = shared_counter();
        for number in 1..=count {
            let deadline = self.deadline.min(life::now() + life::STORM);
            self.start(Kind::Child, &format!("{name}{number}"), |new| {
                life::end_at(deadline);
                new.is_ready();
                body(new, deadline, forks)
            });
        }
    }

    /// In batches: an intermediate parent ends without waiting for its children.
    fn orphans(&mut self, count: usize) {
        let most = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
        // Even if they are never reaped, the machine must still have room to work.
        if count > most.trim().parse().unwrap_or(32768) / 3 * 2 {
            usage("so many orphans could use up the machine's pids");
        }
        let mut left = count;
        while left > 0 {
            let batch = left.min(100);
            let pid = fork();
            if pid == 0 {
                life::end_at(self.deadline);
                for _ in 0..batch {
                    if fork() == 0 {
                        exit_now(0);
                    }
                }
                exit_now(0);
            }
            if pid > 0 {
                reap(pid, 0);
                left -= batch;
            }
        }
        self.line(&format!("orphans {count}"));
    }

    /// The main thread ends; the process lives on, and /proc calls it a zombie.
    fn lose_leader(&mut self, rest: &[String]) {
        let rest = rest.to_vec();
        let mut heir = Process {
            name: self.name.clone(),
            log: self.log,
            children: std::mem::take(&mut self.children),
            signals: std::mem::replace(&mut self.signals, crate::signals::Signals::inherited()),
            inherited: self.inherited.clone(),
            ready: self.ready.take(),
            deadline: self.deadline,
        };
        std::thread::spawn(move || {
            heir.run(&rest);
            heir.exit(0)
        });
        // SAFETY: ends this thread only, which owns nothing that the other thread needs.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }

    fn exec(&mut self, words: &[String]) {
        use std::os::unix::process::CommandExt as _;
        let Some((program, rest)) = words.split_first() else { usage("nothing to execute") };
        self.signals.forget();
        self.is_ready();
        let error = std::process::Command::new(program).args(rest).exec();
        usage(&format!("{program}: {error}"))
    }
}

/// Whether a storm may go on. It ends at once when its reader goes away: no scan could catch it.
fn may_fork(deadline: Duration) -> bool {
    let mut out = libc::pollfd { fd: 1, events: 0, revents: 0 };
    // SAFETY: one live pollfd.
    unsafe { libc::poll(&raw mut out, 1, 0) };
    out.revents & (libc::POLLERR | libc::POLLHUP) == 0 && life::now() < deadline
}

impl Process {
    /// Forks without end; the children are short-lived and reaped by the kernel.
    fn storm(&self, deadline: Duration, forks: &AtomicU32) -> ! {
        // SAFETY: no code of ours runs on the signal.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        while may_fork(deadline) && forks.fetch_add(1, Ordering::Relaxed) < STORM_FORKS {
            match fork() {
                0 => {
                    life::sleep_until(life::now() + SHORT);
                    exit_now(0)
                }
                -1 => life::sleep_until(life::now() + SHORT),
                _ => {}
            }
        }
        self.line("over");
        exit_now(0)
    }

    fn chase(&self, deadline: Duration, forks: &AtomicU32) -> ! {
        self.flee(deadline, forks, CHASE_FORKS, PACE)
    }

    fn sprint(&self, deadline: Duration, forks: &AtomicU32) -> ! {
        // SAFETY: changes only this process.
        unsafe { libc::setsid() };
        self.flee(deadline, forks, SPRINT_FORKS, Duration::ZERO)
    }

    /// Never stays where a scan saw it: the child goes on in a new session, the parent exits.
    fn flee(&self, deadline: Duration, forks: &AtomicU32, most: u32, pace: Duration) -> ! {
        while may_fork(deadline) && forks.fetch_add(1, Ordering::Relaxed) < most {
            match fork() {
                0 => {
                    // Without a pause a process lives for microseconds: a timer and a session would only slow it down.
                    if !pace.is_zero() {
                        life::end_at(deadline);
                        // SAFETY: changes only this new process.
                        unsafe { libc::setsid() };
                        life::sleep_until(life::now() + pace);
                    }
                }
                -1 => life::sleep_until(life::now() + SHORT),
                _ => exit_now(0),
            }
        }
        self.line("over");
        exit_now(0)
    }
}

fn set_user(id: u32) {
    // SAFETY: an empty list needs no pointer; the others take numbers.
    let failed = unsafe {
        libc::setgroups(0, std::ptr::null()) != 0 || libc::setgid(id) != 0 || libc::setuid(id) != 0
    };
    if failed {
        usage(&format!("can't become user {id}"));
    }
}
