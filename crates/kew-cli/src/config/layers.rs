//! The layers of written settings, each laid over the one before.

use core::fmt;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::config::nearest::nearest;
use crate::config::settings::{SETTINGS, Setting};

/// The file that is read when none is named and it is there.
const FILE_DEFAULT: &str = "kew.toml";
/// Variables of the same prefix that other commands and `dev.env` use.
const OTHER_VARIABLES: [&str; 3] = ["KEW_URL", "KEW_TOKEN", "KEW_CA_FILE"];
/// The variable that names the settings file.
pub(crate) const FILE_VARIABLE: &str = "KEW_CONFIG";
/// How the variables of queues in `dev.env` start.
const OTHER_PREFIX: &str = "KEW_QUEUE_ID_";

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In the table.
    Default,
    /// In this file.
    File(PathBuf),
    /// In this variable.
    Variable(String),
    /// In this flag.
    Flag(String),
}

/// A value as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    /// Its text.
    pub(crate) text: String,
    /// Where it was written.
    pub(crate) origin: Origin,
}

/// The value of each setting of the table, in its order.
#[derive(Debug)]
pub(crate) struct Layered(Vec<Value>);

impl Layered {
    /// The lowest layer.
    pub(crate) fn defaults() -> Self {
        let value = |setting: &Setting| Value { text: setting.default.to_owned(), origin: Origin::Default };
        Self(SETTINGS.iter().map(value).collect())
    }

    /// Lays a file over; one that is not named may be absent.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or has keys or values that are none.
    pub(crate) fn add_file(&mut self, named: Option<&Path>) -> anyhow::Result<()> {
        let path = named.unwrap_or(Path::new(FILE_DEFAULT));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| describe(path, &text, &error))?;
        for (key, value) in table {
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(switch) => switch.to_string(),
                toml::Value::Float(number) => number.to_string(),
                other => bail!("{key} ({}): must be one value, not {}", path.display(), other.type_str()),
            };
            self.set(&key, text, Origin::File(path.to_owned()))?;
        }
        Ok(())
    }

    /// Lays the environment over.
    ///
    /// # Errors
    /// When a variable starts with `KEW_` and is unknown, or has a value that is none.
    pub(crate) fn add_environment(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<()> {
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| is_setting(name)) else { continue };
            if name == FILE_VARIABLE {
                continue;
            }
            let text = value.into_string().ok().with_context(|| format!("{name} is not valid text"))?;
            let key = name.trim_start_matches("KEW_").to_ascii_lowercase();
            self.set(&key, text, Origin::Variable(name.to_owned()))?;
        }
        Ok(())
    }

    /// Lays flags over.
    ///
    /// # Errors
    /// When a value is none of its setting.
    pub(crate) fn add_flags<'a>(
        &mut self,
        values: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> anyhow::Result<()> {
        for (key, text) in values {
            self.set(key, text.to_owned(), Origin::Flag(format!("--{}", key.replace('_', "-"))))?;
        }
        Ok(())
    }

    /// The settings with their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Setting, &Value)> {
        SETTINGS.iter().zip(&self.0)
    }

    /// The value of a setting.
    ///
    /// # Panics
    /// When the table has no such key; keys are written in this crate alone and a test reads them all.
    pub(crate) fn value(&self, key: &str) -> &Value {
        let found = self.iter().find(|(setting, _)| setting.key == key);
        found.map(|(_, value)| value).expect("a key of the table")
    }

    /// The text of a setting's value.
    pub(crate) fn text(&self, key: &str) -> &str {
        &self.value(key).text
    }

    fn set(&mut self, key: &str, text: String, origin: Origin) -> anyhow::Result<()> {
        let Some(index) = SETTINGS.iter().position(|setting| setting.key == key) else {
            match nearest(key, SETTINGS.iter().map(|setting| setting.key)) {
                Some(known) => bail!("{key} ({origin}): no such setting; the nearest is {known}"),
                None => bail!("{key} ({origin}): no such setting; kew serve --print-config shows all"),
            }
        };
        SETTINGS[index].check(&text).with_context(|| format!("{key} ({origin})"))?;
        self.0[index] = Value { text, origin };
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Whether a variable is meant for the server, also if there is no such setting.
pub(crate) fn is_setting(variable: &str) -> bool {
    variable.starts_with("KEW_")
        && !OTHER_VARIABLES.contains(&variable)
        && !variable.starts_with(OTHER_PREFIX)
}

/// An error of TOML as one line with its place.
fn describe(path: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    anyhow::anyhow!("{}, line {line}: {}", path.display(), error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn each_layer_lies_over_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kew.toml");
        std::fs::write(&file, "threads = 3\nlog_level = \"warn\"\nlog_requests = true\n").unwrap();
        let mut layered = Layered::defaults();
        layered.add_file(Some(&file)).unwrap();
        layered.add_environment(variables(&[("KEW_THREADS", "4"), ("KEW_LOG_LEVEL", "debug")])).unwrap();
        layered.add_flags([("threads", "5")].into_iter()).unwrap();
        assert_eq!(layered.value("threads").origin, Origin::Flag("--threads".to_owned()));
        assert_eq!(layered.text("threads"), "5");
        assert_eq!(layered.value("log_level").origin, Origin::Variable("KEW_LOG_LEVEL".to_owned()));
        assert_eq!(layered.value("log_requests").origin, Origin::File(file));
        assert_eq!(layered.value("listen").origin, Origin::Default);
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let refused = Layered::defaults().add_environment(variables(&[("KEW_LISEN", "127.0.0.1:1")]));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "lisen (KEW_LISEN): no such setting; the nearest is listen"
        );
    }

    #[test]
    fn what_resembles_no_setting_is_refused_without_a_guess() {
        for flag in ["KEW_NEW_ADMIN_TOKEN", "KEW_PRINT_CONFIG"] {
            let text =
                Layered::defaults().add_environment(variables(&[(flag, "true")])).unwrap_err().to_string();
            assert!(text.ends_with("no such setting; kew serve --print-config shows all"), "{text}");
        }
    }

    #[test]
    fn a_fraction_is_refused_as_any_number_that_is_none_of_the_setting() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kew.toml");
        std::fs::write(&file, "threads = 2.5\n").unwrap();
        let text = format!("{:#}", Layered::defaults().add_file(Some(&file)).unwrap_err());
        assert!(text.ends_with("must be a whole number from 0 to 64, not \"2.5\""), "{text}");
    }

    #[test]
    fn variables_of_other_commands_are_left_alone() {
        let others = variables(&[("KEW_TOKEN", "x"), ("KEW_QUEUE_ID_JOBS", "y"), ("HOME", "/")]);
        Layered::defaults().add_environment(others).unwrap();
    }

    #[test]
    fn a_broken_file_is_named_with_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kew.toml");
        std::fs::write(&file, "threads = 3\nlisten = \n").unwrap();
        let refused = Layered::defaults().add_file(Some(&file)).unwrap_err().to_string();
        assert!(refused.contains("kew.toml, line 2: "), "{refused}");
        assert!(!refused.contains('\n'), "{refused}");
    }
}
