//! The testkit put to itself.

mod flawed;
mod oracle;
mod test_of_tests;
