//! The nearest of known words to an unknown one, for messages about typing mistakes.

/// The candidate with the fewest changes of a letter; the first of equals. Who would change more than a third of the
/// letters meant another word.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |candidate: &&str| distance(word, candidate);
    candidates.min_by_key(likeness).filter(|nearest| likeness(nearest) * 3 <= word.len().max(nearest.len()))
}

/// How many letters must be inserted, deleted or replaced to make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..other.len() {
            let replaced = diagonal + usize::from(letter != other[column]);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_changed_letters() {
        for (one, other, changes) in
            [("", "", 0), ("", "abc", 3), ("listen", "lisen", 1), ("data", "date", 1)]
        {
            assert_eq!(distance(one, other), changes, "{one} {other}");
            assert_eq!(distance(other, one), changes, "{other} {one}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn the_nearest_word_is_found() {
        let words = ["data", "listen", "log_level"];
        assert_eq!(nearest("loglevel", words.into_iter()), Some("log_level"));
        assert_eq!(nearest("x", [].into_iter()), None);
        assert_eq!(nearest("lisn", words.into_iter()), Some("listen"));
        assert_eq!(nearest("print_config", words.into_iter()), None);
    }
}
