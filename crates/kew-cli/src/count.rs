//! Whole numbers as people type them, each within the range of its flag, which a refusal names.

use core::ops::RangeInclusive;

/// A reader of numbers within a range; one that ends with the greatest number has no end worth naming.
pub(crate) fn count_in(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let read = text.parse().ok().filter(|count| range.contains(count));
        read.ok_or_else(|| match (range.start(), range.end()) {
            (least, &u64::MAX) => format!("must be a whole number of at least {least}"),
            (least, most) => format!("must be a whole number from {least} to {most}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use kew_model::Limits;

    use super::*;

    #[test]
    fn a_count_lies_in_its_range() {
        let pull = count_in(Limits::PULL_BATCH);
        assert_eq!((pull("1"), pull("100")), (Ok(1), Ok(100)));
        for text in ["", "x", "-1", "0", "101", "1.5", "99999999999999999999"] {
            assert_eq!(pull(text), Err("must be a whole number from 1 to 100".to_owned()), "{text}");
        }
        assert_eq!(count_in(1..=u64::MAX)("0"), Err("must be a whole number of at least 1".to_owned()));
    }
}
