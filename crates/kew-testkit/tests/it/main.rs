//! The testkit put to itself.

mod flawed;
mod history;
mod oracle;
mod test_of_tests;
