//! The only door to time.

use crate::broker::Wake;
use crate::time::Timestamp;

/// Tells the time, to everything that needs it.
///
/// A broker reads its clock at each step and never the system's. Between two readings a clock may stand still but
/// never goes back. The real one passes by itself; a test's moves by hand, hours in a microsecond.
pub trait Clock: Send + Sync + 'static {
    /// The time now, in milliseconds since the Unix epoch.
    fn now(&self) -> Timestamp;

    /// Asks to be told when time *jumps*: moves other than by passing. Called from any thread; must return quickly.
    ///
    /// A clock that only ever passes has nothing to tell, so the default forgets the request.
    fn on_jump(&self, wake: Wake) {
        drop(wake);
    }
}
