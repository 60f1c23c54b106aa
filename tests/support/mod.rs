//! What the tests share: the kernel's own account of every flow, and networks to make flows in.
//! Not the tests themselves, and nothing of the crate but its binary: the truth owes it no line.
#![allow(dead_code)] // Every test file includes the whole and uses a part.

pub(crate) mod account;
pub(crate) mod actor;
pub(crate) mod calm;
pub(crate) mod certificates;
pub(crate) mod cgroup;
pub(crate) mod compare;
pub(crate) mod crowd;
pub(crate) mod format;
pub(crate) mod info;
pub(crate) mod instance;
pub(crate) mod lab;
pub(crate) mod ledger;
pub(crate) mod mixin;
pub(crate) mod needs;
pub(crate) mod netns;
pub(crate) mod probes;
pub(crate) mod quiet;
pub(crate) mod replay;
pub(crate) mod ring;
pub(crate) mod rows;
pub(crate) mod scene;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod storm;
pub(crate) mod tool;
pub(crate) mod trace;
pub(crate) mod traffic;
pub(crate) mod truth;
pub(crate) mod verdict;
pub(crate) mod watch;
