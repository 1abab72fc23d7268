//! Platforms that signal every process at once, known by their environment variables. Once a request is
//! seen to have gone to every process, the main process need not be asked.

use std::ffi::OsString;

/// What signals every process where we run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Platform {
    /// systemd, where `KillMode=` is `control-group`.
    Systemd,
    /// A dyno of Heroku.
    Heroku,
    /// A build of Jenkins, which finds its processes by a cookie.
    Jenkins,
    /// A step of Slurm.
    Slurm,
    /// pm2, which signals the whole tree.
    Pm2,
}

impl Platform {
    /// The platform that has started the process that callers see, by its variables.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<OsString>, visible_pid: i32) -> Option<Self> {
        let has = |name| variable(name).is_some_and(|value| !value.is_empty());
        let is_ours =
            |value: OsString| value.to_str().and_then(|text| text.parse().ok()) == Some(visible_pid);
        if variable("SYSTEMD_EXEC_PID").is_some_and(is_ours) {
            Some(Self::Systemd)
        } else if has("DYNO") {
            Some(Self::Heroku)
        } else if has("JENKINS_NODE_COOKIE") || has("JENKINS_SERVER_COOKIE") {
            Some(Self::Jenkins)
        } else if has("SLURM_JOB_ID") {
            Some(Self::Slurm)
        } else if has("PM2_HOME") && has("pm_id") {
            Some(Self::Pm2)
        } else {
            None
        }
    }

    /// Whether a signal from this process is the platform's: from our parent, from PID 1 or from outside our
    /// PID namespace, or from a program that is known to signal from elsewhere.
    pub(crate) fn is_sender(
        self,
        pid: i32,
        parent: impl FnOnce() -> Option<i32>,
        name: impl FnOnce() -> Option<String>,
    ) -> bool {
        let program = match self {
            Self::Jenkins => Some("java"),
            Self::Slurm => Some("slurmstepd"),
            Self::Systemd | Self::Heroku | Self::Pm2 => None,
        };
        pid <= 1 || parent() == Some(pid) || program.is_some_and(|program| name().as_deref() == Some(program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<Platform> {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        Platform::of(|name| value(name).map(OsString::from), 4711)
    }

    #[test]
    fn each_is_known_by_its_variables() {
        assert_eq!(of(&[("SYSTEMD_EXEC_PID", "4711")]), Some(Platform::Systemd));
        assert_eq!(of(&[("DYNO", "web.1")]), Some(Platform::Heroku));
        assert_eq!(of(&[("JENKINS_NODE_COOKIE", "8a3")]), Some(Platform::Jenkins));
        assert_eq!(of(&[("SLURM_JOB_ID", "12")]), Some(Platform::Slurm));
        assert_eq!(of(&[("PM2_HOME", "/root/.pm2"), ("pm_id", "0")]), Some(Platform::Pm2));
    }

    #[test]
    fn what_is_not_certain_is_none() {
        let others: [&[(&str, &str)]; 4] =
            [&[], &[("SYSTEMD_EXEC_PID", "4710")], &[("DYNO", "")], &[("PM2_HOME", "/root/.pm2")]];
        for variables in others {
            assert_eq!(of(variables), None, "{variables:?}");
        }
    }

    #[test]
    fn only_its_own_signals_count() {
        let is_sender = |platform: Platform, pid, name: &str| {
            platform.is_sender(pid, || Some(300), || Some(name.to_owned()))
        };
        assert!(is_sender(Platform::Systemd, 300, "systemd"));
        assert!(is_sender(Platform::Heroku, 0, ""));
        assert!(is_sender(Platform::Jenkins, 500, "java"));
        assert!(!is_sender(Platform::Systemd, 500, "pkill"));
        assert!(!is_sender(Platform::Jenkins, 500, "pkill"));
        assert!(!is_sender(Platform::Slurm, 500, "java"));
    }
}
