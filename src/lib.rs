//! Congestion-state times of TCP connections: sources of snapshots, the model
//! that turns them into reports, and the views that print reports.

pub mod cli;
pub mod command;
pub mod demo;
pub mod interrupt;
pub mod kernel;
pub mod model;
mod nsfiles;
pub mod run;
pub mod source;
pub mod view;
pub mod whose;
pub mod why;
pub mod wire;
