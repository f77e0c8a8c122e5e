//! The testkit put to itself.

mod oracle;
