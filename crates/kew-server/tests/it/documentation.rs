//! The page on compatibility names what the server has: every route with its right, every contradiction.

use std::collections::BTreeMap;
use std::path::Path;

use kew_server::routes;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compat.md");
    std::fs::read_to_string(path).expect("docs/compat.md is there")
}

/// A path without the names in its braces, which the page chooses for readers.
fn shape(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// The endpoints in the page's tables, each with the right in its second column.
fn documented(page: &str) -> BTreeMap<String, String> {
    let mut endpoints = BTreeMap::new();
    for line in page.lines() {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (Some(endpoint), Some(right)) = (cells.next(), cells.next()) else { continue };
        let endpoint = endpoint.strip_prefix('`').and_then(|text| text.strip_suffix('`'));
        let Some((method, path)) = endpoint.and_then(|text| text.split_once(" /")) else { continue };
        let twin = endpoints.insert(shape(&format!("{method} /{path}")), right.to_owned());
        assert_eq!(twin, None, "{line} stands twice");
    }
    endpoints
}

#[test]
fn every_route_is_in_the_page_with_its_right_and_nothing_else_is() {
    let served = routes().into_iter().map(|route| {
        let path = route.path.strip_prefix("/client/v4").unwrap_or(&route.path);
        (shape(&format!("{} {path}", route.method)), route.right.to_owned())
    });
    let (served, documented) = (served.collect::<BTreeMap<_, _>>(), documented(&page()));
    for (endpoint, right) in &served {
        assert_eq!(
            documented.get(endpoint),
            Some(right),
            "docs/compat.md has no row, or another right, for {endpoint}"
        );
    }
    for endpoint in documented.keys() {
        assert!(served.contains_key(endpoint), "docs/compat.md has {endpoint}, which is not served");
    }
}

#[test]
fn every_contradiction_is_in_the_page() {
    let page = page();
    let rows: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| C")).collect();
    let numbers: Vec<_> =
        rows.iter().filter_map(|row| row.split_once(" |")).map(|(number, _)| number).collect();
    let expected: Vec<_> = (1..=37).map(|number: u32| number.to_string()).collect();
    assert_eq!(numbers, expected);
    for row in rows {
        assert!(row.split('|').skip(1).take(4).all(|cell| !cell.trim().is_empty()), "{row}");
    }
}
