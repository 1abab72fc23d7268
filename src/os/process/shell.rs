//! Recognises shells.

use super::procfs;

/// By file name.
const SHELLS: [&str; 12] =
    ["sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "zsh", "fish", "yash", "posh", BUSYBOX];
/// The shell of Alpine and `OpenWrt`, and many other programs, too.
const BUSYBOX: &str = "busybox";
/// Programs of busybox that wait for a child, as a shell does.
const NO_SHELLS: [&str; 10] =
    ["init", "runsv", "runsvdir", "timeout", "time", "watch", "xargs", "flock", "su", "unshare"];

/// The name of the shell that a process is, if it is one. A script that was executed directly has its own
/// name; its interpreter is the shell.
pub(crate) fn program(pid: i32, name: &str) -> Option<String> {
    let program = procfs::executable(pid).unwrap_or_else(|| name.to_owned());
    is_shell(&program, name).then_some(program)
}

fn is_shell(program: &str, name: &str) -> bool {
    SHELLS.contains(&program) && (program != BUSYBOX || !NO_SHELLS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busybox_is_a_shell_by_whatever_name_but_those_of_its_other_programs() {
        for name in ["sh", "ash", "busybox", "entrypoint.sh"] {
            assert!(is_shell("busybox", name), "{name}");
        }
        assert!(!is_shell("busybox", "runsv") && is_shell("dash", "init") && !is_shell("python3", "sh"));
    }
}
