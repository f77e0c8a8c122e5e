//! `--queue NAME` and `--queue NAME=ID`.

use core::fmt;
use core::str::FromStr;

use kew_model::{QueueId, QueueName};

/// A queue to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueueOption {
    /// Its name.
    pub(super) name: QueueName,
    /// Its id, when it must be a certain one.
    pub(super) id: Option<QueueId>,
}

impl FromStr for QueueOption {
    type Err = String;

    /// # Errors
    /// A name that breaks the rule for names, or an id that is not 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, id) = text.split_once('=').map_or((text, None), |(name, id)| (name, Some(id)));
        let id = id.map(str::parse).transpose().map_err(|error: kew_model::NotHex| error.to_string())?;
        let name = name.parse().map_err(|_: kew_model::Error| {
            format!(
                "a queue's name has 1 to 63 lowercase letters, digits and hyphens, no hyphen first or last, unlike \
                 {name:?}"
            )
        })?;
        Ok(Self { name, id })
    }
}

impl fmt::Display for QueueOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "{}={id}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_a_name_and_may_have_an_id() {
        let plain: QueueOption = "jobs".parse().unwrap();
        assert_eq!((plain.name.as_str(), plain.id), ("jobs", None));
        let fixed: QueueOption = "jobs=023e105f4ecef8ad9ca31a8372d0c353".parse().unwrap();
        assert_eq!(fixed.to_string(), "jobs=023e105f4ecef8ad9ca31a8372d0c353");
        for text in ["", "Jobs", "jobs=", "jobs=123", "=023e105f4ecef8ad9ca31a8372d0c353"] {
            assert!(text.parse::<QueueOption>().is_err(), "{text}");
        }
    }
}
