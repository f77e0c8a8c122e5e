//! The page of errors is what the table says.

use std::path::Path;

#[test]
fn the_page_of_errors_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let page = kew_wire::catalogue::markdown();
    if std::env::var_os("KEW_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/errors.md is not what the table says; run with KEW_WRITE_DOCS=1 and commit it"
    );
}
