//! Redrive, Kew's own.

use kew_model::Redriven;
use kew_wire::redrive::{AskedRedrive, read_redrive, write_redriven};

use crate::{shown, text};

#[test]
fn a_redrive_goes_to_the_origins_in_batches_of_100_unless_it_says_otherwise() {
    let defaults = AskedRedrive { destination: None, batch_size: 100 };
    for body in ["", " ", "{}", r#"{"destination":null,"batch_size":null}"#] {
        assert_eq!(read_redrive(body.as_bytes()).unwrap(), defaults, "{body}");
    }
    let asked = read_redrive(br#"{"destination":"j\u006fbs","batch_size":1}"#).unwrap();
    assert_eq!(asked, AskedRedrive { destination: Some("jobs".into()), batch_size: 1 });
}

#[test]
fn wrong_fields_are_named() {
    for (body, said, pointer) in [
        (r#"{"batch_size":0}"#, "batch_size must be a whole number from 1 to 100, not 0", "/batch_size"),
        (r#"{"batch_size":101}"#, "batch_size must be a whole number from 1 to 100, not 101", "/batch_size"),
        (r#"{"destination":7}"#, "destination must be a string, not 7", "/destination"),
    ] {
        assert_eq!(shown(read_redrive(body.as_bytes())), (10_026, said.into(), pointer.into()));
    }
    assert_eq!(shown(read_redrive(b"[]")).0, 10_026);
}

#[test]
fn the_answer_says_what_moved_what_stays_and_what_is_left() {
    let answer = write_redriven(&Redriven { moved: 3, without_origin: 1, left: 4 });
    assert_eq!(
        text(answer),
        concat!(
            r#"{"success":true,"errors":[],"messages":[],"#,
            r#""result":{"moved":3,"without_origin":1,"left":4}}"#
        )
    );
}
