//! dev
/// Where `kew dev` listens when it is not told, and where clients look for it.
pub(crate) const LISTEN_DEFAULT: &str = "127.0.0.1:7790";
