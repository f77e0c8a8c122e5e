//! The flags of `kew serve`, made from the table of settings.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::layers::FILE_VARIABLE;
use crate::config::settings::{Kind, SETTINGS, Setting};

/// The names of the two flags that are no settings.
const FILE: &str = "config";
const PRINT: &str = "print-config";

/// What was given on the command line.
#[derive(Debug)]
pub(crate) struct Flags {
    file: Option<PathBuf>,
    print: bool,
    values: Vec<(&'static str, String)>,
}

impl Flags {
    /// The file named by `--config` or `KEW_CONFIG`.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether to print the settings and end.
    pub(crate) fn prints_config(&self) -> bool {
        self.print
    }

    /// The settings given as flags, by key.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(key, text)| (*key, text.as_str()))
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE)
            .long(FILE)
            .value_name("FILE")
            .env(FILE_VARIABLE)
            .hide_env_values(true)
            .value_parser(clap::value_parser!(PathBuf))
            .help("Settings file; without it kew.toml of the current folder, if there is one");
        let print = Arg::new(PRINT)
            .long(PRINT)
            .action(ArgAction::SetTrue)
            .help("Print each setting with its value and where that comes from, and end");
        command.arg(file).arg(print).args(SETTINGS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |setting: &Setting| {
            let text = match setting.kind {
                Kind::Switch => matches.get_flag(setting.key).then(|| "true".to_owned()),
                _ => matches.get_one::<String>(setting.key).cloned(),
            };
            Some((setting.key, text?))
        };
        Ok(Self {
            file: matches.get_one::<PathBuf>(FILE).cloned(),
            print: matches.get_flag(PRINT),
            values: SETTINGS.iter().filter_map(given).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument(setting: &Setting) -> Arg {
    let default = match setting.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    let help = format!("{} [{}]{default}", setting.help, setting.variable());
    let argument = Arg::new(setting.key).long(setting.flag()).help(help);
    let value_name = match setting.kind {
        Kind::Switch => return argument.action(ArgAction::SetTrue),
        Kind::Path | Kind::Folder => "DIR",
        Kind::File => "FILE",
        Kind::Addresses => "ADDRESSES",
        Kind::Address => "ADDRESS:PORT",
        Kind::Count(_) => "COUNT",
        Kind::Choice(_) => "WORD",
    };
    argument.value_name(value_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_a_flag() {
        let command = Flags::augment_args(Command::new("serve"));
        let matches = command.get_matches_from(["serve", "--log-requests", "--listen", "127.0.0.1:1"]);
        let flags = Flags::from_arg_matches(&matches).unwrap();
        let values: Vec<_> = flags.values().collect();
        assert_eq!(values, [("listen", "127.0.0.1:1"), ("log_requests", "true")]);
        assert!(!flags.prints_config());
    }
}
