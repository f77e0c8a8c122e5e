//! The HTTP house of Kew, as a library: it owns the URLs, who may use them, and every limit on the way in.
//!
//! What a request meets, in order:
//!
//! 1. the accept loop and its cap on connections ([`Server::run`], any [`Listener`]);
//!    and those of one address (`guest`);
//! 2. the connection: TLS if it encrypts (`tls`), HTTP/1.1 by hyper, one timer for all deadlines, and answers in the envelope also for what is no
//!    HTTP (`connection`);
//! 3. the table of routes: one row a URL, with the right it needs (`routes`);
//! 4. the door, which bounds how often one may try (`door`), and the caller: Bearer token or legacy pair, account, queue
//!    (`caller`);
//! 5. the body, bounded in size, time and number (`body`);
//! 6. the operation: wire to model, the broker, model to wire (`operations`); some pulls wait in line (`waiting`);
//! 7. the answer, made in one place for successes and failures (`reply`), and who is told of it: log, audit and counts (`told`).
//!
//! Invariants: no byte leaves outside the envelope but `/metrics` and the OpenAPI document (404, 405, 408, 413, 431, panics and deadlines included); nothing is
//! read or kept without a bound; no secret and no body is logged. It knows no concrete broker, no file and no
//! JSON: [`kew_wire`] speaks for it.

mod audit;
mod body;
mod caller;
mod connection;
mod credentials;
mod document;
mod door;
mod exposition;
mod guest;
mod house;
mod listen;
mod meters;
mod operations;
mod query;
mod rate;
mod reply;
mod request_id;
mod routes;
mod server;
mod settings;
mod tls;
mod told;
mod waiting;

pub use audit::{Audit, AuditEntry};
pub use listen::Listener;
pub use routes::{Naming, Object, RouteSummary, routes};
pub use server::{Readiness, Server};
pub use settings::{Access, DEVELOPMENT_TOKEN, FigureSource, Settings};
pub use tls::{Tls, TlsError};
