//! Which places are changed, and which tests guard them.

/// A crate, and the tests that guard it.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) package: &'static str,
    /// Where what is said of a program is decided without files, threads or sockets.
    pub(super) files: &'static [&'static str],
    /// What among these is about something else.
    pub(super) beside: &'static [&'static str],
    /// Quick tests that see most; then, for the places that these pass over, more.
    pub(super) passes: &'static [Tests],
}

/// Some tests.
#[derive(Debug)]
pub(super) struct Tests {
    /// Whose they are.
    pub(super) packages: &'static [&'static str],
    /// What is built and run, as `cargo` is told.
    pub(super) targets: &'static [&'static str],
    /// Which of the tests in it, as these are told.
    pub(super) chosen: &'static [&'static str],
}

/// What tests look at, and nobody else.
const TESTS: &str = "**/tests.rs";

/// By how much depends on them.
pub(super) const GUARDS: [Guard; 4] = [
    Guard {
        package: "kew-embedded",
        files: &[
            "crates/kew-embedded/src/decide/**",
            "crates/kew-embedded/src/queue/**",
            "crates/kew-embedded/src/queue.rs",
            "crates/kew-embedded/src/record/**",
            "crates/kew-embedded/src/state/**",
            "crates/kew-embedded/src/state.rs",
        ],
        beside: &[TESTS],
        passes: &[
            Tests {
                packages: &["kew-embedded"],
                targets: &["--lib", "--test=it"],
                chosen: &["tests::", "equivalence::", "crash::random", "--skip=the_newest_million"],
            },
            // All but tests of other tests, and those that take long.
            Tests {
                packages: &["kew-embedded"],
                targets: &["--lib", "--test=it"],
                chosen: &[
                    "--skip=seeded",
                    "--skip=is_caught",
                    "--skip=a_run_of_600",
                    "--skip=every_short_script",
                    "--skip=whatever_call_fails",
                    "--skip=blocks_that_changed",
                    "--skip=rot_in_any",
                    "--skip=every_flipped",
                    "--skip=an_account_holds",
                    "--skip=a_tenth_of_the_largest",
                ],
            },
        ],
    },
    Guard {
        package: "kew-journal",
        files: &["crates/kew-journal/src/**"],
        // Simulations count for nothing, nor do mistakes that are planted.
        beside: &[TESTS, "crates/kew-journal/src/disk/**", "crates/kew-journal/src/seeded.rs"],
        passes: &[Tests {
            packages: &["kew-journal"],
            targets: &["--lib", "--test=it"],
            chosen: &[
                "--skip=mutants",
                "--skip=is_caught",
                "--skip=every_short_script",
                "--skip=recovery_may_be",
                "--skip=whatever_call_fails",
                "--skip=rot_in_any",
                "--skip=every_flipped",
            ],
        }],
    },
    Guard {
        package: "kew-model",
        files: &["crates/kew-model/src/**"],
        beside: &[TESTS],
        // It has no folder of tests; those of the crates above it say what its numbers must be.
        passes: &[
            Tests { packages: &["kew-model", "kew-wire"], targets: &["--tests"], chosen: &[] },
            Tests {
                packages: &["kew-testkit", "kew-embedded"],
                targets: &["--tests"],
                chosen: &["equivalence::", "suite::", "oracle::", "--skip=an_account_holds"],
            },
        ],
    },
    Guard {
        package: "kew-wire",
        files: &["crates/kew-wire/src/**"],
        beside: &[TESTS],
        passes: &[Tests { packages: &["kew-wire"], targets: &["--lib", "--test=it"], chosen: &[] }],
    },
];
