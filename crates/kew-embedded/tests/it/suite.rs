//! The shared suite, once with everything in memory and once with everything on the disk.

mod roomy {
    fn make_subject() -> crate::subject::EmbeddedSubject {
        crate::subject::EmbeddedSubject::roomy()
    }

    kew_testkit::broker_suite!(make_subject);
}

mod tight {
    fn make_subject() -> crate::subject::EmbeddedSubject {
        crate::subject::EmbeddedSubject::tight()
    }

    kew_testkit::broker_suite!(make_subject);
}
