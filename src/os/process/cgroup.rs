//! OOM kills, from the control group of this process.

use std::path::{Path, PathBuf};

/// Has the count of the whole machine.
const OF_MACHINE: &str = "/proc/vmstat";

/// Counts processes that the kernel kills for lack of memory: in our control group and below; or on the whole
/// machine, if the group has no count.
#[derive(Debug, Default)]
pub(crate) struct OomKills {
    /// The file with the count, and its value at the start.
    start: Option<(PathBuf, u64)>,
}

impl OomKills {
    /// Starts to count.
    pub(crate) fn count() -> Self {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let files = files(&groups).into_iter().chain([PathBuf::from(OF_MACHINE)]);
        let with_count = |file: PathBuf| {
            let count = read(&file)?;
            Some((file, count))
        };
        Self { start: files.into_iter().find_map(with_count) }
    }

    /// How many there have been since then; nothing if the kernel has no count.
    pub(crate) fn since(&self) -> Option<u64> {
        let (file, before) = self.start.as_ref()?;
        Some(read(file)?.saturating_sub(*before))
    }

    /// Whether processes outside the group are counted, too.
    pub(crate) fn are_of_machine(&self) -> bool {
        self.start.as_ref().is_some_and(|(file, _)| file == Path::new(OF_MACHINE))
    }
}

fn read(file: &Path) -> Option<u64> {
    count(&std::fs::read_to_string(file).ok()?)
}

/// Where the count may be. In a container the path in /proc is the host's, and the mounted directory is the
/// group itself.
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

/// Runs every parser in this file.
#[cfg(any(test, fuzzing))]
pub(crate) fn parse_any(text: &str) {
    let _ = (files(text), count(text));
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

    #[test]
    fn only_those_since_the_start_count() {
        let file = std::env::temp_dir().join(format!("winddown-oom-{}", std::process::id()));
        std::fs::write(&file, "oom 9\noom_kill 7\n").expect("a file");
        let kills = OomKills { start: Some((file.clone(), read(&file).expect("a count"))) };
        assert_eq!((kills.since(), kills.are_of_machine()), (Some(0), false));
        std::fs::write(&file, "oom 9\noom_kill 9\n").expect("a file");
        assert_eq!(kills.since(), Some(2));
        std::fs::remove_file(&file).expect("it was there");
        assert_eq!(kills.since(), None);
    }
}
