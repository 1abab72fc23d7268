//! What a terminal shows in the end, from everything that was written to it.

/// The lines of the screen. Follows carriage returns, erasing and wrapping; leaves out colours.
pub(crate) fn replay(text: &str, columns: usize) -> Vec<String> {
    let mut screen = Screen::new(columns, Narrowed::Breaks);
    screen.print(text);
    screen.lines()
}

/// What a terminal that becomes narrower does with lines that are now too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Narrowed {
    /// It wraps them again, and the cursor stays after its character.
    Breaks,
    /// It truncates them.
    Cuts,
}

/// A row, and whether its line continues in the next row.
type Row = (Vec<char>, bool);

/// A terminal that has no bottom.
pub(crate) struct Screen {
    rows: Vec<Row>,
    row: usize,
    column: usize,
    columns: usize,
    narrowed: Narrowed,
}

impl Screen {
    pub(crate) fn new(columns: usize, narrowed: Narrowed) -> Self {
        Self { rows: vec![(Vec::new(), false)], row: 0, column: 0, columns, narrowed }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|(row, _)| row.iter().collect()).collect()
    }

    pub(crate) fn print(&mut self, text: &str) {
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\r' => self.column = 0,
                '\n' => self.next_row(false),
                '\x1b' => {
                    // `[`, numbers, and the letter that names the function.
                    let command = letters.by_ref().skip(1).find(char::is_ascii_alphabetic);
                    match command {
                        Some('K') => self.erase_row(),
                        Some('J') => {
                            self.erase_row();
                            self.rows.truncate(self.row + 1);
                        }
                        _ => (),
                    }
                }
                _ => self.put(letter),
            }
        }
    }

    fn erase_row(&mut self) {
        let (row, goes_on) = &mut self.rows[self.row];
        row.truncate(self.column);
        *goes_on = false;
    }

    fn put(&mut self, letter: char) {
        if self.column == self.columns {
            self.rows[self.row].1 = true;
            self.next_row(true);
        }
        let (row, _) = &mut self.rows[self.row];
        row.resize(row.len().max(self.column + 1), ' ');
        row[self.column] = letter;
        self.column += 1;
    }

    fn next_row(&mut self, is_wrapped: bool) {
        self.row += 1;
        if self.row == self.rows.len() {
            self.rows.push((Vec::new(), false));
        }
        if is_wrapped {
            self.column = 0;
        }
    }

    pub(crate) fn resize(&mut self, columns: usize) {
        self.columns = columns;
        if self.narrowed == Narrowed::Cuts {
            self.rows.iter_mut().for_each(|(row, _)| row.truncate(columns));
            self.column = self.column.min(columns.saturating_sub(1));
            return;
        }
        let mut rows: Vec<Row> = Vec::new();
        let mut cursor = (0, 0);
        let mut line: Vec<char> = Vec::new();
        let mut cursor_in_line = None;
        for (index, (row, goes_on)) in std::mem::take(&mut self.rows).into_iter().enumerate() {
            if index == self.row {
                cursor_in_line = Some(line.len() + self.column);
            }
            line.extend(row);
            if goes_on {
                continue;
            }
            if let Some(at) = cursor_in_line.take() {
                cursor = (rows.len() + at / columns, at % columns);
            }
            let parts = line.chunks(columns).count().max(1);
            let mut chunks = line.chunks(columns);
            rows.extend((1..=parts).map(|part| {
                let chunk = chunks.next().unwrap_or_default();
                (chunk.to_vec(), part < parts)
            }));
            line.clear();
        }
        self.rows = rows;
        (self.row, self.column) = cursor;
        self.rows.resize(self.rows.len().max(self.row + 1), (Vec::new(), false));
    }
}
