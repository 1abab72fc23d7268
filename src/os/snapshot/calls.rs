//! System calls by number, as /proc shows them.

use crate::postmortem::look::{Call, Hex};

/// The calls in which a program may wait, and those that show what it does.
#[rustfmt::skip]
static NAMES: &[(libc::c_long, &str)] = &[
    (libc::SYS_read, "read"), (libc::SYS_write, "write"), (libc::SYS_readv, "readv"),
    (libc::SYS_writev, "writev"), (libc::SYS_pread64, "pread64"), (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_recvfrom, "recvfrom"), (libc::SYS_recvmsg, "recvmsg"), (libc::SYS_recvmmsg, "recvmmsg"),
    (libc::SYS_sendto, "sendto"), (libc::SYS_sendmsg, "sendmsg"), (libc::SYS_sendfile, "sendfile"),
    (libc::SYS_accept, "accept"), (libc::SYS_accept4, "accept4"), (libc::SYS_connect, "connect"),
    (libc::SYS_ppoll, "ppoll"), (libc::SYS_pselect6, "pselect6"), (libc::SYS_epoll_pwait, "epoll_pwait"),
    (libc::SYS_epoll_pwait2, "epoll_pwait2"), (libc::SYS_futex, "futex"), (libc::SYS_futex_waitv, "futex_waitv"),
    (libc::SYS_nanosleep, "nanosleep"), (libc::SYS_clock_nanosleep, "clock_nanosleep"),
    (libc::SYS_restart_syscall, "restart_syscall"), (libc::SYS_wait4, "wait4"), (libc::SYS_waitid, "waitid"),
    (libc::SYS_rt_sigtimedwait, "rt_sigtimedwait"), (libc::SYS_rt_sigsuspend, "rt_sigsuspend"),
    (libc::SYS_flock, "flock"), (libc::SYS_fcntl, "fcntl"), (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_fsync, "fsync"), (libc::SYS_fdatasync, "fdatasync"), (libc::SYS_sync, "sync"),
    (libc::SYS_ftruncate, "ftruncate"), (libc::SYS_fallocate, "fallocate"), (libc::SYS_openat, "openat"),
    (libc::SYS_openat2, "openat2"), (libc::SYS_unlinkat, "unlinkat"), (libc::SYS_close, "close"),
    (libc::SYS_clone, "clone"), (libc::SYS_clone3, "clone3"), (libc::SYS_execve, "execve"),
    (libc::SYS_exit, "exit"), (libc::SYS_exit_group, "exit_group"), (libc::SYS_munmap, "munmap"),
    (libc::SYS_mmap, "mmap"), (libc::SYS_madvise, "madvise"), (libc::SYS_msync, "msync"),
    (libc::SYS_msgrcv, "msgrcv"), (libc::SYS_msgsnd, "msgsnd"), (libc::SYS_semop, "semop"),
    (libc::SYS_semtimedop, "semtimedop"), (libc::SYS_mq_timedreceive, "mq_timedreceive"),
    (libc::SYS_mq_timedsend, "mq_timedsend"), (libc::SYS_io_getevents, "io_getevents"),
    (libc::SYS_io_uring_enter, "io_uring_enter"), (libc::SYS_sched_yield, "sched_yield"),
    (libc::SYS_umount2, "umount2"), (libc::SYS_mount, "mount"), (libc::SYS_ptrace, "ptrace"),
];

/// Older calls, which newer architectures lack.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
static OLD_NAMES: &[(libc::c_long, &str)] = &[
    (libc::SYS_poll, "poll"), (libc::SYS_select, "select"), (libc::SYS_epoll_wait, "epoll_wait"),
    (libc::SYS_pause, "pause"), (libc::SYS_vfork, "vfork"), (libc::SYS_fork, "fork"),
    (libc::SYS_open, "open"), (libc::SYS_unlink, "unlink"),
];
#[cfg(not(target_arch = "x86_64"))]
static OLD_NAMES: &[(libc::c_long, &str)] = &[];

/// Parses `/proc/PID/syscall`; nothing for a thread that runs, or that waits outside a system call.
pub(super) fn call(line: &str) -> Option<Call> {
    let mut words = line.split_ascii_whitespace();
    let number: libc::c_long = words.next()?.parse().ok()?;
    let mut arguments = [Hex::default(); 6];
    for argument in &mut arguments {
        let word = words.next()?.strip_prefix("0x")?;
        *argument = Hex(u64::from_str_radix(word, 16).ok()?);
    }
    let known = NAMES.iter().chain(OLD_NAMES).find(|(known, _)| *known == number);
    let name = known.map_or_else(|| format!("syscall {number}"), |(_, name)| (*name).to_owned());
    Some(Call { name, arguments })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_its_name_and_arguments() {
        let line = format!("{} 0xffffffff 0x7ffe 0x0 0x0 0x0 0x8 0x7ffd 0x7f70\n", libc::SYS_wait4);
        let call = call(&line).expect("a call");
        assert_eq!(
            (call.name.as_str(), call.arguments[0], call.arguments[5]),
            ("wait4", Hex(0xffff_ffff), Hex(8))
        );
    }

    #[test]
    fn who_runs_is_in_no_call() {
        assert_eq!(call("running\n"), None);
        assert_eq!(call("-1 0x7ffd 0x7f70\n"), None);
        assert_eq!(call(""), None);
    }

    #[test]
    fn one_without_a_name_has_its_number() {
        let call = call("9999 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8").expect("a call");
        assert_eq!(call.name, "syscall 9999");
    }
}
