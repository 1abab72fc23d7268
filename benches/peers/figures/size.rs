//! Sizes of the executables.

use std::fs;
use std::path::{Path, PathBuf};

use super::Bench;
use crate::figure::{Figure, Goal, Limit, Row};
use crate::programs::{Kind, installed};

const MB: f64 = 1e6;

pub(super) fn measure(bench: &Bench) -> Figure {
    let mut rows: Vec<Row> = bench
        .programs
        .iter()
        .filter(|program| !matches!(program.kind, Kind::Bare | Kind::Alone | Kind::Guarded))
        .map(|program| {
            let mut row = Row::new(program);
            add_size(&mut row, program.path.as_deref().ok());
            row
        })
        .collect();
    // The size of a program that does not work says nothing.
    let works = bench.programs.iter().any(|it| it.kind == Kind::Guarded && it.path.is_ok());
    let build = |path: &Option<PathBuf>| path.clone().filter(|_| works);
    let more = [
        ("tini-static", Kind::Bare, installed("tini-static").ok()),
        ("winddown, slim static", Kind::Alone, build(&bench.builds.slim)),
        ("winddown, full static", Kind::Guarded, build(&bench.builds.full)),
    ];
    for (name, kind, path) in more {
        let mut row = Row { name: name.into(), kind, samples: vec![], note: None, failed: false };
        add_size(&mut row, path.as_deref());
        rows.push(row);
    }
    Figure {
        id: "size",
        title: "size of the executable".into(),
        unit: "MB",
        baseline: None,
        goals: vec![
            Goal { kind: Kind::Alone, limit: Limit::Value(1.3) },
            Goal { kind: Kind::Guarded, limit: Limit::Value(4.0) },
        ],
        rows,
    }
}

fn add_size(row: &mut Row, path: Option<&Path>) {
    let size = path.and_then(|path| fs::metadata(path).ok()).map(|metadata| metadata.len());
    match size.and_then(|bytes| u32::try_from(bytes).ok()) {
        Some(bytes) => row.samples.push(f64::from(bytes) / MB),
        None if row.kind == Kind::Alone || row.kind == Kind::Guarded => {
            row.note = Some("not built, or not by benches/run".into());
        }
        None => row.note = Some("not installed".into()),
    }
}
