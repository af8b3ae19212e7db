//! What is measured, a module each.

pub(crate) mod cold_start;
pub(crate) mod page;
pub(crate) mod platform_start;
pub(crate) mod request;
pub(crate) mod round_trips;
pub(crate) mod sign_in;
pub(crate) mod size;
