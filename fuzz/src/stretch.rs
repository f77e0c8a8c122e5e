//! Long inputs made of short ones.
//!
//! A search that grows its inputs byte by byte meets long ones late, and a reader that takes quadratic time shows only
//! there. So a piece of some inputs is repeated until they are as long as they may be: a list becomes a long list, a
//! bracket a deep nest, a digit a huge number.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// One input in so many is stretched.
const EVERY: u64 = 64;

/// The input with one piece of it repeated up to `length` bytes; `None` for most inputs. Which input and which piece is
/// drawn from the input alone.
pub(crate) fn long(input: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let mut drawn = hasher.finish();
    let mut draw = |below: u64| {
        let number = drawn % below;
        drawn /= below;
        usize::try_from(number).unwrap_or(0)
    };
    if draw(EVERY) != 0 || input.is_empty() || input.len() > length {
        return None;
    }
    let size = input.len() as u64;
    let start = draw(size);
    let end = start + 1 + draw(size - start as u64);
    let piece = &input[start..end];
    let times = 1 + (length - input.len()) / piece.len();
    Some([&input[..start], &piece.repeat(times), &input[end..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_inputs_are_stretched_to_the_length_and_keep_their_ends() {
        // Given many inputs
        let inputs: Vec<Vec<u8>> = (0..6_400_u32).map(|number| format!("<{number}>").into_bytes()).collect();
        // When they are stretched
        let long: Vec<Vec<u8>> = inputs.iter().filter_map(|input| long(input, 1_000)).collect();
        // Then about one in 64 is long, never too long, and begins or ends as before
        assert!((50..200).contains(&long.len()), "{}", long.len());
        for text in &long {
            assert!((990..=1_000).contains(&text.len()), "{}", text.len());
            assert!(text.starts_with(b"<") && text.ends_with(b">"));
        }
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        assert_eq!(long(b"", 1_000), None);
    }
}
