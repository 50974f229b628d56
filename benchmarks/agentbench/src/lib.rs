// SPDX-License-Identifier: Apache-2.0
//! agentbench: what the tools of a coding agent cost, alone and with many agents at once. See README.md.

pub mod agents;
pub mod corpus;
pub mod cpus;
pub mod digest;
pub mod job;
pub mod json;
pub mod parts;
pub mod prng;
pub mod profile;
pub mod record;
pub mod report;
pub mod sha256;
pub mod sys;
pub mod time;
pub mod turn;
