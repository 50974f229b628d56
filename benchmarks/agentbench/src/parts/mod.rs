// SPDX-License-Identifier: Apache-2.0
//! The seven parts of a turn. Each keeps its input and its buffers from turn to turn, does the same work in every turn,
//! and returns a digest of what came out.

pub mod compression;
pub mod diff;
pub mod hash;
pub mod index;
pub mod json;
pub mod search;
pub mod vm;
