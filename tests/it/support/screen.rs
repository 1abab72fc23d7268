//! What a terminal shows in the end, after all that was written to it.

/// The lines of the screen: carriage returns, "erase to the end of the line" and wrapping are followed; what
/// only colours is left out.
pub(crate) fn replay(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let mut column = 0;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let line = lines.last_mut().expect("there is always one");
        match letter {
            '\r' => column = 0,
            '\n' => lines.push(Vec::new()),
            '\x1b' => {
                // `[`, numbers, and the letter that says what.
                let command = letters.by_ref().skip(1).find(char::is_ascii_alphabetic);
                if command == Some('K') {
                    line.truncate(column);
                }
            }
            _ => {
                if column == columns {
                    lines.push(Vec::new());
                    column = 0;
                }
                let line = lines.last_mut().expect("there is always one");
                let length = line.len().max(column + 1);
                line.resize(length, ' ');
                line[column] = letter;
                column += 1;
            }
        }
    }
    lines.into_iter().map(|line| line.into_iter().collect()).collect()
}
