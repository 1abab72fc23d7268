//! What the looks counted: connections, listeners, files, threads, CPU time.

use crate::postmortem::look::{Look, SeenProcess};
use crate::record::schema::Record;

/// One figure over the looks.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    /// Milliseconds since the start, and the value.
    pub(super) points: Vec<(f64, u64)>,
}

type Figure = fn(&SeenProcess) -> u64;

const FIGURES: [(&str, Figure); 5] = [
    ("connections", |seen| count(seen.sockets.connected)),
    ("listeners", |seen| count(seen.sockets.listening)),
    ("open files", |seen| count(seen.file_count.unwrap_or_default())),
    ("threads", |seen| count(seen.thread_count)),
    ("CPU used, ms", |seen| seen.cpu_ms),
];

fn count(number: usize) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

/// The curves that are not zero throughout.
pub(super) fn curves(record: &Record) -> Vec<Curve> {
    let looks = comparable(&record.looks);
    let curve = |(name, figure): (&'static str, Figure)| {
        let sum = |look: &Look| look.processes.iter().map(figure).fold(0, u64::saturating_add);
        Curve { name, points: looks.iter().map(|look| (look.at_ms, sum(look))).collect() }
    };
    let curves = FIGURES.into_iter().map(curve);
    curves.filter(|curve| curve.points.iter().any(|(_, value)| *value > 0)).collect()
}

/// The first look is at the main process alone: next to the others, its sums would show growth that never was.
fn comparable(looks: &[Look]) -> &[Look] {
    match looks {
        [before, after, ..] if before.processes.len() != after.processes.len() => &looks[1..],
        _ => looks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postmortem::look::{Moment, Sockets};

    /// A look at processes with these numbers of connections.
    fn look(at_ms: f64, connected: &[usize]) -> Look {
        let seen = |connected: &usize| SeenProcess {
            sockets: Sockets { connected: *connected, listening: 0 },
            thread_count: 2,
            ..SeenProcess::default()
        };
        let processes = connected.iter().map(seen).collect();
        Look { at_ms, moment: Moment::Half, processes, left_out: 0 }
    }

    fn found(looks: Vec<Look>) -> Vec<Curve> {
        curves(&Record { looks, ..Record::default() })
    }

    #[test]
    fn all_processes_are_summed_up_at_each_look() {
        let curves = found(vec![look(1.0, &[3, 1]), look(2.0, &[2, 0]), look(3.0, &[1])]);
        assert_eq!(curves.iter().map(|curve| curve.name).collect::<Vec<_>>(), ["connections", "threads"]);
        assert_eq!(curves[0].points, [(1.0, 4), (2.0, 2), (3.0, 1)]);
        assert_eq!(curves[1].points, [(1.0, 4), (2.0, 4), (3.0, 2)]);
    }

    #[test]
    fn a_first_look_at_the_main_process_alone_is_no_growth() {
        let curves = found(vec![look(1.0, &[1]), look(2.0, &[1, 1])]);
        assert_eq!(curves[0].points, [(2.0, 2)]);
        assert_eq!(found(vec![look(1.0, &[1]), look(2.0, &[0])])[0].points, [(1.0, 1), (2.0, 0)]);
        assert_eq!(found(Vec::new()), []);
    }
}
