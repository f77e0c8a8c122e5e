//! The program that searches: libFuzzer around the target that `KEW_FUZZ_TARGET` names.
//!
//! `cargo xtask` builds it with coverage and gives it a corpus; README.md says how to run it by hand.
#![no_main]

use kew_fuzz::Target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let name = std::env::var("KEW_FUZZ_TARGET").expect("KEW_FUZZ_TARGET names a target");
    Target::find(&name).expect("a target of this name").run(input);
});
