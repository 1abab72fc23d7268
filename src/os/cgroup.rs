//! What the control group of this process tells.

use std::path::{Path, PathBuf};

/// How many processes of our control group, and of those below it, the kernel has killed because there was no
/// memory left, since the group was made. Nothing where it does not tell.
#[must_use]
pub fn oom_kills() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    files(&groups).iter().find_map(|file| count(&std::fs::read_to_string(file).ok()?))
}

/// Where the count may be. In a container the path of /proc is the host's, and what is mounted is the group
/// itself.
fn files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.events"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.oom_control")
            }
            _ => continue,
        };
        files.push(Path::new(root).join(path.trim_start_matches('/')).join(file));
        files.push(Path::new(root).join(file));
    }
    files
}

fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_looked_for() {
        let files = files("5:cpu,cpuacct:/a\n4:memory:/docker/b\n0::/c\n");
        let files: Vec<_> = files.iter().map(|file| file.to_str().expect("text")).collect();
        assert_eq!(
            files,
            [
                "/sys/fs/cgroup/memory/docker/b/memory.oom_control",
                "/sys/fs/cgroup/memory/memory.oom_control",
                "/sys/fs/cgroup/c/memory.events",
                "/sys/fs/cgroup/memory.events",
            ]
        );
    }

    #[test]
    fn kills_are_counted_and_near_misses_are_not() {
        assert_eq!(count("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n"), Some(2));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), Some(7));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\n"), None);
    }
}
