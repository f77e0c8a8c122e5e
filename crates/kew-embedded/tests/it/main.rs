//! The embedded broker, put to what every broker must pass and to what only it must.

mod aging;
mod backup;
mod bounds;
mod check;
mod cleaning;
mod crash;
mod drain;
mod equivalence;
mod failure;
mod faults;
mod fences;
mod figures;
mod fixture;
mod gated;
mod groups;
mod large_state;
mod looks;
mod partly_moved;
mod redrive;
mod regressions;
mod seeded;
mod subject;
mod suite;
mod threads;
mod waiting;
mod workload;
