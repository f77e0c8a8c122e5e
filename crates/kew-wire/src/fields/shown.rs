//! What errors show of what was sent: never more than a line.

/// The start of a value, for an error's text.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN_CHARACTERS: usize = 40;
    cut(text, SHOWN_CHARACTERS)
}

/// What the parser says. It may quote the request, and that can be long.
pub(super) fn reason(error: &serde_json::Error) -> String {
    const REASON_CHARACTERS: usize = 300;
    cut(&error.to_string(), REASON_CHARACTERS)
}

fn cut(text: &str, characters: usize) -> String {
    let mut shown: String = text.chars().take(characters).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
